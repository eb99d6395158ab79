/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vcpu.h - what the files of the vCPUs share: vcpu.c (theory of operation, taking, giving up
 * and carrying a vCPU), vcpu_irq.c (interrupts), vcpu_wait.c (threads that wait), vcpu_call.c
 * (calls) and vcpu_life.c (helpers, start, standing still).
 */
#ifndef RUMP_KERNEL_VCPU_H
#define RUMP_KERNEL_VCPU_H

#include <linux/sched.h>
#include <linux/sched/stat.h>
#include <asm/cmpxchg.h>
#include <rump/rumpuser.h>
#include "rump.h"

/*
 * Until it is done, the thread that boots carries all vCPUs, one at a time: they do nothing
 * but wait for each other, and changing stacks is faster than waking threads.
 */
extern struct rump_host *rump_boot_host;
extern bool rump_booting;

/* vcpu.c */
void rump_kick(struct vcpu *v);
void rump_kick_helper(struct vcpu *v);
void rump_kick_helpers(void);
void __noreturn rump_carry(struct rump_host *h, struct vcpu *v);
void __noreturn rump_host_next(struct rump_host *h, struct vcpu *left);

/* vcpu_irq.c */
void rump_push_waker(struct vcpu *v, struct rump_host *h);
void rump_irq_take(bool outside);

/* vcpu_wait.c */
u32 rump_watched(struct vcpu *v);
bool rump_ring_clock(struct vcpu *v);
void __noreturn rump_host_wait(struct rump_host *h, struct vcpu *cover);

/* vcpu_life.c */
void __noreturn rump_helper_loop(struct rump_host *h);

static __always_inline void set_this_vcpu(struct vcpu *v)
{
	asm volatile("movq rump_tls_vcpu@gottpoff(%%rip), %%rax\n\t"
		     "movq %0, %%fs:(%%rax)" : : "r" (v) : "rax", "memory");
}

/* ---- taking and giving up a vCPU ------------------------------------------------ */

static inline bool vcpu_acquire(struct vcpu *v)
{
	u32 s = READ_ONCE(v->state);

	while (!(s & VCPU_BUSY))
		if (arch_try_cmpxchg(&v->state, &s, s | VCPU_BUSY))
			return true;
	return false;
}

static inline bool vcpu_release(struct vcpu *v)
{
	u32 s = VCPU_BUSY;

	return arch_try_cmpxchg(&v->state, &s, 0);
}

static inline bool has_work(struct vcpu *v)
{
	return READ_ONCE(v->state) == VCPU_PEND;
}

/* Something was posted to v; returns whether the caller should see to a carrier. */
static inline bool vcpu_post(struct vcpu *v)
{
	u32 old = __atomic_fetch_or(&v->state, VCPU_PEND, __ATOMIC_SEQ_CST);

	return !(old & VCPU_BUSY);
}

/*
 * Does v's keeper look at its clock in time?  (Whoever ends being one reads the deadline
 * after that; whoever has set it reads this after that.)
 */
static inline bool kept(struct vcpu *v)
{
	struct rump_host *h = READ_ONCE(v->keeper);

	return h && READ_ONCE(h->cover) == v && READ_ONCE(v->deadline) >= READ_ONCE(h->until);
}

/* The clock of v, which nobody carries: is somebody awake in time? */
static inline void check_helper(struct vcpu *v)
{
	if (unlikely(READ_ONCE(v->deadline) < READ_ONCE(v->helper_until)) && !kept(v))
		rump_kick_helper(v);
}

/*
 * Nobody but t, the current task, wants this vCPU.  (Not by `current', which the
 * compiler may look up before a thread is known to have a vCPU.)
 */
static inline bool undisputed(struct task_struct *t)
{
	return !test_tsk_need_resched(t) && single_task_running();
}

/*
 * A thread whose call h has done sleeps, and is to be woken.  The host may run it at once, in
 * h's place, so h gives its vCPU up first, if that is what it does next.
 */
static inline void wake_later(struct rump_host *h, struct rump_host *done)
{
	__atomic_fetch_or(&done->word, HOST_DONE, __ATOMIC_SEQ_CST);
	h->due = done;
}

static inline void wake_due(struct rump_host *h)
{
	struct rump_host *done = h->due;

	if (done) {
		h->due = NULL;
		rumpuser_wake(&done->word);
	}
}

#endif
