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
 *
 * Before all that, file systems on devices get a moment to commit their logs.  What is in
 * those in memory only pins all the inodes and buffers that it is about: reclaiming finds
 * nothing that could be written, and XFS commits of itself when 8 MB have come together,
 * or after 30 seconds; a small kernel is full before.
 */
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/notifier.h>
#include <linux/oom.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/workqueue.h>
#include "rump.h"

#define COMMIT_TIME	HZ		/* from when commits began until calls fail ... */
#define FAIL_TIME	(HZ / 4)	/* ... and for how long they do, before the next ones */

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

static struct workqueue_struct *commit_queue;
static bool commits_help = true;	/* there were file systems that could commit, at last */

static void commit_one(struct super_block *sb, void *found)
{
	if (!sb->s_bdev || sb_rdonly(sb) || !sb->s_op->sync_fs)
		return;
	*(bool *)found = true;
	sb->s_op->sync_fs(sb, 1);
}

/* By a thread that holds no lock: whoever wants memory may be mounting one of them. */
static void commit_all(struct work_struct *unused)
{
	bool found = false;

	iterate_supers(commit_one, &found);
	WRITE_ONCE(commits_help, found);
}
static DECLARE_WORK(commit_work, commit_all);

/* Waits for a tick while file systems write; false: they have had their time, or there are none. */
static bool wait_for_commits(void)
{
	static unsigned long began;
	static bool ever;

	if (ever && time_in_range(jiffies, began + COMMIT_TIME, began + COMMIT_TIME + FAIL_TIME))
		return false;
	if (!ever || time_after(jiffies, began + COMMIT_TIME)) {
		ever = true;
		began = jiffies;
		queue_work(commit_queue, &commit_work);
	} else if (!READ_ONCE(commits_help)) {
		return false;
	}
	schedule_timeout_uninterruptible(1);
	return true;
}

static int starved(struct notifier_block *nb, unsigned long unused, void *freed)
{
	struct mm_struct *mm = current->mm;

	if (wait_for_commits()) {
		*(unsigned long *)freed = 1;
		return NOTIFY_OK;
	}
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
	/* a thread for it is there from now on */
	commit_queue = alloc_workqueue("rump_commit", WQ_MEM_RECLAIM | WQ_UNBOUND, 1);
	if (!commit_queue)
		return -ENOMEM;
	return register_oom_notifier(&starved_block);
}
core_initcall(rump_memory_init);
