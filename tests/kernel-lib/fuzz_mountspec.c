/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_mountspec.c - any bytes as a list of mount specifications.  t_mountspec
 * runs it on random strings; with libFuzzer:
 *
 *	clang -g -fsanitize=fuzzer,address,undefined -DLIBFUZZER \
 *	    tests/kernel-lib/fuzz_mountspec.c kernel/lib/mountspec.c
 */
#include <errno.h>
#include <string.h>

#include "../../kernel/lib/mountspec.h"
#include "../fuzz.h"

/* s as a field, with everything quoted. */
static char *quote(char *out, const char *s)
{
	while (*s) {
		*out++ = '\\';
		*out++ = *s++;
	}
	return out;
}

/* What was understood means the same when it is written down and read again. */
static void round_trip(const struct mountspec *a, size_t len)
{
	char *text = malloc(4 * len + 64), *out, why[64];
	struct mountspec b;

	out = quote(text, a->source);
	*out++ = ':';
	*out++ = '/';
	out = quote(out, a->dir + 1);
	if (a->type) {
		memcpy(out, ",type=", 6);
		out = quote(out + 6, a->type);
	}
	*out = '\0';
	check(mountspec_parse(&b, text, why, sizeof(why)) == 0);
	check(!strcmp(a->source, b.source) && !strcmp(a->dir, b.dir));
	check(!a->type == !b.type && (!a->type || !strcmp(a->type, b.type)));
	mountspec_free(&b);
	free(text);
}

static void parse_one(const char *text)
{
	struct mountspec spec;
	char why[32] = "";
	int err;

	err = mountspec_parse(&spec, text, why, sizeof(why));
	if (err) {
		check(err == -EINVAL && why[0] && memchr(why, '\0', sizeof(why)));
		return;
	}
	check(spec.source[0] && spec.dir[0] == '/' && spec.part <= MOUNTSPEC_PART_MAX);
	check(!spec.type || spec.type[0]);
	check(strlen(spec.data) <= strlen(text));
	round_trip(&spec, strlen(text));
	mountspec_free(&spec);
}

int fuzz(const unsigned char *bytes, size_t len)
{
	char *text = malloc(len + 1), *copy;
	const char *list = text, *item;
	size_t n;

	memcpy(text, bytes, len);
	text[len] = '\0';
	parse_one(text);
	while ((item = mountspec_next(&list, &n))) {
		check(n > 0 && item >= text && item + n <= text + strlen(text));
		copy = strndup(item, n);
		parse_one(copy);
		free(copy);
	}
	free(text);
	return 1;
}
