/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads share vCPUs: nobody starves, neither who calls without pause nor who sleeps beside
 * them.  (How long a sleeper waits is bench's to say: wakeup_latency_us, fairness.)
 */
#include "sys.h"

#include <time.h>

#define BUSY		6
#define SLEEPERS	8
#define NAPS		200
#define CALLS		20000
#define SECOND		1000000000LL
/* The host's own scheduler is not fair to the microsecond, least of all on a loaded machine. */
#define UNFAIR		50

static volatile bool stop;
static struct { _Alignas(64) volatile long calls; long before; } count[BUSY];

static long
busy(void *arg)
{
	volatile long *calls = &count[(long)arg].calls;

	while (!stop) {
		MUST(getppid);
		++*calls;
	}
	return 0;
}

static long
nap(void *arg)
{
	struct timespec ms = { .tv_nsec = 1000000 };

	(void)arg;
	for (int i = 0; i < NAPS; i++)
		MUST(nanosleep, &ms, NULL);
	return 0;
}

static void
extremes(long *least, long *most)
{
	*least = LONG_MAX;
	*most = 0;
	for (int i = 0; i < BUSY; i++) {
		long n = count[i].calls - count[i].before;

		*least = n < *least ? n : *least;
		*most = n > *most ? n : *most;
	}
}

ATF_TC(nobody_starves);
ATF_TC_HEAD(nobody_starves, tc)
{
	atf_tc_set_md_var(tc, "descr", "six threads that call without pause, and eight that sleep");
}
ATF_TC_BODY(nobody_starves, tc)
{
	struct sys_thread *b[BUSY], *s[SLEEPERS];
	long least, most;
	int64_t begin;

	MUST(getpid);		/* the kernel ends with the thread that starts it */
	for (long i = 0; i < BUSY; i++)
		b[i] = sys_spawn(busy, (void *)i);
	for (long i = 0; i < SLEEPERS; i++)
		s[i] = sys_spawn(nap, NULL);
	/* Each sleeper comes to its end, whatever the others do. */
	for (int i = 0; i < SLEEPERS; i++)
		sys_join(s[i]);
	for (int i = 0; i < BUSY; i++)
		count[i].before = count[i].calls;
	begin = sys_now();
	do {
		usleep(10000);
		extremes(&least, &most);
	} while (least < CALLS || sys_now() < begin + SECOND);
	stop = true;
	for (int i = 0; i < BUSY; i++)
		sys_join(b[i]);
	printf("%ld to %ld calls each\n", least, most);
	ATF_CHECK_MSG(most / UNFAIR <= least, "%ld calls of one thread, %ld of another", least, most);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, nobody_starves);
	return atf_no_error();
}
