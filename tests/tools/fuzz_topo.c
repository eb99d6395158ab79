/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_topo.c - any text as a topology.  t_topo_file runs it on random lines; with
 * libFuzzer:
 *
 *	clang -g -fsanitize=fuzzer,address,undefined -DLIBFUZZER \
 *	    tests/tools/fuzz_topo.c tools/topo/file.c tools/topo/keys.c
 */
#include <errno.h>
#include <string.h>

#include "../../tools/topo/file.h"
#include "../fuzz.h"

static int is_name(const char *s, size_t size)
{
	return *s && memchr(s, '\0', size) && !strpbrk(s, "/: \t\n") && *s != '.' && *s != '-';
}

int fuzz(const unsigned char *bytes, size_t len)
{
	char *text = malloc(len + 1), why[TOPO_WHY];
	unsigned int line, lines = 1, i;
	struct topo t;
	int r;

	memcpy(text, bytes, len);
	text[len] = '\0';
	for (i = 0; text[i]; i++)
		lines += text[i] == '\n';
	r = topo_parse(&t, text, &line, why);
	free(text);
	if (r) {
		check(r == -EINVAL && *why && memchr(why, '\0', sizeof(why)) && line <= lines);
		topo_free(&t);
		return 0;
	}
	check(t.nkernels > 0);
	for (i = 0; i < t.nkernels; i++)
		check(is_name(t.kernels[i].name, TOPO_NAME) &&
		      topo_find_kernel(&t, t.kernels[i].name) == (int)i);
	for (i = 0; i < t.nlinks; i++)
		check(is_name(t.links[i].name, TOPO_NAME) &&
		      topo_find_link(&t, t.links[i].name) == (int)i);
	for (i = 0; i < t.nifs; i++)
		check(t.ifs[i].kernel < t.nkernels && t.ifs[i].link < t.nlinks &&
		      is_name(t.ifs[i].name, TOPO_IF));
	for (i = 0; i < t.nsteps; i++)
		check(t.steps[i].kernel < (int)t.nkernels && t.steps[i].ms >= 0 &&
		      t.steps[i].line <= lines);
	topo_free(&t);
	return 1;
}
