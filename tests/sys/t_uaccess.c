/* SPDX-License-Identifier: BSD-2-Clause */
/* Arguments that are pointers: bad ones, NULL, zero lengths, the edges of a page. */
#include "sys.h"

#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>

#define BAD		((void *)0x10)
#define NONCANONICAL	((void *)0x8000000000000000)
#define KERNEL		((void *)0xffff888000000000)

/* Two pages, the second of which cannot be touched: the end of the first. */
static char *
page_end(void)
{
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ATF_REQUIRE(p != MAP_FAILED);
	ATF_REQUIRE_EQ(mprotect(p + 4096, 4096, PROT_NONE), 0);
	return p + 4096;
}

ATF_TC_WITHOUT_HEAD(bad_pointers);
ATF_TC_BODY(bad_pointers, tc)
{
	void *const bad[] = { BAD, NONCANONICAL, KERNEL, page_end(), (void *)-1, (void *)-4096 };
	int p[2], fd = MUST(openat, AT_FDCWD, "/tmp/bad", O_RDWR | O_CREAT | O_TRUNC, 0600);
	int s = MUST(socket, AF_INET, SOCK_DGRAM, 0), ep = MUST(epoll_create1, 0);

	MUST(pipe2, p, O_NONBLOCK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		void *b = bad[i];

		MUST(write, p[1], "abcd", 4);
		MUSTFAIL(EFAULT, read, p[0], b, 4);
		S(read, p[0], (char[8]){ 0 }, 8);
		MUSTFAIL(EFAULT, write, p[1], b, 4);
		MUSTFAIL(EFAULT, write, fd, b, 4);
		MUSTFAIL(EFAULT, openat, AT_FDCWD, b, O_RDONLY);
		MUSTFAIL(EFAULT, mkdir, b, 0700);
		MUSTFAIL(EFAULT, pipe2, b, 0);
		MUSTFAIL(EFAULT, uname, b);
		MUSTFAIL(EFAULT, newfstatat, AT_FDCWD, "/", b, 0);
		MUSTFAIL(EFAULT, newfstatat, AT_FDCWD, b, (char[256]){ 0 }, 0);
		MUSTFAIL(EFAULT, bind, s, b, 16);
		MUSTFAIL(EFAULT, getsockname, s, b, &(socklen_t){ 16 });
		MUSTFAIL(EFAULT, getsockname, s, (char[16]){ 0 }, b);
		MUSTFAIL(EFAULT, sendto, s, b, 10, 0,
		    (&(struct sockaddr){ .sa_family = AF_INET, .sa_data = { 0, 9, 127, 0, 0, 1 } }), 16);
		MUSTFAIL(EFAULT, setsockopt, s, SOL_SOCKET, SO_REUSEADDR, b, 4);
		MUSTFAIL(EFAULT, getsockopt, s, SOL_SOCKET, SO_TYPE, b, &(socklen_t){ 4 });
		MUSTFAIL(EFAULT, poll, b, 1, 0);
		MUSTFAIL(EFAULT, epoll_ctl, ep, EPOLL_CTL_ADD, p[0], b);
		MUSTFAIL(EFAULT, nanosleep, b, NULL);
		MUSTFAIL(EFAULT, clock_gettime, CLOCK_MONOTONIC, b);
		MUSTFAIL(EFAULT, readv, p[0], b, 1);
		MUSTFAIL(EFAULT, sendmsg, s, b, 0);
		MUSTFAIL(EFAULT, ioctl, s, 0x8913, b);
		MUSTFAIL(EFAULT, getcwd, b, 100);
		MUSTFAIL(EFAULT, rt_sigprocmask, SIG_BLOCK, b, NULL, 8);
		if (((long)b & 3) == 0)
			MUSTFAIL(EFAULT, futex, b, FUTEX_WAIT, 0, NULL, NULL, 0);
	}
	ATF_CHECK_EQ(MUST(lseek, fd, 0, SEEK_END), 0);
	MUST(unlink, "/tmp/bad");
}

/* What was copied before the fault counts. */
ATF_TC_WITHOUT_HEAD(partial);
ATF_TC_BODY(partial, tc)
{
	char *end = page_end(), buf[64];
	int fd = MUST(openat, AT_FDCWD, "/tmp/partial", O_RDWR | O_CREAT | O_TRUNC, 0600), p[2];
	struct iovec iov[2] = { { buf, 10 }, { end, 10 } };
	long n;

	memset(end - 10, 'p', 10);
	n = S(write, fd, end - 10, 20);
	ATF_CHECK_MSG(n == 10 || n == -EFAULT, "write over the edge gave %ld", n);
	MUST(pwrite64, fd, "0123456789abcdefghij", 20, 0);
	n = S(pread64, fd, end - 10, 20, 0);
	ATF_CHECK_MSG(n == 10 || n == -EFAULT, "read over the edge gave %ld", n);
	if (n == 10)
		ATF_CHECK(memcmp(end - 10, "0123456789", 10) == 0);
	MUST(pipe2, p, O_NONBLOCK);
	memset(buf, 'b', sizeof(buf));
	n = S(writev, p[1], iov, 2);
	ATF_CHECK_MSG(n == 10 || n == -EFAULT, "writev gave %ld", n);
	MUST(unlink, "/tmp/partial");
}

/* Lessons 57 and 58. */
ATF_TC_WITHOUT_HEAD(zero_length);
ATF_TC_BODY(zero_length, tc)
{
	int fd = MUST(openat, AT_FDCWD, "/tmp/zero", O_RDWR | O_CREAT | O_TRUNC, 0600), p[2];
	int s = MUST(socket, AF_INET, SOCK_DGRAM, 0);
	struct iovec iov = { NULL, 0 };

	MUST(write, fd, "x", 1);
	MUST(lseek, fd, 0, SEEK_SET);
	MUSTFAIL(EFAULT, read, fd, NULL, 1);
	ATF_CHECK_EQ(S(read, fd, NULL, 0), 0);
	ATF_CHECK_EQ(S(write, fd, NULL, 0), 0);
	MUSTFAIL(EFAULT, write, fd, NULL, 1);
	MUST(pipe2, p, O_NONBLOCK);
	ATF_CHECK_EQ(S(read, p[0], NULL, 0), 0);
	ATF_CHECK_EQ(S(write, p[1], NULL, 0), 0);
	ATF_CHECK_EQ(S(readv, fd, &iov, 1), 0);
	ATF_CHECK_EQ(S(writev, fd, NULL, 0), 0);
	ATF_CHECK_EQ(S(poll, NULL, 0, 0), 0);
	MUSTFAIL(EINVAL, bind, s, NULL, 0);
	MUSTFAIL(EINVAL, readv, fd, &iov, -1);
	MUSTFAIL(EINVAL, readv, fd, &iov, 1025);
	MUST(unlink, "/tmp/zero");
}

/* Lesson 59: lengths of paths, and strings that end where the page does. */
ATF_TC_WITHOUT_HEAD(paths);
ATF_TC_BODY(paths, tc)
{
	char *end = page_end(), buf[PATH_MAX + 300], name[300];
	size_t n;

	MUSTFAIL(EFAULT, openat, AT_FDCWD, NULL, O_RDONLY);
	MUSTFAIL(ENOENT, openat, AT_FDCWD, "", O_RDONLY);
	memcpy(end - 5, "/tmp", 5);
	MUST(close, MUST(openat, AT_FDCWD, end - 5, O_RDONLY | O_DIRECTORY));
	memcpy(end - 4, "/tmp", 4);
	MUSTFAIL(EFAULT, openat, AT_FDCWD, end - 4, O_RDONLY);

	/* The longest: PATH_MAX with its NUL. */
	for (n = 0; n < sizeof(buf); n += 2)
		memcpy(buf + n, "./", 2);
	memcpy(buf, "/tmp//", 6);
	buf[PATH_MAX - 1] = '\0';
	MUST(close, MUST(openat, AT_FDCWD, buf, O_RDONLY));
	buf[PATH_MAX - 1] = '/';
	buf[PATH_MAX] = '\0';
	MUSTFAIL(ENAMETOOLONG, openat, AT_FDCWD, buf, O_RDONLY);
	memcpy(end - PATH_MAX, buf, PATH_MAX);
	MUSTFAIL(ENAMETOOLONG, openat, AT_FDCWD, end - PATH_MAX, O_RDONLY);

	memset(name, 'n', sizeof(name));
	memcpy(name, "/tmp/", 5);
	name[5 + 255] = '\0';
	MUST(close, MUST(openat, AT_FDCWD, name, O_RDWR | O_CREAT, 0600));
	MUST(unlink, name);
	name[5 + 255] = 'n';
	name[5 + 256] = '\0';
	MUSTFAIL(ENAMETOOLONG, openat, AT_FDCWD, name, O_RDWR | O_CREAT, 0600);

	MUSTFAIL(ERANGE, getcwd, buf, 1);
	MUSTFAIL(EINVAL, readlink, "/tmp", buf, 0);
}

/* Faults that come in many threads at once are each told to the right one. */
static long
fault_often(void *arg)
{
	int *p = arg;
	char c = 'c';

	for (int i = 0; i < 5000; i++) {
		long r = S(write, p[1], BAD, 4);

		if (r != -EFAULT)
			return r;
		if ((r = S(write, p[1], &c, 1)) != 1 || (r = S(read, p[0], &c, 1)) != 1)
			return r;
	}
	return 0;
}

ATF_TC_WITHOUT_HEAD(faults_in_threads);
ATF_TC_BODY(faults_in_threads, tc)
{
	struct sys_thread *t[8];
	int p[2];

	MUST(pipe2, p, 0);
	for (int i = 0; i < 8; i++)
		t[i] = sys_spawn(fault_often, p);
	for (int i = 0; i < 8; i++)
		ATF_CHECK_EQ(sys_join(t[i]), 0);
}

/* A program's own handler still gets its own faults. */
static char *page;

static void
own_handler(int sig, siginfo_t *si, void *ctx)
{
	(void)ctx;
	_exit(sig == SIGSEGV && si->si_addr == page ? 33 : 1);
}

ATF_TC(own_handler);
ATF_TC_HEAD(own_handler, tc) { atf_tc_set_md_var(tc, "descr", "a fault of the program itself goes to its handler"); }
ATF_TC_BODY(own_handler, tc)
{
	struct sigaction sa = { .sa_sigaction = own_handler, .sa_flags = SA_SIGINFO };

	page = page_end();
	sigaction(SIGSEGV, &sa, NULL);
	MUSTFAIL(EFAULT, uname, BAD);
	atf_tc_expect_exit(33, "the handler ends the process");
	*(volatile int *)page = 1;
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, bad_pointers);
	ATF_TP_ADD_TC(tp, partial);
	ATF_TP_ADD_TC(tp, zero_length);
	ATF_TP_ADD_TC(tp, paths);
	ATF_TP_ADD_TC(tp, faults_in_threads);
	ATF_TP_ADD_TC(tp, own_handler);
	return atf_no_error();
}
