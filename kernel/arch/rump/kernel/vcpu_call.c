// SPDX-License-Identifier: GPL-2.0-only
/*
 * vcpu_call.c - a call of a host thread, from its entry to its leaving (vcpu.c tells how).
 */
#include <linux/sched/signal.h>
#include <asm/switch_to.h>
#include "vcpu.h"

/* Does what the thread of lwp wants; true: that thread is the carrier. */
static bool serve(struct rump_lwp *lwp)
{
	struct rump_host *h = lwp->host;

	rump_do_call(lwp->call);
	lwp->last = this_vcpu();
	WRITE_ONCE(lwp->call, NULL);
	if (this_host() == h)
		return true;
	wake_later(this_host(), h);
	return false;
}

/*
 * The main loop of an lwp's task, on its kernel stack: parked until its thread
 * wants something, in its turn.
 */
void __noreturn rump_lwp_main(struct rump_lwp *lwp)
{
	struct rump_host *h;

	for (;;) {
		/* set_current_state() takes this state for one that needs a lock, but this is a wait loop */
		smp_store_mb(current->__state, TASK_PARKED);
		if (READ_ONCE(lwp->call) || rump_signal_due(current))
			__set_current_state(TASK_RUNNING);
		schedule();
		if (!READ_ONCE(lwp->call)) {
			if (rump_signal_due(current))
				rump_signal_outside(lwp);
			continue;
		}
		h = lwp->host;
		rump_finish_switch();
		if (serve(lwp))
			rump_host_return(h->base);
	}
}

static void call_at_once(void *arg)
{
	struct rump_lwp *lwp = arg;

	if (!serve(lwp))
		rump_lwp_main(lwp);
}

/* The vCPU is ours, but another task is current there. */
static void call_in_turn(void *arg)
{
	struct rump_host *h = arg;
	struct vcpu *v = this_vcpu();

	rump_push_waker(v, h);
	__atomic_fetch_or(&v->state, VCPU_PEND, __ATOMIC_SEQ_CST);
	rump_carry(h, v);
}

/* The vCPU is somebody else's. */
static void call_later(void *arg)
{
	struct rump_host *h = arg;
	struct vcpu *v = h->lwp->last;

	rump_push_waker(v, h);
	if (vcpu_post(v) && vcpu_acquire(v))
		rump_carry(h, v);
	rump_host_wait(h, NULL);
}

/* A call is done, the vCPU still ours, but others want it. */
static void leave_irq(void *arg)
{
	struct vcpu *v = this_vcpu();

	if (READ_ONCE(v->state) & VCPU_PEND)
		rump_irq_take(true);
	if (!undisputed(current))
		rump_lwp_main(arg);
}

/* The vCPU was taken back, but is another task's by now: serves it as a helper would. */
static void leave_to(void *arg)
{
	rump_carry(arg, this_vcpu());
}

/* May t, which was current in a call, stay so?  Not if a task that nobody watches for is due. */
static bool may_stay(struct task_struct *t, struct vcpu *v)
{
	u32 n = rump_watched(v);

	return n && (!test_tsk_need_resched(t) || nr_running() <= 1 + n);
}

static void leave(struct rump_host *h)
{
	struct vcpu *v;

	while ((v = this_vcpu())) {
		if (likely(undisputed(h->lwp->task))) {
			if (likely(vcpu_release(v))) {
				set_this_vcpu(NULL);
				check_helper(v);
				break;
			}
		} else if (may_stay(h->lwp->task, v) && vcpu_release(v)) {
			set_this_vcpu(NULL);
			if (rump_watched(v) || !vcpu_acquire(v)) {
				check_helper(v);
				break;
			}
			/* the watcher fell asleep; perhaps somebody was here meanwhile */
			set_this_vcpu(v);
			if (v->curr != h->lwp->task) {
				h->leaving = true;
				h->left = rumpuser_clock_mono();
				rump_host_run(&h->base, 0, leave_to, h);
				h->leaving = false;
				continue;
			}
		}
		h->leaving = true;
		h->left = rumpuser_clock_mono();
		rump_host_run(&h->base, (unsigned long)h->lwp->stack, leave_irq, h->lwp);
		h->leaving = false;
	}
}

/* Makes a call as the lwp that the calling thread is. */
void rump_host_call(struct rump_host *h, struct rump_call *c)
{
	struct rump_lwp *lwp = h->lwp;
	struct vcpu *v = lwp->last;

	WRITE_ONCE(lwp->call, c);
	if (likely(READ_ONCE(v->state) == 0 && arch_cmpxchg(&v->state, 0, VCPU_BUSY) == 0)) {
		set_this_vcpu(v);
		if (likely(v->curr == lwp->task)) {
			v->entries++;
			rump_host_run(&h->base, (unsigned long)lwp->stack, call_at_once, lwp);
		} else {
			rump_host_run(&h->base, 0, call_in_turn, h);
		}
	} else {
		rump_host_run(&h->base, 0, call_later, h);
	}
	if (unlikely(!h->lwp))
		h->leaving = false;
	else
		leave(h);
	if (unlikely(h->due))
		wake_due(h);
}

/*
 * On h's own thread, from a signal handler, in the midst of anything: its call is to end
 * early.  By an interrupt of any vCPU, since where its task is may just be changing.
 */
void rump_host_interrupt(struct rump_host *h)
{
	struct vcpu *v = &rump_vcpus[0];

	smp_store_mb(h->interrupt, 1);
	rump_push_waker(v, h);
	if (vcpu_post(v))
		rump_kick(v);
}
