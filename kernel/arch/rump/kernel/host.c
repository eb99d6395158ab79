// SPDX-License-Identifier: GPL-2.0-only
/*
 * host.c - the host threads that use the kernel: a struct for each, and the word that
 * it sleeps on.
 *
 * The structs are a fixed array, never given back: who holds a pointer to one may look at
 * it at any time, whether its thread still exists or not.  All of this runs on host
 * threads without a vCPU, too.
 *
 * Limit: RUMP_MAXHOSTS threads at a time.
 */
#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/types.h>
#include <asm/barrier.h>
#include <asm/cmpxchg.h>
#include <rump/rumpuser.h>
#include "rump.h"

#define RUMP_MAXHOSTS	16384
#define AWAIT_SPIN_NS	10000

static struct rump_host hosts[RUMP_MAXHOSTS];
static unsigned int nhosts;
static struct rump_host *free_hosts;
static u32 hosts_lock;

static __always_inline void set_this_host(struct rump_host *h)
{
	asm volatile("movq rump_tls_host@gottpoff(%%rip), %%rax\n\t"
		     "movq %0, %%fs:(%%rax)" : : "r" (h) : "rax", "memory");
}

static void lock_hosts(void)
{
	unsigned int spins = 0;

	while (arch_xchg(&hosts_lock, 1))
		rumpuser_relax(&spins);
}

static void unlock_hosts(void)
{
	smp_store_release(&hosts_lock, 0);
}

/* The calling thread's struct; NULL: there are too many threads. */
struct rump_host *rump_host_get(void)
{
	struct rump_host *h = this_host();

	if (h)
		return h;
	lock_hosts();
	h = free_hosts;
	if (h)
		free_hosts = h->next;
	else if (nhosts < RUMP_MAXHOSTS)
		h = &hosts[nhosts++];
	unlock_hosts();
	if (h) {
		h->next = NULL;
		h->lwp = NULL;
		h->own = h->cover = NULL;
		h->due = NULL;
		h->leaving = h->in_call = false;
		WRITE_ONCE(h->word, 0);
		set_this_host(h);
	}
	return h;
}

/* All there ever were; NULL: no more. */
struct rump_host *rump_host_at(unsigned int i)
{
	return i < READ_ONCE(nhosts) ? &hosts[i] : NULL;
}

/* The thread is ending, or has never begun. */
void rump_host_put(struct rump_host *h)
{
	set_this_host(NULL);
	lock_hosts();
	h->next = free_hosts;
	free_hosts = h;
	unlock_hosts();
}

void rump_host_post(struct rump_host *h, u32 bit)
{
	__atomic_fetch_or(&h->word, bit, __ATOMIC_SEQ_CST);
	rumpuser_wake(&h->word);
}

/* Returns what the word was. */
u32 rump_host_clear(struct rump_host *h, u32 bits)
{
	return __atomic_fetch_and(&h->word, ~bits, __ATOMIC_SEQ_CST);
}

/* Outside the kernel: waits for a bit that somebody posts, and clears it. */
void rump_host_await(struct rump_host *h, u32 bit)
{
	u32 w;

	while (!((w = READ_ONCE(h->word)) & bit))
		rumpuser_wait(&h->word, w, RUMPUSER_FOREVER, AWAIT_SPIN_NS);
	rump_host_clear(h, bit);
}
