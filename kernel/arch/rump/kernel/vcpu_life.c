// SPDX-License-Identifier: GPL-2.0-only
/*
 * vcpu_life.c - vCPUs' helper threads, how vCPUs start, and how they stand still.
 */
#include <linux/sched/task.h>
#include "vcpu.h"

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
	rump_host_next(arg, v);
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
	rump_kick_helper(v);
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
		rump_vcpus[i].keeper = NULL;
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

/* ---- helpers ------------------------------------------------------------------------------------ */

/* A vCPU's helper thread: carries it when nobody else is there to do so. */
void __noreturn rump_helper_loop(struct rump_host *h)
{
	struct vcpu *v = h->own;
	s64 deadline;
	bool mine;

	for (;;) {
		mine = rump_host_clear(h, HOST_KICK) & HOST_KICK || !READ_ONCE(rump_booting);
		if (unlikely(READ_ONCE(orders[v->cpu])))
			obey(h, v);
		if (mine && has_work(v) && vcpu_acquire(v))
			rump_carry(h, v);
		if (rump_ring_clock(v))
			rump_carry(h, v);
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
	rump_host_run(&h->base, 0, (void (*)(void *))rump_helper_loop, h);
	WRITE_ONCE(v->helper, NULL);
	rump_host_put(h);
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
	rump_boot_host = h;
	v->curr = v->idle = &init_task;
	v->state = VCPU_BUSY;
	set_this_vcpu(v);
	rump_host_run(&h->base, (unsigned long)init_task.stack + THREAD_SIZE - sizeof(struct pt_regs),
		      fn, NULL);
}

/* From process 1: the boot thread may go. */
void rump_vcpu_boot_done(void)
{
	(void)arch_xchg(&rump_booting, false);
	rump_kick_helpers();		/* for what was posted to the boot thread until now */
	rump_host_post(rump_boot_host, HOST_DONE);
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
		rump_kick(v);
	}
	snprintf(name, sizeof(name), "rump-cpu%u", cpu);
	return rumpuser_thread_create(helper_main, v, name);
}
