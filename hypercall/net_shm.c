/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net_shm.c - link=shm:PATH: a port of a shared-memory segment (shmseg.h).
 *
 * Frames go from the sender's memory into the receiver's ring, with their header: what one
 * kernel leaves undone of checksums and segmentation, the other knows how to take.
 *
 * A ring that is full holds the sender's queue up, as long as its consumer takes frames at
 * all; one that has not for STALL_NS loses what is sent to it, until it does again.  So
 * TCP between two kernels loses nothing, and nobody waits for one that is stopped.  What
 * goes to several ports waits for none.
 *
 * Who waits for frames: a thread for each queue, asleep in a futex of the segment; and
 * every thread of the kernel that spins anyhow (spin.h).  ctl->armed says whether a
 * frame needs to ring the bell: BUSY, the kernel polls; LOOKING, somebody spins; ASLEEP.
 * Both sides write first, then look, with full barriers: one of them sees the other.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hostcall.h"
#include "internal.h"
#include "shmseg.h"
#include "spin.h"

#define STALL_NS	10000000
#define ETHER_MIN	14
#define MAC_MASK	0xffffffffffffULL

/* What we know of a ring that we send to. */
struct target {
	uint32_t tail;			/* where it was when it was full */
	bool stalled;
	int64_t since;			/* 0: it is not full */
};

struct queue {
	struct spin_source spin;	/* first */
	struct net_link *link;
	struct shmring ring;
	unsigned int index;
	uint32_t heard;			/* the bell, when it was answered last */
	atomic_uint spinners;
	/* of the sender */
	struct shmring full;		/* where the first frame in line has no room */
	uint32_t full_len;
	/* of the receiver */
	int64_t stuck;			/* since when the next slot is claimed; 0: it is not */
};

struct shm {
	struct shmseg *seg;
	struct queue queues[SHMSEG_QUEUES];
	unsigned int nqueues;
	uint32_t threads;
	uint32_t closing;		/* a word to wait for */
	struct target targets[SHMSEG_PORTS][SHMSEG_QUEUES];
};

/* ---- sending ----------------------------------------------------------------------- */

/* -EAGAIN: the ring is full, and worth waiting for; -ENOBUFS: it is not. */
static int full(struct shm *s, struct target *t, const struct shmring *r, unsigned int port)
{
	uint32_t tail = atomic_load(&r->ctl->tail);
	int64_t now = rumpuser_clock_mono();

	if (t->since == 0 || t->tail != tail) {
		*t = (struct target){ .tail = tail, .since = now };
		return -EAGAIN;
	}
	if (t->stalled)
		return -ENOBUFS;
	if (now - t->since < STALL_NS)
		return -EAGAIN;
	t->stalled = true;
	shmseg_reap(s->seg, port);
	return -ENOBUFS;
}

/* wait: say -EAGAIN where that makes sense. */
static int send_to(struct shm *s, struct queue *me, unsigned int port, bool wait,
    const struct rumpuser_net_frame *f)
{
	unsigned int queues = atomic_load_explicit(&s->seg->map->ports[port].queues,
	    memory_order_relaxed);
	unsigned int q = queues > 1 ? me->index % queues % SHMSEG_QUEUES : 0;
	struct target *t = &s->targets[port][q];
	struct shmring r = shmseg_ring(s->seg->map, port, q);
	int err;

	err = shmring_put(&r, f, s->seg->me);
	if (err) {
		err = full(s, t, &r, port);
		if (err == -EAGAIN && !wait)
			err = -ENOBUFS;
		me->full = r;
		me->full_len = f->len;
		return err;
	}
	t->since = 0;
	t->stalled = false;
	shmseg_ring_bell(&r);
	return 0;
}

static uint64_t mac_at(const unsigned char *p)
{
	uint64_t v = 0;

	memcpy((char *)&v + 2, p, 6);
	return __builtin_bswap64(v);
}

static int send_frame(struct shm *s, struct queue *me, const struct rumpuser_net_frame *f)
{
	unsigned char head[RUMPUSER_NET_HDR + ETHER_MIN];
	const unsigned char *ether = head + RUMPUSER_NET_HDR;
	struct shmseg_map *map = s->seg->map;
	unsigned int i, high;
	int port;

	if (f->len > RUMPUSER_NET_FRAME_MAX || net_peek(f, head, sizeof(head)) < sizeof(head))
		return -EMSGSIZE;
	if (!(ether[6] & 1))
		shmseg_learn(map, mac_at(ether + 6), s->seg->port);
	port = ether[0] & 1 ? -1 : shmseg_lookup(map, mac_at(ether));
	if (port == (int)s->seg->port)
		return 0;
	if (port >= 0)
		return send_to(s, me, port, true, f);
	high = shmseg_high(map);
	for (i = 0; i < high; i++)
		if (i != s->seg->port && shmseg_state(map, i))
			send_to(s, me, i, false, f);
	return 0;
}

static unsigned int shm_tx(struct net_link *l, unsigned int q, struct rumpuser_net_frame *frames,
    unsigned int n)
{
	struct shm *s = l->priv;
	unsigned int i;

	if (atomic_load_explicit(&s->seg->broken, memory_order_relaxed))
		net_carrier(l, false);
	for (i = 0; i < n; i++) {
		frames[i].error = send_frame(s, &s->queues[q], &frames[i]);
		if (frames[i].error == -EAGAIN)
			break;
	}
	return i;
}

/* ---- receiving ----------------------------------------------------------------------- */

/* The next slot is claimed: if that is so for long, is its owner still there? */
static void stuck(struct shm *s, struct queue *me, struct shmring_owner owner)
{
	int64_t now = rumpuser_clock_mono();

	if (me->stuck == 0) {
		me->stuck = now;
	} else if (now - me->stuck > STALL_NS / 2) {
		me->stuck = 0;
		if (!shmseg_alive(s->seg, owner))
			shmring_skip(&me->ring);
	}
}

static unsigned int shm_rx(struct net_link *l, unsigned int q, struct rumpuser_net_frame *frames,
    unsigned int n)
{
	struct shm *s = l->priv;
	struct queue *me = &s->queues[q];
	struct shmring_owner owner;
	unsigned int got = 0, tries;
	int ret;

	if (atomic_load_explicit(&s->seg->broken, memory_order_relaxed)) {
		net_carrier(l, false);
		return 0;
	}
	for (tries = 0; got < n && tries < 2 * n; tries++) {
		ret = shmring_get(&me->ring, &frames[got], &owner);
		if (ret == -EBUSY) {
			stuck(s, me, owner);
			break;
		}
		me->stuck = 0;
		if (ret == 0)
			break;
		if (ret < 0)
			atomic_fetch_add_explicit(&l->dropped, 1, memory_order_relaxed);
		else
			got++;
	}
	shmseg_wake_waiters(s->seg->map, &me->ring);
	return got;
}

/* ---- waiting ---------------------------------------------------------------------------- */

static bool wants_look(struct queue *q)
{
	return shmring_has_work(&q->ring) || atomic_load(&q->ring.ctl->kick);
}

/* Who has turned armed into BUSY makes the upcall. */
static bool disarm(struct queue *q)
{
	return atomic_exchange(&q->ring.ctl->armed, SHMSEG_BUSY) != SHMSEG_BUSY;
}

static int shm_arm(struct net_link *l, unsigned int q, unsigned int events)
{
	struct shm *s = l->priv;
	struct queue *me = &s->queues[q];
	struct shmring_ctl *ctl = me->ring.ctl;
	uint32_t looking = SHMSEG_LOOKING;

	atomic_store(&ctl->kick, 0);
	if (events & RUMPUSER_NET_TX)
		shmseg_await_room(&me->full, s->seg->port * SHMSEG_QUEUES + q);
	if (atomic_load(&me->spinners)) {
		atomic_store(&ctl->armed, SHMSEG_LOOKING);
		if (!atomic_load(&me->spinners))
			atomic_compare_exchange_strong(&ctl->armed, &looking, SHMSEG_ASLEEP);
	} else {
		atomic_store(&ctl->armed, SHMSEG_ASLEEP);
	}
	if ((wants_look(me) ||
	    (events & RUMPUSER_NET_TX && shmring_has_room(&me->full, me->full_len))) && disarm(me))
		return RUMPUSER_NET_AGAIN;
	return me->stuck || events & RUMPUSER_NET_TX ? RUMPUSER_NET_LATER : RUMPUSER_NET_ARMED;
}

static void spin_starts(struct spin_source *source)
{
	struct queue *q = (struct queue *)source;
	uint32_t asleep = SHMSEG_ASLEEP;

	atomic_fetch_add(&q->spinners, 1);
	if (atomic_load_explicit(&q->ring.ctl->armed, memory_order_relaxed) == SHMSEG_ASLEEP)
		atomic_compare_exchange_strong(&q->ring.ctl->armed, &asleep, SHMSEG_LOOKING);
}

static bool spin_looks(struct spin_source *source)
{
	struct queue *q = (struct queue *)source;

	if (atomic_load_explicit(&q->ring.ctl->armed, memory_order_relaxed) == SHMSEG_BUSY ||
	    !wants_look(q) || !disarm(q))
		return false;
	net_ready(q->link, q->index);
	return true;
}

static void spin_ends(struct spin_source *source)
{
	struct queue *q = (struct queue *)source;
	uint32_t looking = SHMSEG_LOOKING;

	if (atomic_fetch_sub(&q->spinners, 1) == 1 &&
	    atomic_load(&q->ring.ctl->armed) == SHMSEG_LOOKING)
		atomic_compare_exchange_strong(&q->ring.ctl->armed, &looking, SHMSEG_ASLEEP);
	/* What came after the last look rang no bell. */
	spin_looks(source);
}


/*
 * Sleeps until *bell is not seen any more, or *closing is set: two words, since the bell's
 * memory may be another one by then.  Before Linux 5.16 it is looked at now and then.
 */
static void sleep_on(_Atomic uint32_t *bell, uint32_t seen, uint32_t *closing)
{
	struct futex_waitv words[2] = {
		{ .val = seen, .uaddr = (uintptr_t)bell, .flags = FUTEX_32 },
		{ .val = 0, .uaddr = (uintptr_t)closing, .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG },
	};
	const struct timespec second = { .tv_sec = 1 };

	if (host(SYS_futex_waitv, words, 2, 0, NULL, 0) == -ENOSYS)
		host(SYS_futex, bell, FUTEX_WAIT, seen, &second, NULL, 0);
}

static void wait_for_bell(void *arg)
{
	struct queue *q = arg;
	struct shm *s = q->link->priv;
	_Atomic uint32_t *bell = &q->ring.ctl->bell;
	uint32_t now;

	while (!__atomic_load_n(&s->closing, __ATOMIC_SEQ_CST)) {
		now = atomic_load(bell);
		if (now != q->heard || atomic_load(&s->seg->broken))
			net_ready(q->link, q->index);
		q->heard = now;
		if (atomic_load(&s->seg->broken))
			break;
		sleep_on(bell, now, &s->closing);
	}
	__atomic_fetch_sub(&s->threads, 1, __ATOMIC_SEQ_CST);
	rumpuser_wake(&s->threads);
}

/* ---- opening and closing ------------------------------------------------------------------ */

static void shm_close(struct net_link *l)
{
	struct shm *s = l->priv;
	unsigned int q;
	uint32_t left;

	__atomic_store_n(&s->closing, 1, __ATOMIC_SEQ_CST);
	for (q = 0; q < s->nqueues; q++)
		spin_remove(&s->queues[q].spin);
	host(SYS_futex, &s->closing, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX);
	while ((left = __atomic_load_n(&s->threads, __ATOMIC_SEQ_CST)))
		rumpuser_wait(&s->threads, left, RUMPUSER_FOREVER, 0);
	shmseg_leave(s->seg);
	free(s);
}

static int shm_open(struct net_link *l, struct netspec *spec, char *why)
{
	struct shm *s = calloc(1, sizeof(*s));
	unsigned int i;
	int err;

	if (!s)
		return -ENOMEM;
	s->nqueues = l->info.queues;
	err = shmseg_join(spec->where, s->nqueues, &s->seg, why);
	if (err) {
		free(s);
		return err;
	}
	l->priv = s;
	l->info.features = RUMPUSER_NET_CSUM | RUMPUSER_NET_TSO | RUMPUSER_NET_USO;
	for (i = 0; i < s->nqueues; i++) {
		struct queue *q = &s->queues[i];

		q->spin = (struct spin_source){ spin_starts, spin_looks, spin_ends };
		q->link = l;
		q->index = i;
		q->ring = shmseg_ring(s->seg->map, s->seg->port, i);
		/* now, and not when the thread gets around to run: it may have rung by then */
		q->heard = atomic_load(&q->ring.ctl->bell);
		__atomic_fetch_add(&s->threads, 1, __ATOMIC_SEQ_CST);
		err = rumpuser_thread_create(wait_for_bell, q, "rump-shm");
		if (err) {
			__atomic_fetch_sub(&s->threads, 1, __ATOMIC_SEQ_CST);
			s->nqueues = i;
			shm_close(l);
			return err;
		}
	}
	return 0;
}

static void shm_start(struct net_link *l)
{
	struct shm *s = l->priv;
	unsigned int i;

	for (i = 0; i < s->nqueues; i++)
		spin_add(&s->queues[i].spin);
}

static void shm_up(struct net_link *l, bool up)
{
	struct shm *s = l->priv;

	shmseg_up(s->seg, up);
}

const struct net_backend net_shm = {
	.kind = "shm", .where = "PATH", .queues = SHMSEG_QUEUES,
	.open = shm_open, .start = shm_start, .tx = shm_tx, .rx = shm_rx, .arm = shm_arm,
	.up = shm_up, .close = shm_close,
};
