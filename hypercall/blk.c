/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blk.c - host files and block devices for the kernel's block layer: opening,
 * locking, sizes.
 *
 * A device is a part of a raw file.  Image formats with a structure of their own
 * would be seen as garbage, and written to as such: the well-known ones are
 * refused by their magic number.
 *
 * Limits: sizes and offsets count in sectors of 512 bytes; the odd bytes at the
 * end of a file are out of reach.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "blk.h"
#include "hostcall.h"

#define SECTOR	512

static const struct {
	const char *name, *qemu_name, *magic;
	size_t at;
} formats[] = {
	{ "qcow2", "qcow2", "QFI\xfb", 0 },
	{ "VMDK", "vmdk", "KDMV", 0 },
	{ "VHDX", "vhdx", "vhdxfile", 0 },
	{ "VDI", "vdi", "\x7f\x10\xda\xbe", 64 },
};

static int refuse_formats(int fd, const char *path)
{
	char head[128] = "";
	unsigned int i;

	if (host(SYS_pread64, fd, head, sizeof(head), 0) < 0)
		return 0;		/* the kernel will see the same error */
	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (memcmp(head + formats[i].at, formats[i].magic, strlen(formats[i].magic)))
			continue;
		rumpuser_warn("%s is a %s image, not a raw one; convert it with: "
		    "qemu-img convert -f %s -O raw %s %s.raw", path, formats[i].name,
		    formats[i].qemu_name, path, path);
		return -EMEDIUMTYPE;
	}
	return 0;
}

/* Opens for writing if that is wanted and allowed; *rdonly says what it is. */
static int open_file(const char *path, bool *rdonly)
{
	/* NONBLOCK: not to wait for the other end of what turns out to be a FIFO. */
	int flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	int fd = -EROFS;
	struct stat st;

	if (!*rdonly) {
		/* EXCL, without CREAT, is for block devices: nobody has it mounted. */
		bool dev = host(SYS_stat, path, &st) == 0 && S_ISBLK(st.st_mode);

		fd = host(SYS_open, path, O_RDWR | flags | (dev ? O_EXCL : 0), 0);
	}
	if (fd == -EROFS || fd == -EACCES || fd == -EPERM) {
		*rdonly = true;
		fd = host(SYS_open, path, O_RDONLY | flags, 0);
	}
	if (fd < 0)
		return fd;
	return hostfd_take(fd);
}

static int file_size(int fd, uint64_t *size, uint32_t *blksize)
{
	struct stat st;
	int err;

	err = host(SYS_fstat, fd, &st);
	if (err)
		return err;
	*size = st.st_size;
	*blksize = st.st_blksize;
	if (S_ISREG(st.st_mode))
		return 0;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISBLK(st.st_mode))
		return -ENOTBLK;
	return host(SYS_ioctl, fd, BLKGETSIZE64, size);
}

/* Finds the device's place in a file of filesize bytes. */
static int place(struct blk *b, uint64_t filesize, uint64_t offset, uint64_t size)
{
	if (offset % SECTOR || size % SECTOR || offset > filesize)
		return -EINVAL;
	if (size == 0)
		size = (filesize - offset) / SECTOR * SECTOR;
	if (size > filesize - offset)
		return -EINVAL;
	b->offset = offset;
	b->size = size;
	return 0;
}

static void undo(struct blk *b)
{
	if (b->fd >= 0) {
		blklock_drop(b->fd);
		hostfd_release(b->fd);
	}
	free(b);
}

int rumpuser_blk_open(const char *path, uint32_t flags, uint64_t offset, uint64_t size,
    void **handlep, struct rumpuser_blk_info *info)
{
	struct blk *b = calloc(1, sizeof(*b) + strlen(path) + 1);
	uint64_t filesize = 0;
	uint32_t blksize = 0;
	int err;

	if (!b)
		return -ENOMEM;
	strcpy(b->path, path);
	b->rdonly = flags & RUMPUSER_BLK_RDONLY;
	b->isolated = flags & RUMPUSER_BLK_ISOLATED;
	err = b->fd = open_file(path, &b->rdonly);
	if (err >= 0)
		err = file_size(b->fd, &filesize, &blksize);
	if (err >= 0)
		err = place(b, filesize, offset, size);
	if (err >= 0)
		err = refuse_formats(b->fd, path);
	if (err >= 0)
		err = blklock_take(b->fd, b->rdonly);
	if (err < 0) {
		undo(b);
		return err;
	}
	info->size = b->size;
	info->flags = b->rdonly ? RUMPUSER_BLK_RDONLY : 0;
	info->blksize = blksize;
	*handlep = b;
	return 0;
}

void rumpuser_blk_close(void *handle)
{
	struct blk *b = handle;

	if (b->engine)
		b->engine->stop(b);
	undo(b);
}
