/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ifioctl.c - ioctl(2), which may be about an interface.
 *
 * Linux takes requests about interfaces on any socket.  if_nametoindex(3) makes one of
 * AF_UNIX for them, which stays on the host; but the interfaces that the program is to see
 * are those of the network that its Internet sockets are on.  So a request that names an
 * interface, on a socket of the host that has nothing to do with a network, is made on one
 * of the rump kernel that lives as long as the request.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "hijack.h"

/* Requests that are about the socket, in the midst of those about interfaces. */
static int is_about_socket(unsigned long request)
{
	switch (request) {
	case SIOCOUTQNSD:
	case SIOCGSKNS:
		return 1;
	}
	return request >= SIOCPROTOPRIVATE && request < SIOCDEVPRIVATE;
}

static int is_about_interface(int fd, unsigned long request)
{
	socklen_t len = sizeof(int);
	int family;

	return ifioctl_maybe(request) && !is_about_socket(request) &&
	    scope_socket(&scope, AF_INET, SOCK_DGRAM, 0) &&
	    host(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &family, &len) == 0 && family == AF_UNIX;
}

static long ask(unsigned long request, long arg)
{
	long rfd = rump(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret;

	if (rfd < 0)
		return rfd;
	ret = rump(SYS_ioctl, rfd, request, arg);
	rump(SYS_close, rfd);
	return ret;
}

long hijack_ioctl(long nr, const long a[6])
{
	int rfd;

	if (a[1] == FIOCLEX || a[1] == FIONCLEX)
		return host_pass(nr, a);
	rfd = fdmap_rump(a[0]);
	if (rfd >= 0)
		return rump(nr, rfd, a[1], a[2]);
	return is_about_interface(a[0], a[1]) ? ask(a[1], a[2]) : host_pass(nr, a);
}
