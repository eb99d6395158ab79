/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blkring.c - block I/O by io_uring.
 *
 * A device has a lane for each of its queues: a list that the queue's vCPU pushes requests
 * on, and a thread that owns a ring, and moves them from the one to the other.  Not
 * the program's threads own the rings: the host cancels what a thread has submitted
 * when that thread ends, and interrupts it for each completion.
 *
 * While nothing is under way, the thread sleeps in a futex; while the host works, it sleeps
 * in the ring, where it can be woken by an eventfd whose read is a request of the ring.
 * state tells a pusher which of the two it is, or that the thread is about to look anyway:
 * then no host call is made.
 *
 * Neither a preload library's replacements nor a program's own liburing is in the way:
 * liburing is linked statically with hidden names and makes its system calls itself.  The
 * ring lies in memory that a fork does not copy, and its descriptor in a table that the
 * program does not have: the first thread leaves the program's table (hostfd_keep_only) and
 * the others are its children.  A program that closes the eventfd, too, delays a
 * request until another one's completion, and no more.
 */
#include <errno.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <liburing.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

#include "blk.h"
#include "hostcall.h"

#define DEPTH		128	/* requests of a lane that the host works on at a time */
#define LANES_MAX	16

#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif

enum { AWAKE, IN_FUTEX, IN_RING };

struct lane {
	_Alignas(64) _Atomic(struct blk_request *) pushed;	/* the newest first */
	uint32_t state;
	int efd;
	struct rings *all;

	/* the thread's own */
	_Alignas(64) struct io_uring ring;
	struct blk_request *todo;	/* taken from pushed, in order */
	unsigned int inflight;
	bool armed;			/* the eventfd is being read */
	uint64_t count;			/* what is read */
};

struct rings {
	struct blk *b;
	unsigned int nlanes;
	uint32_t alive, begun;		/* threads, to be waited for */
	int err;			/* of any of them at its start */
	bool closing;
	struct lane lanes[];
};

static struct lane *lane_of(struct blk *b, unsigned int queue)
{
	struct rings *rs = b->state;

	return &rs->lanes[queue % rs->nlanes];
}

/* ---- the vCPUs' side --------------------------------------------------------------- */

static void wake(struct lane *l)
{
	uint64_t one = 1;

	switch (__atomic_exchange_n(&l->state, AWAKE, __ATOMIC_SEQ_CST)) {
	case IN_FUTEX:
		rumpuser_wake(&l->state);
		break;
	case IN_RING:
		host(SYS_write, l->efd, &one, sizeof(one));
		break;
	}
}

static void submit(struct blk *b, unsigned int queue, struct blk_request *r, bool more)
{
	struct lane *l = lane_of(b, queue);
	struct blk_request *first = atomic_load_explicit(&l->pushed, memory_order_relaxed);

	do
		r->next = first;
	while (!atomic_compare_exchange_weak(&l->pushed, &first, r));
	if (!more)
		wake(l);
}

static void kick(struct blk *b, unsigned int queue)
{
	wake(lane_of(b, queue));
}

/* ---- the thread's side ----------------------------------------------------------------- */

/* Puts what was pushed behind what is to be done. */
static void take_pushed(struct lane *l)
{
	struct blk_request *r = atomic_exchange(&l->pushed, NULL), *next, *fifo = NULL;
	struct blk_request **end;

	for (; r; r = next) {
		next = r->next;
		r->next = fifo;
		fifo = r;
	}
	for (end = &l->todo; *end; end = &(*end)->next)
		;
	*end = fifo;
}

static void prepare(struct io_uring_sqe *sqe, const struct blk *b, struct blk_request *r)
{
	const struct iovec *iov = (const struct iovec *)r->iov;

	switch (r->op & ~RUMPUSER_BLK_FUA) {
	case RUMPUSER_BLK_READ:
		io_uring_prep_readv(sqe, b->fd, iov, r->niov, r->offset);
		break;
	case RUMPUSER_BLK_WRITE:
		io_uring_prep_writev(sqe, b->fd, iov, r->niov, r->offset);
		if (r->op & RUMPUSER_BLK_FUA)
			sqe->rw_flags = RWF_DSYNC;
		break;
	case RUMPUSER_BLK_FLUSH:
		io_uring_prep_fsync(sqe, b->fd, IORING_FSYNC_DATASYNC);
		break;
	case RUMPUSER_BLK_DISCARD:
		io_uring_prep_fallocate(sqe, b->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		    r->offset, r->len);
		break;
	case RUMPUSER_BLK_ZEROES:
		io_uring_prep_fallocate(sqe, b->fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
		    r->offset, r->len);
		break;
	}
	io_uring_sqe_set_data(sqe, r);
}

/* The part that is done already, on the spot, is taken off r. */
static void trim(struct blk_request *r)
{
	r->offset += r->done;
	r->len -= r->done;
	for (; r->niov && r->done >= r->iov->len; r->iov++, r->niov--)
		r->done -= r->iov->len;
	r->iov->base = (char *)r->iov->base + r->done;
	r->iov->len -= r->done;
	r->done = 0;
}

static void fill_ring(struct lane *l)
{
	struct blk *b = l->all->b;
	struct io_uring_sqe *sqe;
	struct blk_request *r;

	while ((r = l->todo) && l->inflight < DEPTH) {
		sqe = io_uring_get_sqe(&l->ring);
		if (!sqe)
			break;
		l->todo = r->next;
		if (r->done)
			trim(r);
		prepare(sqe, b, r);
		l->inflight++;
	}
	if (l->inflight && !l->armed && (sqe = io_uring_get_sqe(&l->ring))) {
		io_uring_prep_read(sqe, l->efd, &l->count, sizeof(l->count), 0);
		io_uring_sqe_set_data(sqe, NULL);
		l->armed = true;
	}
}

/* The host has answered r by res. */
static int result(struct blk *b, struct blk_request *r, int res)
{
	switch (res) {
	case -EAGAIN:
	case -EINTR:
	case -EINVAL:			/* an operation that the ring does not have */
	case -ECANCELED:
	case -EOPNOTSUPP:
		return blkdo(b, r);
	}
	if (res < 0)
		return res;
	switch (r->op & ~RUMPUSER_BLK_FUA) {
	case RUMPUSER_BLK_READ:
	case RUMPUSER_BLK_WRITE:
		r->done = res;
		return r->done == r->len ? 0 : blkdo(b, r);
	case RUMPUSER_BLK_ZEROES:
		return r->op & RUMPUSER_BLK_FUA ? blkdo(b, r) : 0;
	}
	return 0;
}

static void reap(struct lane *l)
{
	struct io_uring_cqe *cqe;
	struct blk_request *r;
	int res;

	while (io_uring_peek_cqe(&l->ring, &cqe) == 0) {
		r = io_uring_cqe_get_data(cqe);
		res = cqe->res;
		io_uring_cqe_seen(&l->ring, cqe);
		if (!r) {
			l->armed = false;
			continue;
		}
		l->inflight--;
		blkio_end(l->all->b, r, result(l->all->b, r, res));
	}
}

/* Until something was pushed, or is done. */
static void wait_for_work(struct lane *l)
{
	uint32_t how = l->inflight ? IN_RING : IN_FUTEX;
	bool idle;

	__atomic_store_n(&l->state, how, __ATOMIC_SEQ_CST);
	idle = !atomic_load(&l->pushed) && !__atomic_load_n(&l->all->closing, __ATOMIC_SEQ_CST);
	if (how == IN_RING)
		io_uring_submit_and_wait(&l->ring, idle || l->todo);
	else if (idle)
		rumpuser_wait(&l->state, how, RUMPUSER_FOREVER, 0);
	__atomic_store_n(&l->state, AWAKE, __ATOMIC_SEQ_CST);
}

static int init_ring(struct io_uring *ring)
{
	int err;

	err = io_uring_queue_init(2 * DEPTH, ring,
	    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	if (err == -EINVAL)		/* before Linux 6.1 */
		err = io_uring_queue_init(2 * DEPTH, ring, 0);
	if (!err)
		io_uring_ring_dontfork(ring);
	return err;
}

static void lane_main(void *arg);

/* The first thread leaves the program's descriptors, for all; unless that is forbidden. */
static void leave_program(struct rings *rs)
{
	int fds[LANES_MAX + 2];
	unsigned int i;

	for (i = 0; i < rs->nlanes; i++)
		fds[i] = rs->lanes[i].efd;
	fds[i++] = rs->b->fd;
	hostfd_keep_only(fds, i);
}

/* Then it makes the others. */
static int make_others(struct rings *rs)
{
	unsigned int i;
	int err = 0;

	for (i = 1; i < rs->nlanes && !err; i++) {
		__atomic_add_fetch(&rs->alive, 1, __ATOMIC_SEQ_CST);
		err = rumpuser_thread_create(lane_main, &rs->lanes[i], "rump-blk");
		if (err)
			__atomic_sub_fetch(&rs->alive, 1, __ATOMIC_SEQ_CST);
	}
	return err;
}

static void post(uint32_t *word, int by)
{
	__atomic_add_fetch(word, by, __ATOMIC_SEQ_CST);
	rumpuser_wake(word);
}

static void lane_main(void *arg)
{
	struct lane *l = arg;
	struct rings *rs = l->all;
	bool first = l == rs->lanes;
	int err, ring_err;

	if (first)
		leave_program(rs);
	ring_err = init_ring(&l->ring);
	err = first && !ring_err ? make_others(rs) : 0;
	if (err || ring_err)
		__atomic_store_n(&rs->err, err ? err : ring_err, __ATOMIC_SEQ_CST);
	post(&rs->begun, 1);
	while (!ring_err) {
		take_pushed(l);
		fill_ring(l);
		if (!l->inflight && !l->todo && __atomic_load_n(&rs->closing, __ATOMIC_SEQ_CST))
			break;
		if (!atomic_load(&l->pushed) || l->inflight)
			wait_for_work(l);
		reap(l);
	}
	if (!ring_err)
		io_uring_queue_exit(&l->ring);
	post(&rs->alive, -1);
}

/* ---- start and stop ------------------------------------------------------------------------ */

static void wait_until(uint32_t *word, uint32_t value)
{
	uint32_t w;

	while ((w = __atomic_load_n(word, __ATOMIC_SEQ_CST)) != value)
		rumpuser_wait(word, w, RUMPUSER_FOREVER, 0);
}

static void release(struct rings *rs)
{
	unsigned int i;

	for (i = 0; i < rs->nlanes; i++)
		if (rs->lanes[i].efd >= 0)
			hostfd_release(rs->lanes[i].efd);
	free(rs);
}

static void stop(struct blk *b)
{
	struct rings *rs = b->state;
	unsigned int i;

	__atomic_store_n(&rs->closing, true, __ATOMIC_SEQ_CST);
	for (i = 0; i < rs->nlanes; i++)
		wake(&rs->lanes[i]);
	wait_until(&rs->alive, 0);
	release(rs);
}

static int start(struct blk *b, unsigned int nqueues)
{
	unsigned int i, n = nqueues < LANES_MAX ? nqueues : LANES_MAX;
	size_t size = sizeof(struct rings) + n * sizeof(struct lane);
	struct rings *rs;
	int err = 0;

	rs = aligned_alloc(64, (size + 63) & ~63UL);
	if (!rs)
		return -ENOMEM;
	*rs = (struct rings){ .b = b, .nlanes = n, .alive = 1 };
	for (i = 0; i < n; i++) {
		rs->lanes[i] = (struct lane){ .all = rs };
		rs->lanes[i].efd = host(SYS_eventfd2, 0, EFD_CLOEXEC);
		if (rs->lanes[i].efd >= 0)
			rs->lanes[i].efd = hostfd_take(rs->lanes[i].efd);
		if (rs->lanes[i].efd < 0)
			err = rs->lanes[i].efd;
	}
	b->state = rs;
	if (!err)
		err = rumpuser_thread_create(lane_main, &rs->lanes[0], "rump-blk");
	if (err) {
		release(rs);
		return err;
	}
	while ((i = __atomic_load_n(&rs->begun, __ATOMIC_SEQ_CST)) < n && !err) {
		rumpuser_wait(&rs->begun, i, RUMPUSER_FOREVER, 0);
		err = __atomic_load_n(&rs->err, __ATOMIC_SEQ_CST);
	}
	err = __atomic_load_n(&rs->err, __ATOMIC_SEQ_CST);
	if (err)
		stop(b);
	return err;
}

const struct blk_engine blk_ring = { "io_uring", start, submit, kick, stop };
