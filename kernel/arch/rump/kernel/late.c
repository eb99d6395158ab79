// SPDX-License-Identifier: GPL-2.0-only
/*
 * late.c - what Linux sets up at boot, and most kernels here never use.
 *
 * btrfs puts by a workspace for each way of compression, so that one can always be had: 5 MB
 * without an MMU, where each is one block of memory, half a megabyte of it cleared.  Here it
 * does so when the first btrfs is mounted.  Such blocks may not be there then, since nothing
 * moves pages to make room: a kernel with RAM enough has them put by, untouched, and one with
 * less fails to mount without them.  Linux would wait for a workspace, at the first
 * compressed file, for ever.
 * (The linker puts these functions in front of Linux's own: --wrap.)
 */
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include "rump.h"

#define RAM_ENOUGH	(32UL << 20)

/* The large workspaces: zstd's, 4 MB, and zlib's, 512 KB. */
static const unsigned int orders[] = { 10, 7 };
static struct page *blocks[ARRAY_SIZE(orders)];

int __real_btrfs_init_compress(void);
int __wrap_btrfs_init_compress(void);
void __real_btrfs_exit_compress(void);
void __wrap_btrfs_exit_compress(void);
/* Its third argument has gone in one of the 6.12.x. */
int __real_open_ctree(void *sb, void *devices, void *options);
int __wrap_open_ctree(void *sb, void *devices, void *options);

static DEFINE_MUTEX(compress_lock);
static bool can_compress;

/* False: not all of them are there. */
static bool put_by(void)
{
	bool all = true;

	for (int i = 0; i < ARRAY_SIZE(orders); i++) {
		if (!blocks[i])
			blocks[i] = alloc_pages(GFP_KERNEL | __GFP_NOWARN, orders[i]);
		all &= blocks[i] != NULL;
	}
	return all;
}

static void give_back(void)
{
	for (int i = 0; i < ARRAY_SIZE(orders); i++) {
		if (blocks[i])
			__free_pages(blocks[i], orders[i]);
		blocks[i] = NULL;
	}
}

int __init __wrap_btrfs_init_compress(void)
{
	if (rump_ram_size >= RAM_ENOUGH)
		put_by();
	return 0;
}

void __wrap_btrfs_exit_compress(void)
{
	if (can_compress)
		__real_btrfs_exit_compress();
}

static int __ref init_compress(void)
{
	bool there = put_by();

	give_back();
	if (there)
		return __real_btrfs_init_compress();
	pr_err("rump: btrfs: no block of %lu MB is free for compression: it wants %lu MB of RAM\n",
	       (PAGE_SIZE << orders[0]) >> 20, RAM_ENOUGH >> 20);
	return -ENOMEM;
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
