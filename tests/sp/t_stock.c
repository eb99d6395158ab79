/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_stock.c - far ends of placeholders that a client sends ahead (STOCK), and what it makes of
 * them: in librumpclient, and one who does not keep to the rules.
 */
#include "sp.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <rump/rump_calls.h>

/* Whether the other end of socket near is gone, or soon will be. */
static int hung_up(int near)
{
	struct pollfd p = { .fd = near };

	return poll(&p, 1, 10000) == 1 && (p.revents & POLLHUP);
}

static int is_there(int near)
{
	struct pollfd p = { .fd = near };

	return poll(&p, 1, 0) == 0;
}

/* ---- by hand ---------------------------------------------------------------------------- */

/* Sends n descriptors, which are closed here, as a stock; the server's answer. */
static long stock(int sock, const int *fds, int n)
{
	struct rump_sp_hdr q = { .len = sizeof(q), .type = RUMP_SP_STOCK, .nfds = n, .reqno = 7 };
	_Alignas(struct cmsghdr) char ctl[CMSG_SPACE(RUMP_SP_STOCK_MAX * sizeof(int))] = { 0 };
	struct iovec iov = { &q, sizeof(q) };
	struct msghdr mh = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl,
		.msg_controllen = CMSG_SPACE(n * sizeof(int)),
	};
	struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);
	struct rump_sp_reply r;

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(cm), fds, n * sizeof(int));
	ATF_REQUIRE_EQ(sendmsg(sock, &mh, MSG_NOSIGNAL), (ssize_t)sizeof(q));
	for (int i = 0; i < n; i++)
		close(fds[i]);
	ATF_REQUIRE(raw_read(sock, &r, sizeof(r)));
	ATF_REQUIRE_EQ(r.hdr.type, RUMP_SP_REPLY);
	ATF_REQUIRE_EQ(r.hdr.reqno, 7);
	return r.ret;
}

/* n pairs; the far ends as a stock. */
static void stock_of(int sock, int *near, int n)
{
	int far[RUMP_SP_STOCK_MAX], pair[2];

	for (int i = 0; i < n; i++) {
		ATF_REQUIRE_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		near[i] = pair[0];
		far[i] = pair[1];
	}
	ATF_REQUIRE_EQ(stock(sock, far, n), 0);
}

/* A call with number i of the stock. */
static long stocked(int sock, int i, long nr, long a0, long a1)
{
	struct rump_sp_syscall *req;
	struct rump_sp_reply r;
	_Alignas(8) char buf[256];
	size_t n = raw_request(buf, nr, (long[6]){ a0, a1 });

	req = (void *)buf;
	req->hdr.flags = RUMP_SP_F_STOCKED;
	req->stock = i;
	ATF_REQUIRE_EQ(send(sock, buf, n, MSG_NOSIGNAL), (ssize_t)n);
	ATF_REQUIRE(raw_read(sock, &r, sizeof(r)));
	return r.ret;
}

static long plain(int sock, long nr, long a0)
{
	struct rump_sp_reply r;
	_Alignas(8) char buf[256];
	size_t n = raw_request(buf, nr, (long[6]){ a0 });

	ATF_REQUIRE_EQ(send(sock, buf, n, MSG_NOSIGNAL), (ssize_t)n);
	ATF_REQUIRE(raw_read(sock, &r, sizeof(r)));
	return r.ret;
}

ATF_TC_WITHOUT_HEAD(rules);
ATF_TC_BODY(rules, tc)
{
	int near[RUMP_SP_STOCK_MAX], more[2], p[2], sock;
	struct rump_sp_hello_reply h;
	long fd, other;

	server_start();
	sock = raw_client(RUMP_SP_GUEST, NULL, &h);
	ATF_CHECK_EQ(stocked(sock, 0, SYS_eventfd2, 0, 0), -EBADF);	/* there is none */
	stock_of(sock, near, RUMP_SP_STOCK_MAX);

	/* Each serves once, and only a call that succeeds. */
	ATF_CHECK_EQ(stocked(sock, 3, SYS_eventfd2, 0, -1), -EINVAL);
	fd = stocked(sock, 3, SYS_eventfd2, 0, 0);
	ATF_REQUIRE(fd >= 0);
	ATF_CHECK_EQ(stocked(sock, 3, SYS_eventfd2, 0, 0), -EBADF);
	other = plain(sock, SYS_eventfd2, 0);
	ATF_CHECK_EQ(other, fd + 1);			/* what failed has left none */
	ATF_CHECK_EQ(stocked(sock, 15, RUMP_CALL_FD_ATTACH, 999, 0), -EBADF);
	ATF_CHECK_EQ(stocked(sock, 15, RUMP_CALL_FD_ATTACH, other, 0), 0);

	/* It is a placeholder like any other: the far end goes with the file's last copy. */
	close(near[3]);
	ATF_CHECK_EQ(plain(sock, SYS_close, fd), 0);
	ATF_CHECK_EQ(plain(sock, SYS_close, other), 0);
	ATF_CHECK(is_there(near[15]));
	close(near[15]);

	/* The next stock takes the place of the last one. */
	stock_of(sock, more, 2);
	for (int i = 0; i < 15; i++)
		ATF_CHECK(i == 3 || hung_up(near[i]));
	ATF_CHECK_EQ(stocked(sock, 2, SYS_eventfd2, 0, 0), -EBADF);
	ATF_CHECK(stocked(sock, 1, SYS_eventfd2, 0, 0) >= 0);

	/* What is no socket spoils all of it. */
	ATF_REQUIRE_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
	ATF_CHECK_EQ(stock(sock, (int[]){ p[1], open("/dev/null", O_RDWR) }, 2), -EINVAL);
	ATF_CHECK(hung_up(p[0]));
	ATF_CHECK(hung_up(more[0]));
	ATF_CHECK_EQ(stocked(sock, 0, SYS_eventfd2, 0, 0), -EBADF);

	/* And it goes with the client. */
	stock_of(sock, near, 4);
	ATF_CHECK(is_there(near[0]));
	close(sock);
	for (int i = 0; i < 4; i++)
		ATF_CHECK(hung_up(near[i]));
	check_server();
}

/* ---- by the library ------------------------------------------------------------------------ */

/* Descriptors of the server's, each with a placeholder: until there is a stock. */
static int warm_up(int *far)
{
	int pair[2], near;

	for (int i = 0; i < 100; i++) {
		near = rumpclient_placeholder(700, 1, far);
		if (near != -EAGAIN)
			return near;
		ATF_REQUIRE_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		ATF_REQUIRE(rumpclient_syscall_fd(SYS_eventfd2, (long[6]){ 0 }, pair[1]) >= 0);
	}
	atf_tc_fail("there is never a stock");
}

ATF_TC_WITHOUT_HEAD(library);
ATF_TC_BODY(library, tc)
{
	int far, far2, near, near2, status;
	struct rumpclient_fork cookie;
	uint64_t one = 1;
	pid_t pid;
	long fd;

	client_start();
	near = warm_up(&far);
	ATF_CHECK_EQ(near, 700);		/* the number that was wanted */
	ATF_CHECK_EQ(fcntl(near, F_GETFD), FD_CLOEXEC);
	ATF_CHECK(far < -1);

	/* Two at once, in the wrong order; and one that is used for nothing. */
	near2 = rumpclient_placeholder(0, 0, &far2);
	ATF_REQUIRE(near2 >= 0 && near2 < 700 && far2 != far);
	ATF_CHECK_EQ(fcntl(near2, F_GETFD), 0);
	ATF_CHECK_EQ(rumpclient_syscall_fd(SYS_eventfd2, (long[6]){ 0, -1 }, far2), -EINVAL);
	close(near2);
	fd = rumpclient_syscall_fd(SYS_eventfd2, (long[6]){ 0 }, far);
	ATF_REQUIRE(fd >= 0);

	/* It rings. */
	ATF_CHECK_EQ(client_call(RUMP_CALL_POLL_ARM, (long)&(struct pollfd){ .fd = fd, .events = POLLIN },
	    1, RUMP_POLL_ARM, 0, 0, 0), 0);
	MUST(write, fd, &one, sizeof(one));
	ATF_CHECK_EQ(poll(&(struct pollfd){ .fd = near, .events = POLLIN }, 1, 10000), 1);

	/* What is closed here is closed, whatever children there are. */
	near2 = warm_up(&far2);
	fd = rumpclient_syscall_fd(SYS_eventfd2, (long[6]){ 0 }, far2);
	ATF_REQUIRE(fd >= 0);
	close(near2);
	MUST(close, fd);
	ATF_REQUIRE_EQ(rumpclient_prefork(&cookie), 0);
	pid = fork();
	if (pid == 0)
		_exit(rumpclient_fork_init(&cookie) < 0 || rumpclient_placeholder(0, 1, &far) != -EAGAIN);
	ATF_REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid);
	ATF_CHECK_EQ(status, 0);
	ATF_CHECK_EQ(rumpclient_placeholder(0, 1, &far), -EAGAIN);	/* given back before */
	close(warm_up(&far));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, rules);
	ATF_TP_ADD_TC(tp, library);
	return atf_no_error();
}
