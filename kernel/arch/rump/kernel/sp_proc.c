// SPDX-License-Identifier: GPL-2.0-only
/*
 * sp_proc.c - client processes: how they come about and end.
 *
 * The list has a reference to each until nobody may find it any more; channels
 * have one each.  A process that PREFORK has made waits for its child, which shows
 * the cookie, but not for ever.
 */
#include <linux/cred.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/pid_namespace.h>
#include <linux/proc_fs.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/utsname.h>
#include "../../../lib/rumpk.h"
#include "sp.h"

#define FORK_TIMEOUT	60	/* seconds */
#define ORPHAN_TIMEOUT	3	/* when the parent is gone */
#define STOP_TIMEOUT	(5 * HZ)

static LIST_HEAD(procs);
static unsigned int nprocs;
static DEFINE_SPINLOCK(procs_lock);
static bool stopping;
static DECLARE_WAIT_QUEUE_HEAD(procs_gone);

/* ---- lifetime ---------------------------------------------------- */

static void proc_free(struct kref *ref)
{
	struct sp_proc *p = container_of(ref, struct sp_proc, ref);

	sp_proc_put(p->parent);
	if (p->proc)
		rump_proc_put(p->proc);
	put_pid(p->pid);
	put_pid(p->old_pid);
	if (p->leader)
		put_task_struct(p->leader);
	kfree(p);
}

void sp_proc_put(struct sp_proc *p)
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

void sp_proc_unlist(struct sp_proc *p)
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
		sp_proc_put(p);
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

void sp_task_put(struct sp_task *st)
{
	if (!refcount_dec_and_test(&st->ref))
		return;
	if (st->task)
		put_task_struct(st->task);
	sp_proc_put(st->proc);
	kfree(st);
}

struct sp_proc *sp_proc_join(const struct rump_sp_cookie *c)
{
	struct sp_proc *p = proc_find(c, false);

	/* Whoever is about to be killed for having no channel left stays dead. */
	if (p && p->proc && atomic_inc_not_zero(&p->live))
		return p;
	sp_proc_put(p);
	return NULL;
}

void sp_proc_left(struct sp_proc *p)
{
	/* Nobody is left who could want anything of this process. */
	if (atomic_dec_and_test(&p->live))
		kill_pid(p->pid, SIGKILL, 1);
	else
		wake_up(&p->wait);
}

/* In the leader: from now on stop() finds it, or it finds stop(). */
static void proc_named(struct sp_proc *p)
{
	smp_store_mb(p->pid, get_task_pid(current, PIDTYPE_TGID));
	if (READ_ONCE(stopping))
		send_sig(SIGKILL, current, 1);
}

static void proc_begin(struct sp_proc *p)
{
	p->leader = get_task_struct(current);
	proc_named(p);
}

struct sp_proc *sp_proc_keep(struct rump_proc *proc, struct rump_sp_cookie *cookie)
{
	struct sp_proc *p = proc_alloc(current->group_leader->comm);

	if (!p)
		return NULL;
	kref_get(&p->ref);
	p->proc = rump_proc_get(proc);
	p->pid = get_task_pid(current, PIDTYPE_TGID);
	atomic_set(&p->live, 1);
	*cookie = p->cookie;
	return p;
}

bool sp_procs_any(void)
{
	return READ_ONCE(nprocs) != 0;
}

/* ---- fork --------------------------------------------------------- */

static int is_open(const void *unused, struct file *file, unsigned int fd)
{
	return fd + 1;
}

/* Closes what the child shows when it uses it. */
static void drop_placeholders(void)
{
	struct file *file;
	int fd = 0;

	while ((fd = iterate_fd(current->files, fd, is_open, NULL))) {
		file = fget_raw(fd - 1);
		if (file && rump_ph_of(file))
			close_fd(fd - 1);
		if (file)
			fput(file);
	}
}

/* A child that was made before its parent died will be there soon. */
static void await_child(struct sp_proc *p)
{
	unsigned int waited = 0, orphan = 0;

	while (waited++ < FORK_TIMEOUT && orphan < ORPHAN_TIMEOUT && !fatal_signal_pending(current) &&
	       !wait_event_killable_timeout(p->wait,
					    READ_ONCE(p->first) || READ_ONCE(p->cancelled), HZ))
		if (!atomic_read(&p->parent->live))
			orphan++;
}

/*
 * The process was made before its child, of whom nobody knew the pid.  Now it gets that, as
 * others have theirs, so that locks, owners of descriptors and credentials speak of pids that
 * programs know; unless somebody has it here.
 */
static void take_childs_pid(struct sp_proc *p)
{
	struct pid *new = p->first_pid;

	if (!new)
		return;
	p->old_pid = p->pid;
	write_lock_irq(&tasklist_lock);
	change_pid(current, PIDTYPE_PID, new);
	change_pid(current, PIDTYPE_TGID, new);
	current->pid = current->tgid = pid_nr(new);
	write_unlock_irq(&tasklist_lock);
	proc_flush_pid(p->old_pid);
	proc_named(p);
}

/* The leader of a process that PREFORK made, until the child comes. */
static int fork_main(void *arg)
{
	struct sp_proc *p = arg;
	struct sp_task *st;

	if (p->bare)
		drop_placeholders();

	proc_begin(p);
	await_child(p);
	sp_proc_put(p->parent);
	p->parent = NULL;
	spin_lock_irq(&procs_lock);
	p->expected = false;
	st = p->first;
	spin_unlock_irq(&procs_lock);
	if (st) {
		take_childs_pid(p);
		p->proc = rump_proc_agent();	/* a thread, which has the pid from here */
		if (p->proc)
			rump_proc_get(p->proc);
	}
	if (st && p->proc) {
		sp_lead(p, st);
		return 0;
	}
	sp_proc_unlist(p);
	if (st)
		sp_refuse(st, -ENOMEM);
	return 0;
}

int sp_prefork(struct sp_task *st, const struct rump_sp_hdr *hdr)
{
	struct rump_sp_newcookie a = {
		.hdr = { .len = sizeof(a), .type = RUMP_SP_COOKIE, .reqno = hdr->reqno },
		.ret = -ENOMEM,
	};
	struct sp_proc *p = proc_alloc(current->comm);
	pid_t pid;

	if (p) {
		p->expected = true;
		kref_get(&st->proc->ref);
		p->parent = st->proc;
		p->bare = hdr->flags & RUMP_SP_F_BARE;
		a.cookie = p->cookie;
		pid = rump_proc_fork(fork_main, p, p->comm, 0, false);
		a.ret = pid < 0 ? pid : 0;
		if (pid < 0)
			sp_proc_unlist(p);
	}
	return sp_send_small(st, &a);
}

int sp_fork_cancel(struct sp_task *st, const struct rump_sp_cancel *q)
{
	struct sp_proc *p = proc_find(&q->cookie, true);
	struct rump_sp_reply r = {
		.hdr = { .len = sizeof(r), .type = RUMP_SP_REPLY, .reqno = q->hdr.reqno },
		.ret = p ? 0 : -ESRCH,
	};

	if (p) {
		WRITE_ONCE(p->cancelled, true);
		wake_up(&p->wait);
		sp_proc_put(p);
	}
	return sp_send_small(st, &r);
}

/* ---- new channels ------------------------------------------------- */

static int guest_main(void *arg)
{
	struct sp_task *st = arg;
	struct sp_proc *p = st->proc;

	if (!sp_become_guest())
		p->proc = rump_proc_agent();
	if (!p->proc) {
		sp_proc_unlist(p);
		sp_refuse(st, -ENOMEM);
		return 0;
	}
	rump_proc_get(p->proc);
	proc_begin(p);
	sp_lead(p, st);
	return 0;
}

static int thread_main(void *arg)
{
	rump_take_credentials();
	sp_serve(arg);
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
			sp_proc_unlist(st->proc);
		sp_refuse(st, tid);
	}
}

static void new_guest(struct sp_task *st)
{
	struct sp_proc *p = proc_alloc(st->hello->comm);
	pid_t pid;

	if (!p) {
		sp_refuse(st, -ENOMEM);
		return;
	}
	kref_get(&p->ref);
	st->proc = p;
	atomic_inc(&p->live);
	pid = rump_proc_create(guest_main, st, st->hello->comm, st->hello->pid);
	if (pid < 0) {
		sp_proc_unlist(p);
		sp_refuse(st, pid);
	}
}

static void new_thread(struct sp_task *st)
{
	struct sp_proc *p = sp_proc_join(&st->hello->cookie);

	if (!p) {
		sp_refuse(st, -ESRCH);
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
	pid_t want = st->hello->pid;
	bool claimed = false;
	struct pid *pid;

	if (p) {
		st->proc = p;
		pid = alloc_pid(&init_pid_ns, &want, 1);
		if (IS_ERR(pid))
			pid = NULL;
		spin_lock_irq(&procs_lock);
		claimed = p->expected && !p->cancelled && !p->first;
		if (claimed) {
			atomic_inc(&p->live);
			p->first_pid = pid;
			WRITE_ONCE(p->first, st);
		}
		spin_unlock_irq(&procs_lock);
		if (!claimed && pid)
			free_pid(pid);
	}
	if (!claimed) {
		sp_refuse(st, -ESRCH);
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
			sp_refuse(st, -ESHUTDOWN);
		else if (hello->kind == RUMP_SP_GUEST)
			new_guest(st);
		else if (hello->kind == RUMP_SP_THREAD)
			new_thread(st);
		else if (hello->kind == RUMP_SP_FORK)
			new_fork(st);
		else
			sp_new_exec(st);
	}
}

/* Upcall. */
static void sp_accept(void)
{
	if (!test_and_set_bit(0, &accepting))
		rump_spawn_post(&acceptor);
}

/* ---- start and stop ----------------------------------------------- */

RUMP_PUBLIC int rumpk_sp_start(const char *url)
{
	static const struct rumpuser_sp_upcalls upcalls = {
		.accept = sp_accept,
		.event = sp_event,
	};

	rump_irq_handler(RUMP_IRQ_SP, sp_interrupt);
	sp_doors(rumpuser_sp_trusted());
	return rumpuser_sp_start(url, init_utsname()->release, &upcalls);
}

static long stop(void *unused)
{
	struct sp_proc *p;

	smp_store_mb(stopping, true);
	rumpuser_sp_stop();
	spin_lock_irq(&procs_lock);
	list_for_each_entry(p, &procs, list) {
		WRITE_ONCE(p->cancelled, true);
		if (READ_ONCE(p->pid))
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

