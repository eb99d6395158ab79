// SPDX-License-Identifier: GPL-2.0-only
/*
 * direct.c - O_DIRECT.
 *
 * It moves data between the disk and a user's pages, which has none here.  A file that was
 * opened with O_DIRECT, where its file system knows that, has the flag, and goes through the
 * page cache all the same: data are where programs look for them, and on the disk when they
 * ask for that.  Who has memory with pages, as the loop device, makes direct requests as ever.
 * (The linker puts this in front of the function of fs/open.c: --wrap.)
 *
 * Limits: what is written is not on the disk by itself (O_DSYNC does that); addresses and
 * sizes that are not aligned are no error.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/syscalls.h>
#include "rump.h"

int __real_vfs_open(const struct path *path, struct file *file);
int __wrap_vfs_open(const struct path *path, struct file *file);

int __wrap_vfs_open(const struct path *path, struct file *file)
{
	int err = __real_vfs_open(path, file);

	file->f_iocb_flags &= ~IOCB_DIRECT;
	return err;
}

asmlinkage long rump_sys_fcntl(unsigned int fd, unsigned int cmd, unsigned long arg)
{
	long r = sys_fcntl(fd, cmd, arg);
	struct file *file;

	if (cmd != F_SETFL || !(arg & O_DIRECT) || r)
		return r;
	file = fget(fd);
	if (file) {
		spin_lock(&file->f_lock);
		file->f_iocb_flags &= ~IOCB_DIRECT;
		spin_unlock(&file->f_lock);
		fput(file);
	}
	return r;
}
