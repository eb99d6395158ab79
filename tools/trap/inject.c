/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inject.c - a system call that a target makes because we want it to.
 *
 * What becomes of the target itself - its memory, its program, a directory of the host by
 * another name - only a call of its own can change.  So its thread, which waits for the end
 * of a call, is stopped behind it (ptrace(2)), put before the system call instruction again
 * with other arguments, and gets its registers back afterwards, with the result.  The
 * strings that such a call needs are put below its stack's red zone.
 *
 * Limit: a target that a debugger has stopped already has no other tracer (-EPERM).
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trap.h"

#define RED_ZONE	128
#define SYSCALL_INSN	0x050f		/* as a number of 16 bits */
#define STOP_CALL	(SIGTRAP | 0x80)

pid_t inject_child;

/* The next stop of the thread: its signal with the event above it; -ESRCH: it is dead. */
static int next_stop(pid_t tid)
{
	siginfo_t si;
	int st;

	memset(&si, 0, sizeof(si));
	/* The end of our own child is for who waits for that. */
	while (waitid(P_PID, tid, &si, WEXITED | WSTOPPED | WNOWAIT | __WALL | __WNOTHREAD))
		if (errno != EINTR)
			return -ESRCH;
	if (si.si_code != CLD_TRAPPED && si.si_code != CLD_STOPPED) {
		if (tid != inject_child)
			waitpid(tid, &st, __WALL | __WNOTHREAD);
		return -ESRCH;
	}
	return si.si_status;
}

static int resume_to_stop(pid_t tid)
{
	return ptrace(PTRACE_SYSCALL, tid, 0, 0) < 0 ? -ESRCH : next_stop(tid);
}

/* Makes the call; the thread is stopped behind an earlier one, whose result becomes this one's. */
static long redo(pid_t tid, struct injection *in)
{
	struct user_regs_struct was, regs;
	struct iovec local, remote;
	unsigned long at;
	uint64_t mask, all = ~0UL;
	int i, k, stop;
	long ret = -ESRCH;

	if (ptrace(PTRACE_GETREGS, tid, 0, &was) < 0 ||
	    (ptrace(PTRACE_PEEKTEXT, tid, was.rip - 2, 0) & 0xffff) != SYSCALL_INSN ||
	    ptrace(PTRACE_GETSIGMASK, tid, sizeof(mask), &mask) < 0)
		return -ESRCH;
	ptrace(PTRACE_SETSIGMASK, tid, sizeof(all), &all);
	regs = was;
	at = was.rsp - RED_ZONE;
	for (i = 0; i < 6; i++) {
		if (!in->text[i])
			continue;
		local = (struct iovec){ (void *)in->text[i], strlen(in->text[i]) + 1 };
		at -= local.iov_len;
		remote = (struct iovec){ (void *)at, local.iov_len };
		if (process_vm_writev(tid, &local, 1, &remote, 1, 0) != (ssize_t)local.iov_len)
			in->n = 0;
		in->call[0].a[i] = at;
	}
	for (k = 0, ret = -EFAULT; k < in->n; k++) {
		regs.orig_rax = -1;
		regs.rip = was.rip - 2;
		regs.rax = in->call[k].nr;
		regs.rdi = in->call[k].a[0];
		regs.rsi = in->call[k].a[1];
		regs.rdx = in->call[k].a[2];
		regs.r10 = in->call[k].a[3];
		regs.r8 = in->call[k].a[4];
		regs.r9 = in->call[k].a[5];
		if (ptrace(PTRACE_SETREGS, tid, 0, &regs) < 0)
			return -ESRCH;
		do
			stop = resume_to_stop(tid);
		while (stop >= 0 && stop != STOP_CALL && stop >> 8 == 0);
		stop = stop < 0 ? stop : resume_to_stop(tid);
		if (stop >= 0 && stop >> 8 == PTRACE_EVENT_EXEC)
			return 0;		/* another program, with registers of its own */
		if (stop < 0 || ptrace(PTRACE_GETREGS, tid, 0, &regs) < 0)
			return -ESRCH;
		if (k == 0)
			ret = regs.rax;
	}
	was.rax = ret;
	was.orig_rax = -1;
	ptrace(PTRACE_SETREGS, tid, 0, &was);
	ptrace(PTRACE_SETSIGMASK, tid, sizeof(mask), &mask);
	return ret;
}

long inject(struct call *c, struct injection *in)
{
	struct seccomp_notif_resp resp = { .id = c->id, .error = -ENOSYS };
	int stop;
	long ret;

	serve_lasts();		/* the call may be one that we are handed again */
	if (ptrace(PTRACE_SEIZE, c->tid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC) < 0)
		return -EPERM;
	if (!target_valid(c) || ptrace(PTRACE_INTERRUPT, c->tid, 0, 0) < 0 ||
	    ioctl(c->listener, SECCOMP_IOCTL_NOTIF_SEND, &resp) < 0) {
		ptrace(PTRACE_DETACH, c->tid, 0, 0);
		return -ESRCH;
	}
	c->answered = 1;
	stop = next_stop(c->tid);
	ret = stop < 0 ? stop : redo(c->tid, in);
	ptrace(PTRACE_DETACH, c->tid, 0, 0);
	return ret;
}
