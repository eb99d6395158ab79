/* SPDX-License-Identifier: GPL-2.0-only */
/* The host's (x86-64) layout: sigaction has a restorer. */
#ifndef _UAPI_ASM_RUMP_SIGNAL_H
#define _UAPI_ASM_RUMP_SIGNAL_H

#define SA_RESTORER	0x04000000
#include <asm-generic/signal.h>

#endif
