// SPDX-License-Identifier: GPL-2.0-only
/*
 * mapfile.c - files that programs have mapped shared.
 *
 * There is one truth: the pages of the file's page cache.  A page that a program maps is
 * made one of a memfd of the host, one for each file, and stays at its address here
 * (rumpuser_map_bind()); the program maps the memfd.  So whatever reads and writes the file
 * in this kernel, by whatever call, works on the very memory that all its programs see, and
 * nothing is diverted or kept in step.  Embedded or by a server is all the same, and no
 * program's pointer is followed.
 *
 * What a fault would do with an MMU has to be done otherwise:
 *
 *  - Nothing comes in when it is touched.  The pages of the mapped part are brought in when it
 *    is mapped, and those that a call adds before it returns (rump_map_after()).  They stay,
 *    and at most half of all memory may be such pages: more is ENOMEM.
 *  - Nothing tells that a page was written to.  It is noticed by its sum, before whatever is
 *    to write the file back (rump_map_before(), msync), from time to time, and when nobody
 *    has the file mapped any more.  Then the file system hears of it as of the first write
 *    after a fault: page_mkwrite(), so that it finds room on the disk and says if it has none.
 *  - A page that is taken out of the file (truncate, punch a hole, reflink) must not be seen
 *    any more: free_folio(), which a copy of the mapping's operations has, makes it RAM's
 *    again; the memfd becomes as long as the file, for SIGBUS past the end; and what has come
 *    into the place of it is brought in, before the call returns.
 *
 * Whether the file is mapped still is asked of the host, not of the programs
 * (rumpuser_map_used()): when a client has ended, before umount(2), and from time to time.
 * So it does not matter how a mapping ends.
 *
 * Limits: each stretch of pages that do not lie in a row here is a mapping of the host, whose
 * number is limited (vm.max_map_count).  Files of file systems that keep accounts of their own
 * of what is dirty, and whose mmap() needs an MMU (NFS, 9P), can only be mapped for reading.
 */
#include <linux/buffer_head.h>
#include <linux/file.h>
#include <linux/rculist.h>
#include <linux/socket.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <asm/unistd.h>
#include <rump/rump_calls.h>
#include <rump/rumpuser.h>
#include "../../../lib/rumpk.h"
#include "mapfile.h"
#include "rump.h"

#define EXTENTS_MAX	1024		/* of what is wanted of a file; then it is all between */
#define LOOK_EVERY	(5 * HZ)

int rump_nmaps;					/* how many there are */
static LIST_HEAD(maps);
static DEFINE_MUTEX(maps_lock);			/* of changes to the list; inside of a mapfile's lock */

static void look(struct work_struct *unused);
static DECLARE_DELAYED_WORK(look_work, look);

/* With maps_lock. */
static void count_maps(int by)
{
	WRITE_ONCE(rump_nmaps, rump_nmaps + by);
	if (by > 0)
		queue_delayed_work(system_unbound_wq, &look_work, LOOK_EVERY);
}

/* Of memory that is no file's (lend.c). */
void rump_map_count(int by)
{
	mutex_lock(&maps_lock);
	count_maps(by);
	mutex_unlock(&maps_lock);
}

/* ---- a file's life --------------------------------------------------------------------- */

void map_put(struct mapfile *m)
{
	if (refcount_dec_and_test(&m->ref))
		kfree_rcu(m, rcu);
}

static void close_file(struct mapfile *m)
{
	if (m->vma->vm_ops && m->vma->vm_ops->close)
		m->vma->vm_ops->close(m->vma);
	/* At once: an umount may be waiting for it. */
	__fput_sync(m->vma->vm_file);
	kfree(m->vma);
}

/* The one behind *id, with a reference, or NULL.  For loops that sleep. */
static struct mapfile *get_next(u64 *id)
{
	struct mapfile *m, *found = NULL;

	/* New ones come at the end, with higher numbers. */
	rcu_read_lock();
	list_for_each_entry_rcu(m, &maps, list) {
		if (m->id > *id && refcount_inc_not_zero(&m->ref)) {
			found = m;
			*id = m->id;
			break;
		}
	}
	rcu_read_unlock();
	return found;
}

struct mapfile *map_of(const struct address_space *mapping)
{
	struct mapfile *m, *found = NULL;

	rcu_read_lock();
	list_for_each_entry_rcu(m, &maps, list) {
		if (m->mapping == mapping && refcount_inc_not_zero(&m->ref)) {
			found = m;
			break;
		}
	}
	rcu_read_unlock();
	return found;
}

/* Nobody has it mapped: with m->lock. */
static void end_map(struct mapfile *m)
{
	struct extent *e, *next;

	map_scan(m, 0, ULONG_MAX);
	WRITE_ONCE(m->mapping->a_ops, m->aops);
	map_unbind_from(m, 0);
	list_for_each_entry_safe(e, next, &m->wanted, list)
		kfree(e);
	INIT_LIST_HEAD(&m->wanted);
	m->dead = true;
	mutex_lock(&maps_lock);
	list_del_rcu(&m->list);
	count_maps(-1);
	mutex_unlock(&maps_lock);
	close_file(m);
	rumpuser_map_close(m->map);
	xa_destroy(&m->pages);
	map_put(m);
}

/* Ends what nobody has mapped, and nobody is working on; all, if forced. */
static void end_unused(bool forced)
{
	struct mapfile *m;
	u64 id = 0;

	rump_lend_look(forced);
	while ((m = get_next(&id))) {
		if (forced)
			mutex_lock(&m->lock);
		if (forced || mutex_trylock(&m->lock)) {
			if (!m->dead && (forced || !rumpuser_map_used(m->map)))
				end_map(m);
			mutex_unlock(&m->lock);
		}
		map_put(m);
	}
}

static void look(struct work_struct *unused)
{
	struct mapfile *m;
	u64 id = 0;

	end_unused(false);
	while ((m = get_next(&id))) {
		if (mutex_trylock(&m->lock)) {
			if (!m->dead) {
				map_settle(m);
				map_scan(m, 0, ULONG_MAX);
			}
			mutex_unlock(&m->lock);
		}
		map_put(m);
	}
	if (READ_ONCE(rump_nmaps))
		queue_delayed_work(system_unbound_wq, &look_work, LOOK_EVERY);
}

/* From anywhere. */
void rump_map_look(void)
{
	if (READ_ONCE(rump_nmaps))
		mod_delayed_work(system_unbound_wq, &look_work, 0);
}

/* ---- calls that a mapped file must know of ---------------------------------------------- */

static void scan_all(void)
{
	struct mapfile *m;
	u64 id = 0;

	while ((m = get_next(&id))) {
		mutex_lock(&m->lock);
		if (!m->dead)
			map_scan(m, 0, ULONG_MAX);
		mutex_unlock(&m->lock);
		map_put(m);
	}
}

static void scan_file(const struct file *file)
{
	struct mapfile *m;
	u64 id = 0;

	while ((m = get_next(&id))) {
		if (m->mapping == file->f_mapping || m->mapping->host == d_real_inode(file_dentry(file))) {
			mutex_lock(&m->lock);
			if (!m->dead)
				map_scan(m, 0, ULONG_MAX);
			mutex_unlock(&m->lock);
		}
		map_put(m);
	}
}

static void scan_fd(unsigned int fd)
{
	struct file *file = fget(fd);

	if (file) {
		scan_file(file);
		fput(file);
	}
}

void rump_map_direct(const struct file *file)
{
	if (READ_ONCE(rump_nmaps))
		scan_file(file);
}

void rump_map_before(long nr, const long args[6])
{
	switch (nr) {
	case __NR_fsync: case __NR_fdatasync: case __NR_sync_file_range:
	case __NR_copy_file_range:
		scan_fd(args[0]);
		break;
	case __NR_ioctl:
		if (args[1] == FICLONE || args[1] == FICLONERANGE || args[1] == FIDEDUPERANGE ||
		    args[1] == FIFREEZE)
			scan_all();
		break;
	case __NR_sync: case __NR_syncfs:
		scan_all();
		break;
	case __NR_umount2:
		end_unused(false);
		break;
	case __NR_setsockopt:
		if (args[1] == SOL_PACKET)
			rump_lend_look(false);
		break;
	case __NR_close:
		rump_lend_look(false);
		break;
	}
}

void rump_map_after(void)
{
	struct mapfile *m;
	bool any = false;
	u64 id = 0;

	rcu_read_lock();
	list_for_each_entry_rcu(m, &maps, list)
		any |= map_changed(m);
	rcu_read_unlock();
	while (any && (m = get_next(&id))) {
		if (map_changed(m)) {
			mutex_lock(&m->lock);
			if (!m->dead)
				map_settle(m);
			mutex_unlock(&m->lock);
		}
		map_put(m);
	}
}

/* ---- mapping ------------------------------------------------------------------------------ */

/* Programs see [first, last] from now on. */
static int want(struct mapfile *m, pgoff_t first, pgoff_t last)
{
	struct extent *e, *next, *new = kmalloc(sizeof(*new), GFP_KERNEL);
	struct list_head *at = &m->wanted;
	bool all = m->nwanted >= EXTENTS_MAX;

	if (!new)
		return -ENOMEM;
	*new = (struct extent){ .first = first, .last = last };
	list_for_each_entry_safe(e, next, &m->wanted, list) {
		if (!all && e->last < first && first - e->last > 1) {
			at = &e->list;
		} else if (!all && e->first > last && e->first - last > 1) {
			break;
		} else {
			new->first = min(new->first, e->first);
			new->last = max(new->last, e->last);
			list_del(&e->list);
			kfree(e);
			m->nwanted--;
		}
	}
	list_add(&new->list, at);
	m->nwanted++;
	return 0;
}

/* Whether folio_mark_dirty() is all that the first write after a fault takes. */
static bool is_plain(const struct address_space_operations *ops)
{
	return ops->dirty_folio == block_dirty_folio || ops->dirty_folio == noop_dirty_folio;
}

/* A file of ours on what user has open, as if it were mapped: new->vma, new->mapping. */
static int open_file(struct mapfile *new, struct file *user, bool writable)
{
	struct vm_area_struct *vma;
	struct file *file;
	int err;

	if (!user->f_op->mmap || !(S_ISREG(file_inode(user)->i_mode) ||
				   S_ISBLK(file_inode(user)->i_mode)))
		return -ENODEV;
	file = dentry_open(&user->f_path, (writable ? O_RDWR : O_RDONLY) | O_LARGEFILE,
			   current_cred());
	if (IS_ERR(file))
		return PTR_ERR(file);
	vma = kmalloc(sizeof(*vma), GFP_KERNEL);
	if (!vma) {
		__fput_sync(file);
		return -ENOMEM;
	}
	vma_init(vma, &init_mm);
	vm_flags_init(vma, VM_READ | VM_MAYREAD | VM_SHARED | VM_MAYSHARE |
		      (writable ? VM_WRITE | VM_MAYWRITE : 0));
	vma->vm_file = file;
	err = call_mmap(file, vma);	/* an overlay's puts another file there */
	new->mapping = vma->vm_file->f_mapping;
	new->aops = map_own_ops(new->mapping);
	new->writable = writable;
	if (err == -ENOSYS) {		/* generic_file_mmap(), without an MMU */
		vma->vm_ops = NULL;
		err = writable && !is_plain(new->aops) ? -ENODEV : 0;
	}
	if (!err && (!new->aops->read_folio || new->aops->free_folio))
		err = -ENODEV;
	new->vma = vma;
	if (err)
		close_file(new);
	return err;
}

/* new, which has its file, and a reference for the list, becomes known, locked. */
static int begin_map(struct mapfile *new)
{
	const struct address_space_operations *ops = map_ops(new->aops);
	static u64 last_id;

	if (!ops)
		return -ENOMEM;
	new->id = ++last_id;
	new->map = rumpuser_map_create(new->id);
	if (new->map < 0)
		return new->map;
	WARN_ON(!mutex_trylock(&new->lock));	/* nobody knows it */
	list_add_tail_rcu(&new->list, &maps);
	smp_store_release(&new->mapping->a_ops, ops);	/* which look for it there */
	count_maps(1);
	return 0;
}

/* The file that user has open; writable: to be written to.  Locked, with a reference. */
static struct mapfile *get_map(struct file *user, bool writable)
{
	struct mapfile *m, *new = NULL;
	int err = 0;

	for (;;) {
		mutex_lock(&maps_lock);
		m = map_of(new ? new->mapping : user->f_mapping);
		if (!m && new)
			err = begin_map(new);
		mutex_unlock(&maps_lock);
		if (!m && new) {
			m = new;
			break;
		}
		if (m) {
			mutex_lock(&m->lock);
			if (!m->dead && (m->writable || !writable || new))
				break;
			mutex_unlock(&m->lock);
			if (m->dead) {
				map_put(m);
				continue;
			}
			map_put(m);
		}
		new = kzalloc(sizeof(*new), GFP_KERNEL);
		err = new ? open_file(new, user, writable) : -ENOMEM;
		if (err) {
			kfree(new);
			return ERR_PTR(err);
		}
		mutex_init(&new->lock);
		mutex_init(&new->writing);
		refcount_set(&new->ref, 2);
		INIT_LIST_HEAD(&new->wanted);
		xa_init(&new->pages);
	}
	if (m == new && !err)
		return m;
	if (m != new && writable && !m->writable) {
		swap(m->vma, new->vma);
		m->writable = true;
	}
	if (new) {
		close_file(new);
		kfree(new);
	}
	return err ? ERR_PTR(err) : m;
}

/* A descriptor of the host for the program to map [off, off + len) of rump descriptor fd. */
static long map_file(int fd, u64 off, u64 len, int flags)
{
	struct file *file;
	struct mapfile *m;
	pgoff_t next;
	bool writable;
	long r;

	if (off % PAGE_SIZE || !len)
		return -EINVAL;
	if (off > MAX_LFS_FILESIZE || len > MAX_LFS_FILESIZE - off)
		return -EOVERFLOW;
	file = fget(fd);
	if (!file)
		return -EBADF;
	writable = file->f_mode & FMODE_WRITE;
	if (S_ISSOCK(file_inode(file)->i_mode)) {
		r = rump_lend(file, off, len);
		fput(file);
		return r;
	}
	r = 0;
	if (!(file->f_mode & FMODE_READ) || (flags & RUMP_MAP_WRITE && !writable))
		r = -EACCES;
	else if (flags & RUMP_MAP_EXEC && path_noexec(&file->f_path))
		r = -EPERM;
	m = r ? ERR_PTR(r) : get_map(file, writable);
	fput(file);
	if (IS_ERR(m))
		return PTR_ERR(m);
	map_settle(m);
	r = map_populate(m, off >> PAGE_SHIFT, (off + len - 1) >> PAGE_SHIFT, &next);
	if (!r)
		r = want(m, off >> PAGE_SHIFT, (off + len - 1) >> PAGE_SHIFT);
	if (!r)
		r = rumpuser_map_open(m->map, writable);
	mutex_unlock(&m->lock);
	map_put(m);
	if (r < 0)
		rump_map_look();
	return r;
}

static long sync_map(struct mapfile *m, u64 off, u64 len, bool wait)
{
	struct file *file = get_file(m->vma->vm_file);
	int err, err2 = 0;

	err = map_scan(m, off >> PAGE_SHIFT, (off + len - 1) >> PAGE_SHIFT);
	mutex_unlock(&m->lock);
	if (wait)
		err2 = vfs_fsync_range(file, off, off + len - 1, 1);
	__fput_sync(file);
	mutex_lock(&m->lock);
	return err ?: err2;
}

/* RUMP_CALL_MAPPED */
static long mapped(int op, u64 id, u64 off, u64 len)
{
	struct mapfile *m;
	pgoff_t next;
	u64 before = id - 1;
	long r;

	if (!len || off > MAX_LFS_FILESIZE || len > MAX_LFS_FILESIZE - off)
		return -EINVAL;
	m = get_next(&before);
	if (!m)
		return -ENOENT;
	mutex_lock(&m->lock);
	if (m->dead || m->id != id) {
		r = -ENOENT;
	} else if (op == RUMP_MAPPED_WANT) {
		r = map_populate(m, off >> PAGE_SHIFT, (off + len - 1) >> PAGE_SHIFT, &next);
		if (!r)
			r = want(m, off >> PAGE_SHIFT, (off + len - 1) >> PAGE_SHIFT);
	} else if (op == RUMP_MAPPED_SYNC || op == RUMP_MAPPED_ASYNC) {
		r = sync_map(m, off, len, op == RUMP_MAPPED_SYNC);
	} else {
		r = -EINVAL;
	}
	mutex_unlock(&m->lock);
	map_put(m);
	return r;
}

long rump_map_call(long nr, const long args[6])
{
	return nr == RUMP_CALL_MAP ? map_file(args[0], args[1], args[2], args[3]) :
	    mapped(args[0], args[1], args[2], args[3]);
}

static long let_go(void *unused)
{
	end_unused(true);
	rump_ph_drop_all();
	return 0;
}

int rumpk_let_go(void)
{
	return rump_call_function(let_go, NULL);
}
