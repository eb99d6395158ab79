/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * epoll.c - epoll descriptors whose members are of both kernels.
 *
 * An epoll descriptor E is always the host's.  When the first rump descriptor
 * is added, it gets a rump side: an epoll R of the rump kernel, in which the
 * rump members live with the program's own flags and data, so that level, edge
 * and one-shot are Linux's own; and R's placeholder, which is a member of E,
 * marked by a data value that no program uses.
 *
 * Waiting: only rump members: one rump call.  Else R is looked at and armed in
 * one call; if it has nothing the host waits on E, where R's placeholder rings.
 * A ring is taken before R is looked at again, and whoever looks arms again,
 * so that a waiter sleeps only while R is armed or a ring is there.
 *
 * Members go by themselves when their last descriptor is closed, in R as in E.
 *
 * Limits: copies of one rump descriptor (dup) are one member, where the host
 * tells them apart by number; an epoll descriptor that gets its rump side after
 * it became a member of another does not wake the outer one; an outer one may
 * report an inner one that has nothing any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "epoll.h"
#include "hijack.h"
#include "poll.h"

uint8_t epoll_has_host[FDMAP_MAX];

/* The rump side of an epoll descriptor and its copies. */
static struct rside {
	int refs;		/* 0: free */
	int rfd;		/* R */
	int near;		/* R's placeholder, the library's own descriptor */
	int host_too;		/* there may be host members */
	int turn;		/* which kernel is asked first when room is short */
	int busy;		/* R had events the last time: it is likely to have some now */
} sides[4096];

#define MARK	((uint64_t)(uintptr_t)sides)

void epoll_ref(int index)
{
	__atomic_add_fetch(&sides[index].refs, 1, __ATOMIC_RELAXED);
}

void epoll_unref(int index)
{
	struct rside *r = &sides[index];
	int near = r->near, rfd = r->rfd, num;

	if (__atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	fdmap_take(near, &num);
	host(SYS_close, near);
	rump(SYS_close, rfd);
}

static struct rside *side_of(long fd)
{
	return fdmap_get(fd) == FD_EPOLL ? &sides[fdmap_num[(unsigned int)fd]] : NULL;
}

/*
 * The library's own descriptors lie where programs do not count up to, but not
 * far up: the host copies the table up to the highest number at each fork.
 */
static long move_up(int fd)
{
	struct rlimit rl = { 1024, 1024 };
	long high;

	host(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &rl);
	if (rl.rlim_cur > 4096)
		rl.rlim_cur = 4096;
	high = host(SYS_fcntl, fd, F_DUPFD_CLOEXEC, rl.rlim_cur - rl.rlim_cur / 4);
	if (high < 0)
		return fd;
	host(SYS_close, fd);
	return high;
}

/* Makes the rump side of host epoll fd; its index or -errno. */
static long make_side(int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = MARK };
	int pair[2] = { -1, -1 }, idle;
	long ret, i, n = sizeof(sides) / sizeof(sides[0]);

	for (i = 0; i < n; i++) {
		idle = 0;
		if (__atomic_compare_exchange_n(&sides[i].refs, &idle, 1, 0, __ATOMIC_ACQ_REL,
		    __ATOMIC_RELAXED))
			break;
	}
	if (i == n)
		return -EMFILE;
	ret = host(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
	if (ret < 0)
		goto free;
	pair[0] = move_up(pair[0]);
	ret = rump_call_fd(SYS_epoll_create1, (const long[6]){ EPOLL_CLOEXEC }, pair[1]);
	if (ret < 0)
		goto close;
	sides[i].rfd = ret;
	sides[i].near = pair[0];
	sides[i].host_too = epoll_has_host[fd];
	sides[i].busy = 0;
	ret = host(SYS_epoll_ctl, fd, EPOLL_CTL_ADD, pair[0], &ev);
	if (ret < 0) {
		rump(SYS_close, sides[i].rfd);
		goto close;
	}
	fdmap_set_own(pair[0]);
	fdmap_set_epoll(fd, i);
	__atomic_sub_fetch(&sides[i].refs, 1, __ATOMIC_RELAXED);	/* fd has its own */
	return i;
close:
	host(SYS_close, pair[0]);
free:
	__atomic_store_n(&sides[i].refs, 0, __ATOMIC_RELEASE);
	return ret;
}

long hijack_epoll_create(long nr, const long a[6])
{
	long fd = host_pass(nr, a);

	if (fd >= 0 && fd < FDMAP_MAX && !proc_is_vfork_child()) {
		epoll_has_host[fd] = 0;
		/* The host's: nothing needs asking. */
		if (fdmap_peek(fd) == FD_UNKNOWN)
			fdmap_kind[fd] = FD_HOST;
	}
	return fd;
}

long hijack_epoll_ctl(long nr, const long a[6])
{
	int fd = a[2], rfd = fdmap_rump(fd), erfd = fdmap_rump(a[0]);
	struct rside *r, *inner;
	long ret;

	if (fdmap_peek(fd) == FD_OWN)
		return -EBADF;
	if (erfd >= 0)		/* an epoll of the rump kernel itself, by way of exec */
		return rfd < 0 ? -EPERM : rump(nr, erfd, a[1], rfd, a[3]);
	r = side_of(a[0]);
	if (rfd < 0) {
		inner = side_of(fd);
		if (r)
			r->host_too = 1;
		epoll_note_host(a[0]);
		ret = host_pass(nr, a);
		if (ret < 0 || !inner)
			return ret;
		rfd = inner->rfd;	/* nested: both sides of the inner one */
	}
	if (!r) {
		ret = make_side(a[0]);
		if (ret < 0)
			return ret;
		r = side_of(a[0]);
		if (!r)
			return -EBADF;
	}
	return rump(nr, r->rfd, a[1], rfd, a[3]);
}

int epoll_check(int fd, int arm)
{
	struct rside *r = side_of(fd);
	struct pollfd p;
	long n;

	if (!r)
		return 0;
	placeholder_drain(r->near);
	p = (struct pollfd){ .fd = r->rfd, .events = POLLIN };
	n = rump(RUMP_CALL_POLL_ARM, (long)&p, 1, arm);
	return n != 0 && n != -EINTR;
}

/* ---- waiting ------------------------------------------------------------------------ */

/* Takes R's mark out of n host events; how many remain. */
static long strip(struct epoll_event *ev, long n, int *rung)
{
	long i, kept = 0;

	for (i = 0; i < n; i++) {
		if (ev[i].data.u64 == MARK)
			*rung = 1;
		else
			ev[kept++] = ev[i];
	}
	return kept;
}

static long ask_host(int fd, struct epoll_event *ev, int max, int64_t ns, const void *mask,
    size_t masksize, int *rung)
{
	struct timespec ts;
	int64_t ms;
	long n;

	n = host(SYS_epoll_pwait2, fd, ev, max, ns_timespec(ns, &ts), mask, masksize);
	if (n == -ENOSYS) {
		ms = ns < 0 ? -1 : ns > INT64_C(2000000000) * 1000000 ? 2000000000 :
		    (ns + 999999) / 1000000;
		n = host(SYS_epoll_pwait, fd, ev, max, ms, mask, masksize);
	}
	return n < 0 ? n : strip(ev, n, rung);
}

static long ask_rump(const struct rside *r, struct epoll_event *ev, int max, int ms)
{
	return rump(SYS_epoll_wait, r->rfd, (long)ev, max, ms);
}

/* R has events: takes them, and what the host has; the first asked gets most room. */
static long take_both(struct rside *r, int fd, struct epoll_event *ev, int max)
{
	int host_first = __atomic_fetch_xor(&r->turn, 1, __ATOMIC_RELAXED), rung = 0, half;
	long n = 0, m;

	/* Neither may starve the other: the first leaves room unless max is 1. */
	half = max > 1 ? max - max / 2 : 1;
	if (host_first) {
		n = ask_host(fd, ev, half, 0, NULL, 0, &rung);
		if (n < 0)
			n = 0;
	}
	if (n < max) {
		m = ask_rump(r, ev + n, host_first ? max - n : half, 0);
		if (m < 0 && n == 0)
			return m;
		n += m > 0 ? m : 0;
	}
	if (!host_first && n < max) {
		m = ask_host(fd, ev + n, max - n, 0, NULL, 0, &rung);
		n += m > 0 ? m : 0;
	}
	return n;
}

static long wait_both(struct rside *r, int fd, struct epoll_event *ev, int max, int64_t deadline,
    const void *mask, size_t masksize)
{
	struct pollfd p = { .fd = r->rfd, .events = POLLIN };
	int64_t left;
	int rung = 0;
	long n;

	if (r->busy) {			/* saves the question */
		n = take_both(r, fd, ev, max);
		if (n != 0)
			return n;
		r->busy = 0;
	}
	for (;;) {
		left = deadline_left(deadline);
		p.revents = 0;
		n = rump(RUMP_CALL_POLL_ARM, (long)&p, 1, left != 0);
		if (n > 0) {
			r->busy = 1;
			n = take_both(r, fd, ev, max);
			if (n != 0)
				return n;
		} else if (n < 0) {
			return n;
		}
		rung = 0;
		n = ask_host(fd, ev, max, left, mask, masksize, &rung);
		if (rung)
			placeholder_drain(r->near);
		if (n != 0 || !rung || left == 0)
			return n;
	}
}

long hijack_epoll_wait(long nr, const long a[6])
{
	struct epoll_event *ev = (struct epoll_event *)a[1];
	const void *mask = nr == SYS_epoll_wait ? NULL : (const void *)a[4];
	int max = a[2], rfd = fdmap_rump(a[0]);
	struct rside *r = side_of(a[0]);
	int64_t ns;

	if (!r)
		return rfd < 0 ? host_pass(nr, a) : rump(nr, rfd, a[1], a[2], a[3], a[4], a[5]);
	if (max <= 0)
		return -EINVAL;
	if (nr == SYS_epoll_pwait2)
		ns = timespec_ns((const struct timespec *)a[3]);
	else
		ns = (int)a[3] < 0 ? -1 : (int)a[3] * INT64_C(1000000);
	if (ns == -EINVAL)
		return ns;
	if (!r->host_too && !mask && nr != SYS_epoll_pwait2)
		return ask_rump(r, ev, max, a[3]);
	return wait_both(r, a[0], ev, max, deadline_in(ns), mask, a[5]);
}
