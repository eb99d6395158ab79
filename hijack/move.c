/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * move.c - calls that move data between two descriptors.
 *
 * Both of one kernel: that kernel's call.  One of each: sendfile and splice are
 * done here, by reading and writing; the others say what the host says where it
 * cannot (EXDEV, EINVAL), upon which programs read and write themselves.
 *
 * File servers splice the messages of /dev/fuse, which come and go whole: so a
 * splice is one read, and of what a pipe has, one write.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "hijack.h"

#define CHUNK	65536		/* on the stack */
#define SPLICE_MAX	(4UL << 20)

static long rd(int rfd, int fd, void *buf, size_t n, const int64_t *off)
{
	if (rfd >= 0)
		return off ? rump(SYS_pread64, rfd, (long)buf, n, *off) :
		    rump(SYS_read, rfd, (long)buf, n);
	return off ? host(SYS_pread64, fd, buf, n, *off) : host(SYS_read, fd, buf, n);
}

static long wr(int rfd, int fd, const void *buf, size_t n, const int64_t *off)
{
	if (rfd >= 0)
		return off ? rump(SYS_pwrite64, rfd, (long)buf, n, *off) :
		    rump(SYS_write, rfd, (long)buf, n);
	return off ? host(SYS_pwrite64, fd, buf, n, *off) : host(SYS_write, fd, buf, n);
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
		put = wr(out, a[0], buf, got, NULL);
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

/* How much a pipe of the host takes at once; what is no pipe: any amount. */
static size_t pipe_room(int fd)
{
	long size = host(SYS_fcntl, fd, F_GETPIPE_SZ, 0);
	int filled = 0;

	if (size < 0)
		return SIZE_MAX;
	host(SYS_ioctl, fd, FIONREAD, &filled);
	return size - filled;
}

/* One of each kernel: one read, and writes until all of it is there. */
static long splice_across(const long a[6], int from, int to)
{
	size_t len = (size_t)a[4] > SPLICE_MAX ? SPLICE_MAX : (size_t)a[4], room;
	int64_t *off_in = (int64_t *)a[1], *off_out = (int64_t *)a[3];
	long mem, got, put = 0, done = 0;
	char *buf;

	room = to < 0 ? pipe_room(a[2]) : SIZE_MAX;
	if (room == 0 && (a[5] & SPLICE_F_NONBLOCK))
		return -EAGAIN;
	if (room == 0)
		room = 1;		/* writing waits */
	if (len > room)
		len = room;
	mem = host(SYS_mmap, NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (host_failed(mem))
		return mem;
	buf = (char *)mem;
	got = rd(from, a[0], buf, len, off_in);
	while (done < got) {
		put = wr(to, a[2], buf + done, got - done, off_out);
		if (put <= 0)
			break;
		done += put;
		if (off_in)
			*off_in += put;
		if (off_out)
			*off_out += put;
	}
	host(SYS_munmap, mem, len);
	return done ? done : got < 0 ? got : put;
}

long hijack_splice(long nr, const long a[6])
{
	int second = nr == SYS_tee ? 1 : 2, from = fdmap_rump(a[0]), to = fdmap_rump(a[second]);
	long b[6] = { from, a[1], a[2], a[3], a[4], a[5] };

	if (from < 0 && to < 0)
		return host_pass(nr, a);
	if ((from < 0 || to < 0) && nr == SYS_splice)
		return splice_across(a, from, to);
	if (from < 0 || to < 0)
		return nr == SYS_copy_file_range ? -EXDEV : -EINVAL;
	b[second] = to;
	return rump_call(nr, b);
}
