// SPDX-License-Identifier: GPL-2.0-only
/*
 * alloc.c - what is different about who asks for pages, in front of mm/page_alloc.c, where
 * the linker puts these functions: --wrap.
 *
 * Without an MMU Linux gives *all* of its reserves to whom it has marked as starving, as
 * memory.c marks calls, so that they fail.  The few pages that are the last would go to
 * calls that fail for the want of the next one, and nothing be left for the threads that
 * write files, by which memory becomes free.  So a call gets none of them, but for what
 * cannot fail and for what it needs to free memory.
 *
 * A table of boot that could be smaller is no larger than a small part of RAM.  SCTP's is
 * 1 MB where there are less than 16 MB, by a shift that ends at 0 there.
 */
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include "rump.h"

#define TABLE_PART	256		/* of RAM */

struct page *__real___alloc_pages_noprof(gfp_t gfp, unsigned int order, int nid,
					 nodemask_t *nodes);
struct page *__wrap___alloc_pages_noprof(gfp_t gfp, unsigned int order, int nid,
					 nodemask_t *nodes);
struct folio *__real___folio_alloc_noprof(gfp_t gfp, unsigned int order, int nid,
					  nodemask_t *nodes);
struct folio *__wrap___folio_alloc_noprof(gfp_t gfp, unsigned int order, int nid,
					  nodemask_t *nodes);
unsigned long __real_get_free_pages_noprof(gfp_t gfp, unsigned int order);
unsigned long __wrap_get_free_pages_noprof(gfp_t gfp, unsigned int order);

static gfp_t no_reserves(gfp_t gfp)
{
	if (current->thread.proc && !(current->flags & PF_MEMALLOC) && !(gfp & __GFP_NOFAIL))
		gfp |= __GFP_NOMEMALLOC;
	return gfp;
}

struct page *__wrap___alloc_pages_noprof(gfp_t gfp, unsigned int order, int nid,
					 nodemask_t *nodes)
{
	if (unlikely(rump_is_stack(gfp, order)))
		return rump_stack_alloc(gfp);
	return __real___alloc_pages_noprof(no_reserves(gfp), order, nid, nodes);
}

/* One of the page cache. */
struct folio *__wrap___folio_alloc_noprof(gfp_t gfp, unsigned int order, int nid,
					  nodemask_t *nodes)
{
	return __real___folio_alloc_noprof(no_reserves(gfp), order, nid, nodes);
}

/* A table, which gets smaller until there is one. */
unsigned long __wrap_get_free_pages_noprof(gfp_t gfp, unsigned int order)
{
	if (unlikely(system_state < SYSTEM_RUNNING) && order && (gfp & __GFP_NOWARN) &&
	    PAGE_SIZE << order > rump_ram_size / TABLE_PART)
		return 0;
	return __real_get_free_pages_noprof(no_reserves(gfp), order);
}
