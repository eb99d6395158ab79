// SPDX-License-Identifier: GPL-2.0-only
/*
 * agent.c - processes, their agents, and the making of tasks.
 *
 * A task can only be cloned from within the process it is to belong to.  So
 * each process has an agent, a task without a host thread that does such work
 * for host threads that have no task yet; process 1 is the agent for new
 * processes.  All children are process 1's, which reaps them by ignoring SIGCHLD.
 *
 * The agent also hears of each signal for its process, by the queue that signalfd(2) has
 * for that, and has those looked at that came for a thread which is outside (syscall.c).
 */
#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include "rump.h"

/* Each of its tasks holds a reference while the task's thread.proc points to it. */
struct rump_proc {
	struct kref		ref;
	struct rcu_head		rcu;		/* rump_proc_find() */
	struct llist_head	reqs;
	struct task_struct	*agent;		/* referenced */
	atomic_t		ntasks;		/* without the agent */
	struct completion	begun;		/* agent is set */
	bool			ending;		/* the agent is to go */
	bool			gone;		/* it takes no more work (under lock) */
	bool			signalled;	/* it is to look at the threads */
	atomic_t		nlwps;		/* host threads among its tasks */
	wait_queue_entry_t	signals;
	spinlock_t		lock;
};

static struct rump_proc init_proc = { .lock = __SPIN_LOCK_UNLOCKED(init_proc.lock) };
static LLIST_HEAD(posted);

/* ---- work for agents ------------------------------------------------------------ */

void rump_spawn_post(struct rump_spawn *req)
{
	if (llist_add(&req->node, &posted))
		rump_irq_post(0, RUMP_IRQ_SPAWN);
}

static void queue(struct rump_proc *p, struct rump_spawn *req)
{
	unsigned long flags;
	bool gone;

	spin_lock_irqsave(&p->lock, flags);
	gone = p->gone;
	if (!gone)
		llist_add(&req->node, &p->reqs);
	spin_unlock_irqrestore(&p->lock, flags);
	if (gone) {
		req->proc = NULL;
		queue(&init_proc, req);
	} else {
		wake_up_process(p->agent);
	}
}

static void spawn_interrupt(void)
{
	struct llist_node *list = llist_reverse_order(llist_del_all(&posted));
	struct rump_spawn *req, *next;

	llist_for_each_entry_safe(req, next, list, node)
		queue(req->proc ? req->proc : &init_proc, req);
}

static void run_requests(struct llist_node *list)
{
	struct rump_spawn *req, *next;

	llist_for_each_entry_safe(req, next, llist_reverse_order(list), node)
		req->fn(req);
}

/* A signal was sent to a task of the process.  (Under its siglock.) */
static int on_signal(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct rump_proc *p = container_of(wait, struct rump_proc, signals);

	if (!atomic_read(&p->nlwps))
		return 0;
	WRITE_ONCE(p->signalled, true);
	return default_wake_function(wait, mode, sync, key);
}

/* Those that are parked outside take their signals.  Who sends one holds the lock. */
static void look_at_signals(void)
{
	struct task_struct *t;

	spin_lock_irq(&current->sighand->siglock);
	for_each_thread(current, t)
		if (t->thread.lwp && rump_signal_due(t))
			wake_up_state(t, TASK_PARKED);
	spin_unlock_irq(&current->sighand->siglock);
}

static void agent_loop(struct rump_proc *p)
{
	struct llist_node *list;

	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (READ_ONCE(p->signalled)) {
			__set_current_state(TASK_RUNNING);
			WRITE_ONCE(p->signalled, false);
			look_at_signals();
			continue;
		}
		list = llist_del_all(&p->reqs);
		if (!list) {
			if (p->ending || fatal_signal_pending(current))
				break;
			schedule();
			if (test_thread_flag(TIF_NOTIFY_SIGNAL))
				clear_notify_signal();
			continue;
		}
		__set_current_state(TASK_RUNNING);
		run_requests(list);
	}
	__set_current_state(TASK_RUNNING);
}

static void block_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	set_current_blocked(&all);
}

/* Agents, from whom tasks inherit their mask, take no signals. */
static void unblock_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	set_current_blocked(&none);
}

static void free_proc(struct kref *ref)
{
	struct rump_proc *p = container_of(ref, struct rump_proc, ref);

	put_task_struct(p->agent);
	kfree_rcu(p, rcu);
}

struct rump_proc *rump_proc_get(struct rump_proc *p)
{
	kref_get(&p->ref);
	return p;
}

void rump_proc_put(struct rump_proc *p)
{
	kref_put(&p->ref, free_proc);
}

void rump_proc_hold(struct rump_proc *p)
{
	rump_proc_get(p);
	atomic_inc(&p->ntasks);
}

void rump_proc_release(struct rump_proc *p)
{
	if (atomic_dec_and_test(&p->ntasks))
		rump_proc_end(p);
	rump_proc_put(p);
}

void rump_proc_leave(struct task_struct *t)
{
	struct rump_proc *p = t->thread.proc;

	t->thread.proc = NULL;
	if (t == p->agent)
		rump_proc_put(p);
	else
		rump_proc_release(p);
}

void rump_proc_count_lwps(struct rump_proc *p, int change)
{
	atomic_add(change, &p->nlwps);
}

bool rump_proc_is_gone(const struct rump_proc *p)
{
	return READ_ONCE(p->gone);
}

struct rump_proc *rump_proc_find(pid_t pid)
{
	struct rump_proc *p = NULL;
	struct task_struct *t;

	rcu_read_lock();
	t = find_task_by_vpid(pid);
	if (t && t->thread.proc && kref_get_unless_zero(&t->thread.proc->ref))
		p = t->thread.proc;
	rcu_read_unlock();
	return p;
}

static int agent_main(void *arg)
{
	struct rump_proc *p = arg;
	struct llist_node *list;

	p->agent = get_task_struct(current);
	init_waitqueue_func_entry(&p->signals, on_signal);
	p->signals.private = current;
	add_wait_queue(&current->sighand->signalfd_wqh, &p->signals);
	complete(&p->begun);
	block_signals();
	agent_loop(p);
	remove_wait_queue(&current->sighand->signalfd_wqh, &p->signals);
	spin_lock_irq(&p->lock);
	p->gone = true;
	list = llist_del_all(&p->reqs);
	spin_unlock_irq(&p->lock);
	while (list) {
		struct rump_spawn *req = llist_entry(list, struct rump_spawn, node);

		list = list->next;
		req->proc = NULL;
		queue(&init_proc, req);
	}
	return 0;
}

/* ---- making tasks ------------------------------------------------------------------ */

struct start {
	int			(*fn)(void *);
	void			*arg;
	struct rump_proc	*proc;
	char			comm[TASK_COMM_LEN];
};

static int task_first(void *arg)
{
	struct start s = *(struct start *)arg;

	kfree(arg);
	unblock_signals();
	current->thread.proc = s.proc;
	if (!s.proc)
		rump_signals_init();
	if (s.comm[0])
		set_task_comm(current, s.comm);
	return s.fn(s.arg);
}

static pid_t make_task(u64 flags, int (*fn)(void *), void *arg, struct rump_proc *proc,
		       const char *comm, pid_t want)
{
	struct start *s = kmalloc(sizeof(*s), GFP_KERNEL);
	struct kernel_clone_args args = {
		.flags = flags, .exit_signal = flags & CLONE_THREAD ? 0 : SIGCHLD,
		.fn = task_first, .fn_arg = s,
	};
	pid_t pid;

	if (!s)
		return -ENOMEM;
	s->fn = fn;
	s->arg = arg;
	s->proc = proc;
	strscpy_pad(s->comm, comm ? comm : "", sizeof(s->comm));
	if (want > 0) {
		args.set_tid = &want;
		args.set_tid_size = 1;
	}
	pid = kernel_clone(&args);
	if (pid == -EEXIST || (want > 0 && pid == -EINVAL)) {
		args.set_tid = NULL;
		args.set_tid_size = 0;
		pid = kernel_clone(&args);
	}
	if (pid < 0)
		kfree(s);
	return pid;
}

pid_t rump_proc_create(int (*fn)(void *), void *arg, const char *comm, pid_t want_pid)
{
	return make_task(0, fn, arg, NULL, comm, want_pid);
}

pid_t rump_proc_fork(int (*fn)(void *), void *arg, const char *comm, pid_t want_pid,
		     bool share_files)
{
	return make_task(CLONE_PARENT | (share_files ? CLONE_FILES : 0), fn, arg, NULL, comm,
			 want_pid);
}

#define THREAD_FLAGS \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

pid_t rump_thread_create(int (*fn)(void *), void *arg, const char *comm, pid_t want_tid)
{
	struct rump_proc *p = current->thread.proc;
	pid_t tid;

	if (p)
		rump_proc_hold(p);
	tid = make_task(THREAD_FLAGS, fn, arg, p, comm, want_tid);
	if (tid < 0 && p) {
		atomic_dec(&p->ntasks);
		rump_proc_put(p);
	}
	return tid;
}

struct rump_proc *rump_proc_agent(void)
{
	struct rump_proc *p = kzalloc(sizeof(*p), GFP_KERNEL);
	pid_t tid;

	if (!p)
		return NULL;
	kref_init(&p->ref);
	rump_proc_get(p);		/* the agent's */
	spin_lock_init(&p->lock);
	init_completion(&p->begun);
	atomic_set(&p->ntasks, 1);
	tid = make_task(THREAD_FLAGS, agent_main, p, p, NULL, 0);
	if (tid < 0) {
		kfree(p);
		return NULL;
	}
	/* It sets p->agent before it does anything else, even if it is killed at once. */
	wait_for_completion(&p->begun);
	current->thread.proc = p;
	return p;
}

void rump_proc_end(struct rump_proc *p)
{
	WRITE_ONCE(p->ending, true);
	wake_up_process(p->agent);
}

struct rump_proc *rump_proc_current(void)
{
	return current->thread.proc;
}

/* ---- process 1 ---------------------------------------------------------------------------------------- */

void __noreturn rump_init_process(void)
{
	set_task_comm(current, "init");
	/* the host's sleeps have a slack of their own */
	current->timer_slack_ns = current->default_timer_slack_ns = 1;
	/* how many descriptors a program may have, the host has decided */
	current->signal->rlim[RLIMIT_NOFILE].rlim_cur = sysctl_nr_open;
	current->signal->rlim[RLIMIT_NOFILE].rlim_max = sysctl_nr_open;
	rump_signals_init();
	block_signals();
	current->sighand->action[SIGCHLD - 1].sa.sa_handler = SIG_IGN;
	init_proc.agent = current;
	rump_irq_handler(RUMP_IRQ_SPAWN, spawn_interrupt);
	/* Nobody has looked at the clock while we booted: jiffies would make the first timeouts short. */
	cpu_relax();
	rump_vcpu_boot_done();
	for (;;)
		agent_loop(&init_proc);
}
