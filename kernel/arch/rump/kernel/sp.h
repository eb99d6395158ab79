/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sp.h - sysproxy's server side in the kernel: what its files share.  See
 * sp.c for the theory of operation.
 */
#ifndef RUMP_KERNEL_SP_H
#define RUMP_KERNEL_SP_H

#include <linux/kref.h>
#include <linux/llist.h>
#include <linux/sched.h>
#include <linux/wait.h>
#include <rump/rump_trace.h>
#include <rump/rumpuser_sp.h>
#include "rump.h"

#define SP_WINDOWS	4		/* answers to COPYIN that are kept */

/* A client process. */
struct sp_proc {
	struct kref		ref;
	struct list_head	list;		/* of all, under procs_lock */
	struct rump_sp_cookie	cookie;
	struct rump_proc	*proc;		/* our reference; NULL until its leader runs */
	struct pid		*pid;		/* our reference; NULL likewise */
	atomic_t		live;		/* channels that have not hung up, with the heir */
	struct task_struct	*leader;	/* our reference; NULL until it runs */
	struct sp_task		*heir;		/* the next image's channel (sp_exec.c) */
	bool			bare;		/* BARE, of its PREFORK */
	/* made by PREFORK, and waiting for the child */
	bool			expected;
	bool			cancelled;
	struct sp_proc		*parent;	/* our reference */
	struct sp_task		*first;		/* has come; with this pid, or NULL: */
	struct pid		*first_pid;
	struct pid		*old_pid;	/* our reference: what it was until then */
	wait_queue_head_t	wait;
	char			comm[TASK_COMM_LEN];
};

/* Memory that the call has written: [addr + lo, addr + hi) is in data. */
struct extent {
	char			*data;
	u32			lo, hi;
	bool			sent;	/* an earlier one of this call */
};

/* Memory of the client, read during this call. */
struct window {
	unsigned long		addr;
	size_t			len;
	const char		*data;
	struct rumpuser_sp_msg	*msg;
};

/* A channel and its task. */
struct sp_task {
	refcount_t		ref;
	struct rumpuser_sp_chan	*chan;
	const struct rump_sp_hello *hello;
	struct sp_proc		*proc;
	struct task_struct	*task;		/* our reference */
	struct rump_spawn	spawn;

	/* from upcalls to the interrupt */
	struct llist_node	node;
	unsigned long		queued;
	atomic_t		events;
	u64			intr_reqno;

	unsigned int		turns;		/* messages served */

	/* between the interrupt and the task */
	spinlock_t		lock;
	u64			call_reqno;	/* of the call that is being made, else 0 */
	bool			in_call;
	bool			waiting;	/* for the channel */
	bool			hup;

	/* the call */
	struct rumpuser_sp_msg	*msg;
	struct rump_sp_syscall	*req;
	struct extent		out[RUMP_SP_SEGS_MAX];	/* of OUT segments */
	bool			out_ready;	/* out[].data are set */
	char			*room;		/* of those that are only written */
	size_t			roomlen;
	u32			out_off;	/* if the room is part of the reply: where */
	u32			in_order;	/* bytes of it that were written one after the other */
	u32			early;		/* of these, those that the client was told of */
	struct window		win[SP_WINDOWS];
	unsigned int		nextwin;
	size_t			lastfetch;
	u64			copyno;
	char			*gather;
	unsigned long		gaddr;
	size_t			glen;
	struct rump_signals	sigs;
	bool			passing;	/* a descriptor goes along with the answer */
	struct llist_head	later;		/* placeholders to be freed after the answer */
	struct file		*lent;		/* that descriptor's, our reference, or NULL */
	int			stock[RUMP_SP_STOCK_MAX];	/* 1 + a far end, ours, or 0 */

	/* the answer */
	struct {
		struct rump_sp_reply	r;
		char			rest[RUMP_SP_OUTS_MAX * sizeof(struct rump_sp_out) +
					     RUMP_NSIGS * sizeof(struct rump_sp_sig)];
	} reply;
	struct rumpuser_iovec	iov[RUMP_SP_OUTS_MAX + 4];
	char			*data[RUMP_SP_OUTS_MAX];	/* of the outs */
};

/* ---- sp.c: channels and their tasks ---- */

/* Upcall, and the interrupt that it leads to. */
void sp_event(void *cookie, unsigned int ev, uint64_t reqno);
void sp_interrupt(void);
/*
 * The next message.  killable: only a fatal signal ends the wait (-EINTR), and
 * timeout (jiffies) does (-ETIMEDOUT).
 */
int sp_next(struct sp_task *st, bool killable, long timeout, struct rumpuser_sp_msg **msgp);
int sp_send(struct sp_task *st, const struct rumpuser_iovec *iov, unsigned int niov);
/* One that begins with its header and is in one piece. */
int sp_send_small(struct sp_task *st, void *msg);
/*
 * Serves the channel until it ends, as current.  The rest of its life is
 * rump_sp_exit()'s business, also if a signal kills the task in here.
 */
void sp_serve(struct sp_task *st);
/* Answers the HELLO of a channel that nobody serves yet; refuse: and frees st. */
void sp_hello_reply(struct sp_task *st, int error);
void sp_refuse(struct sp_task *st, int error);
/* Ends a channel that nobody serves any more, and drops st. */
void sp_end(struct sp_task *st);

/* ---- sp_proc.c: processes ---- */

void sp_task_put(struct sp_task *st);
void sp_proc_put(struct sp_proc *p);
/* Takes p out of the list: nobody finds it any more.  Drops the list's reference. */
void sp_proc_unlist(struct sp_proc *p);
/* A channel of p has hung up.  From anywhere, also under the channel's lock. */
void sp_proc_left(struct sp_proc *p);
/*
 * The process proc, which is current's, as a client's; as if it had one channel, for
 * sp_proc_left().  The caller has a reference.  NULL: no memory.
 */
struct sp_proc *sp_proc_keep(struct rump_proc *proc, struct rump_sp_cookie *cookie);
bool sp_procs_any(void);
/* A process that may get a further channel, which is counted already; or NULL. */
struct sp_proc *sp_proc_join(const struct rump_sp_cookie *c);
/* Requests of a client. */
int sp_prefork(struct sp_task *st, const struct rump_sp_hdr *hdr);
int sp_fork_cancel(struct sp_task *st, const struct rump_sp_cancel *q);

/* ---- sp_doors.c: what clients cannot do ---- */

/* Once, before clients come. */
void sp_doors(bool trust);
/* In a new client's first task. */
int sp_become_guest(void);
bool sp_refused(long nr);

/* ---- trace.c: calls are told to `rump trace' ---- */

extern unsigned int rump_ntracers;
/* The call that st has, as current; ret: if it returns. */
void sp_trace(const struct sp_task *st, enum rump_trace_what what, long ret);
static inline bool sp_traced(void)
{
	return unlikely(READ_ONCE(rump_ntracers));
}

/* ---- sp_exec.c: a process goes on as another program ---- */

/* The life of a process's first task, with its first channel, or none yet (NULL). */
void sp_lead(struct sp_proc *p, struct sp_task *st);
/* A channel that says EXEC. */
void sp_new_exec(struct sp_task *st);
/* From now on there is no next image. */
void sp_heir_refuse(struct sp_proc *p);

/* ---- sp_mem.c: the client's memory, during a call ---- */

/*
 * What the call has written, for its reply: the outs, which have room (their number is
 * returned); then, with *lenp bytes in front of them, their places, and pieces from
 * st->iov[1] on (their number is returned, *lenp is the end).
 */
static inline bool sp_mem_written(const struct sp_task *st)
{
	return st->req->nsegs || st->glen;
}
unsigned int sp_mem_collect(struct sp_task *st, struct rump_sp_out *outs);
unsigned int sp_mem_lay_out(struct sp_task *st, struct rump_sp_out *outs, unsigned int n,
			    size_t *lenp);
/* The call is over. */
void sp_mem_forget(struct sp_task *st);

#endif
