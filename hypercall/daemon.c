/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * daemon.c - a server that leaves its terminal when it is ready, and not before.
 *
 * begin() forks; the parent waits at a pipe for the status that the child hands
 * to done(), and exits with it.  A child that dies without a word closes the
 * pipe: then the parent exits with 1.  The working directory stays, because names
 * that the server was given may be relative to it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "hostcall.h"
#include "internal.h"

static int ready = -1;			/* the child's end of the pipe */

int rumpuser_daemonize_begin(void)
{
	int fds[2], status, err;
	pid_t pid;
	long n;

	if (ready >= 0)
		return -EALREADY;
	err = host(SYS_pipe2, fds, O_CLOEXEC);
	if (err)
		return err;
	pid = fork();
	if (pid < 0) {
		err = -errno;
		host(SYS_close, fds[0]);
		host(SYS_close, fds[1]);
		return err;
	}
	if (pid > 0) {
		host(SYS_close, fds[1]);
		do
			n = host(SYS_read, fds[0], &status, sizeof(status));
		while (n == -EINTR);
		rumpuser_exit(n == sizeof(status) ? status & 0xff : 1);
	}
	host(SYS_close, fds[0]);
	host(SYS_setsid, 0);
	ready = hostfd_take(fds[1]);
	return ready < 0 ? ready : 0;
}

int rumpuser_daemonize_done(int status)
{
	int fd, i;
	long n;

	if (ready < 0)
		return -EINVAL;
	if (status == 0) {
		fd = host(SYS_open, "/dev/null", O_RDWR, 0);
		if (fd < 0)
			return fd;
		for (i = 0; i <= 2; i++)
			if (fd != i)
				host(SYS_dup3, fd, i, 0);
		if (fd > 2)
			host(SYS_close, fd);
	}
	do
		n = host(SYS_write, ready, &status, sizeof(status));
	while (n == -EINTR);
	hostfd_release(ready);
	ready = -1;
	return n < 0 ? n : 0;
}
