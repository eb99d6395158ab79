/* SPDX-License-Identifier: GPL-2.0-only */
/* Interrupts are taken where they are enabled, and nowhere else. */
#ifndef _ASM_RUMP_IRQFLAGS_H
#define _ASM_RUMP_IRQFLAGS_H

#include <asm/vcpu.h>

#define ARCH_IRQ_DISABLED	0
#define ARCH_IRQ_ENABLED	1

static __always_inline unsigned long arch_local_save_flags(void)
{
	unsigned long f = this_vcpu()->irqs_on;

	barrier();
	return f;
}

static __always_inline void arch_local_irq_restore(unsigned long flags)
{
	struct vcpu *v = this_vcpu();

	barrier();
	v->irqs_on = flags;
	barrier();
	if (flags && unlikely(READ_ONCE(v->state) & VCPU_PEND))
		rump_irq_run();
}
#define arch_local_irq_restore arch_local_irq_restore

#include <asm-generic/irqflags.h>

#endif
