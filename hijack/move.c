/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * move.c - calls that move data between two descriptors.
 *
 * Both of one kernel: that kernel's call.  One of each: sendfile is done here,
 * by reading and writing; the others say what the host says where it cannot
 * (EXDEV, EINVAL), upon which programs read and write themselves.
 */
#include <errno.h>
#include <sys/syscall.h>

#include "hijack.h"

#define CHUNK	65536		/* on the stack */

static long rd(int rfd, int fd, void *buf, size_t n, const int64_t *off)
{
	if (rfd >= 0)
		return off ? rump(SYS_pread64, rfd, (long)buf, n, *off) :
		    rump(SYS_read, rfd, (long)buf, n);
	return off ? host(SYS_pread64, fd, buf, n, *off) : host(SYS_read, fd, buf, n);
}

static long wr(int rfd, int fd, const void *buf, size_t n)
{
	return rfd >= 0 ? rump(SYS_write, rfd, (long)buf, n) : host(SYS_write, fd, buf, n);
}

/* What was read from a file's own offset and not written goes back. */
static void unread(int rfd, int fd, long n)
{
	if (rfd >= 0)
		rump(SYS_lseek, rfd, -n, 1);
	else
		host(SYS_lseek, fd, -n, 1);
}

long hijack_sendfile(long nr, const long a[6])
{
	int out = fdmap_rump(a[0]), in = fdmap_rump(a[1]);
	int64_t *off = (int64_t *)a[2];
	size_t left = a[3] > 0x7ffff000L ? 0x7ffff000UL : (size_t)a[3], want;
	char buf[CHUNK];
	long got, put, done = 0;

	if (out < 0 && in < 0)
		return host_pass(nr, a);
	if (out >= 0 && in >= 0)
		return rump(nr, out, in, a[2], a[3]);
	while (left) {
		want = left < CHUNK ? left : CHUNK;
		got = rd(in, a[1], buf, want, off);
		if (got <= 0)
			return done ? done : got;
		put = wr(out, a[0], buf, got);
		if (!off && put < got)
			unread(in, a[1], got - (put > 0 ? put : 0));
		if (put <= 0)
			return done ? done : put;
		if (off)
			*off += put;
		done += put;
		left -= put;
		if (put < got)
			break;
	}
	return done;
}

long hijack_splice(long nr, const long a[6])
{
	int second = nr == SYS_tee ? 1 : 2, from = fdmap_rump(a[0]), to = fdmap_rump(a[second]);
	long b[6] = { from, a[1], a[2], a[3], a[4], a[5] };

	if (from < 0 && to < 0)
		return host_pass(nr, a);
	if (from < 0 || to < 0)
		return nr == SYS_copy_file_range ? -EXDEV : -EINVAL;
	b[second] = to;
	return rump_call(nr, b);
}
