/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting and waking, clocks, and the helper threads' wait (hypercall/wait.c, cpuwait.c). */
#include <atf-c.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include <rump/rumpuser.h>

#define MS	1000000LL

ATF_TC_WITHOUT_HEAD(changed);
ATF_TC_BODY(changed, tc)
{
	uint32_t word = 1;

	ATF_CHECK_EQ(0, rumpuser_wait(&word, 0, RUMPUSER_FOREVER, 0));
	ATF_CHECK_EQ(0, rumpuser_wait(&word, 0, 0, 1000));
}

ATF_TC(deadline);
ATF_TC_HEAD(deadline, tc)
{
	atf_tc_set_md_var(tc, "descr", "deadlines are absolute, of any length, and in the past too");
}
ATF_TC_BODY(deadline, tc)
{
	int64_t start = rumpuser_clock_mono(), lengths[] = { 1 * MS, 20 * MS, 1100 * MS };
	uint32_t word = 0;
	unsigned int i;

	ATF_CHECK_EQ(-ETIMEDOUT, rumpuser_wait(&word, 0, 0, 0));
	ATF_CHECK_EQ(-ETIMEDOUT, rumpuser_wait(&word, 0, -5, 0));
	ATF_CHECK_EQ(-ETIMEDOUT, rumpuser_wait(&word, 0, start - 1, 5000));
	for (i = 0; i < 3; i++) {
		start = rumpuser_clock_mono();
		ATF_CHECK_EQ(-ETIMEDOUT,
		    rumpuser_wait(&word, 0, start + lengths[i], i == 1 ? 50000 : 0));
		ATF_CHECK(rumpuser_clock_mono() >= start + lengths[i]);
	}
}

static uint32_t ping, pong;

static void *answer(void *arg)
{
	uint32_t i, n = (uintptr_t)arg;

	for (i = 0; i < n; i++) {
		while (__atomic_load_n(&ping, __ATOMIC_ACQUIRE) == i)
			rumpuser_wait(&ping, i, RUMPUSER_FOREVER, i % 3 * 2000);
		__atomic_store_n(&pong, i + 1, __ATOMIC_RELEASE);
		rumpuser_wake(&pong);
	}
	return NULL;
}

ATF_TC(no_lost_wakeup);
ATF_TC_HEAD(no_lost_wakeup, tc)
{
	atf_tc_set_md_var(tc, "descr", "waker and waiter race many times, asleep and looking");
	atf_tc_set_md_var(tc, "timeout", "120");
}
ATF_TC_BODY(no_lost_wakeup, tc)
{
	const uint32_t n = 50000;
	pthread_t thread;
	uint32_t i;

	pthread_create(&thread, NULL, answer, (void *)(uintptr_t)n);
	for (i = 0; i < n; i++) {
		__atomic_store_n(&ping, i + 1, __ATOMIC_RELEASE);
		rumpuser_wake(&ping);
		while (__atomic_load_n(&pong, __ATOMIC_ACQUIRE) == i)
			rumpuser_wait(&pong, i, RUMPUSER_FOREVER, i % 5 * 1000);
	}
	pthread_join(thread, NULL);
}

static void *sleep_on(void *arg)
{
	while (!__atomic_load_n((uint32_t *)arg, __ATOMIC_ACQUIRE))
		rumpuser_wait(arg, 0, RUMPUSER_FOREVER, 0);
	return NULL;
}

ATF_TC_WITHOUT_HEAD(wakes_all);
ATF_TC_BODY(wakes_all, tc)
{
	pthread_t threads[8];
	uint32_t word = 0;
	unsigned int i;

	for (i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, sleep_on, &word);
	usleep(20000);
	__atomic_store_n(&word, 1, __ATOMIC_RELEASE);
	rumpuser_wake(&word);
	for (i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
}

static void nothing(int sig)
{
	(void)sig;
}

static void *wake_later(void *word)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	usleep(60000);
	__atomic_store_n((uint32_t *)word, 1, __ATOMIC_RELEASE);
	rumpuser_wake(word);
	return NULL;
}

ATF_TC(interrupted);
ATF_TC_HEAD(interrupted, tc)
{
	atf_tc_set_md_var(tc, "descr", "handlers end a wait, those with SA_RESTART only a timed one");
}
ATF_TC_BODY(interrupted, tc)
{
	struct sigaction sa = { .sa_handler = nothing };
	struct itimerspec its = { .it_value.tv_nsec = 20 * MS };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	uint32_t word = 0;
	pthread_t thread;
	timer_t timer;

	timer_create(CLOCK_MONOTONIC, &ev, &timer);
	sigaction(SIGALRM, &sa, NULL);
	ATF_CHECK_EQ(0, rumpuser_sig_restarts(SIGALRM));
	timer_settime(timer, 0, &its, NULL);
	ATF_CHECK_EQ(-EINTR, rumpuser_wait(&word, 0, RUMPUSER_FOREVER, 0));

	sa.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &sa, NULL);
	ATF_CHECK_EQ(1, rumpuser_sig_restarts(SIGALRM));
	ATF_CHECK_EQ(1, rumpuser_sig_restarts(SIGUSR1));
	timer_settime(timer, 0, &its, NULL);
	ATF_CHECK_EQ(-EINTR, rumpuser_wait(&word, 0, rumpuser_clock_mono() + 60 * MS, 0));
	pthread_create(&thread, NULL, wake_later, &word);
	timer_settime(timer, 0, &its, NULL);
	ATF_CHECK_EQ(0, rumpuser_wait(&word, 0, RUMPUSER_FOREVER, 0));
	pthread_join(thread, NULL);
	ATF_CHECK_EQ(1, word);
}

static void *cpu_sleeper(void *arg)
{
	while (!__atomic_load_n((uint32_t *)arg, __ATOMIC_ACQUIRE))
		rumpuser_cpu_wait(0, arg, 0, RUMPUSER_FOREVER);
	return NULL;
}

ATF_TC_WITHOUT_HEAD(cpu_kick);
ATF_TC_BODY(cpu_kick, tc)
{
	uint32_t word = 0, still = 0;
	pthread_t thread;

	rumpuser_cpu_poll(0);
	ATF_CHECK_EQ(-ETIMEDOUT, rumpuser_cpu_wait(0, &still, 0, rumpuser_clock_mono() + MS));
	pthread_create(&thread, NULL, cpu_sleeper, &word);
	usleep(20000);
	__atomic_store_n(&word, 1, __ATOMIC_RELEASE);
	rumpuser_cpu_kick(0, &word);
	pthread_join(thread, NULL);
}

ATF_TC_WITHOUT_HEAD(clocks);
ATF_TC_BODY(clocks, tc)
{
	int64_t mono = rumpuser_clock_mono(), real = rumpuser_clock_real();

	usleep(10000);
	ATF_CHECK(rumpuser_clock_mono() - mono >= 10 * MS);
	ATF_CHECK(real / 1000000000 - time(NULL) <= 1);
	ATF_CHECK(rumpuser_ncpu() >= 1);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, changed);
	ATF_TP_ADD_TC(tp, deadline);
	ATF_TP_ADD_TC(tp, no_lost_wakeup);
	ATF_TP_ADD_TC(tp, wakes_all);
	ATF_TP_ADD_TC(tp, interrupted);
	ATF_TP_ADD_TC(tp, cpu_kick);
	ATF_TP_ADD_TC(tp, clocks);
	return atf_no_error();
}
