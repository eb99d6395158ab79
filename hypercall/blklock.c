/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blklock.c - one writer of an image, or any number of readers.
 *
 * Everybody has his own way of saying that he uses an image, so all of them are used:
 * flock(2), as other rump kernels (also one in the same process) and systemd do; locks of
 * single bytes, as QEMU's block layer has them; O_EXCL for block devices (blk.c), which
 * the host's own mounts hold; and the list of files that the host's loop devices are on.
 *
 * Of QEMU's bytes two matter: one is read-locked by who writes, one by who wants no other
 * writer.  A writer here locks the whole range, alone.
 *
 * Limits: all of it is advisory.  A loop device is seen if it is older than we are, and
 * its file has a name that means the same here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "blk.h"
#include "hostcall.h"

#define QEMU_FIRST	100	/* bytes: permissions that are in use, then those unshared */
#define QEMU_COUNT	200
#define QEMU_WRITES	101
#define QEMU_NO_WRITER	201
#define LOOP_MAX	256
#define PAUSE_NS	20000000
#define PAUSES		50
#define PATH_LEN	4096

/* Asks for a lock (F_OFD_SETLK), or whether it could be had (F_OFD_GETLK). */
static int byte_lock(int fd, int cmd, short type, off_t start, off_t len)
{
	struct flock fl = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
	int err = host(SYS_fcntl, fd, cmd, &fl);

	if (cmd == F_OFD_GETLK)
		return err ? err : fl.l_type == F_UNLCK ? 0 : -EBUSY;
	return err == -EAGAIN || err == -EACCES ? -EBUSY : err;
}

static int lock_bytes(int fd, bool rdonly)
{
	int err;

	if (!rdonly)
		return byte_lock(fd, F_OFD_SETLK, F_WRLCK, QEMU_FIRST, QEMU_COUNT);
	err = byte_lock(fd, F_OFD_SETLK, F_RDLCK, QEMU_NO_WRITER, 1);
	return err ? err : byte_lock(fd, F_OFD_GETLK, F_WRLCK, QEMU_WRITES, 1);
}

/* The text of a small file without its newline; false: there is none. */
static bool read_line(const char *path, char *buf, size_t size)
{
	int fd = host(SYS_open, path, O_RDONLY | O_CLOEXEC, 0);
	long n;

	if (fd < 0)
		return false;
	n = host(SYS_read, fd, buf, size - 1);
	host(SYS_close, fd);
	if (n <= 0)
		return false;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return true;
}

/* One of the host's loop devices is on the file, and either of us writes. */
static bool on_loop_device(int fd, bool rdonly)
{
	char attr[64], line[PATH_LEN], ro[8];
	struct stat st, other;
	int i;

	if (host(SYS_fstat, fd, &st))
		return false;
	for (i = 0; i < LOOP_MAX; i++) {
		snprintf(attr, sizeof(attr), "/sys/block/loop%d/loop/backing_file", i);
		if (!read_line(attr, line, sizeof(line)) || host(SYS_stat, line, &other) ||
		    other.st_dev != st.st_dev || other.st_ino != st.st_ino)
			continue;
		snprintf(attr, sizeof(attr), "/sys/block/loop%d/ro", i);
		if (!rdonly || !read_line(attr, ro, sizeof(ro)) || strcmp(ro, "1"))
			return true;
	}
	return false;
}

static int try(int fd, bool rdonly)
{
	int err = host(SYS_flock, fd, (rdonly ? LOCK_SH : LOCK_EX) | LOCK_NB);

	if (err == -EWOULDBLOCK)
		return -EBUSY;
	/* Some network file systems have no locks of either kind. */
	if (err && err != -ENOLCK && err != -EOPNOTSUPP)
		return err;
	err = lock_bytes(fd, rdonly);
	if (err && err != -ENOLCK && err != -EOPNOTSUPP && err != -EINVAL)
		return err;
	return on_loop_device(fd, rdonly) ? -EBUSY : 0;
}

/*
 * Who was killed may hold its locks for a moment after its end was seen: the host ends an
 * io_uring in its own time.
 */
int blklock_take(int fd, bool rdonly)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	int err, i;

	for (i = 0; (err = try(fd, rdonly)) == -EBUSY && i < PAUSES; i++)
		host(SYS_nanosleep, &pause, NULL);
	return err;
}

void blklock_drop(int fd)
{
	/* Copies in helpers and in forked children share the locks. */
	host(SYS_flock, fd, LOCK_UN);
	byte_lock(fd, F_OFD_SETLK, F_UNLCK, QEMU_FIRST, QEMU_COUNT);
}
