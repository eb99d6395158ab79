/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * door.c - signals wait at the door.
 *
 * While a thread is inside a rump call (hijack_depth > 0) it may stand on a stack of the
 * kernel, or between the two halves of a message: no handler of the program may run there,
 * which could leave it for good (siglongjmp, pthread_exit), or stay.  So all handlers
 * that the program installs have ours in front of them, with the flags and the mask that the
 * program wants.  Outside of a call that goes on to the program's at once, on the same frame;
 * nobody can tell the difference.  Inside
 *
 * - the signal is blocked in the mask that the thread goes back to, and queued again for
 *   this thread, as it was;
 * - the call is told to end: by rumpclient_interrupt(), which is made for this moment;
 *   where the thread waits in a call of the host instead, door_wait() sees to it that it does
 *   not begin, or go on, to wait;
 * - at the door, which is where hijack_depth becomes 0, the signal is let in, under the mask
 *   that held when it came (that of ppoll(2), too), so that the handler runs on the program's
 *   stack.  The call returns EINTR, or is made again as SA_RESTART says.
 *
 * A fault waits for nobody: its handler runs at once.  So does libc's for SIGSETXID, which
 * makes one system call, and for which setuid(3) waits.  A thread that is cancelled is so at
 * the door.
 *
 * What the program has installed is a word for each signal, its handler with two bits; the
 * rest is what the host's kernel keeps for us.  No locks: of two threads that change the same
 * action at the same time, one may see a mixture of both as the old one.  A child that
 * shares its parent's memory (vfork) writes no word: a handler that it installs has none of
 * ours in front.
 *
 * Limits: of several signals of the same real-time number that were sent to one thread, the
 * first may come last.  Where libc is not patched, a cancelled thread ends when its call
 * returns, and handlers that libc installs for itself are not seen.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <ucontext.h>

#include "door.h"
#include "hijack.h"
#include "../hypercall/hostsig.h"

#define NSIGS		64
#ifdef __GLIBC__
#define SIGCANCEL	32		/* libc's own two: to cancel a thread, and ... */
#define SIGSETXID	33		/* ... to have each thread make a system call */
#else
#define SIGCANCEL	33		/* musl has 32 for timers */
#define SIGSETXID	34
#endif

/* ---- what the program has installed -------------------------------------------------- */

#define WANTS_INFO	(UINT64_C(1) << 63)	/* SA_SIGINFO */
#define ONCE		(UINT64_C(1) << 62)	/* SA_RESETHAND, which is ours to do */
#define HANDLER		(ONCE - 1)

static _Atomic uint64_t words[NSIGS + 1];

static bool is_function(const struct hostsig_action *act)
{
	return act->handler != SIG_DFL && act->handler != SIG_IGN;
}

static uint64_t to_word(const struct hostsig_action *act)
{
	return (uintptr_t)act->handler | (act->flags & SA_SIGINFO ? WANTS_INFO : 0) |
	    (act->flags & SA_RESETHAND ? ONCE : 0);
}

/* ---- the door ------------------------------------------------------------------------- */

__thread volatile uint64_t door_waiting __attribute__((tls_model("initial-exec")));

/* Of the calling thread.  mask to restarts: set by the first that waits. */
static __thread struct {
	uint64_t mask;			/* what was blocked when it came */
	uint64_t added;			/* that we have blocked */
	bool restarts;			/* SA_RESTART */
	const uint64_t *volatile wait;	/* the mask of a wait of the host's, if it has one */
} self __attribute__((tls_model("initial-exec")));

/*
 * long door_syscall(const volatile uint64_t *waiting, long nr, const long a[6])
 * The host's call, unless *waiting; the signal handler has it leave at door_refuse if it is
 * found before, or at, the system call instruction: there it is also when it is to go on
 * after a handler (SA_RESTART).
 */
__asm__(
"	.text\n"
"	.type	door_syscall, @function\n"
"door_syscall:\n"
"	.cfi_startproc\n"
"	mov	%rdi, %r11\n"
"	mov	%rsi, %rax\n"
"	mov	%rdx, %rcx\n"
"	mov	(%rcx), %rdi\n"
"	mov	8(%rcx), %rsi\n"
"	mov	16(%rcx), %rdx\n"
"	mov	24(%rcx), %r10\n"
"	mov	32(%rcx), %r8\n"
"	mov	40(%rcx), %r9\n"
"door_begin:\n"
"	cmpq	$0, (%r11)\n"
"	jne	door_refuse\n"
"	syscall\n"
"door_end:\n"
"	ret\n"
"door_refuse:\n"
"	mov	$-512, %rax\n"			/* -RUMP_ERESTARTSYS */
"	ret\n"
"	.cfi_endproc\n"
"	.size	door_syscall, . - door_syscall\n");

long door_syscall(const volatile uint64_t *waiting, long nr, const long a[6])
    __attribute__((visibility("hidden")));
extern const char door_begin[] __attribute__((visibility("hidden")));
extern const char door_end[] __attribute__((visibility("hidden")));
extern const char door_refuse[] __attribute__((visibility("hidden")));

long door_wait(long nr, const long a[6], const void *mask)
{
	long ret;

	self.wait = mask;
	ret = door_syscall(&door_waiting, nr, a);
	self.wait = NULL;
	return ret;
}

bool door_may_cancel(long nr)
{
	switch (nr) {
	case SYS_read: case SYS_write: case SYS_pread64: case SYS_pwrite64: case SYS_readv:
	case SYS_writev: case SYS_preadv: case SYS_pwritev: case SYS_preadv2: case SYS_pwritev2:
	case SYS_open: case SYS_openat: case SYS_creat: case SYS_close: case SYS_fsync:
	case SYS_fdatasync: case SYS_fcntl: case SYS_connect: case SYS_accept: case SYS_accept4:
	case SYS_sendto: case SYS_recvfrom: case SYS_sendmsg: case SYS_recvmsg: case SYS_sendmmsg:
	case SYS_recvmmsg: case SYS_poll: case SYS_ppoll: case SYS_select: case SYS_pselect6:
	case SYS_epoll_wait: case SYS_epoll_pwait: case SYS_splice: case SYS_tee:
		return true;
	}
	return false;
}

bool door_open(long nr)
{
	uint64_t waiting = door_waiting, added = self.added, mask = self.mask & ~waiting, now;
	bool restarts = self.restarts;

	self.added = 0;
	door_waiting = 0;
	rumpclient_interrupt_end();
	host(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &now, sizeof(mask));
	/* The handlers have run. */
	now &= ~added;
	if (now != mask)
		host(SYS_rt_sigprocmask, SIG_SETMASK, &now, NULL, sizeof(now));
	/* libc's handler for that cancels at a cancellation point by the state of the thread
	 * (glibc 2.36), or by the program counter (2.41), which is not where it was. */
	if (waiting & door_bit(SIGCANCEL) && door_may_cancel(nr))
		pthread_testcancel();
	return restarts;
}

long door_again(long nr, const long a[6], long ret)
{
	static const long none[6];

	while (ret <= -RUMP_ERESTARTSYS && ret >= -RUMP_ERESTARTBLOCK) {
		if (door_waiting) {
			if (ret != -RUMP_ERESTARTSYS)
				return -EINTR;
			if (hijack_depth > 1)
				return ret;
			hijack_depth = 0;
			if (!door_open(nr))
				ret = -EINTR;
			hijack_enter();
			if (ret == -EINTR)
				return ret;
		} else if (ret == -RUMP_ERESTARTBLOCK) {
			nr = SYS_restart_syscall;
			a = none;
		}
		ret = rumpclient_syscall(nr, a);
	}
	return ret;
}

/* ---- our handler ----------------------------------------------------------------------- */

static bool is_fault(int sig, const siginfo_t *info)
{
	return info->si_code > 0 && (sig == SIGSEGV || sig == SIGBUS || sig == SIGILL ||
	    sig == SIGFPE || sig == SIGTRAP || sig == SIGSYS);
}

static void wait_outside(int sig, siginfo_t *info, ucontext_t *uc)
{
	uint64_t bit = door_bit(sig), mask;
	uintptr_t pc = uc->uc_mcontext.gregs[REG_RIP];
	const uint64_t *wait = self.wait;
	struct hostsig_action act;
	long pid, tid, err;

	memcpy(&mask, &uc->uc_sigmask, sizeof(mask));
	host(SYS_rt_sigprocmask, SIG_BLOCK, &bit, NULL, sizeof(bit));	/* SA_NODEFER */
	if (!door_waiting) {
		self.mask = wait ? *wait : mask;
		self.restarts = hostsig_action(sig, NULL, &act) == 0 && (act.flags & SA_RESTART);
	}
	self.added |= bit & ~mask;
	mask |= bit;
	memcpy(&uc->uc_sigmask, &mask, sizeof(mask));
	pid = host(SYS_getpid, 0);
	tid = host(SYS_gettid, 0);
	err = host(SYS_rt_tgsigqueueinfo, pid, tid, sig, info);
	if (err)
		host(SYS_tgkill, pid, tid, sig);
	door_waiting |= bit;
	if (pc >= (uintptr_t)door_begin && pc < (uintptr_t)door_end)
		uc->uc_mcontext.gregs[REG_RIP] = (uintptr_t)door_refuse;
	rumpclient_interrupt();
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	const struct hostsig_action dfl = { .handler = SIG_DFL };
	int depth = hijack_depth;
	uint64_t word;

	if (depth && !is_fault(sig, info)) {
		wait_outside(sig, info, context);
		return;
	}
	word = atomic_load(&words[sig]);
	if (word & ONCE)
		rumpclient_sigaction(sig, &dfl, NULL);
	/* It may leave a faulting call of ours, too. */
	hijack_depth = 0;
	/* All three arguments also without SA_SIGINFO, as the host does it. */
	((void (*)(int, siginfo_t *, void *))(uintptr_t)(word & HANDLER))(sig, info, context);
	hijack_depth = depth;
}

/* ---- rt_sigaction(2) ---------------------------------------------------------------------- */

/* The program's view of what the host has. */
static void show(int sig, uint64_t word, struct hostsig_action *act)
{
	if (act->action != on_signal)
		return;
	act->handler = (void (*)(int))(uintptr_t)(word & HANDLER);
	act->flags &= ~(unsigned long)(SA_SIGINFO | SA_RESETHAND);
	act->flags |= (word & WANTS_INFO ? SA_SIGINFO : 0) | (word & ONCE ? SA_RESETHAND : 0);
	(void)sig;
}

long door_sigaction(int sig, const struct hostsig_action *new, struct hostsig_action *old)
{
	struct hostsig_action act, was;
	uint64_t word = atomic_load(&words[sig]);
	bool shared = proc_is_vfork_child();
	long err;

	if (new) {
		act = *new;
		if (is_function(&act) && act.action != on_signal && !shared) {
			word = atomic_exchange(&words[sig], to_word(&act));
			act.action = on_signal;
			act.flags = (act.flags | SA_SIGINFO) & ~(unsigned long)SA_RESETHAND;
		}
		new = &act;
	}
	err = shared ? hostsig_action(sig, new, &was) : rumpclient_sigaction(sig, new, &was);
	if (err == 0 && old) {
		show(sig, word, &was);
		*old = was;
	}
	return err;
}

long hijack_sigaction(long nr, const long a[6])
{
	int sig = a[0];

	if (sig < 1 || sig > NSIGS || sig == SIGKILL || sig == SIGSTOP || sig == SIGSETXID ||
	    a[3] != sizeof(uint64_t))
		return host_pass(nr, a);
	return door_sigaction(sig, (const struct hostsig_action *)a[1],
	    (struct hostsig_action *)a[2]);
}

/* Handlers that somebody has installed before us. */
void door_init(void)
{
	struct hostsig_action act;
	int sig;

	for (sig = 1; sig <= NSIGS; sig++)
		if (sig != SIGSETXID && hostsig_action(sig, NULL, &act) == 0 && is_function(&act))
			door_sigaction(sig, &act, NULL);
	rumpclient_signal_door();
}
