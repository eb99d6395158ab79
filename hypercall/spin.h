/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spin.h - what else a thread can look at while it spins (wait.c).
 *
 * A source is asked begin when a thread starts to look, look each time around (true: it
 * has made an upcall, the thread should go on), and end when the thread stops.  Several
 * threads may be at it at once.  All are called on kernel stacks, and must be short.
 */
#ifndef HYPERCALL_SPIN_H
#define HYPERCALL_SPIN_H

#include <stdbool.h>
#include <stdint.h>

struct spin_source {
	void (*begin)(struct spin_source *s);
	bool (*look)(struct spin_source *s);
	void (*end)(struct spin_source *s);
};

/* remove returns when no thread looks at s any more.  -ENOSPC: nobody will look. */
int spin_add(struct spin_source *s);
void spin_remove(struct spin_source *s);

/* For who spins: begin returns the set of sources that look and end are for. */
uint32_t spin_begin(void);
bool spin_look(uint32_t set);
void spin_end(uint32_t set);

#endif
