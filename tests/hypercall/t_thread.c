/* SPDX-License-Identifier: BSD-2-Clause */
/* Helper threads and the ends of the program's (hypercall/thread.c). */
#include <atf-c.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rump/rumpuser.h>

static atomic_int exits, late, early;
static pthread_key_t program_key;

static void on_exit_of(void *host)
{
	atomic_fetch_add(&exits, 1);
	if (host == &exits)
		atomic_fetch_add(&late, early);
}

static const struct rumpuser_upcalls upcalls = { .thread_exit = on_exit_of };

static void init(void)
{
	ATF_REQUIRE_EQ(0, rumpuser_init(RUMPUSER_VERSION, &upcalls));
}

static uint32_t told;
static sigset_t helper_mask;
static char helper_name[16];
static int helper_tid;

static void helper(void *arg)
{
	pthread_sigmask(SIG_BLOCK, NULL, &helper_mask);
	prctl(PR_GET_NAME, helper_name);
	helper_tid = rumpuser_gettid();
	__atomic_store_n((uint32_t *)arg, 1, __ATOMIC_RELEASE);
	rumpuser_wake(arg);
}

ATF_TC(helpers);
ATF_TC_HEAD(helpers, tc)
{
	atf_tc_set_md_var(tc, "descr", "a helper has every signal blocked but faults, its creator none");
}
ATF_TC_BODY(helpers, tc)
{
	sigset_t mine;
	int sig;

	init();
	ATF_REQUIRE_EQ(0, rumpuser_thread_create(helper, &told, "a-name-that-is-too-long"));
	while (!__atomic_load_n(&told, __ATOMIC_ACQUIRE))
		rumpuser_wait(&told, 0, RUMPUSER_FOREVER, 0);
	for (sig = 1; sig <= SIGRTMAX; sig++)
		if (sig != SIGKILL && sig != SIGSTOP && (sig < 32 || sig >= SIGRTMIN))
			ATF_CHECK_MSG(sigismember(&helper_mask, sig) == (sig != SIGSEGV && sig != SIGBUS &&
			    sig != SIGILL && sig != SIGFPE),
			    "signal %d", sig);
	pthread_sigmask(SIG_BLOCK, NULL, &mine);
	ATF_CHECK(sigisemptyset(&mine));
	ATF_CHECK_STREQ("a-name-that-is-", helper_name);
	ATF_CHECK(helper_tid != rumpuser_gettid());
	ATF_CHECK_EQ(getpid(), rumpuser_getpid());
}

#ifdef __SANITIZE_THREAD__
#define SANITIZED	1
#else
#define SANITIZED	0
#endif

static int count_threads(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[128];
	int n = 0;

	while (fgets(line, sizeof(line), f))
		sscanf(line, "Threads: %d", &n);
	fclose(f);
	return n;
}

ATF_TC(churn);
ATF_TC_HEAD(churn, tc)
{
	atf_tc_set_md_var(tc, "descr", "ended helpers leave nothing behind");
}
ATF_TC_BODY(churn, tc)
{
	int i, before = count_threads();

	init();
	for (i = 0; i < 2000; i++) {
		told = 0;
		ATF_REQUIRE_EQ(0, rumpuser_thread_create(helper, &told, "churn"));
		while (!__atomic_load_n(&told, __ATOMIC_ACQUIRE))
			rumpuser_wait(&told, 0, RUMPUSER_FOREVER, 0);
	}
	/* A sanitizer has a thread of its own from the first on. */
	for (i = 0; i < 1000 && count_threads() > before + SANITIZED; i++)
		usleep(10000);
	ATF_CHECK(count_threads() <= before + SANITIZED);
}

/* Two rounds: the program's destructor makes its last call in the second. */
static void program_destructor(void *round)
{
	if (round == (void *)1)
		pthread_setspecific(program_key, (void *)2);
	else
		atomic_store(&early, 1);
}

static void *one(void *arg)
{
	rumpuser_thread_register(arg);
	rumpuser_thread_register(arg);
	pthread_setspecific(program_key, (void *)1);
	return NULL;
}

static void *tied_and_untied(void *arg)
{
	rumpuser_thread_register(arg);
	rumpuser_thread_register(NULL);
	return NULL;
}

ATF_TC(thread_exit);
ATF_TC_HEAD(thread_exit, tc)
{
	atf_tc_set_md_var(tc, "descr", "each end is told once, after the program's destructors");
}
ATF_TC_BODY(thread_exit, tc)
{
	pthread_t thread;
	int i;

	init();
	pthread_key_create(&program_key, program_destructor);
	pthread_create(&thread, NULL, one, &exits);
	pthread_join(thread, NULL);
	ATF_CHECK_EQ(1, exits);
	ATF_CHECK_EQ_MSG(1, late, "the upcall came before the program's last destructor");
	pthread_create(&thread, NULL, tied_and_untied, &exits);
	pthread_join(thread, NULL);
	ATF_CHECK_EQ(1, exits);
	for (i = 0; i < 100; i++) {
		pthread_create(&thread, NULL, one, &exits);
		pthread_join(thread, NULL);
	}
	ATF_CHECK_EQ(101, exits);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, helpers);
	ATF_TP_ADD_TC(tp, churn);
	ATF_TP_ADD_TC(tp, thread_exit);
	return atf_no_error();
}
