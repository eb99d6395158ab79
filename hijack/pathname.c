/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pathname.c - names of open files: what the program calls one of the rump kernel, and
 * /proc/self/fd and its like.
 *
 * Compiled to use general registers only, as want.c, for path_own().
 */
#include <errno.h>
#include <fcntl.h>

#include "hijack.h"

long path_outside(char *buf, long len, size_t size)
{
	return path_root_is_rump() && len >= 0 && buf[0] == '/' ? len :
	    path_text_outside(buf, len, size);
}

long path_getcwd(char *buf, size_t size)
{
	return path_outside(buf, rump(SYS_getcwd, (long)buf, size), size);
}

size_t path_proc(int fd, char buf[PATH_PROC])
{
	const char *s = fd < 0 ? "/proc/self/cwd" : "/proc/self/fd/";
	unsigned int unit = 1;
	size_t n;

	for (n = 0; s[n]; n++)
		buf[n] = s[n];
	while (fd / 10 >= (int)unit)
		unit *= 10;
	for (; fd >= 0 && unit; unit /= 10)
		buf[n++] = '0' + fd / unit % 10;
	buf[n] = '\0';
	return n;
}

/* readlink(2) of a kernel's /proc/self/fd/N into buf; length without the NUL. */
static long read_fd_link(enum side side, int fd, char buf[PATH_BUF])
{
	char link[PATH_PROC];
	long len;

	path_proc(fd, link);
	if (side == SIDE_RUMP)
		len = rump(SYS_readlink, (long)link, (long)buf, PATH_BUF - 1);
	else
		len = host(SYS_readlink, link, buf, PATH_BUF - 1);
	if (len >= 0)
		buf[len] = '\0';
	return len;
}

long path_of_fd(int rfd, char buf[PATH_BUF])
{
	long len = read_fd_link(SIDE_RUMP, rfd, buf);

	if (len < 0 || buf[0] != '/')
		return len;
	len = path_outside(buf, len + 1, PATH_BUF);
	return len < 0 ? len : len - 1;
}

long path_dir(enum side side, int fd, char buf[PATH_BUF])
{
	long len;

	if (fd != AT_FDCWD) {
		len = side == SIDE_RUMP ? path_of_fd(fd, buf) : read_fd_link(side, fd, buf);
	} else {
		len = side == SIDE_RUMP ? path_getcwd(buf, PATH_BUF) :
		    host(SYS_getcwd, buf, PATH_BUF);
		len -= len > 0;
	}
	if (len < 1 || buf[0] != '/')
		return len < 0 ? len : -ENOENT;
	if (len == 1)
		buf[--len] = '\0';
	return len;
}

int path_own(const char *path, const char **rest)
{
	long pid;
	int fd = path_self(path, &pid, rest);

	return pid && pid != host(SYS_getpid, 0) ? -1 : fd;
}
