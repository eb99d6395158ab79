/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trap.h - inside rump_trap: the calls of programs that make them without libc.
 *
 *	trap.c		who starts whom
 *	filter.c	which calls the host hands to us
 *	serve.c		taking them, on as many threads as there are calls
 *	calls.c		what each of them does
 *	translate.c	descriptors and names for the rump kernel
 *	newfd.c		calls that make descriptors
 *	address.c	names of local sockets
 *	names.c		whose is a name, and in which directory a target is
 *	memory.c	mmap, exec: what of a rump file becomes the target itself
 *	rights.c	descriptors in messages
 *	object.c	rump descriptors as the target has them: placeholders
 *	target.c	the target's memory and descriptors
 *	inject.c	calls that the target makes because we want it to
 */
#ifndef TRAP_TRAP_H
#define TRAP_TRAP_H

#include <linux/seccomp.h>

#include "../../hijack/hijack.h"

/* ---- filter.c ------------------------------------------------------------------------ */

#define TRAP_TOP	(1U << 20)	/* no number of a descriptor is as high */
#define TRAP_LOW_MAX	16		/* rump descriptors that were inherited at low numbers */
#define TRAP_STDIO	3		/* numbers below are looked at, too: what shells redirect */

#define own(nr, ...)	rumpclient_syscall(nr, (const long[6]){ __VA_ARGS__ })

/* The lowest number that a rump descriptor gets; from here on calls are looked at. */
extern unsigned int trap_base;
extern int trap_low[TRAP_LOW_MAX], trap_nlow;

extern const struct rump_sysrow trap_rows[RUMP_NSYSROWS];
extern const uint8_t trap_how[RUMP_NSYSROWS];

/* Is the number looked at? */
static inline int trap_watched(long arg)
{
	unsigned int fd = arg;
	int i;

	if (fd < TRAP_STDIO || (fd >= trap_base && fd < TRAP_TOP))
		return 1;
	for (i = 0; i < trap_nlow && trap_low[i] != (int)fd; i++)
		;
	return i < trap_nlow;
}
/* Puts the calling thread under the filter: the listener, or -errno. */
int filter_install(void);

/* ---- target.c -------------------------------------------------------------------------- */

/*
 * What of a call the rump kernel is to find otherwise than in the target's memory, names
 * first of all: it finds our copy at an address where no program has memory.
 */
#define OWN_AT		0x2000UL
#define OWN_SIZE	(4 * PATH_BUF)

/* One call that the host has handed to us. */
struct call {
	int listener;
	uint64_t id;
	pid_t tid;
	long nr;
	long a[6];
	int answered;			/* the target does not wait any more */
	size_t used;			/* of own */
	_Alignas(16) char own[OWN_SIZE];
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
/* A line of /proc/TID/status, from behind its name and colon.  0: there is none. */
int target_status(pid_t tid, const char *name, char *line, size_t size);
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
/* A number for it that the target does not use, from this one on; -EMFILE. */
int object_number(struct object *o, pid_t tid, unsigned long from);
/* What the target's poll sees becomes what the rump kernel says; fd is its number. */
void object_sync(struct object *o, pid_t tid, int fd);
/* Those that no process has any more are closed. */
void object_reap(void);
/* Readable when there are such. */
int object_gone_fd(void);

/* ---- names.c ---------------------------------------------------------------------------- */

int names_start(void);
/*
 * Whose is the name, at fd (or AT_FDCWD) of the target, which is rfd in the rump kernel, or
 * below 0?  As path_where(); w->dirfd is a descriptor of the rump kernel or AT_FDCWD then.
 */
int name_where(pid_t tid, int fd, int rfd, const char *path, struct where *w);
/* The program's name of what rump descriptor rfd has open: length without the NUL, or -errno. */
long name_of_rump(int rfd, char buf[PATH_BUF]);
/* The directory of the rump kernel in which a process is: a rump descriptor, or -1. */
int dir_of(pid_t tid);
/* It is in rfd from now on, which is ours; or in the host's directory again.  -errno. */
int dir_enter(pid_t tid, int rfd);
int dir_leave(pid_t tid);
/* Closes those that nobody is in any more. */
void dir_sweep(void);

/* ---- inject.c --------------------------------------------------------------------------- */

/* Calls of the target, one after the other; the result is the first one's. */
struct injection {
	int n;
	struct {
		long nr, a[6];
	} call[2];
	const char *text[6];		/* instead of the first one's arguments: strings, or NULL */
};
/* The child of ours that somebody waits for. */
extern pid_t inject_child;
/* Instead of call c, which is answered by it.  -EPERM: it was not, and nothing has happened. */
long inject(struct call *c, struct injection *in);

/* ---- memory.c --------------------------------------------------------------------------- */

long do_mmap(struct call *c, struct object *o);
long do_msync(struct call *c);
/* The program that is rump descriptor rfd, which is closed. */
long do_exec_rump(struct call *c, long rfd);

/* ---- translate.c -------------------------------------------------------------------------- */

/* A call as the rump kernel gets it. */
struct there {
	long a[6];
	struct object *used[6];		/* to be put */
	int fd[6];			/* their numbers */
	int n, host;			/* how many arguments are whose */
	int last;			/* the last name is the rump kernel's */
	int link;			/* a name was that of this rump descriptor: /proc/self/fd/N; or -1 */
	const char *text[6];		/* names that the host is to get instead; or NULL */
	int moved;			/* there is such a one */
};

/* Descriptor fd as it is known to us, or NULL.  To be put. */
struct object *object_at(const struct call *c, long fd);
/* 0: the call is the host's; 1: the rump kernel's; -errno.  To be put in every case. */
int translate(struct call *c, struct there *t);
void there_put(struct there *t);
/* It is the host's: CALL_CONTINUE, or its result. */
long host_call(struct call *c, const struct there *t);
/* Room of n bytes in what the rump kernel finds at *at; NULL: there is none. */
void *room_in(struct call *c, size_t n, uint64_t *at);

/* ---- newfd.c ------------------------------------------------------------------------------ */

long do_socket(struct call *c);
long do_socketpair(struct call *c);
long do_new(struct call *c);
long do_dup(struct call *c);
/* fcntl(F_DUPFD): the copy's number, from on. */
long copy_fd(const struct call *c, int fd, int cloexec, long from);
/* The target gets rump descriptor rfd, which is no longer the caller's: its number, or -errno. */
long give_new(const struct call *c, long rfd, int cloexec);

/* ---- address.c ----------------------------------------------------------------------------- */

/* A local socket's name, argument i with its length behind it, becomes the rump kernel's. */
void apply_address(struct call *c, struct there *t, int i);

/* ---- rights.c --------------------------------------------------------------------------- */

/* sendmsg and recvmsg on a rump socket, whose descriptor is a[0]. */
long send_rights(struct call *c, const long a[6]);
long receive_rights(struct call *c, const long a[6]);

/* ---- calls.c ----------------------------------------------------------------------------- */

#define CALL_CONTINUE	(1L << 40)	/* it is the host's */

/* Carries the call out: its result, -errno, or CALL_CONTINUE. */
long call_do(struct call *c);
/* Makes it in the rump kernel, with the target's memory. */
long call_make(struct call *c, long nr, const long a[6]);
/* The same with what t says, and what has changed by it shown. */
long carry_out(struct call *c, struct there *t);

/* ---- serve.c ------------------------------------------------------------------------------ */

/* Serves the listener for as long as there is a target; then returns. */
void serve(int listener);
/* What follows in the calling thread may last: another one is to take the next call. */
void serve_lasts(void);
/* Ends the calls whose target is dead. */
void give_up_calls(void);
#endif
