// SPDX-License-Identifier: GPL-2.0-only
/*
 * trim.c - what booting has touched of the library's text is given back to the host's page
 * cache, as a kernel frees its init sections; what runs is mapped again by its next use.
 */
#include "trim.h"

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

static bool holds(const struct dl_phdr_info *info, const ElfW(Phdr) *ph, ElfW(Addr) addr)
{
	return addr - (info->dlpi_addr + ph->p_vaddr) < ph->p_memsz;
}

/* The text that we are in ourselves; it is never written, so nothing is lost. */
static int trim_own_text(struct dl_phdr_info *info, size_t size, void *arg)
{
	ElfW(Addr) page = sysconf(_SC_PAGESIZE), self = (ElfW(Addr))arg;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		ElfW(Addr) start = info->dlpi_addr + ph->p_vaddr, end = start + ph->p_filesz;

		if (ph->p_type != PT_LOAD || (ph->p_flags & PF_W) || !holds(info, ph, self))
			continue;
		start = (start + page - 1) & -page;
		madvise((void *)start, (end & -page) - start, MADV_DONTNEED);
		return 1;
	}
	return 0;
}

void rump_trim(void)
{
	dl_iterate_phdr(trim_own_text, (void *)rump_trim);
}
