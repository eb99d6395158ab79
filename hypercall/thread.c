/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * thread.c - host threads: helpers of the kernel, and the ends of the program's.
 *
 * A helper shares the descriptors of the process: it runs kernel code as any
 * other thread does, and must reach every placeholder and device that another
 * thread has handed to the kernel.  What a program closes by brute force is the
 * business of hostfd.c and blkio.c.
 *
 * The end of a thread is seen by the destructor of a pthread key.  libc runs
 * destructors in up to four rounds; ours acts in the third, so that destructors of
 * the program can still make system calls, and again in the fourth if one did so
 * after it.  A call after that leaves a task behind until the process ends.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "hostcall.h"
#include "internal.h"

#define STACK_SIZE	(1024 * 1024)	/* libslirp keeps frames of 64 KB there, several deep */
#define NAME_LEN	16
#define ROUND		3	/* of PTHREAD_DESTRUCTOR_ITERATIONS, 4 in glibc and musl */

struct start {
	void (*fn)(void *);
	void *arg;
	char name[NAME_LEN];
};

static pthread_key_t key;
static __thread void *registered;
static __thread unsigned int rounds;	/* of destructors, so far */

static void thread_ends(void *set)
{
	void *host = registered;
	uint64_t mask;

	if (++rounds < ROUND) {
		pthread_setspecific(key, set);
		return;
	}
	registered = NULL;
	if (host) {
		/* no handler is to run on top of this, or even leave it */
		sigmask_block(&mask);
		rumpuser_up->thread_exit(host);
		sigmask_restore(&mask);
	}
}

int thread_init(void)
{
	return -pthread_key_create(&key, thread_ends);
}

void rumpuser_thread_register(void *host)
{
	registered = host;
	if (host)
		pthread_setspecific(key, &key);
}

void sigmask_block(uint64_t *old)
{
	uint64_t set = ~0ULL;
	int sig;

	/* Linux's first real-time signal is 32; libc keeps those up to its own first. */
	for (sig = 32; sig < SIGRTMIN; sig++)
		set &= ~(1ULL << (sig - 1));
	/* a helper may run a program's call, and meet a bad pointer, or a mistake (fault.c) */
	set &= ~(1ULL << (SIGSEGV - 1) | 1ULL << (SIGBUS - 1) | 1ULL << (SIGILL - 1) |
	    1ULL << (SIGFPE - 1));
	host(SYS_rt_sigprocmask, SIG_SETMASK, &set, old, sizeof(set));
}

void sigmask_restore(const uint64_t *old)
{
	host(SYS_rt_sigprocmask, SIG_SETMASK, old, NULL, sizeof(*old));
}

/*
 * Threads whose work would be lost if the process went on as a copy with one thread: all
 * but those that the kernel makes anew (rumpk_thaw()), and who waits for signals.
 */
static atomic_uint workers;

static bool is_worker(const char *name)
{
	return strncmp(name, "rump-cpu", 8) && strcmp(name, "rump-end");
}

unsigned int rumpuser_thread_workers(void)
{
	return atomic_load(&workers);
}

static void *run(void *arg)
{
	struct start start = *(struct start *)arg;

	free(arg);
	host(SYS_prctl, PR_SET_NAME, start.name, 0, 0, 0);
	/* the clocks that helpers watch are not their own: programs' sleeps have their slack already */
	host(SYS_prctl, PR_SET_TIMERSLACK, 1, 0, 0, 0);
	start.fn(start.arg);
	if (is_worker(start.name))
		atomic_fetch_sub(&workers, 1);
	return NULL;
}

int rumpuser_thread_create(void (*fn)(void *), void *arg, const char *name)
{
	struct start *start = malloc(sizeof(*start));
	pthread_attr_t attr;
	pthread_t thread;
	uint64_t mask;
	int err;

	if (!start)
		return -ENOMEM;
	*start = (struct start){ .fn = fn, .arg = arg };
	strncpy(start->name, name, sizeof(start->name) - 1);

	if (is_worker(start->name))
		atomic_fetch_add(&workers, 1);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	sigmask_block(&mask);		/* the thread begins with this mask */
	err = pthread_create(&thread, &attr, run, start);
	sigmask_restore(&mask);
	pthread_attr_destroy(&attr);
	if (err) {
		if (is_worker(start->name))
			atomic_fetch_sub(&workers, 1);
		free(start);
	}
	return -err;
}

int rumpuser_gettid(void)
{
	return host(SYS_gettid, 0);
}

int rumpuser_getpid(void)
{
	return host(SYS_getpid, 0);
}

void rumpuser_getcomm(char *buf, size_t len)
{
	if (len == 0)
		return;
	strncpy(buf, program_invocation_short_name, len - 1);
	buf[len - 1] = '\0';
}
