/* SPDX-License-Identifier: GPL-2.0-only */
/* The host's (x86-64) types where they differ from the generic ones. */
#ifndef _UAPI_ASM_RUMP_POSIX_TYPES_H
#define _UAPI_ASM_RUMP_POSIX_TYPES_H

typedef unsigned short	__kernel_old_uid_t;
typedef unsigned short	__kernel_old_gid_t;
#define __kernel_old_uid_t __kernel_old_uid_t

typedef unsigned long	__kernel_old_dev_t;
#define __kernel_old_dev_t __kernel_old_dev_t

#include <asm-generic/posix_types.h>

#endif
