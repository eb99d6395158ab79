/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h_san.c - h_san DIR: some of everything, to be compiled with a sanitizer and run under the
 * library: threads that share sockets and memory under locks, stdio and names, signals, forks,
 * a program that is executed, an epoll of both kernels.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "h.h"

#define THREADS	4
#define ROUNDS	200

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int sum;
static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
	(void)sig;
	alarms++;
}

/* Each with memory of its own, that another frees. */
static void *sender(void *arg)
{
	int s = *(int *)arg, i, n;
	char *b;

	for (i = 0; i < ROUNDS; i++) {
		n = 1 + (i * 37) % 3000;
		b = malloc(n);
		need(b);
		memset(b, i, n);
		need(send(s, &n, sizeof(n), MSG_MORE) == sizeof(n) && send(s, b, n, 0) == n);
		free(b);
	}
	need(shutdown(s, SHUT_WR) == 0);
	return strdup("sent");
}

static void *receiver(void *arg)
{
	int s = *(int *)arg, n, k, r;
	char *b;

	while ((r = recv(s, &n, sizeof(n), MSG_WAITALL)) == sizeof(n)) {
		b = malloc(n);
		need(b && recv(s, b, n, MSG_WAITALL) == n);
		for (k = 1; k < n; k++)
			need(b[k] == b[0]);
		free(b);
		pthread_mutex_lock(&lock);
		sum++;
		pthread_mutex_unlock(&lock);
	}
	need(r == 0);
	return NULL;
}

static void threads(void)
{
	pthread_t t[2 * THREADS];
	int s[THREADS][2], i;
	void *said;

	for (i = 0; i < THREADS; i++) {
		tcp_pair(s[i]);
		need(pthread_create(&t[2 * i], NULL, sender, &s[i][0]) == 0);
		need(pthread_create(&t[2 * i + 1], NULL, receiver, &s[i][1]) == 0);
	}
	for (i = 0; i < THREADS; i++) {
		need(pthread_join(t[2 * i], &said) == 0 && !strcmp(said, "sent"));
		free(said);
		need(pthread_join(t[2 * i + 1], NULL) == 0);
		need(close(s[i][0]) == 0 && close(s[i][1]) == 0);
	}
	need(sum == THREADS * ROUNDS);
}

static void files(const char *dir)
{
	char name[300], line[100];
	struct stat st;
	int i, n = 0;
	DIR *d;
	FILE *f;

	for (i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "%s/san%d", dir, i);
		f = fopen(name, "w");
		need(f && fprintf(f, "line %d\n", i) == 7 && fclose(f) == 0);
		f = fopen(name, "r");
		need(f && fgets(line, sizeof(line), f) && atoi(line + 5) == i && fclose(f) == 0);
	}
	d = opendir(dir);
	need(d);
	while (readdir(d))
		n++;
	need(n >= 12 && closedir(d) == 0);
	for (i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "%s/san%d", dir, i);
		need(stat(name, &st) == 0 && st.st_size == 7 && unlink(name) == 0);
	}
}

static void sets(void)
{
	struct epoll_event ev = { .events = EPOLLIN }, out[2];
	int s[2], p[2], ep = epoll_create1(EPOLL_CLOEXEC), i;
	char c;

	tcp_pair(s);
	need(pipe(p) == 0);
	ev.data.fd = s[1];
	need(epoll_ctl(ep, EPOLL_CTL_ADD, s[1], &ev) == 0);
	ev.data.fd = p[0];
	need(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev) == 0);
	for (i = 0; i < 20; i++) {
		need(write(i % 2 ? s[0] : p[1], "x", 1) == 1);
		need(epoll_wait(ep, out, 2, 5000) == 1 && out[0].data.fd == (i % 2 ? s[1] : p[0]));
		need(read(out[0].data.fd, &c, 1) == 1);
	}
	need(poll(NULL, 0, 1) == 0);
	close(s[0]), close(s[1]), close(p[0]), close(p[1]), close(ep);
}

static void signals(void)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	int s[2], st;
	pid_t pid;
	char c;

	tcp_pair(s);
	need(sigaction(SIGUSR1, &sa, NULL) == 0);
	pid = fork();
	need(pid >= 0);
	if (pid == 0) {
		close(s[1]);
		while (poll(&(struct pollfd){ .fd = s[0], .events = POLLIN }, 1, 5) == 0)
			kill(getppid(), SIGUSR1);
		_exit(read(s[0], &c, 1) == 1 ? 0 : 1);
	}
	close(s[0]);
	need(read(s[1], &c, 1) == -1 && errno == EINTR);
	do
		st = write(s[1], "x", 1);
	while (st == -1 && errno == EINTR);
	need(st == 1);
	while (waitpid(pid, &st, 0) == -1)
		need(errno == EINTR);
	need(st == 0 && alarms > 0);	/* a runtime may have put it off until here */
	close(s[1]);
}

static void programs(const char *dir)
{
	char line[300];
	FILE *f;

	snprintf(line, sizeof(line), "cd %s && echo text >t && cat t && rm t", dir);
	f = popen(line, "r");
	need(f && fgets(line, sizeof(line), f) && !strcmp(line, "text\n") && pclose(f) == 0);
	need(system("exit 3") == 3 << 8);
}

int main(int argc, char **argv)
{
	alarm(90);
	if (argc < 2)
		return 2;
	files(argv[1]);
	threads();
	sets();
	signals();
	files(argv[1]);
	programs(argv[1]);
	puts("all");
	return 0;
}
