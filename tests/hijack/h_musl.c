/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h_musl.c - h_musl CASE: what a program of a libc whose own calls are not seen can do in processes
 * and with names.  It is its own child.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "h.h"

extern char **environ;
static char *self;

/* The other end is a child's 0 and 1, which ends when this one is shut down. */
static void answered(int s, pid_t pid)
{
	char b[8];
	int st;

	need(pid > 0 && write(s, "ping", 4) == 4 && read(s, b, sizeof(b)) == 4 && !memcmp(b, "PING", 4));
	need(shutdown(s, SHUT_WR) == 0 && read(s, b, 1) == 0);
	need(waitpid(pid, &st, 0) == pid && st == 0 && close(s) == 0);
}

/* As tr a-z A-Z, and a process of the rump kernel with sockets of its own. */
static void upper(void)
{
	char b[100];
	ssize_t n, i;
	int s[2];

	tcp_pair(s);
	while ((n = read(0, b, sizeof(b))) > 0) {
		for (i = 0; i < n; i++)
			b[i] -= b[i] >= 'a' && b[i] <= 'z' ? 'a' - 'A' : 0;
		need(write(1, b, n) == n);
	}
	need(n == 0);
}

static void as_upper(int s[2])
{
	dup2(s[1], 0);
	dup2(s[1], 1);
	close(s[0]);
	close(s[1]);
}

static void processes(void)
{
	char *argv[] = { self, "upper", NULL };
	posix_spawn_file_actions_t fa;
	volatile int way;		/* over vfork() */
	int s[2];
	pid_t pid;

	for (way = 0; way < 6; way++) {
		tcp_pair(s);
		switch (way) {
		case 0:
			pid = fork();
			if (pid == 0) {
				as_upper(s);
				upper();
				_exit(0);
			}
			break;
		case 1:
			pid = fork();
			if (pid == 0) {
				as_upper(s);
				execv(self, argv);
				_exit(1);
			}
			break;
		case 2:
			pid = vfork();
			if (pid == 0) {
				as_upper(s);
				execlp(self, self, "upper", (char *)NULL);
				_exit(1);
			}
			break;
		case 3:
			pid = fork();
			if (pid == 0) {
				as_upper(s);
				execle(self, self, "upper", (char *)NULL, environ);
				_exit(1);
			}
			break;
		default:
			posix_spawn_file_actions_init(&fa);
			posix_spawn_file_actions_adddup2(&fa, s[1], 0);
			posix_spawn_file_actions_adddup2(&fa, s[1], 1);
			posix_spawn_file_actions_addclose(&fa, s[0]);
			posix_spawn_file_actions_addclose(&fa, s[1]);
			need((way == 4 ? posix_spawn : posix_spawnp)(&pid, self, &fa, NULL, argv, environ) == 0);
			posix_spawn_file_actions_destroy(&fa);
		}
		need(close(s[1]) == 0);
		answered(s[0], pid);
	}
}

static void is(const char *name, int family, const char *number)
{
	struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_STREAM }, *ai = NULL;
	char buf[INET6_ADDRSTRLEN];
	struct sockaddr_in *in;
	int err = getaddrinfo(name, "80", &hints, &ai);

	if (!number) {
		need(err == EAI_NONAME || err == EAI_NODATA);	/* since musl 1.2.4 */
		return;
	}
	need(err == 0);
	in = (void *)ai->ai_addr;
	need(in->sin_port == htons(80));
	need(inet_ntop(ai->ai_family, ai->ai_family == AF_INET ? (void *)&in->sin_addr :
	    (void *)&((struct sockaddr_in6 *)ai->ai_addr)->sin6_addr, buf, sizeof(buf)));
	need(strcmp(buf, number) == 0);
	freeaddrinfo(ai);
}

/* As the files and the server of the test say it. */
static void names(void)
{
	struct hostent *h;

	is("127.0.0.2", AF_UNSPEC, "127.0.0.2");
	is("::1", AF_UNSPEC, "::1");
	is("inhosts", AF_UNSPEC, "10.7.7.7");
	is("alias", AF_INET, "10.7.7.7");
	is("inhosts6", AF_INET6, "fd00::7");
	is("name.example", AF_UNSPEC, "10.1.2.3");
	is("name.example", AF_INET6, NULL);
	h = gethostbyname("name.example");
	need(h && h->h_length == 4 && !memcmp(h->h_addr_list[0], "\12\1\2\3", 4));
	h = gethostbyname("inhosts");
	need(h && !memcmp(h->h_addr_list[0], "\12\7\7\7", 4));
}

int main(int argc, char **argv)
{
	alarm(60);
	self = argv[0];
	if (argc > 1 && !strcmp(argv[1], "upper"))
		upper();
	else if (argc > 1 && !strcmp(argv[1], "processes"))
		processes();
	else if (argc > 1 && !strcmp(argv[1], "names"))
		names();
	else
		return 2;
	return 0;
}
