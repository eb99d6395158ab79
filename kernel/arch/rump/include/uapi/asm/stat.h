/* SPDX-License-Identifier: GPL-2.0-only */
/* struct stat as the host's stat(2) gives it. */
#ifndef _UAPI_ASM_RUMP_STAT_H
#define _UAPI_ASM_RUMP_STAT_H

#include <linux/types.h>

#define STAT_HAVE_NSEC 1

struct stat {
	__kernel_ulong_t	st_dev;
	__kernel_ulong_t	st_ino;
	__kernel_ulong_t	st_nlink;
	unsigned int		st_mode;
	unsigned int		st_uid;
	unsigned int		st_gid;
	unsigned int		__pad0;
	__kernel_ulong_t	st_rdev;
	__kernel_long_t		st_size;
	__kernel_long_t		st_blksize;
	__kernel_long_t		st_blocks;
	__kernel_ulong_t	st_atime;
	__kernel_ulong_t	st_atime_nsec;
	__kernel_ulong_t	st_mtime;
	__kernel_ulong_t	st_mtime_nsec;
	__kernel_ulong_t	st_ctime;
	__kernel_ulong_t	st_ctime_nsec;
	__kernel_long_t		__unused[3];
};

#define INIT_STRUCT_STAT_PADDING(st) do {		\
	st.__pad0 = 0;					\
	st.__unused[0] = 0;				\
	st.__unused[1] = 0;				\
	st.__unused[2] = 0;				\
} while (0)

struct __old_kernel_stat {
	unsigned short	st_dev;
	unsigned short	st_ino;
	unsigned short	st_mode;
	unsigned short	st_nlink;
	unsigned short	st_uid;
	unsigned short	st_gid;
	unsigned short	st_rdev;
	unsigned int	st_size;
	unsigned int	st_atime;
	unsigned int	st_mtime;
	unsigned int	st_ctime;
};

#endif
