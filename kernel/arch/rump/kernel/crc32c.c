// SPDX-License-Identifier: GPL-2.0-only
/*
 * crc32c.c - the checksum of ext4's, XFS's and btrfs's metadata, by the CPU's instruction
 * for it (SSE4.2), as every kernel has it for its machine: tables were a third of what
 * making a file costs.  An instruction takes three cycles for eight bytes; where the CPU has
 * none, Linux's own function remains.
 */
#include <linux/cache.h>
#include <linux/crc32.h>
#include <linux/init.h>
#include <linux/unaligned.h>

#define CPUID_SSE42	(1u << 20)	/* of ecx, leaf 1 */

static bool has_sse42 __ro_after_init;

u32 __pure __crc32c_le(u32 crc, unsigned char const *p, size_t len)
{
	u64 c = crc;

	if (!has_sse42)
		return __crc32c_le_base(crc, p, len);
	for (; len >= 8; p += 8, len -= 8)
		asm("crc32q %1, %0" : "+r" (c) : "rm" (get_unaligned((const u64 *)p)));
	crc = c;
	for (; len; p++, len--)
		asm("crc32b %1, %0" : "+r" (crc) : "rm" (*p));
	return crc;
}

static int __init crc32c_init(void)
{
	u32 a = 1, b, c = 0, d;

	asm volatile("cpuid" : "+a" (a), "=b" (b), "+c" (c), "=d" (d));
	has_sse42 = c & CPUID_SSE42;
	return 0;
}
early_initcall(crc32c_init);
