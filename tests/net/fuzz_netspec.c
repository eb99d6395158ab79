/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_netspec.c - any bytes as a link specification.  t_netspec runs it on random
 * strings; with libFuzzer:
 *
 *	clang -g -fsanitize=fuzzer,address,undefined -DLIBFUZZER -D_GNU_SOURCE -Iinclude \
 *	    tests/net/fuzz_netspec.c hypercall/netspec.c
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../hypercall/netspec.h"
#include "fuzz_netspec.h"

#define check(cond)	do { if (!(cond)) abort(); } while (0)

/* Lies within s->text, and ends there. */
static void inside(const struct netspec *s, const char *p)
{
	check(p >= s->text && p < s->text + sizeof(s->text));
	check(memchr(p, '\0', s->text + sizeof(s->text) - p));
}

void fuzz_netspec(const unsigned char *bytes, size_t len)
{
	char *text = malloc(len + 1), why[RUMPUSER_NET_WHY] = "";
	struct netspec *s = malloc(sizeof(*s));
	unsigned int i, n;
	bool again;
	int err;

	memcpy(text, bytes, len);
	text[len] = '\0';
	err = netspec_parse(s, text, why);
	free(text);
	if (err) {
		check(err == -EINVAL && why[0] && memchr(why, '\0', sizeof(why)));
		free(s);
		return;
	}
	check(s->name[0] && memchr(s->name, '\0', sizeof(s->name)));
	check(!strpbrk(s->name, "/:% =\n\t") && strcmp(s->name, ".") && strcmp(s->name, ".."));
	inside(s, s->kind);
	check(s->kind[0]);
	if (s->where) {
		inside(s, s->where);
		check(s->where[0]);
	}
	if (s->pcap) {
		inside(s, s->pcap);
		check(s->pcap[0]);
	}
	check(!s->mtu || (s->mtu >= 68 && s->mtu <= RUMPUSER_NET_MTU_MAX));
	check(s->queues <= RUMPUSER_NET_QUEUES);
	check(!s->has_mac || !(s->mac[0] & 1));
	check(s->nwords <= NETSPEC_WORDS);
	for (i = 0; i < s->nwords; i++) {
		inside(s, s->words[i].word);
		if (s->words[i].value)
			inside(s, s->words[i].value);
		for (n = 0; netspec_word(s, s->words[i].word, n); n++)
			;
		check(n >= 1);
	}
	check(!netspec_unasked(s, &again));
	free(s);
}

#ifdef LIBFUZZER
int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);
int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len)
{
	fuzz_netspec(bytes, len);
	return 0;
}
#endif
