/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_RUMP_MMU_CONTEXT_H
#define _ASM_RUMP_MMU_CONTEXT_H

struct task_struct;

void rump_exit_begins(struct task_struct *t);
#define deactivate_mm(tsk, mm)	rump_exit_begins(tsk)

#include <asm-generic/nommu_context.h>

#endif
