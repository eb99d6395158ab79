/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes and lwps of an embedded kernel: rump_pub_lwproc_*(). */
#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rump/rump.h>

#define WORKERS	16	/* kernel threads that may have come meanwhile */

static long call(long nr, long a, long b)
{
	return rump_syscall(nr, a, b, 0, 0, 0, 0);
}

static long must(long r)
{
	ATF_REQUIRE_MSG(r >= 0, "%s", strerror(-r));
	return r;
}

static int open_null(void)
{
	return must(rump_syscall(SYS_openat, AT_FDCWD, (long)"/dev/null", O_RDWR, 0, 0, 0));
}

static int is_open(int fd)
{
	return call(SYS_fcntl, fd, F_GETFD) >= 0;
}

/* The number after key in a file of the rump kernel. */
static long number_in(const char *file, const char *key)
{
	char buf[4096], *p;
	long fd = must(rump_syscall(SYS_openat, AT_FDCWD, (long)file, O_RDONLY, 0, 0, 0));
	long n = must(rump_syscall(SYS_read, fd, (long)buf, sizeof(buf) - 1, 0, 0, 0));

	buf[n] = '\0';
	must(call(SYS_close, fd, 0));
	ATF_REQUIRE_MSG((p = strstr(buf, key)) != NULL, "%s has no %s", file, key);
	return strtol(p + strlen(key), NULL, 10);
}

/* In "0.00 0.00 0.00 1/68 123" */
static long tasks(void)
{
	return number_in("/proc/loadavg", "/");
}

/* Nothing that the kernel has warned of, such as memory used after it was freed. */
static void check_untainted(void)
{
	ATF_CHECK_EQ(number_in("/proc/sys/kernel/tainted", ""), 0);
}

ATF_TC(descriptors);
ATF_TC_HEAD(descriptors, tc)
{
	atf_tc_set_md_var(tc, "descr", "rfork copies, shares or leaves out the descriptors");
}
ATF_TC_BODY(descriptors, tc)
{
	struct rump_lwp *first;
	long pid;
	int fd;

	fd = open_null();
	pid = must(call(SYS_getpid, 0, 0));
	first = rump_pub_lwproc_curlwp();
	ATF_REQUIRE(first != NULL);
	ATF_CHECK_EQ(rump_pub_lwproc_rfork(RUMP_RFFD_SHARE | RUMP_RFFD_CLEAR), -EINVAL);
	ATF_CHECK_EQ(rump_pub_lwproc_rfork(4), -EINVAL);
	ATF_CHECK_EQ(rump_pub_lwproc_curlwp(), first);

	ATF_REQUIRE_EQ(rump_pub_lwproc_rfork(RUMP_RFFD_COPY), 0);
	ATF_CHECK(must(call(SYS_getpid, 0, 0)) != pid);
	ATF_CHECK(is_open(fd));
	must(call(SYS_close, fd, 0));
	ATF_CHECK_EQ(rump_pub_lwproc_releaselwp(), 0);
	ATF_CHECK_EQ(rump_pub_lwproc_curlwp(), NULL);
	ATF_REQUIRE_EQ(rump_pub_lwproc_switch(first), 0);
	ATF_CHECK_EQ(must(call(SYS_getpid, 0, 0)), pid);
	ATF_CHECK(is_open(fd));

	ATF_REQUIRE_EQ(rump_pub_lwproc_rfork(RUMP_RFFD_CLEAR), 0);
	ATF_CHECK(!is_open(fd));
	ATF_CHECK_EQ(rump_pub_lwproc_releaselwp(), 0);
	ATF_REQUIRE_EQ(rump_pub_lwproc_switch(first), 0);

	ATF_REQUIRE_EQ(rump_pub_lwproc_rfork(RUMP_RFFD_SHARE), 0);
	must(call(SYS_close, fd, 0));
	ATF_CHECK_EQ(rump_pub_lwproc_releaselwp(), 0);
	ATF_REQUIRE_EQ(rump_pub_lwproc_switch(first), 0);
	ATF_CHECK(!is_open(fd));
}

static void *take(void *lwp)
{
	return (void *)(long)rump_pub_lwproc_switch(lwp);
}

ATF_TC(lwps);
ATF_TC_HEAD(lwps, tc)
{
	atf_tc_set_md_var(tc, "descr", "a thread is one lwp at a time, and an lwp one thread");
}
ATF_TC_BODY(lwps, tc)
{
	struct rump_lwp *a, *b;
	pthread_t t;
	long pid;
	void *r;

	ATF_CHECK_EQ(rump_pub_lwproc_curlwp(), NULL);
	ATF_CHECK_EQ(rump_pub_lwproc_releaselwp(), -ESRCH);
	ATF_REQUIRE_EQ(rump_pub_lwproc_rfork(0), 0);
	pid = must(call(SYS_getpid, 0, 0));
	a = rump_pub_lwproc_curlwp();
	ATF_REQUIRE_EQ(rump_pub_lwproc_newlwp(pid), 0);
	b = rump_pub_lwproc_curlwp();
	ATF_CHECK(a != b);
	ATF_CHECK_EQ(must(call(SYS_getpid, 0, 0)), pid);
	ATF_CHECK_EQ(rump_pub_lwproc_newlwp(99999), -ESRCH);
	ATF_CHECK_EQ(rump_pub_lwproc_curlwp(), b);
	ATF_REQUIRE_EQ(pthread_create(&t, NULL, take, b), 0);
	pthread_join(t, &r);
	ATF_CHECK_EQ((long)r, -EBUSY);
	ATF_CHECK_EQ(rump_pub_lwproc_releaselwp(), 0);
	ATF_CHECK_EQ(rump_pub_lwproc_switch(a), 0);
	ATF_CHECK_EQ(must(call(SYS_getpid, 0, 0)), pid);
	ATF_CHECK_EQ(rump_pub_lwproc_releaselwp(), 0);
	/* With its last lwp the process is gone. */
	for (int i = 0; i < 1000 && call(SYS_kill, pid, 0) == 0; i++)
		usleep(10000);
	ATF_CHECK_EQ(call(SYS_kill, pid, 0), -ESRCH);
}

ATF_TC(killed);
ATF_TC_HEAD(killed, tc)
{
	atf_tc_set_md_var(tc, "descr", "a process that is killed while its thread is outside");
}
ATF_TC_BODY(killed, tc)
{
	struct rump_lwp *first, *victim;
	long pid, r;

	must(call(SYS_getpid, 0, 0));
	first = rump_pub_lwproc_curlwp();
	for (int i = 0; i < 100; i++) {
		ATF_REQUIRE_EQ(rump_pub_lwproc_rfork(0), 0);
		pid = must(call(SYS_getpid, 0, 0));
		victim = rump_pub_lwproc_curlwp();
		if (i % 2 == 0) {
			ATF_REQUIRE_EQ(rump_pub_lwproc_switch(first), 0);
			must(call(SYS_kill, pid, SIGKILL));
			usleep(1000);
			ATF_REQUIRE_EQ(rump_pub_lwproc_switch(victim), 0);
		} else {
			call(SYS_kill, pid, SIGKILL);
		}
		r = call(SYS_getpid, 0, 0);
		ATF_CHECK_MSG(r != pid, "process %ld lives", pid);
		ATF_REQUIRE_EQ(rump_pub_lwproc_switch(first), 0);
	}
	check_untainted();
}

ATF_TC(churn);
ATF_TC_HEAD(churn, tc)
{
	atf_tc_set_md_var(tc, "descr", "a thousand processes and lwps leave nothing behind");
}
ATF_TC_BODY(churn, tc)
{
	struct rump_lwp *first, *a;
	long before = 0;

	must(call(SYS_getpid, 0, 0));
	first = rump_pub_lwproc_curlwp();
	for (int i = 0; i < 1000; i++) {
		if (i == 100)
			before = tasks();
		ATF_REQUIRE_EQ(rump_pub_lwproc_rfork(i % 3), 0);
		a = rump_pub_lwproc_curlwp();
		ATF_REQUIRE_EQ(rump_pub_lwproc_newlwp(must(call(SYS_getpid, 0, 0))), 0);
		ATF_REQUIRE_EQ(rump_pub_lwproc_releaselwp(), 0);
		ATF_REQUIRE_EQ(rump_pub_lwproc_switch(a), 0);
		ATF_REQUIRE_EQ(rump_pub_lwproc_releaselwp(), 0);
		ATF_REQUIRE_EQ(rump_pub_lwproc_switch(first), 0);
	}
	for (int i = 0; i < 1000 && tasks() > before + WORKERS; i++)
		usleep(10000);
	ATF_CHECK_MSG(tasks() <= before + WORKERS, "%ld tasks, %ld before", tasks(), before);
	check_untainted();
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, descriptors);
	ATF_TP_ADD_TC(tp, lwps);
	ATF_TP_ADD_TC(tp, killed);
	ATF_TP_ADD_TC(tp, churn);
	return atf_no_error();
}
