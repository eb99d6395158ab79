/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "hostcall.h"
#include "spin.h"

#define SOURCES	32	/* bits of a set */

static struct {
	_Atomic(struct spin_source *) source;
	atomic_uint users;
} slots[SOURCES];
static atomic_uint used;		/* bits of slots that have a source */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int spin_add(struct spin_source *s)
{
	uint32_t free;
	int i;

	pthread_mutex_lock(&lock);
	free = ~atomic_load(&used);
	if (free) {
		i = __builtin_ctz(free);
		atomic_store(&slots[i].source, s);
		atomic_fetch_or(&used, 1U << i);
	}
	pthread_mutex_unlock(&lock);
	return free ? 0 : -ENOSPC;
}

void spin_remove(struct spin_source *s)
{
	int i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < SOURCES; i++) {
		if (atomic_load(&slots[i].source) != s)
			continue;
		atomic_store(&slots[i].source, NULL);
		while (atomic_load(&slots[i].users))
			host(SYS_sched_yield, 0);
		atomic_fetch_and(&used, ~(1U << i));
	}
	pthread_mutex_unlock(&lock);
}

uint32_t spin_begin(void)
{
	uint32_t bits = atomic_load_explicit(&used, memory_order_relaxed), set = 0;
	struct spin_source *s;
	int i;

	for (; bits; bits &= bits - 1) {
		i = __builtin_ctz(bits);
		atomic_fetch_add(&slots[i].users, 1);
		s = atomic_load(&slots[i].source);
		if (s) {
			s->begin(s);
			set |= 1U << i;
		} else {
			atomic_fetch_sub(&slots[i].users, 1);
		}
	}
	return set;
}

/* A source that we are a user of may be leaving, but is there until we end. */
bool spin_look(uint32_t set)
{
	struct spin_source *s;
	bool seen = false;

	for (; set; set &= set - 1) {
		s = atomic_load_explicit(&slots[__builtin_ctz(set)].source, memory_order_acquire);
		seen |= s && s->look(s);
	}
	return seen;
}

void spin_end(uint32_t set)
{
	struct spin_source *s;
	int i;

	for (; set; set &= set - 1) {
		i = __builtin_ctz(set);
		s = atomic_load(&slots[i].source);
		if (s)
			s->end(s);
		atomic_fetch_sub(&slots[i].users, 1);
	}
}
