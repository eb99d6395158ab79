// SPDX-License-Identifier: GPL-2.0-only
/*
 * vcpu_irq.c - interrupts of vCPUs: posted by anybody, taken by the carrier where Linux
 * enables them, where it loops, and where long loops offer to leave.
 */
#include <linux/ftrace.h>
#include <linux/hardirq.h>
#include <linux/sched/signal.h>
#include <asm/irq_regs.h>
#include "vcpu.h"

#define OFFERS		64		/* to leave, of a long loop, between two looks at the clock */

static struct {
	u32 n;
} __attribute__((aligned(64))) offers[NR_CPUS];

void rump_irq_post(unsigned int cpu, enum rump_irq irq)
{
	struct vcpu *v = &rump_vcpus[cpu];

	__atomic_fetch_or(&v->pending, 1UL << irq, __ATOMIC_SEQ_CST);
	if (vcpu_post(v))
		rump_kick(v);
}

/* h wants its task woken on v (to make a call, or to have one interrupted). */
void rump_push_waker(struct vcpu *v, struct rump_host *h)
{
	struct rump_host *first = READ_ONCE(v->wakers);

	if (arch_xchg(&h->queued, 1))
		return;
	do {
		h->next = first;
	} while (!arch_try_cmpxchg(&v->wakers, &first, h));
}

static void (*irq_handlers[RUMP_NR_IRQ])(void);

void rump_irq_handler(enum rump_irq irq, void (*fn)(void))
{
	WRITE_ONCE(irq_handlers[irq], fn);
}

/* Those who want in, in the order in which they came. */
static void wake_wakers(struct vcpu *v)
{
	struct rump_host *h, *next, *fifo = NULL;

	for (h = arch_xchg(&v->wakers, NULL); h; h = next) {
		next = h->next;
		h->next = fifo;
		fifo = h;
	}
	for (h = fifo; h; h = next) {
		next = h->next;
		smp_store_release(&h->queued, 0);
		smp_mb();
		if (!h->lwp)
			continue;
		if (READ_ONCE(h->interrupt)) {
			WRITE_ONCE(h->lwp->task->thread.interrupted, true);
			set_notify_signal(h->lwp->task);
			/* whoever wants to take that back waits for this */
			smp_store_release(&h->interrupt, 0);
		}
		wake_up_state(h->lwp->task, TASK_PARKED);
	}
}

/* outside: in the name of a task that is not in a call. */
void rump_irq_take(bool outside)
{
	struct pt_regs regs = { .cs = outside ? 3 : 0 }, *old;
	struct vcpu *v = this_vcpu();
	bool tracked = lockdep_hardirqs_enabled();
	unsigned long bits;

	v->irqs_on = 0;
	lockdep_hardirqs_off(CALLER_ADDR0);
	old = set_irq_regs(&regs);
	do {
		__atomic_fetch_and(&v->state, ~VCPU_PEND, __ATOMIC_SEQ_CST);
		irq_enter();
		bits = arch_xchg(&v->pending, 0);
		if (READ_ONCE(v->wakers))
			wake_wakers(v);
		while (bits) {
			unsigned int n = __ffs(bits);

			bits &= bits - 1;
			if (irq_handlers[n])
				irq_handlers[n]();
		}
		irq_exit();
	} while (READ_ONCE(v->state) & VCPU_PEND);
	set_irq_regs(old);
	if (tracked) {
		lockdep_hardirqs_on_prepare();
		lockdep_hardirqs_on(CALLER_ADDR0);
	}
	v->irqs_on = 1;
}

/* Interrupts were just enabled and some are pending. */
void rump_irq_run(void)
{
	rump_irq_take(false);
}

void rump_cpu_relax(void)
{
	struct vcpu *v = this_vcpu();
	unsigned int spins = 0;

	if (v->irqs_on) {
		if (rumpuser_clock_mono() >= READ_ONCE(v->deadline)) {
			__atomic_fetch_or(&v->pending, 1UL << RUMP_IRQ_TIMER, __ATOMIC_SEQ_CST);
			__atomic_fetch_or(&v->state, VCPU_PEND, __ATOMIC_SEQ_CST);
		}
		if (READ_ONCE(v->state) & VCPU_PEND)
			rump_irq_run();
	}
	/* what we spin for is perhaps another vCPU's to do, whose carrier we should be */
	if (unlikely(READ_ONCE(rump_booting)))
		rump_kick_helpers();
	rumpuser_relax(&spins);
}

/*
 * Where long loops offer to leave is a place to take interrupts, too, and to look at the
 * clock (--wrap): they may have no other, and wait for somebody who has to run first.
 */
int __real___cond_resched(void);
int __wrap___cond_resched(void);
int __wrap___cond_resched(void)
{
	struct vcpu *v = this_vcpu();

	if (unlikely(READ_ONCE(v->state) & VCPU_PEND) && v->irqs_on)
		rump_irq_take(false);
	else if (unlikely(++offers[v->cpu].n % OFFERS == 0))
		rump_cpu_relax();
	return __real___cond_resched();
}

void rump_spin_wait(u32 *locked)
{
	unsigned int spins = 0;

	while (READ_ONCE(*locked))
		rumpuser_relax(&spins);
}
