/* SPDX-License-Identifier: BSD-2-Clause */
/* System calls as such: numbers, results, errors, processes and threads. */
#include <rump/rump_calls.h>

#include "sys.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

ATF_TC_WITHOUT_HEAD(identity);
ATF_TC_BODY(identity, tc)
{
	struct utsname u;

	ATF_CHECK(MUST(getpid) > 0);
	ATF_CHECK_EQ(MUST(getpid), MUST(getpid));
	ATF_CHECK_EQ(MUST(getuid), 0);
	MUST(uname, &u);
	ATF_CHECK_STREQ(u.sysname, "Linux");
	if (sys_where() != SYS_HOST)
		ATF_CHECK_MSG(strncmp(u.release, "6.12.", 5) == 0, "release is %s", u.release);
	ATF_CHECK_STREQ(u.machine, "x86_64");
}

/* Lesson 54: a huge number went past the table. */
ATF_TC_WITHOUT_HEAD(bad_numbers);
ATF_TC_BODY(bad_numbers, tc)
{
	static const long nrs[] = { -1, -2, -4095, -4096, LONG_MIN, LONG_MAX, INT_MAX, INT_MIN, 463, 500, 512,
		547, 1000, 4096, 65535, 65536, 1L << 32, (1L << 32) + SYS_getpid, 1L << 62, RUMP_CALL_END, 0x5300 };

	for (size_t i = 0; i < sizeof(nrs) / sizeof(*nrs); i++) {
		long r = sys_call(nrs[i], 1, 2, 3, 4, 5, 6);

		if (sys_where() == SYS_HOST && (nrs[i] > INT_MAX || nrs[i] < INT_MIN || nrs[i] == 463))
			continue;	/* x86 looks at 32 bits; 6.13 has a 463 */
		ATF_CHECK_MSG(r == -ENOSYS, "number %#lx gave %ld, want ENOSYS", nrs[i], r);
	}
	srandom(1);
	for (int i = 0; i < 100000; i++) {
		long nr = (long)random() << (random() % 33) ^ (random() % 2 ? -1L : 0);

		if (nr >= 0 && nr < 0x6000)
			continue;
		ATF_REQUIRE_MSG(sys_where() == SYS_HOST || sys_call(nr, 0, 0, 0, 0, 0, 0) == -ENOSYS,
		    "number %#lx", nr);
	}
}

/* Lesson 56: wide results, and exact errors. */
ATF_TC_WITHOUT_HEAD(wide_results);
ATF_TC_BODY(wide_results, tc)
{
	int fd = MUST(openat, AT_FDCWD, "/tmp/wide", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char c = 0;

	ATF_CHECK_EQ(MUST(lseek, fd, 5L << 32, SEEK_SET), 5L << 32);
	ATF_CHECK_EQ(MUST(lseek, fd, 1, SEEK_CUR), (5L << 32) + 1);
	MUSTFAIL(EINVAL, lseek, fd, -1, SEEK_SET);
	ATF_CHECK_EQ(MUST(write, fd, "x", 1), 1);
	ATF_CHECK_EQ(MUST(lseek, fd, -1, SEEK_END), (5L << 32) + 1);
	ATF_CHECK_EQ(MUST(pread64, fd, &c, 1, (5L << 32) + 1), 1);
	ATF_CHECK_EQ(c, 'x');
	MUST(ftruncate, fd, 0);
	MUST(close, fd);
	MUST(unlink, "/tmp/wide");

	MUSTFAIL(EBADF, close, fd);
	MUSTFAIL(EBADF, close, -1);
	MUSTFAIL(EBADF, read, 123456, &c, 1);
	MUSTFAIL(EBADF, fcntl, INT_MAX, F_GETFD);
	MUSTFAIL(ENOENT, openat, AT_FDCWD, "/no/such/file", O_RDONLY);
	MUSTFAIL(EINVAL, dup3, 0, 0, 0);
	MUSTFAIL(ESRCH, kill, 4000000, 0);
	MUSTFAIL(ENOTTY, ioctl, MUST(openat, AT_FDCWD, "/proc/version", O_RDONLY), 0x5401, 0);
}

ATF_TC_WITHOUT_HEAD(descriptors);
ATF_TC_BODY(descriptors, tc)
{
	int p[2], a, b;
	char c;

	MUST(pipe2, p, O_CLOEXEC);
	a = MUST(dup, p[0]);
	ATF_CHECK(a != p[0] && a != p[1]);
	ATF_CHECK_EQ(MUST(dup3, p[1], 77, O_CLOEXEC), 77);
	ATF_CHECK_EQ(MUST(fcntl, 77, F_GETFD), FD_CLOEXEC);
	b = MUST(fcntl, p[0], F_DUPFD, 200);
	ATF_CHECK_EQ(b, 200);
	MUST(close, p[1]);
	ATF_CHECK_EQ(MUST(write, 77, "z", 1), 1);
	MUST(close, 77);
	ATF_CHECK_EQ(MUST(read, b, &c, 1), 1);
	ATF_CHECK_EQ(MUST(read, a, &c, 1), 0);
	MUST(close_range, a, a, 0);
	MUSTFAIL(EBADF, read, a, &c, 1);
}

/* Lesson 39: what RUMP_NCPU says is there. */
ATF_TC_WITHOUT_HEAD(cpus);
ATF_TC_BODY(cpus, tc)
{
	const char *want = getenv("RUMP_NCPU");
	long n;
	char line[4096];
	int fd;

	MUST(getpid);
	fd = MUST(openat, AT_FDCWD, "/sys/devices/system/cpu/online", O_RDONLY);
	n = MUST(read, fd, line, sizeof(line) - 1);
	line[n] = '\0';
	if (sys_where() != SYS_HOST) {
		char expect[32];
		int ncpu = want ? atoi(want) : 1;

		snprintf(expect, sizeof(expect), ncpu > 1 ? "0-%d\n" : "%d\n", ncpu - 1);
		ATF_CHECK_STREQ(line, expect);
	}
}

static long
own_tid(void *arg)
{
	(void)arg;
	long a = MUST(gettid), b = MUST(gettid);

	ATF_REQUIRE_EQ(a, b);
	return a;
}

ATF_TC_WITHOUT_HEAD(threads);
ATF_TC_BODY(threads, tc)
{
	struct sys_thread *t[16];
	long tid[16];

	ATF_CHECK(MUST(gettid) > 0);
	for (int i = 0; i < 16; i++)
		t[i] = sys_spawn(own_tid, NULL);
	for (int i = 0; i < 16; i++) {
		tid[i] = sys_join(t[i]);
		ATF_CHECK(tid[i] > 0 && tid[i] != MUST(gettid));
	}
}

static long
reader(void *arg)
{
	char c;

	return S(read, *(int *)arg, &c, 1) == 1 ? c : -1;
}

/* A call that blocks lets the others run, and is woken. */
ATF_TC_WITHOUT_HEAD(blocking);
ATF_TC_BODY(blocking, tc)
{
	struct sys_thread *t[64];
	int p[2];

	MUST(pipe2, p, 0);
	for (int i = 0; i < 64; i++)
		t[i] = sys_spawn(reader, &p[0]);
	usleep(50000);
	for (int i = 0; i < 1000; i++)
		MUST(getpid);
	for (int i = 0; i < 64; i++)
		ATF_REQUIRE_EQ(MUST(write, p[1], "x", 1), 1);
	for (int i = 0; i < 64; i++)
		ATF_CHECK_EQ(sys_join(t[i]), 'x');
}

ATF_TC_WITHOUT_HEAD(proc_and_sys);
ATF_TC_BODY(proc_and_sys, tc)
{
	char buf[256];
	int fd;

	fd = MUST(openat, AT_FDCWD, "/proc/self/status", O_RDONLY);
	ATF_CHECK(MUST(read, fd, buf, sizeof(buf)) > 0);
	ATF_CHECK(strncmp(buf, "Name:", 5) == 0);
	MUST(close, fd);
	fd = MUST(openat, AT_FDCWD, "/proc/sys/net/ipv4/ip_forward", O_RDWR);
	ATF_CHECK_EQ(MUST(read, fd, buf, sizeof(buf)), 2);
	MUST(close, fd);
	ATF_CHECK(sys_procnum("/proc/meminfo", "MemFree:") > 0);
	fd = MUST(openat, AT_FDCWD, "/sys/class/net/lo/mtu", O_RDONLY);
	ATF_CHECK(MUST(read, fd, buf, sizeof(buf)) > 0);
	ATF_CHECK_EQ(atoi(buf), 65536);
	MUST(close, fd);
	/* each parameter of a module, and directories that can be read to their end */
	for (size_t i = 0; sys_where() != SYS_HOST && i < 3; i++) {
		static const char *const parameter[] = { "ipv6/parameters/autoconf",
			"ipv6/parameters/disable_ipv6", "nf_conntrack/parameters/hashsize" };
		char path[64];

		snprintf(path, sizeof(path), "/sys/module/%s", parameter[i]);
		fd = MUST(openat, AT_FDCWD, path, O_RDONLY);
		ATF_CHECK(MUST(read, fd, buf, sizeof(buf)) > 0);
		MUST(close, fd);
	}
	for (size_t i = 0; sys_where() != SYS_HOST && i < 2; i++) {
		fd = MUST(openat, AT_FDCWD, i ? "/sys/kernel/slab" : "/sys/module", O_RDONLY | O_DIRECTORY);
		while (MUST(getdents64, fd, buf, sizeof(buf)) > 0)
			;
		MUST(close, fd);
	}
	for (size_t i = 0; i < 4; i++) {
		static const char *const node[] = { "/dev/null", "/dev/zero", "/dev/urandom", "/dev/full" };

		fd = MUST(openat, AT_FDCWD, node[i], O_RDWR);
		MUST(close, fd);
	}
}

/* Lesson 81: a request for more than 32 bytes came back short. */
ATF_TC_WITHOUT_HEAD(random);
ATF_TC_BODY(random, tc)
{
	static unsigned char a[70000], b[70000];

	ATF_CHECK_EQ(MUST(getrandom, a, sizeof(a), 0), (long)sizeof(a));
	ATF_CHECK_EQ(MUST(getrandom, b, sizeof(b), 0), (long)sizeof(b));
	ATF_CHECK(memcmp(a, b, sizeof(a)) != 0);
	ATF_CHECK(memcmp(a, a + 35000, 35000) != 0);
}

ATF_TC_WITHOUT_HEAD(limits);
ATF_TC_BODY(limits, tc)
{
	struct rlimit r;
	int fd = -1;

	MUST(prlimit64, 0, RLIMIT_NOFILE, NULL, &r);
	r.rlim_cur = 20;
	MUST(prlimit64, 0, RLIMIT_NOFILE, &r, NULL);
	for (int i = 0; i < 30 && fd != -EMFILE; i++)
		fd = S(openat, AT_FDCWD, "/dev/null", O_RDONLY);
	ATF_CHECK_EQ(fd, -EMFILE);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, identity);
	ATF_TP_ADD_TC(tp, bad_numbers);
	ATF_TP_ADD_TC(tp, wide_results);
	ATF_TP_ADD_TC(tp, descriptors);
	ATF_TP_ADD_TC(tp, cpus);
	ATF_TP_ADD_TC(tp, threads);
	ATF_TP_ADD_TC(tp, blocking);
	ATF_TP_ADD_TC(tp, proc_and_sys);
	ATF_TP_ADD_TC(tp, random);
	ATF_TP_ADD_TC(tp, limits);
	return atf_no_error();
}
