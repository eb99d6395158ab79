// SPDX-License-Identifier: GPL-2.0-only
/*
 * ticker.c - the clock of a vCPU that is in one long call.
 *
 * Whoever carries a vCPU looks at no clock: interrupts are taken where Linux enables them,
 * but somebody must have posted them.  For a vCPU that nobody carries that is its helper or
 * its keeper (vcpu.c); while one is carried, which can be by its helper, it is this thread.
 * Without it, a call that reclaims memory or walks a large directory would see neither
 * jiffies nor need_resched, and what it waits for would never be run.
 *
 * It looks each tick, or sooner if a deadline is nearer, and sleeps when it has found
 * nobody at work QUIET times.  It is woken by whoever leaves the idle task, or sets its vCPU's
 * clock: a vCPU whose clock was set earlier has its helper to ring it once.
 */
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <rump/rumpuser.h>
#include "rump.h"

#define LOOK_MAX_NS	TICK_NSEC
#define LOOK_MIN_NS	(TICK_NSEC / 16)	/* however near the next deadline is */
#define QUIET		2

enum { ASLEEP, AWAKE, LEAVE };
static u32 state = LEAVE;		/* of the thread, which sleeps on it */

/* Rings the clocks that are due; is anybody at work?  *next: the nearest other deadline. */
static bool look(s64 now, s64 *next)
{
	bool busy = false;
	unsigned int i;
	s64 d;

	*next = S64_MAX;
	for (i = 0; i < rump_nvcpu; i++) {
		struct vcpu *v = &rump_vcpus[i];

		if (!(READ_ONCE(v->state) & VCPU_BUSY))
			continue;
		busy = true;
		d = READ_ONCE(v->deadline);
		if (d > now)
			*next = min(*next, d);
		else if (arch_try_cmpxchg(&v->deadline, &d, S64_MAX))
			rump_irq_post(i, RUMP_IRQ_TIMER);
	}
	return busy;
}

static void tick(void *unused)
{
	unsigned int quiet = 0;
	s64 now, next;

	while (READ_ONCE(state) != LEAVE) {
		now = rumpuser_clock_mono();
		quiet = look(now, &next) ? 0 : quiet + 1;
		if (quiet < QUIET) {
			next = clamp(next, now + LOOK_MIN_NS, now + LOOK_MAX_NS);
			rumpuser_wait(&state, AWAKE, next, 0);
			continue;
		}
		(void)arch_cmpxchg(&state, AWAKE, ASLEEP);
		/* who is at work by now may have seen us awake */
		if (!look(now, &next))
			rumpuser_wait(&state, ASLEEP, RUMPUSER_FOREVER, 0);
		(void)arch_cmpxchg(&state, ASLEEP, AWAKE);
		quiet = 0;
	}
}

/* By the carrier of a vCPU. */
void rump_ticker_wake(void)
{
	if (unlikely(READ_ONCE(state) == ASLEEP) &&
	    arch_cmpxchg(&state, ASLEEP, AWAKE) == ASLEEP)
		rumpuser_wake(&state);
}

/* A new thread, also in a process that has got the kernel from another one. */
int rump_ticker_start(void)
{
	WRITE_ONCE(state, AWAKE);
	return rumpuser_thread_create(tick, NULL, "rump-cpu-clock");
}

/* The kernel is another process's now. */
void rump_ticker_leave(void)
{
	WRITE_ONCE(state, LEAVE);
	rumpuser_wake(&state);
}
