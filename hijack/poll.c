/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * poll.c - poll, ppoll, select, pselect6 over descriptors of both kernels.
 *
 * A set with only host descriptors never comes here (want.c).  One with only
 * rump descriptors is one call of the rump kernel.  For a mixed set the rump
 * ones are looked at and armed in one call: from then on their placeholders
 * become readable when something happens.  Then the host waits, for its own
 * descriptors and the placeholders; after a placeholder has rung, everything is
 * looked at again.  No thread is started, and nothing is polled in a loop.
 *
 * A server's client waits in a poll of the rump kernel instead, beside the host's descriptors
 * (rumpclient_syscall_beside()), unless it was those that ended the thread's last wait.
 *
 * A set with a signal mask is treated as mixed, because only the host can
 * change the mask and sleep in one step.
 *
 * A ring is a byte that one waiter takes.  Who finds that another thread, or
 * another process, may wait for the ring of the same descriptor waits for one of
 * its own instead: that of an epoll of the rump kernel with the same members.
 */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "hijack.h"
#include "poll.h"

#define SEC		INT64_C(1000000000)
#define ON_STACK	64		/* entries; larger sets get memory of their own */

/* ---- time: nanoseconds; a deadline below 0 is never --------------------------- */

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SEC + ts.tv_nsec;
}

int64_t deadline_in(int64_t ns)
{
	int64_t t;

	if (ns < 0)
		return -1;
	t = ns ? now() : 0;
	return ns > INT64_MAX - t ? -1 : t + ns;
}

int64_t deadline_left(int64_t deadline)
{
	int64_t left;

	if (deadline < 0)
		return -1;
	if (deadline == 0)
		return 0;
	left = deadline - now();
	return left > 0 ? left : 0;
}

/* -1 for no timeout; -EINVAL. */
int64_t timespec_ns(const struct timespec *ts)
{
	if (!ts)
		return -1;
	if (ts->tv_sec < 0 || ts->tv_nsec < 0 || ts->tv_nsec >= SEC)
		return -EINVAL;
	return ts->tv_sec >= INT64_MAX / SEC ? INT64_MAX : ts->tv_sec * SEC + ts->tv_nsec;
}

struct timespec *ns_timespec(int64_t ns, struct timespec *ts)
{
	if (ns < 0)
		return NULL;
	ts->tv_sec = ns / SEC;
	ts->tv_nsec = ns % SEC;
	return ts;
}

/* ---- the set ---------------------------------------------------------------------- */

int placeholder_drain(int near)
{
	char buf[64];
	long n, any = 0;

	do {
		n = host(SYS_recvfrom, near, buf, sizeof(buf), MSG_DONTWAIT, NULL, NULL);
		any |= n > 0;
	} while (n == (long)sizeof(buf));
	return any;
}

/* Threads of this process in a mixed set, by rump descriptor.  Not exact after a
 * siglongjmp(3) out of a wait: too many, which costs time only. */
static uint16_t waiting[FDMAP_MAX];

/*
 * fds split up: per entry what each kernel is asked.  An entry that is not its
 * own has fd -1 there.
 */
struct set {
	struct pollfd *fds, *host, *rump;
	unsigned int n;
	int nhost, nrump, nepoll;
	int busy;		/* another thread waits for the same ring */
};

static void split(struct set *s)
{
	unsigned int i;
	int fd, kind;

	s->nhost = s->nrump = s->nepoll = 0;
	for (i = 0; i < s->n; i++) {
		fd = s->fds[i].fd;
		s->host[i] = s->rump[i] = (struct pollfd){ .fd = -1 };
		if (fd < 0)
			continue;
		kind = fdmap_get(fd);
		s->host[i] = (struct pollfd){ .fd = fd, .events = s->fds[i].events };
		if (kind == FD_RUMP) {
			s->rump[i] = (struct pollfd){ .fd = fdmap_num[fd],
			    .events = s->fds[i].events };
			s->host[i].events = POLLIN;
			s->nrump++;
		} else {
			s->nhost++;
			s->nepoll += kind == FD_EPOLL;
		}
	}
}

/* Enters the set's descriptors into, or takes them out of, those that are waited for. */
static void count(struct set *s, int by)
{
	unsigned int i;

	for (i = 0; i < s->n; i++)
		if (s->rump[i].fd >= 0 &&
		    __atomic_fetch_add(&waiting[s->rump[i].fd], by, __ATOMIC_ACQ_REL) > 0)
			s->busy = 1;
}

/*
 * -EINTR: a handler waits, and SA_RESTART is nothing to poll(2).  Who has something to return
 * already gives no mask: a handler that it lets in runs in a wait that fails only.
 */
static long host_poll(struct pollfd *fds, unsigned int n, const struct timespec *ts,
    const void *mask, size_t masksize)
{
	long ret = door_wait(SYS_ppoll, (const long[6]){ (long)fds, n, (long)ts, (long)mask,
	    masksize }, mask);

	return ret == -RUMP_ERESTARTSYS ? -EINTR : ret;
}

/* Looks at the rump descriptors (and arms them): how many are ready; -EBUSY: their
 * rings are another's.  A rump kernel that is gone makes all of them ready. */
static long look(struct set *s, int arm, int arm_epolls)
{
	long n = 0;
	unsigned int i;

	if (s->nrump)
		n = rump(RUMP_CALL_POLL_ARM, (long)s->rump, s->n, arm);
	if (n < 0 && n != -EINTR && n != -RUMP_ERESTARTSYS && n != -EBUSY) {
		for (i = 0, n = 0; i < s->n; i++)
			if (s->rump[i].fd >= 0) {
				s->rump[i].revents = POLLERR | POLLHUP;
				n++;
			}
	}
	for (i = 0; s->nepoll && n >= 0 && i < s->n; i++)
		if (s->rump[i].fd < 0 && s->host[i].fd >= 0 &&
		    fdmap_peek(s->host[i].fd) == FD_EPOLL && epoll_check(s->host[i].fd, arm_epolls) &&
		    (s->host[i].events & (POLLIN | POLLRDNORM)))
			s->rump[i].revents = s->host[i].events & (POLLIN | POLLRDNORM), n++;
		else if (s->rump[i].fd < 0)
			s->rump[i].revents = 0;
	return n;
}

/* One answer out of the two; rung placeholders are emptied.  Entries that are ready. */
static long collect(struct set *s, int *rung)
{
	unsigned int i;
	long ready = 0;

	for (i = 0; i < s->n; i++) {
		s->fds[i].revents = s->rump[i].revents;
		if (s->rump[i].fd < 0) {
			/* Of an epoll it may have been the ring: to be asked again without. */
			if (s->nepoll && s->host[i].revents && !s->rump[i].revents &&
			    epoll_rung(s->host[i].fd))
				*rung = 1;
			else
				s->fds[i].revents |= s->host[i].revents;
		} else if (s->host[i].revents) {
			*rung = 1;
			if (!s->rump[i].revents)
				placeholder_drain(s->host[i].fd);
		}
		ready += s->fds[i].revents != 0;
	}
	return ready;
}

/* Waits for the rings of the descriptors' own placeholders; -EBUSY as look(). */
static long wait_rings(struct set *s, int64_t deadline, const void *mask, size_t masksize)
{
	struct timespec ts;
	int64_t left;
	long looked, hosts, ready;
	int rung;

	for (;;) {
		left = deadline_left(deadline);
		looked = look(s, left != 0 ? RUMP_POLL_OWN : RUMP_POLL_LOOK, left != 0);
		if (looked < 0)
			return looked;
		if (looked > 0)
			left = 0;
		hosts = host_poll(s->host, s->n, ns_timespec(left, &ts), looked ? NULL : mask,
		    masksize);
		if (hosts < 0 && looked == 0)
			return hosts;
		rung = 0;
		ready = collect(s, &rung);
		if (ready > 0 || left == 0 || !rung)
			return ready;
	}
}

/* The set's rump descriptors as members of epoll ep. */
static long enter(const struct set *s, int ep)
{
	struct epoll_event ev = { .events = 0 };
	unsigned int i, j;
	long err;

	for (i = 0; i < s->n; i++) {
		if (s->rump[i].fd < 0)
			continue;
		ev.events = s->rump[i].events;
		err = rump(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, s->rump[i].fd, (long)&ev);
		if (err == -EEXIST) {
			for (j = 0; j < s->n; j++)
				if (s->rump[j].fd == s->rump[i].fd)
					ev.events |= s->rump[j].events;
			err = rump(SYS_epoll_ctl, ep, EPOLL_CTL_MOD, s->rump[i].fd, (long)&ev);
		}
		/* A file of a kind that epoll refuses is always ready: look() says so. */
		if (err < 0 && err != -EPERM && err != -EBADF)
			return err;
	}
	return 0;
}

/* Waits for a ring of its own: near is the placeholder of epoll ep. */
static long wait_bell(struct set *s, int ep, int near, int64_t deadline, const void *mask,
    size_t masksize)
{
	struct pollfd r = { .fd = ep, .events = POLLIN };
	struct timespec ts;
	long looked, hosts, ready;
	int64_t left;
	unsigned int i;
	int rung;

	for (i = 0; i < s->n; i++)
		if (s->rump[i].fd >= 0)
			s->host[i].fd = -1;
	s->host[s->n] = (struct pollfd){ .fd = near, .events = POLLIN };
	for (;;) {
		left = deadline_left(deadline);
		looked = look(s, RUMP_POLL_LOOK, left != 0);
		if (looked == 0 && left) {
			looked = rump(RUMP_CALL_POLL_ARM, (long)&r, 1, RUMP_POLL_ARM);
			if (looked > 0)
				continue;
		}
		if (looked < 0)
			return looked;
		if (looked > 0)
			left = 0;
		hosts = host_poll(s->host, s->n + 1, ns_timespec(left, &ts), looked ? NULL : mask,
		    masksize);
		if (hosts < 0 && looked == 0)
			return hosts;
		rung = s->host[s->n].revents && placeholder_drain(near);
		ready = collect(s, &rung);
		if (ready > 0 || left == 0 || !rung)
			return ready;
	}
}

static long wait_alone(struct set *s, int64_t deadline, const void *mask, size_t masksize)
{
	int pair[2] = { -1, -1 };
	long ep, ret;

	ret = host(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
	if (ret < 0)
		return ret;
	/* Whoever waits for a number that is not in use shall be told so. */
	pair[0] = fd_move_up(pair[0]);
	ep = rump_call_fd(SYS_epoll_create1, (const long[6]){ EPOLL_CLOEXEC }, pair[1]);
	ret = ep < 0 ? ep : enter(s, ep);
	if (ret == 0)
		ret = wait_bell(s, ep, pair[0], deadline, mask, masksize);
	host(SYS_close, pair[0]);
	if (ep >= 0)
		rump(SYS_close, ep);
	return ret;
}

static __thread int host_last __attribute__((tls_model("initial-exec")));

/* Waits in the rump kernel, and for the host's beside it. */
static long wait_beside(struct set *s, int64_t deadline)
{
	struct timespec ts, none = { 0 };
	unsigned int i;
	long looked, hosts = 0;
	int ready;

	for (i = 0; i < s->n; i++)
		if (s->rump[i].fd >= 0)
			s->host[i].fd = -1;
	looked = rump_beside(SYS_ppoll, (const long[6]){ (long)s->rump, s->n,
	    (long)ns_timespec(deadline_left(deadline), &ts) }, s->host, s->n, &ready);
	if (looked < 0 && (looked != -EINTR || !ready))
		return looked;
	if (!ready)
		hosts = host_poll(s->host, s->n, &none, NULL, 0);
	host_last = ready && looked <= 0;
	for (i = 0; i < s->n; i++)
		s->fds[i].revents = (looked > 0 ? s->rump[i].revents : 0) |
		    (ready || hosts > 0 ? s->host[i].revents : 0);
	for (i = 0, looked = 0; i < s->n; i++)
		looked += s->fds[i].revents != 0;
	return looked;
}

static long wait_mixed(struct set *s, int64_t deadline, const void *mask, size_t masksize)
{
	long ret = -EBUSY;

	if (deadline == 0)
		return wait_rings(s, deadline, mask, masksize);
	if (!mask && s->nrump && !s->nepoll && !host_last && rumpclient_is_remote() == 1) {
		ret = wait_beside(s, deadline);
		if (ret >= 0 || ret == -EINTR)
			return ret;
		split(s);	/* no kernel any more: all of its descriptors are ready */
	}
	host_last = 0;
	count(s, 1);
	if (!s->busy)
		ret = wait_rings(s, deadline, mask, masksize);
	if (ret == -EBUSY)
		ret = wait_alone(s, deadline, mask, masksize);
	count(s, -1);
	return ret;
}

/* poll(2) over both kernels; fds may be changed in revents only. */
static long poll_set(struct pollfd *fds, unsigned int n, int64_t deadline, const void *mask,
    size_t masksize)
{
	struct pollfd stack[2 * ON_STACK + 1];
	struct set s = { .fds = fds, .n = n, .host = stack };
	struct timespec ts;
	long mem = 0, ret;
	size_t size = (2 * (size_t)n + 1) * sizeof(*fds);
	unsigned int i;

	if (n > FDMAP_MAX)
		return -EINVAL;
	if (n > ON_STACK) {
		mem = host(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (host_failed(mem))
			return mem;
		s.host = (struct pollfd *)mem;
	}
	s.rump = s.host + n + 1;		/* one more for wait_bell() */
	split(&s);
	if (s.nhost || mask || !s.nrump) {
		ret = wait_mixed(&s, deadline, mask, masksize);
	} else {
		ret = rump(SYS_ppoll, (long)s.rump, n,
		    (long)ns_timespec(deadline_left(deadline), &ts), 0, 0);
		for (i = 0; ret >= 0 && i < n; i++)
			fds[i].revents = s.rump[i].revents;
	}
	if (mem)
		host(SYS_munmap, mem, size);
	return ret;
}

long hijack_poll(long nr, const long a[6])
{
	struct timespec *ts = nr == SYS_ppoll ? (struct timespec *)a[2] : NULL;
	int64_t ns, deadline;
	long ret;

	if (nr == SYS_ppoll)
		ns = timespec_ns(ts);
	else
		ns = (int)a[2] < 0 ? -1 : (int)a[2] * INT64_C(1000000);
	if (ns == -EINVAL || (unsigned int)a[1] > fd_limit())
		return -EINVAL;
	deadline = deadline_in(ns);
	ret = poll_set((struct pollfd *)a[0], a[1], deadline,
	    nr == SYS_ppoll ? (const void *)a[3] : NULL, a[4]);
	if (ts)
		ns_timespec(deadline_left(deadline), ts);
	return ret;
}

/* ---- select --------------------------------------------------------------------------- */

#define BITS	64
#define SEL_IN	(POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR)
#define SEL_OUT	(POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR)
#define SEL_PRI	POLLPRI
#define ASK_IN	(POLLIN | POLLRDNORM | POLLRDBAND)
#define ASK_OUT	(POLLOUT | POLLWRNORM | POLLWRBAND)

struct sets {
	unsigned long *in, *out, *pri;
};

static int bit(const unsigned long *set, int fd)
{
	return set && (set[fd / BITS] >> (fd % BITS) & 1);
}

/* Keeps fd's bit only if it is ready; 1 if it is. */
static int answer(unsigned long *set, int fd, int ready)
{
	if (!bit(set, fd))
		return 0;
	if (!ready)
		set[fd / BITS] &= ~(1UL << (fd % BITS));
	return ready != 0;
}

/* Clears what cannot be ready: the bits from nfds on, and all if none is. */
static void keep(unsigned long *set, long words, int nfds, long ready)
{
	long w;

	for (w = 0; set && w < words; w++)
		if (!ready)
			set[w] = 0;
		else if ((w + 1) * BITS > nfds)
			set[w] &= (1UL << nfds % BITS) - 1;
}

/* The descriptors in the sets as poll entries; how many. */
static unsigned int to_poll(const struct sets *s, int nfds, struct pollfd *p)
{
	unsigned int n = 0;
	int fd, events;

	for (fd = 0; fd < nfds; fd++) {
		events = (bit(s->in, fd) ? ASK_IN : 0) | (bit(s->out, fd) ? ASK_OUT : 0) |
		    (bit(s->pri, fd) ? POLLPRI : 0);
		if (events)
			p[n++] = (struct pollfd){ .fd = fd, .events = events };
	}
	return n;
}

static void raise_top(int fd, void *top)
{
	if (fd >= *(int *)top)
		*(int *)top = fd + 1;
}

/*
 * How many bits the program's sets have: nfds, if they are of the usual size.  Where it asks for
 * more, select(getdtablesize(), ...) perhaps, the host looks at no more than its table of
 * descriptors has entries, for which those of this library, far up, do not count.
 */
static int bits(int nfds)
{
	int top = FD_SETSIZE;

	if (nfds <= FD_SETSIZE || fd_list(raise_top, &top) < 0 || top > nfds)
		top = nfds;
	return top;
}

/*
 * How many of the n have something that the sets ask for; -EBADF.  poll(2) tells of errors and
 * hang-ups, too, which nobody has asked for perhaps, and goes on to do so: those entries are out.
 */
static long asked(const struct sets *s, struct pollfd *p, unsigned int n)
{
	unsigned int i;
	long some = 0;
	int r, fd;

	for (i = 0; i < n; i++) {
		r = p[i].revents;
		fd = p[i].fd;
		if (r & POLLNVAL)
			return -EBADF;
		if (fd < 0 || !r)
			continue;
		if ((bit(s->in, fd) && (r & SEL_IN)) || (bit(s->out, fd) && (r & SEL_OUT)) ||
		    (bit(s->pri, fd) && (r & SEL_PRI)))
			some++;
		else
			p[i].fd = ~fd;
	}
	return some;
}

static long select_set(const struct sets *s, int nfds, int64_t deadline, const void *mask,
    size_t masksize)
{
	struct pollfd stack[ON_STACK], *p = stack;
	size_t size = (size_t)nfds * sizeof(*p);
	unsigned int n, i;
	int fd, r;
	long mem = 0, ret, words = (nfds + BITS - 1) / BITS, count = 0;

	if (nfds > ON_STACK) {
		mem = host(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (host_failed(mem))
			return mem;
		p = (struct pollfd *)mem;
	}
	n = to_poll(s, nfds, p);
	do {
		ret = poll_set(p, n, deadline, mask, masksize);
	} while (ret > 0 && (ret = asked(s, p, n)) == 0);
	if (ret >= 0) {
		/* Also what the program has above nfds, in the last word. */
		keep(s->in, words, nfds, ret);
		keep(s->out, words, nfds, ret);
		keep(s->pri, words, nfds, ret);
	}
	for (i = 0; ret > 0 && i < n; i++) {
		fd = p[i].fd < 0 ? ~p[i].fd : p[i].fd;
		r = p[i].fd < 0 ? 0 : p[i].revents;
		count += answer(s->in, fd, r & SEL_IN) + answer(s->out, fd, r & SEL_OUT) +
		    answer(s->pri, fd, r & SEL_PRI);
	}
	if (mem)
		host(SYS_munmap, mem, size);
	return ret < 0 ? ret : count;
}

long hijack_select(long nr, const long a[6])
{
	const struct sets s = { (void *)a[1], (void *)a[2], (void *)a[3] };
	const struct { const void *mask; size_t size; } *m = nr == SYS_pselect6 ? (void *)a[5] : NULL;
	struct timeval *tv = nr == SYS_select ? (struct timeval *)a[4] : NULL;
	struct timespec *ts = nr == SYS_pselect6 ? (struct timespec *)a[4] : NULL, conv;
	int64_t ns, deadline, left;
	int nfds;
	long ret;

	if ((int)a[0] < 0)
		return -EINVAL;
	nfds = bits(a[0]);
	if (nfds > FDMAP_MAX)
		return -EINVAL;
	if (tv) {
		if (tv->tv_sec < 0 || tv->tv_usec < 0)
			return -EINVAL;
		conv.tv_sec = tv->tv_sec + tv->tv_usec / 1000000;
		conv.tv_nsec = tv->tv_usec % 1000000 * 1000;
	}
	ns = timespec_ns(tv ? &conv : ts);
	if (ns == -EINVAL)
		return ns;
	deadline = deadline_in(ns);
	ret = select_set(&s, nfds, deadline, m ? m->mask : NULL, m ? m->size : 0);
	left = deadline_left(deadline);
	if (tv)
		*tv = (struct timeval){ left / SEC, left % SEC / 1000 };
	if (ts)
		ns_timespec(left, ts);
	return ret;
}
