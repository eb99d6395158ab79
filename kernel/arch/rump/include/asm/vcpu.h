/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A vCPU is a Linux CPU of the rump kernel.  The host thread that runs it at
 * this moment is its carrier; the carrier's thread-local rump_tls_vcpu points
 * here.  See kernel/vcpu.c for the theory of operation.
 */
#ifndef _ASM_RUMP_VCPU_H
#define _ASM_RUMP_VCPU_H

/* bits of vcpu->state */
#define VCPU_BUSY	1u	/* somebody carries it */
#define VCPU_PEND	2u	/* vcpu->pending or ->wakers may hold something */

#ifndef __ASSEMBLY__
#include <linux/compiler.h>
#include <linux/types.h>
#include <asm/tls.h>

struct task_struct;
struct rump_host;

struct vcpu {
	/* read by every `current' and per-CPU access: keep first */
	struct task_struct	*curr;
	unsigned long		pcpu_off;
	unsigned int		cpu;
	u32			irqs_on;	/* local interrupts enabled */
	u32			state;		/* VCPU_* (atomic) */
	/* posted by anybody, taken by the carrier */
	unsigned long		pending;	/* bit n: interrupt n (RUMP_IRQ_*) */
	struct rump_host	*wakers;	/* host threads that want in (a stack) */
	/* written by the carrier */
	struct task_struct	*idle;
	struct task_struct	*prev;		/* of the switch under way */
	s64			deadline;	/* of the clock event device, ns */
	s64			helper_until;	/* when the helper looks again, ns */
	struct rump_host	*helper;	/* its thread; NULL: not up yet */
	struct rump_host	*keeper;	/* watches its clock, if it still waits */
	u64			entries;	/* calls begun, for the tick */
	u64			entries_at_tick;
} __attribute__((aligned(64)));

extern struct vcpu rump_vcpus[];

/* Not to be cached over anything that can switch: a stack moves between host threads. */
static __always_inline struct vcpu *this_vcpu(void)
{
	struct vcpu *v;

	asm volatile(RUMP_TLS_OFFSET(%0)
		     "movq %%fs:(%0), %0" : "=r" (v));
	return v;
}

void rump_irq_run(void);

#endif
#endif
