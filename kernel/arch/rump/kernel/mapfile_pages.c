// SPDX-License-Identifier: GPL-2.0-only
/*
 * mapfile_pages.c - pages that are the page cache's and, as a memfd's, programs' (mapfile.c).
 *
 * Some file systems compute sums of what they are about to write (btrfs): such a page must not
 * change until it is on the disk.  While it is written, it is a copy in RAM, and programs
 * go on with the memfd's; then it is the memfd's again, which may have changed since.
 *
 * Limit: of such a file, read() is behind what programs have stored meanwhile; and if
 * somebody writes to the same page by write() in the moment between, what they stored to it
 * since it was copied is lost.
 */
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/xxhash.h>
#include <rump/rumpuser.h>
#include "mapfile.h"

/* A page that is the memfd's. */
struct bound {
	struct mapfile		*m;
	struct page		*page;		/* our reference */
	pgoff_t			index;
	u64			sum;		/* when we looked last */
	u64			copied;		/* of the copy in RAM ... */
	bool			aside;		/* ... that it is now */
};

static DEFINE_SPINLOCK(bound_lock);		/* of by_pfn, all pages, and who is in them */
static DEFINE_XARRAY(by_pfn);			/* struct bound */
static unsigned long nbound;			/* under bound_lock */

/* ---- a copy of the mapping's operations ------------------------------------------ */

/* One for each that was ever in use: somebody may have read the pointer. */
struct ops_copy {
	struct address_space_operations	ops;
	const struct address_space_operations *orig;
	struct ops_copy			*next;
};
static struct ops_copy *copies;			/* under maps_lock */

static u64 sum_of(struct page *page)
{
	return xxh64(page_address(page), PAGE_SIZE, 0);
}

static bool take_bound(struct bound *b)
{
	if (!b)
		return false;
	xa_erase(&by_pfn, page_to_pfn(b->page));
	xa_erase(&b->m->pages, b->index);
	nbound--;
	return true;
}

/* The page of b, which nobody finds any more, and whose folio is locked, is RAM's again. */
static void release_bound(struct bound *b)
{
	int err = rumpuser_map_unbind(page_address(b->page));

	/* It can be used for nothing else while programs see it. */
	if (WARN_ONCE(err, "a mapped page is lost: %d\n", err))
		get_page(b->page);
	put_page(b->page);
	kfree(b);
}

/* Upcall of the page cache: the folio, which is locked, is not the file's any more. */
static void free_folio(struct folio *folio)
{
	struct bound *b;

	spin_lock(&bound_lock);
	b = xa_load(&by_pfn, folio_pfn(folio));
	if (take_bound(b))
		WRITE_ONCE(b->m->stale, true);
	spin_unlock(&bound_lock);
	if (b)
		release_bound(b);
}

/* The bound page at index or behind, with its folio locked; NULL: there is none up to last. */
static struct bound *lock_next(struct mapfile *m, pgoff_t *index, pgoff_t last)
{
	struct folio *folio;
	struct bound *b;

	for (;;) {
		spin_lock(&bound_lock);
		b = xa_find(&m->pages, index, last, XA_PRESENT);
		folio = b ? page_folio(b->page) : NULL;
		if (folio)
			folio_get(folio);
		spin_unlock(&bound_lock);
		if (!folio)
			return NULL;
		folio_lock(folio);
		/* Who is bound, and locked, stays so: the folio's other reference is b's. */
		if (xa_load(&m->pages, *index) == b && page_folio(b->page) == folio) {
			folio_put(folio);
			return b;
		}
		folio_unlock(folio);
		folio_put(folio);
	}
}

static void set_aside(struct mapfile *m)
{
	struct bound *b;
	pgoff_t i = 0;

	for (; (b = lock_next(m, &i, ULONG_MAX)); i++) {
		struct folio *folio = page_folio(b->page);

		if (folio_test_dirty(folio) && !rumpuser_map_unbind(page_address(b->page))) {
			b->aside = true;
			b->copied = sum_of(b->page);
		}
		folio_unlock(folio);
		if (i == ULONG_MAX)
			break;
	}
}

static void bring_back(struct mapfile *m)
{
	struct bound *b;
	pgoff_t i = 0;

	for (; (b = lock_next(m, &i, ULONG_MAX)); i++) {
		struct folio *folio = page_folio(b->page);

		if (b->aside) {
			folio_wait_writeback(folio);
			if (rumpuser_map_bind(m->map, (u64)i << PAGE_SHIFT, page_address(b->page),
					      sum_of(b->page) != b->copied))
				pr_warn_once("a mapped page stays a copy\n");
			b->aside = false;
		}
		folio_unlock(folio);
		if (i == ULONG_MAX)
			break;
	}
}

static int writepages(struct address_space *mapping, struct writeback_control *wbc)
{
	struct mapfile *m = map_of(mapping);
	int err;

	if (!m)
		return mapping->a_ops->writepages(mapping, wbc);	/* not ours any more */
	if (!mapping_stable_writes(mapping) || !m->writable) {
		err = m->aops->writepages(mapping, wbc);
	} else {
		mutex_lock(&m->writing);
		set_aside(m);
		err = m->aops->writepages(mapping, wbc);
		bring_back(m);
		mutex_unlock(&m->writing);
	}
	map_put(m);
	return err;
}

const struct address_space_operations *map_ops(const struct address_space_operations *orig)
{
	struct ops_copy *c;

	for (c = copies; c && c->orig != orig; c = c->next)
		;
	if (!c) {
		c = kzalloc(sizeof(*c), GFP_KERNEL);
		if (!c)
			return NULL;
		c->ops = *orig;
		c->ops.free_folio = free_folio;
		if (orig->writepages)
			c->ops.writepages = writepages;
		c->orig = orig;
		c->next = copies;
		copies = c;
	}
	return &c->ops;
}

const struct address_space_operations *map_own_ops(const struct address_space *mapping)
{
	const struct address_space_operations *ops = READ_ONCE(mapping->a_ops);

	return ops->free_folio == free_folio ? container_of(ops, struct ops_copy, ops)->orig : ops;
}

/* ---- pages -------------------------------------------------------------------------- */

pgoff_t map_pages_of(const struct mapfile *m)
{
	return DIV_ROUND_UP_ULL(i_size_read(m->mapping->host), PAGE_SIZE);
}

static bool too_many(unsigned long more)
{
	return READ_ONCE(nbound) + more > totalram_pages() / 2;
}

/* How many pages of [first, last] are not there. */
static unsigned long missing(struct mapfile *m, pgoff_t first, pgoff_t last)
{
	unsigned long n = last - first + 1;
	struct bound *b;
	pgoff_t i;

	rcu_read_lock();
	xa_for_each_range(&m->pages, i, b, first, last)
		n--;
	rcu_read_unlock();
	return n;
}

/* The folio, locked, is the mapping's, and uptodate. */
static int bind_locked(struct mapfile *m, struct folio *folio, pgoff_t index)
{
	struct bound *b;
	int err;

	if (xa_load(&m->pages, index))
		return 0;
	if (too_many(1))
		return -ENOMEM;
	b = kmalloc(sizeof(*b), GFP_KERNEL);
	if (!b)
		return -ENOMEM;
	folio_wait_writeback(folio);
	*b = (struct bound){ .m = m, .page = folio_file_page(folio, index), .index = index };
	b->sum = sum_of(b->page);
	err = xa_reserve(&by_pfn, page_to_pfn(b->page), GFP_KERNEL);
	if (!err)
		err = xa_reserve(&m->pages, index, GFP_KERNEL);
	if (!err)
		err = rumpuser_map_bind(m->map, (u64)index << PAGE_SHIFT, page_address(b->page), 1);
	if (err) {
		xa_release(&by_pfn, page_to_pfn(b->page));
		xa_release(&m->pages, index);
		kfree(b);
		return err;
	}
	get_page(b->page);
	spin_lock(&bound_lock);
	xa_store(&by_pfn, page_to_pfn(b->page), b, GFP_ATOMIC);	/* reserved: */
	xa_store(&m->pages, index, b, GFP_ATOMIC);			/* nothing can fail */
	nbound++;
	spin_unlock(&bound_lock);
	return 0;
}

static int bind(struct mapfile *m, pgoff_t index)
{
	struct folio *folio;
	int err = 0;

	do {
		folio = read_mapping_folio(m->mapping, index, m->vma->vm_file);
		if (IS_ERR(folio))
			return PTR_ERR(folio);
		folio_lock(folio);
		if (folio->mapping == m->mapping && index < map_pages_of(m))
			err = bind_locked(m, folio, index);
		else if (index < map_pages_of(m))
			err = -EAGAIN;
		folio_unlock(folio);
		folio_put(folio);
	} while (err == -EAGAIN);
	return err;
}

int map_populate(struct mapfile *m, pgoff_t first, pgoff_t last, pgoff_t *next)
{
	struct file_ra_state ra;
	pgoff_t i, end = map_pages_of(m);
	int err = 0;

	*next = first;
	if (first < end && first <= last && too_many(missing(m, first, min(last, end - 1))))
		return -ENOMEM;
	file_ra_state_init(&ra, m->mapping);
	for (i = first; !err && i <= last && i < end; i++) {
		if (xa_load(&m->pages, i))
			continue;
		if (!filemap_range_has_page(m->mapping, (loff_t)i << PAGE_SHIFT,
					    (loff_t)i << PAGE_SHIFT))
			page_cache_sync_readahead(m->mapping, &ra, m->vma->vm_file, i,
						  min(last, end - 1) - i + 1);
		err = bind(m, i);
		if (err)
			break;
		cond_resched();
	}
	*next = i;
	return err;
}

void map_unbind_from(struct mapfile *m, pgoff_t first)
{
	struct folio *folio;
	struct bound *b;

	mutex_lock(&m->writing);
	while ((b = lock_next(m, &first, ULONG_MAX))) {
		folio = page_folio(b->page);
		folio_get(folio);
		folio_wait_writeback(folio);
		spin_lock(&bound_lock);
		take_bound(b);
		spin_unlock(&bound_lock);
		release_bound(b);
		folio_unlock(folio);
		folio_put(folio);
		cond_resched();
	}
	mutex_unlock(&m->writing);
}

bool map_changed(const struct mapfile *m)
{
	return READ_ONCE(m->stale) || map_pages_of(m) != READ_ONCE(m->end);
}

void map_settle(struct mapfile *m)
{
	pgoff_t end = map_pages_of(m), next = end;
	struct extent *e;
	int err = 0;

	if (end == m->end && !READ_ONCE(m->stale))
		return;
	if (end < m->end) {
		map_unbind_from(m, end);
		rumpuser_map_resize(m->map, (u64)end << PAGE_SHIFT);
	}
	if (xchg(&m->stale, false) || end > m->end)
		list_for_each_entry(e, &m->wanted, list) {
			err = map_populate(m, e->first, e->last, &next);
			if (err)
				break;
		}
	/* What cannot be brought in cannot be had: SIGBUS. */
	if (!err || next > m->end)
		rumpuser_map_resize(m->map, (u64)(err ? next : end) << PAGE_SHIFT);
	WRITE_ONCE(m->end, end);
}

/* ---- what programs have written ------------------------------------------------------ */

/* The page, which has changed, is to be written back.  -ENOSPC, -EDQUOT, -EIO. */
static int make_dirty(struct mapfile *m, struct page *page, pgoff_t index)
{
	const struct vm_operations_struct *ops = m->vma->vm_ops;
	struct folio *folio = page_folio(page);
	struct vm_fault vmf = {
		.vma = m->vma, .gfp_mask = GFP_KERNEL, .pgoff = index, .page = page,
		.flags = FAULT_FLAG_WRITE | FAULT_FLAG_MKWRITE,
	};
	vm_fault_t r = 0;

	if (ops && ops->page_mkwrite) {
		r = ops->page_mkwrite(&vmf);
		if (r & (VM_FAULT_ERROR | VM_FAULT_NOPAGE))
			return r & VM_FAULT_NOPAGE ? 0 : r & VM_FAULT_OOM ? -ENOMEM : -ENOSPC;
	} else {
		file_update_time(m->vma->vm_file);
	}
	if (!(r & VM_FAULT_LOCKED))
		folio_lock(folio);
	if (folio->mapping == m->mapping)
		folio_mark_dirty(folio);
	folio_unlock(folio);
	return 0;
}

int map_scan(struct mapfile *m, pgoff_t first, pgoff_t last)
{
	struct page *page;
	struct bound *b;
	int err, failed = 0;
	u64 old = 0, sum;

	if (!m->writable)
		return 0;
	for (;; first++) {
		spin_lock(&bound_lock);
		b = xa_find(&m->pages, &first, last, XA_PRESENT);
		page = b ? b->page : NULL;
		if (b) {
			get_page(page);
			old = b->sum;
		}
		spin_unlock(&bound_lock);
		if (!page)
			break;
		sum = sum_of(page);
		if (sum != old) {
			err = make_dirty(m, page, first);
			failed = failed ?: err;
			spin_lock(&bound_lock);
			b = xa_load(&m->pages, first);
			if (b && b->page == page && !err)
				b->sum = sum;
			spin_unlock(&bound_lock);
		}
		put_page(page);
		cond_resched();
		if (first == last)
			break;
	}
	if (failed)
		mapping_set_error(m->mapping, failed);
	return failed;
}

