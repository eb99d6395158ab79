/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.h - what the files of librumpclient share.
 */
#ifndef RUMPCLIENT_CLIENT_H
#define RUMPCLIENT_CLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include <rump/rump_sp.h>
#include <rump/rumpclient.h>

#include "../hypercall/hostcall.h"

/* One line on stderr, "PROGRAM: " in front. */
void client_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* 1: this is a child that shares its parent's memory (vfork). */
int client_is_shared(void);

/* Handlers wait until a call is over: one that has run ends no call. */
extern int client_door;
/* Then: one waits for this thread. */
extern __thread volatile int client_signal;

/* ---- session.c and remote.c: a server ---------------------------------------------- */

int remote_init(const char *url);
/* Descriptors of the host that end a call, too (rumpclient_syscall_beside()). */
struct beside {
	struct pollfd *fds;		/* one more than nfds */
	unsigned int nfds;
	int *ready;
};
/* farfd: -1 for none; b: NULL for none. */
long remote_syscall(long nr, const long args[6], int farfd, const struct beside *b);
int remote_placeholder(int lowest, int cloexec, int *far);
int remote_prefork(struct rump_sp_cookie *cookie);
int remote_fork_init(const struct rump_sp_cookie *cookie);
void remote_fork_cancel(const struct rump_sp_cookie *cookie);
/* shared: a vfork child's.  url and heir go to the new image; -errno: it begins anew. */
int remote_preexec(int shared, struct rumpclient_exec *x);
void remote_exec_cancel(int shared, const struct rumpclient_exec *x);
/* In the child of a fork that nobody announced: no channel is ours any more. */
void remote_forget(void);
void remote_setconnretry(int64_t seconds);
void remote_on_lost(void (*fn)(void));
void remote_interrupt(void);
/* Our channel with number fd gets another one; fd is closed. */
int remote_move_fd(int fd);
void remote_keep_access(int shared);

/* The process is the server's at url that cookie names; this thread opens a channel. */
int remote_take(const char *url, const struct rump_sp_cookie *cookie);

/* ---- keeper.c: from an embedded kernel to a server ------------------------------------- */

/* 0: done, or there is none; -errno: it stays here, and a child will have none. */
int keeper_move(void);
/* Waits for the thread that is at it. */
void keeper_await(void);
/* (rumpclient.c) The kernel is not here any more; it is a server's, or lost (err). */
void client_moved(int err);

/* ---- own.c: a server of our own -------------------------------------------------------- */

/* 1: no kernel can be in this process. */
int own_wanted(void);
/* Starts it and is its client (client_moved()): 0, or -errno after one line on stderr. */
int own_begin(void);

/* ---- embedded.c -------------------------------------------------------------------- */

long embedded_syscall(long nr, const long args[6]);
int embedded_owns_fd(int fd);
void embedded_shutdown(void);
/* 1: it is booted, also if that has yet to end. */
int embedded_up(void);
int embedded_check(void);
void embedded_on_no_kernel(void (*fn)(void));
/* There is none, and cannot be. */
void embedded_none(void);
struct rump_keeper;
int embedded_keeper(struct rump_keeper *k);
void embedded_joined(struct rump_keeper *k);
void embedded_signal_door(void);
void embedded_interrupt(void);
void embedded_interrupt_end(void);
/* -ENOENT: the kernel has nothing to do with sig. */
long embedded_sigaction(int sig, const void *act, void *oact);
/* The child of a fork: no call works if the parent's kernel had been loaded. */
void embedded_forget(void);

/* ---- marshal.c: which memory travels with a call --------------------------------------- */

#define MARSHAL_SCRATCH	768

struct marshal {
	unsigned int nsegs, nouts;
	size_t size;				/* of the data of all IN segments */
	size_t room;				/* bytes that OUT segments may still have */
	const void *data[RUMP_SP_SEGS_MAX];	/* of IN segments; may be a bad address */
	struct rump_sp_seg seg[RUMP_SP_SEGS_MAX];	/* off: from the first data byte */
	size_t used;
	_Alignas(8) char scratch[MARSHAL_SCRATCH];	/* copies of what had to be looked at */
};
void marshal(struct marshal *m, long nr, const long args[6]);
/* Whether descriptors of the rump kernel are among the call's arguments. */
int marshal_has_fds(long nr);

/* ---- memory.c: this process's memory, wherever the program's pointers lead -------------- */

/* Not NULL: they lead elsewhere (rumpclient_use_memory()), and nobody else can follow them. */
extern __thread const struct rumpclient_memory *memory_of __attribute__((tls_model("initial-exec")));
/* Bytes that could be copied, from the start without a gap. */
size_t safe_read(void *dst, uint64_t src, size_t n);
size_t safe_write(uint64_t dst, const void *src, size_t n);

/* ---- ownfd.c: our descriptors among the program's ------------------------------------------ */

/* Moves fd out of the program's way, close-on-exec; fd is closed; number or -errno. */
int ownfd_take(int fd);
void ownfd_close(int fd);
int ownfd_is(int fd);
/* A copy of our fd elsewhere; the old number is not ours any more, and open. */
int ownfd_dup(int fd);
/* fn is told of each number that becomes ours, or ceases to be. */
void ownfd_on_change(void (*fn)(int fd));
/* In the child of a fork: closes all but one (or -1). */
void ownfd_forget(int but);

#endif
