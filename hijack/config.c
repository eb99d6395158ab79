/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config.c - the scope words of RUMPHIJACK, as rumphijack(3) describes them.
 *
 *	RUMPHIJACK=word[,word]...	word = name=value[:value]...
 *
 * A backslash takes its meaning from the comma, colon or backslash behind it.
 *
 * A word that is not known stops the program before it starts: a typing error
 * must not send its traffic to the wrong kernel.
 */
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "hijack.h"

struct scope scope;

struct parse {
	struct scope *sc;
	char *store;		/* where strings go next */
	size_t room;
	char *err;
	size_t errsize;
	int sysctl;		/* there was a word of this name */
};

#define BIT(f)	(UINT64_C(1) << (f))
/* Whoever configures or watches the network goes where the Internet is. */
#define WITH_INET	(BIT(AF_INET) | BIT(AF_NETLINK) | BIT(AF_PACKET))

#define INETS	(BIT(AF_INET) | BIT(AF_INET6))
#define EVERY	(~UINT64_C(0) << 1)

/* What a word in socket= stands for. */
static const struct {
	const char *name;
	struct sockrule rule;	/* but for "on" */
} kinds[] = {
	{ "all",	{ EVERY, 0, 0, 0 } },
	{ "inet",	{ WITH_INET, 0, 0, 0 } },
	{ "inet6",	{ BIT(AF_INET6), 0, 0, 0 } },
	{ "local",	{ BIT(AF_UNIX), 0, 0, 0 } },
	{ "unix",	{ BIT(AF_UNIX), 0, 0, 0 } },
	{ "netlink",	{ BIT(AF_NETLINK), 0, 0, 0 } },
	{ "packet",	{ BIT(AF_PACKET), 0, 0, 0 } },
	{ "stream",	{ INETS, BIT(SOCK_STREAM), 0, 0 } },
	{ "dgram",	{ INETS, BIT(SOCK_DGRAM), 0, 0 } },
	{ "raw",	{ INETS | BIT(AF_PACKET), BIT(SOCK_RAW), 0, 0 } },
	{ "tcp",	{ INETS, BIT(SOCK_STREAM), IPPROTO_TCP, 0 } },
	{ "udp",	{ INETS, BIT(SOCK_DGRAM), IPPROTO_UDP, 0 } },
	{ "icmp",	{ INETS, BIT(SOCK_DGRAM) | BIT(SOCK_RAW), IPPROTO_ICMP, 0 } },
	{ "sctp",	{ INETS, BIT(SOCK_STREAM) | BIT(SOCK_SEQPACKET), IPPROTO_SCTP, 0 } },
};

static int bad(struct parse *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int bad(struct parse *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->err, p->errsize, fmt, ap);
	va_end(ap);
	return -1;
}

static int is(const char *s, size_t n, const char *word)
{
	return strlen(word) == n && memcmp(s, word, n) == 0;
}

static int add_prefix(struct parse *p, const char *word, const char *s, size_t n, int cut)
{
	struct prefix *new = &p->sc->prefix[p->sc->nprefix];
	size_t i;

	if (n == 0 || s[0] != '/')
		return bad(p, "RUMPHIJACK: \"%s=%.*s\": a path must begin with /", word, (int)n, s);
	while (n && s[n - 1] == '/')
		n--;
	if (memmem(s, n, "//", 2) || memmem(s, n, "/./", 3) || memmem(s, n, "/../", 4) ||
	    (n > 1 && !memcmp(s + n - 2, "/.", 2)) || (n > 2 && !memcmp(s + n - 3, "/..", 3)))
		return bad(p, "RUMPHIJACK: \"%s=%.*s\": a path must be without //, . and ..",
		    word, (int)n, s);
	if (n == 0)
		return bad(p, "RUMPHIJACK: \"%s=/\": all of / cannot be the rump kernel's; "
		    "name a directory", word);
	if (p->sc->nprefix == SCOPE_PREFIXES)
		return bad(p, "RUMPHIJACK: \"%s=%.*s\": more than %d paths", word, (int)n, s,
		    SCOPE_PREFIXES);
	if (n + 1 > p->room || n + 1 > PATH_BUF)
		return bad(p, "RUMPHIJACK: \"%s=%.*s...\": too long", word, 40, s);
	new->s = p->store;
	new->cut = cut;
	for (i = 0; i < n; i++) {
		if (s[i] == '\\' && i + 1 < n && strchr(",:\\", s[i + 1]))
			i++;
		*p->store++ = s[i];
	}
	new->len = p->store - new->s;
	*p->store++ = '\0';
	p->room -= new->len + 1;
	p->sc->nprefix++;
	return 0;
}

/* The same, where the user has not named it. */
static int add_implied(struct parse *p, const char *word, const char *s)
{
	struct prefix *new = &p->sc->prefix[p->sc->nprefix];
	int err = add_prefix(p, word, s, strlen(s), 0);

	if (err == 0)
		new->implied = 1;
	return err;
}

/* Which kernel's sockets: the last rule that fits says it. */
static int add_kind(struct parse *p, const char *s, size_t n)
{
	struct scope *sc = p->sc;
	const char *name = s;
	size_t len = n;
	int no = n > 2 && memcmp(s, "no", 2) == 0 && !is(s, n, "none");
	unsigned int i;

	if (no || is(s, n, "none")) {
		name = no ? s + 2 : "all";
		len = no ? n - 2 : 3;
	}
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && !is(name, len, kinds[i].name); i++)
		;
	if (i == sizeof(kinds) / sizeof(kinds[0]))
		return bad(p, "RUMPHIJACK: \"socket=%.*s\": not a kind of socket; right are all, none, "
		    "inet, inet6, local (unix), netlink, packet, stream, dgram, raw, tcp, udp, icmp, sctp, "
		    "and these with \"no\" in front", (int)n, s);
	/* What comes later hides all of what it covers. */
	if (kinds[i].rule.families == EVERY)
		sc->nrules = 0;
	if (sc->nrules == SCOPE_RULES)
		return bad(p, "RUMPHIJACK: \"socket=%.*s\": more than %d kinds", (int)n, s, SCOPE_RULES);
	sc->rules[sc->nrules] = kinds[i].rule;
	sc->rules[sc->nrules++].on = name == s;
	return 0;
}

static int add_vfs(struct parse *p, const char *s, size_t n)
{
	if (is(s, n, "all") || is(s, n, "sync"))
		p->sc->vfs_sync = 1;
	else if (is(s, n, "none") || is(s, n, "nosync"))
		p->sc->vfs_sync = 0;
	else
		return bad(p, "RUMPHIJACK: \"vfs=%.*s\": right are all, none, sync, nosync", (int)n, s);
	return 0;
}

static int set_sysctl(struct parse *p, const char *s, size_t n)
{
	p->sysctl = 1;
	if (is(s, n, "yes"))
		return add_implied(p, "sysctl", "/proc/sys");
	if (is(s, n, "no"))
		return 0;
	return bad(p, "RUMPHIJACK: \"sysctl=%.*s\": right are yes and no", (int)n, s);
}

static int set_static(struct parse *p, const char *s, size_t n)
{
	static const char *const ways[] = {
		[STATIC_REFUSE] = "refuse", [STATIC_HOST] = "host", [STATIC_TRAP] = "trap"
	};
	int i;

	for (i = STATIC_REFUSE; i <= STATIC_TRAP; i++) {
		if (!is(s, n, ways[i]))
			continue;
		p->sc->outsiders = i;
		return 0;
	}
	return bad(p, "RUMPHIJACK: \"static=%.*s\": right are refuse, trap and host", (int)n, s);
}

static int set_fdoff(struct parse *p, const char *s, size_t n)
{
	size_t i;
	long v = 0;

	for (i = 0; i < n && s[i] >= '0' && s[i] <= '9' && v < FDMAP_MAX; i++)
		v = v * 10 + (s[i] - '0');
	if (n == 0 || i < n || v >= FDMAP_MAX)
		return bad(p, "RUMPHIJACK: \"fdoff=%.*s\": must be a number from 0 to %d", (int)n, s,
		    FDMAP_MAX - 1);
	p->sc->fdoff = v;
	return 0;
}

static int add_path(struct parse *p, const char *s, size_t n)
{
	return add_prefix(p, "path", s, n, 1);
}

static int add_blanket(struct parse *p, const char *s, size_t n)
{
	return add_prefix(p, "blanket", s, n, 0);
}

static const struct word {
	const char *name;
	int (*add)(struct parse *p, const char *s, size_t n);	/* each value */
	int list;						/* values may be many */
} words[] = {
	{ "path", add_path, 0 },
	{ "blanket", add_blanket, 1 },
	{ "socket", add_kind, 1 },
	{ "vfs", add_vfs, 1 },
	{ "sysctl", set_sysctl, 0 },
	{ "fdoff", set_fdoff, 0 },
	{ "static", set_static, 0 },
};

/* The first c in [s, end) that has no backslash in front, or NULL. */
static const char *find_bare(const char *s, const char *end, int c)
{
	for (; s < end; s++) {
		if (*s == c)
			return s;
		if (*s == '\\' && s + 1 < end)
			s++;
	}
	return NULL;
}

static int one_word(struct parse *p, const char *s, size_t n)
{
	const char *eq = memchr(s, '=', n), *v, *end = s + n, *colon;
	const struct word *w;
	unsigned int i;

	for (i = 0; eq && i < sizeof(words) / sizeof(words[0]); i++) {
		w = &words[i];
		if (!is(s, eq - s, w->name))
			continue;
		for (v = eq + 1;; v = colon + 1) {
			colon = w->list ? find_bare(v, end, ':') : NULL;
			if (w->add(p, v, (colon ? colon : end) - v) < 0)
				return -1;
			if (!colon)
				return 0;
		}
	}
	return bad(p, "RUMPHIJACK: \"%.*s\": not a word; right are path=DIR, blanket=DIR:DIR..., "
	    "socket=KIND:..., vfs=all|none, sysctl=yes|no, fdoff=N, static=refuse|trap|host", n > 200 ? 200 : (int)n, s);
}

/*
 * What shows the network, makes interfaces, or names its resolver, goes where the network is;
 * and so do the sockets of daemons that libc has look up names, on the network that they are on.
 */
static const char *const with_inet[] = {
	"/proc/net", "/proc/self/net", "/proc/thread-self/net", "/sys/class/net",
	"/dev/net", "/dev/ppp", "/etc/resolv.conf",
	"/run/nscd", "/var/run/nscd", "/run/systemd/resolve/io.systemd.Resolve",
	"/run/avahi-daemon", "/var/run/avahi-daemon",
};

int scope_parse(const char *s, struct scope *sc, char *store, size_t size, char *err,
    size_t errsize)
{
	struct parse p = { sc, store, size, err, errsize, 0 };
	const char *comma, *end = s + strlen(s);
	size_t i;

	memset(sc, 0, sizeof(*sc));
	do {
		comma = find_bare(s, end, ',');
		if (one_word(&p, s, (comma ? comma : end) - s) < 0)
			return -1;
		s = comma ? comma + 1 : end;
	} while (comma);
	if (!scope_socket(sc, AF_INET, SOCK_STREAM, 0))
		return 0;
	for (i = 0; i < sizeof(with_inet) / sizeof(with_inet[0]); i++)
		if (add_implied(&p, "blanket", with_inet[i]) < 0)
			return -1;
	return p.sysctl ? 0 : add_implied(&p, "sysctl", "/proc/sys/net");
}
