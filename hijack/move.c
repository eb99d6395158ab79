/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * move.c - calls that move data between two descriptors.
 *
 * Both of one kernel: that kernel's call.  One of each: sendfile and splice are
 * done here, by reading and writing; copy_file_range says what the host says of two
 * file systems (EXDEV), upon which programs read and write themselves.
 *
 * Nothing that was read may be lost when less can be written.  From a file's own
 * offset it goes back; for a pipe is taken what it has room for; and what is in a
 * pipe is looked at by tee(2) first, and taken when it has been written.
 *
 * File servers splice the messages of /dev/fuse, which come and go whole: so a
 * splice is one read, and of what a pipe has, one write.
 *
 * Limit: while another thread writes to the same pipe, splice() may wait for room.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "hijack.h"

#define CHUNK	65536
#define SMALL	4096		/* on the stack, which may be a thread's with few pages */
#define SPLICE_MAX	(4UL << 20)

static long rd(int rfd, int fd, void *buf, size_t n, const int64_t *off)
{
	if (rfd >= 0)
		return off ? rump(SYS_pread64, rfd, (long)buf, n, *off) :
		    rump(SYS_read, rfd, (long)buf, n);
	return door_wait(off ? SYS_pread64 : SYS_read,
	    (const long[6]){ fd, (long)buf, n, off ? *off : 0 }, NULL);
}

static long wr(int rfd, int fd, const void *buf, size_t n, const int64_t *off)
{
	if (rfd >= 0)
		return off ? rump(SYS_pwrite64, rfd, (long)buf, n, *off) :
		    rump(SYS_write, rfd, (long)buf, n);
	return door_wait(off ? SYS_pwrite64 : SYS_write,
	    (const long[6]){ fd, (long)buf, n, off ? *off : 0 }, NULL);
}

/* What was read from a file's own offset and not written goes back. */
static void unread(int rfd, int fd, long n)
{
	if (rfd >= 0)
		rump(SYS_lseek, rfd, -n, 1);
	else
		host(SYS_lseek, fd, -n, 1);
}

/* Is host descriptor fd a pipe? */
static int is_pipe(int fd)
{
	struct stat st;

	return host(SYS_fstat, fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

static int is_file(int rfd, int fd)
{
	struct stat st;

	return (rfd >= 0 ? rump(SYS_fstat, rfd, (long)&st) : host(SYS_fstat, fd, &st)) == 0 &&
	    (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
}

static long flags_of(int rfd, int fd)
{
	return rfd >= 0 ? rump(SYS_fcntl, rfd, F_GETFL) : host(SYS_fcntl, fd, F_GETFL, 0);
}

/* sendfile(2) from file in/in_fd to out/out_fd by buf, which has room for chunk bytes. */
static long copy_file(int out, int out_fd, int in, int in_fd, int64_t *off, size_t left, char *buf,
    size_t chunk)
{
	long got, put, done = 0;

	while (left) {
		got = rd(in, in_fd, buf, left < chunk ? left : chunk, off);
		if (got <= 0)
			return done ? done : got;
		put = wr(out, out_fd, buf, got, NULL);
		if (!off && put < got)
			unread(in, in_fd, got - (put > 0 ? put : 0));
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

long hijack_sendfile(long nr, const long a[6])
{
	int out = fdmap_rump(a[0]), in = fdmap_rump(a[1]);
	int64_t *off = (int64_t *)a[2];
	size_t left = a[3] > 0x7ffff000L ? 0x7ffff000UL : (size_t)a[3];
	char small[SMALL] __attribute__((aligned(4096)));	/* the file may want that: O_DIRECT */
	long flags, mem, ret;

	if (out < 0 && in < 0)
		return host_pass(nr, a);
	if (out >= 0 && in >= 0)
		return rump(nr, out, in, a[2], a[3]);
	if (!is_file(in, a[1])) {
		if (off)
			return -ESPIPE;
		return out < 0 && is_pipe(a[0]) ?
		    hijack_splice(SYS_splice, (const long[6]){ a[1], 0, a[0], 0, a[3], 0 }) : -EINVAL;
	}
	flags = flags_of(out, a[0]);
	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	if (flags & O_APPEND)
		return -EINVAL;
	if (off && *off < 0)
		return -EINVAL;
	mem = left <= SMALL ? -ENOMEM : host(SYS_mmap, NULL, CHUNK, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (host_failed(mem))
		return copy_file(out, a[0], in, a[1], off, left, small, SMALL);
	ret = copy_file(out, a[0], in, a[1], off, left, (char *)mem, CHUNK);
	host(SYS_munmap, mem, CHUNK);
	return ret;
}

/* ---- splice ------------------------------------------------------------------------ */

/* Waits for the pipe; 0, or -EAGAIN if it is not to wait. */
static long await_pipe(int fd, int events, int nonblock)
{
	struct pollfd p = { .fd = fd, .events = events };
	long n = door_wait(SYS_poll, (const long[6]){ (long)&p, 1, nonblock ? 0 : -1 }, NULL);

	return n < 0 ? n : n == 0 ? -EAGAIN : 0;
}

/* How much the pipe takes without waiting, at least a page; -EAGAIN. */
static long room_in(int fd, int nonblock)
{
	long err = await_pipe(fd, POLLOUT, nonblock), size;
	int used = 1;

	if (err < 0)
		return err;
	if (host(SYS_ioctl, fd, FIONREAD, &used) == 0 && used == 0) {
		size = host(SYS_fcntl, fd, F_GETPIPE_SZ, 0);
		if (size > 4096)
			return size;
	}
	return 4096;
}

static int is_nonblock(int fd, long flags)
{
	return (flags & SPLICE_F_NONBLOCK) || (host(SYS_fcntl, fd, F_GETFL, 0) & O_NONBLOCK);
}

/* From rump descriptor from into the host's pipe, by way of buf. */
static long into_pipe(int from, int64_t *off, int pipe, char *buf, size_t len, long flags)
{
	long room = room_in(pipe, is_nonblock(pipe, flags)), got, put, done = 0;
	struct pollfd room_again = { .fd = pipe, .events = POLLOUT };

	if (room < 0)
		return room;
	got = rd(from, -1, buf, len < (size_t)room ? len : (size_t)room, off);
	while (done < got) {
		put = host(SYS_write, pipe, buf + done, got - done);
		if (put == -EAGAIN)
			put = host(SYS_poll, &room_again, 1, -1);
		if (put < 0 && put != -EINTR)
			return done ? done : put;
		done += put > 0 ? put : 0;
	}
	if (off && got > 0)
		*off += got;
	return got;
}

/* A look at up to len bytes in the pipe; they stay there. */
static long look_into(int pipe, char *buf, size_t len, int nonblock)
{
	int aside[2];
	long n, got;

	n = await_pipe(pipe, POLLIN, nonblock);
	if (n < 0)
		return n;
	n = host(SYS_pipe2, aside, O_CLOEXEC);
	if (n < 0)
		return n;
	n = host(SYS_fcntl, pipe, F_GETPIPE_SZ, 0);
	if (n > CHUNK)
		host(SYS_fcntl, aside[1], F_SETPIPE_SZ, n);
	n = host(SYS_tee, pipe, aside[1], len, SPLICE_F_NONBLOCK);
	for (got = 0; got < n;) {
		long k = host(SYS_read, aside[0], buf + got, n - got);

		if (k <= 0)
			break;
		got += k;
	}
	host(SYS_close, aside[0]);
	host(SYS_close, aside[1]);
	return n < 0 ? n : got;
}

/* From the host's pipe into rump descriptor to, by way of buf. */
static long out_of_pipe(int pipe, int to, int64_t *off, char *buf, size_t len, long flags)
{
	long n = look_into(pipe, buf, len, is_nonblock(pipe, flags)), put, k;

	if (n <= 0)
		return n;
	put = wr(to, -1, buf, n, off);
	for (k = 0; k < put;) {
		n = host(SYS_read, pipe, buf, put - k);
		if (n <= 0)
			break;
		k += n;
	}
	if (off && put > 0)
		*off += put;
	return put;
}

/* Also tee and copy_file_range. */
long hijack_splice(long nr, const long a[6])
{
	int second = nr == SYS_tee ? 1 : 2, from = fdmap_rump(a[0]), to = fdmap_rump(a[second]);
	size_t len = (size_t)a[4] > SPLICE_MAX ? SPLICE_MAX : (size_t)a[4];
	long b[6] = { from, a[1], a[2], a[3], a[4], a[5] }, mem, ret;

	if (from < 0 && to < 0)
		return host_pass(nr, a);
	if (from >= 0 && to >= 0) {
		b[second] = to;
		return rump_call(nr, b);
	}
	if (nr == SYS_copy_file_range)
		return is_file(from, a[0]) && is_file(to, a[2]) ? -EXDEV : -EINVAL;
	ret = flags_of(from, a[0]);
	if (ret < 0 || (ret & O_ACCMODE) == O_WRONLY)
		return -EBADF;
	ret = flags_of(to, a[second]);
	if (ret < 0 || (ret & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	if (nr == SYS_tee || !is_pipe(from < 0 ? a[0] : a[2]))
		return -EINVAL;
	if (a[from < 0 ? 1 : 3])
		return -ESPIPE;		/* an offset in a pipe */
	if (!len)
		return 0;
	mem = host(SYS_mmap, NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (host_failed(mem))
		return mem;
	ret = to < 0 ? into_pipe(from, (int64_t *)a[1], a[2], (char *)mem, len, a[5]) :
	    out_of_pipe(a[0], to, (int64_t *)a[3], (char *)mem, len, a[5]);
	host(SYS_munmap, mem, len);
	return ret;
}
