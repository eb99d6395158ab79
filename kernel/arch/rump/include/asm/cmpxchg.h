/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_RUMP_CMPXCHG_H
#define _ASM_RUMP_CMPXCHG_H

#include <linux/compiler.h>
#include <linux/types.h>

extern void __rump_bad_cmpxchg_size(void);

static __always_inline unsigned long __rump_xchg(volatile void *p, unsigned long x, int size)
{
	switch (size) {
	case 1:
		return __atomic_exchange_n((volatile u8 *)p, (u8)x, __ATOMIC_SEQ_CST);
	case 2:
		return __atomic_exchange_n((volatile u16 *)p, (u16)x, __ATOMIC_SEQ_CST);
	case 4:
		return __atomic_exchange_n((volatile u32 *)p, (u32)x, __ATOMIC_SEQ_CST);
	case 8:
		return __atomic_exchange_n((volatile u64 *)p, (u64)x, __ATOMIC_SEQ_CST);
	}
	__rump_bad_cmpxchg_size();
	return x;
}

static __always_inline unsigned long __rump_cmpxchg(volatile void *p, unsigned long o,
						    unsigned long n, int size)
{
	switch (size) {
	case 1:
		return __sync_val_compare_and_swap((volatile u8 *)p, (u8)o, (u8)n);
	case 2:
		return __sync_val_compare_and_swap((volatile u16 *)p, (u16)o, (u16)n);
	case 4:
		return __sync_val_compare_and_swap((volatile u32 *)p, (u32)o, (u32)n);
	case 8:
		return __sync_val_compare_and_swap((volatile u64 *)p, (u64)o, (u64)n);
	}
	__rump_bad_cmpxchg_size();
	return o;
}

#define arch_xchg(p, x)							\
	((__typeof__(*(p)))__rump_xchg((p), (unsigned long)(x), sizeof(*(p))))
#define arch_cmpxchg(p, o, n)						\
	((__typeof__(*(p)))__rump_cmpxchg((p), (unsigned long)(o),	\
					  (unsigned long)(n), sizeof(*(p))))
#define arch_cmpxchg_local	arch_cmpxchg
#define arch_cmpxchg64		arch_cmpxchg
#define arch_cmpxchg64_local	arch_cmpxchg

#define arch_try_cmpxchg(p, po, n) ({					\
	__typeof__(po) __po = (po);					\
	__typeof__(*(po)) __o = *__po, __r;				\
	__r = (__typeof__(*(po)))arch_cmpxchg((p), __o, (n));		\
	if (unlikely(__r != __o))					\
		*__po = __r;						\
	likely(__r == __o);						\
})
#define arch_try_cmpxchg_local	arch_try_cmpxchg
#define arch_try_cmpxchg64	arch_try_cmpxchg

#endif
