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
 * which has the handler but not the thread, ends at once.  So does who has waited long enough
 * for a kernel that hangs: after a minute, or at a signal that comes more than three seconds
 * after the first (timeout(1) sends two at once).
 *
 * Whoever stands between the program and sigaction(2) shows it SIG_DFL for such a signal, and
 * has our handler back when the program sets that again (ending_action()).
 *
 * Limits: a program that is killed by SIGKILL or a crash leaves what its journal repairs.
 */
#include <errno.h>
#include <stddef.h>
#include <time.h>

#include "hostcall.h"
#include "hostsig.h"
#include "internal.h"

uint32_t rumpuser_ending;

#define PATIENCE_S	3
#define LIMIT_S		60

static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGALRM, SIGXCPU };
static void (*last_work)(void);
static int owner;
static int64_t began;			/* when the first of them came */

static void end_by(int sig)
{
	const struct hostsig_action act = { .handler = SIG_DFL };
	uint64_t none = 0;
	int self = host(SYS_getpid, 0);

	hostsig_action(sig, &act, NULL);
	host(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
	host(SYS_kill, self, sig);
}

/* The same signal once more when the time is over. */
static void set_limit(int sig)
{
	const struct itimerspec when = { .it_value.tv_sec = LIMIT_S };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = sig };
	int timer;

	if (host(SYS_timer_create, CLOCK_MONOTONIC, &ev, &timer) == 0)
		host(SYS_timer_settime, timer, 0, &when, NULL);
}

static void handler(int sig)
{
	uint32_t none = 0;

	if (host(SYS_getpid, 0) != owner) {
		end_by(sig);
		return;
	}
	if (__atomic_compare_exchange_n(&rumpuser_ending, &none, sig, 0, __ATOMIC_SEQ_CST,
	    __ATOMIC_SEQ_CST)) {
		__atomic_store_n(&began, rumpuser_clock_mono(), __ATOMIC_SEQ_CST);
		set_limit(sig);
		rumpuser_wake(&rumpuser_ending);
	} else if (rumpuser_clock_mono() - __atomic_load_n(&began, __ATOMIC_SEQ_CST) >
	    PATIENCE_S * 1000000000LL) {
		rumpuser_warn("the kernel has not come to its end: its file systems may be unclean");
		end_by(sig);
	}
}

static void wait_for_end(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&rumpuser_ending, __ATOMIC_SEQ_CST))
		rumpuser_wait(&rumpuser_ending, 0, RUMPUSER_FOREVER, 0);
	last_work();
	end_by(rumpuser_ending);
}

static const struct hostsig_action ours = {
	.handler = handler, .flags = SA_RESTART | SA_ONSTACK | SA_RESTORER,
	.restorer = rumpuser_sigreturn,
};
#define NSIGNALS	(sizeof(signals) / sizeof(signals[0]))

int ending_action(int sig, const struct hostsig_action *new, struct hostsig_action *old)
{
	const struct hostsig_action dfl = { .handler = SIG_DFL };
	struct hostsig_action was;
	unsigned int i;
	int err;

	for (i = 0; i < NSIGNALS && signals[i] != sig; i++)
		;
	if (i == NSIGNALS || !last_work)
		return -ENOENT;
	err = hostsig_action(sig, new && new->handler == SIG_DFL ? &ours : new, &was);
	if (err == 0 && old)
		*old = was.handler == handler ? dfl : was;
	return err;
}

int rumpuser_end_on_signals(void (*fn)(void))
{
	struct hostsig_action old;
	unsigned int i;
	int err;

	last_work = fn;
	owner = host(SYS_getpid, 0);
	err = rumpuser_thread_create(wait_for_end, NULL, "rump-end");
	for (i = 0; !err && i < NSIGNALS; i++)
		if (hostsig_action(signals[i], NULL, &old) == 0 && old.handler == SIG_DFL)
			hostsig_action(signals[i], &ours, NULL);
	return err;
}
