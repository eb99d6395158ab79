/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * epoll.c - epoll descriptors whose members are of both kernels.
 *
 * An epoll descriptor E is always the host's.  When the first rump descriptor
 * is added, it gets a rump side: an epoll R of the rump kernel, in which the
 * rump members live with the program's own flags and data, so that level, edge
 * and one-shot are Linux's own; and R's placeholder, which is a member of E,
 * marked by a data value that no program uses.  Waiting is epollwait.c, the end of
 * the server epolllost.c.
 *
 * Members go by themselves when their last descriptor is closed, in R as in E.
 * Linux tells copies of a descriptor apart by number.  Here all copies are one
 * rump descriptor; the first to be added is the member, any further one becomes
 * a member by a rump descriptor made for it.
 *
 * In an outer epoll E is as any member of the host: R's placeholder rings in E
 * whenever R has something.
 *
 * Limits: a rump side that is made after a fork is not the other process's; an outer epoll
 * may report one that has nothing any more; copies that are members of several sets under
 * different numbers can be taken for each other.  Over an exec they stay (epollexec.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "epoll.h"
#include "hijack.h"
#include "poll.h"

uint8_t epoll_notes[FDMAP_MAX];
struct rside epoll_sides[EPOLL_SIDES];

void epoll_ref(int index)
{
	__atomic_add_fetch(&epoll_sides[index].refs, 1, __ATOMIC_RELAXED);
}

struct rside *epoll_side_of(long fd)
{
	return fdmap_get(fd) == FD_EPOLL ? &epoll_sides[fdmap_num[(unsigned int)fd]] : NULL;
}

/* After a fork both processes wait for what is there. */
void epoll_forked(void)
{
	size_t i;

	for (i = 0; i < sizeof(epoll_sides) / sizeof(epoll_sides[0]) && epoll_sides[i].rfd; i++)
		epoll_sides[i].forked = 1;
}

/* ---- members --------------------------------------------------------------------- */

/* By rump descriptor: number + 1 of the descriptor that was added; -1: several. */
static int32_t added[FDMAP_MAX];

/* A copy that is a member beside the first. */
static struct copy {
	const struct rside *side;	/* NULL: free */
	int fd;				/* the program's number */
	int rfd;			/* what it is a copy of */
	int member;			/* the rump descriptor that stands for it in R */
} copies[1024];
static int copies_top;			/* one above the highest that ever was used */

static struct copy *copy_of(const struct rside *r, int fd, int rfd)
{
	int i;

	for (i = 0; i < __atomic_load_n(&copies_top, __ATOMIC_ACQUIRE); i++)
		if (copies[i].side == r && copies[i].fd == fd && copies[i].rfd == rfd)
			return &copies[i];
	return NULL;
}

static long add_copy(struct rside *r, int fd, int rfd, long event)
{
	const struct rside *none = NULL;
	long member, ret;
	int i, top;

	for (i = 0; i < (int)(sizeof(copies) / sizeof(copies[0])); i++) {
		none = NULL;
		if (__atomic_compare_exchange_n(&copies[i].side, &none, epoll_sides, 0,
		    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			break;
	}
	if (i == sizeof(copies) / sizeof(copies[0]))
		return -ENOSPC;
	member = rump(SYS_fcntl, rfd, F_DUPFD_CLOEXEC, 0);
	ret = member < 0 ? member : rump(SYS_epoll_ctl, r->rfd, EPOLL_CTL_ADD, member, event);
	if (ret < 0) {
		if (member >= 0)
			rump(SYS_close, member);
		__atomic_store_n(&copies[i].side, NULL, __ATOMIC_RELEASE);
		return ret;
	}
	epoll_note_member(r, EPOLL_CTL_ADD, member, (const struct epoll_event *)event);
	copies[i].fd = fd;
	copies[i].rfd = rfd;
	copies[i].member = member;
	__atomic_store_n(&copies[i].side, r, __ATOMIC_RELEASE);
	top = __atomic_load_n(&copies_top, __ATOMIC_RELAXED);
	while (i >= top && !__atomic_compare_exchange_n(&copies_top, &top, i + 1, 0,
	    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	return ret;
}

static void drop_copy(struct copy *c)
{
	epoll_note_closed(c->member);
	rump(SYS_close, c->member);
	__atomic_store_n(&c->side, NULL, __ATOMIC_RELEASE);
}

void epoll_drop_copies(const struct rside *r)
{
	int i;

	for (i = 0; i < r->top; i++)
		if (added[i])
			added[i] = 0;
	for (i = 0; i < __atomic_load_n(&copies_top, __ATOMIC_ACQUIRE); i++)
		if (copies[i].side == r)
			__atomic_store_n(&copies[i].side, NULL, __ATOMIC_RELEASE);
}

void epoll_forget(int rfd)
{
	int i;

	epoll_note_closed(rfd);
	if (added[rfd])
		added[rfd] = 0;
	for (i = 0; i < __atomic_load_n(&copies_top, __ATOMIC_ACQUIRE); i++)
		if (copies[i].side && copies[i].rfd == rfd)
			drop_copy(&copies[i]);
}

/* epoll_ctl() of R for the program's descriptor fd, which is rfd. */
static long change(struct rside *r, int op, int fd, int rfd, long event)
{
	struct copy *c = copy_of(r, fd, rfd);
	long ret;

	if (op == EPOLL_CTL_ADD) {
		ret = c ? -EEXIST : rump(SYS_epoll_ctl, r->rfd, op, rfd, event);
		if (ret == 0) {
			epoll_note_member(r, op, rfd, (const struct epoll_event *)event);
			added[rfd] = added[rfd] == 0 || added[rfd] == fd + 1 ? fd + 1 : -1;
		}
		else if (ret == -EEXIST && !c && added[rfd] > 0 && added[rfd] != fd + 1)
			ret = add_copy(r, fd, rfd, event);
		return ret;
	}
	if (!c && added[rfd] > 0 && added[rfd] != fd + 1)
		return -ENOENT;
	ret = rump(SYS_epoll_ctl, r->rfd, op, c ? c->member : rfd, event);
	if (ret == 0)
		epoll_note_member(r, op, c ? c->member : rfd, (const struct epoll_event *)event);
	if (ret == 0 && op == EPOLL_CTL_DEL) {
		if (c)
			drop_copy(c);
		else if (added[rfd] > 0)
			added[rfd] = 0;
	}
	return ret;
}

/* ---- the rump side ------------------------------------------------------------------ */

void epoll_unref(int index)
{
	struct rside *r = &epoll_sides[index];
	int near = r->near, rfd = r->rfd, lost = r->lost, num, i;

	if (__atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (i = 0; i < copies_top; i++)
		if (copies[i].side == r)
			drop_copy(&copies[i]);
	if (near >= 0) {
		fdmap_take(near, &num);
		host(SYS_close, near);
	}
	if (!lost)
		rump(SYS_close, rfd);
}

/*
 * Has host epoll fd members?  It may have come by an exec, or as a copy: the host lists them, from
 * the fifth line of this file on.  If there is none, it may.
 */
static int has_members(int fd)
{
	char buf[256], name[32];
	long n = -1, file, i;

	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
	file = host(SYS_open, name, O_RDONLY | O_CLOEXEC, 0);
	if (file >= 0) {
		n = host(SYS_read, file, buf, sizeof(buf));
		host(SYS_close, file);
	}
	for (i = 0; i < n; i++)
		if (buf[i] == '\n' && i + 1 < n && buf[i + 1] == 't')
			return 1;
	return n <= 0;
}

/* Makes R for host epoll fd.  0 or -errno. */
static long open_side(struct rside *r, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = EPOLL_MARK };
	int pair[2] = { -1, -1 }, host_members = has_members(fd);
	long ret, rfd;

	ret = epoll_members(r);
	if (ret == 0)
		ret = host(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
	if (ret < 0)
		return ret;
	pair[0] = fd_move_up(pair[0]);
	ret = rfd = rump_call_fd(SYS_epoll_create1, (const long[6]){ EPOLL_CLOEXEC }, pair[1]);
	if (ret < 0)
		goto close;
	ret = host(SYS_epoll_ctl, fd, EPOLL_CTL_ADD, pair[0], &ev);
	if (ret < 0) {
		rump(SYS_close, rfd);
		goto close;
	}
	*r = (struct rside){ .refs = r->refs, .rfd = rfd, .near = pair[0],
	    .host_too = host_members, .inner = epoll_notes[fd] != EPOLL_IS_NEW,
	    .members = r->members };
	fdmap_set_own(pair[0]);
	return 0;
close:
	host(SYS_close, pair[0]);
	return ret;
}

/*
 * Copies of E that were made while it was the host's alone, or before an exec, have the rump side,
 * too: those in which its placeholder is a member.
 */
static void find_copy(int fd, void *side)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = EPOLL_MARK };
	struct rside *r = side;
	int kind = fdmap_peek(fd);

	if (fd < FDMAP_MAX && (kind == FD_HOST || kind == FD_UNKNOWN) &&
	    host(SYS_epoll_ctl, fd, EPOLL_CTL_MOD, r->near, &ev) == 0) {
		r->inner = 1;		/* who knows what the other number was given to */
		fdmap_set_epoll(fd, r - epoll_sides);
	}
}

/* Makes the rump side of host epoll fd; its index or -errno. */
static long make_side(int fd)
{
	long ret, i, n = sizeof(epoll_sides) / sizeof(epoll_sides[0]);
	int idle;

	for (i = 0; i < n; i++) {
		idle = 0;
		if (__atomic_compare_exchange_n(&epoll_sides[i].refs, &idle, 1, 0, __ATOMIC_ACQ_REL,
		    __ATOMIC_RELAXED))
			break;
	}
	if (i == n)
		return -EMFILE;
	ret = open_side(&epoll_sides[i], fd);
	if (ret == 0) {
		fdmap_set_epoll(fd, i);		/* which has a reference of its own */
		fd_list(find_copy, &epoll_sides[i]);
	}
	__atomic_sub_fetch(&epoll_sides[i].refs, 1, __ATOMIC_RELAXED);
	return ret < 0 ? ret : i;
}

long hijack_epoll_create(long nr, const long a[6])
{
	long fd = host_pass(nr, a);

	if (fd >= 0 && fd < FDMAP_MAX && !proc_is_vfork_child()) {
		epoll_notes[fd] = EPOLL_IS_NEW;
		/* The host's: nothing needs asking. */
		if (fdmap_peek(fd) == FD_UNKNOWN)
			fdmap_kind[fd] = FD_HOST;
	}
	return fd;
}

/* R has a new member, which may be ready already: whoever sleeps shall look. */
static void ring(const struct rside *r)
{
	struct pollfd p = { .fd = r->rfd, .events = POLLIN };

	if (r->inner || r->forked || __atomic_load_n(&r->sleepers, __ATOMIC_SEQ_CST))
		rump(RUMP_CALL_POLL_ARM, (long)&p, 1, RUMP_POLL_RING);
}

long hijack_epoll_ctl(long nr, const long a[6])
{
	int fd = a[2], rfd = fdmap_rump(fd), erfd = fdmap_rump(a[0]), op = a[1];
	struct rside *r, *inner;
	long ret;

	if (fdmap_peek(fd) == FD_OWN)
		return -EBADF;
	/* Perhaps an epoll of the rump kernel itself, by way of exec; else a mistake. */
	if (erfd >= 0)
		return rfd < 0 ? host_pass(nr, a) : rump(nr, erfd, op, rfd, a[3]);
	r = epoll_side_of(a[0]);
	if (rfd < 0) {
		inner = epoll_side_of(fd);
		epoll_note_inner(fd);
		ret = host_pass(nr, a);
		if (ret == 0 && r && op == EPOLL_CTL_ADD && !r->host_too)
			epoll_kick(r);
		if (ret == 0 && inner && op == EPOLL_CTL_ADD) {
			inner->inner = 1;
			ring(inner);
		}
		return ret;
	}
	if (!r) {
		ret = make_side(a[0]);
		if (ret == -EINVAL)	/* no epoll: unless fd is worse */
			return rump(nr, rfd, op, rfd, a[3]);
		if (ret < 0)
			return ret;
		r = epoll_side_of(a[0]);
		if (!r)
			return -EBADF;
	}
	if (rfd == FDMAP_DEAD)
		return op == EPOLL_CTL_DEL ? 0 : -EBADF;
	if (r->lost) {
		epoll_silence(r, a[0]);
		ret = open_side(r, a[0]);
		if (ret < 0)
			return ret;
	}
	ret = change(r, op, fd, rfd, a[3]);
	if (ret == 0 && op != EPOLL_CTL_DEL)
		ring(r);
	return ret;
}
