// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmap.c - scattered pages in a row.
 *
 * A kernel without an MMU has no vmap() and vm_map_ram(): they are BUG().  XFS needs them to
 * read buffers of several pages, so to recover its log after a crash; io_uring and erofs,
 * too.  Here RAM is a mapping of the host's, and so is a second one of the same pages.  (The
 * linker puts these in front of the functions of mm/nommu.c: --wrap.)
 *
 * Limit: vmap() of pages that vunmap() is to free (VM_MAP_PUT_PAGES) fails.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>
#include <rump/rumpuser.h>

void *__wrap_vm_map_ram(struct page **pages, unsigned int count, int node);
void __wrap_vm_unmap_ram(const void *mem, unsigned int count);
void *__wrap_vmap(struct page **pages, unsigned int count, unsigned long flags, pgprot_t prot);
void __wrap_vunmap(const void *addr);

static DEFINE_XARRAY(sizes);		/* pages of each vmap(), by its address */

void *__wrap_vm_map_ram(struct page **pages, unsigned int count, int node)
{
	u64 *offsets = kvmalloc_array(count, sizeof(*offsets), GFP_KERNEL);
	void *va = NULL;
	unsigned int i;

	if (!offsets)
		return NULL;
	for (i = 0; i < count; i++)
		offsets[i] = page_to_phys(pages[i]);
	if (rumpuser_ram_map(offsets, count, &va))
		va = NULL;
	kvfree(offsets);
	return va;
}

void __wrap_vm_unmap_ram(const void *mem, unsigned int count)
{
	rumpuser_ram_unmap((void *)mem, count);
}

void *__wrap_vmap(struct page **pages, unsigned int count, unsigned long flags, pgprot_t prot)
{
	void *va;

	if (flags & VM_MAP_PUT_PAGES)
		return NULL;
	va = __wrap_vm_map_ram(pages, count, NUMA_NO_NODE);
	if (va && xa_err(xa_store(&sizes, (unsigned long)va >> PAGE_SHIFT, xa_mk_value(count),
				  GFP_KERNEL))) {
		rumpuser_ram_unmap(va, count);
		return NULL;
	}
	return va;
}

void __wrap_vunmap(const void *addr)
{
	void *count = addr ? xa_erase(&sizes, (unsigned long)addr >> PAGE_SHIFT) : NULL;

	if (count)
		rumpuser_ram_unmap((void *)addr, xa_to_value(count));
}
