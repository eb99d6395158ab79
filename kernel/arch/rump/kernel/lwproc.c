// SPDX-License-Identifier: GPL-2.0-only
/*
 * lwproc.c - host threads as tasks.
 *
 * A thread gets its task from the agent of the process that it is to belong to
 * (agent.c), by its first call or by the public calls below.
 *
 * Limits: gettid() of a process's first thread is its pid, other threads (and the
 * agent) get ids of their own unless the host's are free here.
 */
#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/oom.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <rump/rumpuser.h>
#include "../../../lib/rumpk.h"
#include "rump.h"

/* as in <rump/rump.h>, which is for programs */
#define RUMP_RFFD_SHARE	0x1
#define RUMP_RFFD_CLEAR	0x2

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
		rump_proc_count_lwps(current->thread.proc, 1);
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
		rump_proc_hold(main_proc);		/* it stays when it has no threads */
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

	if (main_proc && rump_proc_is_gone(main_proc)) {
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

/* current goes on without its host thread, which returns from its call. */
void rump_lwp_free_task(void)
{
	struct rump_lwp *lwp = current->thread.lwp;
	struct rump_host *h = lwp->host;

	current->thread.lwp = NULL;
	current->thread.sigs = NULL;
	rump_proc_count_lwps(current->thread.proc, -1);
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

	t->thread.sigs = NULL;
	if (lwp) {
		struct rump_host *h = lwp->host;

		t->thread.lwp = NULL;
		rump_proc_count_lwps(t->thread.proc, -1);
		if (h) {
			h->lwp = NULL;
			if (h == this_host())
				h->leaving = true;
			else
				rump_host_post(h, HOST_DONE);
		}
		kfree(lwp);
	}
	if (t->thread.proc)
		rump_proc_leave(t);
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

	f->proc = rump_proc_find(f->pid);
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
