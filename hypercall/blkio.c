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
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/uio.h>

#include "blk.h"
#include "hostcall.h"

#define IOV_BATCH	64
#define SMALL		65536
#define PAGE		4096
#define SLOW_NS		500000
#define REST_NS		1000000000

_Static_assert(sizeof(struct rumpuser_iovec) == sizeof(struct iovec), "same layout");

static const struct blk_engine *const engines[] = { &blk_ring, &blk_pool };

/*
 * Moves what is left of r, whose op is a read or a write.  0: all is done;
 * -EAGAIN: the rest would wait (with RWF_NOWAIT).
 */
static int move_data(const struct blk *b, struct blk_request *r, int rwf)
{
	bool write = r->op == RUMPUSER_BLK_WRITE;
	struct iovec iov[IOV_BATCH];
	uint64_t skip;
	unsigned int i, n;
	long ret;

	while (r->done < r->len) {
		skip = r->done;
		for (i = 0; i < r->niov && skip >= r->iov[i].len; i++)
			skip -= r->iov[i].len;
		for (n = 0; i < r->niov && n < IOV_BATCH; i++, n++) {
			iov[n].iov_base = (char *)r->iov[i].base + skip;
			iov[n].iov_len = r->iov[i].len - skip;
			skip = 0;
		}
		ret = host(write ? SYS_pwritev2 : SYS_preadv2, b->fd, iov, n,
		    r->offset + r->done, 0, rwf);
		if (ret > 0)
			r->done += ret;
		else if (ret == 0)
			return -EIO;		/* the file has shrunk */
		else if (ret != -EINTR)
			return ret;
	}
	return 0;
}

static int zero(const struct blk *b, struct blk_request *r)
{
	static const char zeroes[64 * 1024];
	struct rumpuser_iovec iov[1] = { { (char *)zeroes, sizeof(zeroes) } };
	struct blk_request w = { .op = RUMPUSER_BLK_WRITE, .iov = iov, .niov = 1 };
	long ret;

	ret = host(SYS_fallocate, b->fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
	    r->offset, r->len);
	if (ret == -EOPNOTSUPP)
		ret = host(SYS_fallocate, b->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		    r->offset, r->len);
	if (ret != -EOPNOTSUPP)
		return ret;
	for (; r->done < r->len; r->done += w.len) {
		w.offset = r->offset + r->done;
		w.len = r->len - r->done < sizeof(zeroes) ? r->len - r->done : sizeof(zeroes);
		w.done = 0;
		iov[0].len = w.len;
		ret = move_data(b, &w, 0);
		if (ret)
			return ret;
	}
	return 0;
}

int blkio_perform(const struct blk *b, struct blk_request *r)
{
	bool fua = r->op & RUMPUSER_BLK_FUA;
	struct blk_request now = *r;
	int err;

	now.op &= ~RUMPUSER_BLK_FUA;
	switch (now.op) {
	case RUMPUSER_BLK_READ:
		return move_data(b, &now, 0);
	case RUMPUSER_BLK_WRITE:
		return move_data(b, &now, fua ? RWF_DSYNC : 0);
	case RUMPUSER_BLK_FLUSH:
		return host(SYS_fdatasync, b->fd);
	case RUMPUSER_BLK_DISCARD:
		return host(SYS_fallocate, b->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		    r->offset, r->len);
	case RUMPUSER_BLK_ZEROES:
		err = zero(b, &now);
		return err || !fua ? err : host(SYS_fdatasync, b->fd);
	}
	return -EOPNOTSUPP;
}

static bool must_last(const struct blk_request *r)
{
	return r->op == RUMPUSER_BLK_FLUSH || r->op & RUMPUSER_BLK_FUA;
}

void blkio_end(struct blk *b, struct blk_request *r, int err)
{
	if (err && must_last(r))
		__atomic_store_n(&b->lost, true, __ATOMIC_RELAXED);
	rumpuser_up->blk_done(r->cookie, err);
}

/* With RWF_NOWAIT, as long as *sensible says so. */
static int try_nowait(const struct blk *b, struct blk_request *r, bool *sensible)
{
	int err;

	if (!__atomic_load_n(sensible, __ATOMIC_RELAXED))
		return -EOPNOTSUPP;
	err = move_data(b, r, RWF_NOWAIT);
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
	err = move_data(b, r, 0);
	end = rumpuser_clock_mono();
	if (end - start > SLOW_NS)
		__atomic_store_n(&b->rest, end + REST_NS, __ATOMIC_RELAXED);
	return err;
}

/* Tries r without waiting; -EAGAIN: the engine must see to it. */
static int try_now(struct blk *b, struct blk_request *r)
{
	int err = -EAGAIN;

	if (r->op == RUMPUSER_BLK_READ) {
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
	if (must_last(r) && __atomic_load_n(&b->lost, __ATOMIC_RELAXED))
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

	choice = rumpuser_getparam("RUMP_BLKIO", wanted, sizeof(wanted)) == -ENOENT;
	b->try_read = b->try_write = true;
	for (i = 0; i < n && err; i++) {
		if (!choice && strcmp(engines[i]->name, wanted))
			continue;
		b->engine = engines[i];
		err = engines[i]->start(b, nqueues);
	}
	b->nqueues = nqueues;
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
