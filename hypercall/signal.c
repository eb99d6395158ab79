/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * signal.c - signals that an embedded kernel raises in its own process, and what
 * the program has arranged for them.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>

#include "hostcall.h"
#include "hostsig.h"
#include "internal.h"

void rumpuser_raise(int tid, int sig, int si_code, int si_errno, uint64_t value)
{
	int pid = rumpuser_getpid();
	siginfo_t info;
	long err;

	memset(&info, 0, sizeof(info));
	info.si_signo = sig;
	info.si_code = si_code;
	info.si_errno = si_errno;
	if (si_code > 0) {
		/* From "the kernel": an address or an event is where the pid is else. */
		info.si_addr = (void *)value;
	} else {
		info.si_pid = pid;
		info.si_uid = host(SYS_getuid, 0);
		info.si_value.sival_ptr = (void *)value;
	}
	/* The host believes a thread that something comes "from the kernel" for itself only. */
	if (tid) {
		err = host(SYS_rt_tgsigqueueinfo, pid, tid, sig, &info);
		if (err)
			host(SYS_tgkill, pid, tid, sig);
	} else {
		err = host(SYS_rt_sigqueueinfo, pid, sig, &info);
		if (err)
			host(SYS_kill, pid, sig);
	}
}

int rumpuser_sigaction(int sig, const void *new, void *old)
{
	int err = fault_action(sig, new, old);

	return err == -ENOENT ? ending_action(sig, new, old) : err;
}

int rumpuser_sig_restarts(int sig)
{
	struct hostsig_action act;

	if (hostsig_action(sig, NULL, &act) < 0)
		return 1;
	return act.handler == SIG_DFL || act.handler == SIG_IGN || (act.flags & SA_RESTART);
}
