/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User memory is the process's own memory, reached by one routine that a bad
 * address cannot hurt (uaccess.S), or, for a sysproxy client, the memory of
 * another process, reached through sp.c.
 */
#ifndef _ASM_RUMP_UACCESS_H
#define _ASM_RUMP_UACCESS_H

#include <linux/string.h>
#include <asm/current.h>

unsigned long rump_copy_from_user(void *to, const void __user *from, unsigned long n);
unsigned long rump_copy_to_user(void __user *to, const void *from, unsigned long n);
unsigned long rump_clear_user(void __user *to, unsigned long n);
/* of this process, whoever current is; bytes that were not copied */
unsigned long rump_copy_nofault(void *to, const void *from, unsigned long n);

static __always_inline unsigned long
raw_copy_from_user(void *to, const void __user *from, unsigned long n)
{
	return rump_copy_from_user(to, from, n);
}

static __always_inline unsigned long
raw_copy_to_user(void __user *to, const void *from, unsigned long n)
{
	return rump_copy_to_user(to, from, n);
}

#define __clear_user	rump_clear_user

#define __get_kernel_nofault(dst, src, type, label) do {		\
	if (rump_copy_nofault((dst), (src), sizeof(type)))		\
		goto label;						\
} while (0)

#define __put_kernel_nofault(dst, src, type, label) do {		\
	if (rump_copy_nofault((dst), (src), sizeof(type)))		\
		goto label;						\
} while (0)

#include <asm-generic/uaccess.h>

#endif
