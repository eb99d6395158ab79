/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netspec.h"

#define MTU_MIN		68	/* IPv4 needs that much */

int netspec_wrong(char *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, RUMPUSER_NET_WHY, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

int netspec_number(const char *s, unsigned long min, unsigned long max, unsigned long *n)
{
	*n = 0;
	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || *n > max / 10)
			return -EINVAL;
		*n = *n * 10 + (*s - '0');
	}
	return *n < min || *n > max ? -EINVAL : 0;
}

/* Cuts the next piece off *restp, in place; backslashes are gone from it.  NULL: none left. */
static char *next_piece(char **restp)
{
	char *s = *restp, *out = s, *piece = s;

	if (!s)
		return NULL;
	for (; *s && *s != ','; s++) {
		if (*s == '\\' && s[1])
			s++;
		*out++ = *s;
	}
	*restp = *s ? s + 1 : NULL;
	*out = '\0';
	return piece;
}

static int parse_name(struct netspec *s, const char *v, char *why)
{
	const char *c;

	if (!*v)
		return netspec_wrong(why, "it begins with the name of the interface");
	if (strlen(v) >= sizeof(s->name))
		return netspec_wrong(why, "the name %.40s is longer than %zu characters", v,
		    sizeof(s->name) - 1);
	for (c = v; *c; c++)
		if (*c <= ' ' || *c > '~' || *c == '/' || *c == ':' || *c == '%' || *c == '=')
			break;
	if (*c || !strcmp(v, ".") || !strcmp(v, ".."))
		return netspec_wrong(why, "%.40s cannot be the name of an interface", v);
	strcpy(s->name, v);
	return 0;
}

static int parse_link(struct netspec *s, char *v, char *why)
{
	char *colon = strchr(v, ':');

	if (!*v || v == colon)
		return netspec_wrong(why, "link= has no value");
	if (colon) {
		*colon = '\0';
		s->where = colon + 1;
		if (!*s->where)
			return netspec_wrong(why, "nothing is behind the colon of link=%.80s:", v);
	}
	s->kind = v;
	return 0;
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 :
	    c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int parse_mac(struct netspec *s, char *v, char *why)
{
	const char *p = v;
	int i;

	s->has_mac = true;
	for (i = 0; i < 6; i++, p += 3) {
		if (hex(p[0]) < 0 || hex(p[1]) < 0 || p[2] != (i < 5 ? ':' : '\0'))
			return netspec_wrong(why, "mac=%.40s: not of the form 02:00:00:12:34:56", v);
		s->mac[i] = hex(p[0]) << 4 | hex(p[1]);
	}
	if (s->mac[0] & 1)
		return netspec_wrong(why, "mac=%s: that is a multicast address", v);
	if (!memcmp(s->mac, "\0\0\0\0\0", 6))
		return netspec_wrong(why, "mac=%s: that is no address", v);
	return 0;
}

static int parse_mtu(struct netspec *s, char *v, char *why)
{
	unsigned long n;

	if (netspec_number(v, MTU_MIN, RUMPUSER_NET_MTU_MAX, &n))
		return netspec_wrong(why, "mtu=%.40s: a number from %d to %d is wanted", v, MTU_MIN,
		    RUMPUSER_NET_MTU_MAX);
	s->mtu = n;
	return 0;
}

static int parse_queues(struct netspec *s, char *v, char *why)
{
	unsigned long n;

	if (netspec_number(v, 1, RUMPUSER_NET_QUEUES, &n))
		return netspec_wrong(why, "queues=%.40s: a number from 1 to %d is wanted", v,
		    RUMPUSER_NET_QUEUES);
	s->queues = n;
	return 0;
}

static int parse_pcap(struct netspec *s, char *v, char *why)
{
	if (!*v)
		return netspec_wrong(why, "pcap= has no value");
	s->pcap = v;
	return 0;
}

static int parse_noconfig(struct netspec *s, char *v, char *why)
{
	(void)v, (void)why;
	s->noconfig = true;
	return 0;
}

static int parse_isolate(struct netspec *s, char *v, char *why)
{
	(void)v, (void)why;
	s->isolate = true;
	return 0;
}

static const struct {
	const char *word;
	bool value;
	int (*parse)(struct netspec *s, char *value, char *why);
} common[] = {
	{ "link", true, parse_link },
	{ "mac", true, parse_mac },
	{ "mtu", true, parse_mtu },
	{ "queues", true, parse_queues },
	{ "pcap", true, parse_pcap },
	{ "noconfig", false, parse_noconfig },
	{ "isolate", false, parse_isolate },
};
#define NCOMMON	(sizeof(common) / sizeof(common[0]))

static int parse_word(struct netspec *s, char *word, unsigned int *seen, char *why)
{
	char *value = strchr(word, '=');
	unsigned int i;

	if (value)
		*value++ = '\0';
	for (i = 0; i < NCOMMON && strcmp(word, common[i].word); i++)
		;
	if (i < NCOMMON) {
		if (*seen & 1U << i)
			return netspec_wrong(why, "%s is given twice", word);
		*seen |= 1U << i;
		if (!value != !common[i].value)
			return netspec_wrong(why, "%s %s", word,
			    value ? "has no value" : "needs a value");
		return common[i].parse(s, value, why);
	}
	if (!*word)
		return netspec_wrong(why, "there is nothing between two commas, or at the end");
	if (s->nwords == NETSPEC_WORDS)
		return netspec_wrong(why, "more than %d words", NETSPEC_WORDS);
	s->words[s->nwords].word = word;
	s->words[s->nwords++].value = value;
	return 0;
}

int netspec_parse(struct netspec *s, const char *text, char *why)
{
	char *rest, *piece;
	unsigned int seen = 0;
	int err;

	memset(s, 0, sizeof(*s));
	if (strlen(text) >= sizeof(s->text))
		return netspec_wrong(why, "longer than %zu characters", sizeof(s->text) - 1);
	rest = strcpy(s->text, text);
	err = parse_name(s, next_piece(&rest), why);
	while (!err && (piece = next_piece(&rest)))
		err = parse_word(s, piece, &seen, why);
	if (!err && !s->kind)
		return netspec_wrong(why, "link= is missing");
	return err;
}

const char *netspec_word(struct netspec *s, const char *word, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < s->nwords; i++) {
		if (strcmp(s->words[i].word, word))
			continue;
		s->words[i].asked = true;
		if (n-- == 0)
			return s->words[i].value ? s->words[i].value : "";
	}
	return NULL;
}

const char *netspec_unasked(const struct netspec *s, bool *again)
{
	unsigned int i, k;

	*again = false;
	for (i = 0; i < s->nwords && s->words[i].asked; i++)
		;
	if (i == s->nwords)
		return NULL;
	for (k = 0; k < i; k++)
		*again |= !strcmp(s->words[k].word, s->words[i].word);
	return s->words[i].word;
}
