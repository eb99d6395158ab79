// SPDX-License-Identifier: GPL-2.0-only
/*
 * userpages.c - pages of a user's memory, which has none here.
 *
 * /dev/fuse moves its messages by pages of the file server's buffers
 * (iov_iter_get_pages2), vmsplice() and kernel TLS do it, too.  A user's memory is the
 * host's, or is in another process: the pages that they get are copies.  What they only
 * read is copied now.  What they fill is copied back when they say that they have
 * filled it, as they do of any file's page: set_page_dirty_lock() calls the dirty_folio()
 * of the page's mapping, which is ours.  (The linker puts this in front of the function
 * of lib/iov_iter.c: --wrap.)
 *
 * Limits: whoever fills such a page must do it in the task that asked for it, as
 * /dev/fuse does.  A buffer that turns out to be bad when it is copied back is not
 * noticed.  What takes another way (iov_iter_extract_pages) finds no page; O_DIRECT does not
 * get there (direct.c).
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

ssize_t __real_iov_iter_get_pages2(struct iov_iter *i, struct page **pages, size_t maxsize,
				   unsigned int maxpages, size_t *start);
ssize_t __wrap_iov_iter_get_pages2(struct iov_iter *i, struct page **pages, size_t maxsize,
				   unsigned int maxpages, size_t *start);

/* A page to be filled: private is the user's address, index how many bytes go there. */
static bool copy_back(struct address_space *mapping, struct folio *folio)
{
	void __user *to = (void __user *)folio_get_private(folio);

	if (copy_to_user(to, folio_address(folio), folio->index))
		pr_debug("a buffer at %p is gone\n", to);
	folio->private = NULL;
	folio->index = 0;
	folio->mapping = NULL;
	return true;
}

static const struct address_space_operations user_memory_ops = { .dirty_folio = copy_back };
static struct address_space user_memory = { .a_ops = &user_memory_ops };

/* The next bytes of i, a page of them at most; their number, or an error. */
static ssize_t get_page_copy(struct iov_iter *i, struct page **pagep, size_t size)
{
	struct page *page;

	iov_iter_advance(i, 0);		/* over empty segments */
	size = min3(size, iov_iter_single_seg_count(i), PAGE_SIZE);
	page = alloc_page(GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	if (i->data_source == ITER_SOURCE) {
		if (copy_page_from_iter(page, 0, size, i) < size) {
			put_page(page);
			return -EFAULT;
		}
	} else {
		page->private = (unsigned long)iter_iov_addr(i);
		page->index = size;
		page->mapping = &user_memory;
		iov_iter_advance(i, size);
	}
	*pagep = page;
	return size;
}

ssize_t __wrap_iov_iter_get_pages2(struct iov_iter *i, struct page **pages, size_t maxsize,
				   unsigned int maxpages, size_t *start)
{
	size_t left = min(maxsize, iov_iter_count(i));
	ssize_t done = 0, n = PAGE_SIZE;

	if (!user_backed_iter(i))
		return __real_iov_iter_get_pages2(i, pages, maxsize, maxpages, start);
	*start = 0;
	/* They must be full but for the last: so says the caller's arithmetic. */
	for (; left && maxpages && n == PAGE_SIZE; left -= n, maxpages--) {
		n = get_page_copy(i, pages, left);
		if (n < 0)
			return done ?: n;
		pages++;
		done += n;
	}
	return done;
}
