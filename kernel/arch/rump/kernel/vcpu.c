// SPDX-License-Identifier: GPL-2.0-only
/*
 * vcpu.c - vCPUs and the host threads that carry them.
 *
 * Theory of operation.  Tasks are stacks.  A vCPU is run by at most one host
 * thread at a time, its carrier: whoever sets VCPU_BUSY in vcpu->state.  On the
 * carrier, __switch_to() changes stacks in a few instructions.
 *
 * A host thread that uses the kernel is an lwp: a task whose kernel stack is
 * empty while the thread is outside.  To make a call the thread takes the vCPU
 * that it had last; if its own task is still current there, which is the rule
 * while nobody else wants the vCPU, the call begins at once: one compare and
 * swap in, one out, no host call.  Else the thread posts itself to the vCPU
 * (vcpu->wakers): its task is woken there by an interrupt, the scheduler picks
 * it in its turn, and the thread gets the vCPU then.  So those who wait for a
 * vCPU are in its run queue, not in a queue of the host's.
 *
 * A task that is outside is still current, as a task in user mode would be, or
 * TASK_PARKED, if the vCPU was needed.  Whoever takes a vCPU whose current task
 * is outside runs on that task's empty kernel stack, as an interrupt would.
 *
 * When the scheduler has picked an lwp whose thread waits awake, the carrier grants it the
 * vCPU and goes to wait for its own task.  If that thread carries another vCPU at
 * the moment, or sleeps in the host, the carrier runs the lwp's stack itself and leaves the
 * result with the thread; or, if its own program has waited for long, it leaves the vCPU where
 * it is, to whoever comes first.  So nobody ever waits for two vCPUs, and no vCPU for one
 * thread's waking up.  All this comes after the switch (rump_finish_switch()), when the run
 * queue is unlocked again: the host may stop any of the two for milliseconds.  For that
 * reason, too, a thread whose call is done is woken when its vCPU has been given up, if that is
 * next: the host likes to run who is woken in the place of who wakes.
 *
 * An idle vCPU has no carrier: its idle task is saved, VCPU_BUSY is off.
 * Interrupts are bits in vcpu->pending plus VCPU_PEND in vcpu->state, so that
 * giving a vCPU up (BUSY to 0 by compare and swap) fails if one has come in.
 * If nobody carries the vCPU, its helper thread is woken to do so.
 *
 * Clock: the deadline of a vCPU's clock event is watched by its keeper, the thread that gave
 * the vCPU up last, if that waits anyhow (host->cover, until), and else by the helper
 * (vcpu->helper_until); a vCPU is released only when one of the two holds.  While it is
 * carried, it is ticker.c's.
 *
 * A signal handler of the program may interrupt all of this at any moment.  It had better
 * wait until its thread is out (rump_pub_signal_door(), hijack/door.c).
 *
 * Which vCPU a task is to run on is Linux's to say; all of them share one cache in its eyes
 * (smp.c), so that it finds an idle one when it wakes a task, and moves one that waits.
 *
 * Limit: a thread can't make a call on top of one (from a handler that does not): -EBUSY.
 */
#include <linux/sched.h>
#include <asm/switch_to.h>
#include "vcpu.h"

#define LEAVE_NS	20000		/* that a thread may be kept after its call */

struct vcpu rump_vcpus[NR_CPUS];
unsigned int rump_nvcpu = 1;
struct rump_host *rump_boot_host;
bool rump_booting = true;

/* The vCPU was left in the midst of its current task's call (host_leave()). */
static bool inside[NR_CPUS];

/* A helper that was kicked already and has not run yet is not woken once more. */
void rump_kick_helper(struct vcpu *v)
{
	struct rump_host *h = READ_ONCE(v->helper);

	if (h && !(__atomic_fetch_or(&h->word, HOST_KICK, __ATOMIC_SEQ_CST) & HOST_KICK))
		rumpuser_cpu_kick(v->cpu, &h->word);
}

/*
 * v has work and no carrier.  The thread that gave it up last, if it still waits, is
 * the one that the work is for, as a rule; the helper is for all other cases.
 */
void rump_kick(struct vcpu *v)
{
	struct rump_host *h = READ_ONCE(v->keeper);
	u32 w = h ? READ_ONCE(h->word) : 0;

	if (unlikely(READ_ONCE(rump_booting))) {
		rump_host_post(rump_boot_host, HOST_KICK);
		return;
	}
	while (w & HOST_WAITING) {
		if (!arch_try_cmpxchg(&h->word, &w, w | HOST_KICK))
			continue;
		rumpuser_wake(&h->word);
		return;
	}
	rump_kick_helper(v);
}

/* For all vCPUs that have work and no carrier. */
void rump_kick_helpers(void)
{
	unsigned int i;

	for (i = 0; i < rump_nvcpu; i++)
		if (has_work(&rump_vcpus[i]))
			rump_kick_helper(&rump_vcpus[i]);
}

/* ---- changing tasks and carriers -------------------------------------------------------- */

static void outside_irq(void *unused);

/*
 * Promises the carrier's vCPU to a thread that waits awake; false: it does not.  A thread
 * that sleeps in the host is never promised one: that would lie still until it runs.
 */
static bool claim(struct rump_host *to)
{
	u32 w = READ_ONCE(to->word);

	while ((w & (HOST_WAITING | HOST_ASLEEP)) == HOST_WAITING)
		if (arch_try_cmpxchg(&to->word, &w, (w & ~HOST_WAITING) | HOST_GRANT))
			return true;
	return false;
}

/* On the host's own stack, without a vCPU any more: what the thread does next. */
void __noreturn rump_host_next(struct rump_host *h, struct vcpu *left)
{
	wake_due(h);
	if (h->own)
		rump_helper_loop(h);
	if (h->leaving) {
		check_helper(left);
		rump_host_return(h->base);
	}
	rump_host_wait(h, left);
}

static void host_handover(void *arg)
{
	struct rump_host *to = arg, *h = this_host();
	struct vcpu *v = this_vcpu();

	set_this_vcpu(NULL);
	smp_store_release(&to->grant, v);
	rumpuser_wake(&to->word);
	rump_host_next(h, v);
}

/*
 * The vCPU is left in the midst of a call, to whoever comes first: the call's own thread,
 * which is woken for that, or any other.
 */
static void host_leave(void *arg)
{
	struct rump_host *to = arg, *h = this_host();
	struct vcpu *v = this_vcpu();
	u32 w = READ_ONCE(to->word);

	inside[v->cpu] = true;
	set_this_vcpu(NULL);
	(void)arch_xchg(&v->state, VCPU_PEND);
	for (;;) {
		if (!(w & HOST_WAITING)) {
			rump_kick_helper(v);
			break;
		}
		if (arch_try_cmpxchg(&to->word, &w, w | HOST_KICK)) {
			rumpuser_wake(&to->word);
			break;
		}
	}
	rump_host_next(h, v);
}

/*
 * current was switched to, no locks are held yet: if it is a call of another thread than the
 * carrier, that thread takes over if it waits awake.  If it sleeps, the carrier goes on with
 * the call, unless its own program has been waiting for LEAVE_NS already.
 */
void rump_finish_switch(void)
{
	struct rump_host *h = this_host(), *to;
	struct rump_lwp *lwp = current->thread.lwp;
	struct vcpu *v;

	if (unlikely(h->due) && current != this_vcpu()->idle)
		wake_due(h);
	to = lwp ? READ_ONCE(lwp->host) : NULL;
	if (!to || to == h)
		return;
	if (claim(to)) {
		rump_switch_to_host(&current->thread.sp, h->base, host_handover, to);
	} else if (h->leaving && READ_ONCE(to->word) & HOST_ASLEEP &&
		   rumpuser_clock_mono() - h->left > LEAVE_NS) {
		rump_switch_to_host(&current->thread.sp, h->base, host_leave, to);
	} else {
		return;
	}
	v = this_vcpu();
	if (READ_ONCE(v->state) & VCPU_PEND && v->irqs_on)
		rump_irq_take(false);
}

struct task_struct *__switch_to(struct task_struct *prev, struct task_struct *next)
{
	struct vcpu *v = this_vcpu();

	v->prev = prev;
	v->curr = next;
	rump_switch(&prev->thread.sp, next->thread.sp);
	return this_vcpu()->prev;
}

static void host_idle(void *arg)
{
	struct rump_host *h = arg;
	struct vcpu *v = this_vcpu();

	if (!vcpu_release(v))
		rump_resume(v->idle->thread.sp);
	set_this_vcpu(NULL);
	rump_host_next(h, v);
}

/* The idle task has nothing to run: leave the vCPU without a carrier. */
void rump_vcpu_idle(void)
{
	struct vcpu *v = this_vcpu();
	struct rump_host *h = this_host();

	if (!(READ_ONCE(v->state) & VCPU_PEND))
		rump_switch_to_host(&current->thread.sp, h->base, host_idle, h);
	wake_due(this_host());
	rump_ticker_wake();
}

static void host_release_outside(void *arg)
{
	struct rump_host *h = arg;
	struct vcpu *v = this_vcpu();

	if (!vcpu_release(v))
		rump_jump(v->curr->thread.lwp->stack, outside_irq, NULL);
	set_this_vcpu(NULL);
	rump_host_next(h, v);
}

/*
 * An interrupt of the current task, which is outside.  If it has not been seen
 * since the last tick, or others wait, it leaves the vCPU: it is parked.
 */
static void outside_irq(void *unused)
{
	struct vcpu *v = this_vcpu();
	struct rump_host *h = this_host();
	u64 entries = v->entries;

	rump_irq_take(true);
	if (undisputed(current) && entries != v->entries_at_tick && !current->thread.lwp->call &&
	    !rump_signal_due(current)) {
		v->entries_at_tick = entries;
		rump_jump((void *)h->base, host_release_outside, h);
	}
	rump_lwp_main(current->thread.lwp);
}

/* h has acquired v: goes on where v was left. */
void __noreturn rump_carry(struct rump_host *h, struct vcpu *v)
{
	struct task_struct *t = v->curr;

	set_this_vcpu(v);
	if (t == v->idle || inside[v->cpu]) {
		inside[v->cpu] = false;
		rump_resume(t->thread.sp);
	}
	rump_jump(t->thread.lwp->stack, outside_irq, NULL);
}
