/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * aio.c - Linux's AIO (io_submit and its family, libaio's functions).
 *
 * Contexts, events and whoever waits for them are the host's.  A request on a rump descriptor
 * is carried out before io_submit(2) returns, and then given to the host as one on a device
 * that has the same result, by the same struct iocb: a write of as many bytes to /dev/null,
 * of which the host reads none.  So its event comes with all others, in its context, with the
 * program's words in it, to its eventfd.  For the errors that a disk or O_DIRECT gives there is
 * something of the host that fails so, too; any other error is that of io_submit(), if the request
 * is its first.
 *
 * glibc's aio_read(3) and its family are threads, whose calls are seen as all are.  libaio has
 * system call instructions of its own: its functions are interposed.
 *
 * Limits: of requests on rump descriptors, reads, writes and syncs: IOCB_CMD_POLL is EINVAL.  They
 * are done one after the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "hijack.h"

#define EXPORT	__attribute__((visibility("default")))

/* What io_submit() itself refuses: 0, -EINVAL. */
static long check(const struct iocb *cb)
{
	switch (cb->aio_lio_opcode) {
	case IOCB_CMD_PREAD: case IOCB_CMD_PWRITE: case IOCB_CMD_PREADV: case IOCB_CMD_PWRITEV:
		return (long)cb->aio_offset < 0 ? -EINVAL : 0;
	case IOCB_CMD_FSYNC: case IOCB_CMD_FDSYNC:
		return 0;
	}
	return -EINVAL;
}

/* The request on rump descriptor rfd: its result. */
static long carry_out(const struct iocb *cb, int rfd)
{
	long flags = cb->aio_rw_flags, buf = cb->aio_buf, n = cb->aio_nbytes, off = cb->aio_offset;
	struct iovec iov = { (void *)buf, n };

	switch (cb->aio_lio_opcode) {
	case IOCB_CMD_PREAD:
		return rump(SYS_preadv2, rfd, (long)&iov, 1, off, off >> 32, flags);
	case IOCB_CMD_PWRITE:
		return rump(SYS_pwritev2, rfd, (long)&iov, 1, off, off >> 32, flags);
	case IOCB_CMD_PREADV:
		return rump(SYS_preadv2, rfd, buf, n, off, off >> 32, flags);
	case IOCB_CMD_PWRITEV:
		return rump(SYS_pwritev2, rfd, buf, n, off, off >> 32, flags);
	case IOCB_CMD_FSYNC:
		return rump(SYS_fsync, rfd);
	default:
		return rump(SYS_fdatasync, rfd);
	}
}

/* The same on what has no offsets. */
static long carry_out_there(const struct iocb *cb, int rfd)
{
	switch (cb->aio_lio_opcode) {
	case IOCB_CMD_PREAD:
		return rump(SYS_read, rfd, cb->aio_buf, cb->aio_nbytes);
	case IOCB_CMD_PWRITE:
		return rump(SYS_write, rfd, cb->aio_buf, cb->aio_nbytes);
	case IOCB_CMD_PREADV:
		return rump(SYS_readv, rfd, cb->aio_buf, cb->aio_nbytes);
	default:
		return rump(SYS_writev, rfd, cb->aio_buf, cb->aio_nbytes);
	}
}

/* A terminal that nobody is at any more: it is EIO. */
static long lost_terminal(void)
{
	long fd = host(SYS_open, "/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC, 0), other = fd;
	int locked = 0;

	if (fd >= 0 && (other = host(SYS_ioctl, fd, TIOCSPTLCK, &locked)) == 0)
		other = host(SYS_ioctl, fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (other >= 0)
		host(SYS_close, other);
	else if (fd >= 0)
		host(SYS_close, fd);
	return other < 0 ? other : fd;
}

/* Makes cb a request of the host, on a descriptor that is returned, with that result. */
static long disguise(struct iocb *cb, long result)
{
	const int eflags = EFD_CLOEXEC | EFD_NONBLOCK;

	cb->aio_lio_opcode = result < 0 ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE;
	cb->aio_nbytes = result < 0 ? 8 : result;
	cb->aio_buf = (uintptr_t)cb;		/* not touched */
	cb->aio_offset = 0;
	cb->aio_rw_flags = 0;
	switch (result) {
	case -EINVAL:				/* too short for an eventfd */
		cb->aio_nbytes = 1;
		return host(SYS_eventfd2, 0, eflags);
	case -EFAULT:
		cb->aio_buf = 0;
		return host(SYS_eventfd2, 1, eflags);
	case -EAGAIN:				/* nothing to read */
		return host(SYS_eventfd2, 0, eflags);
	case -EIO:
		return lost_terminal();
	}
	return result < 0 ? result : host(SYS_open, "/dev/null", O_WRONLY | O_CLOEXEC, 0);
}

/* Gives the host a request with that result, by the same struct; as io_submit(). */
static long complete(long ctx, struct iocb *cb, long result)
{
	struct iocb was = *cb;
	long fd = disguise(cb, result), ret = fd;

	if (fd >= 0) {
		cb->aio_fildes = fd;
		ret = host(SYS_io_submit, ctx, 1, &cb);
		host(SYS_close, fd);
	}
	*cb = was;
	return ret;
}

static long submit_one(long ctx, struct iocb *cb)
{
	int rfd = fdmap_rump(cb->aio_fildes);
	long ret;

	if (rfd < 0)
		return host(SYS_io_submit, ctx, 1, &cb);
	ret = check(cb);
	if (ret < 0)
		return ret;
	ret = carry_out(cb, rfd);
	if (ret == -ESPIPE)
		ret = carry_out_there(cb, rfd);
	return complete(ctx, cb, ret);
}

long hijack_aio(long nr, const long a[6])
{
	struct iocb **list = (struct iocb **)a[2];
	long i, ret;

	for (i = 0; i < a[1]; i++)
		if (list[i] && fdmap_get(list[i]->aio_fildes) == FD_RUMP)
			break;
	if (i >= a[1])
		return host_pass(nr, a);
	for (i = 0; i < a[1]; i++) {
		ret = list[i] ? submit_one(a[0], list[i]) : -EFAULT;
		if (ret < 1)
			return i ? i : ret;
	}
	return i;
}

/* ---- libaio, whose functions return -errno ------------------------------------------------ */

EXPORT int io_submit(unsigned long ctx, long n, struct iocb **list);
EXPORT int io_submit(unsigned long ctx, long n, struct iocb **list)
{
	const long a[6] = { ctx, n, (long)list };

	return hijack_want(SYS_io_submit, a) ? hijack_call(SYS_io_submit, a) :
	    host_pass(SYS_io_submit, a);
}
