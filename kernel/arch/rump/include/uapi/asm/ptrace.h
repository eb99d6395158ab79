/* SPDX-License-Identifier: GPL-2.0-only */
/* The host's register set, for core notes and regsets; never switched to. */
#ifndef _UAPI_ASM_RUMP_PTRACE_H
#define _UAPI_ASM_RUMP_PTRACE_H

#ifndef __ASSEMBLY__
struct pt_regs {
	unsigned long r15, r14, r13, r12, rbp, rbx;
	unsigned long r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	unsigned long orig_rax;
	unsigned long rip, cs, eflags, rsp, ss;
};
#endif

#endif
