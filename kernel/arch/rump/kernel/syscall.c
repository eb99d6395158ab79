// SPDX-License-Identifier: GPL-2.0-only
/*
 * syscall.c - system calls: the table, and what is due when one returns.
 *
 * Signals are not delivered here.  Every process has a "handler" for every
 * signal (rump_signals_init()), so that the core hands each one over; it is then
 * raised at the caller's own thread on the host, which knows what to do.
 */
#include <linux/export.h>
#include <linux/resume_user_mode.h>
#include <linux/sched/signal.h>
#include <linux/syscalls.h>
#include <linux/task_work.h>
#include <uapi/linux/futex.h>
#include <asm/syscall.h>
#include <asm/unistd.h>
#include <rump/rump_calls.h>
#include <rump/rumpuser.h>
#include "../../../lib/rumpk.h"
#include "rump.h"

/*
 * Locks with an owner, and the list of those that a dying task gives back: where one
 * lies in memory that is not there, the core asks the MMU, which is a BUG() here.
 */
static bool has_owner(int op)
{
	switch (op & FUTEX_CMD_MASK) {
	case FUTEX_LOCK_PI: case FUTEX_LOCK_PI2: case FUTEX_TRYLOCK_PI: case FUTEX_UNLOCK_PI:
	case FUTEX_WAIT_REQUEUE_PI: case FUTEX_CMP_REQUEUE_PI:
		return true;
	}
	return false;
}

static asmlinkage long rump_sys_futex(u32 __user *uaddr, int op, u32 val,
				      const struct __kernel_timespec __user *utime,
				      u32 __user *uaddr2, u32 val3)
{
	return has_owner(op) ? -ENOSYS : sys_futex(uaddr, op, val, utime, uaddr2, val3);
}

/* what x86 has of its own, and what makes no sense for a caller on the host */
#define sys_arch_prctl		sys_ni_syscall
#define sys_modify_ldt		sys_ni_syscall
#define sys_iopl		sys_ni_syscall
#define sys_ioperm		sys_ni_syscall
#define sys_rt_sigreturn	sys_ni_syscall
#define sys_map_shadow_stack	sys_ni_syscall
#define sys_uretprobe		sys_ni_syscall
#define sys_execve		sys_ni_syscall
#define sys_execveat		sys_ni_syscall
#define sys_set_robust_list	sys_ni_syscall
#define sys_get_robust_list	sys_ni_syscall
#define sys_close		rump_sys_close
#define sys_futex		rump_sys_futex
#define sys_fcntl		rump_sys_fcntl

static bool is_restart(long ret)
{
	return ret == -ERESTARTSYS || ret == -ERESTARTNOINTR || ret == -ERESTARTNOHAND ||
	    ret == -ERESTART_RESTARTBLOCK;
}

static asmlinkage long rump_sys_close(unsigned int fd)
{
	long r = rump_ph_close(fd);

	/* as for close(2): the descriptor is gone, no restart */
	return is_restart(r) ? -EINTR : r;
}

SYSCALL_DEFINE6(mmap, unsigned long, addr, unsigned long, len, unsigned long, prot,
		unsigned long, flags, unsigned long, fd, unsigned long, off)
{
	if (off & ~PAGE_MASK)
		return -EINVAL;
	return ksys_mmap_pgoff(addr, len, prot, flags, fd, off >> PAGE_SHIFT);
}

#define __SYSCALL_NORETURN __SYSCALL
#define __SYSCALL(nr, sym) [nr] = (sys_call_ptr_t)sym,
#pragma GCC diagnostic ignored "-Wcast-function-type"
const sys_call_ptr_t rump_sys_call_table[] = {
#include <asm/syscalls_64.h>
};
#define NCALLS	ARRAY_SIZE(rump_sys_call_table)

static enum rump_door door;
static struct rump_host *mover;		/* who may pass while it is DOOR_MOVING */

/* SA handler that is neither SIG_DFL nor SIG_IGN; never called. */
#define HANDED_OVER	((__sighandler_t)8)

void rump_signals_init(void)
{
	struct sighand_struct *sh = current->sighand;
	int sig;

	spin_lock_irq(&sh->siglock);
	for (sig = 1; sig <= _NSIG; sig++) {
		struct k_sigaction *ka = &sh->action[sig - 1];

		memset(ka, 0, sizeof(*ka));
		if (!sig_kernel_only(sig))
			ka->sa.sa_handler = HANDED_OVER;
	}
	spin_unlock_irq(&sh->siglock);
}

bool rump_signal_door;

/* Takes the signals that are pending; true: the call is not to be restarted. */
static bool take_signals(void)
{
	struct rump_signals *s = current->thread.sigs;
	bool eintr = false;
	struct ksignal ksig;
	sigset_t own;

	if (current->thread.interrupted) {
		current->thread.interrupted = false;
		eintr = true;
	}
	while (!s || s->n < RUMP_NSIGS) {
		own = current->pending.signal;
		if (!get_signal(&ksig))
			break;
		if (current->thread.remote || rump_signal_door || !rumpuser_sig_restarts(ksig.sig))
			eintr = true;
		if (!s)
			continue;
		s->s[s->n].process = !sigismember(&own, ksig.sig);
		s->s[s->n].signo = ksig.sig;
		s->s[s->n].code = ksig.info.si_code;
		s->s[s->n].err = ksig.info.si_errno;
		s->s[s->n].value = (u64)(unsigned long)ksig.info.si_ptr;
		s->n++;
	}
	restore_saved_sigmask();
	return eintr;
}

static long exit_work(long ret, bool *restart)
{
	unsigned long flags;
	bool eintr = false;

	*restart = false;
	for (;;) {
		flags = read_thread_flags() & _TIF_EXIT_WORK;
		if (current->thread.lwp)
			flags &= ~_TIF_NEED_RESCHED;	/* rump_host_call() sees to that */
		if (!flags)
			break;
		if (flags & _TIF_NEED_RESCHED)
			schedule();
		if (flags & (_TIF_SIGPENDING | _TIF_NOTIFY_SIGNAL))
			eintr |= take_signals();
		if (flags & _TIF_NOTIFY_RESUME)
			resume_user_mode_work(NULL);
		if (unlikely(current->thread.starved))
			rump_memory_fed();
		if (current->thread.sigs && current->thread.sigs->n == RUMP_NSIGS)
			break;
	}
	if (unlikely(current->thread.lwp && current->thread.lwp->moved)) {
		current->thread.lwp->moved = false;
		if (!eintr && READ_ONCE(door) == DOOR_MOVING && (ret == -EINTR || is_restart(ret)))
			return -RUMP_EMOVED;
	}
	switch (ret) {
	case -ERESTARTNOHAND:
	case -ERESTART_RESTARTBLOCK:
	case -ERESTARTSYS:
		if (eintr)	/* the caller's to decide, if it minds signals */
			return current->thread.remote || rump_signal_door ? ret : -EINTR;
		fallthrough;
	case -ERESTARTNOINTR:
		*restart = true;
	}
	return ret;
}

static __always_inline long do_call(long nr, const long args[6])
{
	if (likely((unsigned long)nr < NCALLS))
		return rump_sys_call_table[nr](args[0], args[1], args[2], args[3], args[4],
					       args[5]);
	return rump_private_call(nr, args);
}

static noinline long do_call_mapped(long nr, const long args[6])
{
	long ret;

	rump_map_before(nr, args);
	ret = do_call(nr, args);
	rump_map_after();
	return ret;
}

long rump_do_syscall(long nr, const long args[6])
{
	bool restart;
	long ret;

	for (;;) {
		ret = likely(!READ_ONCE(rump_nmaps)) ? do_call(nr, args) :
		    do_call_mapped(nr, args);
		if (likely(!(read_thread_flags() & _TIF_EXIT_WORK)))
			return ret;
		{
			bool block = ret == -ERESTART_RESTARTBLOCK;

			ret = exit_work(ret, &restart);
			if (!restart)
				return ret;
			if (block)
				nr = __NR_restart_syscall;
		}
	}
}

/* In an lwp's task: what its thread asked for. */
void rump_do_call(struct rump_call *c)
{
	switch (c->nr) {
	case RUMP_NR_EXIT:
		do_exit(0);
	case RUMP_NR_FUNCTION:
		c->ret = ((long (*)(void *))c->args[0])((void *)c->args[1]);
		break;
	default:
		current->thread.sigs = &c->sigs;
		c->ret = rump_do_syscall(c->nr, c->args);
		current->thread.sigs = NULL;
	}
}

static void raise_signals(const struct rump_signals *s)
{
	unsigned int i;

	for (i = 0; i < s->n; i++)
		rumpuser_raise(s->s[i].process ? 0 : rumpuser_gettid(), s->s[i].signo, s->s[i].code,
			       s->s[i].err, s->s[i].value);
}

/* ---- the program's own signals --------------------------------------------------------- */

RUMP_PUBLIC void rump_pub_signal_door(void)
{
	rump_signal_door = true;
}

RUMP_PUBLIC void rump_pub_interrupt(void)
{
	struct rump_host *h = this_host();

	set_this_signal(1);
	barrier();
	if (h && READ_ONCE(h->in_call))
		rump_host_interrupt(h);
}

RUMP_PUBLIC void rump_pub_interrupt_end(void)
{
	set_this_signal(0);
}

/* In the thread's task: what came too late for its call is not to end another one. */
static long forget_interrupt(void *host)
{
	struct rump_host *h = host;

	while (smp_load_acquire(&h->interrupt))
		cpu_relax();
	current->thread.interrupted = false;
	clear_notify_signal();
	return 0;
}

/* ---- signals for a program that makes no call ------------------------------------------- */

static bool due(const sigset_t *set, const sigset_t *blocked)
{
	return set->sig[0] & ~blocked->sig[0] & ~(sigmask(SIGKILL) | sigmask(SIGSTOP));
}

bool rump_signal_due(struct task_struct *t)
{
	return unlikely(task_sigpending(t)) && !__fatal_signal_pending(t) &&
	    (due(&t->pending.signal, &t->blocked) ||
	     due(&t->signal->shared_pending.signal, &t->blocked));
}

/*
 * On lwp's kernel stack, whoever carries it; its thread is elsewhere.  In the host's
 * process, or thread, that the signal is for, a handler then runs as for any other.
 */
void rump_signal_outside(struct rump_lwp *lwp)
{
	kernel_siginfo_t info;
	struct rump_host *h;
	sigset_t skip;
	enum pid_type type;
	int sig;

	do {
		spin_lock_irq(&current->sighand->siglock);
		skip = current->blocked;
		sigaddsetmask(&skip, sigmask(SIGKILL) | sigmask(SIGSTOP));
		sig = dequeue_signal(&skip, &info, &type);
		spin_unlock_irq(&current->sighand->siglock);
		h = READ_ONCE(lwp->host);
		if (sig)
			rumpuser_raise(type == PIDTYPE_PID && h ? h->tid : 0, sig, info.si_code,
				       info.si_errno, (u64)(unsigned long)info.si_ptr);
	} while (sig);
}

/*
 * Whoever closes the door sets it, then looks at all threads' in_call; the barrier
 * between the two halves of this is rumpuser_barrier() there.
 */
static __always_inline int enter_door(struct rump_host *h)
{
	enum rump_door state;

	WRITE_ONCE(h->in_call, true);
	barrier();
	state = READ_ONCE(door);
	if (likely(state == DOOR_OPEN) || (state == DOOR_MOVING && h == mover))
		return 0;
	WRITE_ONCE(h->in_call, false);
	return state == DOOR_SHUT ? -ESHUTDOWN : -RUMP_EMOVED;
}

int rump_door_enter(struct rump_host *h)
{
	return enter_door(h);
}

void rump_door_set(enum rump_door state)
{
	mover = this_host();
	WRITE_ONCE(door, state);
	if (state == DOOR_MOVING)
		rumpuser_barrier();
}

static __always_inline long make_call(struct rump_call *c)
{
	struct rump_host *h = this_host();
	long r;

	if (unlikely(!h || !h->lwp)) {
		r = rump_lwp_attach();
		if (r)
			return r;
		h = this_host();
	}
	if (unlikely(h->in_call))
		return -EBUSY;
	r = enter_door(h);
	if (unlikely(r))
		return r;
	if (unlikely(this_signal()) && c->nr >= 0)
		rump_host_interrupt(h);
	rump_host_call(h, c);
	WRITE_ONCE(h->in_call, false);
	if (unlikely(this_signal()) && c->nr >= 0 && h->lwp)
		rump_call_function(forget_interrupt, h);
	if (unlikely(c->sigs.n))
		raise_signals(&c->sigs);
	if (unlikely(READ_ONCE(door) == DOOR_SHUT) && c->nr >= 0)
		return -ESHUTDOWN;
	return c->ret;
}

RUMP_PUBLIC long rump_syscall(long nr, long a0, long a1, long a2, long a3, long a4, long a5)
{
	struct rump_call c;

	if (unlikely(nr < 0))
		return -ENOSYS;
	c.nr = nr;
	c.args[0] = a0;
	c.args[1] = a1;
	c.args[2] = a2;
	c.args[3] = a3;
	c.args[4] = a4;
	c.args[5] = a5;
	c.ret = -ESRCH;		/* what a killed process's thread gets */
	c.sigs.n = 0;
	return make_call(&c);
}

/* Ends the calling thread's task. */
long rump_syscall_exit(void)
{
	struct rump_call c = { .nr = RUMP_NR_EXIT };

	make_call(&c);
	return 0;
}

/* fn(arg) as the calling thread's task; for the rest of librump's host side. */
long rump_call_function(long (*fn)(void *), void *arg)
{
	struct rump_call c = {
		.nr = RUMP_NR_FUNCTION, .args = { (long)fn, (long)arg }, .ret = -ESRCH,
	};

	return make_call(&c);
}

/* Ends all calls that sleep; the caller's own goes on. */
static long shut_down(void *unused)
{
	struct task_struct *p, *t;

	WRITE_ONCE(door, DOOR_SHUT);
	rcu_read_lock();
	for_each_process_thread(p, t) {
		if (t == current || !t->thread.lwp)
			continue;
		t->thread.interrupted = true;
		set_notify_signal(t);
	}
	rcu_read_unlock();
	return 0;
}

int rumpk_shutdown(void)
{
	return rump_call_function(shut_down, NULL);
}
