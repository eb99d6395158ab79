/* SPDX-License-Identifier: BSD-2-Clause */
/* Everything at once, for RUMP_STRESS_SECONDS (5), and nothing left behind. */
#include "sys.h"

#include <arpa/inet.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include <rump/rump_calls.h>

static volatile bool stop;

static unsigned int
rnd(unsigned int *seed, unsigned int n)
{
	return (unsigned int)rand_r(seed) % n;
}

static void
do_files(unsigned int *seed, int me)
{
	char name[64], to[64], buf[3000];
	int fd;

	snprintf(name, sizeof(name), "/tmp/s%d", me);
	snprintf(to, sizeof(to), "/tmp/t%u", rnd(seed, 8));
	fd = MUST(openat, AT_FDCWD, name, O_RDWR | O_CREAT, 0600);
	memset(buf, me, sizeof(buf));
	for (unsigned int i = rnd(seed, 10); i; i--)
		MUST(pwrite64, fd, buf, rnd(seed, sizeof(buf)), rnd(seed, 50000));
	MUST(ftruncate, fd, rnd(seed, 30000));
	MUST(pread64, fd, buf, sizeof(buf), 0);
	MUST(close, fd);
	MUST(rename, name, to);
}

static void
do_pipe(unsigned int *seed, int me)
{
	char buf[5000];
	int p[2];
	long n = 1 + rnd(seed, 4000);

	(void)me;
	MUST(pipe2, p, 0);
	ATF_REQUIRE_EQ(MUST(write, p[1], buf, n), n);
	ATF_REQUIRE_EQ(MUST(read, p[0], buf, sizeof(buf)), n);
	MUST(close, p[0]);
	MUST(close, p[1]);
}

static void
do_tcp(unsigned int *seed, int me)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int l = MUST(socket, AF_INET, SOCK_STREAM, 0), c, s;
	struct linger hard = { 1, 0 };
	char buf[20000];
	long n = 1 + rnd(seed, sizeof(buf) - 1), got = 0;

	memset(buf, me, sizeof(buf));
	MUST(bind, l, &a, len);
	MUST(listen, l, 1);
	MUST(getsockname, l, &a, &len);
	c = MUST(socket, AF_INET, SOCK_STREAM, 0);
	/* No TIME_WAIT: ports would run out. */
	MUST(setsockopt, c, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	MUST(connect, c, &a, len);
	s = MUST(accept4, l, NULL, NULL, 0);
	ATF_REQUIRE_EQ(MUST(sendto, c, buf, n, 0, NULL, 0), n);
	while (got < n)
		got += MUST(read, s, buf, sizeof(buf));
	MUST(close, c);
	MUST(close, s);
	MUST(close, l);
}

static void
do_udp(unsigned int *seed, int me)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int s = MUST(socket, AF_INET, SOCK_DGRAM, 0);
	long n = rnd(seed, 1400);
	char buf[1400] = { me };

	MUST(bind, s, &a, len);
	MUST(getsockname, s, &a, &len);
	MUST(sendto, s, buf, n, 0, &a, len);
	ATF_REQUIRE_EQ(MUST(recvfrom, s, buf, sizeof(buf), 0, NULL, NULL), n);
	MUST(close, s);
}

static void
do_unix(unsigned int *seed, int me)
{
	char buf[3000] = { me };
	int sv[2];

	MUST(socketpair, AF_UNIX, rnd(seed, 2) ? SOCK_STREAM : SOCK_DGRAM, 0, sv);
	for (int i = 0; i < 5; i++) {
		long n = 1 + rnd(seed, sizeof(buf) - 1);

		ATF_REQUIRE_EQ(MUST(write, sv[0], buf, n), n);
		ATF_REQUIRE_EQ(MUST(read, sv[1], buf, sizeof(buf)), n);
	}
	MUST(close, sv[0]);
	MUST(close, sv[1]);
}

static void
do_epoll(unsigned int *seed, int me)
{
	int ep = MUST(epoll_create1, 0), ev = MUST(eventfd2, rnd(seed, 2), EFD_NONBLOCK);
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = me }, out;
	struct pollfd p = { .fd = ev, .events = POLLIN | POLLOUT };

	MUST(epoll_ctl, ep, EPOLL_CTL_ADD, ev, &e);
	MUST(epoll_wait, ep, &out, 1, rnd(seed, 3));
	MUST(poll, &p, 1, rnd(seed, 2));
	MUST(close, ev);
	MUST(close, ep);
}

static void
do_sleep(unsigned int *seed, int me)
{
	struct timespec ts = { .tv_nsec = rnd(seed, 2000000) };

	(void)me;
	MUST(nanosleep, &ts, NULL);
	MUST(sched_yield);
}

static void
do_proc(unsigned int *seed, int me)
{
	static const char *const files[] = { "/proc/self/status", "/proc/meminfo", "/proc/net/tcp", "/proc/net/unix",
		"/proc/loadavg", "/proc/self/mounts", "/proc/stat", "/proc/net/dev" };
	char buf[4096];
	int fd = MUST(openat, AT_FDCWD, files[rnd(seed, 8)], O_RDONLY);

	(void)me;
	while (MUST(read, fd, buf, sizeof(buf)) > 0)
		;
	MUST(close, fd);
}

static uint32_t word;

static void
do_futex(unsigned int *seed, int me)
{
	struct timespec ts = { .tv_nsec = rnd(seed, 1000000) };

	if (me & 1)
		S(futex, &word, FUTEX_WAIT_PRIVATE, 0, &ts, NULL, 0);
	else
		MUST(futex, &word, FUTEX_WAKE_PRIVATE, 3, NULL, NULL, 0);
}

#define NOBODYS	1000000		/* descriptors from here on are nobody's */

/* Bad calls are calls, too; our own ones would be good. */
static void
do_nonsense(unsigned int *seed, int me)
{
	(void)me;
	for (int i = 0; i < 10; i++) {
		S(read, rnd(seed, 2000) + NOBODYS, (void *)16, 1);
		sys_call(500 + rnd(seed, RUMP_CALL_BASE - 500), 1, 2, 3, 4, 5, 6);
		S(openat, AT_FDCWD, (void *)(long)rnd(seed, 4096), 0);
		S(mmap, 0, 0, 0, 0, -1, 0);
	}
}

static void (*const jobs[])(unsigned int *, int) = {
	do_files, do_pipe, do_tcp, do_udp, do_unix, do_epoll, do_sleep, do_proc, do_futex, do_nonsense
};

static long
mixed(void *arg)
{
	unsigned int seed = 12345 + (long)arg;
	long n = 0;

	while (!stop) {
		jobs[rnd(&seed, sizeof(jobs) / sizeof(*jobs))](&seed, (long)arg);
		n++;
	}
	return n;
}

ATF_TC(mixed_calls);
ATF_TC_HEAD(mixed_calls, tc)
{
	atf_tc_set_md_var(tc, "descr", "30 threads of mixed calls");
	atf_tc_set_md_var(tc, "timeout", "900");
}
ATF_TC_BODY(mixed_calls, tc)
{
	const char *seconds = getenv("RUMP_STRESS_SECONDS");
	struct sys_thread *t[30];
	long n = 0;

	sys_ifup("lo");
	for (long i = 0; i < 30; i++)
		t[i] = sys_spawn(mixed, (void *)i);
	sleep(seconds ? atoi(seconds) : 5);
	stop = true;
	for (int i = 0; i < 30; i++)
		n += sys_join(t[i]);
	printf("%ld rounds\n", n);
	ATF_CHECK(n > 100);
}

/* ---- nothing is left behind -------------------------------------------------------- */

/* KB.  A debugging kernel keeps records of what there was. */
#define MAY_LOSE	(sys_kdebug() ? 40960 : 4096)

static long
mem_free(void)
{
	/* What waits for a grace period is not lost: let it pass. */
	usleep(300000);
	MUST(getpid);
	return sys_procnum("/proc/meminfo", "MemFree:");
}

/* KB fewer than mem; on a busy machine, grace periods take their time. */
static long
mem_lost(long mem, long limit)
{
	long lost = mem - mem_free();

	for (int i = 0; i < 30 && lost >= limit; i++)
		lost = mem - mem_free();
	return lost;
}

/* Lesson 1: a task was lost with every call. */
ATF_TC(million_calls);
ATF_TC_HEAD(million_calls, tc)
{
	atf_tc_set_md_var(tc, "descr", "RUMP_CALLS (a million) calls leave memory and tasks where they were");
	atf_tc_set_md_var(tc, "timeout", "900");
}
ATF_TC_BODY(million_calls, tc)
{
	const char *wanted = getenv("RUMP_CALLS");
	long calls = wanted ? atol(wanted) : 1000000;
	struct stat st;
	int p[2];
	char c;

	MUST(pipe2, p, 0);
	mem_free();
	long tasks = sys_ntasks(), mem = mem_free();
	for (long i = 0; i < calls / 8; i++) {
		MUST(getppid);
		MUST(write, p[1], "x", 1);
		MUST(read, p[0], &c, 1);
		MUST(close, MUST(openat, AT_FDCWD, "/dev/null", O_RDONLY));
		MUST(newfstatat, AT_FDCWD, "/tmp", &st, 0);
		MUST(close, MUST(socket, AF_INET, SOCK_DGRAM, 0));
	}
	long lost = mem_lost(mem, 4096);
	ATF_CHECK_MSG(sys_ntasks() <= tasks + WORKERS, "%ld tasks, %ld before", sys_ntasks(), tasks);
	ATF_CHECK_MSG(lost < MAY_LOSE, "%ld KB are lost", lost);
}

static long
short_life(void *arg)
{
	(void)arg;
	return MUST(gettid);
}

/* Lessons 3, 4, 5: threads that come, call and go. */
ATF_TC(thread_churn);
ATF_TC_HEAD(thread_churn, tc) { atf_tc_set_md_var(tc, "timeout", "300"); }
ATF_TC_BODY(thread_churn, tc)
{
	struct sys_thread *t[10];
	long tasks = 0, mem = 0;

	for (int round = 0; round < 400; round++) {
		for (int i = 0; i < 10; i++)
			t[i] = sys_spawn(short_life, NULL);
		for (int i = 0; i < 10; i++)
			sys_join(t[i]);
		if (round == 100) {
			tasks = sys_ntasks();
			mem = mem_free();
		}
	}
	long lost = mem_lost(mem, 4096);
	ATF_CHECK_MSG(sys_ntasks() <= tasks + WORKERS, "%ld tasks, %ld before", sys_ntasks(), tasks);
	ATF_CHECK_MSG(lost < MAY_LOSE, "%ld KB are lost", lost);
}

/* A host thread that ends while its task holds things gives them back. */
static long
leave_open(void *arg)
{
	(void)arg;
	MUST(socket, AF_INET, SOCK_STREAM, 0);
	return 0;
}

ATF_TC_WITHOUT_HEAD(thread_ends_with_open_files);
ATF_TC_BODY(thread_ends_with_open_files, tc)
{
	for (int i = 0; i < 100; i++)
		sys_join(sys_spawn(leave_open, NULL));
	/* Descriptors are the process's, and still there. */
	ATF_CHECK_EQ(MUST(close_range, 3, 200, 0), 0);
}

/* Sockets by the thousand, all closed at once. */
ATF_TC_WITHOUT_HEAD(socket_churn);
ATF_TC_BODY(socket_churn, tc)
{
	unsigned int seed = 1;
	long mem;

	sys_ifup("lo");
	for (int i = 0; i < 300; i++)
		do_tcp(&seed, 1);
	mem = mem_free();
	for (int i = 0; i < 3000; i++)
		do_tcp(&seed, 1);
	long lost = mem_lost(mem, 6144);
	ATF_CHECK_MSG(lost < MAY_LOSE, "%ld KB are lost", lost);
}

/* Lesson 52: when memory is short, calls fail; the kernel lives. */
ATF_TC_WITHOUT_HEAD(out_of_memory);
ATF_TC_BODY(out_of_memory, tc)
{
	int fd[2000], n = 0, size = 1 << 20;
	static char buf[1 << 20];
	long r;

	if (sys_where() == SYS_HOST)
		atf_tc_skip("not on the host");
	setenv("RUMP_MEMLIMIT", sys_kdebug() ? "160m" : "48m", 1);
	/* Full pipes and socket buffers, which are bounded by number and not by memory. */
	while (n < 2000 - 1 && S(pipe2, fd + n, O_NONBLOCK) == 0) {
		S(fcntl, fd[n + 1], F_SETPIPE_SZ, size);
		if ((r = S(write, fd[n + 1], buf, sizeof(buf))) == -ENOMEM)
			break;
		n += 2;
	}
	while (n > 0)
		MUST(close, fd[--n]);
	MUST(getpid);
	MUST(close, MUST(openat, AT_FDCWD, "/tmp/small", O_WRONLY | O_CREAT, 0600));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, mixed_calls);
	ATF_TP_ADD_TC(tp, million_calls);
	ATF_TP_ADD_TC(tp, thread_churn);
	ATF_TP_ADD_TC(tp, thread_ends_with_open_files);
	ATF_TP_ADD_TC(tp, socket_churn);
	ATF_TP_ADD_TC(tp, out_of_memory);
	return atf_no_error();
}
