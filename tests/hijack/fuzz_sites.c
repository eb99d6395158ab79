/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_sites.c - any bytes as a library's file, for rump_sites.  t_sites runs it on bent copies
 * of libc; with libFuzzer:
 *
 *	clang -g -D_GNU_SOURCE -Iinclude -fsanitize=fuzzer,address,undefined -DLIBFUZZER \
 *	    tests/hijack/fuzz_sites.c hijack/sites/elfsites.c hijack/site.c -lelf
 */
#include <string.h>

#include "../../hijack/hijack.h"
#include "../../hijack/sites/elfsites.h"
#include "../fuzz.h"

uint8_t hijack_class[RUMP_NSYSROWS];

int fuzz(const unsigned char *bytes, size_t len)
{
	static struct site sites[SITES_MAX];
	char *image = malloc(len ? len : 1);
	const char *why = NULL;
	unsigned int n, i;
	struct text t;

	memcpy(image, bytes, len);
	n = elfsites_find(image, len, &t, sites, SITES_MAX, &why);
	check(n <= SITES_MAX && why);
	for (i = 0; i < n; i++) {
		const struct site *s = &sites[i];
		const uint8_t *p = t.start + s->offset;

		check((char *)t.start >= image && (char *)t.end <= image + len);
		check(p - t.start >= SITE_FRONT && t.end - p >= SITE_BACK);
		check(p[0] == 0x0f && p[1] == 0x05 && s->bytes == site_bytes(&t, s->offset));
		check(s->nlead <= SITE_FRONT && s->ntail <= SITE_BACK - 2);
		check(s->form <= SITE_OVER && s->nr >= -1 && s->nr < RUMP_NSYSROWS);
	}
	free(image);
	return n != 0;
}
