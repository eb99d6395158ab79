/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ukfs.h - what the parts of libukfs share.
 */
#ifndef UKFS_UKFS_H
#define UKFS_UKFS_H

#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>

#include <rump/rump.h>
#include <rump/ukfs.h>

/* A system call of the rump kernel: integers or pointers, the rest 0; or -errno. */
#define call(...)	call_pick(__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define call_pick(nr, a, b, c, d, e, ...)	\
	rump_syscall(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)

/* One line on stderr, "rump: " in front; the result is error. */
int ukfs_say(int error, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Like openat2(2) below the image's root, which no name leads out of. */
int ukfs_walk(struct ukfs *fs, const char *path, int flags, mode_t mode);

/* The image, for messages. */
const char *ukfs_name(const struct ukfs *fs);

#endif
