/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_FUZZ_SCOPE_H
#define TESTS_FUZZ_SCOPE_H

#include <stddef.h>

/* Parses any bytes as RUMPHIJACK; aborts if what comes out is not as config.c says. */
void fuzz_scope(const unsigned char *bytes, size_t len);

#endif
