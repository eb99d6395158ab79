/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * object.c - rump descriptors as the target has them.
 *
 * What the target gets is one end of a socketpair, the near one.  We keep the far end and
 * the rump descriptor for as long as any process has a copy of the near end, and know
 * that by the hang-up.  Whoever comes with a number is recognised by the inode of the
 * socket that is there, so that no number needs to be remembered.
 *
 * The target waits for it by the host's poll and epoll, which are not looked at, so the
 * near end shows what the rump file's poll says.  Readable: there is a byte in it.  Not
 * writable: it is full of what was written into it.  A further byte is a new edge.  What
 * becomes ready is told by an epoll of the rump kernel, on a thread of its own; what does
 * not stay so is seen after each call of the target, which fetches a copy of the near end
 * to take the byte out, or to fill it.
 *
 * Limits: EPOLLPRI is not shown; errors and hang-ups are, as being readable and writable.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trap.h"

#define BUCKETS		1024
#define EDGES_MAX	32		/* bytes that wait to be taken, at most */
#define SHOWN		(EPOLLIN | EPOLLOUT | EPOLLRDHUP)

struct object {
	struct object *next;
	atomic_int refs;		/* changed under table */
	ino_t ino;			/* of the near end */
	int rfd, far, pollable;
	pthread_mutex_t lock;		/* what follows, and what the near end shows */
	int bytes;			/* that make it readable */
	int full;			/* not writable */
	int hung;			/* RDHUP was shown */
};

static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER;
static struct object *buckets[BUCKETS];
static ino_t given[TRAP_TOP];		/* by number: the object that it was given to last */
static int gone = -1;			/* epoll of the far ends */
static int ready = -1;			/* of the rump kernel, of the objects */

/* ---- the table ------------------------------------------------------------------------- */

static struct object **place_of(ino_t ino)
{
	struct object **o = &buckets[ino % BUCKETS];

	while (*o && (*o)->ino != ino)
		o = &(*o)->next;
	return o;
}

static struct object *find(ino_t ino)
{
	struct object *o;

	pthread_mutex_lock(&table);
	o = *place_of(ino);
	if (o)
		o->refs++;
	pthread_mutex_unlock(&table);
	return o;
}

struct object *object_get(pid_t tid, int fd)
{
	ino_t ino = target_socket(tid, fd);

	return ino ? find(ino) : NULL;
}

static void put(struct object *o, int refs)
{
	int left;

	pthread_mutex_lock(&table);
	left = atomic_fetch_sub(&o->refs, refs) - refs;
	pthread_mutex_unlock(&table);
	if (left)
		return;
	own(SYS_close, o->rfd);
	close(o->far);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

void object_put(struct object *o)
{
	put(o, 1);
}

/* 1: it is in the table no more, and the table's reference is the caller's. */
static int take_out(const struct object *o)
{
	struct object **place;
	int found;

	pthread_mutex_lock(&table);
	place = place_of(o->ino);
	found = *place == o;
	if (found)
		*place = o->next;
	pthread_mutex_unlock(&table);
	if (found)
		epoll_ctl(gone, EPOLL_CTL_DEL, o->far, NULL);
	return found;
}

void object_drop(struct object *o)
{
	if (take_out(o))
		put(o, 1);
}

int object_rfd(const struct object *o)
{
	return o->rfd;
}

int object_pollable(const struct object *o)
{
	return o->pollable;
}

int object_gone_fd(void)
{
	return gone;
}

/*
 * A target that was killed in a call has left a thread of ours in it, which has the
 * object: that is closed before whoever closed it last goes on.
 */
static void await_calls(const struct object *o, int refs)
{
	int tries;

	for (tries = 0; tries < 500 && o->refs > refs; tries++) {
		give_up_calls();
		usleep(500);
	}
}

void object_reap(void)
{
	struct epoll_event ev[64];
	struct object *o;
	int n, i, refs;

	do {
		n = epoll_wait(gone, ev, 64, 0);
		for (i = 0; i < n; i++) {
			o = find(ev[i].data.u64);
			if (!o)
				continue;
			refs = 1 + take_out(o);
			if (refs == 2)
				await_calls(o, refs);
			put(o, refs);
		}
	} while (n == 64);
}

/* Not those that a live object was given: it may be closed, and we not know it yet. */
static int is_free(pid_t tid, unsigned int n)
{
	int lent = n >= TRAP_STDIO && n < TRAP_TOP && given[n] && *place_of(given[n]);

	return !lent && !target_has(tid, n);
}

int object_number(struct object *o, pid_t tid, unsigned long from)
{
	unsigned long n;

	pthread_mutex_lock(&table);
	for (n = from; n < TRAP_TOP; n++) {
		if (n >= TRAP_STDIO && n < trap_base)
			n = trap_base - 1;		/* those between are not looked at */
		else if (is_free(tid, n))
			break;
	}
	if (n < TRAP_TOP)
		given[n] = o->ino;
	pthread_mutex_unlock(&table);
	return n < TRAP_TOP ? (int)n : -EMFILE;
}

/* ---- what the near end shows --------------------------------------------------------------- */

static int look(const struct object *o)
{
	struct pollfd p = { .fd = o->rfd, .events = POLLIN | POLLOUT | POLLRDHUP };
	long n = own(SYS_poll, (long)&p, 1, 0);

	return n < 0 ? POLLERR | POLLHUP | POLLRDHUP : p.revents;
}

static int is_in(int ev)
{
	return (ev & (POLLIN | POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
}

static int is_out(int ev)
{
	return (ev & (POLLOUT | POLLHUP | POLLERR | POLLNVAL)) != 0;
}

/* Takes everything out of one end of the pair. */
static void empty(int end)
{
	char buf[256];

	while (recv(end, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

static void show_in(struct object *o)
{
	if (!o->hung && o->bytes < EDGES_MAX && send(o->far, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
		o->bytes++;
}

static void show_out(struct object *o)
{
	empty(o->far);
	o->full = 0;
}

/* Also readable, in one. */
static void show_hangup(struct object *o)
{
	if (o->hung)
		return;
	shutdown(o->far, SHUT_WR);
	o->hung = 1;
}

/* near: -1 if it has to be fetched. */
static void show(struct object *o, int near, pid_t tid, int fd)
{
	int ev, mine = near < 0;

	pthread_mutex_lock(&o->lock);
	ev = look(o);
	if (ev & POLLRDHUP)
		show_hangup(o);
	if (is_in(ev) && !o->bytes)
		show_in(o);
	if (is_out(ev) && o->full)
		show_out(o);
	if ((!is_in(ev) && o->bytes) || (!is_out(ev) && !o->full)) {
		if (mine)
			near = target_fd(tid, fd);
		if (near >= 0 && !is_in(ev) && o->bytes) {
			empty(near);
			o->bytes = 0;
		}
		if (near >= 0 && !is_out(ev) && !o->full) {
			while (send(near, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
				;
			o->full = 1;
		}
		if (mine && near >= 0)
			close(near);
	}
	pthread_mutex_unlock(&o->lock);
}

void object_sync(struct object *o, pid_t tid, int fd)
{
	if (o->pollable)
		show(o, -1, tid, fd);
}

/* The rump kernel says that something has happened: an edge. */
static void happened(struct object *o)
{
	int ev;

	pthread_mutex_lock(&o->lock);
	ev = look(o);
	if (ev & POLLRDHUP)
		show_hangup(o);
	if (is_in(ev))
		show_in(o);
	if (is_out(ev) && o->full)
		show_out(o);
	pthread_mutex_unlock(&o->lock);
}

/* The rump kernel is gone: all hang up. */
static void lose_all(void)
{
	struct object *o;
	int i;

	pthread_mutex_lock(&table);
	for (i = 0; i < BUCKETS; i++)
		for (o = buckets[i]; o; o = o->next)
			shutdown(o->far, SHUT_RDWR);
	ready = -1;
	pthread_mutex_unlock(&table);
}

static void *watch(void *arg)
{
	int ep = *(int *)arg;
	struct epoll_event ev[64] = { { 0 } };
	struct object *o;
	long n, i;

	for (;;) {
		n = own(SYS_epoll_wait, ep, (long)ev, 64, -1);
		if (n < 0 && n != -EINTR)
			break;
		for (i = 0; i < n; i++) {
			o = find(ev[i].data.u64);
			if (!o)
				continue;
			happened(o);
			object_put(o);
		}
	}
	lose_all();
	return NULL;
}

/* ---- making one -------------------------------------------------------------------------- */

int object_start(void)
{
	gone = epoll_create1(EPOLL_CLOEXEC);
	return gone < 0 ? -errno : 0;
}

/* The rump kernel's epoll and its thread, begun when there is none.  -errno. */
static int watched(void)
{
	pthread_t t;
	int err = 0;

	pthread_mutex_lock(&table);
	if (ready < 0) {
		ready = own(SYS_epoll_create1, EPOLL_CLOEXEC);
		err = ready < 0 ? ready : -pthread_create(&t, NULL, watch, &ready);
		if (!err)
			pthread_detach(t);
	}
	pthread_mutex_unlock(&table);
	return err;
}

struct object *object_new(int rfd, int *near)
{
	struct epoll_event ev = { .events = SHOWN | EPOLLET }, hangup = { .events = 0 };
	struct object *o = calloc(1, sizeof(*o));
	int pair[2], small = 1;
	struct stat st;

	if (!o || watched() < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair)) {
		free(o);
		own(SYS_close, rfd);
		return NULL;
	}
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	fstat(pair[0], &st);
	*near = pair[0];
	o->refs = 2;
	o->ino = st.st_ino;
	o->rfd = rfd;
	o->far = pair[1];
	pthread_mutex_init(&o->lock, NULL);
	pthread_mutex_lock(&table);
	o->next = buckets[o->ino % BUCKETS];
	buckets[o->ino % BUCKETS] = o;
	pthread_mutex_unlock(&table);
	hangup.data.u64 = ev.data.u64 = o->ino;
	epoll_ctl(gone, EPOLL_CTL_ADD, o->far, &hangup);
	/* What epoll refuses is a file, and always ready. */
	o->pollable = own(SYS_epoll_ctl, ready, EPOLL_CTL_ADD, rfd, (long)&ev) == 0;
	if (o->pollable)
		show(o, *near, 0, -1);
	else
		show_in(o);
	return o;
}
