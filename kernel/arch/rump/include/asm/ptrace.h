/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_RUMP_PTRACE_H
#define _ASM_RUMP_PTRACE_H

#include <uapi/asm/ptrace.h>

#ifndef __ASSEMBLY__
/* cs is 3 when the interrupted task was outside the kernel, as on x86 */
#define user_mode(regs)			(((regs)->cs & 3) == 3)
#define instruction_pointer(regs)	((regs)->rip)
#define user_stack_pointer(regs)	((regs)->rsp)
#define profile_pc(regs)		instruction_pointer(regs)
#define frame_pointer(regs)		((regs)->rbp)

static inline long regs_return_value(struct pt_regs *regs)
{
	return regs->rax;
}

static inline void instruction_pointer_set(struct pt_regs *regs, unsigned long v)
{
	regs->rip = v;
}

#endif

#endif
