/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ph.c - placeholders: far ends of AF_UNIX stream socketpairs, whose near ends
 * stand for rump descriptors in the programs (see hijack/).
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "hostcall.h"
#include "internal.h"
#include "sp.h"
#include "sp_strange.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE	71
#endif

int rumpuser_ph_take(int fd)
{
	/* A client's may be anything; nothing else is done with it then. */
	if (sp_epoll_fd >= 0 && !strange_is_stream(fd)) {
		strange_close(fd);
		return -EINVAL;
	}
	return hostfd_take(fd);
}

void rumpuser_ph_ring(int far)
{
	/* A full socket already says "ready", and a closed one listens no more. */
	host(SYS_sendto, far, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}

int rumpuser_ph_hungup(int far)
{
	struct pollfd pfd = { .fd = far };
	struct timespec now = { 0 };

	return host(SYS_ppoll, &pfd, 1, &now, NULL, 0) == 1 &&
	    (pfd.revents & (POLLHUP | POLLNVAL));
}

static int get_cookie(int fd, int option, uint64_t *cookie)
{
	socklen_t len = sizeof(*cookie);

	return host(SYS_getsockopt, fd, SOL_SOCKET, option, cookie, &len);
}

int rumpuser_ph_cookie(int fd, uint64_t *cookie)
{
	return get_cookie(fd, SO_COOKIE, cookie);
}

/*
 * far is given a name that the host picks, and near must have it as its peer's.
 * Such names are unique within a network namespace, hence the second question:
 * somebody could bind the same name in another one.
 */
int rumpuser_ph_is_pair(int near, int far)
{
	struct sockaddr_un mine, peer;
	socklen_t minelen = sizeof(mine), peerlen = sizeof(peer);
	sa_family_t family = AF_UNIX;
	uint64_t near_ns, far_ns;

	if (host(SYS_getsockname, far, &mine, &minelen) || mine.sun_family != AF_UNIX)
		return 0;
	if (minelen <= sizeof(sa_family_t)) {
		/* Somebody else may have been first: the name counts, not this result. */
		host(SYS_bind, far, &family, sizeof(family));
		minelen = sizeof(mine);
		if (host(SYS_getsockname, far, &mine, &minelen) ||
		    minelen <= sizeof(sa_family_t))
			return 0;
	}
	return host(SYS_getpeername, near, &peer, &peerlen) == 0 &&
	    peerlen == minelen && memcmp(&mine, &peer, minelen) == 0 &&
	    get_cookie(near, SO_NETNS_COOKIE, &near_ns) == 0 &&
	    get_cookie(far, SO_NETNS_COOKIE, &far_ns) == 0 && near_ns == far_ns;
}
