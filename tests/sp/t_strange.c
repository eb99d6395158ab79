/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_strange.c - descriptors that clients send, whose own ways are no business of the server's:
 * above all those whose last close takes for ever.
 */
#include "sp.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include <rump/rump_calls.h>

static int peer = -1;		/* accepted, and never read */

/* A TCP socket of the host's that lingers: its last close waits for who does not read. */
static int lingering(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct linger forever = { 1, 1000 };
	static char junk[65536];
	socklen_t len = sizeof(sin);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ATF_REQUIRE_EQ(bind(l, (struct sockaddr *)&sin, sizeof(sin)), 0);
	ATF_REQUIRE_EQ(listen(l, 1), 0);
	ATF_REQUIRE_EQ(getsockname(l, (struct sockaddr *)&sin, &len), 0);
	ATF_REQUIRE_EQ(connect(s, (struct sockaddr *)&sin, sizeof(sin)), 0);
	peer = accept(l, NULL, NULL);
	ATF_REQUIRE(peer >= 0);
	close(l);
	while (send(s, junk, sizeof(junk), MSG_DONTWAIT) > 0)
		;
	ATF_REQUIRE_EQ(setsockopt(s, SOL_SOCKET, SO_LINGER, &forever, sizeof(forever)), 0);
	return s;
}

/* The server may have been faster: then this is the close that takes so long. */
static void *close_it(void *fd)
{
	close((intptr_t)fd);
	return NULL;
}

/* Sends n bytes, with fd beside them, which is closed here; how many, or -1. */
static ssize_t give(int sock, const void *buf, size_t n, int fd)
{
	char ctl[CMSG_SPACE(sizeof(int))] = "";
	struct iovec iov = { (void *)buf, n };
	struct msghdr mh = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof(ctl),
	};
	struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);
	pthread_t t;
	ssize_t r;

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cm), &fd, sizeof(int));
	r = sendmsg(sock, &mh, MSG_NOSIGNAL);
	ATF_REQUIRE_EQ(pthread_create(&t, NULL, close_it, (void *)(intptr_t)fd), 0);
	pthread_detach(t);
	return r;
}

/* A call that brings fd along. */
static void ask_with(int sock, long nr, const long args[6], int fd)
{
	char buf[256];
	struct rump_sp_syscall *req = (void *)buf;
	size_t n = raw_request(buf, nr, args);

	req->hdr.nfds = 1;
	ATF_REQUIRE_EQ(give(sock, buf, n, fd), (ssize_t)n);
}

/* And its answer, which comes when the server has closed fd. */
static long call_with(int sock, long nr, const long args[6], int fd)
{
	struct rump_sp_reply r;

	ask_with(sock, nr, args, fd);
	ATF_REQUIRE(raw_read(sock, &r, sizeof(r)));
	return r.ret;
}

/* A Unix stream socket in whose queue another descriptor waits for ever. */
static int stuffed(int fd)
{
	int p[2];

	ATF_REQUIRE_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
	give(p[1], "x", 1, fd);
	close(p[1]);
	return p[0];
}

ATF_TC_WITHOUT_HEAD(lingers);
ATF_TC_BODY(lingers, tc)
{
	struct rump_sp_hello_reply h;
	char buf[256];
	int sock, p[2];
	long fd;

	server_start();
	for (int way = 0; way < 11; way++) {
		switch (way) {
		case 0:			/* where none is taken */
			sock = raw_client(RUMP_SP_GUEST, NULL, &h);
			give(sock, buf, raw_request(buf, SYS_getpid, NULL), lingering());
			ATF_CHECK(raw_ended(sock));
			break;
		case 1:			/* in what the server does not read any more, if it was fast */
			sock = raw_client(RUMP_SP_GUEST, NULL, &h);
			memset(buf, 0xff, sizeof(buf));
			ATF_REQUIRE(send(sock, buf, 16, MSG_NOSIGNAL) > 0);
			give(sock, buf, 16, lingering());
			break;
		case 2:			/* before there is a HELLO, and without one */
			sock = raw_connect();
			give(sock, "x", 1, lingering());
			break;
		case 3:
			sock = raw_client(RUMP_SP_GUEST, NULL, &h);
			ask_with(sock, RUMP_CALL_FD_ADOPT, (long[6]){ 0 }, lingering());
			break;
		case 4:
			sock = raw_client(RUMP_SP_GUEST, NULL, &h);
			ATF_CHECK_EQ(call_with(sock, RUMP_CALL_FD_ATTACH, (long[6]){ 0 }, lingering()), -EINVAL);
			break;
		case 5:
			sock = raw_client(RUMP_SP_GUEST, NULL, &h);
			ask_with(sock, RUMP_CALL_FD_ADOPT, (long[6]){ 0 }, stuffed(lingering()));
			break;
		case 6:			/* the far end of a placeholder, which brings another one */
			sock = raw_client(RUMP_SP_GUEST, NULL, &h);
			fd = call_with(sock, SYS_epoll_create1, (long[6]){ 0 }, open("/dev/null", O_RDWR));
			ATF_CHECK_EQ(call_with(sock, RUMP_CALL_FD_ATTACH, (long[6]){ fd },
			    stuffed(lingering())), 0);
			break;
		case 7:			/* and one that comes later */
			sock = raw_client(RUMP_SP_GUEST, NULL, &h);
			fd = call_with(sock, SYS_epoll_create1, (long[6]){ 0 }, open("/dev/null", O_RDWR));
			ATF_REQUIRE_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
			ATF_CHECK_EQ(call_with(sock, RUMP_CALL_FD_ATTACH, (long[6]){ fd }, p[0]), 0);
			give(p[1], "x", 1, lingering());
			close(p[1]);
			break;
		case 8:			/* half a message */
			sock = raw_client(RUMP_SP_GUEST, NULL, &h);
			raw_request(buf, SYS_getpid, NULL);
			give(sock, buf, 20, lingering());
			break;
		case 9:			/* on its way to nobody */
		case 10:
			sock = raw_client(RUMP_SP_GUEST, NULL, &h);
			ATF_CHECK(call_with(sock, RUMP_CALL_HOST_PUT, (long[6]){ 0 },
			    way == 9 ? lingering() : stuffed(lingering())) >= 0);
			break;
		}
		for (int i = 0; i < 3; i++)
			check_server();
		close(sock);
		for (int i = 0; i < 3; i++)
			check_server();
	}
}

/* Whatever else there is is no far end, and nothing is asked of it. */
ATF_TC_WITHOUT_HEAD(no_far_ends);
ATF_TC_BODY(no_far_ends, tc)
{
	struct rump_sp_hello_reply h;
	int sock, p[2], fds[10], n = 0;
	long fd, before;

	server_start();
	before = processes();
	ATF_REQUIRE_EQ(pipe(p), 0);
	fds[n++] = p[0];
	fds[n++] = p[1];
	fds[n++] = open("/dev/null", O_RDWR);
	fds[n++] = open(".", O_RDONLY | O_DIRECTORY);
	fds[n++] = open(".", O_PATH);
	fds[n++] = epoll_create1(0);
	fds[n++] = eventfd(0, 0);
	fds[n++] = timerfd_create(CLOCK_MONOTONIC, 0);
	fds[n++] = socket(AF_INET, SOCK_STREAM, 0);
	fds[n++] = socket(AF_UNIX, SOCK_DGRAM, 0);
	sock = raw_client(RUMP_SP_GUEST, NULL, &h);
	for (int i = 0; i < n; i++) {
		/* The call itself succeeds: then nothing of it may be left. */
		ATF_REQUIRE(fds[i] >= 0);
		fd = call_with(sock, SYS_eventfd2, (long[6]){ 0 }, dup(fds[i]));
		ATF_REQUIRE(fd >= 0);
		ATF_CHECK_EQ(call_with(sock, RUMP_CALL_FD_ATTACH, (long[6]){ fd }, dup(fds[i])), -EINVAL);
		ATF_CHECK(call_with(sock, RUMP_CALL_FD_ADOPT, (long[6]){ 0 }, dup(fds[i])) < 0);
		ATF_CHECK(fcntl(fds[i], F_GETFD) >= 0);
	}
	close(sock);
	wait_processes(before);
	check_server();
}

static long host_put(int fd)
{
	return client_call(RUMP_CALL_HOST_PUT, fd, 0, 0, 0, 0, 0);
}

static long host_get(long rfd)
{
	return client_call(RUMP_CALL_HOST_GET, rfd, 0, 0, 0, 0, 0);
}

/* Descriptors of the host that are under way in the kernel, for who knows of them. */
ATF_TC_WITHOUT_HEAD(under_way);
ATF_TC_BODY(under_way, tc)
{
	long rfd, far, got, more[1024];
	int p[2], u[2], n;
	struct pollfd pfd;
	char c;

	client_start();
	ATF_REQUIRE_EQ(pipe(p), 0);
	rfd = host_put(p[1]);
	ATF_REQUIRE(rfd >= 0);
	ATF_CHECK_EQ(S(fcntl, rfd, F_GETFD), FD_CLOEXEC);
	for (int i = 0; i < 3; i++) {
		got = host_get(rfd);
		ATF_REQUIRE(got >= 0);
		ATF_CHECK_EQ(fcntl(got, F_GETFD), FD_CLOEXEC);
		ATF_CHECK_EQ(write(got, "g", 1), 1);
		ATF_CHECK_EQ(read(p[0], &c, 1), 1);
		close(got);
	}
	/* It is nothing else to the kernel. */
	ATF_CHECK_EQ(S(write, rfd, "x", 1), -EBADF);
	ATF_CHECK_EQ(S(read, rfd, &c, 1), -EINVAL);
	ATF_CHECK_EQ(S(ioctl, rfd, 0, 0), -ENOTTY);
	ATF_REQUIRE_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, u), 0);
	ATF_CHECK_EQ(client_call(RUMP_CALL_FD_ATTACH, rfd, u[1], 0, 0, 0, 0), -EREMOTE);
	ATF_CHECK_EQ(read(u[0], &c, 1), 0);	/* the far end was closed */
	close(u[0]);
	far = MUST(eventfd2, 0, 0);
	ATF_CHECK_EQ(host_get(far), -EINVAL);
	ATF_CHECK_EQ(host_get(999), -EBADF);
	ATF_CHECK_EQ(host_get(-1), -EBADF);
	ATF_CHECK_EQ(host_put(999), -EBADF);
	ATF_CHECK_EQ(host_put(-1), -EBADF);

	/* So many, and no more, until they are gone. */
	for (n = 0; n < 1023; n++)
		ATF_REQUIRE((more[n] = host_put(p[1])) >= 0);
	ATF_CHECK_EQ(host_put(p[1]), -ETOOMANYREFS);
	MUST(close, rfd);
	ATF_REQUIRE((more[n++] = host_put(p[1])) >= 0);
	close(p[1]);
	pfd = (struct pollfd){ .fd = p[0] };
	ATF_CHECK_EQ(poll(&pfd, 1, 0), 0);
	while (n--)
		MUST(close, more[n]);
	ATF_CHECK_EQ(poll(&pfd, 1, 10000), 1);
	ATF_CHECK(pfd.revents & POLLHUP);
}

/* With the process that has put it, it goes. */
ATF_TC_WITHOUT_HEAD(dies_under_way);
ATF_TC_BODY(dies_under_way, tc)
{
	struct rump_sp_hello_reply h;
	struct pollfd pfd;
	int sock, p[2];

	server_start();
	ATF_REQUIRE_EQ(pipe(p), 0);
	sock = raw_client(RUMP_SP_GUEST, NULL, &h);
	for (int i = 0; i < 10; i++)
		ATF_CHECK(call_with(sock, RUMP_CALL_HOST_PUT, (long[6]){ 0 }, dup(p[1])) >= 0);
	close(p[1]);
	pfd = (struct pollfd){ .fd = p[0] };
	ATF_CHECK_EQ(poll(&pfd, 1, 0), 0);
	close(sock);
	ATF_CHECK_EQ(poll(&pfd, 1, 10000), 1);
	ATF_CHECK(pfd.revents & POLLHUP);
	check_server();
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, lingers);
	ATF_TP_ADD_TC(tp, no_far_ends);
	ATF_TP_ADD_TC(tp, under_way);
	ATF_TP_ADD_TC(tp, dies_under_way);
	return atf_no_error();
}
