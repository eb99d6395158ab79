/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_RUMP_CURRENT_H
#define _ASM_RUMP_CURRENT_H

#ifndef __ASSEMBLY__
#include <asm/tls.h>

struct task_struct;

/* Constant as long as one task's code runs, so the compiler may keep it. */
static __always_inline struct task_struct *get_current(void)
{
	struct task_struct *t;

	asm(RUMP_TLS_OFFSET(%0)
	    "movq %%fs:(%0), %0\n\t"
	    "movq (%0), %0" : "=r" (t));
	return t;
}

#define current get_current()
#endif

#endif
