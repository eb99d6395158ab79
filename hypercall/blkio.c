/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blkio.c - block I/O without making a vCPU wait.
 *
 * What the host has in its page cache is moved on the spot (RWF_NOWAIT): that
 * costs a copy and one system call, a tenth of what waking another thread does.
 * Where the host's file system does not know that for writes (ext4), small writes
 * of whole pages are made on the spot, too: they go to the page cache.  One that
 * has taken SLOW_NS (the host throttles) sends all for the next REST_NS to the
 * workers, so that a vCPU is held up once a second at most.  The rest is queued for workers: threads that make blocking calls.  One worker
 * more than are busy exists, up to WORKERS_MAX, so that a request never waits for
 * another one's disk; they stay until the device is closed.
 *
 * The first worker leaves the program's descriptor table and keeps only the file
 * in its own; later workers are its children and share that.  A program that
 * closes all descriptors therefore stops the short way but not the device.
 *
 * io_uring would save the wake-up of a worker where the host's cache misses, but
 * not the one for its completion; buffered writes and fdatasync it hands to
 * threads of the host's kernel in any case.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sched.h>
#include <sys/uio.h>

#include "blk.h"
#include "hostcall.h"

#define WORKERS_MAX	16
#define IOV_BATCH	64
#define SMALL		65536
#define PAGE		4096
#define SLOW_NS		500000
#define REST_NS		1000000000

_Static_assert(sizeof(struct rumpuser_iovec) == sizeof(struct iovec), "same layout");

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

/* The whole of r, however long it takes. */
static int perform(const struct blk *b, struct blk_request *r)
{
	bool fua = r->op & RUMPUSER_BLK_FUA;
	int err;

	r->op &= ~RUMPUSER_BLK_FUA;
	switch (r->op) {
	case RUMPUSER_BLK_READ:
		return move_data(b, r, 0);
	case RUMPUSER_BLK_WRITE:
		return move_data(b, r, fua ? RWF_DSYNC : 0);
	case RUMPUSER_BLK_FLUSH:
		return host(SYS_fdatasync, b->fd);
	case RUMPUSER_BLK_DISCARD:
		return host(SYS_fallocate, b->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		    r->offset, r->len);
	case RUMPUSER_BLK_ZEROES:
		err = zero(b, r);
		return err || !fua ? err : host(SYS_fdatasync, b->fd);
	}
	return -EOPNOTSUPP;
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

/* Tries r without waiting; -EAGAIN: it must be queued. */
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

static void worker(void *arg);

/* With the lock held. */
static int add_worker(struct blk *b)
{
	int err;

	b->workers++;
	err = rumpuser_thread_create(worker, b, "rump-blk");
	if (err)
		b->workers--;
	return err;
}

static void keep_only(int fd)
{
	if (host(SYS_unshare, CLONE_FILES))
		return;			/* forbidden here: then it is shared */
	host(SYS_close_range, 0, fd - 1, 0);
	host(SYS_close_range, fd + 1, ~0U, 0);
}

static void worker(void *arg)
{
	struct blk *b = arg;
	struct blk_request *r, now;
	int err;

	pthread_mutex_lock(&b->lock);
	if (!b->ready) {
		keep_only(b->fd);
		b->ready = true;
		pthread_cond_broadcast(&b->change);
	}
	for (;;) {
		while (!b->head && !b->closing) {
			b->idle++;
			pthread_cond_wait(&b->work, &b->lock);
			b->idle--;
		}
		r = b->head;
		if (!r)
			break;
		b->head = r->next;
		if (!b->head)
			b->tail = &b->head;
		now = *r;
		r->next = b->free;
		b->free = r;
		/* Without a spare worker, the next request waits for this one. */
		if (!b->idle && b->workers < WORKERS_MAX && !b->closing)
			add_worker(b);
		pthread_mutex_unlock(&b->lock);
		err = perform(b, &now);
		rumpuser_up->blk_done(now.cookie, err);
		pthread_mutex_lock(&b->lock);
	}
	b->workers--;
	pthread_cond_broadcast(&b->change);
	pthread_mutex_unlock(&b->lock);
}

int rumpuser_blk_submit(void *handle, unsigned int op, uint64_t offset,
    const struct rumpuser_iovec *iov, unsigned int niov, uint64_t len, void *cookie, int *errorp)
{
	struct blk *b = handle;
	struct blk_request now = {
		.op = op, .offset = b->offset + offset, .len = len,
		.iov = iov, .niov = niov, .cookie = cookie,
	}, *r;

	if (op != RUMPUSER_BLK_FLUSH && (offset > b->size || len > b->size - offset)) {
		*errorp = -EIO;
		return 1;
	}
	if (b->rdonly && op != RUMPUSER_BLK_READ && op != RUMPUSER_BLK_FLUSH) {
		*errorp = -EROFS;
		return 1;
	}
	*errorp = try_now(b, &now);
	if (*errorp != -EAGAIN)
		return 1;

	pthread_mutex_lock(&b->lock);
	r = b->free;
	if (r) {
		b->free = r->next;
		*r = now;
		r->next = NULL;
		*b->tail = r;
		b->tail = &r->next;
		pthread_cond_signal(&b->work);
	}
	pthread_mutex_unlock(&b->lock);
	if (r)
		return 0;
	*errorp = perform(b, &now);
	return 1;
}

int blkio_start(struct blk *b)
{
	unsigned int i;
	int err;

	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->work, NULL);
	pthread_cond_init(&b->change, NULL);
	b->tail = &b->head;
	for (i = 0; i < BLK_DEPTH; i++) {
		b->slots[i].next = b->free;
		b->free = &b->slots[i];
	}
	b->try_read = b->try_write = true;

	pthread_mutex_lock(&b->lock);
	err = add_worker(b);
	while (!err && !b->ready)
		pthread_cond_wait(&b->change, &b->lock);
	pthread_mutex_unlock(&b->lock);
	return err;
}

void blkio_stop(struct blk *b)
{
	pthread_mutex_lock(&b->lock);
	b->closing = true;
	pthread_cond_broadcast(&b->work);
	while (b->workers)
		pthread_cond_wait(&b->change, &b->lock);
	pthread_mutex_unlock(&b->lock);
}
