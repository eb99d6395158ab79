/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blkpool.c - block I/O by threads that make blocking calls, for hosts without io_uring
 * (old ones, and those that forbid it).
 *
 * One worker more than are busy exists, up to WORKERS_MAX, so that a request never waits
 * for another one's disk; they stay until the device is closed.  Whatever queue a request
 * comes from, there is one list.
 *
 * The first worker leaves the program's descriptor table and keeps only the file
 * in its own; later workers are its children and share that.  A program that
 * closes all descriptors therefore stops the short way but not the device.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "blk.h"

#define WORKERS_MAX	16

struct pool {
	struct blk *b;
	pthread_mutex_t lock;		/* all below */
	pthread_cond_t work;		/* for idle workers */
	pthread_cond_t change;		/* for start and stop */
	struct blk_request *head, **tail;
	unsigned int workers, idle;
	bool ready, closing;
};

static void worker(void *arg);

/* With the lock held. */
static int add_worker(struct pool *p)
{
	int err;

	p->workers++;
	err = rumpuser_thread_create(worker, p, "rump-blk");
	if (err)
		p->workers--;
	return err;
}

static void worker(void *arg)
{
	struct pool *p = arg;
	struct blk_request *r;
	int fd = p->b->fd;

	pthread_mutex_lock(&p->lock);
	if (!p->ready) {
		blkio_keep_only(&fd, 1);
		p->ready = true;
		pthread_cond_broadcast(&p->change);
	}
	for (;;) {
		while (!p->head && !p->closing) {
			p->idle++;
			pthread_cond_wait(&p->work, &p->lock);
			p->idle--;
		}
		r = p->head;
		if (!r)
			break;
		p->head = r->next;
		if (!p->head)
			p->tail = &p->head;
		/* Without a spare worker, the next request waits for this one. */
		if (!p->idle && p->workers < WORKERS_MAX && !p->closing)
			add_worker(p);
		pthread_mutex_unlock(&p->lock);
		blkio_end(p->b, r, blkio_perform(p->b, r));
		pthread_mutex_lock(&p->lock);
	}
	p->workers--;
	pthread_cond_broadcast(&p->change);
	pthread_mutex_unlock(&p->lock);
}

static void submit(struct blk *b, unsigned int queue, struct blk_request *r, bool more)
{
	struct pool *p = b->state;

	(void)queue;
	(void)more;
	pthread_mutex_lock(&p->lock);
	r->next = NULL;
	*p->tail = r;
	p->tail = &r->next;
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
}

static void kick(struct blk *b, unsigned int queue)
{
	(void)b;
	(void)queue;
}

static int start(struct blk *b, unsigned int nqueues)
{
	struct pool *p = calloc(1, sizeof(*p));
	int err;

	(void)nqueues;
	if (!p)
		return -ENOMEM;
	p->b = b;
	p->tail = &p->head;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->change, NULL);
	b->state = p;
	pthread_mutex_lock(&p->lock);
	err = add_worker(p);
	while (!err && !p->ready)
		pthread_cond_wait(&p->change, &p->lock);
	pthread_mutex_unlock(&p->lock);
	if (err)
		free(p);
	return err;
}

static void stop(struct blk *b)
{
	struct pool *p = b->state;

	pthread_mutex_lock(&p->lock);
	p->closing = true;
	pthread_cond_broadcast(&p->work);
	while (p->workers)
		pthread_cond_wait(&p->change, &p->lock);
	pthread_mutex_unlock(&p->lock);
	free(p);
}

const struct blk_engine blk_pool = { "threads", start, submit, kick, stop };
