// SPDX-License-Identifier: GPL-2.0-only
/*
 * keeper.c - this kernel goes on in another process (kernel/lib/keeper.c has the theory).
 *
 * Standing still: the door is shut; the calls that are under way are interrupted, and end
 * as "to be made elsewhere" unless they have done something; when no host thread is inside
 * any more, each vCPU's stopper task, which nothing precedes, freezes it in its own
 * context.  From then on the kernel is plain memory: RAM and the library's data.
 */
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/stop_machine.h>
#include <rump/rumpuser.h>
#include "../../../lib/rumpk.h"
#include "sp.h"

#define CALLS_TIMEOUT	(10 * NSEC_PER_SEC)	/* for calls that nothing interrupts */
#define LOOK_AGAIN	(200 * NSEC_PER_USEC)

static struct cpu_stop_work stops[NR_CPUS];

static int freeze_cpu(void *unused)
{
	unsigned long flags;

	local_irq_save(flags);
	rump_vcpu_freeze();
	local_irq_restore(flags);
	return 0;
}

static long freeze_all(void *unused)
{
	unsigned int cpu;

	for_each_online_cpu(cpu)
		stop_one_cpu_nowait(cpu, freeze_cpu, NULL, &stops[cpu]);
	return 0;
}

static long interrupt_calls(void *unused)
{
	struct task_struct *p, *t;

	rcu_read_lock();
	for_each_process_thread(p, t) {
		struct rump_lwp *lwp = READ_ONCE(t->thread.lwp);

		if (t == current || !lwp || !READ_ONCE(lwp->call))
			continue;
		lwp->moved = true;
		set_notify_signal(t);
	}
	rcu_read_unlock();
	return 0;
}

static bool others_inside(void)
{
	struct rump_host *h;
	unsigned int i;

	for (i = 0; (h = rump_host_at(i)); i++)
		if (h != this_host() && READ_ONCE(h->in_call))
			return true;
	return false;
}

RUMP_PUBLIC int rumpk_freeze(void)
{
	s64 end = rumpuser_clock_mono() + CALLS_TIMEOUT, now;
	u32 n, never = 0;
	int r;

	r = this_host() && this_host()->lwp ? 0 : rump_lwp_attach();
	if (r)
		return r;
	rump_door_set(DOOR_MOVING);
	while (others_inside()) {
		now = rumpuser_clock_mono();
		if (now > end) {
			rump_door_set(DOOR_OPEN);
			return -EBUSY;
		}
		rump_call_function(interrupt_calls, NULL);
		rumpuser_wait(&never, 0, now + LOOK_AGAIN, 0);
	}
	rump_call_function(freeze_all, NULL);
	while ((n = READ_ONCE(rump_nfrozen)) != rump_nvcpu)
		rumpuser_wait(&rump_nfrozen, n, RUMPUSER_FOREVER, 0);
	return 0;
}

RUMP_PUBLIC int rumpk_thaw(bool elsewhere)
{
	unsigned int cpu;
	int r = 0;

	if (elsewhere)
		for (cpu = 0; cpu < rump_nvcpu; cpu++)
			rump_vcpus[cpu].helper = rump_vcpus[cpu].keeper = NULL;
	rump_vcpu_thaw();
	for (cpu = 0; elsewhere && cpu < rump_nvcpu && !r; cpu++)
		r = rump_vcpu_start(cpu, NULL);
	if (elsewhere && !r)
		r = rump_ticker_start();
	rump_door_set(DOOR_OPEN);
	return r;
}

RUMP_PUBLIC void rumpk_leave(void)
{
	rump_door_set(DOOR_MOVED);
	rump_vcpu_leave();
	rump_ticker_leave();
}

/* ---- in the keeper ------------------------------------------------------------- */

static struct sp_proc *kept;	/* the program's process, a client's by now */
static struct rump_proc *kept_proc;

/* In the program's process. */
static long make_client(void *cookie)
{
	kept_proc = rump_proc_main();
	kept = sp_proc_keep(kept_proc, cookie);
	return kept ? 0 : -ENOMEM;
}

/* In its first task, which does not come back. */
static long lead_client(void *unused)
{
	kept->leader = get_task_struct(current);
	rump_lwp_free_task();
	sp_lead(kept, NULL);
	do_exit(0);
}

/* The task that lwp is loses the thread that it had; the calling one has none. */
static int end_lwp(struct rump_lwp *lwp)
{
	bool leads = thread_group_leader(lwp->task) && lwp->task->thread.proc == kept_proc;
	int r;

	lwp->host = NULL;
	r = rump_pub_lwproc_switch(lwp);
	if (!r && leads)
		rump_call_function(lead_client, NULL);
	else if (!r)
		r = rump_pub_lwproc_releaselwp();
	return r;
}

RUMP_PUBLIC int rumpk_keep(struct rump_sp_cookie *cookie)
{
	struct rump_host *h, *me = this_host();
	struct rump_lwp *lwp, *mine = me->lwp;
	unsigned int i;
	int r;

	r = rump_call_function(make_client, cookie);
	if (!r)
		r = rump_pub_lwproc_switch(NULL);
	for (i = 0; !r && (h = rump_host_at(i)); i++) {
		lwp = h->lwp;
		if (h == me || !lwp)
			continue;
		h->lwp = NULL;
		r = end_lwp(lwp);
	}
	return r ? r : end_lwp(mine);
}

static long let_go(void *unused)
{
	struct sp_proc *p = kept;

	kept = NULL;
	rump_proc_release(kept_proc);
	sp_proc_left(p);
	if (atomic_read(&p->live) == 0)
		sp_proc_unlist(p);
	sp_proc_put(p);
	return 0;
}

RUMP_PUBLIC int rumpk_keep_done(void)
{
	return rump_call_function(let_go, NULL);
}

static long watch(void *unused)
{
	rump_ph_watch_all();
	return 0;
}

RUMP_PUBLIC int rumpk_keep_watch(void)
{
	return rump_call_function(watch, NULL);
}

RUMP_PUBLIC int rumpk_in_use(void)
{
	return sp_procs_any() || rump_ph_any();
}
