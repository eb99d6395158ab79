// SPDX-License-Identifier: GPL-2.0-only
/*
 * memory.c - when memory runs out, the call that wants it fails.
 *
 * Most of what fills a rump kernel's memory belongs to no process (files of the
 * ramfs root, socket buffers), so killing processes would not help.  The task in
 * whose call memory ran out is marked as the OOM killer marks its victims, but not
 * killed: its allocations may touch the reserves, then fail, and the call
 * returns -ENOMEM.  The mark is gone when the call is.  An embedded kernel's own process
 * is not for killing.
 *
 * A kernel thread that runs out is marked in the same way, for a moment: it may be the one
 * that writes files, for which it needs a little memory, and by which much becomes free; a
 * call that waits for it holds what it would find by reclaiming.  It tries again as long as
 * anything is written; if nothing is for PATIENCE, the OOM killer takes a server's client,
 * or what the thread wanted fails.
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
#include <linux/vmstat.h>
#include <linux/workqueue.h>
#include "rump.h"

#define COMMIT_TIME	HZ		/* from when commits began until calls fail ... */
#define FAIL_TIME	(HZ / 4)	/* ... and for how long they do, before the next ones */
#define FEED_TIME	(HZ / 4)	/* for how long a kernel thread may touch the reserves */
#define PATIENCE	(5 * HZ)

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

/* The reserves are current's from now on; false: they were already. */
static bool feed(struct mm_struct *mm)
{
	if (cmpxchg(&current->signal->oom_mm, NULL, mm))
		return false;
	mmgrab(mm);
	set_thread_flag(TIF_MEMDIE);
	return true;
}

static void wean(struct task_struct *p)
{
	struct mm_struct *mm;

	clear_tsk_thread_flag(p, TIF_MEMDIE);
	mm = xchg(&p->signal->oom_mm, NULL);
	if (mm)
		mmdrop(mm);
}

static void wean_threads(struct work_struct *unused)
{
	struct task_struct *p;

	rcu_read_lock();
	for_each_process(p)
		if (p->flags & PF_KTHREAD)
			wean(p);
	rcu_read_unlock();
}
static DECLARE_DELAYED_WORK(wean_work, wean_threads);

/* Nothing was written for PATIENCE, in which threads starved. */
static bool out_of_patience(void)
{
	static unsigned long since, last, written;
	unsigned long now = global_node_page_state(NR_WRITTEN);

	if (now != written || time_after(jiffies, last + HZ))
		since = jiffies;
	written = now;
	last = jiffies;
	return time_after(jiffies, since + PATIENCE);
}

/* True: the thread tries again, or, fed already, fails. */
static bool starved_thread(void)
{
	if (feed(&init_mm)) {
		queue_delayed_work(commit_queue, &wean_work, FEED_TIME);
		return true;
	}
	if (out_of_patience())
		return !have_clients();
	wean(current);
	schedule_timeout_uninterruptible(1);
	return true;
}

/* One at a time: Linux holds its oom_lock. */
static int starved(struct notifier_block *nb, unsigned long unused, void *freed)
{
	struct mm_struct *mm = current->mm;

	if (current->flags & PF_KTHREAD) {
		if (starved_thread())
			*(unsigned long *)freed = 1;
		return NOTIFY_OK;
	}
	if (wait_for_commits()) {
		*(unsigned long *)freed = 1;
		return NOTIFY_OK;
	}
	if (!mm || !current->thread.proc) {
		if (!have_clients())
			*(unsigned long *)freed = 1;
		return NOTIFY_OK;
	}
	if (feed(mm)) {
		current->thread.starved = true;
		set_thread_flag(TIF_NOTIFY_RESUME);
	}
	*(unsigned long *)freed = 1;
	return NOTIFY_OK;
}

/* The call is over. */
void rump_memory_fed(void)
{
	current->thread.starved = false;
	wean(current);
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
