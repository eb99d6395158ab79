/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * epolllost.c - epoll descriptors when the server is gone, and R with it (epoll.c).
 *
 * A program that waits for R's members alone would be told of an error each time,
 * for ever, and loop.  So what it has said about each member is noted, by the rump
 * descriptor, and once R is lost a wait says of every one, once, that it has hung
 * up.  Then E is the host's alone, until a rump descriptor of the next session is
 * added to it.
 */
#include <sys/epoll.h>
#include <sys/mman.h>

#include "epoll.h"
#include "hijack.h"

#define MEMBER	0x1000000u	/* of events: none of epoll's, so that no member has 0 */

struct epoll_member {
	uint32_t events;
	uint64_t data;
};

static int sides_top;

long epoll_members(struct rside *r)
{
	int n = r - epoll_sides + 1, top = __atomic_load_n(&sides_top, __ATOMIC_RELAXED);
	long mem;

	while (n > top && !__atomic_compare_exchange_n(&sides_top, &top, n, 0, __ATOMIC_RELAXED,
	    __ATOMIC_RELAXED))
		;
	r->top = r->told = 0;
	if (r->members)
		return 0;
	mem = host(SYS_mmap, NULL, FDMAP_MAX * sizeof(*r->members), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (host_failed(mem))
		return mem;
	r->members = (struct epoll_member *)mem;
	return 0;
}

void epoll_note_member(struct rside *r, int op, int rfd, const struct epoll_event *ev)
{
	struct epoll_member *m = &r->members[rfd];

	if (op == EPOLL_CTL_DEL) {
		m->events = 0;
		return;
	}
	m->data = ev->data.u64;
	m->events = ev->events | MEMBER;
	if (rfd >= r->top)
		r->top = rfd + 1;
}

void epoll_note_closed(int rfd)
{
	int i, n = __atomic_load_n(&sides_top, __ATOMIC_RELAXED);

	for (i = 0; i < n; i++)
		if (rfd < epoll_sides[i].top)
			epoll_sides[i].members[rfd].events = 0;
}

void epoll_lost(void)
{
	int i, n = __atomic_load_n(&sides_top, __ATOMIC_RELAXED);

	for (i = 0; i < n; i++) {
		__atomic_store_n(&epoll_sides[i].lost, 1, __ATOMIC_RELEASE);
		epoll_drop_copies(&epoll_sides[i]);
	}
}

void epoll_silence(struct rside *r, int fd)
{
	int near = __atomic_exchange_n(&r->near, -1, __ATOMIC_ACQ_REL), num;

	if (near < 0)
		return;
	host(SYS_epoll_ctl, fd, EPOLL_CTL_DEL, near, NULL);
	fdmap_take(near, &num);
	host(SYS_close, near);
}

int epoll_tell(struct rside *r, int fd, struct epoll_event *ev, int max)
{
	const struct epoll_member *m;
	int n = 0, i;

	epoll_silence(r, fd);
	while (n < max && r->told < r->top) {
		i = __atomic_fetch_add(&r->told, 1, __ATOMIC_RELAXED);
		m = &r->members[i];
		if (i >= r->top || !m->events)
			continue;
		ev[n].events = EPOLLERR | EPOLLHUP |
		    (m->events & (EPOLLIN | EPOLLOUT | EPOLLRDHUP));
		ev[n++].data.u64 = m->data;
	}
	return n;
}
