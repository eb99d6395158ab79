/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sp_chan.h - a connection of a sysproxy client, between sp_chan.c (slots and
 * buffers), sp_input.c (what it says) and sp.c (the server as a whole).
 *
 * A channel lives in a slot that is never freed, but has a generation: an event
 * of an earlier tenant, still on its way in another thread, finds a different
 * one.  Slot locks are taken before the list lock.  Nothing here waits for the
 * kernel, so the kernel may spin on these locks.
 */
#ifndef HYPERCALL_SP_CHAN_H
#define HYPERCALL_SP_CHAN_H

#include <stdatomic.h>
#include <sys/socket.h>

#include <rump/rumpuser_sp.h>

#include "sp.h"

#define SP_BUF_MIN	4096
#define SP_BUF_KEEP	(64 * 1024)	/* a channel keeps a free buffer up to this size */

struct buf {
	struct rumpuser_sp_msg msg;
	struct buf *next;
	size_t cap;
	int fds[RUMP_SP_FDS_MAX];
	_Alignas(16) char data[];
};

enum state {
	FREE,
	HALF,		/* connected, no HELLO yet */
	QUEUED,		/* waits for rumpuser_sp_accept() */
	OWNED,		/* the kernel's */
	CONTROL,	/* ours: halt, or an usher */
};

struct rumpuser_sp_chan {
	uint32_t lock;
	uint32_t index, gen;
	enum state state;
	int fd;
	int eof;			/* nothing more comes in */
	unsigned int closing;		/* descriptors that the next answer waits for */
	int want_out;			/* epoll is to say when we can send */
	struct buf *rx;			/* being assembled: have bytes are there */
	size_t have;
	int fds[RUMP_SP_FDS_MAX];	/* came along, for the messages to come */
	unsigned int nfds;
	struct buf *queue;		/* complete */
	unsigned int queued;
	struct buf *spare;
	struct buf *hello;
	void *cookie;
	struct sp_ring *ring;		/* sp_ring.c; NULL: the socket only */
	int by_socket;			/* the message that is being sent is not in there */
	int pass;			/* 1 + the descriptor that goes along with it, or 0 */
	int lent;			/* it is the kernel's, not to be closed */
	void *out;			/* rumpuser_sp_buffer() */
	size_t outcap;
	int64_t since;			/* HALF: when it connected */
	uint64_t halt_reqno;
	struct ucred cred;		/* as the host says */
	struct rumpuser_sp_chan *prev, *next;	/* in half or in the accept queue */
};

struct list {
	struct rumpuser_sp_chan *first, *last;
	unsigned int n;
};

/* 1: its client is on another host.  After its HELLO. */
static inline int chan_is_relayed(const struct rumpuser_sp_chan *c)
{
	return (((const struct rump_sp_hello *)c->hello->data)->hdr.flags & RUMP_SP_F_RELAYED) != 0;
}

/* ---- sp_chan.c --------------------------------------------------------------------- */

void sp_lock(uint32_t *l);
void sp_unlock(uint32_t *l);

void sp_append(struct list *l, struct rumpuser_sp_chan *c);
void sp_unlink(struct list *l, struct rumpuser_sp_chan *c);

/* len: what must fit.  A channel's spare one is used first. */
struct buf *buf_get(struct rumpuser_sp_chan *c, size_t len);
/* Closes the descriptors that nobody has taken, too; b may be NULL. */
void buf_put(struct rumpuser_sp_chan *c, struct buf *b);

/* A free slot, or NULL. */
struct rumpuser_sp_chan *slot_get(void);
uint64_t slot_name(const struct rumpuser_sp_chan *c);
/* Locked, or NULL if the slot has another tenant by now. */
struct rumpuser_sp_chan *slot_find(uint32_t index, uint32_t gen);

/* Ends the connection and gives the slot up; locked, and unlocked by it. */
void chan_free(struct rumpuser_sp_chan *c);
void chan_event(struct rumpuser_sp_chan *c, unsigned int events, uint64_t reqno);
/* The descriptor that was to go along with a message has, or will not. */
void chan_passed(struct rumpuser_sp_chan *c);
/* Nothing more comes from this client; what it has sent before counts. */
void chan_eof(struct rumpuser_sp_chan *c);
void complain(struct rumpuser_sp_chan *c, const char *why);

/* ---- sp_input.c --------------------------------------------------------------------- */

/* Returns why the connection ends, or NULL; sets eof at its orderly end. */
const char *chan_input(struct rumpuser_sp_chan *c);
/* One REPLY without anything, if the socket takes it. */
void chan_reply(struct rumpuser_sp_chan *c, uint64_t reqno, int64_t ret);

/* ---- sp.c ----------------------------------------------------------------------------- */

/* Upcalls, and what else the whole server shares; set before the first connection. */
extern struct sp_server {
	const struct rumpuser_sp_upcalls *up;
	char release[64];
	uint32_t lock;			/* of the two lists */
	struct list half, acceptable;
	atomic_uint clients, may_halt;
	atomic_ullong accepted, rejected;
} sp_server;

/* Wakes the program around the kernel: one of the counts has changed. */
void sp_tell_program(void);
/* c, which is locked, is answered by rumpuser_sp_halt_done(). */
void sp_want_halt(struct rumpuser_sp_chan *c);
/*
 * fd is a connection of a client, whoever cred says; it is taken over.  May be called with the
 * lock of another channel held, which is CONTROL.
 */
void sp_connected(int fd, const struct ucred *cred);

#endif
