/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sysargs.h - how the rows of <rump/syscalls.def> look as data.
 *
 * A user of the table defines S(name, ret, how, ...) and includes the rows:
 *
 *	static const struct rump_sysrow rows[RUMP_NSYSROWS] = {
 *	#define S(name, ret, how, ...) [SYS_##name] = RUMP_SYSROW(ret, __VA_ARGS__),
 *	#include <rump/syscalls.def>
 *	};
 *
 * A row that is all zeroes describes nothing: such a call belongs to the host
 * for the preload library, and is marshalled by copyin for the client.
 * A NULL pointer is allowed wherever the row has one, and then has no buffer.
 */
#ifndef RUMP_SYSARGS_H
#define RUMP_SYSARGS_H

#include <stdint.h>
#include <sys/syscall.h>

/* younger than Debian 12's headers, or musl's */
#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd	443
#endif
#ifndef SYS_cachestat
#define SYS_cachestat	451
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2	452
#endif

#define RUMP_NSYSROWS	512	/* all system call numbers of x86-64 are below */

/* What one argument is. */
enum rump_argkind {
	RUMP_A_VAL,		/* a plain value, or no argument */
	RUMP_A_FD,		/* a descriptor */
	RUMP_A_DIR,		/* a directory's descriptor or AT_FDCWD; a path follows */
	RUMP_A_PATH,		/* path name, NUL-terminated */
	RUMP_A_STR,		/* another string, NUL-terminated */
	RUMP_A_IN,		/* memory that the kernel reads; length as below */
	RUMP_A_OUT,		/* memory that the kernel writes */
	RUMP_A_INOUT,		/* both */
	RUMP_A_IOV_IN,		/* array of struct iovec whose memory the kernel reads */
	RUMP_A_IOV_OUT,		/* ... writes */
	RUMP_A_MSG_IN,		/* struct msghdr of a sendmsg(2) */
	RUMP_A_MSG_OUT,		/* ... of a recvmsg(2) */
	RUMP_A_MMSG_IN,		/* array of struct mmsghdr */
	RUMP_A_MMSG_OUT,
	RUMP_A_PTR,		/* a pointer to something that is not described */
};

/* Where the length of an argument's memory is found. */
enum rump_arglen {
	RUMP_L_FIXED,		/* size bytes */
	RUMP_L_ARG,		/* argument arg, in elements of size bytes */
	RUMP_L_ARGP,		/* the uint32_t at which argument arg points, as bytes (value-result) */
	RUMP_L_BITS,		/* argument arg counts bits, stored in whole 64-bit words */
};

/* The same place of a path: is a symbolic link at its end followed? */
enum rump_argpath {
	RUMP_P_FOLLOW,		/* yes */
	RUMP_P_LINK,		/* no, but with a slash behind it yes */
	RUMP_P_NAME,		/* never: the name itself is made, moved or removed */
	RUMP_P_UNLESS,		/* no if bit number size of argument arg is set, else yes */
	RUMP_P_IF,		/* the other way round */
};

struct rump_sysarg {
	uint8_t kind;		/* enum rump_argkind */
	uint8_t lenkind;	/* enum rump_arglen; of a path enum rump_argpath */
	uint8_t arg;		/* index of the argument that has the length, or the flag */
	uint8_t nullok;		/* spare, 0 */
	uint16_t size;		/* bytes, of one element; of a path a bit's number */
};

/* What the result is. */
enum rump_sysret {
	RUMP_R_NONE,		/* no such row */
	RUMP_R_VAL,		/* a value; OUT memory is written whole or not at all */
	RUMP_R_LEN,		/* the bytes that were written to the variable OUT memory */
	RUMP_R_CNT,		/* the elements that were written to it */
	RUMP_R_FD,		/* a new descriptor */
};

struct rump_sysrow {
	uint8_t ret;		/* enum rump_sysret */
	struct rump_sysarg a[6];
};

#define RUMP_SYSROW(ret_, ...) { .ret = ret_, .a = { __VA_ARGS__ } }
#endif
