/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * epollwait.c - waiting for an epoll descriptor E that has a rump side R (epoll.c).
 *
 * Only rump members: one call of the rump kernel.  Else there are two ways.
 *
 * A server's client waits in a call for R, beside E (rumpclient_syscall_beside()): whatever
 * comes first, and one call for it.  If that was the host, such a call had to be ended, which
 * costs more than it saves: then the next wait is of the other kind.
 *
 * R is looked at and armed in one call; if it has nothing the host waits on E, where R's
 * placeholder rings.
 *
 * A thread sleeps only while R is armed or a ring is there to be seen.  Whoever
 * takes a ring looks at R again; and if others may be asleep (threads, processes
 * that have E by fork, an outer epoll), who leaves with what it has got arms R for
 * them, or rings at once where more is ready, as Linux wakes the next.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "epoll.h"
#include "hijack.h"
#include "poll.h"

static long arm(struct rside *r, int how)
{
	struct pollfd p = { .fd = r->rfd, .events = POLLIN };
	long n = rump(RUMP_CALL_POLL_ARM, (long)&p, 1, how);

	if (n >= 0 && how != RUMP_POLL_LOOK && r->forked && !(p.revents & RUMP_POLL_SHARED))
		r->forked = 0;		/* they are gone */
	return n;
}

/* The caller has taken rings, or events, and does not sleep now. */
static void pass_on(struct rside *r)
{
	if (r->inner || r->forked || __atomic_load_n(&r->sleepers, __ATOMIC_SEQ_CST))
		arm(r, RUMP_POLL_RING);
}

int epoll_check(int fd, int arm_it)
{
	struct rside *r = epoll_side_of(fd);
	long n;

	if (!r)
		return 0;
	if (r->lost)
		return r->told < r->top;
	placeholder_drain(r->near);
	n = arm(r, arm_it ? RUMP_POLL_ARM : RUMP_POLL_LOOK);
	pass_on(r);
	return n != 0 && n != -EINTR && n != -RUMP_ERESTARTSYS;
}

int epoll_rung(int fd)
{
	struct rside *r = epoll_side_of(fd);

	if (!r || !placeholder_drain(r->near))
		return 0;
	pass_on(r);
	return 1;
}

/* Takes the marked ones out of n events; how many remain. */
static long strip(struct epoll_event *ev, long n, int *marked)
{
	long i, kept = 0;

	for (i = 0; i < n; i++) {
		if (ev[i].data.u64 == EPOLL_MARK)
			*marked = 1;
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

	n = door_wait(SYS_epoll_pwait2, (const long[6]){ fd, (long)ev, max,
	    (long)ns_timespec(ns, &ts), (long)mask, masksize }, mask);
	if (n == -ENOSYS) {
		ms = ns < 0 ? -1 : ns > INT64_C(2000000000) * 1000000 ? 2000000000 :
		    (ns + 999999) / 1000000;
		n = door_wait(SYS_epoll_pwait, (const long[6]){ fd, (long)ev, max, ms, (long)mask,
		    masksize }, mask);
	}
	/* SA_RESTART is nothing to epoll_wait(2). */
	return n == -RUMP_ERESTARTSYS ? -EINTR : n < 0 ? n : strip(ev, n, rung);
}

static long ask_rump(const struct rside *r, struct epoll_event *ev, int max, int ms)
{
	int marked;
	long n = rump(SYS_epoll_wait, r->rfd, (long)ev, max, ms);

	return n < 0 ? n : strip(ev, n, &marked);
}

/* ---- only rump members, and how that ends ------------------------------------------- */

/* The mark ends when nobody is inside: by the last one to leave, or by who kicks after that. */
static void kicked(struct rside *r)
{
	int kick;

	if (__atomic_load_n(&r->inside, __ATOMIC_SEQ_CST) ||
	    !__atomic_load_n(&r->kick, __ATOMIC_SEQ_CST))
		return;
	kick = __atomic_exchange_n(&r->kick, 0, __ATOMIC_SEQ_CST);
	if (!kick)
		return;
	/* A child that was forked meanwhile has it, too: closing would not be enough. */
	rump(SYS_epoll_ctl, r->rfd, EPOLL_CTL_DEL, kick - 1, 0);
	rump(SYS_close, kick - 1);
}

/*
 * Those who wait inside get an event with the mark.  They look at host_too after
 * they have been counted, so it is seen by one side or the other.
 */
void epoll_kick(struct rside *r)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = EPOLL_MARK };
	long efd;

	__atomic_store_n(&r->host_too, 1, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&r->inside, __ATOMIC_SEQ_CST))
		return;
	efd = rump(SYS_eventfd2, 1, EFD_CLOEXEC);
	if (efd < 0)
		return;
	rump(SYS_epoll_ctl, r->rfd, EPOLL_CTL_ADD, efd, (long)&ev);
	__atomic_store_n(&r->kick, efd + 1, __ATOMIC_SEQ_CST);
	kicked(r);
}

/* 1: *n is the result of a wait for R alone; 0: there are host members. */
static int wait_inside(struct rside *r, struct epoll_event *ev, int max, int ms, long *n)
{
	__atomic_add_fetch(&r->inside, 1, __ATOMIC_SEQ_CST);
	*n = __atomic_load_n(&r->host_too, __ATOMIC_SEQ_CST) ? 0 : ask_rump(r, ev, max, ms);
	__atomic_sub_fetch(&r->inside, 1, __ATOMIC_SEQ_CST);
	kicked(r);
	return *n != 0 || !r->host_too;
}

/* ---- members of both ------------------------------------------------------------------- */

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

/*
 * Waits in R, and for E beside it.  What comes from R at once must not keep the host's
 * waiting for ever, so that is asked first every other time.
 */
static long wait_beside(struct rside *r, int fd, struct epoll_event *ev, int max, int64_t deadline)
{
	struct pollfd e[2];
	int64_t left;
	int ready, rung;
	long n, m;

	if (__atomic_fetch_xor(&r->turn, 1, __ATOMIC_RELAXED)) {
		n = ask_host(fd, ev, max > 1 ? max - max / 2 : 1, 0, NULL, 0, &rung);
		if (n > 0) {
			m = n < max ? ask_rump(r, ev + n, max - n, 0) : 0;
			return n + (m > 0 ? m : 0);
		}
	}
	for (;;) {
		left = deadline_left(deadline);
		if (left > 0)
			left = (left + 999999) / 1000000;
		e[0] = (struct pollfd){ .fd = fd, .events = POLLIN };
		n = rump_beside(SYS_epoll_wait, (const long[6]){ r->rfd, (long)ev, max, left }, e, 1,
		    &ready);
		if (n > 0) {
			n = strip(ev, n, &rung);
			if (n == 0 && !ready)	/* epoll_kick() was for others */
				continue;
		}
		if (!ready || (n < 0 && n != -EINTR))
			break;
		if (n < 0)
			n = 0;
		rung = 0;
		m = n < max ? ask_host(fd, ev + n, max - n, 0, NULL, 0, &rung) : 0;
		r->host_last = n == 0 && m > 0;
		if (m > 0)
			return n + m;
		if (rung)		/* from a wait of the other kind */
			placeholder_drain(r->near);
		if (n > 0 || m < 0)
			return n > 0 ? n : m;
	}
	return n;
}

/* *touched: a ring was taken, or events. */
static long wait_both(struct rside *r, int fd, struct epoll_event *ev, int max, int64_t deadline,
    const void *mask, size_t masksize, int *touched)
{
	int64_t left;
	int rung = 0;
	long n;

	if (r->busy) {			/* saves the question */
		*touched = 1;
		n = take_both(r, fd, ev, max);
		if (n != 0)
			return n;
		r->busy = 0;
	}
	for (;;) {
		if (r->lost)
			return -ENOTCONN;
		left = deadline_left(deadline);
		if (left)
			__atomic_add_fetch(&r->sleepers, 1, __ATOMIC_SEQ_CST);
		n = arm(r, left ? RUMP_POLL_ARM : RUMP_POLL_LOOK);
		if (n == 0) {
			n = ask_host(fd, ev, max, left, mask, masksize, &rung);
			if (left)
				__atomic_sub_fetch(&r->sleepers, 1, __ATOMIC_SEQ_CST);
			if (rung) {
				*touched = 1;
				placeholder_drain(r->near);
			}
			r->host_last = n > 0 && !rung;
			if (n != 0 || !rung || left == 0)
				return n;
			rung = 0;
			continue;
		}
		if (left)
			__atomic_sub_fetch(&r->sleepers, 1, __ATOMIC_SEQ_CST);
		if (n < 0)
			return n;
		r->busy = 1;
		r->host_last = 0;
		*touched = 1;
		n = take_both(r, fd, ev, max);
		if (n != 0)
			return n;
	}
}

long hijack_epoll_wait(long nr, const long a[6])
{
	struct epoll_event *ev = (struct epoll_event *)a[1];
	const void *mask = nr == SYS_epoll_wait ? NULL : (const void *)a[4];
	int max = a[2], rfd = fdmap_rump(a[0]), touched = 0;
	struct rside *r = epoll_side_of(a[0]);
	int64_t ns, deadline;
	long n;

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
	deadline = deadline_in(ns);
	if (r->lost || r->host_too || r->forked || r->inner || mask || nr == SYS_epoll_pwait2 ||
	    !wait_inside(r, ev, max, a[3], &n)) {
		if (ns && !mask && nr != SYS_epoll_pwait2 && !r->forked && !r->inner && !r->lost &&
		    !r->host_last && rumpclient_is_remote() == 1) {
			touched = 1;
			n = wait_beside(r, a[0], ev, max, deadline);
		} else {
			n = wait_both(r, a[0], ev, max, deadline, mask, a[5], &touched);
		}
		if (touched && !r->lost)
			pass_on(r);
	}
	if (n >= 0 || n == -EINTR || !r->lost)
		return n;
	n = epoll_tell(r, a[0], ev, max);
	return n ? n : host_pass(nr, a);
}
