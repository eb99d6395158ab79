// SPDX-License-Identifier: GPL-2.0-only
/*
 * lwproc.c - processes, their agents, and host threads as tasks of them.
 *
 * A task can only be cloned from within the process it is to belong to.  So
 * each process has an agent, a task without a host thread that does such work
 * for host threads that have no task yet; process 1 is the agent for new
 * processes.  All children are process 1's, which reaps them by ignoring SIGCHLD.
 *
 * The agent also hears of each signal for its process, by the queue that signalfd(2) has
 * for that, and has those looked at that came for a thread which is outside (syscall.c).
 *
 * Limits: gettid() of a process's first thread is its pid, other threads (and the
 * agent) get ids of their own unless the host's are free here.
 */
#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/oom.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <rump/rumpuser.h>
#include "../../../lib/rumpk.h"
#include "rump.h"

/* as in <rump/rump.h>, which is for programs */
#define RUMP_RFFD_SHARE	0x1
#define RUMP_RFFD_CLEAR	0x2

/* Each of its tasks holds a reference while the task's thread.proc points to it. */
struct rump_proc {
	struct kref		ref;
	struct rcu_head		rcu;		/* find_proc() */
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

	if (p) {
		rump_proc_get(p);
		atomic_inc(&p->ntasks);
	}
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

/* ---- host threads as tasks ---------------------------------------------------------------- */

static struct rump_proc *main_proc;	/* of threads that make a call just so */

struct attach {
	struct rump_spawn	spawn;
	struct rump_host	*host;
	struct rump_lwp		*lwp;		/* result, if ret is 0 */
	struct completion	*ready;
	int			tid;
	int			pid;
	int			ret;
	bool			share;		/* descriptors, of the parent */
	char			comm[TASK_COMM_LEN];
};

void rump_take_credentials(void)
{
	struct cred *new;

	if (current->cred == current->group_leader->cred)
		return;
	new = prepare_kernel_cred(current->group_leader);
	if (new)
		commit_creds(new);
}

/* In the new task: it is req->host from now on. */
static int lwp_first(void *arg)
{
	struct attach *a = arg;
	struct rump_host *h = a->host;
	struct rump_lwp *lwp = kzalloc(sizeof(*lwp), GFP_KERNEL);

	rump_take_credentials();
	a->ret = -ENOMEM;
	if (lwp) {
		lwp->task = current;
		lwp->stack = task_pt_regs(current);
		lwp->last = this_vcpu();
		lwp->host = h;
		current->thread.lwp = lwp;
		atomic_inc(&current->thread.proc->nlwps);
		a->lwp = lwp;
		a->ret = 0;
	}
	rump_host_post(h, HOST_SPAWNED);
	if (lwp)
		rump_lwp_main(lwp);
	return 0;
}

static int main_first(void *arg)
{
	struct attach *a = arg;

	main_proc = rump_proc_agent();
	if (main_proc) {
		rump_proc_get(main_proc);
		atomic_inc(&main_proc->ntasks);		/* it stays when it has no threads */
		current->signal->oom_score_adj = OOM_SCORE_ADJ_MIN;
	}
	complete(a->ready);
	if (!main_proc) {
		a->ret = -ENOMEM;
		rump_host_post(a->host, HOST_SPAWNED);
		return 0;
	}
	return lwp_first(a);
}

/* In the agent of the process that the thread is to belong to. */
static void attach_thread(struct rump_spawn *req)
{
	struct attach *a = container_of(req, struct attach, spawn);
	pid_t tid = -ESRCH;

	if (req->proc)
		tid = rump_thread_create(lwp_first, a, a->comm, a->tid);
	if (tid < 0) {
		a->ret = tid;
		rump_host_post(a->host, HOST_SPAWNED);
	}
}

/* In process 1: the calling thread's process is the default one, made if need be. */
static void attach_main(struct rump_spawn *req)
{
	struct attach *a = container_of(req, struct attach, spawn);
	DECLARE_COMPLETION_ONSTACK(ready);
	pid_t pid;

	if (main_proc && READ_ONCE(main_proc->gone)) {
		rump_proc_put(main_proc);
		main_proc = NULL;
	}
	if (main_proc) {
		req->proc = main_proc;
		req->fn = attach_thread;
		rump_spawn_post(req);
		return;
	}
	a->ready = &ready;
	pid = rump_proc_create(main_first, a, a->comm, a->pid);
	if (pid < 0) {
		a->ret = pid;
		rump_host_post(a->host, HOST_SPAWNED);
		return;
	}
	wait_for_completion(&ready);
}

/* From now on the thread is lwp, and no longer what it was. */
static void become(struct rump_host *h, struct rump_lwp *lwp)
{
	if (h->lwp)
		smp_store_release(&h->lwp->host, NULL);
	h->lwp = lwp;
}

static int attach(struct rump_host *h, struct rump_proc *p, void (*fn)(struct rump_spawn *))
{
	struct attach a = {
		.spawn = { .proc = p, .fn = fn },
		.host = h, .tid = rumpuser_gettid(), .pid = rumpuser_getpid(),
	};

	rumpuser_getcomm(a.comm, sizeof(a.comm));
	rumpuser_thread_register(h);
	h->tid = a.tid;
	h->interrupt = 0;
	/* a handler may have left a call by siglongjmp(): nobody waits there any more */
	rump_host_clear(h, HOST_WAITING | HOST_ASLEEP | HOST_KICK);
	rump_spawn_post(&a.spawn);
	rump_host_await(h, HOST_SPAWNED);
	if (!a.ret)
		become(h, a.lwp);
	return a.ret;
}

/* The calling thread has no task: gets one, in the default process. */
int rump_lwp_attach(void)
{
	struct rump_host *h;
	int r;

	r = rump_init();
	if (r)
		return r;
	h = rump_host_get();
	if (!h)
		return -EAGAIN;
	if (h->in_call)
		return -EBUSY;
	r = rump_door_enter(h);
	if (r)
		return r;
	r = attach(h, NULL, attach_main);
	WRITE_ONCE(h->in_call, false);
	return r;
}

struct rump_proc *rump_proc_main(void)
{
	struct rump_proc *p = main_proc;

	main_proc = NULL;
	return p;
}

void rump_proc_release(struct rump_proc *p)
{
	if (atomic_dec_and_test(&p->ntasks))
		rump_proc_end(p);
	rump_proc_put(p);
}

/* current goes on without its host thread, which returns from its call. */
void rump_lwp_free_task(void)
{
	struct rump_lwp *lwp = current->thread.lwp;
	struct rump_host *h = lwp->host;

	current->thread.lwp = NULL;
	current->thread.sigs = NULL;
	atomic_dec(&current->thread.proc->nlwps);
	kfree(lwp);
	h->lwp = NULL;
	if (h == this_host())
		h->leaving = true;
	else
		rump_host_post(h, HOST_DONE);
}

/* A task ends, of whatever kind (from do_exit()). */
void rump_lwp_exit(struct task_struct *t)
{
	struct rump_lwp *lwp = t->thread.lwp;
	struct rump_proc *p = t->thread.proc;

	t->thread.sigs = NULL;
	if (lwp) {
		struct rump_host *h = lwp->host;

		t->thread.lwp = NULL;
		atomic_dec(&p->nlwps);
		if (h) {
			h->lwp = NULL;
			if (h == this_host())
				h->leaving = true;
			else
				rump_host_post(h, HOST_DONE);
		}
		kfree(lwp);
	}
	if (p) {
		t->thread.proc = NULL;
		if (t != p->agent && atomic_dec_and_test(&p->ntasks))
			rump_proc_end(p);
		rump_proc_put(p);
	}
}

/* Upcall, on a host thread that is ending. */
void rump_thread_exit(void *host)
{
	struct rump_host *h = host;

	if (h->lwp && !h->in_call)
		rump_syscall_exit();
	if (!h->lwp)
		rump_host_put(h);
}

/* ---- the public calls -------------------------------------------------------------------------- */

static int fork_first(void *arg)
{
	struct attach *a = arg;

	if (!rump_proc_agent()) {
		a->ret = -ENOMEM;
		rump_host_post(a->host, HOST_SPAWNED);
		return 0;
	}
	return lwp_first(a);
}

/* In the caller's task, or in process 1 for a process without descriptors. */
static long do_rfork(void *arg)
{
	struct attach *a = arg;
	pid_t pid = rump_proc_fork(fork_first, a, a->comm, 0, a->share);

	return pid < 0 ? pid : 0;
}

static void spawn_clear(struct rump_spawn *req)
{
	struct attach *a = container_of(req, struct attach, spawn);
	pid_t pid = rump_proc_create(fork_first, a, a->comm, 0);

	if (pid < 0) {
		a->ret = pid;
		rump_host_post(a->host, HOST_SPAWNED);
	}
}

/* The calling thread's struct, with a task. */
static int attached(struct rump_host **hp)
{
	int r = 0;

	*hp = this_host();
	if (!*hp || !(*hp)->lwp) {
		r = rump_lwp_attach();
		*hp = this_host();
	}
	return r;
}

RUMP_PUBLIC int rump_pub_lwproc_rfork(int flags)
{
	struct attach a = { .spawn.fn = spawn_clear, .share = flags & RUMP_RFFD_SHARE };
	struct rump_host *h;
	int r;

	if (flags & ~(RUMP_RFFD_SHARE | RUMP_RFFD_CLEAR) ||
	    flags == (RUMP_RFFD_SHARE | RUMP_RFFD_CLEAR))
		return -EINVAL;
	r = attached(&h);
	if (r)
		return r;
	rumpuser_getcomm(a.comm, sizeof(a.comm));
	a.host = h;
	if (flags & RUMP_RFFD_CLEAR)
		rump_spawn_post(&a.spawn);
	else
		r = rump_call_function(do_rfork, &a);
	if (r)
		return r;
	rump_host_await(h, HOST_SPAWNED);
	if (!a.ret)
		become(h, a.lwp);
	return a.ret;
}

struct find {
	pid_t			pid;
	struct rump_proc	*proc;
};

static long find_proc(void *arg)
{
	struct find *f = arg;
	struct task_struct *t;

	rcu_read_lock();
	t = find_task_by_vpid(f->pid);
	if (t && t->thread.proc && kref_get_unless_zero(&t->thread.proc->ref))
		f->proc = t->thread.proc;
	rcu_read_unlock();
	return f->proc ? 0 : -ESRCH;
}

static long put_proc(void *arg)
{
	rump_proc_put(arg);
	return 0;
}

RUMP_PUBLIC int rump_pub_lwproc_newlwp(pid_t pid)
{
	struct find f = { .pid = pid };
	struct rump_host *h;
	int r;

	r = attached(&h);
	if (!r)
		r = rump_call_function(find_proc, &f);
	if (r)
		return r;
	r = attach(h, f.proc, attach_thread);
	rump_call_function(put_proc, f.proc);
	return r;
}

RUMP_PUBLIC struct rump_lwp *rump_pub_lwproc_curlwp(void)
{
	struct rump_host *h = this_host();

	return h ? h->lwp : NULL;
}

RUMP_PUBLIC int rump_pub_lwproc_switch(struct rump_lwp *lwp)
{
	struct rump_host *h = rump_host_get(), *none = NULL;

	if (!h)
		return -EAGAIN;
	if (h->lwp == lwp)
		return 0;
	if (lwp && !arch_try_cmpxchg(&lwp->host, &none, h))
		return -EBUSY;
	become(h, lwp);
	return 0;
}

RUMP_PUBLIC int rump_pub_lwproc_releaselwp(void)
{
	struct rump_host *h = this_host();

	if (!h || !h->lwp)
		return -ESRCH;
	return rump_syscall_exit();
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
