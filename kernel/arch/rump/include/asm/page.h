/* SPDX-License-Identifier: GPL-2.0-only */
/* "Physical" memory starts at 0 and lies at rump_ram_base in the process. */
#ifndef _ASM_RUMP_PAGE_H
#define _ASM_RUMP_PAGE_H

#include <linux/const.h>

#define PAGE_SHIFT	12
#define PAGE_SIZE	(_AC(1, UL) << PAGE_SHIFT)
#define PAGE_MASK	(~(PAGE_SIZE - 1))

#ifndef __ASSEMBLY__
#include <linux/types.h>
#include <linux/string.h>

extern unsigned long rump_ram_base, rump_ram_size;

#define PAGE_OFFSET	rump_ram_base

typedef struct { unsigned long pte; } pte_t;
typedef struct { unsigned long pmd; } pmd_t;
typedef struct { unsigned long pgd; } pgd_t;
typedef struct { unsigned long pgprot; } pgprot_t;
typedef struct page *pgtable_t;

#define pte_val(x)	((x).pte)
#define pmd_val(x)	((x).pmd)
#define pgd_val(x)	((x).pgd)
#define pgprot_val(x)	((x).pgprot)
#define __pte(x)	((pte_t) { (x) })
#define __pmd(x)	((pmd_t) { (x) })
#define __pgd(x)	((pgd_t) { (x) })
#define __pgprot(x)	((pgprot_t) { (x) })

#define clear_page(page)			memset((page), 0, PAGE_SIZE)
#define copy_page(to, from)			memcpy((to), (from), PAGE_SIZE)
#define clear_user_page(page, vaddr, pg)	clear_page(page)
#define copy_user_page(to, from, vaddr, pg)	copy_page(to, from)

#define __pa(x)		((unsigned long)(x) - rump_ram_base)
#define __va(x)		((void *)((unsigned long)(x) + rump_ram_base))

static inline unsigned long virt_to_pfn(const void *kaddr)
{
	return __pa(kaddr) >> PAGE_SHIFT;
}

static inline void *pfn_to_virt(unsigned long pfn)
{
	return __va(pfn << PAGE_SHIFT);
}

#define virt_to_page(x)		pfn_to_page(virt_to_pfn(x))
#define page_to_phys(p)		((phys_addr_t)page_to_pfn(p) << PAGE_SHIFT)
#define page_to_virt(p)		pfn_to_virt(page_to_pfn(p))
#define virt_addr_valid(x)	(__pa(x) < rump_ram_size)

#endif

#include <asm-generic/memory_model.h>
#include <asm-generic/getorder.h>

#endif
