/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_FUZZ_NETSPEC_H
#define TESTS_FUZZ_NETSPEC_H

#include <stddef.h>

/* abort()s if any bytes make the parser say something that cannot be. */
void fuzz_netspec(const unsigned char *bytes, size_t len);

#endif
