/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pathcalls.c - the working directory, and names that are not plain routing.
 *
 * The process in the rump kernel is always in the directory that the program
 * last entered there; path.c knows which of the two directories counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "hijack.h"

long hijack_chdir(long nr, const long a[6])
{
	struct where w;
	long ret;
	int rfd;

	if (proc_is_vfork_child())
		return proc_child_chdir(nr, a);
	if (nr == SYS_fchdir) {
		rfd = fdmap_rump(a[0]);
		w.side = rfd < 0 ? SIDE_HOST : SIDE_RUMP;
		ret = rfd < 0 ? host_pass(nr, a) : rump(nr, rfd);
	} else {
		ret = path_where(AT_FDCWD, (const char *)a[0], &w);
		if (ret < 0)
			return ret;
		ret = w.side == SIDE_HOST ? host(nr, w.path) : rump(nr, (long)w.path);
	}
	if (ret < 0)
		return ret;
	if (w.side == SIDE_HOST)
		path_cwd_host();
	else
		path_cwd_rump();
	return ret;
}

/* The root is one kernel's: behind a directory of the rump kernel there is no host any more. */
long hijack_chroot(long nr, const long a[6])
{
	struct where w;
	long ret = path_where(AT_FDCWD, (const char *)a[0], &w);

	if (ret < 0)
		return ret;
	if (w.side == SIDE_HOST) {
		rumpclient_keep_access();
		return host(nr, w.path);
	}
	if (proc_is_vfork_child())
		return -EOPNOTSUPP;
	ret = rump(nr, (long)w.path);
	if (ret == 0)
		path_root_rump();
	return ret;
}

long hijack_getcwd(long nr, const long a[6])
{
	char buf[PATH_BUF];
	long len, i;

	(void)nr;
	len = path_getcwd(buf, sizeof(buf));
	if (len < 0)
		return len;
	if (len > a[1])
		return -ERANGE;
	for (i = 0; i < len; i++)
		((char *)a[0])[i] = buf[i];
	return len;
}

/* "/proc/self/fd/N" is asked of the kernel that has N, with the program's name of it. */
long hijack_readlink(long nr, const long a[6])
{
	int at = nr == SYS_readlinkat, fd;
	const char *path = (const char *)a[at], *rest;
	char buf[PATH_BUF];
	long len, i;

	/* "/dev/stdin" is a link of the host to that. */
	fd = path && path[0] == '/' && path[1] == 'p' ? path_own(path, &rest) : -1;
	if (fd == AT_FDCWD && !*rest && path_cwd_is_rump())
		len = path_getcwd(buf, sizeof(buf)) - 1;
	else if (fd >= 0 && !*rest && fdmap_get(fd) == FD_RUMP)
		len = path_of_fd(fdmap_num[fd], buf);
	else
		return hijack_route(nr, a);
	for (i = 0; i < len && i < a[at + 2]; i++)
		((char *)a[at + 1])[i] = buf[i];
	return len < 0 ? len : i;
}
