/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blkshare.h - what an isolated block device (blkisolate.c) and its process (rump_disk)
 * share: a memory file with slots for pieces of requests and their data.
 *
 * We fill a slot in and set its bit in pending; a thread of the process that has cleared
 * the bit carries the piece out, stores its error, and sets the bit in done.  Each side
 * says how many of it sleep in the word that the other one counts up.  Nothing of what the
 * process has written is trusted but data and errors, and nothing of it outlives the process.
 */
#ifndef HYPERCALL_BLKSHARE_H
#define HYPERCALL_BLKSHARE_H

#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>

#include "child.h"
#include "hostcall.h"

#define BLKSHARE_SLOTS		64	/* bits of a word */
#define BLKSHARE_SLOT_LEN	(128 << 10)

/* The descriptors of the process. */
enum {
	BLKSHARE_FILE = CHILD_FD,	/* for I/O */
	BLKSHARE_MEMORY,
	BLKSHARE_LOCK,			/* holds the locks of the file until the process is gone */
	BLKSHARE_END
};
#define BLKSHARE_FDS		(BLKSHARE_END - CHILD_FD)

/* A word that one side counts up when it has set a bit, and the other sleeps on. */
struct blkshare_bell {
	_Alignas(64) _Atomic uint64_t bits;
	_Atomic uint32_t count, sleepers;
};

struct blkshare_slot {
	uint32_t op;			/* RUMPUSER_BLK_*, with FUA */
	int32_t error;			/* 0 or a negative errno, when done */
	uint64_t offset, len;		/* in the file */
};

struct blkshare {
	struct blkshare_bell pending, done;
	_Alignas(64) _Atomic uint32_t hello;	/* the process is at work */
	struct blkshare_slot slots[BLKSHARE_SLOTS];
	_Alignas(4096) char data[BLKSHARE_SLOTS][BLKSHARE_SLOT_LEN];
};

static inline void blkshare_wake(_Atomic uint32_t *word, int n)
{
	host(SYS_futex, word, FUTEX_WAKE, n);
}

static inline void blkshare_ring(struct blkshare_bell *b, uint64_t bits)
{
	atomic_fetch_or(&b->bits, bits);
	atomic_fetch_add(&b->count, 1);
	if (atomic_load(&b->sleepers))
		blkshare_wake(&b->count, 1);
}

/* Sleeps until the bell was rung, unless there are bits; or for no reason. */
static inline void blkshare_wait(struct blkshare_bell *b)
{
	uint32_t count = atomic_load(&b->count);

	atomic_fetch_add(&b->sleepers, 1);
	if (!atomic_load(&b->bits))
		host(SYS_futex, &b->count, FUTEX_WAIT, count, 0);
	atomic_fetch_sub(&b->sleepers, 1);
}

#endif
