/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rumpuser_sp.h - hypercalls of sysproxy's server: sockets, framing and checking
 * are the host's (hypercall/sp*.c), processes and system calls the kernel's
 * (kernel/arch/rump/kernel/sp.c).
 *
 * A channel is a connection whose HELLO was accepted.  The kernel takes it with
 * rumpuser_sp_accept(), and owns it until rumpuser_sp_close().  Except for the
 * upcalls, everything of one channel is called by one task at a time.
 */
#ifndef RUMP_RUMPUSER_SP_H
#define RUMP_RUMPUSER_SP_H

#include <rump/rumpuser.h>
#include <rump/rump_sp.h>

#pragma GCC visibility push(default)

struct rumpuser_sp_chan;

/* A checked message (rump_sp.h), in memory that only this side can write. */
struct rumpuser_sp_msg {
	struct rump_sp_hdr *hdr;
	int fd;			/* the first descriptor that came along, or -1 */
	unsigned int nfds;
	const int *fds;		/* all of them; who takes them sets fd to -1, and nfds to 0 */
};

/* what has happened on a channel */
#define RUMPUSER_SP_IN		1u	/* rumpuser_sp_next() has a message */
#define RUMPUSER_SP_OUT		2u	/* rumpuser_sp_send() can go on */
#define RUMPUSER_SP_INTR	4u	/* an INTERRUPT for request reqno */
#define RUMPUSER_SP_HUP		8u	/* no more messages will come */

/* These may run on any host thread and only post. */
struct rumpuser_sp_upcalls {
	/* rumpuser_sp_accept() has a channel. */
	void (*accept)(void);
	void (*event)(void *cookie, unsigned int events, uint64_t reqno);
};

/*
 * Who may be a client, besides this process's user: users, and groups (the peer's
 * effective one, and its others).  The socket is then open to all, and SO_PEERCRED
 * decides.  trust: clients can do all that root can (kernel/arch/rump/kernel/sp_doors.c).
 * Before rumpuser_sp_start(); -ENOSPC.
 */
int rumpuser_sp_allow_uid(uint32_t uid);
int rumpuser_sp_allow_gid(uint32_t gid);
void rumpuser_sp_trust(void);
int rumpuser_sp_trusted(void);
/* 1: the client is on this host, and its user (or root) could do there what we can. */
int rumpuser_sp_is_owner(const struct rumpuser_sp_chan *chan);

/*
 * Listens on url, on the way of which nothing must stand; release: the kernel's,
 * for the banner.  The helper threads serve from now on (cpuwait.h).  -EINVAL and
 * -EADDRINUSE after one line on stderr that quotes the url; -EBUSY: a second call.
 */
int rumpuser_sp_start(const char *url, const char *release,
    const struct rumpuser_sp_upcalls *up);

/* The next new channel and its HELLO, which lives until the channel is closed;
 * NULL: none is there. */
struct rumpuser_sp_chan *rumpuser_sp_accept(const struct rump_sp_hello **hellop);
/* From now on upcalls->event(cookie, ...) tells; at once what has happened so far. */
void rumpuser_sp_own(struct rumpuser_sp_chan *chan, void *cookie);

/*
 * The next message, which is the caller's until it releases it.  -EAGAIN: wait
 * for RUMPUSER_SP_IN; -ECONNRESET: there will be none.
 */
int rumpuser_sp_next(struct rumpuser_sp_chan *chan, struct rumpuser_sp_msg **msgp);
/* Also closes the descriptor that came along, unless msg->fd was set to -1. */
void rumpuser_sp_release(struct rumpuser_sp_chan *chan, struct rumpuser_sp_msg *msg);

/* Closes that descriptor now; the next message is sent when it is closed. */
void rumpuser_sp_drop(struct rumpuser_sp_chan *chan, struct rumpuser_sp_msg *msg);

/*
 * Room for the data of one reply, size bytes, not zeroed; NULL: no memory.  Valid until
 * the next call for the same channel; a size of 0 gives it back.  If *off is not 0, the
 * client can write there, too, and the data are in place already if the room is sent as
 * a whole, or from its start, at *off of the message.
 */
void *rumpuser_sp_buffer(struct rumpuser_sp_chan *chan, size_t size, uint32_t *off);

/* n bytes of the room, whose *off was not 0, are there: the client may begin with them. */
void rumpuser_sp_progress(struct rumpuser_sp_chan *chan, uint32_t n);

/*
 * Sends a message, whose pieces without a base mean nothing (at most RUMP_SP_HEAD_MAX
 * bytes each), from byte *donep of it on, and counts *donep up.  0: all of it
 * is sent; -EAGAIN: wait for RUMPUSER_SP_OUT; -ECONNRESET.
 */
int rumpuser_sp_send(struct rumpuser_sp_chan *chan, const struct rumpuser_iovec *iov,
    unsigned int niov, size_t *donep);

/* A descriptor of the host goes along with the next message that is sent, and is closed. */
void rumpuser_sp_pass(struct rumpuser_sp_chan *chan, int fd);
/* The same, and is not closed: the caller keeps it open until the message is sent. */
void rumpuser_sp_lend(struct rumpuser_sp_chan *chan, int fd);
/* 1: the client is on another host, and shares no memory with us. */
int rumpuser_sp_is_relayed(const struct rumpuser_sp_chan *chan);

/*
 * RING: makes shared memory and answers.  -ECONNRESET.  From now on next() finds
 * messages there, too, and send() prefers it.
 */
int rumpuser_sp_ring(struct rumpuser_sp_chan *chan, uint64_t reqno);
/*
 * Looks for the channel's next message for a moment, if that makes sense on this host,
 * while *word == expected and until deadline; other channels' messages meanwhile are told
 * of by upcalls.  word == NULL: only once.  1: there is one.  cpu: whose helper thread the
 * caller is.
 */
int rumpuser_sp_linger(struct rumpuser_sp_chan *chan, unsigned int cpu, const uint32_t *word,
    uint32_t expected, int64_t deadline);

/*
 * Sends a signal to the client's process, which waits for nothing: to the very process
 * that made the connection, or to none.  code and value arrive if code is below 0 and not
 * SI_TKILL, as the host has it for senders.  -ESRCH: gone, or on another host; -EPERM;
 * -EOPNOTSUPP: a host before Linux 6.5.
 */
int rumpuser_sp_signal(struct rumpuser_sp_chan *chan, int signo, int code, int err,
    uint64_t value);

/* Ends the channel; no upcall with its cookie runs any more when it returns. */
void rumpuser_sp_close(struct rumpuser_sp_chan *chan);
/* The same, because of what the client did: says so on stderr, and counts. */
void rumpuser_sp_reject(struct rumpuser_sp_chan *chan, const char *why);

/*
 * For the program around the kernel (rump_server).  A descriptor that polls
 * readable whenever one of the three below may have changed (read 8 bytes from
 * it first); the number of client connections; how many there were ever; and
 * whether a client asked for an end (HALT), which is answered by halt_done.
 */
int rumpuser_sp_eventfd(void);
unsigned int rumpuser_sp_clients(void);
uint64_t rumpuser_sp_accepted(void);
int rumpuser_sp_halt_wanted(void);
/* From now on HALT is taken rather than refused: the program answers it, by
 * halt_done, which removes the socket's name first.  Who asked then waits for the
 * end of the process. */
void rumpuser_sp_allow_halt(void);
void rumpuser_sp_halt_done(int error);
/* From the kernel: it ends.  Where HALT is refused, the name goes now. */
void rumpuser_sp_stop(void);

#pragma GCC visibility pop

#endif
