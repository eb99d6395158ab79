/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _UAPI_ASM_RUMP_UNISTD_H
#define _UAPI_ASM_RUMP_UNISTD_H

#include <asm/unistd_64.h>

#endif
