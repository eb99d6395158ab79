// SPDX-License-Identifier: GPL-2.0-only
/*
 * trace.c - `rump trace': the calls of clients, told to whoever has asked
 * (<rump/rump_trace.h>).
 *
 * A tracer is an open file with a ring of records.  The task that makes a call writes
 * them, under the ring's lock for as long as a copy of one record takes, and never
 * waits: what finds no room is counted, and the next record that does says how many.
 * Without a tracer a call costs one look at ntracers.
 *
 * Who may: what a tracer sees is the business of the user whose server it is, as the
 * end of the server is (sp_doors.c has what clients cannot do).
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <rump/rump_calls.h>
#include <rump/rump_trace.h>
#include "sp.h"

struct tracer {
	struct list_head	list;		/* of all, under tracers_lock */
	struct pid		*pid;		/* our reference; NULL: every client */
	struct sp_proc		*proc;		/* who reads; our reference */
	spinlock_t		lock;		/* of what follows */
	wait_queue_head_t	wait;
	u64			put, taken;	/* records, ever */
	u64			lost;		/* since the last one that was put */
	struct rump_trace_record ring[RUMP_TRACE_RECORDS];
};

static LIST_HEAD(tracers);
static DEFINE_SPINLOCK(tracers_lock);
unsigned int rump_ntracers;		/* changes under tracers_lock */

static void put(struct tracer *t, const struct rump_trace_record *r)
{
	struct rump_trace_record *slot;
	bool first;

	spin_lock(&t->lock);
	if (t->put - t->taken == RUMP_TRACE_RECORDS) {
		t->lost++;
		spin_unlock(&t->lock);
		return;
	}
	slot = &t->ring[t->put % RUMP_TRACE_RECORDS];
	*slot = *r;
	slot->lost = t->lost;
	t->lost = 0;
	first = t->put++ == t->taken;
	spin_unlock(&t->lock);
	if (first)
		wake_up_interruptible(&t->wait);
}

/* Of a process that reads a tracer itself nothing is told, nor that it becomes one. */
static bool is_reader(const struct sp_proc *p, u64 nr)
{
	const struct tracer *t;

	if (nr == RUMP_CALL_TRACE)
		return true;
	list_for_each_entry(t, &tracers, list)
		if (t->proc == p)
			return true;
	return false;
}

void sp_trace(const struct sp_task *st, enum rump_trace_what what, long ret)
{
	const struct rump_sp_syscall *req = st->req;
	struct rump_trace_record r = {
		.when = ktime_get_real_ns(),
		.pid = task_tgid_vnr(current), .tid = task_pid_vnr(current),
		.what = what, .ret = ret,
		.nr = req->nr == (s32)req->nr ? req->nr : -1,
	};
	struct tracer *t;

	BUILD_BUG_ON(sizeof(r.args) != sizeof(req->args));
	memcpy(r.args, req->args, sizeof(r.args));
	get_task_comm(r.comm, current);
	spin_lock(&tracers_lock);
	if (!is_reader(st->proc, req->nr))
		list_for_each_entry(t, &tracers, list)
			if (!t->pid || t->pid == task_tgid(current))
				put(t, &r);
	spin_unlock(&tracers_lock);
}

/* A task ends (from do_exit(), as current). */
void rump_trace_exit(struct task_struct *task)
{
	struct tracer *t;

	if (!sp_traced())
		return;
	spin_lock(&tracers_lock);
	list_for_each_entry(t, &tracers, list)
		if (t->pid && t->pid == task_tgid(task))
			wake_up_interruptible(&t->wait);
	spin_unlock(&tracers_lock);
}

/* ---- the file ----------------------------------------------------------- */

static bool is_empty(const struct tracer *t)
{
	return READ_ONCE(t->put) == READ_ONCE(t->taken);
}

/* The process that was asked for has ended: there will be no more. */
static bool is_over(const struct tracer *t)
{
	struct task_struct *p;
	bool over;

	if (!t->pid)
		return false;
	rcu_read_lock();
	p = pid_task(t->pid, PIDTYPE_TGID);
	over = !p || atomic_read(&p->signal->live) == 0;
	rcu_read_unlock();
	return over;
}

static ssize_t take(struct tracer *t, char __user *buf, size_t n)
{
	struct rump_trace_record r;
	size_t done = 0;

	while (n - done >= sizeof(r)) {
		spin_lock(&t->lock);
		if (t->put == t->taken) {
			spin_unlock(&t->lock);
			break;
		}
		r = t->ring[t->taken % RUMP_TRACE_RECORDS];
		t->taken++;
		spin_unlock(&t->lock);
		if (copy_to_user(buf + done, &r, sizeof(r)))
			return done ? done : -EFAULT;
		done += sizeof(r);
	}
	return done;
}

static ssize_t trace_read(struct file *file, char __user *buf, size_t n, loff_t *pos)
{
	struct tracer *t = file->private_data;
	ssize_t r;

	if (n < sizeof(struct rump_trace_record))
		return -EINVAL;
	for (;;) {
		r = take(t, buf, n);
		if (r)
			return r;
		if (is_over(t) && is_empty(t))
			return 0;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		r = wait_event_interruptible(t->wait, !is_empty(t) || is_over(t));
		if (r)
			return r;
	}
}

static __poll_t trace_poll(struct file *file, poll_table *pt)
{
	struct tracer *t = file->private_data;

	poll_wait(file, &t->wait, pt);
	return !is_empty(t) || is_over(t) ? EPOLLIN | EPOLLRDNORM : 0;
}

static void enlist(struct tracer *t, bool on)
{
	spin_lock(&tracers_lock);
	if (on)
		list_add_tail(&t->list, &tracers);
	else
		list_del(&t->list);
	WRITE_ONCE(rump_ntracers, rump_ntracers + (on ? 1 : -1));
	spin_unlock(&tracers_lock);
}

static void tracer_free(struct tracer *t)
{
	put_pid(t->pid);
	sp_proc_put(t->proc);
	kvfree(t);
}

static int trace_release(struct inode *inode, struct file *file)
{
	struct tracer *t = file->private_data;

	enlist(t, false);
	tracer_free(t);
	return 0;
}

static const struct file_operations trace_fops = {
	.owner = THIS_MODULE,
	.read = trace_read,
	.poll = trace_poll,
	.release = trace_release,
	.llseek = noop_llseek,
};

/* ---- the call ------------------------------------------------------------- */

static bool is_client(struct pid *pid)
{
	struct task_struct *p;
	bool client;

	rcu_read_lock();
	p = pid_task(pid, PIDTYPE_TGID);
	client = p && p->thread.remote;
	rcu_read_unlock();
	return client;
}

long rump_trace_call(int pid)
{
	struct sp_task *st = current->thread.remote;
	struct tracer *t;
	long fd;

	if (!st)
		return -EOPNOTSUPP;
	if (!rumpuser_sp_is_owner(st->chan))
		return -EPERM;
	if (pid < 0)
		return -EINVAL;
	t = kvzalloc(sizeof(*t), GFP_KERNEL);
	if (!t)
		return -ENOMEM;
	spin_lock_init(&t->lock);
	init_waitqueue_head(&t->wait);
	kref_get(&st->proc->ref);
	t->proc = st->proc;
	t->pid = pid ? find_get_pid(pid) : NULL;
	if (pid && !is_client(t->pid)) {
		tracer_free(t);
		return -ESRCH;
	}
	enlist(t, true);
	fd = anon_inode_getfd("[rump_trace]", &trace_fops, t, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		enlist(t, false);
		tracer_free(t);
	}
	return fd;
}
