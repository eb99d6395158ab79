// SPDX-License-Identifier: GPL-2.0-only
/*
 * memory.c - when memory runs out, the call that wants it fails.
 *
 * Most of what fills a rump kernel's memory belongs to no process (files of the
 * ramfs root, socket buffers), so killing processes would not help.  The task in
 * whose call memory ran out is marked as the OOM killer marks its victims, but not
 * killed: its allocations may touch the reserves, then fail, and the call
 * returns -ENOMEM.  The mark is gone when the call is.  A kernel thread that runs out
 * may have the OOM killer take a server's client; an embedded kernel's own process is
 * not for killing: there the thread tries again until a call has failed or freed some.
 */
#include <linux/init.h>
#include <linux/notifier.h>
#include <linux/oom.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include "rump.h"

static bool have_clients(void)
{
	struct task_struct *p, *t;
	bool found = false;

	rcu_read_lock();
	for_each_process_thread(p, t)
		found |= t->thread.remote != NULL;
	rcu_read_unlock();
	return found;
}

static int starved(struct notifier_block *nb, unsigned long unused, void *freed)
{
	struct mm_struct *mm = current->mm;

	if (!mm || !current->thread.proc) {
		if (!have_clients())
			*(unsigned long *)freed = 1;
		return NOTIFY_OK;
	}
	if (!cmpxchg(&current->signal->oom_mm, NULL, mm)) {
		mmgrab(mm);
		current->thread.starved = true;
		set_thread_flag(TIF_MEMDIE);
		set_thread_flag(TIF_NOTIFY_RESUME);
	}
	*(unsigned long *)freed = 1;
	return NOTIFY_OK;
}

/* The call is over. */
void rump_memory_fed(void)
{
	struct mm_struct *mm;

	current->thread.starved = false;
	clear_thread_flag(TIF_MEMDIE);
	mm = xchg(&current->signal->oom_mm, NULL);
	if (mm)
		mmdrop(mm);
}

static struct notifier_block starved_block = { .notifier_call = starved };

static int __init rump_memory_init(void)
{
	return register_oom_notifier(&starved_block);
}
core_initcall(rump_memory_init);
