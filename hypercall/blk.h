/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blk.h - a host file as a block device: blk.c opens and checks, blkio.c moves
 * the data.
 */
#ifndef HYPERCALL_BLK_H
#define HYPERCALL_BLK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "internal.h"

#define BLK_DEPTH	256	/* operations that wait or run; more are done on the spot */

struct blk_request {
	struct blk_request *next;
	unsigned int op;
	uint64_t offset;		/* in the host file */
	uint64_t len;
	uint64_t done;			/* bytes moved so far */
	const struct rumpuser_iovec *iov;
	unsigned int niov;
	void *cookie;
};

struct blk {
	int fd;
	bool rdonly;
	uint64_t offset, size;		/* where in the file the device lies */
	bool try_read, try_write;	/* RWF_NOWAIT makes sense */
	int64_t rest;			/* no small writes on the spot before this time */

	pthread_mutex_t lock;		/* all below */
	pthread_cond_t work;		/* for idle workers */
	pthread_cond_t change;		/* for blkio_start, blkio_stop */
	struct blk_request slots[BLK_DEPTH], *free, *head, **tail;
	unsigned int workers, idle;
	bool ready, closing;
};

/* Makes the first worker; ends all, after what is queued is done. */
int blkio_start(struct blk *b);
void blkio_stop(struct blk *b);

#endif
