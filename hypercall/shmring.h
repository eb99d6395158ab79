/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shmring.h - a ring of frames in shared memory: many producers, one consumer, no lock,
 * and nobody is held up by one that was killed.
 *
 * The ring counts in chunks.  A frame takes as many in a row as it needs, and is told by
 * the 64-bit slot of its first chunk, which says all at once: the position (so that a slot
 * of an earlier round is told from one of now), the length, the owner, and how far it is:
 *
 *	claimed	a producer has it, and copies its frame; who finds it moves head on
 *	ready	for the consumer
 *	free	the consumer is through with it
 *
 * A producer claims the slot at head by compare and swap; only who does that owns the
 * chunks, and a frame is claimed before head moves, so that a producer that is killed
 * at any instruction leaves either nothing or a slot with its name on it.  The consumer
 * takes frames in order; at a claimed slot it waits, or skips it if the owner is dead
 * (shmseg.h knows).
 *
 * All of it is written by others at any time: each number is checked before it is used, a
 * ring that makes no sense is emptied.  Limits: a producer that is stopped (not dead)
 * in the middle of its copy holds up this ring.  Positions are 32 bits, and come again
 * after 1 TB; a slot is mistaken only if it was not the first of any frame meanwhile.
 */
#ifndef HYPERCALL_SHMRING_H
#define HYPERCALL_SHMRING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "net.h"

#define SHMRING_CHUNK	256		/* bytes */
#define SHMRING_CHUNKS	4096		/* a power of two */
#define SHMRING_BYTES	(SHMRING_CHUNKS * SHMRING_CHUNK)
#define SHMRING_FRAME_MIN (RUMPUSER_NET_HDR + 14)

#define SHMRING_WAITERS	1024		/* who may wait for room: 0..1023 */

/* How the two sides meet; each line of the cache is written by one side, mostly. */
struct shmring_ctl {
	_Alignas(64) _Atomic uint32_t head;	/* chunks claimed so far */
	_Alignas(64) _Atomic uint32_t tail;	/* chunks consumed so far */
	_Alignas(64) _Atomic uint32_t armed;	/* the consumer: see shmseg.h */
	_Atomic uint32_t bell;			/* futex */
	_Atomic uint32_t kick;			/* one who waited for room may send again */
	_Alignas(64) _Atomic uint32_t any_waits;
	_Atomic uint64_t waits[SHMRING_WAITERS / 64];
};

struct shmring {
	struct shmring_ctl *ctl;
	_Atomic uint64_t *slots;		/* SHMRING_CHUNKS */
	char *data;				/* SHMRING_BYTES */
};

/* Who a claimed slot belongs to. */
struct shmring_owner { uint8_t port, generation; };
#define SHMRING_GENERATIONS	32

/* Puts a frame in.  -ENOBUFS: no room now. */
int shmring_put(const struct shmring *r, const struct rumpuser_net_frame *f,
    struct shmring_owner me);
/* Room for a frame of len bytes, at this moment. */
bool shmring_has_room(const struct shmring *r, uint32_t len);

/*
 * Takes the next frame out: its length; 0: there is none; -EBUSY: its producer is not ready
 * (*owner); -EBADMSG: something was thrown away that was no frame, or too long for f.
 */
int shmring_get(const struct shmring *r, struct rumpuser_net_frame *f,
    struct shmring_owner *owner);
/* The consumer has something to do: a frame is ready, or nothing makes sense. */
bool shmring_has_work(const struct shmring *r);
/* Gives up on the slot that shmring_get() gave -EBUSY for; its owner is dead. */
void shmring_skip(const struct shmring *r);

#endif
