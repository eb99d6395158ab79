/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lock.h - a sleeping lock on a hypercall: librump.so asks its host for nothing
 * but what is in <rump/rumpuser.h>.
 */
#ifndef RUMPLIB_LOCK_H
#define RUMPLIB_LOCK_H

#include <rump/rumpuser.h>

struct lock {
	uint32_t state;		/* 0: free, 1: held, 2: held and somebody may wait */
};

static inline void lock_take(struct lock *l)
{
	uint32_t free = 0;

	if (__atomic_compare_exchange_n(&l->state, &free, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	while (__atomic_exchange_n(&l->state, 2, __ATOMIC_ACQUIRE))
		rumpuser_wait(&l->state, 2, RUMPUSER_FOREVER, 0);
}

static inline void lock_drop(struct lock *l)
{
	if (__atomic_exchange_n(&l->state, 0, __ATOMIC_RELEASE) == 2)
		rumpuser_wake(&l->state);
}

#endif
