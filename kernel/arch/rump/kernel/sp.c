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
 * User memory of such a task (thread.remote): the request's segments, on our
 * private copy of the message, come first.  Data that the call writes elsewhere
 * gather in a buffer as long as they are contiguous, and go along with the
 * reply.  What else the call reads is asked for, somewhat ahead, and kept until
 * the call ends; what it writes beyond is sent.  Where sleeping is not possible,
 * such an access fails, as a page that is not there does.
 *
 * The end: a channel that hangs up ends its task; when the last one of a process
 * has, the process is killed, so that also a call which nothing interrupts ends.
 *
 * Limits: bytes that a call leaves out between two pieces of an output buffer
 * become zeroes if they are at most GAP_MAX; a client that does not answer a
 * question about its memory for COPY_TIMEOUT is cut off.
 */
#include <linux/kref.h>
#include <linux/llist.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/utsname.h>
#include <linux/wait.h>
#include <asm/unistd.h>
#include <rump/rump_calls.h>
#include <rump/rumpuser_sp.h>
#include "../../../lib/rumpk.h"
#include "rump.h"

#define GAP_MAX		64
#define WINDOWS		4			/* answers to COPYIN that are kept */
#define WINDOW_MAX	(256u << 10)
#define GATHER		(32u << 10)
#define COPY_TIMEOUT	(30 * HZ)
#define FORK_TIMEOUT	(60 * HZ)
#define STOP_TIMEOUT	(5 * HZ)

/* A client process. */
struct sp_proc {
	struct kref		ref;
	struct list_head	list;		/* of all, under procs_lock */
	struct rump_sp_cookie	cookie;
	struct rump_proc	*proc;		/* our reference; NULL until its leader runs */
	struct pid		*pid;		/* our reference; NULL likewise */
	atomic_t		live;		/* channels that have not hung up */
	/* made by PREFORK, and waiting for the child */
	bool			expected;
	bool			cancelled;
	struct sp_task		*first;		/* has come */
	wait_queue_head_t	wait;
	char			comm[TASK_COMM_LEN];
};

/* Memory that the call has written: [addr + lo, addr + hi) is in data. */
struct extent {
	char			*data;
	u32			lo, hi;
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
	struct window		win[WINDOWS];
	unsigned int		nextwin;
	size_t			lastfetch;
	u64			copyno;
	char			*gather;
	unsigned long		gaddr;
	size_t			glen;
	struct rump_signals	sigs;

	/* the answer */
	struct {
		struct rump_sp_reply	r;
		char			rest[RUMP_SP_OUTS_MAX * sizeof(struct rump_sp_out) +
					     RUMP_NSIGS * sizeof(struct rump_sp_sig)];
	} reply;
	struct rumpuser_iovec	iov[RUMP_SP_OUTS_MAX + 3];
};

static LIST_HEAD(procs);
static unsigned int nprocs;
static DEFINE_SPINLOCK(procs_lock);
static bool stopping;
static DECLARE_WAIT_QUEUE_HEAD(procs_gone);
static const char zeroes[PAGE_SIZE];

/* ---- lifetime ---------------------------------------------------------------------- */

static void proc_free(struct kref *ref)
{
	struct sp_proc *p = container_of(ref, struct sp_proc, ref);

	if (p->proc)
		rump_proc_put(p->proc);
	put_pid(p->pid);
	kfree(p);
}

static void proc_put(struct sp_proc *p)
{
	if (p)
		kref_put(&p->ref, proc_free);
}

static struct sp_proc *proc_alloc(const char *comm)
{
	static u64 last_id;
	struct sp_proc *p = kzalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return NULL;
	kref_init(&p->ref);
	init_waitqueue_head(&p->wait);
	strscpy(p->comm, comm, sizeof(p->comm));
	p->cookie.secret = get_random_u64();
	spin_lock_irq(&procs_lock);
	p->cookie.id = ++last_id;
	list_add_tail(&p->list, &procs);
	nprocs++;
	spin_unlock_irq(&procs_lock);
	return p;
}

/* Takes p out of the list: nobody finds it any more.  Drops the creator's reference. */
static void proc_unlist(struct sp_proc *p)
{
	bool gone = false;

	spin_lock_irq(&procs_lock);
	if (!list_empty(&p->list)) {
		list_del_init(&p->list);
		nprocs--;
		gone = true;
	}
	spin_unlock_irq(&procs_lock);
	if (gone) {
		wake_up(&procs_gone);
		proc_put(p);
	}
}

/* A reference, or NULL.  child: one that PREFORK made and no child has claimed yet. */
static struct sp_proc *proc_find(const struct rump_sp_cookie *c, bool child)
{
	struct sp_proc *p, *found = NULL;

	spin_lock_irq(&procs_lock);
	list_for_each_entry(p, &procs, list) {
		if (p->cookie.id != c->id || p->cookie.secret != c->secret ||
		    p->expected != child)
			continue;
		kref_get(&p->ref);
		found = p;
		break;
	}
	spin_unlock_irq(&procs_lock);
	return found;
}

static void task_put(struct sp_task *st)
{
	if (!refcount_dec_and_test(&st->ref))
		return;
	if (st->task)
		put_task_struct(st->task);
	proc_put(st->proc);
	kfree(st);
}

/* ---- what the host tells ------------------------------------------------------------------ */

static LLIST_HEAD(events);

/* Upcall. */
static void sp_event(void *cookie, unsigned int ev, uint64_t reqno)
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
		if (st->in_call)
			interrupt_call(st);
		/* Nobody is left who could want anything of this process. */
		if (atomic_dec_and_test(&st->proc->live))
			kill_pid(st->proc->pid, SIGKILL, 1);
	}
	if (ev & RUMPUSER_SP_INTR && st->in_call && st->call_reqno == READ_ONCE(st->intr_reqno))
		interrupt_call(st);
	if (READ_ONCE(st->waiting))
		wake_up_process(st->task);
	spin_unlock_irqrestore(&st->lock, flags);
}

static void sp_interrupt(void)
{
	struct llist_node *list = llist_reverse_order(llist_del_all(&events));
	struct sp_task *st, *next;

	llist_for_each_entry_safe(st, next, list, node) {
		clear_bit(0, &st->queued);
		smp_mb__after_atomic();
		handle_event(st, atomic_xchg(&st->events, 0));
		task_put(st);
	}
}

/* ---- waiting for the channel ---------------------------------------------------------------- */

/*
 * The next message.  killable: only a fatal signal ends the wait (-EINTR), and
 * timeout (jiffies) does (-ETIMEDOUT).
 */
static int next_message(struct sp_task *st, bool killable, long timeout,
			struct rumpuser_sp_msg **msgp)
{
	int state = killable ? TASK_KILLABLE : TASK_INTERRUPTIBLE;
	int r;

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

static int send_message(struct sp_task *st, const struct rumpuser_iovec *iov, unsigned int niov)
{
	size_t done = 0;
	int r;

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

static int send_small(struct sp_task *st, void *msg)
{
	struct rumpuser_iovec iov = { msg, ((struct rump_sp_hdr *)msg)->len };

	return send_message(st, &iov, 1);
}

/* ---- the client's memory ---------------------------------------------------------------------- */

/* Asks the client; its answer in *msgp, of which r->ret bytes were copied (>= 0). */
static int ask(struct sp_task *st, unsigned int type, unsigned long addr, const void *data,
	       size_t size, struct rumpuser_sp_msg **msgp)
{
	size_t out = type == RUMP_SP_COPYOUT ? size : 0;
	struct rump_sp_copy q = {
		.hdr = {
			.len = sizeof(q) + RUMP_SP_ALIGN(out), .type = type,
			.reqno = ++st->copyno,
		},
		.addr = addr, .size = size,
	};
	struct rumpuser_iovec iov[] = {
		{ &q, sizeof(q) }, { (void *)data, out },
		{ (void *)zeroes, RUMP_SP_ALIGN(out) - out },
	};
	const struct rump_sp_copy_reply *a;
	const char *why = NULL;
	int r;

	if (READ_ONCE(st->hup))
		return -EFAULT;
	r = send_message(st, iov, out ? 3 : 1);
	if (!r)
		r = next_message(st, true, COPY_TIMEOUT, msgp);
	if (r) {
		if (r == -ETIMEDOUT)
			why = "no answer to a question about its memory";
		goto bad;
	}
	a = (const void *)(*msgp)->hdr;
	if (a->hdr.type != RUMP_SP_COPY_REPLY || a->hdr.reqno != q.hdr.reqno ||
	    a->ret > (s64)size ||
	    (!out && a->ret > 0 && a->hdr.len != sizeof(*a) + RUMP_SP_ALIGN(a->ret)))
		why = "a wrong answer to a question about its memory";
	else if (a->ret > 0)
		return 0;
	rumpuser_sp_release(st->chan, *msgp);
bad:
	if (why) {
		rumpuser_warn("client %s[%d]: %s", st->hello->comm, st->hello->pid, why);
		send_sig(SIGKILL, current, 1);
	}
	return -EFAULT;
}

static bool inside(unsigned long a, unsigned long start, size_t len)
{
	return a - start < len;
}

/* How far a piece that begins at a may go before it meets written data at start. */
static size_t bounded(unsigned long a, size_t n, unsigned long start)
{
	return start > a && start - a < n ? start - a : n;
}

static void drop_windows(struct sp_task *st, unsigned long addr, size_t n)
{
	unsigned int i;

	for (i = 0; i < WINDOWS; i++) {
		struct window *w = &st->win[i];

		if (w->msg && addr < w->addr + w->len && w->addr < addr + n) {
			rumpuser_sp_release(st->chan, w->msg);
			w->msg = NULL;
		}
	}
}

/* Where the client's memory at a is known here: *pp, for the returned number of bytes. */
static size_t known(struct sp_task *st, unsigned long a, const char **pp)
{
	const struct rump_sp_syscall *req = st->req;
	size_t n = 0;
	unsigned int i;

	if (st->glen && inside(a, st->gaddr, st->glen)) {
		*pp = st->gather + (a - st->gaddr);
		return st->gaddr + st->glen - a;
	}
	for (i = 0; i < req->nsegs; i++) {
		const struct rump_sp_seg *s = &req->segs[i];
		const struct extent *e = &st->out[i];

		if (!inside(a, s->addr, s->len))
			continue;
		if (s->flags & RUMP_SP_IN) {
			*pp = (const char *)req + s->off + (a - s->addr);
			n = s->addr + s->len - a;
			break;
		}
		if (inside(a, s->addr + e->lo, e->hi - e->lo)) {
			*pp = e->data + (a - s->addr);
			n = s->addr + e->hi - a;
			break;
		}
	}
	for (i = 0; !n && i < WINDOWS; i++) {
		const struct window *w = &st->win[i];

		if (w->msg && inside(a, w->addr, w->len)) {
			*pp = w->data + (a - w->addr);
			n = w->addr + w->len - a;
		}
	}
	if (st->glen)
		n = bounded(a, n, st->gaddr);
	for (i = 0; i < req->nsegs; i++)
		n = bounded(a, n, req->segs[i].addr);
	return n;
}

/* Makes memory at a known, n bytes or fewer or some more. */
static bool fetch(struct sp_task *st, unsigned long a, size_t n, unsigned int type)
{
	struct window *last = &st->win[(st->nextwin + WINDOWS - 1) % WINDOWS];
	struct window *w = &st->win[st->nextwin];
	struct rumpuser_sp_msg *msg;
	size_t size = PAGE_SIZE - a % PAGE_SIZE;

	if (faulthandler_disabled())
		return false;
	/* Who reads on gets more and more at a time. */
	if (last->msg && a == last->addr + last->len)
		size += 4 * st->lastfetch;
	if (size < n)
		size = n;
	if (size > WINDOW_MAX)
		size = WINDOW_MAX;
	st->lastfetch = size;
	if (ask(st, type, a, NULL, size, &msg))
		return false;
	if (w->msg)
		rumpuser_sp_release(st->chan, w->msg);
	w->addr = a;
	w->len = ((struct rump_sp_copy_reply *)msg->hdr)->ret;
	w->data = (const char *)msg->hdr + sizeof(struct rump_sp_copy_reply);
	w->msg = msg;
	st->nextwin = (st->nextwin + 1) % WINDOWS;
	return true;
}

static struct sp_task *this_task(void)
{
	struct sp_task *st = current->thread.remote;

	/* Outside of a call (when a task ends) there is no memory to speak of. */
	return st->req ? st : NULL;
}

unsigned long rump_remote_copy_from(void *dst, unsigned long src, size_t n)
{
	struct sp_task *st = this_task();
	const char *p;
	size_t k;

	while (st && n) {
		k = known(st, src, &p);
		if (!k) {
			if (!fetch(st, src, n, RUMP_SP_COPYIN))
				break;
			continue;
		}
		if (k > n)
			k = n;
		memcpy(dst, p, k);
		dst += k;
		src += k;
		n -= k;
	}
	return n;
}

long rump_remote_strncpy(char *dst, unsigned long src, long n)
{
	struct sp_task *st = this_task();
	long done = 0;
	const char *p;
	size_t k, len;

	while (st && done < n) {
		k = known(st, src + done, &p);
		if (!k) {
			if (!fetch(st, src + done, 1, RUMP_SP_COPYINSTR))
				return -EFAULT;
			continue;
		}
		if (k > n - done)
			k = n - done;
		len = strnlen(p, k);
		if (dst)
			memcpy(dst + done, p, len < k ? len + 1 : k);
		done += len;
		if (len < k)
			return done;
	}
	return st ? done : -EFAULT;
}

/* Stores n bytes in the client's memory now. */
static bool store(struct sp_task *st, unsigned long addr, const void *data, size_t n)
{
	struct rumpuser_sp_msg *msg;
	size_t k, got;

	while (n) {
		k = n < WINDOW_MAX ? n : WINDOW_MAX;
		if (faulthandler_disabled() || ask(st, RUMP_SP_COPYOUT, addr, data, k, &msg))
			return false;
		got = ((struct rump_sp_copy_reply *)msg->hdr)->ret;
		rumpuser_sp_release(st->chan, msg);
		if (got != k)
			return false;
		addr += k;
		data += k;
		n -= k;
	}
	return true;
}

static bool flush_gathered(struct sp_task *st)
{
	size_t n = st->glen;

	if (!n)
		return true;
	if (!store(st, st->gaddr, st->gather, n))
		return false;
	st->glen = 0;
	return true;
}

/* Room for the data of all segments that are only written. */
static bool out_alloc(struct sp_task *st)
{
	const struct rump_sp_syscall *req = st->req;
	size_t total = 0;
	unsigned int i;
	char *buf;

	for (i = 0; i < req->nsegs; i++)
		if (req->segs[i].flags == RUMP_SP_OUT)
			total += RUMP_SP_ALIGN(req->segs[i].len);
	buf = total ? rumpuser_sp_buffer(st->chan, total) : NULL;
	if (total && !buf)
		return false;
	total = 0;
	for (i = 0; i < req->nsegs; i++) {
		if (req->segs[i].flags == RUMP_SP_OUT) {
			st->out[i].data = buf + total;
			total += RUMP_SP_ALIGN(req->segs[i].len);
		} else {
			st->out[i].data = (char *)req + req->segs[i].off;
		}
	}
	st->out_ready = true;
	return true;
}

/*
 * Data into an OUT segment, at off.  One extent is kept for the reply; a small
 * gap in it is filled, with what is there (in a segment that is also read) or
 * with zeroes; before a large one, the extent is sent.
 */
static bool put_segment(struct sp_task *st, unsigned int i, u32 off, const void *data, u32 n)
{
	const struct rump_sp_seg *s = &st->req->segs[i];
	struct extent *e = &st->out[i];
	u32 gap = 0;

	if (!st->out_ready && !out_alloc(st))
		return false;
	if (e->hi == 0) {
		e->lo = e->hi = off;
	} else if (off > e->hi) {
		gap = off - e->hi;
	} else if (off + n < e->lo) {
		gap = e->lo - (off + n);
	}
	if (gap > GAP_MAX && s->flags == RUMP_SP_OUT) {
		if (!store(st, s->addr + e->lo, e->data + e->lo, e->hi - e->lo))
			return false;
		e->lo = e->hi = off;
		gap = 0;
	}
	if (gap && s->flags == RUMP_SP_OUT)
		memset(e->data + (off > e->hi ? e->hi : off + n), 0, gap);
	memcpy(e->data + off, data, n);
	if (off < e->lo)
		e->lo = off;
	if (off + n > e->hi)
		e->hi = off + n;
	return true;
}

/* Data to where no segment is. */
static bool put_elsewhere(struct sp_task *st, unsigned long addr, const void *data, size_t n)
{
	drop_windows(st, addr, n);
	if (st->glen && addr >= st->gaddr && addr <= st->gaddr + st->glen &&
	    addr + n <= st->gaddr + GATHER) {
		memcpy(st->gather + (addr - st->gaddr), data, n);
		if (addr + n > st->gaddr + st->glen)
			st->glen = addr + n - st->gaddr;
		return true;
	}
	if (!flush_gathered(st))
		return false;
	if (!st->gather)
		st->gather = kmalloc(GATHER, GFP_ATOMIC | __GFP_NOWARN);
	if (!st->gather || n > GATHER)
		return store(st, addr, data, n);
	memcpy(st->gather, data, n);
	st->gaddr = addr;
	st->glen = n;
	return true;
}

unsigned long rump_remote_copy_to(unsigned long dst, const void *src, size_t n)
{
	struct sp_task *st = this_task();
	const struct rump_sp_seg *s;
	unsigned int i, hit;
	size_t k;

	while (st && n) {
		k = n;
		hit = RUMP_SP_SEGS_MAX;
		for (i = 0; i < st->req->nsegs; i++) {
			s = &st->req->segs[i];
			if (!(s->flags & RUMP_SP_OUT))
				continue;
			if (inside(dst, s->addr, s->len)) {
				hit = i;
				k = s->addr + s->len - dst;
				break;
			}
			k = bounded(dst, k, s->addr);
		}
		if (k > n)
			k = n;
		if (hit < RUMP_SP_SEGS_MAX) {
			drop_windows(st, dst, k);
			if (!put_segment(st, hit, dst - s->addr, src, k))
				break;
		} else if (!put_elsewhere(st, dst, src, k)) {
			break;
		}
		dst += k;
		src += k;
		n -= k;
	}
	return n;
}

unsigned long rump_remote_clear(unsigned long dst, size_t n)
{
	size_t k;

	while (n) {
		k = n < sizeof(zeroes) ? n : sizeof(zeroes);
		if (rump_remote_copy_to(dst, zeroes, k))
			break;
		dst += k;
		n -= k;
	}
	return n;
}

/* ---- requests -------------------------------------------------------------------------------------- */

/*
 * Calls that would touch memory by the client's pointers in other tasks than its
 * own, or the server process itself.
 */
static bool refused(long nr)
{
	switch (nr) {
	case __NR_io_setup: case __NR_io_uring_setup:
	case __NR_process_vm_readv: case __NR_process_vm_writev: case __NR_ptrace:
	case __NR_init_module: case __NR_finit_module: case __NR_delete_module:
	case __NR_kexec_load: case __NR_kexec_file_load: case __NR_reboot:
	case __NR_bpf: case __NR_perf_event_open: case __NR_userfaultfd:
	case __NR_set_robust_list: case __NR_set_tid_address: case __NR_rseq:
	case __NR_exit: case __NR_exit_group:
		return true;
	}
	return false;
}

static long make_call(struct sp_task *st)
{
	struct rumpuser_sp_msg *msg = st->msg;
	const struct rump_sp_syscall *req = st->req;
	long args[6], attach[6] = { 0 };
	long nr = req->nr, ret;

	memcpy(args, req->args, sizeof(args));
	if (refused(nr))
		return -ENOSYS;
	/* A number of ours is no descriptor of the client's: it has to send one. */
	if (nr == RUMP_CALL_FD_ATTACH || nr == RUMP_CALL_FD_ADOPT) {
		if (msg->fd < 0)
			return -EBADF;
		args[nr == RUMP_CALL_FD_ATTACH] = msg->fd;
		if (nr == RUMP_CALL_FD_ATTACH)
			msg->fd = -1;
	}
	ret = rump_do_syscall(nr, args);
	if (req->hdr.flags & RUMP_SP_F_ATTACH && ret >= 0) {
		attach[0] = ret;
		attach[1] = msg->fd;
		msg->fd = -1;
		args[0] = rump_do_syscall(RUMP_CALL_FD_ATTACH, attach);
		if (args[0] < 0) {
			ret = args[0];
			rump_do_syscall(__NR_close, attach);
		}
	}
	return ret;
}

/* The answer to the request that st has, with what the call has written. */
static int send_reply(struct sp_task *st, long ret)
{
	struct rump_sp_reply *r = &st->reply.r;
	struct rump_sp_out *out = r->outs;
	struct rump_sp_sig *sig;
	size_t data = 0, head;
	unsigned int i, n = 1;

	for (i = 0; i < st->req->nsegs; i++) {
		const struct extent *e = &st->out[i];

		if (e->hi == e->lo)
			continue;
		*out++ = (struct rump_sp_out){
			.addr = st->req->segs[i].addr + e->lo, .len = e->hi - e->lo,
		};
		st->iov[n++] = (struct rumpuser_iovec){ e->data + e->lo, e->hi - e->lo };
		data += e->hi - e->lo;
	}
	if (st->glen) {
		*out++ = (struct rump_sp_out){ .addr = st->gaddr, .len = st->glen };
		st->iov[n++] = (struct rumpuser_iovec){ st->gather, st->glen };
		data += st->glen;
	}
	sig = (struct rump_sp_sig *)out;
	for (i = 0; i < st->sigs.n; i++)
		*sig++ = (struct rump_sp_sig){
			.signo = st->sigs.s[i].signo, .code = st->sigs.s[i].code,
			.error = st->sigs.s[i].err, .value = st->sigs.s[i].value,
		};
	head = (char *)sig - (char *)r;
	*r = (struct rump_sp_reply){
		.hdr = {
			.len = head + RUMP_SP_ALIGN(data), .type = RUMP_SP_REPLY,
			.reqno = st->req->hdr.reqno,
		},
		.ret = ret, .nouts = out - r->outs, .nsigs = st->sigs.n,
	};
	st->sigs.n = 0;
	st->iov[0] = (struct rumpuser_iovec){ r, head };
	st->iov[n++] = (struct rumpuser_iovec){ (void *)zeroes, RUMP_SP_ALIGN(data) - data };
	return send_message(st, st->iov, n);
}

static void forget_call(struct sp_task *st)
{
	unsigned int i;

	for (i = 0; i < WINDOWS; i++)
		if (st->win[i].msg)
			rumpuser_sp_release(st->chan, st->win[i].msg);
	memset(st->win, 0, sizeof(st->win));
	if (st->out_ready)
		rumpuser_sp_buffer(st->chan, 0);
	st->out_ready = false;
	kfree(st->gather);
	st->gather = NULL;
	st->glen = 0;
	st->req = NULL;
}

/* A call of ours ends or begins: from here to there it can be interrupted. */
static void begin_call(struct sp_task *st, u64 reqno)
{
	spin_lock_irq(&st->lock);
	st->call_reqno = reqno;
	st->in_call = true;
	if (st->hup || READ_ONCE(st->intr_reqno) == reqno)
		interrupt_call(st);
	spin_unlock_irq(&st->lock);
}

static void end_call(struct sp_task *st)
{
	spin_lock_irq(&st->lock);
	st->in_call = false;
	spin_unlock_irq(&st->lock);
	current->thread.interrupted = false;
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
	if (end == RUMP_SP_END_OK) {
		begin_call(st, msg->hdr->reqno);
		ret = make_call(st);
		end_call(st);
	}
	r = send_reply(st, ret);
	forget_call(st);
	return r;
}

/* ---- fork ---------------------------------------------------------------------------------------------- */

static void serve(struct sp_task *st);
static void refuse(struct sp_task *st, int error);

/* The leader of a process that PREFORK made, until the child comes. */
static int fork_main(void *arg)
{
	struct sp_proc *p = arg;
	struct sp_task *st;

	p->proc = rump_proc_agent();
	if (p->proc)
		rump_proc_get(p->proc);
	p->pid = get_task_pid(current, PIDTYPE_TGID);
	wait_event_killable_timeout(p->wait, READ_ONCE(p->first) || READ_ONCE(p->cancelled),
				    FORK_TIMEOUT);
	spin_lock_irq(&procs_lock);
	p->expected = false;
	st = p->first;
	spin_unlock_irq(&procs_lock);
	if (st && p->proc) {
		serve(st);
		return 0;
	}
	proc_unlist(p);
	if (st)
		refuse(st, -ENOMEM);
	return 0;
}

static int do_prefork(struct sp_task *st, const struct rump_sp_hdr *hdr)
{
	struct rump_sp_newcookie a = {
		.hdr = { .len = sizeof(a), .type = RUMP_SP_COOKIE, .reqno = hdr->reqno },
		.ret = -ENOMEM,
	};
	struct sp_proc *p = proc_alloc(current->comm);
	pid_t pid;

	if (p) {
		p->expected = true;
		a.cookie = p->cookie;
		pid = rump_proc_fork(fork_main, p, p->comm, 0, false);
		a.ret = pid < 0 ? pid : 0;
		if (pid < 0)
			proc_unlist(p);
	}
	return send_small(st, &a);
}

static int do_cancel(struct sp_task *st, const struct rump_sp_cancel *q)
{
	struct sp_proc *p = proc_find(&q->cookie, true);
	struct rump_sp_reply r = {
		.hdr = { .len = sizeof(r), .type = RUMP_SP_REPLY, .reqno = q->hdr.reqno },
		.ret = p ? 0 : -ESRCH,
	};

	if (p) {
		WRITE_ONCE(p->cancelled, true);
		wake_up(&p->wait);
		proc_put(p);
	}
	return send_small(st, &r);
}

static int do_unsupported(struct sp_task *st, const struct rump_sp_hdr *hdr)
{
	struct rump_sp_newcookie a = {
		.hdr = { .len = sizeof(a), .type = RUMP_SP_COOKIE, .reqno = hdr->reqno },
		.ret = -EOPNOTSUPP,
	};

	if (hdr->type != RUMP_SP_PREEXEC) {
		a.hdr.type = RUMP_SP_REPLY;
		a.hdr.len = sizeof(struct rump_sp_reply);
	}
	return send_small(st, &a);
}

/* ---- a channel's task -------------------------------------------------------------------------------------- */

static void hello_reply(struct sp_task *st, struct rump_sp_hello_reply *r, int error)
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

/* Refuses a channel that no task has yet. */
static void refuse(struct sp_task *st, int error)
{
	struct rump_sp_hello_reply r;
	struct rumpuser_iovec iov = { &r, sizeof(r) };
	size_t done = 0;

	hello_reply(st, &r, error);
	rumpuser_sp_send(st->chan, &iov, 1, &done);
	rumpuser_sp_close(st->chan);
	task_put(st);
}

/* Signals and other work for a task that has no call to make. */
static void idle_work(void)
{
	long args[6] = { 0 };

	rump_do_syscall(__NR_getpid, args);
}

/*
 * Serves the channel until it ends, as current.  The rest of its life is
 * rump_sp_exit()'s business, also if a signal kills the task in here.
 */
static void serve(struct sp_task *st)
{
	struct rump_sp_hello_reply r;
	struct rumpuser_sp_msg *msg;
	int err;

	st->task = get_task_struct(current);
	current->thread.remote = st;
	current->thread.sigs = &st->sigs;
	rumpuser_sp_own(st->chan, st);
	hello_reply(st, &r, 0);
	r.pid = task_tgid_vnr(current);
	r.tid = task_pid_vnr(current);
	r.cookie = st->proc->cookie;
	err = send_small(st, &r);
	while (!err) {
		/* Signals wait for the next reply; those that it has no room for, here. */
		err = next_message(st, st->sigs.n == RUMP_NSIGS, MAX_SCHEDULE_TIMEOUT, &msg);
		if (err) {
			if (err != -ECONNRESET) {
				idle_work();
				err = 0;
			}
			continue;
		}
		switch (msg->hdr->type) {
		case RUMP_SP_SYSCALL:
			err = do_syscall(st, msg);
			break;
		case RUMP_SP_PREFORK:
			err = do_prefork(st, msg->hdr);
			break;
		case RUMP_SP_FORK_CANCEL:
			err = do_cancel(st, (const struct rump_sp_cancel *)msg->hdr);
			break;
		case RUMP_SP_PREEXEC:
		case RUMP_SP_RING:
			err = do_unsupported(st, msg->hdr);
			break;
		default:
			rumpuser_warn("client %s[%d] is cut off: an answer to no question",
				      st->hello->comm, st->hello->pid);
			err = -EPROTO;
		}
		rumpuser_sp_release(st->chan, msg);
		st->msg = NULL;
		cond_resched();
	}
}

/* A task with a channel ends (from do_exit(), as current). */
void rump_sp_exit(struct task_struct *t)
{
	struct sp_task *st = t->thread.remote;

	t->thread.remote = NULL;
	t->thread.sigs = NULL;
	if (st->msg) {
		forget_call(st);
		rumpuser_sp_release(st->chan, st->msg);
	}
	rumpuser_sp_close(st->chan);
	/* Now that no more events come: it may have ended without a hang-up. */
	spin_lock_irq(&st->lock);
	st->in_call = false;
	if (!st->hup) {
		st->hup = true;
		atomic_dec(&st->proc->live);
	}
	spin_unlock_irq(&st->lock);
	if (atomic_read(&st->proc->live) == 0)
		proc_unlist(st->proc);
	task_put(st);
}

/* ---- new channels --------------------------------------------------------------------------------------------- */

static int guest_main(void *arg)
{
	struct sp_task *st = arg;
	struct sp_proc *p = st->proc;

	p->proc = rump_proc_agent();
	if (!p->proc) {
		proc_unlist(p);
		refuse(st, -ENOMEM);
		return 0;
	}
	rump_proc_get(p->proc);
	p->pid = get_task_pid(current, PIDTYPE_TGID);
	serve(st);
	return 0;
}

static int thread_main(void *arg)
{
	serve(arg);
	return 0;
}

/* In the agent of the process; or in process 1, if that is gone. */
static void spawn_thread(struct rump_spawn *req)
{
	struct sp_task *st = container_of(req, struct sp_task, spawn);
	pid_t tid = -ESRCH;

	if (req->proc)
		tid = rump_thread_create(thread_main, st, st->hello->comm, st->hello->tid);
	if (tid < 0) {
		if (atomic_dec_and_test(&st->proc->live))
			proc_unlist(st->proc);
		refuse(st, tid);
	}
}

static void new_guest(struct sp_task *st)
{
	struct sp_proc *p = proc_alloc(st->hello->comm);
	pid_t pid;

	if (!p) {
		refuse(st, -ENOMEM);
		return;
	}
	kref_get(&p->ref);
	st->proc = p;
	atomic_inc(&p->live);
	pid = rump_proc_create(guest_main, st, st->hello->comm, st->hello->pid);
	if (pid < 0) {
		proc_unlist(p);
		refuse(st, pid);
	}
}

static void new_thread(struct sp_task *st)
{
	struct sp_proc *p = proc_find(&st->hello->cookie, false);

	/* Whoever is about to be killed for having no channel left stays dead. */
	if (!p || !p->proc || !atomic_inc_not_zero(&p->live)) {
		proc_put(p);
		refuse(st, -ESRCH);
		return;
	}
	st->proc = p;
	st->spawn.proc = p->proc;
	st->spawn.fn = spawn_thread;
	rump_spawn_post(&st->spawn);
}

static void new_fork(struct sp_task *st)
{
	struct sp_proc *p = proc_find(&st->hello->cookie, true);
	bool claimed = false;

	if (p) {
		st->proc = p;
		spin_lock_irq(&procs_lock);
		claimed = p->expected && !p->cancelled && !p->first;
		if (claimed) {
			atomic_inc(&p->live);
			WRITE_ONCE(p->first, st);
		}
		spin_unlock_irq(&procs_lock);
	}
	if (!claimed) {
		refuse(st, -ESRCH);
		return;
	}
	wake_up(&p->wait);
}

/* In process 1. */
static void new_channels(struct rump_spawn *req);
static struct rump_spawn acceptor = { .fn = new_channels };
static unsigned long accepting;

static void new_channels(struct rump_spawn *req)
{
	const struct rump_sp_hello *hello;
	struct rumpuser_sp_chan *chan;
	struct sp_task *st;

	clear_bit(0, &accepting);
	smp_mb__after_atomic();
	while ((chan = rumpuser_sp_accept(&hello))) {
		st = kzalloc(sizeof(*st), GFP_KERNEL);
		if (!st) {
			rumpuser_sp_reject(chan, "no memory for its task");
			continue;
		}
		refcount_set(&st->ref, 1);
		spin_lock_init(&st->lock);
		st->chan = chan;
		st->hello = hello;
		if (READ_ONCE(stopping))
			refuse(st, -ESHUTDOWN);
		else if (hello->kind == RUMP_SP_GUEST)
			new_guest(st);
		else if (hello->kind == RUMP_SP_THREAD)
			new_thread(st);
		else if (hello->kind == RUMP_SP_FORK)
			new_fork(st);
		else
			refuse(st, -EOPNOTSUPP);
	}
}

/* Upcall. */
static void sp_accept(void)
{
	if (!test_and_set_bit(0, &accepting))
		rump_spawn_post(&acceptor);
}

/* ---- start and stop ------------------------------------------------------------------------------------------------ */

RUMP_PUBLIC int rumpk_sp_start(const char *url)
{
	static const struct rumpuser_sp_upcalls upcalls = {
		.accept = sp_accept,
		.event = sp_event,
	};

	rump_irq_handler(RUMP_IRQ_SP, sp_interrupt);
	return rumpuser_sp_start(url, init_utsname()->release, &upcalls);
}

static long stop(void *unused)
{
	struct sp_proc *p;

	WRITE_ONCE(stopping, true);
	spin_lock_irq(&procs_lock);
	list_for_each_entry(p, &procs, list) {
		WRITE_ONCE(p->cancelled, true);
		if (p->pid)
			kill_pid(p->pid, SIGKILL, 1);
		wake_up(&p->wait);
	}
	spin_unlock_irq(&procs_lock);
	return wait_event_timeout(procs_gone, READ_ONCE(nprocs) == 0, STOP_TIMEOUT) ? 0 : -EBUSY;
}

RUMP_PUBLIC int rumpk_sp_stop(void)
{
	return rump_call_function(stop, NULL);
}
