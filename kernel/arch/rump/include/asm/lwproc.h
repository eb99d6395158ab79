/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lwproc.h - processes and threads of the rump kernel.
 *
 * Tasks can only be made from within the process that they are to be part of,
 * so every process has an agent: a task that waits in the kernel for work.
 * Process 1 is the agent that makes processes.
 */
#ifndef _ASM_RUMP_LWPROC_H
#define _ASM_RUMP_LWPROC_H

#include <linux/llist.h>
#include <linux/types.h>

struct task_struct;
struct rump_proc;

/*
 * Work for an agent.  post: from any host thread or context, without locks.
 * fn runs in the agent's task and may sleep; from then on req is fn's.  When the
 * process is gone already, fn runs in process 1 with req->proc NULL.
 */
struct rump_spawn {
	struct llist_node	node;
	struct rump_proc	*proc;		/* NULL: process 1 */
	void			(*fn)(struct rump_spawn *req);
};
void rump_spawn_post(struct rump_spawn *req);

/*
 * A process: made by process 1 (its descriptors, cwd and so on are process 1's,
 * that is none and /) or by a task of another process (copies of that one's).
 * Its leader runs fn(arg) on its kernel stack with all signals handled by
 * rump_exit_work(); returning from fn ends that task.  want_pid: the pid to have
 * if it is free; 0: any.  Returns the pid or -errno.
 */
pid_t rump_proc_create(int (*fn)(void *), void *arg, const char *comm, pid_t want_pid);
pid_t rump_proc_fork(int (*fn)(void *), void *arg, const char *comm, pid_t want_pid,
		     bool share_files);
/* A further thread of current's process. */
pid_t rump_thread_create(int (*fn)(void *), void *arg, const char *comm, pid_t want_tid);

/*
 * To be called first by a process's leader: gives it an agent.  The agent ends
 * when the process does, or with rump_proc_end().  The struct is freed then.
 */
struct rump_proc *rump_proc_agent(void);
void rump_proc_end(struct rump_proc *p);
/* A new thread's: the agent made it, whose credentials are those that the process began with. */
void rump_take_credentials(void);
/* current's, NULL for kernel threads; the pid of p */
struct rump_proc *rump_proc_current(void);
/* p in a call that must not outlive it: takes and drops a reference */
struct rump_proc *rump_proc_get(struct rump_proc *p);
void rump_proc_put(struct rump_proc *p);

/* The same, and it stays when it has no tasks. */
void rump_proc_hold(struct rump_proc *p);
void rump_proc_release(struct rump_proc *p);
/* Task t of a process ends. */
void rump_proc_leave(struct task_struct *t);
/* Host threads among p's tasks: signals concern it as long as there are any. */
void rump_proc_count_lwps(struct rump_proc *p, int change);
/* It takes no more work. */
bool rump_proc_is_gone(const struct rump_proc *p);
/* The process of task pid, with a reference; NULL. */
struct rump_proc *rump_proc_find(pid_t pid);

/* The default process, which is that no more; ours to release, with all that kept it. */
struct rump_proc *rump_proc_main(void);

/* Signals that a call has raised at its caller, to be delivered outside. */
#define RUMP_NSIGS	8
struct rump_signals {
	unsigned int n;
	struct {
		int signo, code, err;
		bool process;		/* for the process, not the thread */
		u64 value;
	} s[RUMP_NSIGS];
};

/*
 * Runs system call nr (or a private one) in current, with what is due before a
 * call returns: task work, signals (put into current->thread.sigs), a turn for
 * others.  Result or -errno, restarts done.
 */
long rump_do_syscall(long nr, const long args[6]);

#endif
