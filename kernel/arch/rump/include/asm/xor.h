/* SPDX-License-Identifier: GPL-2.0-only */
/* No measuring at boot: the widest of the generic ones is best on any x86-64. */
#ifndef _ASM_RUMP_XOR_H
#define _ASM_RUMP_XOR_H

#include <asm-generic/xor.h>

#define XOR_SELECT_TEMPLATE(x)	(&xor_block_32regs)

#endif
