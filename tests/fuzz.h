/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz.h - what the fuzzers have in common.  Each defines fuzz(), which a test program calls with
 * random or bent input; with -DLIBFUZZER (clang's -fsanitize=fuzzer) libFuzzer does.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* Aborts if what is made of the bytes is not as its module says.  1: they were accepted, 0: refused. */
int fuzz(const unsigned char *bytes, size_t len);

#define check(cond)	do { if (!(cond)) abort(); } while (0)

/*
 * Up to max words at random of the n of part, written one after the other at text, which has room for
 * them, each with what then comes between two.  What was written, in bytes.
 */
static inline size_t fuzz_words(char *text, const char *const *part, size_t n, unsigned int max,
    const char *between)
{
	unsigned int words = random() % (max + 1);
	size_t len = 0;

	text[0] = '\0';
	while (words--)
		len += sprintf(text + len, "%s%s", part[random() % n], random() % 8 ? between : "");
	return len;
}

#ifdef LIBFUZZER
int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);
int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len)
{
	fuzz(bytes, len);
	return 0;
}
#endif

#endif
