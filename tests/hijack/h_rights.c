/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h_rights.c - descriptors of both kernels in messages of AF_UNIX sockets: h_rights CASE [NAME].
 * AF_INET is the rump kernel's under test, pipes and memfds are the host's, and AF_UNIX is
 * what the scope says.  What is under way in a message is seen by pipes: the other end hangs
 * up when the last copy is gone.
 */
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "h.h"

static void pair(int u[2])
{
	need(socketpair(AF_UNIX, SOCK_STREAM, 0, u) == 0);
}

/* No copy of the other end of pipe pi is left, or soon will be. */
static void hangs_up(int pi)
{
	struct pollfd p = { .fd = pi };

	need(poll(&p, 1, 20000) == 1 && (p.revents & POLLHUP));
}

static void stays(int pi)
{
	struct pollfd p = { .fd = pi };

	need(poll(&p, 1, 0) == 0);
}

static void close_all(const int *fds, int n)
{
	while (n)
		need(close(fds[--n]) == 0);
}

/* Those of both in one message; the sender's are closed while it is under way. */
static void c_mixed(void)
{
	int u[2], s[2], pi[2], mem, got[5], low, i;
	char buf[8];

	pair(u);
	tcp_pair(s);
	need(pipe(pi) == 0 && (mem = memfd_create("m", 0)) >= 0 && write(mem, "memory", 6) == 6);
	low = dup(0);
	send_fds(u[0], (int[]){ pi[1], s[1], mem, s[1], pi[1] }, 5);
	close_all((int[]){ pi[1], s[1], mem, low }, 4);
	stays(pi[0]);
	take_fds(u[1], got, 5, 0);
	for (i = 0; i < 5; i++)
		need(fcntl(got[i], F_GETFD) == 0);
	need(pread(got[2], buf, sizeof(buf), 0) == 6 && !memcmp(buf, "memory", 6));
	give(got[0]), give(got[4]);
	eat(pi[0]), eat(pi[0]);
	give(got[1]), give(got[3]);
	eat(s[0]), eat(s[0]);
	close_all(got, 5);
	hangs_up(pi[0]);
	need(read(s[0], buf, 1) == 0);

	/* the lowest numbers, in their order, and close-on-exec */
	need(pipe(pi) == 0);
	low = dup(0);
	send_fds(u[0], (int[]){ pi[1], s[0], pi[0] }, 3);
	need(close(low) == 0);
	take_fds(u[1], got, 3, MSG_CMSG_CLOEXEC);
	need(got[0] == low && got[1] > got[0] && got[2] > got[1]);
	for (i = 0; i < 3; i++)
		need(fcntl(got[i], F_GETFD) == FD_CLOEXEC);
	close_all(got, 3);
	close_all(pi, 2);
	need(close(s[0]) == 0);
	close_all(u, 2);
}

/* Looked at before it is taken: further copies. */
static void c_peek(void)
{
	int u[2], pi[2], got[2], again[2];

	pair(u);
	need(pipe(pi) == 0);
	send_fds(u[0], (int[]){ pi[1], u[0] }, 2);
	need(close(pi[1]) == 0);
	take_fds(u[1], again, 2, MSG_PEEK);
	give(again[0]);
	eat(pi[0]);
	close_all(again, 2);
	stays(pi[0]);
	take_fds(u[1], got, 2, 0);
	give(got[0]);
	eat(pi[0]);
	give(got[1]);
	eat(u[1]);
	close_all(got, 2);
	hangs_up(pi[0]);
	close_all(u, 2);
	need(close(pi[0]) == 0);
}

/* What does not fit is closed: there is no room in the buffer, or the table, or no buffer. */
static void c_truncated(void)
{
	int u[2], pi[2], pj[2], got[2], truncated, high;
	struct rlimit old, rl;
	char c;

	pair(u);
	need(pipe(pi) == 0 && pipe(pj) == 0);
	send_fds(u[0], (int[]){ pi[1], pj[1] }, 2);
	close_all((int[]){ pi[1], pj[1] }, 2);
	need(receive_fds(u[1], got, 1, 0, &truncated) == 1 && truncated);
	hangs_up(pj[0]);
	stays(pi[0]);

	need(getrlimit(RLIMIT_NOFILE, &old) == 0);
	need((high = dup(0)) >= 0 && close(high) == 0);
	rl = old;
	rl.rlim_cur = high + 1;		/* one more can be had */
	send_fds(u[0], (int[]){ got[0], got[0] }, 2);
	need(close(got[0]) == 0);
	need((high = dup(0)) >= 0);
	need(setrlimit(RLIMIT_NOFILE, &rl) == 0);
	need(receive_fds(u[1], got, 2, 0, &truncated) == 1 && truncated);
	need(setrlimit(RLIMIT_NOFILE, &old) == 0);
	stays(pi[0]);

	send_fds(u[0], &got[0], 1);
	need(close(got[0]) == 0);
	stays(pi[0]);
	need(read(u[1], &c, 1) == 1 && c == 'm');
	hangs_up(pi[0]);
	close_all((int[]){ pi[0], pj[0], high, u[0], u[1] }, 5);
}

/* Nobody will receive it, or nobody but itself could: a socket inside its own message. */
static void c_lost(void)
{
	int u[2], pi[2], i;

	for (i = 0; i < 2; i++) {
		pair(u);
		need(pipe(pi) == 0);
		send_fds(u[0], (int[]){ pi[1], u[i] }, 2);
		send_fds(u[1], (int[]){ u[0] }, 1);
		need(close(pi[1]) == 0);
		stays(pi[0]);
		close_all(u, 2);
		/* Linux collects when some other such socket is closed. */
		pair(u);
		close_all(u, 2);
		hangs_up(pi[0]);
		need(close(pi[0]) == 0);
	}
}

/* What is none, and messages that are refused. */
static void c_wrong(void)
{
	int u[2], pi[2], s[2], many[FDS_MAX + 1], i;

	pair(u);
	tcp_pair(s);
	need(pipe(pi) == 0);
	fails(EBADF, try_send_fds(u[0], (int[]){ pi[1], s[0], 999 }, 3, 0));
	fails(EBADF, try_send_fds(u[0], (int[]){ -1 }, 1, 0));
	for (i = 0; i < FDS_MAX; i++)
		many[i] = i % 2 ? pi[1] : s[0];
	send_fds(u[0], many, FDS_MAX);
	take_fds(u[1], many, FDS_MAX, 0);
	close_all(many, FDS_MAX);
	need(close(u[1]) == 0);
	fails(EPIPE, try_send_fds(u[0], &pi[1], 1, MSG_NOSIGNAL));
	send_fds(s[0], &pi[1], 1);	/* TCP does not look at it */
	eat(s[1]);
	need(close(pi[1]) == 0);
	hangs_up(pi[0]);
	close_all((int[]){ u[0], s[0], s[1], pi[0] }, 4);
}

/*
 * To a child that is made while they are under way, which sends them on to its parent and is
 * gone before that looks.
 */
static void c_forked(void)
{
	int u[2], pi[2], s[2], got[2];
	pid_t pid;

	pair(u);
	tcp_pair(s);
	need(pipe(pi) == 0);
	send_fds(u[0], (int[]){ pi[1], s[1] }, 2);
	close_all((int[]){ pi[1], s[1] }, 2);
	pid = fork();
	need(pid >= 0);
	if (pid == 0) {
		close_all((int[]){ u[0], pi[0], s[0] }, 3);
		take_fds(u[1], got, 2, 0);
		give(got[0]), give(got[1]);
		send_fds(u[1], got, 2);
		_exit(0);
	}
	need(close(u[1]) == 0);
	eat(pi[0]), eat(s[0]);
	child_ends_well(pid);
	stays(pi[0]);
	take_fds(u[0], got, 2, 0);
	give(got[0]), give(got[1]);
	eat(pi[0]), eat(s[0]);
	close_all(got, 2);
	hangs_up(pi[0]);
	close_all((int[]){ u[0], pi[0], s[0] }, 3);
}

/* Two programs that have nothing to do with each other, by a name: first this one, */
static struct sockaddr_un name_of(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	need(strlen(path) < sizeof(un.sun_path));
	strcpy(un.sun_path, path);
	return un;
}

static void c_serve(const char *path)
{
	struct sockaddr_un un = name_of(path);
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c, got[2];

	need(l >= 0 && bind(l, (void *)&un, sizeof(un)) == 0 && listen(l, 1) == 0);
	puts("ready");
	fflush(stdout);
	c = accept(l, NULL, NULL);
	need(c >= 0);
	take_fds(c, got, 2, 0);
	give(got[0]), give(got[1]);
	close_all((int[]){ got[0], got[1], c, l }, 4);
}

/* then this one. */
static void c_ask(const char *path)
{
	struct sockaddr_un un = name_of(path);
	int c = socket(AF_UNIX, SOCK_STREAM, 0), pi[2], s[2];

	need(c >= 0 && connect(c, (void *)&un, sizeof(un)) == 0);
	tcp_pair(s);
	need(pipe(pi) == 0);
	send_fds(c, (int[]){ pi[1], s[1] }, 2);
	close_all((int[]){ pi[1], s[1] }, 2);
	eat(pi[0]), eat(s[0]);
	hangs_up(pi[0]);
	close_all((int[]){ pi[0], s[0], c }, 3);
}

/* One who sends and sends what nobody receives: not without an end. */
static void c_hoard(void)
{
	int u[2], pi[2], many[FDS_MAX], i, n = 0;

	pair(u);
	need(pipe(pi) == 0);
	for (i = 0; i < FDS_MAX; i++)
		many[i] = pi[1];
	while (try_send_fds(u[0], many, FDS_MAX, MSG_DONTWAIT) == 1)
		need(n++ < 20);
	need(errno == ETOOMANYREFS && n > 0);
	while (n--) {
		take_fds(u[1], many, FDS_MAX, 0);
		close_all(many, FDS_MAX);
	}
	send_fds(u[0], &pi[1], 1);	/* and again */
	close_all((int[]){ u[0], u[1], pi[1] }, 3);
	hangs_up(pi[0]);
	need(close(pi[0]) == 0);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(void);
		void (*with)(const char *);
	} cases[] = {
		{ "mixed", c_mixed, NULL }, { "peek", c_peek, NULL },
		{ "truncated", c_truncated, NULL }, { "lost", c_lost, NULL },
		{ "wrong", c_wrong, NULL }, { "forked", c_forked, NULL },
		{ "hoard", c_hoard, NULL }, { "serve", NULL, c_serve }, { "ask", NULL, c_ask },
	};
	size_t i;

	for (i = 0; argc > 1 && i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(argv[1], cases[i].name))
			continue;
		if (cases[i].fn)
			cases[i].fn();
		else if (argc > 2)
			cases[i].with(argv[2]);
		return 0;
	}
	return 2;
}
