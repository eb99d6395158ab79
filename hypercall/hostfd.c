/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hostfd.c - our descriptors in the program's table.
 *
 * A program may rely on the numbers that the host gives to it, so ours must not
 * take the lowest free ones.  They go above the program's RLIMIT_NOFILE, where
 * the host puts none by itself (the soft limit is lifted while the descriptor is
 * moved), but not above FD_BASE: the host's table grows with the highest number.
 * Where the hard limit is reached too, they go into the last quarter below it.
 *
 * A set of the numbers lets the preload library keep the program off them, and
 * the child of a fork closes them: an embedded kernel does not survive a fork,
 * and a copy in the child would keep an image locked.  Children made without
 * fork(3) close them when they exec.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/single_threaded.h>

#include "cpuwait.h"
#include "hostcall.h"
#include "internal.h"

#define FD_BASE		100000
#define FD_LEAST	1024
#define FD_END		(1U << 20)	/* the host's own end of numbers, by default */
#define WORD_BITS	64

static _Atomic uint64_t ours[FD_END / WORD_BITS];
static atomic_uint lowest = FD_END;	/* bounds of what was ever set */
static atomic_uint highest;
static pthread_mutex_t limit_lock = PTHREAD_MUTEX_INITIALIZER;

int rumpuser_owns_fd(int fd)
{
	return fd >= 0 && (unsigned int)fd < FD_END &&
	    (atomic_load_explicit(&ours[fd / WORD_BITS], memory_order_relaxed) >>
	    (fd % WORD_BITS) & 1);
}

static void mark(unsigned int fd)
{
	unsigned int v;

	if (fd >= FD_END)
		return;
	for (v = atomic_load(&lowest); fd < v;)
		if (atomic_compare_exchange_weak(&lowest, &v, fd))
			break;
	for (v = atomic_load(&highest); fd > v;)
		if (atomic_compare_exchange_weak(&highest, &v, fd))
			break;
	atomic_fetch_or(&ours[fd / WORD_BITS], 1ULL << fd % WORD_BITS);
}

static long dup_above(int fd, unsigned int base)
{
	return host(SYS_fcntl, fd, F_DUPFD_CLOEXEC, base);
}

int hostfd_copy(int fd)
{
	struct rlimit rl, lifted;
	long new;

	pthread_mutex_lock(&limit_lock);
	new = host(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &rl);
	if (new == 0 && rl.rlim_cur > FD_BASE + FD_BASE / 4) {
		new = dup_above(fd, FD_BASE);
	} else if (new == 0) {
		lifted = rl;
		lifted.rlim_cur = rl.rlim_max;
		new = -EMFILE;
		if (rl.rlim_cur < rl.rlim_max &&
		    host(SYS_prlimit64, 0, RLIMIT_NOFILE, &lifted, NULL) == 0) {
			/* A low limit may be lifted again. */
			new = dup_above(fd, rl.rlim_cur < FD_LEAST && rl.rlim_max > FD_LEAST ?
			    FD_LEAST : rl.rlim_cur);
			host(SYS_prlimit64, 0, RLIMIT_NOFILE, &rl, NULL);
		}
		if (new < 0)
			new = dup_above(fd, rl.rlim_cur - rl.rlim_cur / 4);
		/* A server has more than that; and any number is better than none. */
		if (new == -EMFILE)
			new = dup_above(fd, 0);
	}
	pthread_mutex_unlock(&limit_lock);
	if (new >= 0)
		mark(new);
	return new;
}

int hostfd_take(int fd)
{
	int new = hostfd_copy(fd);

	host(SYS_close, fd);
	return new;
}

void hostfd_forget(int fd)
{
	if ((unsigned int)fd < FD_END)
		atomic_fetch_and(&ours[fd / WORD_BITS], ~(1ULL << fd % WORD_BITS));
}

void hostfd_release(int fd)
{
	hostfd_forget(fd);
	host(SYS_close, fd);
}

unsigned int hostfd_end(void)
{
	return atomic_load(&highest) + 1;
}

int hostfd_keep_only(int *fds, unsigned int n)
{
	int kick = cpuwait_kick_fd(), err, fd;
	unsigned int i, j, next = 0;

	if (kick >= 0)
		fds[n++] = kick;
	for (i = 1; i < n; i++) {
		fd = fds[i];
		for (j = i; j > 0 && fds[j - 1] > fd; j--)
			fds[j] = fds[j - 1];
		fds[j] = fd;
	}
	err = host(SYS_unshare, CLONE_FILES);
	if (err)
		return err;
	for (i = 0; i < n; next = fds[i++] + 1)
		if ((unsigned int)fds[i] > next)
			host(SYS_close_range, next, fds[i] - 1, 0);
	host(SYS_close_range, next, ~0U, 0);
	return 0;
}

void hostfd_close_all(void)
{
	unsigned int fd, end = atomic_load(&highest);

	for (fd = atomic_load(&lowest); fd <= end; fd++) {
		if (fd % WORD_BITS == 0 && !ours[fd / WORD_BITS])
			fd += WORD_BITS - 1;
		else if (rumpuser_owns_fd(fd))
			hostfd_release(fd);
	}
}

/* The keeper's fork is not for closing: it keeps them. */
static atomic_int keeping;

void hostfd_keep(int yes)
{
	atomic_store(&keeping, yes);
}

static void close_in_child(void)
{
	if (!atomic_load(&keeping))
		hostfd_close_all();
}

/*
 * The host's table grows to where ours are: once there are threads the host would wait for
 * all of its CPUs then (RCU), 10 to 25 ms.
 */
static void grow_table(void)
{
	int fd;

	if (!__libc_single_threaded)
		return;
	fd = host(SYS_eventfd2, 0, O_CLOEXEC);
	if (fd >= 0)
		fd = hostfd_take(fd);
	if (fd >= 0)
		hostfd_release(fd);
}

void hostfd_init(void)
{
	pthread_atfork(NULL, NULL, close_in_child);
	grow_table();
}
