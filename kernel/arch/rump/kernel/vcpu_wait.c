// SPDX-License-Identifier: GPL-2.0-only
/*
 * vcpu_wait.c - threads that wait: for a vCPU that others use, and for calls to be done.
 *
 * A thread waits awake for a while (watch()), then in the host (sleep_on()).  Meanwhile it
 * may carry any vCPU that has work, and if it gave one up last it is that one's keeper: it
 * looks at its clock, so that a thread which sleeps until a time is woken by its own timer
 * on the host, and by nobody else.
 */
#include <rump/rumpuser_sp.h>
#include "vcpu.h"

#define SPIN_NS		10000		/* for which a waiting thread watches its vCPU ... */
#define GIVE_NS		3000		/* ... waits to be given it, and then sleeps */
#define LOOK_NS		1000		/* between two looks at a vCPU that may be free */

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

u32 rump_watched(struct vcpu *v)
{
	return __atomic_load_n(&watchers[v->cpu].n, __ATOMIC_SEQ_CST);
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
		rump_irq_take(false);
	return there;
}

/*
 * To which vCPU an interrupt goes that any may take, cpu at best: if that lies idle and its helper
 * would have to be woken for it, to one whose last carrier waits, and will go on with what the
 * interrupt is for, as a rule; or to one that is carried, which costs no host call at all.
 */
unsigned int rump_vcpu_attended(unsigned int cpu)
{
	unsigned int i, busy = cpu;
	struct rump_host *h;
	struct vcpu *v;

	if (READ_ONCE(rump_vcpus[cpu].state))
		return cpu;
	for (i = 0; i < rump_nvcpu; i++) {
		v = &rump_vcpus[(cpu + i) % rump_nvcpu];
		h = READ_ONCE(v->keeper);
		if (h && READ_ONCE(h->word) & HOST_WAITING && READ_ONCE(h->cover) == v)
			return v->cpu;
		if (READ_ONCE(v->state) & VCPU_BUSY)
			busy = v->cpu;
	}
	return busy;
}

/* ---- waiting threads ---------------------------------------------------------------------- */

/*
 * The clock event of v is due.  Whoever sees it first takes the deadline, so
 * that one event makes one interrupt.  True: v is ours to carry.
 */
bool rump_ring_clock(struct vcpu *v)
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
			rump_kick(&rump_vcpus[i]);
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
	if (cover && ((has_work(cover) && vcpu_acquire(cover)) || rump_ring_clock(cover)))
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
void __noreturn rump_host_wait(struct rump_host *h, struct vcpu *cover)
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
			rump_push_waker(v, h);
			if (vcpu_post(v))
				w |= HOST_KICK;
		}
		if (!take || !vcpu_acquire(v))
			v = find_work(h, v, cover, w & HOST_KICK);
		if (v) {
			unwatch(h, v, cover, w & HOST_KICK);
			rump_carry(h, v);
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
