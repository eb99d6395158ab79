/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inotify.c - watches on files of the rump kernel.
 *
 * An inotify descriptor is the host's until the first watch is on a rump path: then a rump
 * descriptor takes its number.  A set is one kernel's: a watch that would be the other's is
 * EXDEV, and fanotify, which marks whole file systems, is the host's.
 *
 * Limit: copies of the descriptor (dup, fork) and epoll sets that it was put into before that
 * first watch go on with what it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/syscall.h>

#include "hijack.h"

/* Does the text of n bytes have this in it? */
static int has(const char *text, long n, const char *word)
{
	long i, k;

	for (i = 0; i < n; i++) {
		for (k = 0; word[k] && i + k < n && text[i + k] == word[k]; k++)
			;
		if (!word[k])
			return 1;
	}
	return 0;
}

/* "/proc/self/DIR/FD" */
static void proc_name(char *to, const char *dir, unsigned int fd)
{
	char digits[12];
	const char *s;
	int n = 0;

	for (s = "/proc/self/"; *s; s++)
		*to++ = *s;
	for (s = dir; *s; s++)
		*to++ = *s;
	do
		digits[n++] = '0' + fd % 10;
	while (fd /= 10);
	while (n > 0)
		*to++ = digits[--n];
	*to = '\0';
}

/* 0: host descriptor fd is an inotify without any watch; -EINVAL: it is none; -EXDEV. */
static long is_empty(int fd)
{
	char name[40], text[512];
	long file, n;

	proc_name(name, "fd/", fd);
	n = host(SYS_readlink, name, text, sizeof(text));
	if (n < 0)
		return -EBADF;
	if (!has(text, n, "inotify"))
		return -EINVAL;
	proc_name(name, "fdinfo/", fd);
	file = host(SYS_open, name, O_RDONLY | O_CLOEXEC, 0);
	if (file < 0)
		return file;
	n = host(SYS_read, file, text, sizeof(text));
	host(SYS_close, file);
	return n >= 0 && !has(text, n, "inotify wd") ? 0 : -EXDEV;
}

/* The number of an empty one becomes a rump descriptor's: that, or -errno. */
static long take_number(int fd)
{
	long flags = host(SYS_fcntl, fd, F_GETFL, 0), cloexec = host(SYS_fcntl, fd, F_GETFD, 0), new;
	long ret;

	if (flags < 0)
		return flags;
	new = hijack_make_fd(SYS_inotify_init1, (const long[6]){ flags & O_NONBLOCK }, 1);
	if (new < 0)
		return new;
	ret = hijack_dup(SYS_dup3, (const long[6]){ new, fd, cloexec & FD_CLOEXEC ? O_CLOEXEC : 0 });
	hijack_close(SYS_close, (const long[6]){ new });
	return ret < 0 ? ret : fdmap_rump(fd);
}

long hijack_inotify(long nr, const long a[6])
{
	long rfd = fdmap_rump(a[0]);
	struct where w;
	long err;

	err = path_where(AT_FDCWD, (const char *)a[1], &w);
	if (err < 0)
		return err;
	if (w.side == SIDE_HOST)
		return rfd >= 0 ? -EXDEV : host(nr, a[0], w.path, a[2]);
	if (rfd < 0) {
		err = is_empty(a[0]);
		rfd = err < 0 ? err : take_number(a[0]);
	}
	return rfd < 0 ? rfd : rump(nr, rfd, (long)w.path, a[2]);
}
