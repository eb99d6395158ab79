/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blkio.c - block I/O without making a vCPU wait.
 *
 * What the host has in its page cache is moved on the spot (RWF_NOWAIT): that
 * costs a copy and one system call, a tenth of what waking another thread does.
 * Where the host's file system does not know that for writes (ext4), small writes
 * of whole pages are made on the spot, too: they go to the page cache.  One that
 * has taken SLOW_NS (the host throttles) sends all for the next REST_NS to the
 * engine, so that a vCPU is held up once a second at most.  The rest is the engine's:
 * io_uring where the host lets us, else threads.  RUMP_BLKIO=threads (or io_uring)
 * leaves no choice.
 *
 * A flush that fails is the last one that was believed: the host forgets such an error
 * once it has told it, with the pages that it could not write.  All later flushes fail,
 * too, so that nobody takes for written what is not.
 */
#include <errno.h>
#include <linux/fs.h>
#include <string.h>

#include "blk.h"

#define SMALL		65536
#define PAGE		4096
#define SLOW_NS		500000
#define REST_NS		1000000000

static const struct blk_engine *const engines[] = { &blk_ring, &blk_pool };

void blkio_end(struct blk *b, struct blk_request *r, int err)
{
	if (err && blk_must_last(r))
		__atomic_store_n(&b->lost, true, __ATOMIC_RELAXED);
	else if (blk_must_last(r) && __atomic_load_n(&b->lost, __ATOMIC_RELAXED))
		err = -EIO;
	rumpuser_up->blk_done(r->cookie, err);
}

/* With RWF_NOWAIT, as long as *sensible says so. */
static int try_nowait(const struct blk *b, struct blk_request *r, bool *sensible)
{
	int err;

	if (!__atomic_load_n(sensible, __ATOMIC_RELAXED))
		return -EOPNOTSUPP;
	err = blkdo_move(b, r, RWF_NOWAIT);
	/* Not on this file system; or the program has closed our descriptor. */
	if (err == -EOPNOTSUPP || err == -EBADF)
		__atomic_store_n(sensible, false, __ATOMIC_RELAXED);
	return err;
}

static int try_small_write(struct blk *b, struct blk_request *r)
{
	int64_t start, end;
	int err;

	if (r->len > SMALL || (r->offset | r->len) % PAGE)
		return -EAGAIN;
	start = rumpuser_clock_mono();
	if (start < __atomic_load_n(&b->rest, __ATOMIC_RELAXED))
		return -EAGAIN;
	err = blkdo_move(b, r, 0);
	end = rumpuser_clock_mono();
	if (end - start > SLOW_NS)
		__atomic_store_n(&b->rest, end + REST_NS, __ATOMIC_RELAXED);
	return err;
}

/* Tries r without waiting; -EAGAIN: the engine must see to it. */
static int try_now(struct blk *b, struct blk_request *r)
{
	int err = -EAGAIN;

	if (b->isolated) {
		return err;
	} else if (r->op == RUMPUSER_BLK_READ) {
		err = try_nowait(b, r, &b->try_read);
	} else if (r->op == RUMPUSER_BLK_WRITE) {
		err = try_nowait(b, r, &b->try_write);
		if (err == -EOPNOTSUPP)
			err = try_small_write(b, r);
	}
	return err == -EOPNOTSUPP || err == -EBADF ? -EAGAIN : err;
}

/* What is wrong with r as such, or 0. */
static int check(const struct blk *b, const struct blk_request *r)
{
	unsigned int op = r->op & ~RUMPUSER_BLK_FUA;

	if (op > RUMPUSER_BLK_ZEROES)
		return -EOPNOTSUPP;
	if (op != RUMPUSER_BLK_FLUSH && (r->offset > b->size || r->len > b->size - r->offset))
		return -EIO;
	if (b->rdonly && op != RUMPUSER_BLK_READ && op != RUMPUSER_BLK_FLUSH)
		return -EROFS;
	if (blk_must_last(r) && __atomic_load_n(&b->lost, __ATOMIC_RELAXED))
		return -EIO;
	return 0;
}

int rumpuser_blk_submit(void *handle, unsigned int queue, struct rumpuser_blk_req *req,
    int *errorp)
{
	struct blk_request *r = (struct blk_request *)req;
	bool more = r->op & RUMPUSER_BLK_MORE;
	struct blk *b = handle;

	r->op &= ~RUMPUSER_BLK_MORE;
	*errorp = check(b, r);
	if (*errorp)
		return 1;
	r->offset += b->offset;
	r->done = 0;
	*errorp = try_now(b, r);
	if (*errorp != -EAGAIN)
		return 1;
	b->engine->submit(b, queue, r, more);
	return 0;
}

void rumpuser_blk_kick(void *handle, unsigned int queue)
{
	struct blk *b = handle;

	b->engine->kick(b, queue);
}

int rumpuser_blk_start(void *handle, unsigned int nqueues)
{
	const unsigned int n = sizeof(engines) / sizeof(engines[0]);
	struct blk *b = handle;
	int err = -EINVAL;
	char wanted[32];
	unsigned int i;
	bool choice;

	b->nqueues = nqueues;
	if (b->isolated) {
		b->engine = &blk_isolate;
		err = b->engine->start(b, nqueues);
		if (err)
			b->engine = NULL;
		return err;
	}
	choice = rumpuser_getparam("RUMP_BLKIO", wanted, sizeof(wanted)) == -ENOENT;
	b->try_read = b->try_write = true;
	for (i = 0; i < n && err; i++) {
		if (!choice && strcmp(engines[i]->name, wanted))
			continue;
		b->engine = engines[i];
		err = engines[i]->start(b, nqueues);
	}
	if (!err)
		return 0;
	b->engine = NULL;
	if (!choice)
		rumpuser_warn("RUMP_BLKIO=%s: %s", wanted, err == -EINVAL ?
		    "io_uring or threads is wanted" : strerror(-err));
	return err;
}

void rumpuser_blk_pause(void *handle)
{
	struct blk *b = handle;

	if (b->engine)
		b->engine->stop(b);
}

int rumpuser_blk_resume(void *handle)
{
	struct blk *b = handle;

	return b->engine ? b->engine->start(b, b->nqueues) : 0;
}
