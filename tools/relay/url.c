/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * url.c - tcp://HOST:PORT, tls://HOST:PORT; [HOST] for an address with colons.
 *
 * What goes over plain tcp everybody on the way can read and change, and be root in
 * the rump kernel.  So it stays on this host, unless it is called tcp+insecure.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "relay.h"

#define CONNECT_SECONDS	10

static const struct scheme {
	const char *name;
	int tls, insecure;
} schemes[] = {
	{ "tls://", 1, 0 },
	{ "tcp://", 0, 0 },
	{ "tcp+insecure://", 0, 1 },
};

const char *address_parse(const char *url, struct address *a)
{
	const char *host, *colon, *end;
	size_t i, n;

	for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strncmp(url, schemes[i].name, strlen(schemes[i].name)) == 0)
			break;
	if (i == sizeof(schemes) / sizeof(schemes[0]))
		return "not a URL of the form tls://HOST:PORT or tcp://HOST:PORT";
	*a = (struct address){ .url = url, .tls = schemes[i].tls, .insecure = schemes[i].insecure };
	host = url + strlen(schemes[i].name);
	colon = strrchr(host, ':');
	if (!colon || colon == host || !colon[1])
		return "HOST:PORT is wanted after the slashes";
	end = colon;
	if (host[0] == '[') {
		host++;
		end--;
		if (end <= host || *end != ']')
			return "a bracket is missing";
	}
	n = end - host;
	if (n >= sizeof(a->host) || strlen(colon + 1) >= sizeof(a->port))
		return "too long";
	memcpy(a->host, host, n);
	strcpy(a->port, colon + 1);
	return NULL;
}

static int is_loopback(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)sa)->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)sa)->sin6_addr);
}

/* The addresses, all of which may be used; or NULL after a message. */
static struct addrinfo *resolve(const struct address *a)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *ai;
	int err = getaddrinfo(a->host, a->port, &hints, &list);

	if (err) {
		say("%s: %s", a->url, gai_strerror(err));
		return NULL;
	}
	for (ai = list; ai && !a->tls && !a->insecure; ai = ai->ai_next)
		if (!is_loopback(ai->ai_addr)) {
			say("%s: not on this host, and plain tcp can be read and changed by all on "
			    "the way: use tls://, or say tcp+insecure://", a->url);
			freeaddrinfo(list);
			return NULL;
		}
	return list;
}

static int use(const struct address *a, int (*how)(int fd, const struct addrinfo *ai))
{
	struct addrinfo *list = resolve(a), *ai;
	int fd = -1, err = 0, one = 1;

	if (!list)
		return -1;
	for (ai = list; ai; ai = ai->ai_next) {
		fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && how(fd, ai) == 0)
			break;
		err = errno;
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	freeaddrinfo(list);
	if (fd < 0)
		say("%s: %s", a->url, strerror(err));
	else
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static int do_connect(int fd, const struct addrinfo *ai)
{
	struct timeval tv = { .tv_sec = CONNECT_SECONDS }, none = { 0 };
	int r;

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	r = connect(fd, ai->ai_addr, ai->ai_addrlen);
	if (r && errno == EINPROGRESS)
		errno = ETIMEDOUT;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof(none));
	return r;
}

static int do_listen(int fd, const struct addrinfo *ai)
{
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return bind(fd, ai->ai_addr, ai->ai_addrlen) || listen(fd, 128) ? -1 : 0;
}

int address_connect(const struct address *a)
{
	return use(a, do_connect);
}

int address_listen(const struct address *a)
{
	return use(a, do_listen);
}
