/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_scope.c - any bytes as RUMPHIJACK.  t_scope runs it on random words; with
 * libFuzzer:
 *
 *	clang -g -D_GNU_SOURCE -Iinclude -fsanitize=fuzzer,address,undefined -DLIBFUZZER \
 *	    tests/hijack/fuzz_scope.c hijack/config.c
 */
#include <string.h>

#include "../../hijack/hijack.h"
#include "../fuzz.h"

int fuzz(const unsigned char *bytes, size_t len)
{
	char *text = malloc(len + 1), store[300], err[512] = "";
	struct scope sc = { 0 };
	int i;

	memcpy(text, bytes, len);
	text[len] = '\0';
	if (scope_parse(text, &sc, store, sizeof(store), err, sizeof(err)) < 0) {
		check(err[0] && memchr(err, '\0', sizeof(err)));
		free(text);
		return 0;
	}
	free(text);
	check(sc.nprefix >= 0 && sc.nprefix <= SCOPE_PREFIXES);
	for (i = 0; i < sc.nprefix; i++) {
		const struct prefix *p = &sc.prefix[i];

		check(p->s >= store && p->s + p->len < store + sizeof(store));
		check(p->len > 1 && p->len == strlen(p->s));
		check(p->s[0] == '/' && p->s[p->len - 1] != '/' && !strstr(p->s, "//"));
	}
	check(sc.fdoff >= 0 && sc.fdoff < FDMAP_MAX);
	check(sc.nrules >= 0 && sc.nrules <= SCOPE_RULES);
	return 1;
}
