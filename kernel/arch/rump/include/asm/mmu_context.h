/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_RUMP_MMU_CONTEXT_H
#define _ASM_RUMP_MMU_CONTEXT_H

struct task_struct;

void rump_exit_begins(struct task_struct *t);
#define deactivate_mm(tsk, mm)	rump_exit_begins(tsk)

/*
 * Linux zeroes a new task's stack, lest an old one's words are read there.  Here this would be
 * 32 KB to write and to have for each thread, most of which never touch more than two pages.
 * (kernel/fork.c, the only user beside arch/rump/kernel/stacks.c, includes this file after the
 * definition.)
 */
#include <linux/thread_info.h>
#undef THREADINFO_GFP
#define THREADINFO_GFP	GFP_KERNEL_ACCOUNT

#include <asm-generic/nommu_context.h>

#endif
