/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blkpool.c - block I/O by threads that make blocking calls, for hosts without io_uring
 * (old ones, and those that forbid it).  Whatever queue a request comes from, there is
 * one list.
 *
 * The threads have a descriptor table of their own with nothing but the file in it: a
 * program that closes all descriptors stops the short way but not the device.
 */
#include "blk.h"

static int enter(void *arg)
{
	struct blk *b = arg;
	int fds[2] = { b->fd };

	/* Where that is forbidden, the threads share the program's. */
	hostfd_keep_only(fds, 1);
	return 0;
}

static void run(struct job *job, void *arg)
{
	struct blk_request *r = (struct blk_request *)((char *)job - offsetof(struct blk_request, job));
	struct blk *b = arg;

	blkio_end(b, r, blkdo(b, r));
}

static void submit(struct blk *b, unsigned int queue, struct blk_request *r, bool more)
{
	(void)queue;
	(void)more;
	r->job.run = run;
	jobs_add(b->state, &r->job);
}

static void kick(struct blk *b, unsigned int queue)
{
	(void)b;
	(void)queue;
}

static int start(struct blk *b, unsigned int nqueues)
{
	(void)nqueues;
	return jobs_start((struct jobs **)&b->state, enter, b, 0);
}

static void stop(struct blk *b)
{
	jobs_stop(b->state);
}

const struct blk_engine blk_pool = { "threads", start, submit, kick, stop };
