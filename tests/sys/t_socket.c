/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets of each family, all inside one kernel. */
#include "sys.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

enum { SCTP = 132, MPTCP = 262 };

union addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
};

static socklen_t
loopback(union addr *a, int family)
{
	memset(a, 0, sizeof(*a));
	a->sa.sa_family = family;
	if (family == AF_INET) {
		a->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return sizeof(a->in);
	}
	a->in6.sin6_addr = in6addr_loopback;
	return sizeof(a->in6);
}

/* A listening socket on a free port of the loopback interface. */
static int
listener(int family, int proto, union addr *a, socklen_t *len)
{
	int s;

	sys_ifup("lo");
	*len = loopback(a, family);
	s = MUST(socket, family, SOCK_STREAM, proto);
	MUST(bind, s, a, *len);
	MUST(listen, s, 128);
	MUST(getsockname, s, a, len);
	return s;
}

struct stream { int fd; size_t total; unsigned int seed; };

static unsigned char
pattern(size_t i, unsigned int seed)
{
	return (i * 2654435761u + seed) >> 13;
}

static long
sender(void *arg)
{
	struct stream *s = arg;
	unsigned char buf[16384];
	size_t sent = 0;

	while (sent < s->total) {
		size_t n = sizeof(buf) < s->total - sent ? sizeof(buf) : s->total - sent, off = 0;

		for (size_t i = 0; i < n; i++)
			buf[i] = pattern(sent + i, s->seed);
		while (off < n)
			off += MUST(sendto, s->fd, buf + off, n - off, MSG_NOSIGNAL, NULL, 0);
		sent += n;
	}
	MUST(shutdown, s->fd, SHUT_WR);
	return 0;
}

static void
receive(int fd, size_t total, unsigned int seed)
{
	unsigned char buf[30000];
	size_t got = 0;
	long n;

	while ((n = MUST(read, fd, buf, sizeof(buf))) > 0) {
		for (long i = 0; i < n; i++)
			ATF_REQUIRE_MSG(buf[i] == pattern(got + i, seed), "byte %zu differs", got + i);
		got += n;
	}
	ATF_CHECK_EQ(got, total);
}

static void
stream_transfer(int family, int proto)
{
	union addr a;
	socklen_t len;
	int l = listener(family, proto, &a, &len), c, s;
	struct stream st = { .total = 8 << 20, .seed = 7 };
	struct sys_thread *t;

	c = MUST(socket, family, SOCK_STREAM, proto);
	MUST(connect, c, &a, len);
	s = MUST(accept4, l, NULL, NULL, SOCK_CLOEXEC);
	st.fd = c;
	t = sys_spawn(sender, &st);
	receive(s, st.total, st.seed);
	sys_join(t);
	if (proto != SCTP) {	/* which has no half-closed state */
		st.fd = s;
		t = sys_spawn(sender, &st);
		receive(c, st.total, st.seed);
		sys_join(t);
	}
	MUST(close, c);
	MUST(close, s);
	MUST(close, l);
}

ATF_TC_WITHOUT_HEAD(tcp);
ATF_TC_BODY(tcp, tc) { stream_transfer(AF_INET, 0); }
ATF_TC_WITHOUT_HEAD(tcp6);
ATF_TC_BODY(tcp6, tc) { stream_transfer(AF_INET6, 0); }
ATF_TC_WITHOUT_HEAD(mptcp);
ATF_TC_BODY(mptcp, tc) { stream_transfer(AF_INET, MPTCP); }
ATF_TC_WITHOUT_HEAD(sctp);
ATF_TC_BODY(sctp, tc)
{
	if (sys_where() == SYS_HOST && S(socket, AF_INET, SOCK_STREAM, SCTP) < 0)
		atf_tc_skip("the host has no SCTP");
	stream_transfer(AF_INET, SCTP);
}

/* 1-byte messages to and fro: missed wake-ups show as a hang (lesson 26). */
static long
echo(void *arg)
{
	char c;

	while (MUST(read, *(int *)arg, &c, 1) == 1)
		MUST(write, *(int *)arg, &c, 1);
	return 0;
}

ATF_TC_WITHOUT_HEAD(ping_pong);
ATF_TC_BODY(ping_pong, tc)
{
	union addr a;
	socklen_t len;
	int l = listener(AF_INET, 0, &a, &len), one = 1, rounds = sys_kdebug() ? 2000 : 20000;
	struct sys_thread *t[4];
	int c[4], s[4];

	for (int i = 0; i < 4; i++) {
		c[i] = MUST(socket, AF_INET, SOCK_STREAM, 0);
		MUST(connect, c[i], &a, len);
		s[i] = MUST(accept4, l, NULL, NULL, 0);
		MUST(setsockopt, c[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		t[i] = sys_spawn(echo, &s[i]);
	}
	for (int n = 0; n < rounds; n++) {
		char ch = n;

		for (int i = 0; i < 4; i++)
			ATF_REQUIRE_EQ(MUST(write, c[i], &ch, 1), 1);
		for (int i = 0; i < 4; i++) {
			char back = ~n;

			ATF_REQUIRE_EQ(MUST(read, c[i], &back, 1), 1);
			ATF_REQUIRE_EQ(back, ch);
		}
	}
	for (int i = 0; i < 4; i++) {
		MUST(close, c[i]);
		sys_join(t[i]);
	}
}

static void
datagrams(int family)
{
	union addr a, from;
	socklen_t len, fromlen = sizeof(from);
	int r, s;
	char buf[65536];

	sys_ifup("lo");
	len = loopback(&a, family);
	r = MUST(socket, family, SOCK_DGRAM, 0);
	MUST(bind, r, &a, len);
	MUST(getsockname, r, &a, &len);
	s = MUST(socket, family, SOCK_DGRAM, 0);
	for (long n = 0; n <= 60000; n = n * 3 + 1) {
		memset(buf, n, n);
		ATF_CHECK_EQ(MUST(sendto, s, buf, n, 0, &a, len), n);
		memset(buf, ~n, sizeof(buf));
		ATF_CHECK_EQ(MUST(recvfrom, r, buf, sizeof(buf), 0, &from, &fromlen), n);
		ATF_CHECK(n == 0 || buf[n - 1] == (char)n);
		ATF_CHECK_EQ(from.sa.sa_family, family);
	}
	MUSTFAIL(EMSGSIZE, sendto, s, buf, 65536, 0, &a, len);
	MUSTFAIL(EAGAIN, recvfrom, r, buf, sizeof(buf), MSG_DONTWAIT, NULL, NULL);
	/* Truncation shows the full length. */
	MUST(sendto, s, buf, 1000, 0, &a, len);
	ATF_CHECK_EQ(MUST(recvfrom, r, buf, 10, MSG_TRUNC, NULL, NULL), 1000);
}

ATF_TC_WITHOUT_HEAD(udp);
ATF_TC_BODY(udp, tc) { datagrams(AF_INET); }
ATF_TC_WITHOUT_HEAD(udp6);
ATF_TC_BODY(udp6, tc) { datagrams(AF_INET6); }

ATF_TC_WITHOUT_HEAD(unix_stream);
ATF_TC_BODY(unix_stream, tc)
{
	union addr a = { .un = { .sun_family = AF_UNIX, .sun_path = "/tmp/t_socket.sock" } };
	struct stream st = { .total = 4 << 20, .seed = 99 };
	struct sys_thread *t;
	int l = MUST(socket, AF_UNIX, SOCK_STREAM, 0), c, s;

	S(unlink, a.un.sun_path);
	MUST(bind, l, &a, sizeof(a.un));
	MUST(listen, l, 5);
	c = MUST(socket, AF_UNIX, SOCK_STREAM, 0);
	MUST(connect, c, &a, sizeof(a.un));
	s = MUST(accept4, l, NULL, NULL, 0);
	st.fd = c;
	t = sys_spawn(sender, &st);
	receive(s, st.total, st.seed);
	sys_join(t);
	MUST(unlink, a.un.sun_path);
}

ATF_TC_WITHOUT_HEAD(unix_pair_fds);
ATF_TC_BODY(unix_pair_fds, tc)
{
	int sv[2], p[2], got;
	char c = 'q', control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&m);

	MUST(socketpair, AF_UNIX, SOCK_SEQPACKET, 0, sv);
	MUST(pipe2, p, 0);
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cm), &p[0], sizeof(int));
	ATF_CHECK_EQ(MUST(sendmsg, sv[0], &m, 0), 1);
	memset(control, 0, sizeof(control));
	m.msg_controllen = sizeof(control);
	ATF_CHECK_EQ(MUST(recvmsg, sv[1], &m, 0), 1);
	ATF_REQUIRE((cm = CMSG_FIRSTHDR(&m)) != NULL);
	memcpy(&got, CMSG_DATA(cm), sizeof(int));
	MUST(close, p[0]);
	MUST(write, p[1], "w", 1);
	ATF_CHECK_EQ(MUST(read, got, &c, 1), 1);
	ATF_CHECK_EQ(c, 'w');
}

ATF_TC_WITHOUT_HEAD(errors);
ATF_TC_BODY(errors, tc)
{
	union addr a;
	socklen_t len;
	int l = listener(AF_INET, 0, &a, &len), c, one = 1;

	c = MUST(socket, AF_INET, SOCK_STREAM, 0);
	MUSTFAIL(EADDRINUSE, bind, c, &a, len);
	MUSTFAIL(ENOTCONN, getpeername, c, &a, &len);
	MUST(close, l);
	MUSTFAIL(ECONNREFUSED, connect, c, &a, len);
	MUSTFAIL(EAFNOSUPPORT, socket, 200, SOCK_STREAM, 0);
	MUSTFAIL(EPROTONOSUPPORT, socket, AF_INET, SOCK_STREAM, 17);
	MUSTFAIL(ENOTSOCK, bind, MUST(openat, AT_FDCWD, "/dev/null", O_RDONLY), &a, len);
	MUSTFAIL(ENOPROTOOPT, setsockopt, c, SOL_SOCKET, 9999, &one, sizeof(one));
	MUSTFAIL(EINVAL, setsockopt, c, SOL_SOCKET, SO_REUSEADDR, &one, 1);
}

static long
block_in_accept(void *arg)
{
	return S(accept4, *(int *)arg, NULL, NULL, 0);
}

static long
block_in_poll(void *arg)
{
	struct pollfd p = { .fd = *(int *)arg, .events = POLLIN };

	return S(poll, &p, 1, 10000) == 1 ? p.revents : -1;
}

/* Lesson 53: shutdown wakes who is blocked on the socket. */
ATF_TC_WITHOUT_HEAD(shutdown_wakes);
ATF_TC_BODY(shutdown_wakes, tc)
{
	union addr a;
	socklen_t len;
	int l = listener(AF_INET, 0, &a, &len);
	struct sys_thread *t = sys_spawn(block_in_accept, &l), *u = sys_spawn(block_in_poll, &l);

	usleep(50000);
	MUST(shutdown, l, SHUT_RDWR);
	ATF_CHECK_EQ(sys_join(t), -EINVAL);
	ATF_CHECK(sys_join(u) & POLLHUP);
}

/* Connections come and go from several threads at once; the port is never lost. */
static long
connect_often(void *arg)
{
	union addr *a = arg;
	char c;

	for (int i = 0; i < 500; i++) {
		int s = MUST(socket, AF_INET, SOCK_STREAM, 0);

		MUST(connect, s, a, sizeof(a->in));
		ATF_REQUIRE_EQ(MUST(read, s, &c, 1), 1);
		MUST(close, s);
	}
	return 0;
}

ATF_TC_WITHOUT_HEAD(many_connections);
ATF_TC_BODY(many_connections, tc)
{
	union addr a;
	socklen_t len;
	int l = listener(AF_INET, 0, &a, &len);
	struct sys_thread *t[8];

	for (int i = 0; i < 8; i++)
		t[i] = sys_spawn(connect_often, &a);
	for (int i = 0; i < 8 * 500; i++) {
		int s = MUST(accept4, l, NULL, NULL, 0);

		MUST(write, s, "k", 1);
		MUST(close, s);
	}
	for (int i = 0; i < 8; i++)
		sys_join(t[i]);
}

ATF_TC_WITHOUT_HEAD(timeouts);
ATF_TC_BODY(timeouts, tc)
{
	struct timeval tv = { .tv_usec = 200000 };
	union addr a;
	socklen_t len;
	int l = listener(AF_INET, 0, &a, &len);
	int64_t t0 = sys_now();

	MUST(setsockopt, l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	MUSTFAIL(EAGAIN, accept4, l, NULL, NULL, 0);
	ATF_CHECK_MSG(sys_now() - t0 >= 150000000, "after %ld us", (long)(sys_now() - t0) / 1000);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, tcp);
	ATF_TP_ADD_TC(tp, tcp6);
	ATF_TP_ADD_TC(tp, mptcp);
	ATF_TP_ADD_TC(tp, sctp);
	ATF_TP_ADD_TC(tp, ping_pong);
	ATF_TP_ADD_TC(tp, udp);
	ATF_TP_ADD_TC(tp, udp6);
	ATF_TP_ADD_TC(tp, unix_stream);
	ATF_TP_ADD_TC(tp, unix_pair_fds);
	ATF_TP_ADD_TC(tp, errors);
	ATF_TP_ADD_TC(tp, shutdown_wakes);
	ATF_TP_ADD_TC(tp, many_connections);
	ATF_TP_ADD_TC(tp, timeouts);
	return atf_no_error();
}
