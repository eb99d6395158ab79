/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptors of all kinds, and waiting for them. */
#include "sys.h"

#include <linux/aio_abi.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>

ATF_TC_WITHOUT_HEAD(epoll);
ATF_TC_BODY(epoll, tc)
{
	int ep = MUST(epoll_create1, EPOLL_CLOEXEC), p[2];
	struct epoll_event e = { .events = EPOLLIN | EPOLLET, .data.u64 = 42 }, out[4];
	char c;

	MUST(pipe2, p, O_NONBLOCK);
	MUST(epoll_ctl, ep, EPOLL_CTL_ADD, p[0], &e);
	MUSTFAIL(EEXIST, epoll_ctl, ep, EPOLL_CTL_ADD, p[0], &e);
	ATF_CHECK_EQ(MUST(epoll_wait, ep, out, 4, 0), 0);
	MUST(write, p[1], "a", 1);
	ATF_CHECK_EQ(MUST(epoll_wait, ep, out, 4, -1), 1);
	ATF_CHECK_EQ(out[0].data.u64, 42);
	ATF_CHECK_EQ(out[0].events, EPOLLIN);
	ATF_CHECK_EQ_MSG(MUST(epoll_wait, ep, out, 4, 0), 0, "an edge is told once");
	e.events = EPOLLIN | EPOLLONESHOT;
	MUST(epoll_ctl, ep, EPOLL_CTL_MOD, p[0], &e);
	ATF_CHECK_EQ(MUST(epoll_wait, ep, out, 4, 100), 1);
	ATF_CHECK_EQ(MUST(epoll_wait, ep, out, 4, 0), 0);
	MUST(read, p[0], &c, 1);
	MUST(close, p[1]);
	e.events = 0;
	MUST(epoll_ctl, ep, EPOLL_CTL_MOD, p[0], &e);
	ATF_CHECK_EQ(MUST(epoll_wait, ep, out, 4, 100), 1);
	ATF_CHECK_EQ(out[0].events, EPOLLHUP);
	MUST(epoll_ctl, ep, EPOLL_CTL_DEL, p[0], NULL);
	MUSTFAIL(ENOENT, epoll_ctl, ep, EPOLL_CTL_DEL, p[0], NULL);
	MUSTFAIL(EINVAL, epoll_wait, ep, out, 0, 0);
}

static long
add_later(void *arg)
{
	uint64_t one = 1;

	usleep(100000);
	return S(write, *(int *)arg, &one, 8);
}

ATF_TC_WITHOUT_HEAD(epoll_nested_wakes);
ATF_TC_BODY(epoll_nested_wakes, tc)
{
	int inner = MUST(epoll_create1, 0), outer = MUST(epoll_create1, 0), ev = MUST(eventfd2, 0, 0);
	struct epoll_event e = { .events = EPOLLIN }, out;
	struct sys_thread *t;

	MUST(epoll_ctl, inner, EPOLL_CTL_ADD, ev, &e);
	MUST(epoll_ctl, outer, EPOLL_CTL_ADD, inner, &e);
	t = sys_spawn(add_later, &ev);
	ATF_CHECK_EQ(MUST(epoll_pwait, outer, &out, 1, 10000, NULL, 8), 1);
	ATF_CHECK_EQ(sys_join(t), 8);
}

/* Lesson 93: all who wait in select for one descriptor are told. */
static long
select_on(void *arg)
{
	int fd = *(int *)arg;
	struct timeval tv = { .tv_sec = 10 };
	fd_set r;
	long n;

	FD_ZERO(&r);
	FD_SET(fd, &r);
	n = S(select, fd + 1, &r, NULL, NULL, &tv);	/* 0: nobody told it */
	return n == 1 && !FD_ISSET(fd, &r) ? -EPROTO : n;
}

ATF_TC_WITHOUT_HEAD(many_selectors);
ATF_TC_BODY(many_selectors, tc)
{
	struct sys_thread *t[40];
	int ev = MUST(eventfd2, 0, EFD_CLOEXEC);

	for (int i = 0; i < 40; i++)
		t[i] = sys_spawn(select_on, &ev);
	usleep(50000);
	add_later(&ev);
	for (int i = 0; i < 40; i++)
		ATF_CHECK_EQ(sys_join(t[i]), 1);
}

ATF_TC_WITHOUT_HEAD(eventfd);
ATF_TC_BODY(eventfd, tc)
{
	int fd = MUST(eventfd2, 3, EFD_NONBLOCK);
	uint64_t v = 4;

	ATF_CHECK_EQ(MUST(write, fd, &v, 8), 8);
	ATF_CHECK_EQ(MUST(read, fd, &v, 8), 8);
	ATF_CHECK_EQ(v, 7);
	MUSTFAIL(EAGAIN, read, fd, &v, 8);
	MUSTFAIL(EINVAL, read, fd, &v, 7);
}

ATF_TC_WITHOUT_HEAD(timerfd);
ATF_TC_BODY(timerfd, tc)
{
	int fd = MUST(timerfd_create, CLOCK_MONOTONIC, TFD_CLOEXEC);
	struct itimerspec it = { .it_value.tv_nsec = 100000000, .it_interval.tv_nsec = 50000000 };
	int64_t t0 = sys_now();
	uint64_t n;

	MUST(timerfd_settime, fd, 0, &it, NULL);
	ATF_CHECK_EQ(MUST(read, fd, &n, 8), 8);
	ATF_CHECK_MSG(sys_now() - t0 >= 99000000, "after %ld ns", (long)(sys_now() - t0));
	usleep(220000);
	ATF_CHECK_EQ(MUST(read, fd, &n, 8), 8);
	ATF_CHECK_MSG(n >= 3, "%lu expirations in 220 ms of 50 ms", (unsigned long)n);
}

ATF_TC_WITHOUT_HEAD(signalfd);
ATF_TC_BODY(signalfd, tc)
{
	struct signalfd_siginfo si;
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	MUST(rt_sigprocmask, SIG_BLOCK, &set, NULL, 8);
	fd = MUST(signalfd4, -1, &set, 8, SFD_NONBLOCK);
	MUSTFAIL(EAGAIN, read, fd, &si, sizeof(si));
	MUST(tgkill, MUST(getpid), MUST(gettid), SIGUSR1);
	ATF_CHECK_EQ(MUST(read, fd, &si, sizeof(si)), (long)sizeof(si));
	ATF_CHECK_EQ(si.ssi_signo, SIGUSR1);
}

ATF_TC_WITHOUT_HEAD(inotify);
ATF_TC_BODY(inotify, tc)
{
	int fd = MUST(inotify_init1, IN_NONBLOCK), f;
	union { struct inotify_event e; char buf[512]; } u;

	S(unlink, "/tmp/watched");
	MUST(inotify_add_watch, fd, "/tmp", IN_CREATE);
	MUSTFAIL(EAGAIN, read, fd, &u, sizeof(u));
	f = MUST(openat, AT_FDCWD, "/tmp/watched", O_WRONLY | O_CREAT, 0600);
	ATF_CHECK(MUST(read, fd, &u, sizeof(u)) > 0);
	ATF_CHECK_STREQ(u.e.name, "watched");
	MUST(close, f);
	MUST(unlink, "/tmp/watched");
}

ATF_TC_WITHOUT_HEAD(mqueue);
ATF_TC_BODY(mqueue, tc)
{
	struct mq_attr at = { .mq_maxmsg = 4, .mq_msgsize = 64 };
	struct timespec past = { 0, 0 };
	unsigned int prio;
	char buf[64];
	int q;

	S(mq_unlink, "t_fd");
	q = MUST(mq_open, "t_fd", O_RDWR | O_CREAT | O_EXCL, 0600, &at);
	MUST(mq_timedsend, q, "low", 3, 1, NULL);
	MUST(mq_timedsend, q, "high", 4, 9, NULL);
	ATF_CHECK_EQ(MUST(mq_timedreceive, q, buf, 64, &prio, NULL), 4);
	ATF_CHECK_EQ(prio, 9);
	ATF_CHECK_EQ(MUST(mq_timedreceive, q, buf, 64, &prio, NULL), 3);
	MUSTFAIL(ETIMEDOUT, mq_timedreceive, q, buf, 64, &prio, &past);
	MUSTFAIL(EMSGSIZE, mq_timedsend, q, buf, 65, 0, NULL);
	MUST(mq_unlink, "t_fd");
}

ATF_TC_WITHOUT_HEAD(aio);
ATF_TC_BODY(aio, tc)
{
	aio_context_t ctx = 0;
	struct iocb cb = { .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_data = 5 }, *list = &cb;
	struct io_event ev;
	int fd = MUST(openat, AT_FDCWD, "/tmp/aio", O_RDWR | O_CREAT, 0600);
	char buf[8] = "aio";

	if (sys_where() == SYS_REMOTE) {
		/* libaio looks into a ring in its own memory, which a server can't make. */
		MUSTFAIL(ENOSYS, io_setup, 8, &ctx);
		return;
	}
	MUST(io_setup, 8, &ctx);
	cb.aio_fildes = fd;
	cb.aio_buf = (uintptr_t)buf;
	cb.aio_nbytes = 3;
	ATF_CHECK_EQ(MUST(io_submit, ctx, 1, &list), 1);
	ATF_CHECK_EQ(MUST(io_getevents, ctx, 1, 1, &ev, NULL), 1);
	ATF_CHECK_EQ(ev.data, 5);
	ATF_CHECK_EQ(ev.res, 3);
	MUST(io_destroy, ctx);
	MUST(unlink, "/tmp/aio");
}

ATF_TC_WITHOUT_HEAD(pipe_full);
ATF_TC_BODY(pipe_full, tc)
{
	char buf[4096] = "";
	long n, total = 0;
	int p[2];

	MUST(pipe2, p, O_NONBLOCK);
	while ((n = S(write, p[1], buf, sizeof(buf))) > 0)
		total += n;
	ATF_CHECK_EQ(n, -EAGAIN);
	ATF_CHECK_EQ(total, 65536);
	ATF_CHECK_EQ(MUST(fcntl, p[1], F_SETPIPE_SZ, 1 << 17), 1 << 17);
	MUST(close, p[0]);
	/* The write fails; the signal stays pending (lesson 70). */
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, NULL);
	MUST(rt_sigprocmask, SIG_BLOCK, &set, NULL, 8);
	MUSTFAIL(EPIPE, write, p[1], buf, 1);
}

ATF_TC_WITHOUT_HEAD(poll_timeouts);
ATF_TC_BODY(poll_timeouts, tc)
{
	struct timespec ts = { .tv_nsec = 150000000 };
	struct pollfd p = { .events = POLLIN };
	int64_t t0;
	int pipe[2];

	MUST(pipe2, pipe, 0);
	p.fd = pipe[0];
	t0 = sys_now();
	ATF_CHECK_EQ(MUST(poll, &p, 1, 150), 0);
	ATF_CHECK(sys_now() - t0 >= 149000000);
	t0 = sys_now();
	ATF_CHECK_EQ(MUST(poll, NULL, 0, 50), 0);
	ATF_CHECK(sys_now() - t0 >= 49000000);
	t0 = sys_now();
	ATF_CHECK_EQ(MUST(ppoll, &p, 1, &ts, NULL, 8), 0);
	ATF_CHECK(sys_now() - t0 >= 149000000);
	ATF_CHECK_EQ(MUST(poll, &p, 1, 0), 0);
	p.fd = 9999;
	ATF_CHECK_EQ(MUST(poll, &p, 1, -1), 1);
	ATF_CHECK_EQ(p.revents, POLLNVAL);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, epoll);
	ATF_TP_ADD_TC(tp, epoll_nested_wakes);
	ATF_TP_ADD_TC(tp, many_selectors);
	ATF_TP_ADD_TC(tp, eventfd);
	ATF_TP_ADD_TC(tp, timerfd);
	ATF_TP_ADD_TC(tp, signalfd);
	ATF_TP_ADD_TC(tp, inotify);
	ATF_TP_ADD_TC(tp, mqueue);
	ATF_TP_ADD_TC(tp, aio);
	ATF_TP_ADD_TC(tp, pipe_full);
	ATF_TP_ADD_TC(tp, poll_timeouts);
	return atf_no_error();
}
