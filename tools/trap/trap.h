/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trap.h - inside rump_trap: the calls of programs that make them without libc.
 *
 *	trap.c		who starts whom
 *	filter.c	which calls the host hands to us
 *	serve.c		taking them, on as many threads as there are calls
 *	calls.c		what each of them does
 *	object.c	rump descriptors as the target has them: placeholders
 *	target.c	the target's memory and descriptors
 */
#ifndef TRAP_TRAP_H
#define TRAP_TRAP_H

#include <linux/seccomp.h>

#include "../../hijack/hijack.h"

/* ---- filter.c ------------------------------------------------------------------------ */

#define TRAP_TOP	(1U << 20)	/* no number of a descriptor is as high */
#define TRAP_LOW_MAX	16		/* rump descriptors that were inherited at low numbers */

/* The lowest number that a rump descriptor gets; from here on calls are looked at. */
extern unsigned int trap_base;
extern int trap_low[TRAP_LOW_MAX], trap_nlow;

extern const struct rump_sysrow trap_rows[RUMP_NSYSROWS];
extern const uint8_t trap_how[RUMP_NSYSROWS];

static inline int trap_in_range(long fd)
{
	return (unsigned int)fd >= trap_base && (unsigned int)fd < TRAP_TOP;
}
/* Puts the calling thread under the filter: the listener, or -errno. */
int filter_install(void);

/* ---- target.c -------------------------------------------------------------------------- */

#define NAMES_AT	0x2000UL	/* where no program has memory */

/* One call that the host has handed to us. */
struct call {
	int listener;
	uint64_t id;
	pid_t tid;
	long nr;
	long a[6];
	size_t used;			/* of names: what the rump kernel reads at NAMES_AT */
	char names[2 * PATH_BUF];
};

/* The call's target is still waiting for it, and is who it was. */
int target_valid(const struct call *c);
/* Its memory, for rumpclient_use_memory(). */
size_t target_read(void *call, void *dst, uint64_t src, size_t n);
size_t target_write(void *call, uint64_t dst, const void *src, size_t n);
/* The string at addr, of at most size bytes with its NUL; its length, or -errno. */
long target_string(struct call *c, uint64_t addr, char *to, size_t size);
/* A copy of its descriptor, or -errno. */
int target_fd(pid_t tid, int fd);
/* The inode of the socket that is its descriptor fd; 0: it is none. */
ino_t target_socket(pid_t tid, int fd);
/* Is the number in use? */
int target_has(pid_t tid, int fd);
/* A handler of the target waits for the call's end. */
int target_signalled(pid_t tid);
/* One line on the target's standard error. */
void target_say(pid_t tid, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- object.c -------------------------------------------------------------------------- */

/* An open file of the rump kernel, and the sockets that stand for it. */
struct object;
int object_start(void);
/* Makes one of rump descriptor rfd, which is its from now on, and *near. */
struct object *object_new(int rfd, int *near);
/* What the target has at fd; NULL: nothing of the rump kernel's.  To be put. */
struct object *object_get(pid_t tid, int fd);
void object_put(struct object *o);
/* It was made, but nobody has it. */
void object_drop(struct object *o);
int object_rfd(const struct object *o);
/* May epoll have it? */
int object_pollable(const struct object *o);
/* A number for it that the target does not use; -EMFILE. */
int object_number(struct object *o, pid_t tid);
/* What the target's poll sees becomes what the rump kernel says; fd is its number. */
void object_sync(struct object *o, pid_t tid, int fd);
/* Those that no process has any more are closed. */
void object_reap(void);
/* Readable when there are such. */
int object_gone_fd(void);

/* ---- calls.c ----------------------------------------------------------------------------- */

#define CALL_CONTINUE	(1L << 40)	/* it is the host's */

/* Carries the call out: its result, -errno, or CALL_CONTINUE. */
long call_do(struct call *c);

/* ---- serve.c ------------------------------------------------------------------------------ */

/* Serves the listener for as long as there is a target; then returns. */
void serve(int listener);
/* What follows in the calling thread may last: another one is to take the next call. */
void serve_lasts(void);
/* Ends the calls whose target is dead. */
void give_up_calls(void);
#endif
