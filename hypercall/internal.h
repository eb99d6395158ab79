/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * internal.h - what the files of librumpuser share with each other.
 */
#ifndef HYPERCALL_INTERNAL_H
#define HYPERCALL_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include <rump/rumpuser.h>

/* The kernel's upcalls; set once, by rumpuser_init(). */
extern const struct rumpuser_upcalls *rumpuser_up;

/*
 * Descriptors of ours among the program's (hostfd.c).  take: moves fd to a
 * number that the host gives to no program by itself, close-on-exec; fd is
 * closed in any case; the new number or -errno.  copy: fd stays the caller's.  release:
 * closes it.  forget: leaves that to the caller.
 */
int hostfd_take(int fd);
int hostfd_copy(int fd);
void hostfd_release(int fd);
void hostfd_forget(int fd);
/*
 * The calling thread, and those that it will make, have a descriptor table of their own from
 * now on, with these n in it and what upcalls need.  fds has room for one more, and is
 * changed.  0, or -errno: unshare(2) is forbidden here.
 */
int hostfd_keep_only(int *fds, unsigned int n);
/* One above the highest ever; and the end of all. */
unsigned int hostfd_end(void);
void hostfd_close_all(void);
/* Whether children of fork(3) keep them. */
void hostfd_keep(int yes);
/* Registers what must happen in the child of a fork(2).  Once. */
void hostfd_init(void);

/* The RUMPUSER_PANIC half of rumpuser_exit(), also for fatal errors here. */
void console_init(void);

/* RAM in children of fork(2): copied along (shared) or not; and its end here. */
void ram_inherit(int yes);
void ram_free(void);
/*
 * A page of RAM becomes that of fd at off, which has the same contents; and RAM's own
 * again, with what is in it by then.  -ENOMEM: the host counts mappings (vm.max_map_count),
 * and nothing has changed.
 */
int ram_replace(void *page, int fd, uint64_t off);
int ram_restore(void *page);
/* Is that address in RAM? */
bool ram_has(const void *at);
/* After a SIGBUS at that address: true if it was such a page, which is RAM's, and zero, now. */
bool ram_repair(const void *at);
/* This process is a copy: what the program has mapped of the kernel's files is given back. */
void mapfile_forget(void);
/* This process is a copy, and has this thread only: nobody else waits. */
void wait_alone(void);
/* Once, early. */
void barrier_init(void);
void cpuwait_alone(void);

/* The key whose destructor ends a thread's task (thread.c).  Once; -EAGAIN. */
int thread_init(void);

/*
 * Loops that look for a change rather than sleep (wait.c): 1 + the number of the only CPU
 * that the calling thread may run on, or 0, asked anew from time to time; after that,
 * whether it may look, other being the same of whom it waits for; and whether it was
 * of use.
 */
unsigned int wait_only_cpu(int64_t now);
bool wait_spin_begin(unsigned int other);
void wait_spin_end(bool seen);

/*
 * Blocks all signals of the calling thread but those that libc needs for itself
 * (setuid() waits for every thread); *old gets the mask that sigmask_restore()
 * puts back.
 */
void sigmask_block(uint64_t *old);
void sigmask_restore(const uint64_t *old);

#endif
