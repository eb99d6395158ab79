// SPDX-License-Identifier: GPL-2.0-only
/*
 * late.c - what Linux sets up at boot, and most kernels here never use.
 *
 * btrfs puts by a workspace for each way of compression, so that one can always be had: 5 MB
 * without an MMU, where each is one block of memory, half a megabyte of it cleared.  Here it
 * does so when the first btrfs is mounted.  The mount fails if there is no memory for the
 * largest then: Linux would wait for that one, at the first compressed file, for ever.
 * (The linker puts these functions in front of Linux's own: --wrap.)
 */
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/mutex.h>
#include <linux/printk.h>

#define ZSTD_ORDER	10		/* 4 MB: the largest workspace */

int __real_btrfs_init_compress(void);
int __wrap_btrfs_init_compress(void);
void __real_btrfs_exit_compress(void);
void __wrap_btrfs_exit_compress(void);
/* Its third argument has gone in one of the 6.12.x. */
int __real_open_ctree(void *sb, void *devices, void *options);
int __wrap_open_ctree(void *sb, void *devices, void *options);

static DEFINE_MUTEX(compress_lock);
static bool can_compress;

int __init __wrap_btrfs_init_compress(void)
{
	return 0;
}

void __wrap_btrfs_exit_compress(void)
{
	if (can_compress)
		__real_btrfs_exit_compress();
}

static int __ref init_compress(void)
{
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_NOWARN, ZSTD_ORDER);

	if (!page) {
		pr_err("rump: btrfs: no block of %lu MB is free for compression: more memory is wanted\n",
		       (PAGE_SIZE << ZSTD_ORDER) >> 20);
		return -ENOMEM;
	}
	__free_pages(page, ZSTD_ORDER);
	return __real_btrfs_init_compress();
}

/* Part of a mount. */
int __wrap_open_ctree(void *sb, void *devices, void *options)
{
	int r = 0;

	mutex_lock(&compress_lock);
	if (!can_compress)
		r = init_compress();
	can_compress = !r;
	mutex_unlock(&compress_lock);
	return r ?: __real_open_ctree(sb, devices, options);
}
