/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hostcall.h - the host's system calls by inline instructions.
 *
 * librumpuser also runs in programs whose libc functions a preload library has
 * replaced: a libc read() there may be meant for the rump kernel.  Whatever
 * takes a descriptor, a path or a signal therefore goes straight to the host.
 * Results are the kernel's: a value, or a negative errno; errno is not touched.
 */
#ifndef HYPERCALL_HOSTCALL_H
#define HYPERCALL_HOSTCALL_H

#include <stdint.h>
#include <sys/syscall.h>

/* younger than some headers */
#ifndef SYS_futex_waitv
#define SYS_futex_waitv	449
#endif

static inline long host_call6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
		: "=a"(ret)
		: "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
		: "rcx", "r11", "memory");
	return ret;
}

static inline long host_call3(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall"
		: "=a"(ret)
		: "a"(nr), "D"(a), "S"(b), "d"(c)
		: "rcx", "r11", "memory");
	return ret;
}

/* host(nr, ...): up to six arguments, each an integer or a pointer. */
#define host_pick(_1, _2, _3, _4, _5, _6, name, ...)	name
#define host(nr, ...)	\
	host_pick(__VA_ARGS__, host_6, host_5, host_4, host_3, host_2, host_1, )(nr, __VA_ARGS__)
#define host_1(n, a)			host_call3(n, (long)(a), 0, 0)
#define host_2(n, a, b)			host_call3(n, (long)(a), (long)(b), 0)
#define host_3(n, a, b, c)		host_call3(n, (long)(a), (long)(b), (long)(c))
#define host_4(n, a, b, c, d)		host_6(n, a, b, c, d, 0, 0)
#define host_5(n, a, b, c, d, e)	host_6(n, a, b, c, d, e, 0)
#define host_6(n, a, b, c, d, e, f)	\
	host_call6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* 1 if a raw mmap(2) or similar result is an error. */
static inline int host_failed(long ret)
{
	return (unsigned long)ret >= -4095UL;
}

#endif
