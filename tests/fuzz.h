/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz.h - what the fuzzers have in common.  Each defines fuzz(), which a test program calls with
 * random or bent input; with -DLIBFUZZER (clang's -fsanitize=fuzzer) libFuzzer does.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdlib.h>

/* Aborts if what is made of the bytes is not as its module says.  1: they were accepted, 0: refused. */
int fuzz(const unsigned char *bytes, size_t len);

#define check(cond)	do { if (!(cond)) abort(); } while (0)

#ifdef LIBFUZZER
int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);
int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len)
{
	fuzz(bytes, len);
	return 0;
}
#endif

#endif
