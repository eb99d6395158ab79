/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * code.c - memory for the kernel's modules.
 *
 * It has to lie near librump.so: the host is asked for one place after the other, ever
 * farther away.  Each area has a megabyte for itself, of addresses only.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

#include "hostcall.h"
#include "internal.h"

#define STEP		(1UL << 20)
#define REACH		((2UL << 30) - (256UL << 20))	/* librump.so itself has a size */

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE	0x100000
#endif

static long map_at(uintptr_t addr, size_t size)
{
	long ret = host(SYS_mmap, addr, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (!host_failed(ret) && (uintptr_t)ret != addr) {	/* a host that knows no NOREPLACE */
		host(SYS_munmap, ret, size);
		return -EEXIST;
	}
	return ret;
}

int rumpuser_code_alloc(const void *near, size_t size, void **p)
{
	uintptr_t from = (uintptr_t)near & ~(STEP - 1), distance;
	long ret;

	if (size == 0 || size > REACH)
		return -ENOMEM;
	for (distance = STEP; distance + size < REACH; distance += STEP) {
		ret = from > distance ? map_at(from - distance, size) : -ENOMEM;
		if (ret == -EEXIST)
			ret = map_at(from + distance, size);
		if (!host_failed(ret)) {
			*p = (void *)ret;
			return 0;
		}
		if (ret != -EEXIST)
			break;
	}
	return -ENOMEM;
}

int rumpuser_code_seal(void *p, size_t size)
{
	return host(SYS_mprotect, p, size, PROT_READ | PROT_EXEC);
}

void rumpuser_code_free(void *p, size_t size)
{
	host(SYS_munmap, p, size);
}
