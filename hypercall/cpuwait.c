/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cpuwait.c - where the helper threads of the vCPUs wait: in a futex, or, when
 * the process is a server, in the server's I/O wait (cpuwait.h).
 */
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/eventfd.h>

#include "cpuwait.h"
#include "hostcall.h"
#include "internal.h"

#define NCPU_MAX	64

static _Atomic(const struct cpuwait_ops *) ops;
static _Atomic(uint32_t *) asleep[NCPU_MAX];	/* the word that a cpu's helper sleeps on */

void cpuwait_set_ops(const struct cpuwait_ops *new)
{
	unsigned int cpu;
	uint32_t *word;

	atomic_store(&ops, new);
	/* A helper that is on its way into the futex cannot be told by the word,
	 * which is the kernel's: it is woken until it is out. */
	for (cpu = 0; cpu < NCPU_MAX; cpu++) {
		while ((word = atomic_load(&asleep[cpu]))) {
			host(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX);
			host(SYS_sched_yield, 0);
			if (atomic_load(&ops) != new)
				return;
		}
	}
}

static int kick_fd = -1;

static void make_kick_fd(void)
{
	long fd = host(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);

	kick_fd = fd < 0 ? fd : hostfd_take(fd);
}

int cpuwait_kick_fd(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_kick_fd);
	return kick_fd;
}

void cpuwait_alone(void)
{
	unsigned int cpu;

	for (cpu = 0; cpu < NCPU_MAX; cpu++)
		atomic_store(&asleep[cpu], NULL);
}

int rumpuser_cpu_wait(unsigned int cpu, uint32_t *word, uint32_t expected, int64_t deadline)
{
	const struct cpuwait_ops *o;
	int ret;

	o = atomic_load(&ops);
	if (o)
		return o->io_wait(cpu, word, expected, deadline);
	if (cpu >= NCPU_MAX)
		return rumpuser_wait(word, expected, deadline, 0);
	atomic_store(&asleep[cpu], word);
	ret = atomic_load(&ops) ? 0 : rumpuser_wait(word, expected, deadline, 0);
	atomic_store(&asleep[cpu], NULL);
	return ret;
}

void rumpuser_cpu_kick(unsigned int cpu, uint32_t *word)
{
	const struct cpuwait_ops *o = atomic_load_explicit(&ops, memory_order_acquire);

	rumpuser_wake(word);		/* also when one still sleeps in the old way */
	if (o)
		o->io_kick(cpu, word);
}

void rumpuser_cpu_poll(unsigned int cpu)
{
	const struct cpuwait_ops *o = atomic_load_explicit(&ops, memory_order_acquire);

	if (o)
		o->io_poll(cpu);
}

int rumpuser_ph_watch(int far, void *cookie)
{
	const struct cpuwait_ops *o = atomic_load_explicit(&ops, memory_order_acquire);

	return o ? o->ph_watch(far, cookie) : 0;
}

void rumpuser_ph_close(int far)
{
	const struct cpuwait_ops *o = atomic_load_explicit(&ops, memory_order_acquire);

	if (o)
		o->ph_close(far);
	else
		hostfd_release(far);
}
