/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rumpk.h - the seam inside librump.so: what kernel/lib (hosted C) asks of the
 * kernel object, which is built without libc.  Both include this file.
 *
 * Every function returns 0 or a negative errno.  Besides these, the kernel
 * object itself defines the public rump_syscall() and rump_pub_lwproc_*()
 * (<rump/rump.h>), and uses one function of kernel/lib: rump_init().
 */
#ifndef RUMPK_H
#define RUMPK_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stdint.h>
#endif

#ifdef __KERNEL__
/* all else in the kernel object is hidden; these cross into kernel/lib */
#pragma GCC visibility push(default)
#endif

struct rumpuser_blk_info;

struct rumpk_params {
	unsigned int ncpu;	/* virtual CPUs, 1..RUMPK_NCPU_MAX */
	uint64_t mem;		/* bytes of RAM, a multiple of 4 MB, at least RUMPK_MEM_MIN */
	int verbose;		/* 1: kernel messages go to the console */
};
#define RUMPK_NCPU_MAX	64
#define RUMPK_MEM_MIN	(12ULL << 20)

/*
 * Boots the kernel; called once.  When it returns 0, rump_syscall() works for
 * the calling thread, and /dev, /proc and /sys are mounted.
 */
int rumpk_boot(const struct rumpk_params *params);

/*
 * (in init.c) Boots if nobody has; waits while another thread does.  The kernel
 * object calls it where a host thread makes its first call, which is off the
 * fast path.  The thread that is booting gets 0 at once, so that the mounts of
 * RUMP_MOUNT, a part of booting, can make system calls.
 */
int rump_init(void);

/*
 * Ends the kernel's work after everything is unmounted: later rump_syscall()s,
 * from any thread, give -ESHUTDOWN, blocked ones return with it, helper threads
 * rest.  Nothing is freed.
 */
int rumpk_shutdown(void);
/*
 * Before that: files are not open any more because programs have mapped them, or have a
 * placeholder for them.  What is in the memory of the former is the files' from now on.
 */
int rumpk_let_go(void);

/*
 * A block device "/dev/NAME" on a handle of rumpuser_blk_open(); partitions are
 * scanned (NAMEp1...).  The kernel uses handle until rumpk_blk_del() returned 0;
 * closing it is the caller's.  add: -EEXIST; del: -EBUSY while it is open or
 * mounted, -ENOENT.
 */
int rumpk_blk_add(const char *name, void *handle, const struct rumpuser_blk_info *info);
int rumpk_blk_del(const char *name);

/*
 * A network interface as spec says (rumpuser_net.h), and its end.  why: 256 bytes, for one
 * line on what is wrong.  del: -ENODEV.
 */
int rumpk_net_add(const char *spec, char *why);
int rumpk_net_del(const char *name);
void rumpk_net_del_all(void);

/*
 * A directory of the host, a handle of rumpuser_dir_open(), as what mount(2) takes for
 * the source of type "hostdir".  The same rules: -EEXIST, -EBUSY, -ENOENT.
 */
int rumpk_dir_add(const char *tag, void *handle);
int rumpk_dir_del(const char *tag);

/* Serves clients on url from now on (sysproxy).  -EINVAL: bad URL, after one
 * line that quotes it; -EADDRINUSE. */
int rumpk_sp_start(const char *url);
/* Ends all client processes, and takes no more; -EBUSY: one does not end. */
int rumpk_sp_stop(void);

/*
 * The kernel moves to another process (keeper.c).  freeze: it stands still, and is
 * memory only, until thaw (elsewhere: in a copy of the process, which has no threads
 * but the calling one) or leave (here, where it is no more: calls give -RUMP_EMOVED).
 * -EBUSY: a call that nothing interrupts did not end in time, and all goes on.
 */
int rumpk_freeze(void);
int rumpk_thaw(bool elsewhere);
void rumpk_leave(void);
/*
 * In the copy, which is a server now: the program's process becomes a client's, who
 * shows *cookie.  done: that client has come.  watch: the hang-ups of placeholders.
 * in_use: 1 while there is a client's process, or a placeholder.
 */
struct rump_sp_cookie;
int rumpk_keep(struct rump_sp_cookie *cookie);
int rumpk_keep_done(void);
int rumpk_keep_watch(void);
int rumpk_in_use(void);

#ifdef __KERNEL__
#pragma GCC visibility pop
#endif

#endif
