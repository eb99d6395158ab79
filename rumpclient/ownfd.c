/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ownfd.c - the library's descriptors in the program's table.
 *
 * The program counts on the lowest free numbers, so ours lie above its
 * RLIMIT_NOFILE, where the host puts none by itself, but not far up, since the
 * host copies the table up to the highest number at each fork.  The limit is
 * lifted for the moment of moving; if the hard limit forbids that, the numbers
 * just below it are taken.  FD_MAX bounds the set of our numbers.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "client.h"

#define FD_MAX		(1U << 17)
#define FD_BASE		4096		/* from where on we do not look at the limit */
#define FD_BELOW	1024		/* how far below a hard limit we go */
#define FD_LEAST	1024		/* a lower limit may be lifted again */
#define BITS		64

static _Atomic uint64_t ours[FD_MAX / BITS];
static atomic_uint limit_lock;
static void (*on_change)(int fd);

void ownfd_on_change(void (*fn)(int fd))
{
	on_change = fn;
}

int ownfd_is(int fd)
{
	return (unsigned int)fd < FD_MAX &&
	    (atomic_load_explicit(&ours[fd / BITS], memory_order_relaxed) >> fd % BITS & 1);
}

static void mark(int fd)
{
	atomic_fetch_or(&ours[fd / BITS], 1ULL << fd % BITS);
	if (on_change)
		on_change(fd);
}

static void unmark(int fd)
{
	atomic_fetch_and(&ours[fd / BITS], ~(1ULL << fd % BITS));
	if (on_change)
		on_change(fd);
}

/* With all signals blocked: a handler must not find the lock held by itself. */
static long move_up(int fd)
{
	struct rlimit rl, lifted;
	uint64_t all = ~0ULL, old;
	rlim_t base;
	long new;

	if (host(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &rl))
		return host(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
	if (rl.rlim_cur > FD_BASE + FD_BELOW)
		return host(SYS_fcntl, fd, F_DUPFD_CLOEXEC, FD_BASE);
	base = rl.rlim_cur < FD_LEAST && rl.rlim_max > FD_LEAST ? FD_LEAST : rl.rlim_cur;
	new = -EMFILE;
	if (rl.rlim_cur < rl.rlim_max) {
		host(SYS_rt_sigprocmask, 0 /* SIG_BLOCK */, &all, &old, sizeof(all));
		while (atomic_exchange(&limit_lock, 1))
			host(SYS_sched_yield, 0);
		host(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &rl);
		lifted = rl;
		lifted.rlim_cur = rl.rlim_max;
		if (host(SYS_prlimit64, 0, RLIMIT_NOFILE, &lifted, NULL) == 0) {
			new = host(SYS_fcntl, fd, F_DUPFD_CLOEXEC, base);
			host(SYS_prlimit64, 0, RLIMIT_NOFILE, &rl, NULL);
		}
		atomic_store(&limit_lock, 0);
		host(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &old, NULL, sizeof(old));
	}
	if (new < 0)
		base = rl.rlim_cur;
	if (new < 0)
		new = host(SYS_fcntl, fd, F_DUPFD_CLOEXEC,
		    base > 2 * FD_BELOW ? base - FD_BELOW : base / 2);
	return new;
}

int ownfd_take(int fd)
{
	int new = ownfd_dup(fd);

	host(SYS_close, fd);
	return new;
}

int ownfd_dup(int fd)
{
	long new = move_up(fd);

	if (new >= (long)FD_MAX) {
		host(SYS_close, new);
		new = -EMFILE;
	}
	if (ownfd_is(fd))
		unmark(fd);
	if (new >= 0)
		mark(new);
	return new;
}

void ownfd_close(int fd)
{
	unmark(fd);
	host(SYS_close, fd);
}

void ownfd_forget(int but)
{
	unsigned int i;
	uint64_t w;
	int fd;

	atomic_store(&limit_lock, 0);
	for (i = 0; i < FD_MAX / BITS; i++) {
		for (w = atomic_load(&ours[i]); w; w &= w - 1) {
			fd = i * BITS + __builtin_ctzll(w);
			if (fd != but)
				ownfd_close(fd);
		}
	}
}
