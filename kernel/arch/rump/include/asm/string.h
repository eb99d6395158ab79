/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * These are the host's libc's, found when librump.so is loaded: it knows the
 * machine.  Everything else of lib/string.c is the kernel's own.
 */
#ifndef _ASM_RUMP_STRING_H
#define _ASM_RUMP_STRING_H

#define __HAVE_ARCH_MEMCPY
#define __HAVE_ARCH_MEMMOVE
#define __HAVE_ARCH_MEMSET
#define __HAVE_ARCH_MEMCMP
#define __HAVE_ARCH_MEMCHR
#define __HAVE_ARCH_STRLEN
#define __HAVE_ARCH_STRNLEN

#pragma GCC visibility push(default)
void *memcpy(void *, const void *, __kernel_size_t);
void *memmove(void *, const void *, __kernel_size_t);
void *memset(void *, int, __kernel_size_t);
int memcmp(const void *, const void *, __kernel_size_t);
void *memchr(const void *, int, __kernel_size_t);
__kernel_size_t strlen(const char *);
__kernel_size_t strnlen(const char *, __kernel_size_t);
#pragma GCC visibility pop

#endif
