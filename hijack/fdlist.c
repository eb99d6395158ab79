/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fdlist.c - the descriptors that the program has, as the host lists them, and those of the
 * library, which lie apart.
 *
 * The list is for what the fd map does not know, because nobody needs it as a rule: descriptors of
 * the host, and which is the highest.  It costs some microseconds.
 *
 * Limit: without /proc there is no list.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "hijack.h"

long fd_list(void (*each)(int fd, void *arg), void *arg)
{
	char buf[4096] __attribute__((aligned(8)));
	const struct dirent64 *e;
	long dir, len, i;
	int fd;

	dir = host(SYS_open, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (dir < 0)
		return dir;
	while ((len = host(SYS_getdents64, dir, buf, sizeof(buf))) > 0) {
		for (i = 0; i < len; i += e->d_reclen) {
			e = (const struct dirent64 *)(buf + i);
			fd = strtol(e->d_name, NULL, 10);
			if (e->d_name[0] != '.' && fd != dir && fdmap_peek(fd) != FD_OWN &&
			    !rumpclient_owns_fd(fd))
				each(fd, arg);
		}
	}
	host(SYS_close, dir);
	return len;
}

/* fd is at high now, too, unless that failed: the one that stays. */
static long moved(int fd, long high)
{
	if (high < 0)
		return fd;
	host(SYS_close, fd);
	return high;
}

/*
 * The library's own descriptors lie where programs do not count up to: above their limit, which is
 * lifted for the moment of moving, but not far up, since the host copies the table up to the
 * highest number at each fork.
 */
long fd_move_up(int fd)
{
	struct rlimit rl = { 1024, 1024 }, lifted;
	rlim_t base;
	long high;

	host(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &rl);
	base = rl.rlim_cur > 4096 ? 3072 : rl.rlim_cur < 1024 ? 1024 : rl.rlim_cur;
	lifted = (struct rlimit){ rl.rlim_max, rl.rlim_max };
	if (base < rl.rlim_cur)
		return moved(fd, host(SYS_fcntl, fd, F_DUPFD_CLOEXEC, base));
	if (base >= rl.rlim_max)
		return moved(fd, host(SYS_fcntl, fd, F_DUPFD_CLOEXEC, rl.rlim_cur - rl.rlim_cur / 4));
	host(SYS_prlimit64, 0, RLIMIT_NOFILE, &lifted, NULL);
	high = host(SYS_fcntl, fd, F_DUPFD_CLOEXEC, base);
	host(SYS_prlimit64, 0, RLIMIT_NOFILE, &rl, NULL);
	return moved(fd, high);
}
