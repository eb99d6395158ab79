/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * calls WHAT MS - an ordinary program, run with the preload library and without:
 * repeats something for MS milliseconds and prints ns each (exec, fork: ms, accept: a second).
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int fd, ep, sock, listener;
static struct pollfd set[8];
static struct sockaddr_in sin_udp, sin_tcp;

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static int
do_read(void)
{
	char c;

	return read(fd, &c, 1) == 1;
}

static int
do_poll(void)
{
	return poll(set, 8, 0) == 8;
}

static int
do_epoll(void)
{
	struct epoll_event ev;

	return epoll_wait(ep, &ev, 1, 0) == 1;
}

static int
do_exec(void)
{
	int status;
	pid_t pid = vfork();

	if (pid == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(1);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static int
do_name(void)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	return getsockname(sock, (struct sockaddr *)&a, &len) == 0;
}

/* fork(2) this time, of a process that has sockets. */
static int
do_fork(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(1);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* A datagram to itself, waited for. */
static int
do_datagram(void)
{
	struct epoll_event ev;
	char c = 'x';

	return sendto(sock, &c, 1, 0, (void *)&sin_udp, sizeof(sin_udp)) == 1 &&
	    epoll_wait(ep, &ev, 1, 1000) == 1 && recv(sock, &c, 1, 0) == 1;
}

static int
do_accept(void)
{
	int c = socket(AF_INET, SOCK_STREAM, 0), a;
	struct linger hard = { 1, 0 };

	if (connect(c, (void *)&sin_tcp, sizeof(sin_tcp)) != 0)
		return 0;
	a = accept(listener, NULL, NULL);
	/* without a TIME_WAIT for each */
	setsockopt(c, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	return close(c) == 0 && close(a) == 0;
}

static int
bound(int type, struct sockaddr_in *sin)
{
	int s = socket(AF_INET, type, 0);
	socklen_t len = sizeof(*sin);

	*sin = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (s < 0 || bind(s, (void *)sin, len) != 0 || getsockname(s, (void *)sin, &len) != 0)
		exit(1);
	return s;
}

static void
add(int member)
{
	struct epoll_event ev = { .events = EPOLLIN };

	if (epoll_ctl(ep, EPOLL_CTL_ADD, member, &ev) != 0)
		exit(1);
}

/* Host descriptors only. */
static void
prepare_host(void)
{
	fd = open("/dev/zero", O_RDONLY);
	for (int i = 0; i < 8; i++)
		set[i] = (struct pollfd){ .fd = eventfd(1, 0), .events = POLLIN };
	add(set[0].fd);
}

/* A socket as well, which never has anything. */
static void
prepare_mixed(void)
{
	prepare_host();
	add(bound(SOCK_DGRAM, &sin_udp));
}

static void
prepare_socket(void)
{
	sock = bound(SOCK_DGRAM, &sin_udp);
	add(sock);
	listener = bound(SOCK_STREAM, &sin_tcp);
	if (listen(listener, 10) != 0)
		exit(1);
}

int
main(int argc, char **argv)
{
	static const struct what {
		const char *name;
		void (*prepare)(void);
		int (*fn)(void);
		int batch;
	} all[] = {
		{ "read", prepare_host, do_read, 1000 },
		{ "poll", prepare_host, do_poll, 1000 },
		{ "epoll", prepare_host, do_epoll, 1000 },
		{ "exec", prepare_host, do_exec, 1 },
		{ "fork", prepare_socket, do_fork, 1 },
		{ "mixed", prepare_mixed, do_epoll, 200 },
		{ "datagram", prepare_socket, do_datagram, 200 },
		{ "accept", prepare_socket, do_accept, 50 },
		{ "name", prepare_socket, do_name, 50 },
	};
	double end, t0, best = 0, ns = (argc > 2 ? atof(argv[2]) : 100) * 1e6;
	const struct what *w = all;

	while (argc > 1 && strcmp(argv[1], w->name) != 0)
		if (++w == all + sizeof(all) / sizeof(all[0]))
			return 2;
	ep = epoll_create1(0);
	w->prepare();
	if (!w->fn())
		return 1;
	t0 = end = now();
	/* The fastest batch: what others do on the machine only adds. */
	do {
		double begin = end;

		for (int i = 0; i < w->batch; i++)
			if (!w->fn())
				return 1;
		end = now();
		if (best == 0 || end - begin < best)
			best = end - begin;
	} while (end - t0 < ns);
	best /= w->batch;
	if (w->fn == do_exec || w->fn == do_fork)
		best /= 1e6;
	printf("%.3f\n", w->fn == do_accept ? 1e9 / best : best);
	return 0;
}
