/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * remote.h - what the files for a rump_server share: wire.c (bytes), connect.c (how to
 * get there), session.c (who we are there, and each thread's channels), remote.c (calls).
 */
#ifndef RUMPCLIENT_REMOTE_H
#define RUMPCLIENT_REMOTE_H

#include <stdatomic.h>
#include <sys/uio.h>

#include "client.h"

/* ---- wire.c ---------------------------------------------------------------------- */

/*
 * Sends all of iov, whose contents it changes; passfd goes along if >= 0.  *done
 * counts bytes, if not NULL.  0 or -errno.
 */
long chan_send(int fd, struct iovec *iov, unsigned int niov, int passfd, size_t *done);
/* One small message, with n descriptors beside it, at most RUMP_SP_FDS_MAX. */
int send_with(int fd, const void *hdr, const int *fds, unsigned int n);
/* Sends one small message, hdr->len bytes. */
int send_small(int fd, const void *hdr);

struct chan;

/*
 * Input of one message: what recv() has brought beyond what was wanted is kept
 * here.  The server sends nothing before we have answered, so no more than one
 * message ever is.
 */
struct in {
	const atomic_int *fd;		/* may change while we wait */
	const struct chan *ring;	/* whose memory the message is in; NULL: the socket */
	size_t have, pos;
	uint64_t len, left;		/* of the message; of that, what comes behind pos */
	_Alignas(8) char buf[sizeof(struct rump_sp_reply) +
	    RUMP_SP_OUTS_MAX * sizeof(struct rump_sp_out) +
	    RUMP_SP_SIGS_MAX * sizeof(struct rump_sp_sig)];
};

/* Sees that n more bytes of the message are in buf, behind pos.  -errno. */
int need(struct in *in, size_t n);
/* The next n bytes of those. */
void *consume(struct in *in, size_t n);
int skip(struct in *in, uint64_t n);
/*
 * n bytes of the message into the program's memory; *stored: how many it took
 * (fewer: a bad address; the rest is skipped).
 */
int store(struct in *in, uint64_t addr, uint64_t n, uint64_t *stored);

/* ---- connect.c ------------------------------------------------------------------- */

/* The server is the one at url.  -EINVAL: that is none, as a line has said. */
int server_set(const char *url);
const char *server_url(void);
/* What error of connecting means. */
const char *server_refusal(int error);
/*
 * A connection; HELLO and its answer, of which there can be a second one.  -errno.
 * shared: in a child that shares the memory of its parent (vfork), whose set of our
 * descriptors is not written; then the number is not ours, and to be closed as such.
 */
int server_connect(int shared);
/* The same, by the server's name only, also where there is an usher. */
int server_connect_by_name(int shared);
int server_hello(int fd, enum rump_sp_kind kind, const struct rump_sp_cookie *cookie,
    struct rump_sp_hello_reply *r);
int server_reply(int fd, struct rump_sp_hello_reply *r);

/* ---- session.c ------------------------------------------------------------------- */

#define BOUNCE		(256 * 1024)	/* of our memory in one answer, bytes */

struct chan {
	atomic_int fd;
	unsigned int gen;		/* the fork it belongs to; 0: never opened */
	unsigned int life;		/* the session it belongs to */
	uint64_t reqno;
	/* ring.c */
	struct rump_sp_ring *ring;	/* NULL: the socket only */
	atomic_int memfd, bell;
	uint32_t asked, answered;	/* messages there and back */
	int rung;			/* the bell, for it */
	unsigned int nr;		/* of the call under way */
	int waits;			/* which may take as long as it likes */
	/* stock.c */
	atomic_int near[RUMP_SP_STOCK_MAX];	/* 0: used up */
	unsigned int taken;		/* bits: not yet used up, but given out */
	unsigned int made;		/* descriptors, since the channel has no stock */
	/* what of the answer's data is stored before it is complete */
	uint64_t early_addr;
	uint32_t early_max, early_done;
};

/* The channel for a call of this thread, which is under way until chan_put(). */
int chan_get(struct chan **cp);
/* The same, which fails where the other would wait for the next server. */
int chan_get_now(struct chan **cp);
void chan_put(struct chan *c);
/* The channel that the next call of this thread would have, if it is open; or NULL. */
struct chan *chan_next(void);
/*
 * A message of a header, or more, and its answer of size bytes; n descriptors go along, which
 * stay the caller's.  -ENOTCONN; or, with descriptors, the host's error in passing them.
 */
int ask(struct chan *c, struct rump_sp_hdr *q, const int *fds, unsigned int n, unsigned int type,
    void *answer, size_t size);
/* Ends a channel on which the server could not be understood, or is not any more.
 * -ENOTCONN. */
long lost(struct chan *c, int err);
/* Our process there; -ENOTCONN: none yet. */
int session_cookie(struct rump_sp_cookie *cookie);
/* fd is the heir of what executed us: goes on with its process.  -errno: fd is closed. */
int session_continue(int fd);
/* Another number after each session that has ended. */
unsigned int session_life(void);
/* BOUNCE bytes of this thread; NULL: no memory. */
void *bounce(void);

/* ---- ring.c: shared memory ---------------------------------------------------------------- */

/* After this many messages of a channel it is worth while. */
#define RING_CALLS	4

/* Asks for it.  0: c->ring is set, or the server has refused; -errno: the channel is lost. */
int ring_open(struct chan *c);
void ring_close(struct chan *c);
/* In the child of a fork; in_call: the fork came in between. */
void ring_forget(struct chan *c, int in_call);
/* Before any message of c, wherever it goes. */
static inline void ring_prepare(struct chan *c)
{
	c->rung = 0;
}
/*
 * Part of the next message, which has at most RUMP_SP_RING_REQUEST bytes.  theirs: the
 * program's memory, which may be bad.  How many bytes, or -errno.
 */
long ring_fill(struct chan *c, size_t at, const void *data, size_t n, int theirs);
/* The message is complete. */
void ring_send(struct chan *c);
/* One has gone over the socket. */
void ring_sent(struct chan *c);
/* A request that brings no memory, and its end word: all of it. */
void ring_call(struct chan *c, const struct rump_sp_syscall *req);
/* Of the request that is about to be sent: whether there is much to store. */
void ring_expect(struct chan *c, const struct marshal *m);
/*
 * Waits for the answer; awake only, and then at the socket, if socket is set.  0: it is in
 * the memory; 1: it is, or will be, on the socket; -EINTR: a signal handler ran meanwhile
 * (restarts: one without SA_RESTART); another -errno: the channel is lost.
 */
int ring_await(struct chan *c, int restarts, int socket);

/* ---- stock.c: placeholders made ahead ------------------------------------------------------- */

/* What rumpclient_placeholder() gives out as far ends: no descriptors, but below all of them. */
#define STOCK_TOKEN(i)	(-2 - (int)(i))
#define STOCK_INDEX(t)	((unsigned int)(-2 - (t)))
static inline int is_stocked(int far)
{
	return far <= STOCK_TOKEN(0) && STOCK_INDEX(far) < RUMP_SP_STOCK_MAX;
}

/* A call is about to name far end far; false: which it was not given on this channel. */
int stock_begin(struct chan *c, int far);
/* The call is over; used: and has used it up. */
void stock_end(struct chan *c, int far, int used);
void stock_drop(struct chan *c);
/* 0: fd was one of c's, and is elsewhere now; 1: it was none; -errno. */
int stock_move(struct chan *c, int fd);
/* In the child of a fork: the descriptors are closed already. */
void stock_forget(struct chan *c);

/* ---- usher.c: who may not connect any more --------------------------------------------------- */

/* The usher's number, or -1.  In a vfork child: also the one that it has made itself. */
int usher_fd(void);
/* In the child of a fork: the same, and who else had one is forgotten. */
int usher_forked(void);
/* A new connection by it, close-on-exec; -errno: none, or it is of no use. */
int usher_connect(void);
/* The usher of what executed us; fd is taken over. */
void usher_inherit(int fd);
/* As remote_move_fd(): 0: it was the usher, and is elsewhere now; 1: it was not; -errno. */
int usher_move(int fd);

/* ---- exec.c ---------------------------------------------------------------------------- */

/* At the start: goes on with the process of the program that executed this one. */
void remote_exec_init(void);

#endif
