/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_FUZZ_SHMSEG_H
#define TESTS_FUZZ_SHMSEG_H

#include <stddef.h>

/*
 * Has any bytes written into a segment (at path, made and removed) between the calls of
 * two members: no crash, no endless loop, no length that cannot be.  abort()s if not.
 */
void fuzz_shmseg(const char *path, const unsigned char *bytes, size_t len);

#endif
