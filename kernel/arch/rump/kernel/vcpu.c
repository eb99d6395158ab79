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
 * When the scheduler picks an lwp whose thread waits, the carrier grants it the
 * vCPU and goes to wait for its own task.  If that thread carries another vCPU at
 * the moment, or sleeps and would have to be woken first, the carrier runs the lwp's
 * stack itself and leaves the result with the thread: nobody ever waits for two vCPUs,
 * and no vCPU for a thread's waking up.
 *
 * An idle vCPU has no carrier: its idle task is saved, VCPU_BUSY is off.
 * Interrupts are bits in vcpu->pending plus VCPU_PEND in vcpu->state, so that
 * giving a vCPU up (BUSY to 0 by compare and swap) fails if one has come in.
 * If nobody carries the vCPU, its helper thread is woken to do so.
 *
 * Clock: the deadline of a vCPU's clock event is watched by the thread that gave
 * the vCPU up last, if it waits anyhow, and else by the helper
 * (vcpu->helper_until); a vCPU is released only when one of the two holds.  While it is
 * carried, it is ticker.c's.
 *
 * A signal handler of the program may interrupt all of this at any moment.  It had better
 * wait until its thread is out (rump_pub_signal_door(), hijack/door.c).
 *
 * Limit: a thread can't make a call on top of one (from a handler that does not): -EBUSY.
 */
#include <linux/cpu.h>
#include <linux/ftrace.h>
#include <linux/hardirq.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <asm/irq_regs.h>
#include <asm/switch_to.h>
#include <rump/rumpuser_sp.h>
#include "rump.h"

#define SPIN_NS		10000		/* for which a waiting thread watches its vCPU ... */
#define GIVE_NS		3000		/* ... waits to be given it, and then sleeps */
#define LOOK_NS		1000		/* between two looks at a vCPU that may be free */
#define LEAVE_NS	20000		/* that a thread may be kept after its call */

#define OFFERS		64		/* to leave, of a long loop, between two looks at the clock */

struct vcpu rump_vcpus[NR_CPUS];
static struct {
	u32 n;
} __attribute__((aligned(64))) offers[NR_CPUS];
unsigned int rump_nvcpu = 1;

/* The vCPU was left in the midst of its current task's call (host_leave()). */
static bool inside[NR_CPUS];

/*
 * Until it is done, the thread that boots carries all vCPUs, one at a time: they do nothing
 * but wait for each other, and changing stacks is faster than waking threads.
 */
static struct rump_host *boot_host;
static bool booting = true;

static __always_inline void set_this_vcpu(struct vcpu *v)
{
	asm volatile("movq rump_tls_vcpu@gottpoff(%%rip), %%rax\n\t"
		     "movq %0, %%fs:(%%rax)" : : "r" (v) : "rax", "memory");
}

/* ---- taking and giving up a vCPU ------------------------------------------------ */

static bool vcpu_acquire(struct vcpu *v)
{
	u32 s = READ_ONCE(v->state);

	while (!(s & VCPU_BUSY))
		if (arch_try_cmpxchg(&v->state, &s, s | VCPU_BUSY))
			return true;
	return false;
}

static bool vcpu_release(struct vcpu *v)
{
	u32 s = VCPU_BUSY;

	return arch_try_cmpxchg(&v->state, &s, 0);
}

static bool has_work(struct vcpu *v)
{
	return READ_ONCE(v->state) == VCPU_PEND;
}

/* A helper that was kicked already and has not run yet is not woken once more. */
static void kick_helper(struct vcpu *v)
{
	struct rump_host *h = READ_ONCE(v->helper);

	if (h && !(__atomic_fetch_or(&h->word, HOST_KICK, __ATOMIC_SEQ_CST) & HOST_KICK))
		rumpuser_cpu_kick(v->cpu, &h->word);
}

/*
 * v has work and no carrier.  The thread that gave it up last, if it still waits, is
 * the one that the work is for, as a rule; the helper is for all other cases.
 */
static void kick(struct vcpu *v)
{
	struct rump_host *h = READ_ONCE(v->keeper);
	u32 w = h ? READ_ONCE(h->word) : 0;

	if (unlikely(READ_ONCE(booting))) {
		rump_host_post(boot_host, HOST_KICK);
		return;
	}
	while (w & HOST_WAITING) {
		if (!arch_try_cmpxchg(&h->word, &w, w | HOST_KICK))
			continue;
		rumpuser_wake(&h->word);
		return;
	}
	kick_helper(v);
}

/* For all vCPUs that have work and no carrier. */
static void kick_helpers(void)
{
	unsigned int i;

	for (i = 0; i < rump_nvcpu; i++)
		if (has_work(&rump_vcpus[i]))
			kick_helper(&rump_vcpus[i]);
}

/*
 * Does v's keeper look at its clock in time?  (Whoever ends being one reads the deadline
 * after that; whoever has set it reads this after that.)
 */
static bool kept(struct vcpu *v)
{
	struct rump_host *h = READ_ONCE(v->keeper);

	return h && READ_ONCE(h->cover) == v && READ_ONCE(v->deadline) >= READ_ONCE(h->until);
}

/* The clock of v, which nobody carries: is somebody awake in time? */
static void check_helper(struct vcpu *v)
{
	if (unlikely(READ_ONCE(v->deadline) < READ_ONCE(v->helper_until)) && !kept(v))
		kick_helper(v);
}

/* Something was posted to v; returns whether the caller should see to a carrier. */
static bool vcpu_post(struct vcpu *v)
{
	u32 old = __atomic_fetch_or(&v->state, VCPU_PEND, __ATOMIC_SEQ_CST);

	return !(old & VCPU_BUSY);
}

void rump_irq_post(unsigned int cpu, enum rump_irq irq)
{
	struct vcpu *v = &rump_vcpus[cpu];

	__atomic_fetch_or(&v->pending, 1UL << irq, __ATOMIC_SEQ_CST);
	if (vcpu_post(v))
		kick(v);
}

/* h wants its task woken on v (to make a call, or to have one interrupted). */
static void push_waker(struct vcpu *v, struct rump_host *h)
{
	struct rump_host *first = READ_ONCE(v->wakers);

	if (arch_xchg(&h->queued, 1))
		return;
	do {
		h->next = first;
	} while (!arch_try_cmpxchg(&v->wakers, &first, h));
}

/* ---- interrupts -------------------------------------------------------------------- */

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

static void irq_run(bool outside)
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
	irq_run(false);
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
	if (unlikely(READ_ONCE(booting)))
		kick_helpers();
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
		irq_run(false);
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

/* ---- changing tasks and carriers -------------------------------------------------------- */

static void __noreturn host_wait(struct rump_host *h, struct vcpu *cover);
static void __noreturn helper_loop(struct rump_host *h);
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

/*
 * A thread whose call h has done sleeps, and is to be woken.  The host may run it at once, in
 * h's place, so h gives its vCPU up first, if that is what it does next.
 */
static void wake_later(struct rump_host *h, struct rump_host *done)
{
	__atomic_fetch_or(&done->word, HOST_DONE, __ATOMIC_SEQ_CST);
	h->due = done;
}

static void wake_due(struct rump_host *h)
{
	struct rump_host *done = h->due;

	if (done) {
		h->due = NULL;
		rumpuser_wake(&done->word);
	}
}

/* On the host's own stack, without a vCPU any more: what the thread does next. */
static void __noreturn host_next(struct rump_host *h, struct vcpu *left)
{
	wake_due(h);
	if (h->own)
		helper_loop(h);
	if (h->leaving) {
		check_helper(left);
		rump_host_return(h->base);
	}
	host_wait(h, left);
}

static void host_handover(void *arg)
{
	struct rump_host *to = arg, *h = this_host();
	struct vcpu *v = this_vcpu();

	set_this_vcpu(NULL);
	smp_store_release(&to->grant, v);
	rumpuser_wake(&to->word);
	host_next(h, v);
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
			kick_helper(v);
			break;
		}
		if (arch_try_cmpxchg(&to->word, &w, w | HOST_KICK)) {
			rumpuser_wake(&to->word);
			break;
		}
	}
	host_next(h, v);
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
		irq_run(false);
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
	host_next(h, v);
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
	host_next(h, v);
}

/*
 * Nobody but t, the current task, wants this vCPU.  (Not by `current', which the
 * compiler may look up before a thread is known to have a vCPU.)
 */
static bool undisputed(struct task_struct *t)
{
	return !test_tsk_need_resched(t) && single_task_running();
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

	irq_run(true);
	if (undisputed(current) && entries != v->entries_at_tick && !current->thread.lwp->call &&
	    !rump_signal_due(current)) {
		v->entries_at_tick = entries;
		rump_jump((void *)h->base, host_release_outside, h);
	}
	rump_lwp_main(current->thread.lwp);
}

/* h has acquired v: goes on where v was left. */
static void __noreturn carry(struct rump_host *h, struct vcpu *v)
{
	struct task_struct *t = v->curr;

	set_this_vcpu(v);
	if (t == v->idle || inside[v->cpu]) {
		inside[v->cpu] = false;
		rump_resume(t->thread.sp);
	}
	rump_jump(t->thread.lwp->stack, outside_irq, NULL);
}

/* ---- several threads for one vCPU -------------------------------------------------------- */

/*
 * A thread whose call is done and that will make the next one soon should keep the vCPU
 * current for itself, although others are runnable: changing tasks for each call
 * costs more than the calls.  It may while one of those others watches: a thread that
 * waits awake, and takes the vCPU when it finds it free at one of its looks.
 */
static struct {
	u32 n;
} __attribute__((aligned(64))) watchers[NR_CPUS];

static u32 watched(struct vcpu *v)
{
	return __atomic_load_n(&watchers[v->cpu].n, __ATOMIC_SEQ_CST);
}

/* May t, which was current in a call, stay so?  Not if a task that nobody watches for is due. */
static bool may_stay(struct task_struct *t, struct vcpu *v)
{
	u32 n = watched(v);

	return n && (!test_tsk_need_resched(t) || nr_running() <= 1 + n);
}

/* h's task could run on v if its current task, which is outside, were parked. */
static bool could_run(struct rump_host *h, struct vcpu *v)
{
	return READ_ONCE(v->state) == 0 && READ_ONCE(v->curr) != v->idle && h->lwp &&
	    READ_ONCE(h->lwp->task->__state) == TASK_RUNNING &&
	    task_cpu(h->lwp->task) == v->cpu;
}

struct watch {
	struct rump_host *h;
	struct vcpu *v;
	u64 entries;
	s64 end;
	bool counted;
};

static void end_watch(struct watch *w)
{
	if (w->counted)
		__atomic_fetch_sub(&watchers[w->v->cpu].n, 1, __ATOMIC_SEQ_CST);
	w->counted = false;
}

/*
 * Is v to be taken?  It is free between any two calls of its owner: it is left to one that
 * makes calls all the time until SPIN_NS are over, and taken at once from one that
 * stays away.  Who releases it after that gives it away.
 */
static int look(void *arg)
{
	struct watch *w = arg;
	u64 entries = READ_ONCE(w->v->entries);
	bool quiet = entries == w->entries, late = rumpuser_clock_mono() >= w->end;

	w->entries = entries;
	if (late)
		end_watch(w);
	return (quiet || late) && could_run(w->h, w->v);
}

/* Waits awake for a change of h's word; true: it did, or v was found free and is to be taken. */
static bool watch(struct rump_host *h, struct vcpu *v, u32 word, bool *take)
{
	struct watch w = {
		.h = h, .v = v, .entries = READ_ONCE(v->entries), .counted = true,
		.end = rumpuser_clock_mono() + SPIN_NS,
	};
	int r;

	__atomic_fetch_add(&watchers[v->cpu].n, 1, __ATOMIC_SEQ_CST);
	r = rumpuser_spin(&h->word, word, SPIN_NS + GIVE_NS, LOOK_NS, look, &w);
	end_watch(&w);
	/* whoever released v just now may have relied on us */
	*take = r == 2 || (r == 0 && could_run(h, v));
	return r == 1 || *take;
}

/*
 * In a sysproxy client's task that has answered: stays awake for the next message, if
 * nobody else wants the vCPU and it is carried by its helper, whom no program waits for;
 * or only looks what has come for others (stay is false).  True: there is one.
 */
bool rump_vcpu_linger(struct rumpuser_sp_chan *chan, bool stay)
{
	struct vcpu *v = this_vcpu();
	bool there;

	if (this_host()->own != v)
		return false;
	there = rumpuser_sp_linger(chan, v->cpu, stay && undisputed(current) ? &v->state : NULL,
				   VCPU_BUSY, READ_ONCE(v->deadline));
	if (!there)
		rump_cpu_relax();	/* the clock */
	else if (READ_ONCE(v->state) & VCPU_PEND)
		irq_run(false);
	return there;
}

/* ---- waiting threads ---------------------------------------------------------------------- */

/*
 * The clock event of v is due.  Whoever sees it first takes the deadline, so
 * that one event makes one interrupt.  True: v is ours to carry.
 */
static bool ring_clock(struct vcpu *v)
{
	s64 d = READ_ONCE(v->deadline);

	if (d > rumpuser_clock_mono() || !arch_try_cmpxchg(&v->deadline, &d, S64_MAX))
		return false;
	__atomic_fetch_or(&v->pending, 1UL << RUMP_IRQ_TIMER, __ATOMIC_SEQ_CST);
	return vcpu_post(v) && vcpu_acquire(v);
}

/*
 * h stops waiting, to carry v (NULL: nothing).  Whatever else it has watched is the
 * helpers' from now on: the clock of cover, and the vCPU that it was kicked for, which
 * can be any, since keeper is but a hint.
 */
static void unwatch(struct rump_host *h, struct vcpu *v, struct vcpu *cover, bool kicked)
{
	unsigned int i;

	for (i = 0; kicked && i < rump_nvcpu; i++)
		if (&rump_vcpus[i] != v && has_work(&rump_vcpus[i]))
			kick(&rump_vcpus[i]);
	(void)arch_xchg(&h->cover, NULL);
	if (cover && cover != v)
		check_helper(cover);
}

/* A vCPU that h can carry while it waits, acquired; or NULL. */
static struct vcpu *find_work(struct rump_host *h, struct vcpu *v, struct vcpu *cover, bool kicked)
{
	unsigned int i;

	if (has_work(v) && vcpu_acquire(v))
		return v;
	if (cover && ((has_work(cover) && vcpu_acquire(cover)) || ring_clock(cover)))
		return cover;
	for (i = 0; kicked && i < rump_nvcpu; i++)
		if (has_work(&rump_vcpus[i]) && vcpu_acquire(&rump_vcpus[i]))
			return &rump_vcpus[i];
	return NULL;
}

/* In the host, until h's word is not w any more, or cover's clock rings. */
static int sleep_on(struct rump_host *h, u32 w, struct vcpu *cover)
{
	s64 until = cover ? READ_ONCE(cover->deadline) : RUMPUSER_FOREVER;
	int r = 0;

	(void)arch_xchg(&h->until, until);
	if (!cover || READ_ONCE(cover->deadline) >= until)
		r = rumpuser_wait(&h->word, w, until, 0);
	(void)arch_xchg(&h->until, S64_MIN);
	return r;
}

/*
 * On its own stack, without a vCPU: a thread with a call under way waits to be
 * granted one, or for the call to be done.  If the vCPU that its task is queued
 * on lies idle with work pending, it carries that meanwhile.  cover: the vCPU
 * whose clock it watches.
 */
static void __noreturn host_wait(struct rump_host *h, struct vcpu *cover)
{
	struct vcpu *v;
	bool take;
	u32 w;
	int r;

	WRITE_ONCE(h->until, S64_MIN);
	if (cover) {
		WRITE_ONCE(cover->keeper, h);
		(void)arch_xchg(&h->cover, cover);
	}
	for (;;) {
		w = __atomic_or_fetch(&h->word, HOST_WAITING, __ATOMIC_SEQ_CST);
		v = &rump_vcpus[h->lwp ? task_cpu(h->lwp->task) : 0];
		r = 0;
		take = false;
		if (!(w & (HOST_GRANT | HOST_DONE | HOST_KICK)) && !has_work(v) &&
		    !(cover && has_work(cover)) && !watch(h, v, w, &take)) {
			w = __atomic_or_fetch(&h->word, HOST_ASLEEP, __ATOMIC_SEQ_CST);
			if (!(w & (HOST_GRANT | HOST_DONE | HOST_KICK)))
				r = sleep_on(h, w, cover);
		}
		w = rump_host_clear(h, HOST_WAITING | HOST_ASLEEP | HOST_KICK);
		if (w & (HOST_GRANT | HOST_DONE))
			break;
		if (r == -EINTR && h->lwp && !rump_signal_door) {
			WRITE_ONCE(h->interrupt, 1);
			push_waker(v, h);
			if (vcpu_post(v))
				w |= HOST_KICK;
		}
		if (!take || !vcpu_acquire(v))
			v = find_work(h, v, cover, w & HOST_KICK);
		if (v) {
			unwatch(h, v, cover, w & HOST_KICK);
			carry(h, v);
		}
	}
	/*
	 * Both: the call is done, and its task was woken once more, for an interrupt.  That goes
	 * back to where it was parked, upon which we come here again.
	 */
	rump_host_clear(h, w & HOST_GRANT ? HOST_GRANT : HOST_DONE);
	v = NULL;
	if (w & HOST_GRANT) {
		unsigned int spins = 0;

		while (!(v = smp_load_acquire(&h->grant)))
			rumpuser_relax(&spins);
		WRITE_ONCE(h->grant, NULL);
	}
	if (cover && has_work(cover))
		w |= HOST_KICK;
	unwatch(h, v, cover, w & HOST_KICK);
	if (!v)
		rump_host_return(h->base);
	set_this_vcpu(v);
	rump_resume(h->lwp->task->thread.sp);
}

/* ---- everything stands still (keeper.c) ----------------------------------------------------- */

u32 rump_nfrozen;			/* vCPUs that stand still; waited for */

/* for the helpers */
#define VCPU_THAW	1u		/* its vCPU goes on where it was frozen */
#define VCPU_LEAVE	2u		/* the thread ends */
static u32 orders[NR_CPUS];

static void host_frozen(void *arg)
{
	struct vcpu *v = this_vcpu();

	set_this_vcpu(NULL);
	__atomic_fetch_add(&rump_nfrozen, 1, __ATOMIC_SEQ_CST);
	rumpuser_wake(&rump_nfrozen);
	host_next(arg, v);
}

/*
 * The vCPU stays where it is, in the current task, and nobody's: it is busy, without a
 * carrier.  Returns when it was thawed, by another carrier and perhaps in another process.
 */
void rump_vcpu_freeze(void)
{
	struct rump_host *h = this_host();

	rump_switch_to_host(&current->thread.sp, h->base, host_frozen, h);
}

static void give_order(struct vcpu *v, u32 order)
{
	WRITE_ONCE(orders[v->cpu], order);
	kick_helper(v);
}

/*
 * Without a helper thread (a new process) there will be one.  What came up in the clock's
 * name meanwhile may have been lost with the process that saw it.
 */
void rump_vcpu_thaw(void)
{
	unsigned int i;

	rump_nfrozen = 0;
	for (i = 0; i < rump_nvcpu; i++) {
		__atomic_fetch_or(&rump_vcpus[i].pending, 1UL << RUMP_IRQ_TIMER, __ATOMIC_SEQ_CST);
		vcpu_post(&rump_vcpus[i]);
		give_order(&rump_vcpus[i], VCPU_THAW);
	}
}

/* The kernel is another process's now. */
void rump_vcpu_leave(void)
{
	unsigned int i;

	for (i = 0; i < rump_nvcpu; i++)
		give_order(&rump_vcpus[i], VCPU_LEAVE);
}

static void obey(struct rump_host *h, struct vcpu *v)
{
	u32 order = arch_xchg(&orders[v->cpu], 0);

	if (order == VCPU_LEAVE)
		rump_host_return(h->base);
	set_this_vcpu(v);
	rump_resume(v->curr->thread.sp);
}

/* A vCPU's helper thread: carries it when nobody else is there to do so. */
static void __noreturn helper_loop(struct rump_host *h)
{
	struct vcpu *v = h->own;
	s64 deadline;
	bool mine;

	for (;;) {
		mine = rump_host_clear(h, HOST_KICK) & HOST_KICK || !READ_ONCE(booting);
		if (unlikely(READ_ONCE(orders[v->cpu])))
			obey(h, v);
		if (mine && has_work(v) && vcpu_acquire(v))
			carry(h, v);
		if (ring_clock(v))
			carry(h, v);
		/* check_helper() stores the deadline first, then reads helper_until */
		deadline = READ_ONCE(v->deadline);
		(void)arch_xchg(&v->helper_until, deadline);
		if (READ_ONCE(v->deadline) >= deadline && !(mine && has_work(v)))
			rumpuser_cpu_wait(v->cpu, &h->word, 0, deadline);
		(void)arch_xchg(&v->helper_until, S64_MIN);
	}
}

static void helper_main(void *arg)
{
	struct rump_host *h = rump_host_get();
	struct vcpu *v = arg;

	if (!h)
		return;
	h->own = v;
	WRITE_ONCE(v->helper, h);
	rump_host_run(&h->base, 0, (void (*)(void *))helper_loop, h);
	WRITE_ONCE(v->helper, NULL);
	rump_host_put(h);
}

/* ---- calls ------------------------------------------------------------------------------------ */

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

	push_waker(v, h);
	__atomic_fetch_or(&v->state, VCPU_PEND, __ATOMIC_SEQ_CST);
	carry(h, v);
}

/* The vCPU is somebody else's. */
static void call_later(void *arg)
{
	struct rump_host *h = arg;
	struct vcpu *v = h->lwp->last;

	push_waker(v, h);
	if (vcpu_post(v) && vcpu_acquire(v))
		carry(h, v);
	host_wait(h, NULL);
}

/* A call is done, the vCPU still ours, but others want it. */
static void leave_irq(void *arg)
{
	struct vcpu *v = this_vcpu();

	if (READ_ONCE(v->state) & VCPU_PEND)
		irq_run(true);
	if (!undisputed(current))
		rump_lwp_main(arg);
}

/* The vCPU was taken back, but is another task's by now: serves it as a helper would. */
static void leave_to(void *arg)
{
	carry(arg, this_vcpu());
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
			if (watched(v) || !vcpu_acquire(v)) {
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
	push_waker(v, h);
	if (vcpu_post(v))
		kick(v);
}

/* ---- start ---------------------------------------------------------------------------------------- */

/* The calling thread becomes the carrier of vCPU 0 and runs fn there until boot_done. */
void rump_vcpu_boot(struct rump_host *h, void (*fn)(void *))
{
	struct vcpu *v = &rump_vcpus[0];
	unsigned int i;

	for (i = 0; i < NR_CPUS; i++) {
		rump_vcpus[i].cpu = i;
		rump_vcpus[i].deadline = S64_MAX;
		rump_vcpus[i].helper_until = S64_MAX;
	}
	boot_host = h;
	v->curr = v->idle = &init_task;
	v->state = VCPU_BUSY;
	set_this_vcpu(v);
	rump_host_run(&h->base, (unsigned long)init_task.stack + THREAD_SIZE - sizeof(struct pt_regs),
		      fn, NULL);
}

/* From process 1: the boot thread may go. */
void rump_vcpu_boot_done(void)
{
	(void)arch_xchg(&booting, false);
	kick_helpers();		/* for what was posted to the boot thread until now */
	rump_host_post(boot_host, HOST_DONE);
}

/* idle: whose saved context brings the vCPU up; NULL: that of vCPU 0, which is up. */
int rump_vcpu_start(unsigned int cpu, struct task_struct *idle)
{
	struct vcpu *v = &rump_vcpus[cpu];
	char name[16];

	if (idle) {
		v->curr = v->idle = idle;
		v->pcpu_off = per_cpu_offset(cpu);
		WRITE_ONCE(v->state, VCPU_PEND);
		kick(v);
	}
	snprintf(name, sizeof(name), "rump-cpu%u", cpu);
	return rumpuser_thread_create(helper_main, v, name);
}
