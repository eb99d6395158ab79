/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_server.c - rump_init_server(): a process with a kernel of its own becomes the server of
 * others, and goes on using it.
 */
#include <arpa/inet.h>
#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rump/rump.h>
#include <rump/rumpclient.h>

#define PORT	1234
#define CLIENTS	4
#define BYTES	100000

static char url[PATH_MAX];

static long here(const char *what, long r)
{
	if (r < 0)
		atf_tc_fail("%s: %s", what, strerror(-r));
	return r;
}

#define R6(n, a, b, c, d, e, f, ...) \
	here(#n, rump_syscall(SYS_##n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f)))
#define R(...)	R6(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define C6(n, a, b, c, d, e, f, ...) rumpclient_syscall(SYS_##n, (const long[6]){ (long)(a), \
	(long)(b), (long)(c), (long)(d), (long)(e), (long)(f) })
#define C(...)	C6(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

static struct sockaddr_in address(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(PORT) };

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return sin;
}

/* The other program, from before there is a server. */
static int client(int go)
{
	struct sockaddr_in sin = address();
	static char buf[BYTES];
	long s, n, sum = 0;
	char c;

	if (read(go, &c, 1) != 1)
		return 10;
	setenv("RUMP_SERVER", url, 1);
	if (rumpclient_init() || rumpclient_is_remote() != 1)
		return 11;
	s = C(open, "/tmp/before", O_RDONLY);
	if (s < 0 || C(read, s, buf, sizeof(buf)) != 5 || memcmp(buf, "hello", 5))
		return 12;
	if (C(getpid) <= 1 || C(open, "/tmp/after", O_RDWR | O_CREAT | O_APPEND, 0600) < 0)
		return 13;
	s = C(socket, AF_INET, SOCK_STREAM);
	if (C(connect, s, &sin, sizeof(sin)) != 0)
		return 14;
	while ((n = C(read, s, buf, sizeof(buf))) > 0)
		sum += n;
	return sum != BYTES;
}

static atomic_int stop;

/* The program's own calls go on beside those of its clients. */
static void *calls(void *unused)
{
	while (!atomic_load(&stop))
		R(getppid);
	return unused;
}

/* It serves; the clients come and go; then it shuts down. */
static void server(int go)
{
	struct sockaddr_in sin = address();
	static char data[BYTES];
	pthread_t t;
	long s, l, fd;

	fd = R(open, "/tmp/before", O_RDWR | O_CREAT, 0600);
	ATF_REQUIRE_EQ(R(write, fd, "hello", 5), 5);
	l = R(socket, AF_INET, SOCK_STREAM);
	R(bind, l, &sin, sizeof(sin));
	R(listen, l, 5);
	ATF_REQUIRE_EQ(pthread_create(&t, NULL, calls, NULL), 0);
	ATF_CHECK_EQ(rump_init_server("unix:///nowhere/sock"), -ENOENT);
	ATF_REQUIRE_EQ(rump_init_server(url), 0);
	ATF_CHECK_EQ(rump_init_server(url), -EBUSY);
	ATF_CHECK_EQ(rump_init_server("unix://@another"), -EBUSY);
	ATF_REQUIRE_EQ(write(go, "gogo", CLIENTS), CLIENTS);
	for (int i = 0; i < CLIENTS; i++) {
		s = R(accept, l, NULL, NULL);
		for (long n = 0; n < BYTES;)
			n += R(write, s, data + n, BYTES - n);
		R(close, s);
	}
	R(access, "/tmp/after", F_OK);
	atomic_store(&stop, 1);
	pthread_join(t, NULL);
}

ATF_TC(init_server);
ATF_TC_HEAD(init_server, tc)
{
	atf_tc_set_md_var(tc, "descr", "an embedded kernel gets clients, and its program goes on");
}
ATF_TC_BODY(init_server, tc)
{
	pid_t pid[CLIENTS];
	int go[2], status;

	ATF_REQUIRE_EQ(pipe(go), 0);
	strcpy(url, "unix://");
	ATF_REQUIRE(getcwd(url + strlen(url), sizeof(url) - 32) != NULL);
	strcat(url, "/sock");
	for (int i = 0; i < CLIENTS; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			_exit(client(go[0]));
	}
	setenv("RUMP_NCPU", "2", 1);
	server(go[1]);
	for (int i = 0; i < CLIENTS; i++) {
		ATF_REQUIRE_EQ(waitpid(pid[i], &status, 0), pid[i]);
		ATF_CHECK_MSG(status == 0, "client %d: %#x", i, status);
	}
	ATF_CHECK_EQ(access("sock", F_OK), 0);
	ATF_CHECK_EQ(rump_pub_shutdown(), 0);
	ATF_CHECK(access("sock", F_OK) != 0);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, init_server);
	return atf_no_error();
}
