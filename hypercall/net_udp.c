/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net_udp.c - link=udp:HOST:PORT[,local=[ADDRESS:]PORT]: each frame is a datagram to
 * HOST:PORT, and those that come from there are for us.  local: where ours come from, and
 * the other side sends to; the same PORT if it is not given.  An IPv6 address is written
 * in brackets.
 *
 * A peer that is not there is no error: what is sent to it is lost, as on a wire.
 */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "hostcall.h"
#include "netdesc.h"

#define SOCKET_BUF	(4 << 20)

/* Cuts HOST:PORT in two, in place; the brackets are gone.  false: it is not of that form. */
static bool split(char *text, char **host, char **port)
{
	char *colon = strrchr(text, ':');

	if (!colon || !colon[1])
		return false;
	*colon = '\0';
	*port = colon + 1;
	*host = text;
	if (*text == '[') {
		if (colon[-1] != ']')
			return false;
		colon[-1] = '\0';
		(*host)++;
	}
	return **host;
}

/* Binds or connects fd (-1: makes one) by the first address that HOST:PORT has. */
static int resolve(const char *text, bool local, int family, struct sockaddr_storage *ss,
    unsigned int *len, char *why)
{
	const struct addrinfo hints = {
		.ai_family = family, .ai_socktype = SOCK_DGRAM, .ai_flags = local ? AI_PASSIVE : 0,
	};
	char *copy = strdup(text), *name, *port;
	struct addrinfo *ai = NULL;
	unsigned long n;
	int err;

	if (!copy)
		return -ENOMEM;
	name = NULL;
	port = copy;
	if ((!local || strchr(copy, ':')) && !split(copy, &name, &port))
		err = netspec_wrong(why, "%s%.80s: %s is wanted", local ? "local=" : "link=udp:", text,
		    local ? "[ADDRESS:]PORT" : "HOST:PORT");
	else if (netspec_number(port, 1, 65535, &n))
		err = netspec_wrong(why, "%s%.80s: a port from 1 to 65535 is wanted",
		    local ? "local=" : "link=udp:", text);
	else if ((err = getaddrinfo(name, port, &hints, &ai)))
		err = netspec_wrong(why, "link=udp: %.80s: %s", name ? name : port, gai_strerror(err));
	if (ai) {
		memcpy(ss, ai->ai_addr, ai->ai_addrlen);
		*len = ai->ai_addrlen;
		freeaddrinfo(ai);
	}
	free(copy);
	return err;
}

static int udp_open(struct net_link *l, struct netspec *spec, char *why)
{
	const char *local = netspec_word(spec, "local", 0);
	struct sockaddr_storage there, here;
	unsigned int there_len, here_len;
	const int size = SOCKET_BUF;
	int fd, err;

	err = resolve(spec->where, false, AF_UNSPEC, &there, &there_len, why);
	if (!err)
		err = resolve(local ? local : strrchr(spec->where, ':') + 1, true, there.ss_family,
		    &here, &here_len, why);
	if (err)
		return err;
	fd = host(SYS_socket, there.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	host(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	host(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	err = host(SYS_bind, fd, &here, here_len);
	if (err)
		netspec_wrong(why, "link=udp:%.80s: our port%s%.40s: %s", spec->where,
		    local ? " " : "", local ? local : " (local= gives another)", strerror(-err));
	if (!err)
		err = host(SYS_connect, fd, &there, there_len);
	if (err) {
		if (!why[0])
			netspec_wrong(why, "link=udp:%.80s: %s", spec->where, strerror(-err));
		host(SYS_close, fd);
		return err;
	}
	return netdesc_open(l, &fd, 1, NETDESC_SOCKET);
}

const struct net_backend net_udp = {
	.kind = "udp", .where = "HOST:PORT", .queues = 1, .open = udp_open, NETDESC_OPS,
};
