// SPDX-License-Identifier: GPL-2.0-only
/*
 * direct.c - O_DIRECT.
 *
 * A direct read or write moves data between the disk and the pages of a user, whose memory has
 * none here: it is the host's, or in another process.  So pages of the kernel are put between, at
 * the last place where that needs no knowledge of a file system: a file that is opened with
 * O_DIRECT gets a copy of its file system's operations with a read_iter() and a write_iter() of
 * ours, which hand the real ones an iterator over such pages instead of the user's.  From there
 * on all is as ever: the page cache is written back and invalidated, not used; the device gets
 * what was written before the call returns; who has memory with pages, as the loop device,
 * passes through.
 *
 * The pages begin and end where the user's memory does within its pages, segment by segment, so
 * that the rules of alignment are the file system's own.  What is longer than a piece goes in
 * pieces, so that it needs a 32nd of all memory at most; the odd piece first, for it is the
 * one that the file system may refuse.
 *
 * The same is done for files of FUSE servers that want direct_io.  (The linker puts the functions
 * below in front of those of fs/namei.c and fs/open.c: --wrap.)
 *
 * Limits: AIO on such a file is done when io_submit() returns.  Of two writes that are longer than
 * a piece, pieces may come in turn.  XFS_IOC_SWAPEXT, which compares operations, refuses a file
 * that is open with O_DIRECT.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/syscalls.h>
#include <linux/uio.h>
#include "fuse_i.h"
#include "rump.h"

struct open_flags;

#define PIECE_MAX	SZ_1M
#define PIECE_MIN	SZ_64K
#define SEGMENTS_MAX	64		/* of a piece */
#define ORDER_MAX	4		/* of what is allocated at once */
#define FEW		4

/* What is between a user's memory and a file: buffers of whole pages. */
struct piece {
	struct bio_vec	*bv, few[FEW];
	unsigned int	n;
	size_t		len;
};

/* ---- pages ------------------------------------------------------------------------------- */

static void free_piece(struct piece *p)
{
	while (p->n)
		put_page(p->bv[--p->n].bv_page);
	if (p->bv != p->few)
		kfree(p->bv);
}

/* Pages for len bytes from start on in the first of them, or for fewer. */
static struct page *get_pages(size_t start, size_t len, size_t *size)
{
	unsigned int order = min(get_order(start + len), ORDER_MAX);
	struct page *page = NULL;

	if (order)
		page = alloc_pages(GFP_KERNEL | __GFP_COMP | __GFP_NORETRY | __GFP_NOWARN, order);
	if (!page) {
		order = 0;
		page = alloc_page(GFP_KERNEL);
	}
	*size = (PAGE_SIZE << order) - start;
	return page;
}

/* A piece for up to want bytes of i, where it is, not empty; 0, -ENOMEM. */
static int make_piece(struct piece *p, const struct iov_iter *i, size_t want)
{
	struct iov_iter at = *i;
	unsigned int segments, max;

	iov_iter_truncate(&at, want);
	p->n = p->len = 0;
	p->bv = p->few;
	max = iov_iter_npages(&at, want / PAGE_SIZE + 2 * SEGMENTS_MAX);
	if (max > FEW) {
		p->bv = kmalloc_array(max, sizeof(*p->bv), GFP_KERNEL);
		if (!p->bv)
			return -ENOMEM;
	}
	for (segments = 0; segments < SEGMENTS_MAX && iov_iter_count(&at); segments++) {
		size_t left, start, size;
		struct page *page;

		iov_iter_advance(&at, 0);	/* over empty segments */
		start = offset_in_page(iter_iov_addr(&at));
		for (left = iov_iter_single_seg_count(&at); left; left -= size, start = 0) {
			page = get_pages(start, left, &size);
			if (!page) {
				free_piece(p);
				return -ENOMEM;
			}
			size = min(size, left);
			bvec_set_page(&p->bv[p->n++], page, size, start);
			p->len += size;
			iov_iter_advance(&at, size);
		}
	}
	return 0;
}

/* To or from the user; how many of n bytes. */
static size_t copy_piece(struct piece *p, struct iov_iter *i, size_t n)
{
	size_t done = 0, part, copied;
	const struct bio_vec *bv;

	for (bv = p->bv; done < n; bv++) {
		part = min_t(size_t, bv->bv_len, n - done);
		copied = i->data_source == ITER_SOURCE ?
		    copy_page_from_iter(bv->bv_page, bv->bv_offset, part, i) :
		    copy_page_to_iter(bv->bv_page, bv->bv_offset, part, i);
		done += copied;
		if (copied < part)
			break;
	}
	return done;
}

/* ---- reading and writing ------------------------------------------------------------------- */

typedef ssize_t rw_iter(struct kiocb *iocb, struct iov_iter *i);

static ssize_t read_piece(struct piece *p, struct kiocb *iocb, struct iov_iter *user, rw_iter *read)
{
	loff_t pos = iocb->ki_pos;
	struct iov_iter pages;
	size_t copied;
	ssize_t r;

	iov_iter_bvec(&pages, ITER_DEST, p->bv, p->n, p->len);
	r = read(iocb, &pages);
	if (r <= 0)
		return r;
	copied = copy_piece(p, user, r);
	iocb->ki_pos = pos + copied;
	return copied ?: -EFAULT;
}

static ssize_t write_piece(struct piece *p, struct kiocb *iocb, struct iov_iter *user,
			   rw_iter *write)
{
	size_t copied = copy_piece(p, user, p->len);
	struct iov_iter pages;
	ssize_t r = -EFAULT;

	if (copied == p->len) {
		iov_iter_bvec(&pages, ITER_SOURCE, p->bv, p->n, p->len);
		r = write(iocb, &pages);
	}
	iov_iter_revert(user, copied - (r > 0 ? r : 0));
	return r;
}

static size_t piece_max(void)
{
	size_t n = rounddown_pow_of_two(totalram_pages()) * PAGE_SIZE / 32;

	return clamp_t(size_t, n, PIECE_MIN, PIECE_MAX);
}

static ssize_t in_pieces(struct kiocb *user_iocb, struct iov_iter *user, rw_iter *rw)
{
	const bool writes = user->data_source == ITER_SOURCE;
	const size_t max = piece_max();
	struct kiocb iocb = *user_iocb;
	ssize_t r, done = 0;
	struct piece p;

	iocb.ki_complete = NULL;
	iocb.ki_flags &= ~(IOCB_AIO_RW | IOCB_DIO_CALLER_COMP);
	rump_map_direct(iocb.ki_filp);
	do {
		r = make_piece(&p, user, iov_iter_count(user) % max ?: max);
		if (r)
			break;
		r = writes ? write_piece(&p, &iocb, user, rw) : read_piece(&p, &iocb, user, rw);
		done += r > 0 ? r : 0;
		free_piece(&p);
	} while (r == p.len && iov_iter_count(user));
	user_iocb->ki_pos = iocb.ki_pos;
	return done ?: r;
}

/* ---- files' operations ------------------------------------------------------------------------ */

/* One for each that was ever needed. */
struct ops_copy {
	struct ops_copy			*next;
	const struct file_operations	*orig;
	struct file_operations		was;	/* another module's may be there by now */
	struct file_operations		ops;
};
static struct ops_copy *copies;
static DEFINE_MUTEX(copies_lock);

static bool wants_direct_io(const struct file *file)
{
	const struct inode *inode = file_inode(file);
	const struct fuse_file *ff = file->private_data;

	return inode->i_sb->s_magic == FUSE_SUPER_MAGIC && S_ISREG(inode->i_mode) && ff &&
	    ff->open_flags & FOPEN_DIRECT_IO;
}

static ssize_t rw(struct kiocb *iocb, struct iov_iter *i, rw_iter *orig)
{
	if (!user_backed_iter(i) || !iov_iter_count(i) ||
	    !(iocb->ki_flags & IOCB_DIRECT || wants_direct_io(iocb->ki_filp)))
		return orig(iocb, i);
	return in_pieces(iocb, i, orig);
}

static const struct file_operations *orig_ops(const struct kiocb *iocb)
{
	return &container_of(iocb->ki_filp->f_op, struct ops_copy, ops)->was;
}

static ssize_t read_iter(struct kiocb *iocb, struct iov_iter *i)
{
	return rw(iocb, i, orig_ops(iocb)->read_iter);
}

static ssize_t write_iter(struct kiocb *iocb, struct iov_iter *i)
{
	return rw(iocb, i, orig_ops(iocb)->write_iter);
}

static struct ops_copy *copy_of(const struct file_operations *orig)
{
	struct ops_copy *c;

	for (c = copies; c; c = c->next)
		if (c->orig == orig && !memcmp(&c->was, orig, sizeof(*orig)))
			return c;
	c = kmalloc(sizeof(*c), GFP_KERNEL);
	if (!c)
		return NULL;
	*c = (struct ops_copy){ .next = copies, .orig = orig, .was = *orig, .ops = *orig };
	if (orig->read_iter)
		c->ops.read_iter = read_iter;
	if (orig->write_iter)
		c->ops.write_iter = write_iter;
	copies = c;
	return c;
}

/* Direct reads and writes of file get pages; 0, -ENOMEM. */
static int give_pages(struct file *file)
{
	umode_t mode = file_inode(file)->i_mode;
	const struct file_operations *ops;
	struct ops_copy *c;
	int err = 0;

	if (!S_ISREG(mode) && !S_ISBLK(mode))
		return 0;
	mutex_lock(&copies_lock);
	ops = file->f_op;
	if (ops->read_iter != read_iter && ops->write_iter != write_iter &&
	    (ops->read_iter || ops->write_iter)) {
		c = copy_of(ops);
		if (c)
			WRITE_ONCE(file->f_op, &c->ops);
		else
			err = -ENOMEM;
	}
	mutex_unlock(&copies_lock);
	return err;
}

static struct file *opened(struct file *file)
{
	int err;

	if (IS_ERR(file) || (!(file->f_flags & O_DIRECT) && !wants_direct_io(file)))
		return file;
	err = give_pages(file);
	if (!err)
		return file;
	fput(file);
	return ERR_PTR(err);
}

struct file *__real_do_filp_open(int dfd, struct filename *name, const struct open_flags *op);
struct file *__wrap_do_filp_open(int dfd, struct filename *name, const struct open_flags *op);
struct file *__real_do_file_open_root(const struct path *root, const char *name,
				      const struct open_flags *op);
struct file *__wrap_do_file_open_root(const struct path *root, const char *name,
				      const struct open_flags *op);
struct file *__real_dentry_open(const struct path *path, int flags, const struct cred *cred);
struct file *__wrap_dentry_open(const struct path *path, int flags, const struct cred *cred);

struct file *__wrap_do_filp_open(int dfd, struct filename *name, const struct open_flags *op)
{
	return opened(__real_do_filp_open(dfd, name, op));
}

/* open_by_handle_at() */
struct file *__wrap_do_file_open_root(const struct path *root, const char *name,
				      const struct open_flags *op)
{
	return opened(__real_do_file_open_root(root, name, op));
}

/* XFS_IOC_OPEN_BY_HANDLE */
struct file *__wrap_dentry_open(const struct path *path, int flags, const struct cred *cred)
{
	return opened(__real_dentry_open(path, flags, cred));
}

asmlinkage long rump_sys_fcntl(unsigned int fd, unsigned int cmd, unsigned long arg)
{
	struct file *file;
	int err = 0;

	if (cmd == F_SETFL && arg & O_DIRECT) {
		file = fget(fd);
		if (file) {
			err = give_pages(file);
			fput(file);
		}
	}
	return err ?: sys_fcntl(fd, cmd, arg);
}
