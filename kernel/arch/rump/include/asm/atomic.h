/* SPDX-License-Identifier: GPL-2.0-only */
/* Locked x86-64 instructions by way of the compiler's builtins. */
#ifndef _ASM_RUMP_ATOMIC_H
#define _ASM_RUMP_ATOMIC_H

#include <linux/types.h>
#include <asm/cmpxchg.h>
#include <asm/barrier.h>

#define arch_atomic_read(v)		READ_ONCE((v)->counter)
#define arch_atomic_set(v, i)		WRITE_ONCE((v)->counter, (i))
#define arch_atomic64_read(v)		READ_ONCE((v)->counter)
#define arch_atomic64_set(v, i)		WRITE_ONCE((v)->counter, (i))

#define RUMP_ATOMIC(pfx, atype, type, op)				\
static __always_inline void pfx##_##op(type i, atype *v)		\
{									\
	(void)__atomic_fetch_##op(&v->counter, i, __ATOMIC_SEQ_CST);	\
}

#define RUMP_ATOMIC_FETCH(pfx, atype, type, op)				\
static __always_inline type pfx##_fetch_##op(type i, atype *v)		\
{									\
	return __atomic_fetch_##op(&v->counter, i, __ATOMIC_SEQ_CST);	\
}

#define RUMP_ATOMIC_RETURN(pfx, atype, type, op)			\
static __always_inline type pfx##_##op##_return(type i, atype *v)	\
{									\
	return __atomic_##op##_fetch(&v->counter, i, __ATOMIC_SEQ_CST);	\
}

#define RUMP_ATOMICS(pfx, atype, type)					\
	RUMP_ATOMIC(pfx, atype, type, add)				\
	RUMP_ATOMIC(pfx, atype, type, sub)				\
	RUMP_ATOMIC(pfx, atype, type, and)				\
	RUMP_ATOMIC(pfx, atype, type, or)				\
	RUMP_ATOMIC(pfx, atype, type, xor)				\
	RUMP_ATOMIC_FETCH(pfx, atype, type, add)			\
	RUMP_ATOMIC_FETCH(pfx, atype, type, sub)			\
	RUMP_ATOMIC_FETCH(pfx, atype, type, and)			\
	RUMP_ATOMIC_FETCH(pfx, atype, type, or)				\
	RUMP_ATOMIC_FETCH(pfx, atype, type, xor)			\
	RUMP_ATOMIC_RETURN(pfx, atype, type, add)			\
	RUMP_ATOMIC_RETURN(pfx, atype, type, sub)

RUMP_ATOMICS(arch_atomic, atomic_t, int)
RUMP_ATOMICS(arch_atomic64, atomic64_t, s64)

#define arch_atomic_fetch_add		arch_atomic_fetch_add
#define arch_atomic_fetch_sub		arch_atomic_fetch_sub
#define arch_atomic_fetch_and		arch_atomic_fetch_and
#define arch_atomic_fetch_or		arch_atomic_fetch_or
#define arch_atomic_fetch_xor		arch_atomic_fetch_xor
#define arch_atomic_add_return		arch_atomic_add_return
#define arch_atomic_sub_return		arch_atomic_sub_return
#define arch_atomic64_fetch_add		arch_atomic64_fetch_add
#define arch_atomic64_fetch_sub		arch_atomic64_fetch_sub
#define arch_atomic64_fetch_and		arch_atomic64_fetch_and
#define arch_atomic64_fetch_or		arch_atomic64_fetch_or
#define arch_atomic64_fetch_xor		arch_atomic64_fetch_xor
#define arch_atomic64_add_return	arch_atomic64_add_return
#define arch_atomic64_sub_return	arch_atomic64_sub_return

#define ATOMIC64_INIT(i)	{ (i) }

/* add, sub, inc and dec whose result is compared with zero need no cmpxchg loop */
static __always_inline bool arch_atomic_dec_and_test(atomic_t *v)
{
	return __atomic_sub_fetch(&v->counter, 1, __ATOMIC_SEQ_CST) == 0;
}
#define arch_atomic_dec_and_test arch_atomic_dec_and_test

#endif
