/* SPDX-License-Identifier: GPL-2.0-only */
/* x86-64 keeps stores in order and loads in order. */
#ifndef _ASM_RUMP_BARRIER_H
#define _ASM_RUMP_BARRIER_H

#include <linux/compiler.h>

#define mb()		asm volatile("lock; addl $0, -4(%%rsp)" ::: "memory", "cc")
#define rmb()		barrier()
#define wmb()		barrier()
#define __smp_mb()	mb()
#define __smp_rmb()	barrier()
#define __smp_wmb()	barrier()
#define __smp_store_mb(var, value) do { (void)xchg(&var, value); } while (0)

#define __smp_store_release(p, v) do {					\
	compiletime_assert_atomic_type(*p);				\
	barrier();							\
	WRITE_ONCE(*p, v);						\
} while (0)

#define __smp_load_acquire(p) ({					\
	typeof(*p) ___p1 = READ_ONCE(*p);				\
	compiletime_assert_atomic_type(*p);				\
	barrier();							\
	___p1;								\
})

/* A locked instruction is a full barrier. */
#define __smp_mb__before_atomic()	barrier()
#define __smp_mb__after_atomic()	barrier()

#include <asm-generic/barrier.h>

#endif
