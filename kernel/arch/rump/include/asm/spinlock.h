/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Test-and-set, not tickets: the carrier of the next in line may not be
 * running on the host, and then everybody behind it would wait for it.
 */
#ifndef _ASM_RUMP_SPINLOCK_H
#define _ASM_RUMP_SPINLOCK_H

#include <asm/barrier.h>
#include <asm/cmpxchg.h>
#include <asm/processor.h>

static __always_inline int arch_spin_is_locked(arch_spinlock_t *l)
{
	return READ_ONCE(l->locked) != 0;
}

static __always_inline int arch_spin_value_unlocked(arch_spinlock_t l)
{
	return l.locked == 0;
}

static __always_inline int arch_spin_is_contended(arch_spinlock_t *l)
{
	return 0;
}

static __always_inline int arch_spin_trylock(arch_spinlock_t *l)
{
	return !READ_ONCE(l->locked) && arch_xchg(&l->locked, 1) == 0;
}

static __always_inline void arch_spin_lock(arch_spinlock_t *l)
{
	while (unlikely(arch_xchg(&l->locked, 1)))
		rump_spin_wait(&l->locked);
}

static __always_inline void arch_spin_unlock(arch_spinlock_t *l)
{
	smp_store_release(&l->locked, 0);
}

#include <asm/qrwlock.h>

#endif
