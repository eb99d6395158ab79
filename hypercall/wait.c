/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wait.c - sleeping on a word and waking who sleeps on it.
 *
 * Sleepers are counted beside the word, which belongs to the kernel: a small
 * table of counters, found by the word's address.  Words that share a counter
 * cost each other a needless futex call and nothing else.
 *
 * A sleeper counts itself, then has the host compare the word and sleep; a waker
 * has changed the word, then looks at the counter.  Both have a full barrier in
 * between, so that either the waker sees the sleeper or the host sees the change.
 *
 * Before it sleeps, a waiter may look at the word for a while, if cores are left:
 * one must be there for whoever is to change the word.  A thread whose looking
 * was in vain SPIN_MISSES times in a row does it only at each SPIN_RETRY-th wait,
 * until it succeeds.  The same goes for other loops that look (wait_spin_begin()).
 * A spinning thread looks at the network's queues, too (spin.h).  There, two sides that have both
 * gone to sleep would each be too late for the other for ever, since waking takes longer than a
 * look.  With a network, such a retry therefore looks for TRIAL_NS, in which the other wakes up.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/single_threaded.h>
#include <time.h>

#include "hostcall.h"
#include "internal.h"
#include "spin.h"

#define BUCKETS		256
#define CACHE_LINE	64
#define SPIN_LOOKS	8		/* at the word, between two at the clock */
#define SPIN_MISSES	16
#define SPIN_RETRY	8
#define TRIAL_NS	80000		/* for which a retry looks, if there is a network */
#define NCPU_AGE	100000000	/* ns after which the number of CPUs is asked again */
#define YIELD_SPINS	64

struct bucket {
	_Alignas(CACHE_LINE) atomic_uint sleepers;
};

static struct bucket buckets[BUCKETS];
static _Alignas(CACHE_LINE) atomic_uint spinners;

/* What one thread knows: its CPUs (a thread may have a mask of its own), its luck. */
static __thread struct {
	int64_t asked;
	unsigned int ncpu;
	unsigned int only;		/* 1 + the CPU, if there is but one */
	unsigned int misses;
} self;

static struct bucket *bucket_of(const uint32_t *word)
{
	uint64_t h = (uintptr_t)word * 0x9e3779b97f4a7c15ULL;

	return &buckets[h >> 56];
}

static inline void pause_cpu(void)
{
	__builtin_ia32_pause();
}

/* The CPUs of the calling thread; *only: 1 + the number of the last one. */
static unsigned int count_cpus(unsigned int *last)
{
	uint64_t mask[64];		/* 4096 CPUs */
	unsigned int n = 0;
	long i, len;

	*last = 0;
	len = host(SYS_sched_getaffinity, 0, sizeof(mask), mask);
	for (i = 0; i < len / 8; i++) {
		n += __builtin_popcountll(mask[i]);
		if (mask[i])
			*last = 64 * i + 64 - __builtin_clzll(mask[i]);
	}
	return n ? n : 1;
}

unsigned int rumpuser_ncpu(void)
{
	unsigned int last;

	return count_cpus(&last);
}

static bool changed(const uint32_t *word, uint32_t expected)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE) != expected;
}

unsigned int wait_only_cpu(int64_t now)
{
	unsigned int last;

	if (!self.asked || now - self.asked > NCPU_AGE) {
		self.ncpu = count_cpus(&last);
		self.only = self.ncpu == 1 ? last : 0;
		self.asked = now;
	}
	return self.only;
}

bool wait_spin_begin(unsigned int other)
{
	/* Whom we wait for has a CPU of its own if neither shares its only one. */
	if (self.ncpu < 2 && (other == 0 || other == self.only))
		return false;
	if (self.misses >= SPIN_MISSES && self.misses % SPIN_RETRY) {
		self.misses++;
		return false;
	}
	if (atomic_fetch_add(&spinners, 1) < self.ncpu - (self.ncpu > 1))
		return true;
	atomic_fetch_sub(&spinners, 1);
	return false;
}

void wait_spin_end(bool seen)
{
	self.misses = seen ? 0 : self.misses + 1;
	atomic_fetch_sub(&spinners, 1);
}

static int no_look(void *unused)
{
	(void)unused;
	return 0;
}

int rumpuser_spin(uint32_t *word, uint32_t expected, unsigned int ns, unsigned int every,
    int (*look)(void *), void *arg)
{
	int64_t now, end, next;
	uint32_t set;
	int r = 0, i;

	if (changed(word, expected))
		return 1;
	now = rumpuser_clock_mono();
	wait_only_cpu(now);
	if (!wait_spin_begin(0))
		return 0;
	next = now + every;
	set = spin_begin();
	end = now + (set && self.misses >= SPIN_MISSES && ns < TRIAL_NS ? TRIAL_NS : ns);
	do {
		for (i = 0; i < SPIN_LOOKS && !r; i++) {
			pause_cpu();
			r = changed(word, expected) || (set && spin_look(set));
		}
		now = rumpuser_clock_mono();
		if (!r && now >= next) {
			next = now + every;
			if (look(arg))
				r = 2;
		}
	} while (!r && now < end);
	spin_end(set);
	wait_spin_end(r);
	return r;
}

int rumpuser_wait(uint32_t *word, uint32_t expected, int64_t deadline, unsigned int spin_ns)
{
	struct bucket *b = bucket_of(word);
	struct timespec ts, *tsp = NULL;
	long ret;

	if (spin_ns ? rumpuser_spin(word, expected, spin_ns, spin_ns, no_look, NULL) :
	    changed(word, expected))
		return 0;
	if (deadline != RUMPUSER_FOREVER) {
		if (deadline < 0)
			deadline = 0;
		ts.tv_sec = deadline / 1000000000;
		ts.tv_nsec = deadline % 1000000000;
		tsp = &ts;
	}
	atomic_fetch_add(&b->sleepers, 1);
	ret = host(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected, tsp,
	    NULL, FUTEX_BITSET_MATCH_ANY);
	atomic_fetch_sub(&b->sleepers, 1);
	return ret == -ETIMEDOUT || ret == -EINTR ? ret : 0;
}

void wait_alone(void)
{
	unsigned int i;

	for (i = 0; i < BUCKETS; i++)
		atomic_store(&buckets[i].sleepers, 0);
	atomic_store(&spinners, 0);
}

static atomic_int registered;		/* for membarrier(2) */

static void register_barrier(void)
{
	host(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
	atomic_store(&registered, 1);
}

/* Costs nothing while there is one thread, and up to 20 ms with more. */
void barrier_init(void)
{
	if (__libc_single_threaded)
		register_barrier();
}

void rumpuser_barrier(void)
{
	if (!atomic_load(&registered))
		register_barrier();
	/* A host without it: every thread has been scheduled by then. */
	if (host(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0))
		host(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	atomic_thread_fence(memory_order_seq_cst);
}

void rumpuser_wake(uint32_t *word)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&bucket_of(word)->sleepers, memory_order_relaxed))
		host(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX);
}

void rumpuser_relax(unsigned int *spins)
{
	if (++*spins % YIELD_SPINS)
		pause_cpu();
	else
		host(SYS_sched_yield, 0);
}
