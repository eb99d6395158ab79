/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netspec.h - link specifications: what a network interface is plugged into.
 *
 *	NAME,link=KIND[:WHERE][,WORD[=VALUE]]...
 *
 * The words that every link knows: mac=XX:XX:XX:XX:XX:XX, mtu=N, queues=N,
 * pcap=FILE, noconfig, isolate.  Those of its kind's own are kept as they are, for the
 * back end (net.h) to look up; what none asks for is refused there.  A comma or
 * backslash that belongs to a value has a backslash before it.
 *
 * The parser is pure: it knows no host.
 */
#ifndef HYPERCALL_NETSPEC_H
#define HYPERCALL_NETSPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rump/rumpuser_net.h>

#define NETSPEC_LEN	4096	/* of a specification, with the NUL */
#define NETSPEC_WORDS	32	/* of the kind's own */

struct netspec {
	char name[RUMPUSER_NET_NAME];
	const char *kind, *where;	/* where: NULL, or what is behind the colon */
	bool has_mac, noconfig, isolate;
	uint8_t mac[6];
	unsigned int mtu;		/* 0: not given */
	unsigned int queues;		/* 0: not given */
	const char *pcap;		/* NULL: none */
	struct {
		const char *word, *value;	/* value: NULL where there is no "=" */
		bool asked;
	} words[NETSPEC_WORDS];
	unsigned int nwords;
	char text[NETSPEC_LEN];		/* what the strings lie in */
};

/* 0, or -EINVAL and in why (RUMPUSER_NET_WHY bytes) what is wrong, without the text itself. */
int netspec_parse(struct netspec *s, const char *text, char *why);

/*
 * The value of the n-th "word" (from 0): NULL if there are not so many, "" where it
 * has none.  What was never asked for, netspec_unasked() names; NULL: nothing.  *again:
 * it was, but not so often.
 */
const char *netspec_word(struct netspec *s, const char *word, unsigned int n);
const char *netspec_unasked(const struct netspec *s, bool *again);

/* A decimal number from min to max; -EINVAL. */
int netspec_number(const char *s, unsigned long min, unsigned long max, unsigned long *n);

/* Writes why, cut to fit; -EINVAL, always. */
int netspec_wrong(char *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
