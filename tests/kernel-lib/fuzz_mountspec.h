/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_FUZZ_MOUNTSPEC_H
#define TESTS_FUZZ_MOUNTSPEC_H

#include <stddef.h>

/* Parses any bytes; aborts if what comes out is not what the grammar allows. */
void fuzz_mountspec(const unsigned char *bytes, size_t len);

#endif
