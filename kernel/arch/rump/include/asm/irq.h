/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_RUMP_IRQ_H
#define _ASM_RUMP_IRQ_H

#define NR_IRQS	16
#include <asm-generic/irq.h>

/* Interrupts of a vCPU: bits of vcpu->pending. */
enum rump_irq {
	RUMP_IRQ_RESCHED,
	RUMP_IRQ_CALLFUNC,
	RUMP_IRQ_TIMER,
	RUMP_IRQ_WORK,		/* irq_work */
	RUMP_IRQ_SPAWN,		/* agent.c */
	RUMP_IRQ_SP,		/* sp.c */
	RUMP_IRQ_BLK,		/* block.c */
	RUMP_IRQ_NET,		/* virtif.c */
	RUMP_IRQ_NETIF,		/* netif.c */
	RUMP_IRQ_PH,		/* placeholder.c */
	RUMP_NR_IRQ
};

/* Makes interrupt irq pending on vCPU cpu and sees that it is taken; any host thread. */
void rump_irq_post(unsigned int cpu, enum rump_irq irq);
/* fn runs in interrupt context; once, at boot. */
void rump_irq_handler(enum rump_irq irq, void (*fn)(void));

#endif
