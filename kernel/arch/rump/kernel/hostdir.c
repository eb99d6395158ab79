// SPDX-License-Identifier: GPL-2.0-only
/*
 * hostdir.c - directories of the host in the rump kernel's tree: a file system type
 * "hostdir" whose source is a tag that rumpk_dir_add() has given to a directory.
 *
 * All of the file system is FUSE's own.  This is its transport, beside /dev/fuse and
 * virtiofs: a request goes to rumpuser_dir_submit() as it is, and its end comes back by
 * rump_dir_done(), an upcall, through a list, an interrupt and a work item, since ending a
 * request takes locks that interrupts are not kept off.  Data move between the page cache
 * and the host's file without another copy.
 *
 * Nobody but who started the kernel can make a tag, so that mounting is no way for a
 * client to reach the host's files.
 */
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/llist.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <rump/rumpuser.h>
#include "../../../lib/rumpk.h"
#include "rump.h"
#include "fuse_i.h"

#define TAG_LEN		32

struct hostdir {
	struct list_head	list;
	void			*handle;
	unsigned int		users;		/* connections */
	char			tag[TAG_LEN];
};

/* A request on its way; what goes to the host is described by iov, in before out. */
struct dir_cmd {
	struct llist_node	done;
	struct fuse_req		*req;		/* NULL: a forget */
	struct rumpuser_dir_req	dir;
	struct fuse_in_header	in;		/* of a forget, with its argument */
	struct fuse_forget_in	forget;
	struct rumpuser_iovec	iov[];
};

static LIST_HEAD(dirs);
static DEFINE_MUTEX(dirs_lock);
static LLIST_HEAD(done_list);
static LIST_HEAD(refused);			/* requests for which there was no memory */
static DEFINE_SPINLOCK(refused_lock);

/* ---- requests and their ends ----------------------------------------------------------- */

/* Upcall: on a host thread of librumpuser's. */
void rump_dir_done(void *cookie)
{
	struct dir_cmd *cmd = cookie;

	if (llist_add(&cmd->done, &done_list))
		rump_irq_post(0, RUMP_IRQ_BLK);
}

static unsigned int npages(const struct fuse_args_pages *ap)
{
#ifdef FUSE_USES_FOLIOS
	if (ap->uses_folios)
		return ap->num_folios;
#endif
	return ap->num_pages;
}

/* The memory of the i-th page or folio of a request; *len: how much of it is meant. */
static void *page_data(const struct fuse_args_pages *ap, unsigned int i, unsigned int *len)
{
#ifdef FUSE_USES_FOLIOS
	if (ap->uses_folios) {
		*len = ap->folio_descs[i].length;
		return folio_address(ap->folios[i]) + ap->folio_descs[i].offset;
	}
#endif
	*len = ap->descs[i].length;
	return page_address(ap->pages[i]) + ap->descs[i].offset;
}

/* Adds memory to the list, to the last entry if it follows on that. */
static unsigned int add_iov(struct rumpuser_iovec *iov, unsigned int n, void *base, size_t len)
{
	if (n && iov[n - 1].base + iov[n - 1].len == base) {
		iov[n - 1].len += len;
		return n;
	}
	iov[n] = (struct rumpuser_iovec){ base, len };
	return n + 1;
}

static unsigned int add_args(struct rumpuser_iovec *iov, unsigned int n, struct fuse_args *args,
			     const struct fuse_arg *arg, unsigned int nargs, bool pages)
{
	struct fuse_args_pages *ap = container_of(args, struct fuse_args_pages, args);
	unsigned int i, len, size;
	void *base;

	for (i = 0; i < nargs - pages; i++)
		if (arg[i].size)
			n = add_iov(iov, n, arg[i].value, arg[i].size);
	if (!pages)
		return n;
	size = arg[i].size;
	for (i = 0; i < npages(ap) && size; i++) {
		base = page_data(ap, i, &len);
		len = min(len, size);
		size -= len;
		n = add_iov(iov, n, base, len);
	}
	return n;
}

static void fill_iov(struct dir_cmd *cmd, struct fuse_req *req)
{
	struct fuse_args *args = req->args;
	struct rumpuser_iovec *iov = cmd->iov;
	unsigned int n;

	n = add_iov(iov, 0, &req->in.h, sizeof(req->in.h));
	n = add_args(iov, n, args, (struct fuse_arg *)args->in_args, args->in_numargs,
		     args->in_pages);
	cmd->dir = (struct rumpuser_dir_req){ .in = iov, .nin = n, .cookie = cmd };
	if (!test_bit(FR_ISREPLY, &req->flags))
		return;
	cmd->dir.out = iov += n;
	n = add_iov(iov, 0, &req->out.h, sizeof(req->out.h));
	cmd->dir.nout = add_args(iov, n, args, args->out_args, args->out_numargs,
				 args->out_pages);
}

/* The end of a file: what a read did not fill is zeroes. */
static void zero_rest(struct fuse_args *args, unsigned int filled)
{
	struct fuse_args_pages *ap = container_of(args, struct fuse_args_pages, args);
	unsigned int i, len;
	void *base;

	for (i = 0; i < npages(ap); i++) {
		base = page_data(ap, i, &len);
		if (filled < len) {
			memset(base + filled, 0, len - filled);
			filled = 0;
		} else {
			filled -= len;
		}
	}
}

/* Sizes of what has come back; the host's answer is checked like any server's. */
static int check_reply(struct fuse_req *req)
{
	unsigned int max = sizeof(req->out.h), len = req->out.h.len, fixed, i;
	struct fuse_args *args = req->args;

	for (i = 0; i < args->out_numargs; i++)
		max += args->out_args[i].size;
	if (len < sizeof(req->out.h) || len > max || req->out.h.error > 0 ||
	    req->out.h.error <= -512)
		return -EIO;
	if (req->out.h.error)
		return 0;
	if (!args->out_argvar)
		return len == max ? 0 : -EIO;
	i = args->out_numargs - 1;
	fixed = max - args->out_args[i].size;
	if (len < fixed)
		return -EIO;
	args->out_args[i].size = len - fixed;
	if (args->out_pages && args->page_zeroing)
		zero_rest(args, len - fixed);
	return 0;
}

static void end_one(struct fuse_req *req, int err)
{
	if (err)
		req->out.h.error = err;
	clear_bit(FR_SENT, &req->flags);
	fuse_request_end(req);
}

static void end_requests(struct work_struct *unused)
{
	struct llist_node *list = llist_reverse_order(llist_del_all(&done_list));
	struct dir_cmd *cmd, *next;
	struct fuse_req *req, *more;
	LIST_HEAD(failed);

	llist_for_each_entry_safe(cmd, next, list, done) {
		req = cmd->req;
		kfree(cmd);
		if (req)
			end_one(req, test_bit(FR_ISREPLY, &req->flags) ? check_reply(req) : 0);
	}
	spin_lock(&refused_lock);
	list_splice_init(&refused, &failed);
	spin_unlock(&refused_lock);
	list_for_each_entry_safe(req, more, &failed, list) {
		list_del_init(&req->list);
		end_one(req, -ENOMEM);
	}
}
static DECLARE_WORK(end_work, end_requests);

/* The interrupt is shared with block.c. */
void rump_dir_interrupt(void)
{
	if (!llist_empty(&done_list))
		queue_work(system_highpri_wq, &end_work);
}

static void send_req(struct fuse_iqueue *fiq, struct fuse_req *req)
{
	struct fuse_args_pages *ap = container_of(req->args, struct fuse_args_pages, args);
	bool pages = req->args->in_pages || req->args->out_pages;
	unsigned int n = 8 + (pages ? npages(ap) : 0);
	struct hostdir *d = fiq->priv;
	struct dir_cmd *cmd;

	req->in.h.unique = fuse_get_unique(fiq);
	clear_bit(FR_PENDING, &req->flags);
	set_bit(FR_SENT, &req->flags);
	/* matches the barrier in request_wait_answer() */
	smp_mb__after_atomic();
	cmd = kmalloc(struct_size(cmd, iov, n), GFP_ATOMIC);
	if (!cmd) {
		/* not here: the caller may hold what ending it takes */
		spin_lock(&refused_lock);
		list_add_tail(&req->list, &refused);
		spin_unlock(&refused_lock);
		queue_work(system_highpri_wq, &end_work);
		return;
	}
	cmd->req = req;
	fill_iov(cmd, req);
	rumpuser_dir_submit(d->handle, &cmd->dir);
}

static void send_forget(struct fuse_iqueue *fiq, struct fuse_forget_link *link)
{
	struct hostdir *d = fiq->priv;
	struct dir_cmd *cmd;

	cmd = kmalloc(struct_size(cmd, iov, 2), GFP_NOFS | __GFP_NOFAIL);
	cmd->req = NULL;
	cmd->in = (struct fuse_in_header){
		.opcode = FUSE_FORGET,
		.nodeid = link->forget_one.nodeid,
		.unique = fuse_get_unique(fiq),
		.len = sizeof(cmd->in) + sizeof(cmd->forget),
	};
	cmd->forget.nlookup = link->forget_one.nlookup;
	cmd->iov[0] = (struct rumpuser_iovec){ &cmd->in, sizeof(cmd->in) };
	cmd->iov[1] = (struct rumpuser_iovec){ &cmd->forget, sizeof(cmd->forget) };
	cmd->dir = (struct rumpuser_dir_req){ .in = cmd->iov, .nin = 2, .cookie = cmd };
	kfree(link);
	rumpuser_dir_submit(d->handle, &cmd->dir);
}

/* Nothing that the host's files do can be interrupted; locks are this kernel's own. */
static void send_interrupt(struct fuse_iqueue *fiq, struct fuse_req *req)
{
}

static void put_dir(struct hostdir *d)
{
	mutex_lock(&dirs_lock);
	d->users--;
	mutex_unlock(&dirs_lock);
}

static void release(struct fuse_iqueue *fiq)
{
	put_dir(fiq->priv);
}

static const struct fuse_iqueue_ops fiq_ops = {
	.send_req	= send_req,
	.send_forget	= send_forget,
	.send_interrupt	= send_interrupt,
	.release	= release,
};

/* ---- mounting ----------------------------------------------------------------------------- */

static struct hostdir *find_dir(const char *tag)
{
	struct hostdir *d;

	list_for_each_entry(d, &dirs, list)
		if (!strcmp(d->tag, tag))
			return d;
	return NULL;
}

static int fill_super(struct super_block *sb)
{
	struct fuse_fs_context ctx = {
		.rootmode		= S_IFDIR,
		.default_permissions	= true,
		.allow_other		= true,
		.max_read		= UINT_MAX,
		.blksize		= PAGE_SIZE,
		.destroy		= true,
		.no_control		= true,
		.no_force_umount	= true,
	};
	int err = fuse_fill_super_common(sb, &ctx);

	if (!err)
		fuse_send_init(get_fuse_mount_super(sb));
	return err;
}

static int same_dir(struct super_block *sb, struct fs_context *fsc)
{
	struct fuse_mount *fm = fsc->s_fs_info;

	return get_fuse_mount_super(sb)->fc->iq.priv == fm->fc->iq.priv;
}

static int get_tree(struct fs_context *fsc)
{
	struct fuse_conn *fc = kzalloc(sizeof(*fc), GFP_KERNEL);
	struct fuse_mount *fm = kzalloc(sizeof(*fm), GFP_KERNEL);
	struct super_block *sb;
	struct hostdir *d;
	int err = -ENOMEM;

	if (!fc || !fm)
		goto free;
	err = -ENOENT;
	mutex_lock(&dirs_lock);
	d = find_dir(fsc->source ?: "");
	if (d)
		d->users++;
	mutex_unlock(&dirs_lock);
	if (!d)
		goto free;
	fuse_conn_init(fc, fm, fsc->user_ns, &fiq_ops, d);
	fc->release = fuse_free_conn;
	fc->delete_stale = true;
	fc->sync_fs = true;
	fsc->s_fs_info = fm;
	sb = sget_fc(fsc, same_dir, set_anon_super_fc);
	if (fsc->s_fs_info)
		fuse_mount_destroy(fm);
	if (IS_ERR(sb))
		return PTR_ERR(sb);
	if (!sb->s_root) {
		err = fill_super(sb);
		if (err) {
			deactivate_locked_super(sb);
			return err;
		}
		sb->s_flags |= SB_ACTIVE;
	}
	fsc->root = dget(sb->s_root);
	return 0;
free:
	kfree(fc);
	kfree(fm);
	return err;
}

static const struct fs_context_operations context_ops = { .get_tree = get_tree };

static int init_context(struct fs_context *fsc)
{
	fsc->ops = &context_ops;
	return 0;
}

static void kill_sb(struct super_block *sb)
{
	struct fuse_mount *fm = get_fuse_mount_super(sb);

	if (sb->s_root && fuse_mount_remove(fm))
		fuse_conn_destroy(fm);
	kill_anon_super(sb);
	fuse_mount_destroy(fm);
}

static struct file_system_type hostdir_type = {
	.name			= "hostdir",
	.init_fs_context	= init_context,
	.kill_sb		= kill_sb,
};

/* ---- tags ------------------------------------------------------------------------------------- */

struct add {
	const char *tag;
	void *handle;
};

static long do_add(void *arg)
{
	const struct add *a = arg;
	struct hostdir *d;
	long r = 0;

	if (strlen(a->tag) >= TAG_LEN)
		return -ENAMETOOLONG;
	d = kzalloc(sizeof(*d), GFP_KERNEL);
	if (!d)
		return -ENOMEM;
	d->handle = a->handle;
	strscpy(d->tag, a->tag, TAG_LEN);
	mutex_lock(&dirs_lock);
	if (find_dir(a->tag))
		r = -EEXIST;
	else
		list_add_tail(&d->list, &dirs);
	mutex_unlock(&dirs_lock);
	if (r)
		kfree(d);
	return r;
}

static long do_del(void *tag)
{
	struct hostdir *d;
	long r = 0;

	mutex_lock(&dirs_lock);
	d = find_dir(tag);
	if (!d)
		r = -ENOENT;
	else if (d->users)
		r = -EBUSY;
	else
		list_del(&d->list);
	mutex_unlock(&dirs_lock);
	if (!r)
		kfree(d);
	return r;
}

int rumpk_dir_add(const char *tag, void *handle)
{
	struct add a = { tag, handle };

	return rump_call_function(do_add, &a);
}

int rumpk_dir_del(const char *tag)
{
	return rump_call_function(do_del, (void *)tag);
}

static int __init hostdir_init(void)
{
	return register_filesystem(&hostdir_type);
}
late_initcall(hostdir_init);
