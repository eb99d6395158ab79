/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keys.c - quantities with their units, addresses, and the KEY=VALUE words of a statement: which
 * there are, what their values look like and where they go, is a table for each statement.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

enum form { TIME, PERCENT, RATE, NUMBER, TEXT, FLAG };

int topo_keep(char **to, const char *s)
{
	free(*to);
	*to = strdup(s);
	return *to ? 0 : -ENOMEM;
}

/* A number, with a fraction or not, and one of the units, each between blanks. */
static bool quantity(const char *s, const char *units, double *n)
{
	char unit[16];
	char *end;

	if (!isdigit((unsigned char)*s))
		return false;
	*n = strtod(s, &end);
	if (strspn(s, "0123456789.") != (size_t)(end - s))
		return false;
	return snprintf(unit, sizeof(unit), " %s ", end) < (int)sizeof(unit) && *end &&
	    strstr(units, unit);
}

int topo_duration(struct parser *p, const char *s, long *ms)
{
	double n;

	if (!quantity(s, " ms s ", &n) || n * (strstr(s, "ms") ? 1 : 1000) > MS_MAX)
		return topo_wrong(p, "%.60s: a time of up to an hour is wanted, as 500ms or 10s", s);
	*ms = (long)(n * (strstr(s, "ms") ? 1 : 1000));
	return 0;
}

int topo_address_ok(struct parser *p, const char *s)
{
	char text[INET6_ADDRSTRLEN];
	size_t len = strcspn(s, "/");
	bool v6 = strchr(s, ':');
	struct in6_addr a;
	char *end = NULL;
	long prefix = 0;

	snprintf(text, sizeof(text), "%.*s", (int)(len < sizeof(text) ? len : 0), s);
	if (isdigit((unsigned char)s[len] ? s[len + 1] : 0))
		prefix = strtol(s + len + 1, &end, 10);
	if (inet_pton(v6 ? AF_INET6 : AF_INET, text, &a) != 1 || !end || *end ||
	    prefix > (v6 ? 128 : 32))
		return topo_wrong(p, "%.60s: an address and the length of its prefix are wanted, as "
			     "10.0.0.1/24 or fd00::1/64", s);
	return 0;
}

static const struct {
	const char *units, *example;
} forms[] = {
	[TIME]		= { " us ms s ", "10ms" },
	[PERCENT]	= { " % ", "1.5%" },
	[RATE]		= { " bit kbit mbit gbit ", "100mbit" },
	[NUMBER]	= { NULL, "64" },
};

#define NETEM_KEYS(type)								\
	{ "delay", TIME, offsetof(type, netem.delay) },				\
	{ "jitter", TIME, offsetof(type, netem.jitter) },				\
	{ "loss", PERCENT, offsetof(type, netem.loss) },				\
	{ "reorder", PERCENT, offsetof(type, netem.reorder) },				\
	{ "duplicate", PERCENT, offsetof(type, netem.duplicate) },			\
	{ "corrupt", PERCENT, offsetof(type, netem.corrupt) },				\
	{ "rate", RATE, offsetof(type, netem.rate) },					\
	{ "limit", NUMBER, offsetof(type, netem.limit) }

const struct topo_key topo_kernel_keys[] = {
	{ "ncpu", NUMBER, offsetof(struct topo_kernel, ncpu) },
	{ "mem", TEXT, offsetof(struct topo_kernel, mem) },
	{ 0 }
};
const struct topo_key topo_link_keys[] = {
	NETEM_KEYS(struct topo_link),
	{ "mtu", NUMBER, offsetof(struct topo_link, mtu) },
	{ "on", TEXT, offsetof(struct topo_link, spec) },
	{ "pcap", FLAG, offsetof(struct topo_link, pcap) },
	{ 0 }
};
const struct topo_key topo_change_keys[] = {
	NETEM_KEYS(struct topo_step),
	{ 0 }
};

static bool form_ok(enum form f, const char *v)
{
	double n;

	switch (f) {
	case NUMBER:
		return *v && strlen(v) < 10 && v[strspn(v, "0123456789")] == '\0';
	case TEXT:
		return *v;
	case FLAG:
		return false;
	default:
		return strlen(v) < 24 && quantity(v, forms[f].units, &n) &&
		    (f != PERCENT || n <= 100);
	}
}

int topo_key_value(struct parser *p, const struct topo_key *keys, const char *word, void *object)
{
	size_t len = strcspn(word, "=");
	const struct topo_key *k;

	for (k = keys; k->name; k++)
		if (strlen(k->name) == len && !strncmp(k->name, word, len))
			break;
	if (!k->name)
		return word[len] ? topo_wrong(p, "%.60s: no such word is known here", word) : 0;
	if (k->form == FLAG && !word[len]) {
		*(int *)((char *)object + k->offset) = 1;
		return 1;
	}
	if (!word[len] || !form_ok(k->form, word + len + 1))
		return k->form == FLAG ? topo_wrong(p, "%.60s: %s has no value", word, k->name) :
		    k->form == TEXT ? topo_wrong(p, "%.60s: a value is wanted", word) :
		    topo_wrong(p, "%.60s: a value like %s=%s is wanted", word, k->name,
			  forms[k->form].example);
	if (topo_keep((char **)((char *)object + k->offset), word + len + 1))
		return -ENOMEM;
	return 1;
}

int topo_netem_ok(struct parser *p, const struct topo_netem *n)
{
	if ((n->reorder || n->jitter) && !n->delay)
		return topo_wrong(p, "%s= needs a delay=", n->reorder ? "reorder" : "jitter");
	return 0;
}
