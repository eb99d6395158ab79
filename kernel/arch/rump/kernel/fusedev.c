// SPDX-License-Identifier: GPL-2.0-only
/*
 * fusedev.c - a file server that ends gives its requests up first.
 *
 * A process that ends closes its files one by one, but lets go of them only when all are
 * closed.  Closing a file of a FUSE mount asks the file server and waits, whatever comes.
 * If that is the process itself, with the file on a mount of its own, it waits for ever:
 * on other machines an administrator then aborts the connection.  Here /dev/fuse is
 * closed, and let go of, before the rest: which aborts it, if no other process serves it.
 */
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/sched/signal.h>
#include <asm/mmu_context.h>

extern const struct file_operations fuse_dev_operations;	/* fs/fuse/fuse_i.h is FUSE's own */

static int is_fuse_dev(const void *unused, struct file *file, unsigned int fd)
{
	return file->f_op == &fuse_dev_operations ? fd + 1 : 0;
}

/* From do_exit() by deactivate_mm(), before the files. */
void rump_exit_begins(struct task_struct *t)
{
	struct file *file;
	int fd;

	if (!(t->flags & PF_EXITING) || !t->files || atomic_read(&t->signal->live))
		return;
	while ((fd = iterate_fd(t->files, 0, is_fuse_dev, NULL))) {
		file = fget(fd - 1);
		close_fd(fd - 1);
		/* Now, and not when the task has nothing left to do. */
		if (file)
			__fput_sync(file);
	}
}
