/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * epollexec.c - epoll descriptors that stay open over an exec keep their rump members.
 *
 * The rump side of one is a descriptor of the rump kernel and its placeholder (epoll.c).
 * The session goes on in the new program, so both can stay, too; the new program is told
 * by a variable of which descriptor they are:
 *
 *	RUMPHIJACK_EPOLL=FD:NEAR:RFD,...	FD twice with one NEAR: copies
 *
 * The mark of the placeholder in the epoll is an address, and so another one there.
 *
 * Limits: not from a child that shares its parent's memory; copies of one rump descriptor
 * that are members beside each other are not told apart any more.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "epoll.h"
#include "hijack.h"

/* Descriptors of the rump side are to stay open over an exec, or not. */
static void set_stay(const struct rside *r, int stay)
{
	host(SYS_fcntl, r->near, F_SETFD, stay ? 0 : FD_CLOEXEC);
	rump(SYS_fcntl, r->rfd, F_SETFD, stay ? 0 : FD_CLOEXEC);
}

/* The rump side of fd, if fd stays open over an exec. */
static struct rside *staying(int fd)
{
	struct rside *r = fdmap_peek(fd) == FD_EPOLL ? &epoll_sides[fdmap_num[fd]] : NULL;
	long flags = r ? host(SYS_fcntl, fd, F_GETFD) : -1;

	return flags >= 0 && !(flags & FD_CLOEXEC) && !r->lost && r->near >= 0 ? r : NULL;
}

char *epoll_exec(char *buf, size_t size)
{
	const struct rside *r;
	size_t n;
	int fd, any = 0;

	n = snprintf(buf, size, "%s", epoll_variable);
	for (fd = 0; fd < fdmap_top() && n + 48 < size; fd++) {
		r = staying(fd);
		if (!r)
			continue;
		set_stay(r, 1);
		n += snprintf(buf + n, size - n, "%s%d:%d:%d", any++ ? "," : "", fd, r->near, r->rfd);
	}
	return any ? buf : NULL;
}

void epoll_exec_cancel(void)
{
	const struct rside *r;
	int fd;

	for (fd = 0; fd < fdmap_top(); fd++) {
		r = staying(fd);
		if (r)
			set_stay(r, 0);
	}
}

/* The side with placeholder near, or a free one. */
static int find_side(int near)
{
	int i;

	for (i = 0; i < EPOLL_SIDES && epoll_sides[i].refs; i++)
		if (epoll_sides[i].near == near)
			break;
	return i;
}

void epoll_exec_init(void)
{
	const char *s = getenv("RUMPHIJACK_EPOLL");
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = EPOLL_MARK };
	int fd, near, rfd, i, len;

	for (; s && sscanf(s, "%d:%d:%d%n", &fd, &near, &rfd, &len) == 3; s += len + (s[len] == ',')) {
		i = find_side(near);
		if (i == EPOLL_SIDES || (unsigned int)fd >= FDMAP_MAX || (unsigned int)near >= FDMAP_MAX ||
		    host(SYS_epoll_ctl, fd, EPOLL_CTL_MOD, near, &ev) < 0)
			continue;
		if (!epoll_sides[i].refs) {
			if (epoll_members(&epoll_sides[i]) < 0)
				continue;
			epoll_sides[i].near = near;
			epoll_sides[i].rfd = rfd;
			epoll_sides[i].host_too = epoll_sides[i].inner = epoll_sides[i].forked = 1;
			set_stay(&epoll_sides[i], 0);
			fdmap_set_own(near);
		}
		fdmap_set_epoll(fd, i);
	}
	unsetenv("RUMPHIJACK_EPOLL");
}
