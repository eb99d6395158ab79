/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ps.c - rump ps [URL]: the processes of a server's kernel, as its /proc has them:
 * this is a client like any other.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rump/rumpclient.h>

#include "rump.h"

#define CALL(nr, a, b, c)	rumpclient_syscall(nr, (long[6]){ (long)(a), (long)(b), (long)(c) })

struct entry {
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

/* Calls fn for each entry of a directory of the server; how many there are, or -errno. */
static long entries(const char *dir, void (*fn)(const char *name))
{
	_Alignas(8) char buf[4096];
	const struct entry *e;
	long fd, n, at, count = 0;

	fd = CALL(SYS_open, dir, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	while ((n = CALL(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
		for (at = 0; at < n; at += e->len) {
			e = (const void *)(buf + at);
			if (e->name[0] == '.')
				continue;
			count++;
			if (fn)
				fn(e->name);
		}
	CALL(SYS_close, fd, 0, 0);
	return n < 0 ? n : count;
}

static long field(const char *status, const char *name)
{
	const char *at = strstr(status, name);

	return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

static long me;

/* One line of a process that a client is; the kernel's own threads are not shown. */
static void show(const char *pid)
{
	char path[64], status[4096], *name;
	long fd, n, fds, threads;

	if (strspn(pid, "0123456789") != strlen(pid) || atol(pid) == me || atol(pid) == 1)
		return;
	snprintf(path, sizeof(path), "/proc/%s/status", pid);
	fd = CALL(SYS_open, path, O_RDONLY, 0);
	n = fd < 0 ? fd : CALL(SYS_read, fd, status, sizeof(status) - 1);
	CALL(SYS_close, fd, 0, 0);
	if (n <= 0)
		return;			/* it has just ended */
	status[n] = '\0';
	if (field(status, "\nKthread:") == 1)
		return;
	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	fds = entries(path, NULL);
	/* One of its tasks is the kernel's, which makes the others. */
	threads = field(status, "\nThreads:") - 1;
	name = status + strlen("Name:\t");
	printf("%7s %7ld %7ld  %.*s\n", pid, threads, fds < 0 ? 0 : fds,
	    (int)strcspn(name, "\n"), name);
}

int cmd_ps(int argc, char **argv)
{
	const char *url = argc > 1 ? argv[1] : getenv("RUMP_SERVER");
	long err;

	if (argc > 2 || !url || !*url)
		die(1, "ps: the URL of one server is wanted, or RUMP_SERVER");
	if (setenv("RUMP_SERVER", url, 1))
		die(1, "out of memory");
	if (rumpclient_init())
		return 1;		/* it has said why */
	me = CALL(SYS_getpid, 0, 0, 0);
	printf("%7s %7s %7s  %s\n", "PID", "THREADS", "FDS", "COMMAND");
	err = entries("/proc", show);
	if (err < 0)
		die(1, "%s: /proc: %s", url, strerror(-err));
	return 0;
}
