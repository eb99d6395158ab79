/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "shmring.h"

enum { FREE, CLAIMED, READY };

#define MASK		(SHMRING_CHUNKS - 1)
#define TRIES		64	/* while others move head under us */

/* A slot: position 32, length 17, port 8, generation 5, state 2 bits. */
#define LEN_SHIFT	15
#define LEN_MASK	0x1ffff
#define PORT_SHIFT	7
#define GEN_SHIFT	2
#define STATE_MASK	3

_Static_assert(RUMPUSER_NET_FRAME_MAX <= LEN_MASK, "a length fits");

static uint64_t make_slot(uint32_t pos, uint32_t len, struct shmring_owner o, unsigned int state)
{
	return (uint64_t)pos << 32 | (uint64_t)len << LEN_SHIFT |
	    (uint64_t)o.port << PORT_SHIFT | (o.generation % SHMRING_GENERATIONS) << GEN_SHIFT |
	    state;
}

static uint32_t slot_len(uint64_t s)
{
	return s >> LEN_SHIFT & LEN_MASK;
}

static uint32_t chunks(uint32_t len)
{
	return (len + SHMRING_CHUNK - 1) / SHMRING_CHUNK;
}

/* Is there a frame at pos, claimed or ready, and can its length be? */
static bool is_here(uint64_t s, uint32_t pos)
{
	return s >> 32 == pos && (s & STATE_MASK) != FREE;
}

static bool is_sane(uint64_t s)
{
	return (s & STATE_MASK) <= READY && slot_len(s) >= SHMRING_FRAME_MIN &&
	    slot_len(s) <= RUMPUSER_NET_FRAME_MAX;
}

/* A position of a new frame of len bytes, claimed; -ENOBUFS. */
static int claim(const struct shmring *r, uint32_t len, struct shmring_owner me, uint32_t *posp)
{
	uint32_t head, tail, need = chunks(len);
	unsigned int i;
	uint64_t s;

	for (i = 0; i < TRIES; i++) {
		head = atomic_load(&r->ctl->head);
		tail = atomic_load(&r->ctl->tail);
		s = atomic_load(&r->slots[head & MASK]);
		if (is_here(s, head)) {
			if (!is_sane(s))
				break;
			atomic_compare_exchange_strong(&r->ctl->head, &head,
			    head + chunks(slot_len(s)));
			continue;
		}
		if (head + need - tail > SHMRING_CHUNKS) {
			if (atomic_load(&r->ctl->head) == head)
				break;
			continue;
		}
		if (!atomic_compare_exchange_strong(&r->slots[head & MASK], &s,
		    make_slot(head, len, me, CLAIMED)))
			continue;
		*posp = head;
		atomic_compare_exchange_strong(&r->ctl->head, &head, head + need);
		return 0;
	}
	return -ENOBUFS;
}

bool shmring_has_room(const struct shmring *r, uint32_t len)
{
	return atomic_load(&r->ctl->head) + chunks(len) - atomic_load(&r->ctl->tail) <=
	    SHMRING_CHUNKS;
}

int shmring_put(const struct shmring *r, const struct rumpuser_net_frame *f,
    struct shmring_owner me)
{
	uint32_t pos, at, first;
	int err;

	err = claim(r, f->len, me, &pos);
	if (err)
		return err;
	at = (pos & MASK) * SHMRING_CHUNK;
	first = SHMRING_BYTES - at < f->len ? SHMRING_BYTES - at : f->len;
	net_gather(r->data + at, f, 0, first);
	if (first < f->len)
		net_gather(r->data, f, first, f->len - first);
	/* Sequentially consistent: whoever looks at ctl->armed next must do so after this. */
	atomic_store(&r->slots[pos & MASK], make_slot(pos, f->len, me, READY));
	return 0;
}

/* What is at the tail makes no sense: starts anew where the producers are. */
static int resync(const struct shmring *r)
{
	atomic_store(&r->ctl->tail, atomic_load(&r->ctl->head));
	return -EBADMSG;
}

static void consumed(const struct shmring *r, uint32_t tail, uint32_t len)
{
	atomic_store_explicit(&r->slots[tail & MASK], make_slot(tail, 0, (struct shmring_owner){ 0 },
	    FREE), memory_order_relaxed);
	atomic_store(&r->ctl->tail, tail + chunks(len));
}

bool shmring_has_work(const struct shmring *r)
{
	uint32_t tail = atomic_load_explicit(&r->ctl->tail, memory_order_relaxed);
	uint64_t s = atomic_load(&r->slots[tail & MASK]);

	if (is_here(s, tail))
		return !is_sane(s) || (s & STATE_MASK) == READY;
	return atomic_load(&r->ctl->head) != tail;
}

int shmring_get(const struct shmring *r, struct rumpuser_net_frame *f, struct shmring_owner *owner)
{
	uint32_t tail = atomic_load_explicit(&r->ctl->tail, memory_order_relaxed);
	_Atomic uint64_t *slot = &r->slots[tail & MASK];
	uint64_t s = atomic_load_explicit(slot, memory_order_acquire);
	uint32_t at, first, len, head;

	if (!is_here(s, tail)) {
		head = atomic_load(&r->ctl->head);
		/* head moves after the slot was claimed: look once more. */
		s = atomic_load(slot);
		if (!is_here(s, tail))
			return head == tail ? 0 : resync(r);
	}
	if (!is_sane(s))
		return resync(r);
	if ((s & STATE_MASK) == CLAIMED) {
		owner->port = s >> PORT_SHIFT;
		owner->generation = s >> GEN_SHIFT & (SHMRING_GENERATIONS - 1);
		return -EBUSY;
	}
	len = slot_len(s);
	if (len > f->len) {
		consumed(r, tail, len);
		return -EBADMSG;
	}
	at = (tail & MASK) * SHMRING_CHUNK;
	first = SHMRING_BYTES - at < len ? SHMRING_BYTES - at : len;
	net_scatter(f, 0, r->data + at, first);
	if (first < len)
		net_scatter(f, first, r->data, len - first);
	consumed(r, tail, len);
	f->len = len;
	return len;
}

void shmring_skip(const struct shmring *r)
{
	uint32_t tail = atomic_load(&r->ctl->tail);
	uint64_t s = atomic_load(&r->slots[tail & MASK]);

	if (is_here(s, tail) && is_sane(s) && (s & STATE_MASK) == CLAIMED)
		consumed(r, tail, slot_len(s));
}
