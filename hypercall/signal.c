/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * signal.c - signals that an embedded kernel raises in its own process, and what
 * the program has arranged for them.
 */
#include <signal.h>
#include <stdint.h>
#include <string.h>

#include "hostcall.h"
#include "internal.h"
#include "hostsig.h"

void rumpuser_raise(int sig, int si_code, int si_errno, uint64_t value)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = sig;
	info.si_code = si_code;
	info.si_errno = si_errno;
	if (si_code > 0) {
		/* From "the kernel": an address or an event is where the pid is else. */
		info.si_addr = (void *)value;
	} else {
		info.si_pid = rumpuser_getpid();
		info.si_uid = host(SYS_getuid, 0);
		info.si_value.sival_ptr = (void *)value;
	}
	host(SYS_rt_tgsigqueueinfo, rumpuser_getpid(), rumpuser_gettid(), sig, &info);
}

int rumpuser_sig_restarts(int sig)
{
	struct hostsig_action act;

	if (hostsig_action(sig, NULL, &act) < 0)
		return 1;
	return act.handler == SIG_DFL || act.handler == SIG_IGN || (act.flags & SA_RESTART);
}
