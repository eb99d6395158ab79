/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _UAPI_ASM_RUMP_SIGCONTEXT_H
#define _UAPI_ASM_RUMP_SIGCONTEXT_H

#include <asm/ptrace.h>

/* Never delivered: signals are handed to the host (kernel/signal.c). */
struct sigcontext {
	struct pt_regs regs;
};

#endif
