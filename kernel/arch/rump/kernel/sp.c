// SPDX-License-Identifier: GPL-2.0-only
/*
 * sp.c - clients of a rump_server: processes of this kernel whose programs run
 * elsewhere (protocol: <rump/rump_sp.h>; connections: hypercall/sp.c).
 *
 * A channel's task waits on its kernel stack for the next request, makes the
 * call, answers.  No host thread belongs to it, so blocked calls cost a stack.
 *
 * The host's upcalls only set bits and queue the task's struct; an interrupt
 * then wakes it or, during a call, makes that end with EINTR.  The struct has a
 * reference for being queued, and one for its task.
 *
 * User memory of such a task (thread.remote) is sp_mem.c's business, how processes
 * and tasks come about sp_proc.c's.
 *
 * The end: a channel that hangs up ends its task, but for a process's first task, which
 * stays for the case of exec (sp_exec.c); when the last channel of a process has hung
 * up, the process is killed, so that also a call which nothing interrupts ends.
 */
#include <linux/file.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <linux/sched/task.h>
#include <linux/utsname.h>
#include <asm/unistd.h>
#include <rump/rump_calls.h>
#include "sp.h"

#define TURNS	16	/* messages of one client, until others get their turn */

/* ---- what the host tells -------------------------------------------- */

static LLIST_HEAD(events);

/* Upcall. */
void sp_event(void *cookie, unsigned int ev, uint64_t reqno)
{
	struct sp_task *st = cookie;

	if (ev & RUMPUSER_SP_INTR)
		WRITE_ONCE(st->intr_reqno, reqno);
	atomic_or(ev, &st->events);
	if (test_and_set_bit(0, &st->queued))
		return;
	refcount_inc(&st->ref);
	if (llist_add(&st->node, &events))
		rump_irq_post(task_cpu(st->task), RUMP_IRQ_SP);
}

/* Makes the call that is under way end early.  Under st->lock. */
static void interrupt_call(struct sp_task *st)
{
	st->task->thread.interrupted = true;
	set_notify_signal(st->task);
}

static void handle_event(struct sp_task *st, unsigned int ev)
{
	unsigned long flags;

	spin_lock_irqsave(&st->lock, flags);
	if (ev & RUMPUSER_SP_HUP && !st->hup) {
		WRITE_ONCE(st->hup, true);
		smp_mb();
		if (READ_ONCE(st->in_call))
			interrupt_call(st);
		sp_proc_left(st->proc);
		rump_map_look();
	}
	smp_mb();
	if (ev & RUMPUSER_SP_INTR && READ_ONCE(st->in_call) &&
	    READ_ONCE(st->call_reqno) == READ_ONCE(st->intr_reqno))
		interrupt_call(st);
	if (READ_ONCE(st->waiting))
		wake_up_process(st->task);
	spin_unlock_irqrestore(&st->lock, flags);
}

void sp_interrupt(void)
{
	struct llist_node *list = llist_reverse_order(llist_del_all(&events));
	struct sp_task *st, *next;

	llist_for_each_entry_safe(st, next, list, node) {
		clear_bit(0, &st->queued);
		smp_mb__after_atomic();
		handle_event(st, atomic_xchg(&st->events, 0));
		sp_task_put(st);
	}
}

/* ---- waiting for the channel ------------------------------------- */

int sp_next(struct sp_task *st, bool killable, long timeout, struct rumpuser_sp_msg **msgp)
{
	int state = killable ? TASK_KILLABLE : TASK_INTERRUPTIBLE;
	int r;

	r = rumpuser_sp_next(st->chan, msgp);
	if (r == -EAGAIN && rump_vcpu_linger(st->chan, true))
		r = rumpuser_sp_next(st->chan, msgp);
	if (r != -EAGAIN)
		return r;
	WRITE_ONCE(st->waiting, true);
	for (;;) {
		set_current_state(state);
		r = rumpuser_sp_next(st->chan, msgp);
		if (r != -EAGAIN)
			break;
		r = -EINTR;
		if (signal_pending_state(state, current))
			break;
		r = -ETIMEDOUT;
		if (timeout == 0)
			break;
		timeout = schedule_timeout(timeout);
	}
	__set_current_state(TASK_RUNNING);
	WRITE_ONCE(st->waiting, false);
	return r;
}

int sp_send(struct sp_task *st, const struct rumpuser_iovec *iov, unsigned int niov)
{
	size_t done = 0;
	int r;

	r = rumpuser_sp_send(st->chan, iov, niov, &done);
	if (likely(r != -EAGAIN))
		return r;
	WRITE_ONCE(st->waiting, true);
	for (;;) {
		set_current_state(TASK_KILLABLE);
		r = rumpuser_sp_send(st->chan, iov, niov, &done);
		if (r != -EAGAIN)
			break;
		r = -EINTR;
		if (fatal_signal_pending(current))
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	WRITE_ONCE(st->waiting, false);
	return r;
}

int sp_send_small(struct sp_task *st, void *msg)
{
	struct rumpuser_iovec iov = { msg, ((struct rump_sp_hdr *)msg)->len };

	return sp_send(st, &iov, 1);
}

/* ---- requests ------------------------------------------------------ */

/* RUMP_CALL_HOST_GET: the client's copy is made by sending ours. */
static long lend_hostfile(struct sp_task *st, int rfd)
{
	struct file *file;
	int fd;

	file = rump_hostfile(rfd, &fd);
	if (IS_ERR(file))
		return PTR_ERR(file);
	rumpuser_sp_lend(st->chan, fd);
	st->lent = file;
	st->passing = true;
	return 0;
}

struct llist_head *rump_sp_later(void)
{
	struct sp_task *st = current->thread.remote;

	return st ? &st->later : NULL;
}

static void stock_close(struct sp_task *st)
{
	unsigned int i;

	for (i = 0; i < RUMP_SP_STOCK_MAX; i++)
		if (st->stock[i])
			rumpuser_ph_close(st->stock[i] - 1);
	memset(st->stock, 0, sizeof(st->stock));
}

/* STOCK */
static int stock_fill(struct sp_task *st, struct rumpuser_sp_msg *msg)
{
	struct rump_sp_reply r = {
		.hdr = { .len = sizeof(r), .type = RUMP_SP_REPLY, .reqno = msg->hdr->reqno },
	};
	unsigned int i, n = msg->nfds;

	stock_close(st);
	msg->fd = -1;
	msg->nfds = 0;
	for (i = 0; i < n; i++) {
		int own = rumpuser_ph_take(msg->fds[i]);

		if (own < 0)
			r.ret = own;
		else
			st->stock[i] = own + 1;
	}
	if (r.ret < 0)
		stock_close(st);
	return sp_send_small(st, &r);
}

/* From the stock. */
static long stock_attach(struct sp_task *st, int fd)
{
	int *far = &st->stock[st->req->stock];
	long err = *far ? rump_ph_attach(fd, *far - 1) : -EBADF;

	if (!err)
		*far = 0;
	return err;
}

/* The call that the client has made has returned descriptor fd. */
static long attach_result(struct sp_task *st, struct rumpuser_sp_msg *msg, int fd)
{
	long args[6] = { fd, msg->fd }, err;

	if (st->req->hdr.flags & RUMP_SP_F_STOCKED) {
		err = stock_attach(st, fd);
	} else {
		msg->fd = -1;
		err = rump_do_syscall(RUMP_CALL_FD_ATTACH, args);
	}
	if (err == 0)
		return fd;
	rump_do_syscall(__NR_close, args);
	return err;
}

static long make_call(struct sp_task *st)
{
	struct rumpuser_sp_msg *msg = st->msg;
	const struct rump_sp_syscall *req = st->req;
	long args[6], nr = req->nr, ret;

	memcpy(args, req->args, sizeof(args));
	if (sp_refused(nr))
		return -ENOSYS;
	if (rumpuser_sp_is_relayed(st->chan) && (nr == RUMP_CALL_HOST_PUT ||
						 nr == RUMP_CALL_HOST_GET))
		return -EOPNOTSUPP;
	if (nr == RUMP_CALL_HOST_GET)
		return lend_hostfile(st, args[0]);
	if (nr == RUMP_CALL_FD_ATTACH && req->hdr.flags & RUMP_SP_F_STOCKED)
		return stock_attach(st, args[0]);
	/* A number of ours is no descriptor of the client's: it has to send one. */
	if (nr == RUMP_CALL_FD_ATTACH || nr == RUMP_CALL_FD_ADOPT || nr == RUMP_CALL_HOST_PUT) {
		if (msg->fd < 0)
			return -EBADF;
		args[nr == RUMP_CALL_FD_ATTACH] = msg->fd;
		if (nr == RUMP_CALL_FD_ATTACH)
			msg->fd = -1;
	}
	if (nr == RUMP_CALL_MAP && rumpuser_sp_is_relayed(st->chan))
		return -ENODEV;
	ret = rump_do_syscall(nr, args);
	if (nr == RUMP_CALL_MAP && ret >= 0) {
		rumpuser_sp_pass(st->chan, ret);
		st->passing = true;
		return 0;
	}
	if (req->hdr.flags & (RUMP_SP_F_ATTACH | RUMP_SP_F_STOCKED) && ret >= 0)
		ret = attach_result(st, msg, ret);
	return ret;
}

/* The answer to the request that st has, with what the call has written. */
static int send_reply(struct sp_task *st, long ret)
{
	struct rump_sp_reply *r = &st->reply.r;
	unsigned int i, niov, n = sp_mem_written(st) ? sp_mem_collect(st, r->outs) : 0;
	struct rump_sp_sig *sig = (struct rump_sp_sig *)(r->outs + n);
	size_t len;

	for (i = 0; i < st->sigs.n; i++)
		*sig++ = (struct rump_sp_sig){
			.signo = st->sigs.s[i].signo, .code = st->sigs.s[i].code,
			.error = st->sigs.s[i].err, .value = st->sigs.s[i].value,
			.process = st->sigs.s[i].process,
		};
	len = (char *)sig - (char *)r;
	st->iov[0] = (struct rumpuser_iovec){ r, len };
	niov = n ? 1 + sp_mem_lay_out(st, r->outs, n, &len) : 1;
	if (len % 8)
		st->iov[niov++] = (struct rumpuser_iovec){ NULL, RUMP_SP_ALIGN(len) - len };
	r->hdr = (struct rump_sp_hdr){
		.len = RUMP_SP_ALIGN(len), .type = RUMP_SP_REPLY, .nfds = st->passing,
		.reqno = st->req->hdr.reqno,
	};
	st->passing = false;
	r->ret = ret;
	r->nouts = n;
	r->nsigs = st->sigs.n;
	r->early = st->early;
	st->sigs.n = 0;
	return sp_send(st, st->iov, niov);
}

/* Between us and handle_event(), an interrupt, which is another vCPU's if there are several. */
static __always_inline void event_mb(void)
{
	if (unlikely(rump_nvcpu > 1))
		smp_mb();
	else
		barrier();
}

/*
 * A call of ours begins or ends: from here to there it can be interrupted.  Without the
 * lock, which handle_event() holds: whoever of us comes second sees the other.
 */
static void begin_call(struct sp_task *st, u64 reqno)
{
	WRITE_ONCE(st->call_reqno, reqno);
	WRITE_ONCE(st->in_call, true);
	event_mb();
	if (likely(!READ_ONCE(st->hup) && READ_ONCE(st->intr_reqno) != reqno))
		return;
	spin_lock_irq(&st->lock);
	interrupt_call(st);
	spin_unlock_irq(&st->lock);
}

static void end_call(struct sp_task *st)
{
	WRITE_ONCE(st->in_call, false);
	event_mb();
	if (unlikely(spin_is_locked(&st->lock))) {
		spin_lock_irq(&st->lock);
		spin_unlock_irq(&st->lock);
	}
	WRITE_ONCE(current->thread.interrupted, false);
}

static int do_syscall(struct sp_task *st, struct rumpuser_sp_msg *msg)
{
	unsigned int i;
	u64 end;
	long ret;
	int r;

	st->msg = msg;
	st->req = (struct rump_sp_syscall *)msg->hdr;
	for (i = 0; i < st->req->nsegs; i++)
		st->out[i] = (struct extent){ 0 };
	memcpy(&end, (char *)msg->hdr + msg->hdr->len - sizeof(end), sizeof(end));
	ret = -EFAULT;
	begin_call(st, msg->hdr->reqno);
	if (sp_traced())
		sp_trace(st, RUMP_TRACE_CALL, 0);
	if (end == RUMP_SP_END_OK)
		ret = make_call(st);
	if (unlikely(msg->fd >= 0))
		rumpuser_sp_drop(st->chan, msg);
	if (sp_traced())
		sp_trace(st, RUMP_TRACE_RETURN, ret);
	r = send_reply(st, ret);
	end_call(st);
	sp_mem_forget(st);
	rump_ph_free_now(&st->later);
	if (unlikely(st->lent)) {
		fput(st->lent);
		st->lent = NULL;
	}
	return r;
}

/* ---- a channel's task ----------------------------------------------- */

static void hello_fill(struct sp_task *st, struct rump_sp_hello_reply *r, int error)
{
	*r = (struct rump_sp_hello_reply){
		.hdr = {
			.len = sizeof(*r), .type = RUMP_SP_HELLO_REPLY,
			.reqno = st->hello->hdr.reqno,
		},
		.version = RUMP_SP_VERSION, .machine = RUMP_SP_MACHINE, .error = error,
	};
	memcpy(r->magic, RUMP_SP_MAGIC, sizeof(r->magic));
	strscpy(r->release, init_utsname()->release, sizeof(r->release));
}

void sp_hello_reply(struct sp_task *st, int error)
{
	struct rump_sp_hello_reply r;
	struct rumpuser_iovec iov = { &r, sizeof(r) };
	size_t done = 0;

	hello_fill(st, &r, error);
	/* The first bytes on a fresh connection always find room. */
	rumpuser_sp_send(st->chan, &iov, 1, &done);
}

void sp_refuse(struct sp_task *st, int error)
{
	sp_hello_reply(st, error);
	rumpuser_sp_close(st->chan);
	sp_task_put(st);
}

/*
 * Signals and other work for a task that has no call to make.  The client's process gets
 * its signals at once, from the host; what cannot be sent waits for the next reply.
 */
static void idle_work(struct sp_task *st)
{
	struct rump_signals *s = &st->sigs;
	long args[6] = { 0 };
	unsigned int i, n;

	rump_do_syscall(__NR_getpid, args);
	for (i = n = 0; i < s->n; i++)
		if (rumpuser_sp_signal(st->chan, s->s[i].signo, s->s[i].code, s->s[i].err,
				       s->s[i].value))
			s->s[n++] = s->s[i];
	s->n = n;
}

/*
 * A client whose messages keep coming leaves the vCPU to others now and then: to those
 * whose tasks wait for it, and those whose messages nobody has seen yet.
 */
static void take_turns(struct sp_task *st)
{
	if (++st->turns % TURNS) {
		cond_resched();
		return;
	}
	rump_vcpu_linger(st->chan, false);
	if (!single_task_running())
		yield();
}

void sp_serve(struct sp_task *st)
{
	struct rump_sp_hello_reply r;
	struct rumpuser_sp_msg *msg;
	int err;

	if (!st->task)
		st->task = get_task_struct(current);
	current->thread.remote = st;
	current->thread.sigs = &st->sigs;
	rumpuser_sp_own(st->chan, st);
	hello_fill(st, &r, 0);
	r.pid = task_tgid_vnr(current);
	r.tid = task_pid_vnr(current);
	r.cookie = st->proc->cookie;
	err = sp_send_small(st, &r);
	while (!err) {
		err = sp_next(st, st->sigs.n == RUMP_NSIGS, MAX_SCHEDULE_TIMEOUT, &msg);
		if (err) {
			if (err != -ECONNRESET) {
				idle_work(st);
				err = 0;
			}
			continue;
		}
		switch (msg->hdr->type) {
		case RUMP_SP_SYSCALL:
			err = do_syscall(st, msg);
			break;
		case RUMP_SP_PREFORK:
			err = sp_prefork(st, msg->hdr);
			break;
		case RUMP_SP_FORK_CANCEL:
			err = sp_fork_cancel(st, (const struct rump_sp_cancel *)msg->hdr);
			break;
		case RUMP_SP_RING:
			err = rumpuser_sp_ring(st->chan, msg->hdr->reqno);
			break;
		case RUMP_SP_STOCK:
			err = stock_fill(st, msg);
			break;
		default:
			rumpuser_warn("client %s[%d] is cut off: an answer to no question",
				      st->hello->comm, st->hello->pid);
			err = -EPROTO;
		}
		rumpuser_sp_release(st->chan, msg);
		st->msg = NULL;
		take_turns(st);
	}
}

void sp_end(struct sp_task *st)
{
	if (st->msg) {
		sp_mem_forget(st);
		rumpuser_sp_release(st->chan, st->msg);
		st->msg = NULL;
	}
	rumpuser_sp_close(st->chan);
	stock_close(st);
	rump_ph_free_now(&st->later);
	/* Now that no more events come: it may have ended without a hang-up. */
	spin_lock_irq(&st->lock);
	st->in_call = false;
	if (!st->hup) {
		st->hup = true;
		sp_proc_left(st->proc);
	}
	spin_unlock_irq(&st->lock);
	if (atomic_read(&st->proc->live) == 0)
		sp_proc_unlist(st->proc);
	sp_task_put(st);
}

/* A task with a channel ends (from do_exit(), as current). */
void rump_sp_exit(struct task_struct *t)
{
	struct sp_task *st = t->thread.remote;

	t->thread.remote = NULL;
	t->thread.sigs = NULL;
	if (thread_group_leader(t))
		sp_heir_refuse(st->proc);
	sp_end(st);
}
