/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _UAPI_ASM_RUMP_MMAN_H
#define _UAPI_ASM_RUMP_MMAN_H

#define MAP_32BIT	0x40
#include <asm-generic/mman.h>

#endif
