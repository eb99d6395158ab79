// SPDX-License-Identifier: GPL-2.0-only
/*
 * hostfile.c - descriptors of the host's that programs send to each other over sockets of
 * this kernel.
 *
 * Who sends one puts it here first: we keep a copy, behind a file that can do nothing but be
 * sent, and the message carries that.  Who receives it gets a copy of the copy.  So all that a
 * message may meet on its way (MSG_PEEK, a control buffer that is too short, a socket that is
 * closed with the message in it, garbage collection) is Linux's business: with the last
 * reference to the file, our copy is closed.
 *
 * A descriptor that is under way counts for nobody's RLIMIT_NOFILE, and a client's is the
 * host's to know.  So each process may have put PUT_MAX, until their files are gone.
 *
 * Limits: PUT_MAX; a socket of ours that is sent over one of the host's, which in turn is sent over
 * the first, is a ring that neither kernel's garbage collection sees.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hashtable.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <rump/rumpuser.h>
#include "rump.h"

#define PUT_MAX	1024	/* the usual RLIMIT_NOFILE, which bounds the same on a host */

/* A process that has put descriptors which are not gone yet; it may be gone itself. */
struct putter {
	struct hlist_node	by_pid;
	struct pid		*pid;		/* our reference: not another process's by now */
	unsigned int		n;
};

struct hostfile {
	struct putter		*putter;
	int			fd;		/* on the host */
};

static DEFINE_HASHTABLE(putters, 6);
static DEFINE_MUTEX(putters_lock);

static struct putter *putter_find(struct pid *pid)
{
	struct putter *p;

	hash_for_each_possible(putters, p, by_pid, (unsigned long)pid)
		if (p->pid == pid)
			return p;
	p = kzalloc(sizeof(*p), GFP_KERNEL);
	if (p) {
		p->pid = get_pid(pid);
		hash_add(putters, &p->by_pid, (unsigned long)pid);
	}
	return p;
}

static struct putter *putter_get(void)
{
	struct putter *p;

	mutex_lock(&putters_lock);
	p = putter_find(task_tgid(current));
	if (!p)
		p = ERR_PTR(-ENOMEM);
	else if (p->n >= PUT_MAX)
		p = ERR_PTR(-ETOOMANYREFS);
	else
		p->n++;
	mutex_unlock(&putters_lock);
	return p;
}

static void putter_put(struct putter *p)
{
	mutex_lock(&putters_lock);
	if (--p->n == 0) {
		hash_del(&p->by_pid);
		put_pid(p->pid);
		kfree(p);
	}
	mutex_unlock(&putters_lock);
}

static void hostfile_free(struct hostfile *h)
{
	if (h->fd >= 0)
		rumpuser_hostfile_drop(h->fd);
	putter_put(h->putter);
	kfree(h);
}

static int hostfile_release(struct inode *inode, struct file *file)
{
	hostfile_free(file->private_data);
	return 0;
}

static const struct file_operations hostfile_fops = {
	.release = hostfile_release,
};

bool rump_is_hostfile(const struct file *file)
{
	return file->f_op == &hostfile_fops;
}

struct file *rump_hostfile(int rfd, int *fdp)
{
	struct file *file = fget(rfd);

	if (!file)
		return ERR_PTR(-EBADF);
	if (!rump_is_hostfile(file)) {
		fput(file);
		return ERR_PTR(-EINVAL);
	}
	*fdp = ((struct hostfile *)file->private_data)->fd;
	return file;
}

/* ---- the private calls ------------------------------------------------------------ */

static struct hostfile *hostfile_new(int fd)
{
	struct putter *p = putter_get();
	struct hostfile *h;
	int err = -ENOMEM;

	if (IS_ERR(p))
		return ERR_CAST(p);
	h = kmalloc(sizeof(*h), GFP_KERNEL);
	if (h) {
		h->putter = p;
		h->fd = err = rumpuser_hostfile_keep(fd);
	}
	if (err >= 0)
		return h;
	if (h)
		hostfile_free(h);
	else
		putter_put(p);
	return ERR_PTR(err);
}

long rump_hostfile_put(int fd)
{
	struct hostfile *h = hostfile_new(fd);
	int rfd;

	if (IS_ERR(h))
		return PTR_ERR(h);
	rfd = anon_inode_getfd("[host]", &hostfile_fops, h, O_CLOEXEC);
	if (rfd < 0)
		hostfile_free(h);
	return rfd;
}

long rump_hostfile_get(int rfd)
{
	struct file *file;
	int fd;

	file = rump_hostfile(rfd, &fd);
	if (IS_ERR(file))
		return PTR_ERR(file);
	fd = rumpuser_hostfile_give(fd);
	fput(file);
	return fd;
}
