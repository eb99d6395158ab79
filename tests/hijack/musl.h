/* SPDX-License-Identifier: BSD-2-Clause */
/* musl.h - what the programs h_* use of GNU libc, for where it is another one. */
#ifndef TESTS_HIJACK_MUSL_H
#define TESTS_HIJACK_MUSL_H

#ifndef __GLIBC__
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* In musl since 1.2.5. */
#define preadv2(fd, v, n, at, flags)	syscall(SYS_preadv2, fd, v, n, (off_t)(at), 0, flags)
#define pwritev2(fd, v, n, at, flags)	syscall(SYS_pwritev2, fd, v, n, (off_t)(at), 0, flags)

static inline void closefrom(int fd)
{
	syscall(SYS_close_range, fd, ~0U, 0);
}

/* These are few. */
#define posix_spawn_file_actions_addclosefrom_np(fa, from)			\
	do {									\
		for (int fd_ = (from); fd_ < (from) + 16; fd_++)		\
			posix_spawn_file_actions_addclose(fa, fd_);		\
	} while (0)
#endif

#endif
