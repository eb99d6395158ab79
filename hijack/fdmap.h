/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fdmap.h - what each descriptor number of this process is.
 *
 * Reading is one load, without a lock; see fdmap.c.
 */
#ifndef HIJACK_FDMAP_H
#define HIJACK_FDMAP_H

#define FDMAP_MAX	(1 << 20)	/* numbers at and above are the host's */
#define FDMAP_DEAD	(FDMAP_MAX - 1)	/* no rump descriptor; those of a kernel that is gone */

#define FD_UNKNOWN	0	/* inherited and not looked at yet */
#define FD_HOST		1
#define FD_RUMP		2	/* a placeholder; fdmap_num: the rump descriptor */
#define FD_EPOLL	3	/* a host epoll with a rump side; fdmap_num: its index */
#define FD_OWN		4	/* the library's: the program cannot have it */

#ifndef __ASSEMBLER__
#include <stdint.h>

extern uint8_t fdmap_kind[FDMAP_MAX];
extern int32_t fdmap_num[FDMAP_MAX];

/* The kind as it is now, possibly FD_UNKNOWN. */
static inline int fdmap_peek(long fd)
{
	if ((unsigned long)(unsigned int)fd >= FDMAP_MAX)
		return FD_HOST;
	return __atomic_load_n(&fdmap_kind[(unsigned int)fd], __ATOMIC_ACQUIRE);
}

/* The kind; finds out about an unknown one.  Never FD_UNKNOWN. */
int fdmap_get(long fd);
/* The rump descriptor behind fd, or -1. */
int fdmap_rump(long fd);

/* fd, which the host has just made, is a (further) name of rump descriptor rfd. */
void fdmap_set_rump(int fd, int rfd);
void fdmap_set_epoll(int fd, int index);
void fdmap_set_own(int fd);
void fdmap_set_unknown(int fd);
/* The host has no fd now; who gets it next may be the library. */
void fdmap_not_there(int fd);
/* fd, just made by the host, is a copy of a descriptor of this kind and number. */
void fdmap_set_copy(int fd, int kind, int num);

/*
 * fd is being closed or replaced: makes it the host's and returns what it was
 * (*num: rump descriptor or epoll index, whose reference goes to the caller:
 * fdmap_drop()).  To be called before the host closes the number.
 */
int fdmap_take(int fd, int *num);
/* Gives a reference back; the last one closes the rump descriptor.  Its result. */
long fdmap_drop(int kind, int num);
/* The process has had a lock (F_SETLK) on a rump file. */
extern int fdmap_locks;
/* Takes one more. */
void fdmap_hold(int kind, int num);
/* The rump kernel is gone: what was its is dead from now on. */
void fdmap_lost(void);
/* One above the highest number that ever was the rump kernel's. */
int fdmap_top(void);
#endif
#endif
