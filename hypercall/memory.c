/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory.c - the kernel's RAM.
 *
 * RAM is a shared mapping of a memfd whose descriptor is closed at once: a
 * program that closes all descriptors cannot take it away.  Shared, because a
 * further mapping of the same pages (the kernel's vmap) is then one mremap(2)
 * with an old size of 0, which leaves the first mapping in place.
 *
 * It lies at a low address, because the kernel keeps tables from address 0 up to
 * the end of its RAM: 8 GB is clear of programs (linked at 4 MB or above 64 TB)
 * and of their heaps.  Huge pages are not asked for: a page that Linux frees
 * could not be given back to the host singly.
 *
 * One RAM a process: the offsets of rumpuser_ram_map() count from it.
 *
 * A page of RAM can be made one of another file (mapfile.c), and RAM's own again, by a
 * second mapping of all RAM, the spare, from which it is copied in the same way.  If that
 * file becomes shorter, the page is RAM's again at the next touch, and zero.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <string.h>

#include "hostcall.h"
#include "internal.h"

#define PAGE		4096UL
#define ALIGN		(4UL << 20)
#define LOW		(8UL << 30)
#define LOW_END		(512UL << 30)

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE	0x100000
#endif

static char *ram;
static size_t ram_size;
static char *spare;			/* all of RAM once more; NULL: no page was ever replaced */
static _Atomic uint64_t *replaced;	/* a bit for each page */

/* Further mappings of RAM, for ram_inherit(); MAPS_MAX is not reached by what Linux does. */
#define MAPS_MAX	4096
static struct map {
	void *va;
	size_t len;
} maps[MAPS_MAX];
static unsigned int nmaps;
static pthread_mutex_t maps_lock = PTHREAD_MUTEX_INITIALIZER;

static long map_at(unsigned long addr, size_t size, int flags, int fd)
{
	return host(SYS_mmap, addr, size, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_NORESERVE | flags, fd, 0);
}

/* Anywhere, aligned: over a reservation that is larger by the alignment. */
static long map_anywhere(size_t size, int fd)
{
	unsigned long start;
	long area, ret;

	area = host(SYS_mmap, 0, size + ALIGN, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (host_failed(area))
		return area;
	start = (area + ALIGN - 1) & ~(ALIGN - 1);
	ret = map_at(start, size, MAP_FIXED, fd);
	if (host_failed(ret)) {
		host(SYS_munmap, area, size + ALIGN);
		return ret;
	}
	if (start > (unsigned long)area)
		host(SYS_munmap, area, start - area);
	host(SYS_munmap, start + size, area + ALIGN - start);
	return start;
}

static long map_ram(size_t size, int fd)
{
	unsigned long addr;
	long ret;

	for (addr = LOW; addr + size <= LOW_END; addr += LOW) {
		ret = map_at(addr, size, MAP_FIXED_NOREPLACE, fd);
		if (ret == (long)addr)
			return ret;
		if (!host_failed(ret))		/* a host that knows no NOREPLACE */
			host(SYS_munmap, ret, size);
		else if (ret != -EEXIST)
			break;
	}
	return map_anywhere(size, fd);
}

int rumpuser_ram_alloc(size_t size, void **basep)
{
	long ret;
	int fd;

	if (size == 0 || size % ALIGN)
		return -EINVAL;
	if (ram)
		return -EBUSY;
	fd = host(SYS_memfd_create, "rump-ram", MFD_CLOEXEC);
	if (fd < 0)
		return fd;
	ret = host(SYS_ftruncate, fd, size);
	if (ret == 0)
		ret = map_ram(size, fd);
	host(SYS_close, fd);
	if (host_failed(ret))
		return ret;
	host(SYS_madvise, ret, size, MADV_DONTFORK);
	ram_size = size;
	ram = (char *)ret;
	*basep = ram;
	return 0;
}

static void note_map(void *va, size_t len)
{
	pthread_mutex_lock(&maps_lock);
	if (nmaps < MAPS_MAX)
		maps[nmaps++] = (struct map){ va, len };
	pthread_mutex_unlock(&maps_lock);
}

static void forget_map(void *va)
{
	unsigned int i;

	pthread_mutex_lock(&maps_lock);
	for (i = 0; i < nmaps && maps[i].va != va; i++)
		;
	if (i < nmaps)
		maps[i] = maps[--nmaps];
	pthread_mutex_unlock(&maps_lock);
}

void ram_inherit(int yes)
{
	int advice = yes ? MADV_DOFORK : MADV_DONTFORK;
	unsigned int i;

	host(SYS_madvise, ram, ram_size, advice);
	if (spare)
		host(SYS_madvise, spare, ram_size, advice);
	for (i = 0; i < nmaps; i++)
		host(SYS_madvise, maps[i].va, maps[i].len, advice);
}

void ram_free(void)
{
	unsigned int i;

	host(SYS_munmap, ram, ram_size);
	if (spare)
		host(SYS_munmap, spare, ram_size);
	spare = NULL;
	for (i = 0; i < nmaps; i++)
		host(SYS_munmap, maps[i].va, maps[i].len);
	nmaps = 0;
}

int rumpuser_ram_map(const uint64_t *offsets, size_t npages, void **vap)
{
	size_t i, run;
	long va, ret;

	if (npages == 0 || npages > SIZE_MAX / PAGE)
		return -EINVAL;
	for (i = 0; i < npages; i++)
		if (offsets[i] % PAGE || offsets[i] >= ram_size)
			return -EINVAL;
	va = host(SYS_mmap, 0, npages * PAGE, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (host_failed(va))
		return va;
	for (i = 0; i < npages; i += run) {
		for (run = 1; i + run < npages; run++)
			if (offsets[i + run] != offsets[i] + run * PAGE)
				break;
		ret = host(SYS_mremap, ram + offsets[i], 0, run * PAGE,
		    MREMAP_MAYMOVE | MREMAP_FIXED, va + i * PAGE);
		if (host_failed(ret)) {
			host(SYS_munmap, va, npages * PAGE);
			return ret;
		}
	}
	*vap = (void *)va;
	note_map(*vap, npages * PAGE);
	return 0;
}

void rumpuser_ram_unmap(void *va, size_t npages)
{
	forget_map(va);
	host(SYS_munmap, va, npages * PAGE);
}

/* ---- pages that are another file's ------------------------------------------------ */

static size_t page_index(const void *page)
{
	return ((const char *)page - ram) / PAGE;
}

/* The bit of a page changes to yes; whether it has. */
static bool set_replaced(size_t i, bool yes)
{
	uint64_t bit = 1ULL << i % 64;

	return yes ? !(atomic_fetch_or(&replaced[i / 64], bit) & bit) :
	    (atomic_fetch_and(&replaced[i / 64], ~bit) & bit) != 0;
}

/* Before the first page is replaced: RAM must be one mapping yet. */
static long make_spare(void)
{
	long bits, va = 0;

	pthread_mutex_lock(&maps_lock);
	if (!spare) {
		bits = host(SYS_mmap, 0, ram_size / PAGE / 8, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		va = host_failed(bits) ? bits :
		    host(SYS_mremap, ram, 0, ram_size, MREMAP_MAYMOVE, 0);
		if (!host_failed(va)) {
			host(SYS_madvise, va, ram_size, MADV_DONTFORK);
			replaced = (_Atomic uint64_t *)bits;
			spare = (char *)va;
		} else if (!host_failed(bits)) {
			host(SYS_munmap, bits, ram_size / PAGE / 8);
		}
	}
	pthread_mutex_unlock(&maps_lock);
	return host_failed(va) ? va : 0;
}

int ram_replace(void *page, int fd, uint64_t off)
{
	long ret = make_spare();

	if (ret)
		return ret;
	ret = host(SYS_mmap, page, PAGE, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_FIXED | MAP_NORESERVE | MAP_POPULATE, fd, off);
	if (host_failed(ret))
		return ret;
	host(SYS_madvise, page, PAGE, MADV_DONTFORK);
	set_replaced(page_index(page), true);
	/* Its own memory is of no use meanwhile. */
	host(SYS_madvise, spare + page_index(page) * PAGE, PAGE, MADV_REMOVE);
	return 0;
}

static long bring_back(size_t i)
{
	long ret = host(SYS_mremap, spare + i * PAGE, 0, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
	    ram + i * PAGE);

	return host_failed(ret) ? ret : 0;
}

int ram_restore(void *page)
{
	size_t i = page_index(page);
	long ret;

	memcpy(spare + i * PAGE, page, PAGE);	/* the fault handler may come to help */
	ret = bring_back(i);
	if (!ret)
		set_replaced(i, false);
	return ret;
}

bool ram_has(const void *at)
{
	const char *p = at;

	return p >= ram && p < ram + ram_size;
}

bool ram_repair(const void *at)
{
	const char *p = at;
	size_t i;

	if (!spare || !ram_has(at))
		return false;
	i = page_index(p);
	return set_replaced(i, false) && bring_back(i) == 0;
}
