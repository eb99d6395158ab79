/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h_early.c - calls at odd moments: before and after main(), when a thread or a fork ends or
 * begins, in another process id namespace; and what only looks harmless.  h_early CASE; each
 * passes on the host, too.  EARLY_DIR is a directory, in the rump kernel or on the host.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "early.h"
#include "h.h"

extern char **environ;
static char *self;

/* It must have gone well, and the socket be one that this process's others reach. */
static void reached(struct early *e)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	int c, s;
	char b;

	if (e->failed) {
		fprintf(stderr, "early.c:%d: %s\n", e->failed, strerror(e->err));
		_exit(1);
	}
	need(getsockname(e->listener, (void *)&a, &len) == 0);
	c = socket(AF_INET, SOCK_STREAM, 0);
	need(c >= 0 && connect(c, (void *)&a, len) == 0);
	s = accept(e->listener, NULL, NULL);
	need(s >= 0 && write(s, "x", 1) == 1 && close(s) == 0);
	need(read(c, &b, 1) == 1 && b == 'x' && read(c, &b, 1) == 0);
	need(close(c) == 0 && close(e->listener) == 0);
}

static void look(void)
{
	struct early e;

	early_look(&e);
	reached(&e);
}

static void ends_well(pid_t pid)
{
	int st;

	need(pid > 0 && waitpid(pid, &st, 0) == pid);
	if (st) {
		fprintf(stderr, "child: status %#x\n", st);
		_exit(1);
	}
}

/* ---- before and after main() ------------------------------------------------------------ */

static struct early own_constructor;

static void __attribute__((constructor(200))) constructor(void)
{
	early_look(&own_constructor);
}

static void c_constructors(void)
{
	reached(&early_constructor);
	reached(&own_constructor);
	look();
}

static void at_end(void)
{
	look();
}

static int late;

static void __attribute__((destructor)) destructor(void)
{
	if (late)
		look();
}

static void c_exit(void)
{
	late = 1;
	setenv("EARLY_LATE", "1", 1);		/* early.c's destructor, too */
	need(atexit(at_end) == 0);
	look();
}

/* ---- the ends of threads ---------------------------------------------------------------- */

static pthread_key_t key;
static atomic_int ended;

static void end_of_thread(void *arg)
{
	(void)arg;
	look();
	ended++;
}

static void *thread(void *arg)
{
	need(pthread_setspecific(key, &key) == 0);
	if (arg)
		pthread_exit(NULL);
	return NULL;
}

static void c_threads(void)
{
	pthread_t t[8];
	int i;

	need(pthread_key_create(&key, end_of_thread) == 0);
	for (i = 0; i < 8; i++)
		need(pthread_create(&t[i], NULL, thread, i % 2 ? &key : NULL) == 0);
	for (i = 0; i < 8; i++)
		need(pthread_join(t[i], NULL) == 0);
	need(ended == 8);
}

/* ---- forks of a program that has threads -------------------------------------------------- */

static atomic_int stop;

static void *busy(void *arg)
{
	(void)arg;
	while (!stop) {
		free(malloc(100 + rand() % 5000));
		close(socket(AF_INET, SOCK_DGRAM, 0));
	}
	return NULL;
}

/* All of a child's calls are its own, whatever the other threads were at when it was made. */
static void c_forks(void)
{
	const char *dir = getenv("EARLY_DIR");
	pthread_t t[4];
	char name[64];
	FILE *f;
	int i;
	pid_t pid;

	for (i = 0; i < 4; i++)
		need(pthread_create(&t[i], NULL, busy, NULL) == 0);
	for (i = 0; i < 20; i++) {
		pid = fork();
		if (pid == 0) {
			snprintf(name, sizeof(name), "%s/child%d", dir, i);
			f = fopen(name, "w");
			need(f && fprintf(f, "%s\n", name) > 0 && fclose(f) == 0);
			need(unlink(name) == 0);
			need(poll(&(struct pollfd){ .fd = socket(AF_INET, SOCK_DGRAM, 0),
			    .events = POLLOUT }, 1, 5000) == 1);
			if (i % 2)
				execl("/bin/true", "true", NULL);
			exit(0);
		}
		ends_well(pid);
	}
	stop = 1;
	for (i = 0; i < 4; i++)
		need(pthread_join(t[i], NULL) == 0);
}

/* ---- signal handlers --------------------------------------------------------------------- */

static volatile sig_atomic_t handled;

static void handler(int sig)
{
	(void)sig;
	look();
	handled++;
}

/* Calls of a handler, at whatever its thread is: calls to either kernel, malloc(). */
static void c_handlers(void)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART };
	pthread_t self = pthread_self();
	pid_t pid, parent = getpid();
	int i, fd;

	need(sigaction(SIGUSR1, &sa, NULL) == 0);
	for (i = 0; i < 10; i++) {
		need(pthread_kill(self, SIGUSR1) == 0 && handled == i + 1);
		look();
	}
	pid = fork();
	if (pid == 0) {
		while (getppid() == parent) {
			usleep(1000);
			kill(parent, SIGUSR1);
		}
		_exit(0);
	}
	while (handled < 20) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		need(fd >= 0 && close(fd) == 0);
		need((fd = open("/dev/null", O_RDONLY)) >= 0 && close(fd) == 0);
	}
	need(kill(pid, SIGKILL) == 0);
	while (waitpid(pid, NULL, 0) == -1)
		need(errno == EINTR);
}

/* ---- process 1 of its own ------------------------------------------------------------------ */

static pid_t spawned(void)
{
	char *argv[] = { self, "constructors", NULL };
	pid_t pid;

	need(posix_spawn(&pid, self, NULL, NULL, argv, environ) == 0);
	return pid;
}

static void new_process_ids(void)
{
	if (unshare(CLONE_NEWPID) == 0)
		return;
	if (unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0)
		_exit(77);			/* not on this host */
}

/* As a browser's zygote: its children have process ids of their own, 1 and so on, at once. */
static void c_pid1(void)
{
	struct early e;
	int st;
	pid_t pid;

	early_look(&e);
	need(e.failed == 0);
	pid = fork();
	if (pid == 0) {
		new_process_ids();
		pid = fork();
		if (pid == 0) {
			need(getpid() == 1);
			reached(&e);		/* what it has inherited */
			look();
			pid = fork();
			if (pid == 0) {
				need(getpid() != 1 && getppid() == 1);
				look();
				_exit(0);
			}
			ends_well(pid);
			ends_well(spawned());
			_exit(0);
		}
		ends_well(pid);
		_exit(0);
	}
	need(waitpid(pid, &st, 0) == pid);
	if (WIFEXITED(st) && WEXITSTATUS(st) == 77)
		_exit(77);
	need(st == 0);
	reached(&e);
}

/* ---- known traps ------------------------------------------------------------------------------ */

/*
 * What select() returns is a number of bits, one descriptor may have three; out-of-band data are
 * its third set's, and stay there; a hang-up is readable.  With a pipe, and without.
 */
static void c_select(void)
{
	struct timeval tv = { 5, 0 };
	fd_set r, w, x;
	int s[2], pi[2], mixed;
	char c;

	for (mixed = 0; mixed < 2; mixed++) {
		tcp_pair(s);
		need(pipe(pi) == 0 && (!mixed || write(pi[1], "p", 1) == 1));
		FD_ZERO(&r);
		FD_ZERO(&w);
		FD_ZERO(&x);
		need(write(s[0], "n", 1) == 1 && send(s[0], "!", 1, MSG_OOB) == 1);
		FD_SET(s[1], &x);
		need(select(s[1] + 1, NULL, NULL, &x, &tv) == 1 && FD_ISSET(s[1], &x));
		FD_SET(s[1], &r), FD_SET(s[1], &w);
		if (mixed)
			FD_SET(pi[0], &r), FD_SET(pi[1], &w), FD_SET(pi[0], &x);
		need(select(pi[1] + 1, &r, &w, &x, &tv) == (mixed ? 5 : 3));
		need(FD_ISSET(s[1], &r) && FD_ISSET(s[1], &w) && FD_ISSET(s[1], &x));
		need(!FD_ISSET(pi[0], &x) && FD_ISSET(pi[0], &r) == mixed);
		need(recv(s[1], &c, 1, MSG_OOB) == 1 && c == '!');
		need(read(s[1], &c, 1) == 1 && c == 'n');
		FD_ZERO(&x);
		need(close(s[0]) == 0);
		if (mixed)
			need(read(pi[0], &c, 1) == 1 && close(pi[1]) == 0);
		FD_SET(s[1], &r), FD_SET(s[1], &x);
		need(select(s[1] + 1, &r, NULL, &x, &tv) == 1 + (mixed && pi[0] <= s[1]));
		need(FD_ISSET(s[1], &r) && !FD_ISSET(s[1], &x));
		need(close(s[1]) == 0 && close(pi[0]) == 0);
		if (!mixed)
			close(pi[1]);
	}
}

/* Each way to close is one: that of stdio, and those that are a system call's number. */
static void c_close(void)
{
	int s[2], ways;
	char c = '\0';
	FILE *f;

	for (ways = getenv("RUMPHIJACK_NOPATCH") ? 2 : 0; ways < 5; ways++) {
		tcp_pair(s);
		switch (ways) {
		case 0:
			f = fdopen(s[0], "w");
			need(f && fputs("bye", f) >= 0 && fclose(f) == 0);
			break;
		case 1:
			f = fdopen(s[0], "w");
			f = f ? freopen("/dev/null", "w", f) : NULL;
			need(f && fclose(f) == 0);
			break;
		case 2:
			need(syscall(SYS_close, s[0]) == 0);
			break;
		case 3:
			need(syscall(SYS_close_range, s[0], s[0], 0) == 0);
			break;
		case 4:
			need(dup2(2, s[0]) == s[0] && close(s[0]) == 0);
			break;
		}
		while (ways == 0 && c != 'e')
			need(read(s[1], &c, 1) == 1);
		need(read(s[1], &c, 1) == 0);		/* it is gone, now */
		need(fcntl(s[0], F_GETFD) == -1 && errno == EBADF && close(s[1]) == 0);
	}
}

/* Built with _FORTIFY_SOURCE, whose FD_SET() ends a program on numbers above a set's. */
static void c_fortify(void)
{
	struct rlimit rl = { 4096, 4096 };
	struct timeval tv = { 5, 0 };
	volatile int high;
	fd_set big[4];
	int s[2];

	if (setrlimit(RLIMIT_NOFILE, &rl) < 0)
		_exit(77);
	tcp_pair(s);
	high = dup2(s[1], 2222);
	need(high == 2222 && write(s[0], "x", 1) == 1);
	memset(big, 0, sizeof(big));
	FD_SET(high, big);
	need(select(high + 1, big, NULL, NULL, &tv) == 1 && FD_ISSET(high, big));
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} cases[] = {
		{ "constructors", c_constructors }, { "exit", c_exit }, { "threads", c_threads },
		{ "forks", c_forks }, { "handlers", c_handlers }, { "pid1", c_pid1 },
		{ "select", c_select }, { "close", c_close }, { "fortify", c_fortify },
	};
	size_t i;

	alarm(60);
	self = argv[0];
	for (i = 0; argc > 1 && i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(argv[1], cases[i].name) != 0)
			continue;
		cases[i].fn();
		return 0;
	}
	fprintf(stderr, "usage: h_early CASE\n");
	return 2;
}
