/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * names.c - getaddrinfo(3) and gethostbyname(3) for musl, where its own calls are not seen.
 *
 * That is so if its text cannot be patched.  Its questions would go to the host's network then:
 * so a name that is none of numbers is looked up here, in /etc/hosts and by the servers of
 * /etc/resolv.conf, whichever kernel's these are by the scope, and libc is asked about the number
 * that was found.
 *
 * Limits: one address for a name, of IPv4 if there is one; UDP only; no search list.
 */
#include <features.h>

#ifndef __GLIBC__
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <resolv.h>
#include <string.h>
#include <time.h>

#include "hijack.h"

#define EXPORT		__attribute__((visibility("default")))
#define WAIT_MS		2000
#define TRIES		3
#define MAX_SERVERS	3
#define FILE_MAX	16384		/* read of each file */

struct address {
	int family;
	unsigned char bytes[16];
};

/* The program's call, on whichever kernel it is for. */
static long call(long nr, long a0, long a1, long a2, long a3, long a4, long a5)
{
	const long a[6] = { a0, a1, a2, a3, a4, a5 };

	return hijack_want(nr, a) ? hijack_call(nr, a) :
	    host_call6(nr, a0, a1, a2, a3, a4, a5);
}

static void read_file(const char *path, char *buf)
{
	long fd = call(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0), n = 0, r = 1;

	while (fd >= 0 && r > 0 && n < FILE_MAX - 1) {
		r = call(SYS_read, fd, (long)buf + n, FILE_MAX - 1 - n, 0, 0, 0);
		n += r > 0 ? r : 0;
	}
	buf[n] = '\0';
	if (fd >= 0)
		call(SYS_close, fd, 0, 0, 0, 0, 0);
}

/* A word of a line, from *s on, which goes on behind it; NULL: the line is over. */
static char *word(char **s)
{
	char *w = *s + strspn(*s, " \t");

	if (!*w || strchr("#;\n", *w))
		return NULL;
	*s = w + strcspn(w, " \t\n");
	if (**s)
		*(*s)++ = '\0';
	return w;
}

static int wanted(const struct address *a, int family)
{
	return family == AF_UNSPEC || a->family == family;
}

static int parse(const char *s, struct address *a)
{
	for (a->family = AF_INET; inet_pton(a->family, s, a->bytes) != 1; a->family = AF_INET6)
		if (a->family == AF_INET6)
			return 0;
	return 1;
}

static int in_hosts(const char *name, int family, struct address *a)
{
	static __thread char buf[FILE_MAX];
	char *line, *next, *s, *w;

	read_file("/etc/hosts", buf);
	for (line = buf; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		s = line;
		w = word(&s);
		if (!w || !parse(w, a) || !wanted(a, family))
			continue;
		while ((w = word(&s)))
			if (strcasecmp(w, name) == 0)
				return 1;
	}
	return 0;
}

static int find_servers(struct address a[MAX_SERVERS])
{
	static __thread char buf[FILE_MAX];
	char *line, *next, *s, *w;
	int n = 0;

	read_file("/etc/resolv.conf", buf);
	for (line = buf; line && *line && n < MAX_SERVERS; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		s = line;
		w = word(&s);
		if (w && strcmp(w, "nameserver") == 0 && (w = word(&s)) && parse(w, &a[n]))
			n++;
	}
	if (n == 0)
		n = parse("127.0.0.1", a);
	return n;
}

/* An answer's first address of the family.  1: found; 0: there is none; -1: no answer to q. */
static int understand(const unsigned char *m, int len, const unsigned char *q, struct address *a)
{
	ns_msg msg;
	ns_rr rr;
	int i;

	if (len < 12 || m[0] != q[0] || m[1] != q[1] || ns_initparse(m, len, &msg) < 0 ||
	    !ns_msg_getflag(msg, ns_f_qr))
		return -1;
	for (i = 0; i < ns_msg_count(msg, ns_s_an); i++) {
		if (ns_parserr(&msg, ns_s_an, i, &rr) < 0)
			return -1;
		a->family = ns_rr_type(rr) == ns_t_a ? AF_INET : AF_INET6;
		if ((ns_rr_type(rr) == ns_t_a && ns_rr_rdlen(rr) == 4) ||
		    (ns_rr_type(rr) == ns_t_aaaa && ns_rr_rdlen(rr) == 16)) {
			memcpy(a->bytes, ns_rr_rdata(rr), ns_rr_rdlen(rr));
			return 1;
		}
	}
	return 0;
}

/* As understand(); -1 if nobody has answered in time. */
static int ask(const struct address *server, const unsigned char *q, int len, struct address *a)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(53) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(53) };
	int v4 = server->family == AF_INET, found = -1, n;
	struct pollfd p = { .events = POLLIN };
	unsigned char m[1500];

	memcpy(v4 ? (void *)&in.sin_addr : (void *)&in6.sin6_addr, server->bytes, v4 ? 4 : 16);
	p.fd = call(SYS_socket, server->family, SOCK_DGRAM | SOCK_CLOEXEC, 0, 0, 0, 0);
	if (p.fd < 0)
		return -1;
	if (call(SYS_connect, p.fd, v4 ? (long)&in : (long)&in6, v4 ? sizeof(in) : sizeof(in6), 0, 0, 0) == 0 &&
	    call(SYS_sendto, p.fd, (long)q, len, MSG_NOSIGNAL, 0, 0) == len)
		while (found < 0 && call(SYS_poll, (long)&p, 1, WAIT_MS, 0, 0, 0) == 1) {
			n = call(SYS_recvfrom, p.fd, (long)m, sizeof(m), MSG_DONTWAIT, 0, 0);
			if (n < 0)
				break;
			found = understand(m, n, q, a);
		}
	call(SYS_close, p.fd, 0, 0, 0, 0, 0);
	return found;
}

static int by_dns(const char *name, int type, struct address *a)
{
	struct address servers[MAX_SERVERS];
	int n = find_servers(servers), i, len, found = -1;
	unsigned char q[512];
	uint16_t id;

	len = res_mkquery(ns_o_query, name, ns_c_in, type, NULL, 0, NULL, q, sizeof(q));
	if (len < 0)
		return 0;
	host(SYS_getrandom, &id, sizeof(id), 0);
	memcpy(q, &id, sizeof(id));
	for (i = 0; i < n * TRIES && found < 0; i++)
		found = ask(&servers[i % n], q, len, a);
	return found;
}

/* 0, or an EAI_ code. */
static int look_up(const char *name, int family, struct address *a)
{
	int found;

	if (in_hosts(name, family, a))
		return 0;
	found = family != AF_INET6 ? by_dns(name, ns_t_a, a) : 0;
	if (found == 0 && family != AF_INET)
		found = by_dns(name, ns_t_aaaa, a);
	return found > 0 ? 0 : found < 0 ? EAI_AGAIN : EAI_NONAME;
}

EXPORT int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
    struct addrinfo **res)
{
	static int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	struct addrinfo h = { 0 };
	char number[INET6_ADDRSTRLEN];
	struct address a;
	int err;

	if (!next)
		next = (int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))
		    dlsym(RTLD_NEXT, "getaddrinfo");
	if (hints)
		h = *hints;
	if (!name || hijack_patched || hijack_state <= 0 || hijack_depth || (h.ai_flags & AI_NUMERICHOST))
		return next(name, service, hints, res);
	h.ai_flags |= AI_NUMERICHOST;
	err = next(name, service, &h, res);
	if (err != EAI_NONAME)
		return err;
	err = look_up(name, h.ai_family, &a);
	if (err)
		return err;
	inet_ntop(a.family, a.bytes, number, sizeof(number));
	return next(number, service, &h, res);
}

EXPORT struct hostent *gethostbyname2(const char *name, int family)
{
	static struct hostent *(*next)(const char *, int);
	char number[INET6_ADDRSTRLEN];
	struct address a;
	int err;

	if (!next)
		next = (struct hostent *(*)(const char *, int))dlsym(RTLD_NEXT, "gethostbyname2");
	if (hijack_patched || hijack_state <= 0 || hijack_depth || parse(name, &a))
		return next(name, family);
	err = look_up(name, family, &a);
	if (err) {
		h_errno = err == EAI_AGAIN ? TRY_AGAIN : HOST_NOT_FOUND;
		return NULL;
	}
	inet_ntop(a.family, a.bytes, number, sizeof(number));
	return next(number, family);
}

EXPORT struct hostent *gethostbyname(const char *name)
{
	return gethostbyname2(name, AF_INET);
}

#endif
