// SPDX-License-Identifier: GPL-2.0-only
/*
 * userpages.c - pages of a user's memory, which has none here.
 *
 * vmsplice(), MSG_ZEROCOPY, /dev/fuse, kernel TLS and AF_ALG take the pages of a user's memory
 * instead of copying it (iov_iter_get_pages2, iov_iter_extract_pages).  A user's memory is the
 * host's, or is in another process: the pages that they get are copies.  What they only read
 * is copied at once.  What they fill is copied back when the call is about to return to the
 * user: it is on the list of what the task has to do then (task_work).  The data lie in the
 * pages as they do in the user's, so that there are as many as a caller counts.  (The linker
 * puts these in front of the functions of lib/iov_iter.c: --wrap.)
 *
 * Limits: whoever fills such a page must have done so when the call ends, or asks for many more,
 * as all of the above do.  Of the buffer, more than is said to have been filled may become zeros, up to a page.  A
 * buffer that turns out to be bad when it is copied back is not noticed.  O_DIRECT does not get
 * there (direct.c).
 */
#include <linux/highmem.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/task_work.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/vmstat.h>

ssize_t __real_iov_iter_get_pages2(struct iov_iter *i, struct page **pages, size_t maxsize,
				   unsigned int maxpages, size_t *start);
ssize_t __wrap_iov_iter_get_pages2(struct iov_iter *i, struct page **pages, size_t maxsize,
				   unsigned int maxpages, size_t *start);
ssize_t __real_iov_iter_extract_pages(struct iov_iter *i, struct page ***pages, size_t maxsize,
				      unsigned int maxpages, iov_iter_extraction_t flags,
				      size_t *start);
ssize_t __wrap_iov_iter_extract_pages(struct iov_iter *i, struct page ***pages, size_t maxsize,
				      unsigned int maxpages, iov_iter_extraction_t flags,
				      size_t *start);

#define KEPT_MAX	512	/* more than anybody has under way at a time */

/* A page that somebody fills. */
struct filled {
	struct list_head	list;
	struct page		*page;		/* our reference */
	void __user		*to;		/* at the same place of its page */
	size_t			len;
};

/* Those of a task. */
struct kept {
	struct callback_head	work;
	struct list_head	list;		/* in the order in which they were asked for */
	unsigned int		n;
};

static void copy_first(struct kept *k)
{
	struct filled *f = list_first_entry(&k->list, struct filled, list);

	if (copy_to_user(f->to, page_address(f->page) + offset_in_page(f->to), f->len))
		pr_debug("a buffer at %p is gone\n", f->to);
	list_del(&f->list);
	k->n--;
	put_page(f->page);
	kfree(f);
}

static void copy_all(struct callback_head *work)
{
	struct kept *k = container_of(work, struct kept, work);

	while (k->n)
		copy_first(k);
	kfree(k);
}

/* What current has to do, or has none of yet; it is on no list.  NULL: no memory. */
static struct kept *take_kept(void)
{
	struct callback_head *work = task_work_cancel_func(current, copy_all);
	struct kept *k;

	if (work)
		return container_of(work, struct kept, work);
	k = kzalloc(sizeof(*k), GFP_KERNEL);
	if (k) {
		init_task_work(&k->work, copy_all);
		INIT_LIST_HEAD(&k->list);
	}
	return k;
}

/* page is for the next size bytes of i; 0 or an error. */
static int will_be_filled(struct page *page, struct iov_iter *i, size_t size)
{
	struct filled *f;
	struct kept *k;

	if (current->flags & (PF_KTHREAD | PF_EXITING))
		return -EFAULT;
	f = kmalloc(sizeof(*f), GFP_KERNEL);
	k = f ? take_kept() : NULL;
	if (!k) {
		kfree(f);
		return -ENOMEM;
	}
	if (k->n == KEPT_MAX)
		copy_first(k);
	get_page(page);
	*f = (struct filled){ .page = page, .to = iter_iov_addr(i), .len = size };
	list_add_tail(&f->list, &k->list);
	k->n++;
	iov_iter_advance(i, size);
	if (task_work_add(current, &k->work, TWA_RESUME))
		copy_all(&k->work);	/* it ends: nobody is there to read it */
	return 0;
}

/* The next bytes of i, up to the end of a page; their number, or an error. */
static ssize_t get_page_copy(struct iov_iter *i, struct page **pagep, size_t size)
{
	struct page *page;
	size_t copied, start;
	int err = 0;

	iov_iter_advance(i, 0);		/* over empty segments */
	start = offset_in_page(iter_iov_addr(i));
	size = min3(size, iov_iter_single_seg_count(i), PAGE_SIZE - start);
	page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!page)
		return -ENOMEM;
	if (i->data_source == ITER_SOURCE) {
		copied = copy_page_from_iter(page, start, size, i);
		if (copied < size) {
			iov_iter_revert(i, copied);
			err = -EFAULT;
		}
	} else {
		err = will_be_filled(page, i, size);
	}
	if (err) {
		put_page(page);
		return err;
	}
	*pagep = page;
	return size;
}

/* left bytes of i, fewer if they lie in more than maxpages pages, or not in a row. */
static ssize_t get_copies(struct iov_iter *i, struct page **pages, size_t left,
			  unsigned int maxpages, size_t *start)
{
	ssize_t done = 0, n;
	size_t end;

	iov_iter_advance(i, 0);
	*start = offset_in_page(iter_iov_addr(i));
	for (end = PAGE_SIZE; left && maxpages && end == PAGE_SIZE; left -= n, maxpages--) {
		n = get_page_copy(i, pages, left);
		if (n < 0)
			return done ?: n;
		pages++;
		end = (done ? 0 : *start) + n;
		done += n;
	}
	return done;
}

ssize_t __wrap_iov_iter_get_pages2(struct iov_iter *i, struct page **pages, size_t maxsize,
				   unsigned int maxpages, size_t *start)
{
	if (!user_backed_iter(i))
		return __real_iov_iter_get_pages2(i, pages, maxsize, maxpages, start);
	return get_copies(i, pages, min(maxsize, iov_iter_count(i)), maxpages, start);
}

/* The same with pins instead of references; *pages may be NULL, then it is made. */
ssize_t __wrap_iov_iter_extract_pages(struct iov_iter *i, struct page ***pages, size_t maxsize,
				      unsigned int maxpages, iov_iter_extraction_t flags,
				      size_t *start)
{
	size_t left = min(maxsize, iov_iter_count(i));
	ssize_t n;
	size_t k;

	if (!user_backed_iter(i) || !left)
		return __real_iov_iter_extract_pages(i, pages, maxsize, maxpages, flags, start);
	maxpages = iov_iter_npages(i, maxpages);
	if (!*pages)
		*pages = kvmalloc_array(maxpages, sizeof(**pages), GFP_KERNEL);
	if (!*pages)
		return -ENOMEM;
	n = get_copies(i, *pages, left, maxpages, start);
	for (k = 0; n > 0 && k < DIV_ROUND_UP(*start + n, PAGE_SIZE); k++) {
		page_ref_add((*pages)[k], GUP_PIN_COUNTING_BIAS - 1);
		mod_node_page_state(page_pgdat((*pages)[k]), NR_FOLL_PIN_ACQUIRED, 1);
	}
	return n;
}
