/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blkisolate.c - block I/O by a process of its own, rump_disk, which may die at any moment.
 *
 * Requests are cut into pieces of at most BLKSHARE_SLOT_LEN, and a piece lies in a slot of
 * memory shared with the process (blkshare.h) until it has ended: data are copied, so
 * that nothing of the kernel's is within the reach of the process.  What a slot holds
 * can be told from the request, and is: when the process has died, and the host has ended
 * all of its threads, each piece that was not said to be done goes to the next process
 * once more.  Carrying out twice is harmless: nobody may have relied on its order among
 * the others, and nothing that came later overlaps it.
 *
 * A flush may have failed without our hearing of it, and the host tells each opener of the
 * file of an error once.  So each process has an opening of its own, and after its
 * death a flush of ours, which knows all errors since the device was opened, says what is
 * true; see blkio.c for what follows from a failure.
 *
 * Two threads: the keeper starts the process, and waits for its end; the receiver, for what
 * it has done.  A process that dies again before it has done anything is followed by the next
 * one after a pause; if that has gone on for PATIENCE, what is under way fails.
 *
 * The process has the file's locks, too: who kills this one, and opens the image once more,
 * does so after the last write.
 *
 * Limits: RUMP_BLKIO has no say.  Where /proc is not to be had, an error of a flush that was
 * under way when the process died may be lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "blk.h"
#include "blkshare.h"
#include "child.h"
#include "hostcall.h"

#define MS		1000000LL
#define HELLO		(15000 * MS)
#define LOOK		(20 * MS)	/* between two looks whether it has died instead */
#define PAUSE_MIN	(1 * MS)
#define PAUSE_MAX	(500 * MS)
#define PATIENCE	(5000 * MS)

struct piece {
	struct blk_request *r;
	uint64_t at;			/* of the request's bytes */
	uint64_t len;
};

struct isolate {
	struct blk *b;
	struct child child;
	struct blkshare *share;
	int memory;			/* its descriptor */
	uint32_t begun, closing;	/* words to wait for */
	int err;			/* of the first start */

	pthread_mutex_t lock;		/* all below */
	pthread_cond_t change;
	struct blk_request *head, **tail;	/* not in slots yet, or not with all pieces */
	uint64_t used;			/* slots */
	struct piece pieces[BLKSHARE_SLOTS];
	unsigned int threads;
	int pid;			/* 0: none that could be killed */
	int64_t stuck;			/* since when processes die in vain; 0: they do not */
	int64_t pause;
};

/* ---- requests, with the lock held ------------------------------------------------------- */

static bool has_data(const struct blk_request *r)
{
	unsigned int op = r->op & ~RUMPUSER_BLK_FUA;

	return op == RUMPUSER_BLK_READ || op == RUMPUSER_BLK_WRITE;
}

/* Between a slot and the request's memory. */
static void copy(const struct piece *p, char *data, bool in)
{
	const struct rumpuser_iovec *iov = p->r->iov;
	uint64_t skip = p->at, left = p->len, n;

	for (; skip >= iov->len && left; iov++)
		skip -= iov->len;
	for (; left; left -= n, data += n, iov++, skip = 0) {
		n = iov->len - skip < left ? iov->len - skip : left;
		if (in)
			memcpy((char *)iov->base + skip, data, n);
		else
			memcpy(data, (char *)iov->base + skip, n);
	}
}

static void post(struct isolate *s, int i)
{
	const struct piece *p = &s->pieces[i];
	struct blkshare_slot *slot = &s->share->slots[i];

	slot->op = p->r->op;
	slot->offset = p->r->offset + p->at;
	slot->len = p->len;
	if ((p->r->op & ~RUMPUSER_BLK_FUA) == RUMPUSER_BLK_WRITE)
		copy(p, s->share->data[i], false);
	blkshare_ring(&s->share->pending, 1ULL << i);
}

/* Ends r if nothing of it is left. */
static void end_if_done(struct isolate *s, struct blk_request *r)
{
	if (r->isolated.pieces || r == s->head)
		return;
	blkio_end(s->b, r, r->isolated.error);
	if (!s->used && !s->head)
		pthread_cond_broadcast(&s->change);
}

/* Puts into slots what they have room for. */
static void issue(struct isolate *s)
{
	struct blk_request *r;
	struct piece *p;
	int i;

	while ((r = s->head) && ~s->used) {
		if (!r->isolated.error) {
			i = __builtin_ctzll(~s->used);
			p = &s->pieces[i];
			*p = (struct piece){ .r = r, .at = r->done, .len = r->len - r->done };
			if (has_data(r) && p->len > BLKSHARE_SLOT_LEN)
				p->len = BLKSHARE_SLOT_LEN;
			s->used |= 1ULL << i;
			r->done += p->len;
			r->isolated.pieces++;
			post(s, i);
		}
		if (r->done == r->len || r->isolated.error) {
			s->head = r->isolated.next;
			if (!s->head)
				s->tail = &s->head;
			end_if_done(s, r);
		}
	}
}

static void end_piece(struct isolate *s, int i, int error)
{
	struct piece *p = &s->pieces[i];
	struct blk_request *r = p->r;

	if (!error && r->op == RUMPUSER_BLK_READ)
		copy(p, s->share->data[i], true);
	if (!r->isolated.error)
		r->isolated.error = error;
	r->isolated.pieces--;
	s->used &= ~(1ULL << i);
	end_if_done(s, r);
}

/* Takes what the process has done. */
static void collect(struct isolate *s)
{
	uint64_t bits = atomic_exchange(&s->share->done.bits, 0) & s->used;
	int i, error;

	if (bits) {
		s->stuck = 0;
		s->pause = PAUSE_MIN;
	}
	for (; bits; bits &= bits - 1) {
		i = __builtin_ctzll(bits);
		error = s->share->slots[i].error;
		end_piece(s, i, error > 0 || error < -4095 ? -EIO : error);
	}
	issue(s);
}

static void fail_all(struct isolate *s)
{
	struct blk_request *r;
	uint64_t bits;

	rumpuser_warn("%s: the process for its I/O does not stay alive: what was under way has failed",
	    s->b->path);
	for (r = s->head; r; r = r->isolated.next)
		r->isolated.error = -EIO;
	for (bits = s->used; bits; bits &= bits - 1)
		end_piece(s, __builtin_ctzll(bits), -EIO);
	issue(s);
}

static void submit(struct blk *b, unsigned int queue, struct blk_request *r, bool more)
{
	struct isolate *s = b->state;

	(void)queue, (void)more;
	r->isolated.next = NULL;
	r->isolated.pieces = 0;
	r->isolated.error = 0;
	pthread_mutex_lock(&s->lock);
	*s->tail = r;
	s->tail = &r->isolated.next;
	issue(s);
	pthread_mutex_unlock(&s->lock);
}

static void kick(struct blk *b, unsigned int queue)
{
	(void)b, (void)queue;
}

/* ---- the receiver -------------------------------------------------------------------------- */

static bool closing(const struct isolate *s)
{
	return __atomic_load_n(&s->closing, __ATOMIC_SEQ_CST);
}

static void end_thread(struct isolate *s)
{
	pthread_mutex_lock(&s->lock);
	s->threads--;
	pthread_cond_broadcast(&s->change);
	pthread_mutex_unlock(&s->lock);
}

static void receive(void *arg)
{
	struct isolate *s = arg;

	while (!closing(s)) {
		blkshare_wait(&s->share->done);
		pthread_mutex_lock(&s->lock);
		collect(s);
		pthread_mutex_unlock(&s->lock);
	}
	end_thread(s);
}

/* ---- the keeper ----------------------------------------------------------------------------- */

/* An opening of the image of its own, or else ours. */
static int open_again(const struct blk *b)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/thread-self/fd/%d", b->fd);
	fd = host(SYS_open, path, (b->rdonly ? O_RDONLY : O_RDWR) | O_CLOEXEC, 0);
	return fd >= 0 ? fd : host(SYS_fcntl, b->fd, F_DUPFD_CLOEXEC, 0);
}

/* Starts the process; 0 when it is at work. */
static int start_process(struct isolate *s)
{
	int fds[BLKSHARE_FDS] = {
		[BLKSHARE_FILE - CHILD_FD] = open_again(s->b),
		[BLKSHARE_MEMORY - CHILD_FD] = s->memory,
		[BLKSHARE_LOCK - CHILD_FD] = s->b->fd,
	}, pid, err = 0;
	const struct timespec look = { .tv_nsec = LOOK };
	int64_t end = rumpuser_clock_mono() + HELLO;

	if (fds[0] < 0)
		return fds[0];
	atomic_store(&s->share->hello, 0);
	pid = child_start(&s->child, fds, BLKSHARE_FDS);
	host(SYS_close, fds[0]);
	if (pid < 0)
		return pid;
	pthread_mutex_lock(&s->lock);
	s->pid = pid;
	pthread_mutex_unlock(&s->lock);
	while (!atomic_load(&s->share->hello) && !err) {
		host(SYS_futex, &s->share->hello, FUTEX_WAIT, 0, &look);
		if (child_ended(pid, false))
			err = -ECHILD;
		else if (rumpuser_clock_mono() > end)
			err = -ETIMEDOUT;
	}
	if (err)
		child_kill(pid);
	return err;
}

/* The process is dead: sees that none of its threads is at work any more. */
static void bury(struct isolate *s)
{
	int pid = s->pid;

	if (!pid)
		return;
	child_ended(pid, true);
	pthread_mutex_lock(&s->lock);
	s->pid = 0;
	pthread_mutex_unlock(&s->lock);
	child_reap(pid);
}

/* Makes the slots what a new process is to find. */
static void recover(struct isolate *s)
{
	int64_t now = rumpuser_clock_mono();
	bool flushing = false;
	uint64_t bits;

	pthread_mutex_lock(&s->lock);
	collect(s);
	for (bits = s->used; bits; bits &= bits - 1)
		flushing |= blk_must_last(s->pieces[__builtin_ctzll(bits)].r);
	pthread_mutex_unlock(&s->lock);
	if (flushing && host(SYS_fdatasync, s->b->fd))
		__atomic_store_n(&s->b->lost, true, __ATOMIC_RELAXED);

	pthread_mutex_lock(&s->lock);
	if (s->used && !s->stuck)
		s->stuck = now;
	else if (s->used && now - s->stuck > PATIENCE)
		fail_all(s);
	atomic_store(&s->share->pending.bits, 0);
	atomic_store(&s->share->pending.sleepers, 0);
	for (bits = s->used; bits; bits &= bits - 1)
		post(s, __builtin_ctzll(bits));
	pthread_mutex_unlock(&s->lock);
}

static void wait_a_while(struct isolate *s)
{
	int64_t pause;

	pthread_mutex_lock(&s->lock);
	pause = s->pause;
	s->pause = pause < PAUSE_MAX / 2 ? 2 * pause : PAUSE_MAX;
	pthread_mutex_unlock(&s->lock);
	rumpuser_wait(&s->closing, 0, rumpuser_clock_mono() + pause, 0);
}

static void keep(void *arg)
{
	struct isolate *s = arg;
	int fds[4] = { STDERR_FILENO, s->b->fd, s->memory };

	/* A program that closes all descriptors does not stop the device; unless that is forbidden. */
	hostfd_keep_only(fds, 3);
	s->err = start_process(s);
	if (s->err)
		__atomic_store_n(&s->closing, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&s->begun, 1, __ATOMIC_SEQ_CST);
	rumpuser_wake(&s->begun);
	for (;;) {
		bury(s);
		if (closing(s))
			break;
		recover(s);
		wait_a_while(s);
		if (!closing(s))
			start_process(s);
	}
	end_thread(s);
}

/* ---- start and stop ------------------------------------------------------------------------ */

static void release(struct isolate *s)
{
	if (s->share)
		host(SYS_munmap, s->share, sizeof(*s->share));
	if (s->memory >= 0)
		hostfd_release(s->memory);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->change);
	free(s);
}

static void stop(struct blk *b)
{
	struct isolate *s = b->state;

	pthread_mutex_lock(&s->lock);
	while (s->used || s->head)
		pthread_cond_wait(&s->change, &s->lock);
	__atomic_store_n(&s->closing, 1, __ATOMIC_SEQ_CST);
	rumpuser_wake(&s->closing);
	while (s->threads) {
		struct timespec soon;

		if (s->pid)
			child_kill(s->pid);
		atomic_fetch_add(&s->share->done.count, 1);
		blkshare_wake(&s->share->done.count, INT_MAX);
		/* one is perhaps being started at the moment */
		clock_gettime(CLOCK_REALTIME, &soon);
		soon.tv_nsec += LOOK;
		soon.tv_sec += soon.tv_nsec / (1000 * MS);
		soon.tv_nsec %= 1000 * MS;
		pthread_cond_timedwait(&s->change, &s->lock, &soon);
	}
	pthread_mutex_unlock(&s->lock);
	release(s);
}

static int make_memory(struct isolate *s)
{
	const size_t size = sizeof(*s->share);
	long fd, map;

	fd = host(SYS_memfd_create, "rump-disk", MFD_CLOEXEC);
	if (fd < 0)
		return fd;
	s->memory = fd = hostfd_take(fd);
	if (fd < 0)
		return fd;
	map = host(SYS_ftruncate, fd, size);
	if (!map)
		map = host(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (host_failed(map))
		return map;
	host(SYS_madvise, map, size, MADV_DONTFORK);
	s->share = (void *)map;
	return 0;
}

static int start(struct blk *b, unsigned int nqueues)
{
	struct isolate *s = calloc(1, sizeof(*s));
	int err;

	(void)nqueues;
	if (!s)
		return -ENOMEM;
	*s = (struct isolate){ .b = b, .memory = -1, .pause = PAUSE_MIN };
	s->child.argv[0] = "rump_disk";
	s->child.tied = true;
	s->tail = &s->head;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->change, NULL);
	err = child_find(&s->child, "rump_disk");
	if (err) {
		rumpuser_warn("%s: isolate: there is no rump_disk at %s", b->path, s->child.program);
		err = -ENOPKG;
	} else {
		err = make_memory(s);
	}
	if (err) {
		release(s);
		return err;
	}
	b->state = s;
	s->threads = 2;
	err = rumpuser_thread_create(receive, s, "rump-disk");
	if (err) {
		release(s);
		return err;
	}
	err = rumpuser_thread_create(keep, s, "rump-keeper");
	if (err) {
		s->threads--;
	} else {
		while (!__atomic_load_n(&s->begun, __ATOMIC_SEQ_CST))
			rumpuser_wait(&s->begun, 0, RUMPUSER_FOREVER, 0);
		err = s->err;
	}
	if (err)
		stop(b);
	return err;
}

const struct blk_engine blk_isolate = { "isolate", start, submit, kick, stop };
