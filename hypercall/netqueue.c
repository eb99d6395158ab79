/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netqueue.c - two rings of bytes, each with one writer and one reader.  A frame lies in
 * one piece behind its length; where it would not fit before the end of the ring, the
 * length says so (SKIP) and it begins at the start.
 *
 * Whoever sleeps says so first and looks again then; whoever writes does so first and
 * looks for a sleeper then: full barriers in between, one of them sees the other.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "hostcall.h"
#include "internal.h"
#include "netqueue.h"
#include "spin.h"

#define BYTES	(2u << 20)		/* a power of two */
#define SKIP	UINT32_MAX
#define ALIGN	8u

struct ring {
	_Alignas(64) _Atomic uint32_t head;	/* bytes ever written; of the writer */
	_Alignas(64) _Atomic uint32_t tail;	/* and read */
	char *data;
};

struct netqueue {
	struct spin_source spin;	/* first */
	struct net_link *link;
	const struct netqueue_ops *ops;
	void *ctx;
	int event_fd;
	struct ring out, in;
	_Alignas(64) atomic_bool asleep;	/* the thread */
	atomic_bool armed;			/* the kernel wants net_ready */
	atomic_bool wants_room;			/* ... also when out has room */
	atomic_bool up;
	atomic_bool closing;
	uint32_t ended;				/* the thread; a word to wait for */
};

/* ---- rings ------------------------------------------------------------------------- */

static uint32_t room_for(uint32_t len)
{
	return (sizeof(uint32_t) + len + ALIGN - 1) & -ALIGN;
}

/* Where a frame of len bytes may be written; NULL: the ring is full.  *end: its head then. */
static char *reserve(struct ring *r, uint32_t len, uint32_t *end)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	uint32_t need = room_for(len), at = head % BYTES, skip = 0;

	if (BYTES - at < need)
		skip = BYTES - at;
	if (head + skip + need - atomic_load(&r->tail) > BYTES)
		return NULL;
	if (skip) {
		memcpy(r->data + at, &(uint32_t){ SKIP }, sizeof(uint32_t));
		at = 0;
	}
	memcpy(r->data + at, &len, sizeof(len));
	*end = head + skip + need;
	return r->data + at + sizeof(len);
}

static const char *peek(struct ring *r, uint32_t *len)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	if (tail == atomic_load(&r->head))
		return NULL;
	memcpy(len, r->data + tail % BYTES, sizeof(*len));
	if (*len == SKIP) {
		tail += BYTES - tail % BYTES;
		atomic_store(&r->tail, tail);
		memcpy(len, r->data + tail % BYTES, sizeof(*len));
	}
	return r->data + tail % BYTES + sizeof(*len);
}

static void drop(struct ring *r, uint32_t len)
{
	atomic_store(&r->tail, atomic_load(&r->tail) + room_for(len));
}

static bool is_empty(struct ring *r)
{
	return atomic_load(&r->head) == atomic_load(&r->tail);
}

static bool is_roomy(struct ring *r)
{
	return atomic_load(&r->head) - atomic_load(&r->tail) <= BYTES / 2;
}

/* ---- the kernel's side ------------------------------------------------------------------ */

unsigned int netqueue_tx(struct net_link *l, unsigned int unused, struct rumpuser_net_frame *frames,
    unsigned int n)
{
	struct netqueue *q = l->priv;
	uint64_t one = 1;
	uint32_t len, end;
	unsigned int i;
	char *to;

	(void)unused;
	for (i = 0; i < n; i++) {
		len = frames[i].len - RUMPUSER_NET_HDR;
		frames[i].error = 0;
		if (frames[i].len > RUMPUSER_NET_FRAME_MAX || !atomic_load(&l->carrier)) {
			frames[i].error = -ENETDOWN;
			continue;
		}
		to = reserve(&q->out, len, &end);
		if (!to)
			break;
		net_gather(to, &frames[i], RUMPUSER_NET_HDR, len);
		atomic_store(&q->out.head, end);
	}
	if (i && atomic_load(&q->asleep) && atomic_exchange(&q->asleep, false))
		host(SYS_write, q->event_fd, &one, sizeof(one));
	return i;
}

unsigned int netqueue_rx(struct net_link *l, unsigned int unused, struct rumpuser_net_frame *frames,
    unsigned int n)
{
	struct netqueue *q = l->priv;
	/* flags come first in the header; 2: VIRTIO_NET_HDR_F_DATA_VALID */
	const char header[RUMPUSER_NET_HDR] = { q->ops->trusted ? 2 : 0 };
	unsigned int got = 0;
	const char *from;
	uint32_t len;

	(void)unused;
	while (got < n && (from = peek(&q->in, &len))) {
		if (RUMPUSER_NET_HDR + len <= frames[got].len) {
			net_scatter(&frames[got], 0, header, RUMPUSER_NET_HDR);
			net_scatter(&frames[got], RUMPUSER_NET_HDR, from, len);
			frames[got++].len = RUMPUSER_NET_HDR + len;
		} else {
			atomic_fetch_add(&l->dropped, 1);
		}
		drop(&q->in, len);
	}
	return got;
}

static bool has_news(struct netqueue *q)
{
	return !is_empty(&q->in) || (atomic_load(&q->wants_room) && is_roomy(&q->out));
}

int netqueue_arm(struct net_link *l, unsigned int unused, unsigned int events)
{
	struct netqueue *q = l->priv;

	(void)unused;
	atomic_store(&q->wants_room, events & RUMPUSER_NET_TX);
	atomic_store(&q->armed, true);
	if (has_news(q) && atomic_exchange(&q->armed, false))
		return RUMPUSER_NET_AGAIN;
	return RUMPUSER_NET_ARMED;
}

/* The thread, or one that spins: the kernel is told, once. */
static bool tell(struct netqueue *q)
{
	if (!atomic_load(&q->armed) || !has_news(q) || !atomic_exchange(&q->armed, false))
		return false;
	net_ready(q->link, 0);
	return true;
}

void netqueue_up(struct net_link *l, bool up)
{
	struct netqueue *q = l->priv;
	uint32_t len;

	while (up && peek(&q->in, &len))
		drop(&q->in, len);
	atomic_store(&q->up, up);
}

/* ---- the thread's side ---------------------------------------------------------------------- */

struct net_link *netqueue_link(const struct netqueue *q)
{
	return q->link;
}

bool netqueue_closing(const struct netqueue *q)
{
	return atomic_load(&q->closing);
}

int netqueue_fd(const struct netqueue *q)
{
	return q->event_fd;
}

const void *netqueue_next(struct netqueue *q, uint32_t *len)
{
	return peek(&q->out, len);
}

void netqueue_done(struct netqueue *q)
{
	uint32_t len;

	peek(&q->out, &len);
	drop(&q->out, len);
	if (atomic_load_explicit(&q->wants_room, memory_order_relaxed))
		tell(q);
}

bool netqueue_sleep(struct netqueue *q)
{
	atomic_store(&q->asleep, true);
	if (is_empty(&q->out) && !atomic_load(&q->closing))
		return true;
	atomic_store(&q->asleep, false);
	return false;
}

void netqueue_awake(struct netqueue *q)
{
	uint64_t count;

	/* Who has cleared it writes to the descriptor. */
	if (!atomic_exchange(&q->asleep, false))
		host(SYS_read, q->event_fd, &count, sizeof(count));
}

void netqueue_put(struct netqueue *q, const void *frame, size_t len)
{
	uint32_t end;
	char *to = NULL;

	if (!atomic_load_explicit(&q->up, memory_order_relaxed))
		return;
	if (len + RUMPUSER_NET_HDR <= RUMPUSER_NET_FRAME_MAX)
		to = reserve(&q->in, len, &end);
	if (!to) {
		atomic_fetch_add(&q->link->dropped, 1);
		return;
	}
	memcpy(to, frame, len);
	atomic_store(&q->in.head, end);
	tell(q);
}

static void run(void *arg)
{
	struct netqueue *q = arg;

	q->ops->run(q, q->ctx);
	__atomic_store_n(&q->ended, 1, __ATOMIC_SEQ_CST);
	rumpuser_wake(&q->ended);
}

/* ---- opening and closing ------------------------------------------------------------------------ */

static void spin_nothing(struct spin_source *s)
{
	(void)s;
}

static bool spin_looks(struct spin_source *s)
{
	return tell((struct netqueue *)s);
}

void netqueue_start(struct net_link *l)
{
	struct netqueue *q = l->priv;

	spin_add(&q->spin);
}

static void release(struct netqueue *q)
{
	if (q->event_fd >= 0)
		hostfd_release(q->event_fd);
	if (q->out.data)
		host(SYS_munmap, q->out.data, 2 * BYTES);
	free(q);
}

void netqueue_close(struct net_link *l)
{
	struct netqueue *q = l->priv;
	uint64_t one = 1;

	spin_remove(&q->spin);
	atomic_store(&q->closing, true);
	host(SYS_write, q->event_fd, &one, sizeof(one));
	while (!__atomic_load_n(&q->ended, __ATOMIC_SEQ_CST))
		rumpuser_wait(&q->ended, 0, RUMPUSER_FOREVER, 0);
	release(q);
}

int netqueue_open(struct net_link *l, const struct netqueue_ops *ops, void *ctx,
    const char *thread_name)
{
	struct netqueue *q = aligned_alloc(64, (sizeof(*q) + 63) & -64);
	long fd, mem;
	int err;

	if (!q)
		return -ENOMEM;
	memset(q, 0, sizeof(*q));
	q->spin = (struct spin_source){ spin_nothing, spin_looks, spin_nothing };
	q->link = l;
	q->ops = ops;
	q->ctx = ctx;
	fd = host(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
	q->event_fd = fd < 0 ? fd : hostfd_take(fd);
	mem = host(SYS_mmap, NULL, 2 * BYTES, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	err = q->event_fd < 0 ? q->event_fd : host_failed(mem) ? mem : 0;
	if (!host_failed(mem)) {
		q->out.data = (char *)mem;
		q->in.data = (char *)mem + BYTES;
	}
	if (!err)
		err = rumpuser_thread_create(run, q, thread_name);
	if (err) {
		release(q);
		return err;
	}
	l->priv = q;
	return 0;
}
