/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scope.c - RUMPHIJACK, as the options of `rump run' and the environment say it: an option
 * takes the place of all words of its name.
 */
#include <stdlib.h>
#include <string.h>

#include "../hijack/hijack.h"
#include "rump.h"
#include "scope.h"

#define WORDS_MAX	8192

static char given[WORDS_MAX];		/* by options: words, each with a comma before it */

static void append(char *words, const char *s, size_t n, int escaped)
{
	size_t len = strlen(words);

	for (; n; n--, s++) {
		if (len + 3 > WORDS_MAX)
			die(EXIT_USAGE, "RUMPHIJACK, and what the options add to it: longer than %d bytes",
			    WORDS_MAX);
		if (escaped && strchr(",:\\", *s))
			words[len++] = '\\';
		words[len++] = *s;
	}
	words[len] = '\0';
}

void scope_option(const char *name, const char *value, int is_path)
{
	append(given, ",", 1, 0);
	append(given, name, strlen(name), 0);
	append(given, "=", 1, 0);
	append(given, value, strlen(value), is_path);
}

/* The end of the word that s begins with. */
static const char *word_end(const char *s)
{
	for (; *s && *s != ','; s++)
		if (*s == '\\' && s[1])
			s++;
	return s;
}

/* Has an option given a word of the same name? */
static int is_given(const char *word, const char *end)
{
	const char *equal = memchr(word, '=', end - word), *s, *e;
	size_t n = equal ? (size_t)(equal - word) + 1 : 0;

	for (s = given; n && *s == ','; s = e) {
		e = word_end(s + 1);
		if ((size_t)(e - s) > n && memcmp(s + 1, word, n) == 0)
			return 1;
	}
	return 0;
}

int scope_set(void)
{
	static struct scope parsed;
	static char store[WORDS_MAX], words[WORDS_MAX];
	const char *old = getenv("RUMPHIJACK"), *s, *end;
	char err[512];

	for (s = old ? old : SCOPE_DEFAULT; *s; s = *end ? end + 1 : end) {
		end = word_end(s);
		if (is_given(s, end))
			continue;
		if (*words)
			append(words, ",", 1, 0);
		append(words, s, end - s, 0);
	}
	append(words, given + !*words, strlen(given + !*words), 0);
	if (scope_parse(words, &parsed, store, sizeof(store), err, sizeof(err)) < 0)
		die(EXIT_LAUNCH, "%s", err);
	if (*given && setenv("RUMPHIJACK", words, 1))
		die(EXIT_LAUNCH, "out of memory");
	return parsed.outsiders;
}
