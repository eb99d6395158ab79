// SPDX-License-Identifier: GPL-2.0-only
/*
 * stacks.c - memory for the stacks of tasks, when it is short or in pieces.
 *
 * A stack is eight pages in a row, which a kernel without an MMU cannot map together from
 * anywhere, and nothing here moves pages to make room.  Once file systems have filled
 * memory with inodes, no such block may be left, however much is free; looking for one by
 * reclaiming takes long, is in vain, and ends with the OOM killer.  So a few stacks are put
 * by for those who have to go on: the threads by which memory becomes free, and the
 * client that looks what is wrong.  Whoever finds none fails at once.  (alloc.c knows a
 * request for a stack; the linker puts __wrap_*() in front of Linux's function.)
 */
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/thread_info.h>
#include <asm/mmu_context.h>	/* THREADINFO_GFP, as fork has it */
#include "rump.h"

#define RAM_A_STACK	(16UL << 20)	/* one is put by for so much RAM */
#define STACKS_MIN	2
#define STACKS_MAX	32

struct page *__real___alloc_pages_noprof(gfp_t gfp, unsigned int order, int nid,
					 nodemask_t *nodes);
void __real___free_pages(struct page *page, unsigned int order);
void __wrap___free_pages(struct page *page, unsigned int order);

static DEFINE_SPINLOCK(lock);
static struct page *spare[STACKS_MAX];
static unsigned int nspare, wanted;

static bool put_by(struct page *page)
{
	unsigned long flags;
	bool room;

	spin_lock_irqsave(&lock, flags);
	room = nspare < wanted;
	if (room)
		spare[nspare++] = page;
	spin_unlock_irqrestore(&lock, flags);
	return room;
}

static struct page *take(void)
{
	struct page *page = NULL;
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	if (nspare)
		page = spare[--nspare];
	spin_unlock_irqrestore(&lock, flags);
	return page;
}

static struct page *alloc_stack(gfp_t gfp)
{
	return __real___alloc_pages_noprof(gfp | __GFP_NOWARN, THREAD_SIZE_ORDER, numa_node_id(),
					   NULL);
}

bool rump_is_stack(gfp_t gfp, unsigned int order)
{
	return order == THREAD_SIZE_ORDER && (gfp & ~__GFP_NOWARN) == THREADINFO_GFP;
}

struct page *rump_stack_alloc(gfp_t gfp)
{
	struct page *page = alloc_stack(gfp & ~__GFP_DIRECT_RECLAIM);

	if (!page)
		page = take();
	return page ?: alloc_stack(gfp | __GFP_NORETRY);
}

void __wrap___free_pages(struct page *page, unsigned int order)
{
	/* nobody else has it, and it is no compound page: as fork's are */
	if (order == THREAD_SIZE_ORDER && READ_ONCE(nspare) < wanted && page_count(page) == 1 &&
	    !PageHead(page) && put_by(page))
		return;
	__real___free_pages(page, order);
}

static int __init rump_stacks_init(void)
{
	struct page *page;

	wanted = clamp(rump_ram_size / RAM_A_STACK, STACKS_MIN, STACKS_MAX);
	while (nspare < wanted && (page = alloc_pages(GFP_KERNEL, THREAD_SIZE_ORDER)))
		if (!put_by(page))
			break;
	return 0;
}
core_initcall(rump_stacks_init);
