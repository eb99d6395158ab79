/* SPDX-License-Identifier: GPL-2.0-only */
/* Seeds come from the host, so that the generator is ready at once. */
#ifndef _ASM_RUMP_ARCHRANDOM_H
#define _ASM_RUMP_ARCHRANDOM_H

#include <linux/types.h>

size_t rump_random_seed(unsigned long *v, size_t max);

static inline size_t __must_check arch_get_random_longs(unsigned long *v, size_t max)
{
	return 0;
}

static inline size_t __must_check arch_get_random_seed_longs(unsigned long *v, size_t max)
{
	return rump_random_seed(v, max);
}

#endif
