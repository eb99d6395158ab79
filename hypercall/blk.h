/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blk.h - a host file as a block device: blk.c opens and checks, blklock.c keeps others
 * off, blkio.c does at once what needs no waiting, and an engine does the rest; blkdo.c is
 * how.
 */
#ifndef HYPERCALL_BLK_H
#define HYPERCALL_BLK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "internal.h"
#include "jobs.h"

/* struct rumpuser_blk_req as it is between its submission and its end. */
struct blk_request {
	unsigned int op;
	unsigned int niov;
	uint64_t offset;		/* in the host file */
	uint64_t len;
	struct rumpuser_iovec *iov;
	void *cookie;
	uint64_t done;			/* bytes moved so far */
	union {				/* of the engine */
		struct blk_request *next;
		struct job job;
		struct {
			struct blk_request *next;
			uint32_t pieces;
			int32_t error;
		} isolated;
	};
};
_Static_assert(sizeof(struct blk_request) <= sizeof(struct rumpuser_blk_req), "priv has room");

struct blk {
	int fd;				/* in the program's descriptors, and in the engine's */
	bool rdonly;
	bool isolated;			/* the host is met in a process of its own only */
	bool lost;			/* a flush has failed: what was written may be gone */
	uint64_t offset, size;		/* where in the file the device lies */
	bool try_read, try_write;	/* RWF_NOWAIT makes sense */
	int64_t rest;			/* no small writes on the spot before this time */
	const struct blk_engine *engine;
	void *state;			/* the engine's */
	unsigned int nqueues;
	char path[];			/* for messages */
};

/*
 * Carries requests out beside the vCPUs, in any order.  An engine may do so in another
 * process: a request is plain data, its memory is the kernel's RAM, and its end is one
 * call of blkio_end(), whichever thread it comes from.
 */
struct blk_engine {
	const char *name;
	/* Sets b->state up; -errno: not on this host, another one is tried. */
	int (*start)(struct blk *b, unsigned int nqueues);
	/* Never fails; more: the caller promises a kick. */
	void (*submit)(struct blk *b, unsigned int queue, struct blk_request *r, bool more);
	void (*kick)(struct blk *b, unsigned int queue);
	/* After what was submitted is done: no thread of the engine's is left. */
	void (*stop)(struct blk *b);
};
extern const struct blk_engine blk_ring;	/* blkring.c: io_uring */
extern const struct blk_engine blk_pool;	/* blkpool.c: threads */
extern const struct blk_engine blk_isolate;	/* blkisolate.c: a process */

/* A success of r says that what was written before is on the disk, so it must be true. */
static inline bool blk_must_last(const struct blk_request *r)
{
	return r->op == RUMPUSER_BLK_FLUSH || r->op & RUMPUSER_BLK_FUA;
}

/* blkdo.c.  The whole of r by blocking calls: 0 or -errno. */
int blkdo(const struct blk *b, struct blk_request *r);
/*
 * Moves what is left of r, whose op is a read or a write.  0: all is done;
 * -EAGAIN: the rest would wait (with RWF_NOWAIT).
 */
int blkdo_move(const struct blk *b, struct blk_request *r, int rwf);

/* For engines: r has ended; it is the kernel's again. */
void blkio_end(struct blk *b, struct blk_request *r, int err);

/* blklock.c: 0, -EBUSY or another -errno; dropped when the last copy of fd is closed. */
int blklock_take(int fd, bool rdonly);
void blklock_drop(int fd);

#endif
