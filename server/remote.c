/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * remote.c - tls:// and tcp:// of a server: rump_relay, in a process of its own, which
 * ends with this one.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "remote.h"

int remote_url(const char *url)
{
	return strncmp(url, "tls://", 6) == 0 || strncmp(url, "tcp://", 6) == 0 ||
	    strncmp(url, "tcp+insecure://", 15) == 0;
}

/* Beside this program, built or installed. */
static int find_relay(char path[PATH_MAX])
{
	static const char *const places[] = { "rump_relay", "../tools/rump_relay", NULL };
	char base[PATH_MAX], try[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", base, sizeof(base) - 1);
	int i;

	if (n < 0)
		return -errno;
	base[n] = '\0';
	*strrchr(base, '/') = '\0';
	for (i = 0; places[i]; i++) {
		snprintf(try, sizeof(try), "%s/%s", base, places[i]);
		if (realpath(try, path))
			return 0;
	}
	return -ENOENT;
}

int remote_start(const char *url, const char *server)
{
	char path[PATH_MAX], fd[16], c;
	int status[2], err;
	ssize_t n;
	pid_t pid;

	err = find_relay(path);
	if (!err && pipe2(status, O_CLOEXEC))
		err = -errno;
	if (err) {
		fprintf(stderr, "rump_server: %s: rump_relay: %s\n", url, strerror(-err));
		return err;
	}
	snprintf(fd, sizeof(fd), "%d", status[1]);
	pid = fork();
	if (pid == 0) {
		fcntl(status[1], F_SETFD, 0);
		execl(path, "rump_relay", "--with-parent", "--status-fd", fd, url, server, NULL);
		_exit(127);
	}
	close(status[1]);
	/* It has said why, if it says no more. */
	do
		n = read(status[0], &c, 1);
	while (n < 0 && errno == EINTR);
	close(status[0]);
	return pid > 0 && n == 1 ? 0 : -ECONNREFUSED;
}
