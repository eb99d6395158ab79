/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ending.c - the last moments of a program that carries a kernel and is ended by a signal.
 *
 * The signal must not end the process before the kernel has written its files, and its
 * handler cannot see to that: it may run on the very thread that the kernel's vCPU needs
 * to go on.  So the handler only tells a thread that waits for it, and returns; that thread
 * has the kernel shut down, then ends the process by the same signal.  What the program does
 * meanwhile is nobody's business any more: its calls find rumpuser_ending set.
 *
 * Only signals that would have ended the program are caught (SIG_DFL), and a child of a fork,
 * which has the handler but not the thread, ends at once.
 *
 * Limits: a program that asks for the old action of such a signal sees a handler; one that
 * sets SIG_DFL again, or is killed by SIGKILL or a crash, leaves what its journal repairs.
 */
#include <errno.h>
#include <stddef.h>

#include "hostcall.h"
#include "hostsig.h"
#include "internal.h"

uint32_t rumpuser_ending;

static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGALRM, SIGXCPU };
static void (*last_work)(void);
static int owner;

static void end_by(int sig)
{
	const struct hostsig_action act = { .handler = SIG_DFL };
	uint64_t none = 0;
	int self = host(SYS_getpid, 0);

	hostsig_action(sig, &act, NULL);
	host(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
	host(SYS_kill, self, sig);
}

static void handler(int sig)
{
	uint32_t none = 0;

	if (host(SYS_getpid, 0) != owner) {
		end_by(sig);
		return;
	}
	if (__atomic_compare_exchange_n(&rumpuser_ending, &none, sig, 0, __ATOMIC_SEQ_CST,
	    __ATOMIC_SEQ_CST))
		rumpuser_wake(&rumpuser_ending);
}

static void wait_for_end(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&rumpuser_ending, __ATOMIC_SEQ_CST))
		rumpuser_wait(&rumpuser_ending, 0, RUMPUSER_FOREVER, 0);
	last_work();
	end_by(rumpuser_ending);
}

int rumpuser_end_on_signals(void (*fn)(void))
{
	const struct hostsig_action act = {
		.handler = handler, .flags = SA_RESTART | SA_ONSTACK | SA_RESTORER,
		.restorer = rumpuser_sigreturn,
	};
	struct hostsig_action old;
	unsigned int i;
	int err;

	last_work = fn;
	owner = host(SYS_getpid, 0);
	err = rumpuser_thread_create(wait_for_end, NULL, "rump-end");
	for (i = 0; !err && i < sizeof(signals) / sizeof(signals[0]); i++)
		if (hostsig_action(signals[i], NULL, &old) == 0 && old.handler == SIG_DFL)
			hostsig_action(signals[i], &act, NULL);
	return err;
}
