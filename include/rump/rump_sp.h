/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rump_sp.h - sysproxy's wire protocol: how a client process makes the system
 * calls of a rump kernel that is in another process.  Included by both sides.
 *
 * One connection is one thread of the client ("channel"), and one task of the
 * rump kernel.  So nothing is demultiplexed, no lock is shared, and a blocked
 * call is a blocked channel.  A connection starts with a HELLO, which says whose
 * thread it is, and its end is the end of that task; the end of the last one is
 * the end of the process.
 *
 * On a channel the client speaks first and waits for the answer:
 *
 *	client				server
 *	HELLO			->
 *				<-	HELLO_REPLY
 *	SYSCALL			->
 *				<-	COPYIN, COPYOUT, COPYINSTR	any number of times
 *	COPY_REPLY		->
 *				<-	REPLY
 *
 * Only INTERRUPT (a signal handler ran, or waits: the call is to end, with -EINTR or one
 * of -RUMP_ERESTARTSYS and its like, rump_calls.h) may be sent while a SYSCALL is not answered yet; it has no answer of its own.
 *
 * Exec.  A program that is about to execute another one opens a connection that
 * is not close-on-exec, says HELLO with kind EXEC on it, and gets a HELLO_REPLY: this
 * connection is the heir.  It is served once all others of the process have ended,
 * which is what execve(2) does to them; the second HELLO_REPLY, which says so, is read
 * by the new image.  If execve(2) fails, the heir is closed, and nothing has happened.
 * In between, the server closes what is close-on-exec.
 *
 * Usher.  A process that is about to give up what connecting needs (setuid(2), chroot(2)) opens
 * a connection of kind USHER.  Whoever has that can go on making connections: one end of a
 * socket pair, brought by SHOW_IN, is served like one that was made to the server's socket.
 * Children and the next image inherit it; the descriptor is the right to come in.
 *
 * A request carries the memory that its call is about to read, and names what
 * the call may write, as segments of the client's address space; the server
 * works on its private copy of the message.  What no segment covers is fetched
 * or stored by COPYIN and COPYOUT while the call runs.
 *
 * Everything is in the byte order and alignment of x86-64.  Messages begin at
 * multiples of 8 bytes and are multiples of 8 bytes long.  Descriptors travel
 * beside the first byte of their message, by SCM_RIGHTS.  The same messages go
 * over any transport: the socket, and memory that both sides map (struct
 * rump_sp_ring), once the client has asked for that.
 */
#ifndef RUMP_RUMP_SP_H
#define RUMP_RUMP_SP_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdint.h>
#endif

#define RUMP_SP_VERSION		3
#define RUMP_SP_MAGIC		"RUMP-SP\n"	/* 8 bytes, without the NUL */
#define RUMP_SP_MACHINE		"x86_64"

#define RUMP_SP_ALIGN(n)	(((n) + 7) & ~(uint64_t)7)

/* Limits: a message that exceeds one ends its connection. */
#define RUMP_SP_INLINE_MAX	(1u << 20)	/* data in one message, bytes */
#define RUMP_SP_SEGS_MAX	32		/* segments in one request */
#define RUMP_SP_OUTS_MAX	(RUMP_SP_SEGS_MAX + 1)	/* pieces of memory in a reply */
#define RUMP_SP_FDS_MAX		16		/* descriptors beside one message */
#define RUMP_SP_STOCK_MAX	RUMP_SP_FDS_MAX	/* far ends that a channel has ahead */
#define RUMP_SP_SIGS_MAX	16		/* signals in one reply */
#define RUMP_SP_MSG_MAX		(RUMP_SP_INLINE_MAX + 8192)	/* a request, bytes */

enum rump_sp_type {
	/* client to server */
	RUMP_SP_HELLO		= 1,
	RUMP_SP_SYSCALL		= 2,	/* answered by REPLY */
	RUMP_SP_INTERRUPT	= 3,	/* reqno: the call's */
	RUMP_SP_COPY_REPLY	= 4,	/* reqno: the copy's */
	RUMP_SP_PREFORK		= 5,	/* answered by COOKIE (flags: BARE) */
	RUMP_SP_FORK_CANCEL	= 6,	/* answered by REPLY */
	RUMP_SP_RING		= 8,	/* go on in shared memory; answered by REPLY, 2 descriptors */
	RUMP_SP_HALT		= 9,	/* control connections; answered by REPLY */
	RUMP_SP_GOODBYE		= 10,	/* orderly end; no answer */
	RUMP_SP_STOCK		= 11,	/* far ends for calls to come; answered by REPLY */
	RUMP_SP_SHOW_IN		= 12,	/* ushers; brings 1 descriptor; no answer */
	/* server to client */
	RUMP_SP_HELLO_REPLY	= 65,
	RUMP_SP_REPLY		= 66,
	RUMP_SP_COOKIE		= 67,
	RUMP_SP_COPYIN		= 68,	/* these three: answered by COPY_REPLY */
	RUMP_SP_COPYINSTR	= 69,
	RUMP_SP_COPYOUT		= 70,
};

struct rump_sp_hdr {
	uint32_t len;		/* of the whole message, with this header */
	uint8_t type;
	uint8_t nfds;		/* descriptors beside the message */
	uint16_t flags;
	uint64_t reqno;		/* chosen by who asks, repeated by who answers */
};

/*
 * What a process or a further thread of one shows to be what it says: the
 * server makes id and secret, and gives them to the process only.
 */
struct rump_sp_cookie {
	uint64_t id;
	uint64_t secret;
};

enum rump_sp_kind {
	RUMP_SP_GUEST	= 1,	/* a new process */
	RUMP_SP_THREAD	= 2,	/* a further thread of the process that cookie names */
	RUMP_SP_FORK	= 3,	/* the child that PREFORK made (cookie from there) */
	RUMP_SP_EXEC	= 4,	/* the next image of the process that cookie names */
	RUMP_SP_CONTROL	= 5,	/* no process: only HALT */
	RUMP_SP_USHER	= 6,	/* no process: only SHOW_IN; not through a relay */
};

/*
 * The banner.  The layout up to machine never changes, whatever the version.
 *
 * RELAYED, in hdr.flags: it came through a relay (rump_relay.h), which has set this.
 * Such a client is another host's: its pid and uid are what it says, it cannot share
 * memory (RING), and cannot end the server (HALT).
 */
#define RUMP_SP_F_RELAYED	2u
struct rump_sp_hello {
	struct rump_sp_hdr hdr;
	char magic[8];
	uint32_t version;
	uint32_t kind;
	char machine[16];	/* padded with NULs */
	int32_t pid, tid;	/* on the client's host */
	uint32_t uid, gid;
	struct rump_sp_cookie cookie;
	char comm[16];		/* the program's name, with a NUL */
};

struct rump_sp_hello_reply {
	struct rump_sp_hdr hdr;
	char magic[8];
	uint32_t version;
	int32_t error;		/* 0, or -errno: the server hangs up after this message */
	char machine[16];
	char release[64];	/* of the rump kernel, as uname(2) says it */
	int32_t pid, tid;	/* in the rump kernel */
	struct rump_sp_cookie cookie;	/* the process's, for its THREADs */
};

/* A piece of the client's memory that a request carries. */
#define RUMP_SP_IN	1u	/* the call reads it: data are in the message at off */
#define RUMP_SP_OUT	2u	/* the call may write it: comes back in the reply */
struct rump_sp_seg {
	uint64_t addr;
	uint32_t len;		/* > 0; addr + len does not wrap */
	uint32_t flags;
	uint32_t off;		/* of the data, from the start of the message; OUT only: 0 */
	uint32_t reserved;	/* 0 */
};

/*
 * SYSCALL.  Segments, of which no OUT one overlaps another, follow; then their
 * data, each at its off, in any order, without overlap; then the end word,
 * the last 8 bytes.
 *
 * ATTACH: one descriptor comes along; if the call returns a descriptor, the one
 * that came becomes the far end of its placeholder (RUMP_CALL_FD_ATTACH).
 * STOCKED: none comes along; it is the one with number stock of those that STOCK has brought,
 * which is used up if the call succeeds.  RUMP_CALL_FD_ATTACH itself may have this, too.
 */
#define RUMP_SP_F_ATTACH	1u
#define RUMP_SP_F_STOCKED	2u
struct rump_sp_syscall {
	struct rump_sp_hdr hdr;
	int64_t nr;
	uint64_t args[6];
	uint32_t nsegs;
	uint32_t stock;		/* STOCKED: less than RUMP_SP_STOCK_MAX; else 0 */
	struct rump_sp_seg segs[];
};

/*
 * The end word of a request: ABORT, instead of OK, if the client met a bad
 * address while it was sending data (which are then padded).  The call is not
 * made, and its result is -EFAULT.
 */
#define RUMP_SP_END_OK		0x2e444e4b4f505253ull
#define RUMP_SP_END_ABORT	0x2e444e4554524241ull

/* What the call has written and no COPYOUT has stored: of OUT segments, or elsewhere. */
struct rump_sp_out {
	uint64_t addr;
	uint32_t len;		/* > 0 */
	uint32_t off;		/* of the data, from the start of the message; ascending */
};

struct rump_sp_sig {
	int32_t signo, code, error;
	uint32_t process;	/* 1: for the process, not the thread */
	uint64_t value;
};

/*
 * REPLY.  That of RUMP_CALL_MAP brings the descriptor (hdr.nfds), if it succeeds, and so goes
 * over the socket.  Outs follow; then the signals that the call raised (SIGPIPE, ...),
 * to be raised at the client's thread, or its process; then the data of the outs, in their
 * order, with gaps that mean nothing; then padding.
 */
struct rump_sp_reply {
	struct rump_sp_hdr hdr;
	int64_t ret;		/* value or -errno, -RUMP_ERESTART... */
	uint16_t nouts;		/* at most RUMP_SP_OUTS_MAX */
	uint16_t nsigs;		/* at most RUMP_SP_SIGS_MAX */
	uint32_t early;		/* of struct rump_sp_ring's progress: bytes that still hold */
	struct rump_sp_out outs[];
};

/* What comes before the data of a REPLY, at most. */
#define RUMP_SP_HEAD_MAX	1024u

/* COOKIE: of PREFORK. */
struct rump_sp_newcookie {
	struct rump_sp_hdr hdr;
	int64_t ret;		/* 0 or -errno */
	struct rump_sp_cookie cookie;
};

/*
 * PREFORK, BARE: the child gets no descriptor that has a placeholder; it will show those
 * that it has (RUMP_CALL_FD_ADOPT).
 */
#define RUMP_SP_F_BARE		1u

/* FORK_CANCEL */
struct rump_sp_cancel {
	struct rump_sp_hdr hdr;
	struct rump_sp_cookie cookie;
};

/*
 * COPYIN, COPYINSTR, COPYOUT: [addr, addr + size) of the client; the data of
 * COPYOUT follow, padded.  At most RUMP_SP_INLINE_MAX bytes.
 */
struct rump_sp_copy {
	struct rump_sp_hdr hdr;
	uint64_t addr;
	uint64_t size;
};

/*
 * The answer: how many bytes, from addr on without a gap, could be copied, or
 * -EFAULT for none.  COPYIN's and COPYINSTR's follow, padded; COPYINSTR's end
 * with their first NUL if there is one.
 */
struct rump_sp_copy_reply {
	struct rump_sp_hdr hdr;
	int64_t ret;
	uint64_t reserved;	/* 0 */
};

/*
 * INTERRUPT, HALT, GOODBYE, PREFORK, RING, STOCK and SHOW_IN are a header.  The descriptors that come
 * with STOCK have the numbers 0, 1, ... from then on; what the channel had before is closed.
 */

/*
 * RING.  Its REPLY brings two descriptors: a memfd of RUMP_SP_RING_SIZE bytes that
 * starts with the following, and an eventfd, the bell.  From then on
 *
 * - the client puts a message into `request', adds 1 to asked, and then 1 to the bell
 *   if bell is not 0.  A message that is too long, or brings descriptors, goes over
 *   the socket; so does INTERRUPT.  Then the client adds 1 to sent, for a server that looks
 *   at the memory only;
 * - the server puts its message into `answer', or sends it over the socket, as
 *   answer_where tells, adds 1 to answered, and then looks at sleep;
 * - a client that waits in vain sets sleep to ASLEEP, and waits for its change by
 *   FUTEX_WAIT, after it has looked at answered once more, and rung the bell, if it has
 *   not done so with the message.  One that has waited long sets it to ELSEWHERE_FOR the message, and
 *   reads the socket, where it also learns of the server's death.  The server that
 *   exchanges ELSEWHERE for AWAKE sends its message there, too; if the client finds an
 *   answer and changes it back before, it does not;
 * - while it works on an answer with much data, the server may say in progress how many
 *   bytes from RUMP_SP_HEAD_MAX of `answer' on are in place, the first ones of the request's
 *   first segment that is only OUT.  A client may store them at once; those beyond the
 *   REPLY's early were changed later.  With each message progress is 0 again.
 *
 * What one side writes and the other waits for has a cache line, or lines, of its own.
 *
 * cpu: 1 + the number of the only CPU that the side may run on, or 0.  Who shares its
 * only CPU with the other side does not look at a word in vain.  client_at: 1 + the one where
 * the client was when it set sleep to ASLEEP last, or 0: a server that is there, too, may find
 * itself another one, which some hosts are slow to do.
 *
 * The server's file can be neither shortened nor grown.  The server reads a message
 * once, into its own memory; the rest are hints, which a client may get wrong at its
 * own cost.
 */
#define RUMP_SP_RING_PART	(33u << 12)	/* of the file, for each direction */
#define RUMP_SP_RING_SIZE	(2 * RUMP_SP_RING_PART)
enum rump_sp_sleep { RUMP_SP_AWAKE, RUMP_SP_ASLEEP, RUMP_SP_ELSEWHERE };
/* For the message after the n-th: who changes it back is not taken for who waits for the next. */
#define RUMP_SP_ELSEWHERE_FOR(n)	(RUMP_SP_ELSEWHERE | (uint32_t)(n) << 2)
enum rump_sp_where { RUMP_SP_IN_MEMORY, RUMP_SP_ON_SOCKET };
struct rump_sp_ring {
	/* the server's */
	uint32_t bell;
	uint32_t server_cpu;
	uint32_t progress;
	uint32_t pad0[13];
	/* the client's; the server sets sleep to AWAKE */
	uint32_t sleep;
	uint32_t client_cpu;
	uint32_t client_at;
	uint32_t pad1[13];
	/* the client's */
	uint32_t asked;
	uint32_t sent;
	char request[RUMP_SP_RING_PART - 136];
	/* the server's; a page of its own begins here */
	uint32_t answered;
	uint32_t answer_where;
	char answer[RUMP_SP_RING_PART - 8];
};
#define RUMP_SP_RING_REQUEST	(RUMP_SP_RING_PART - 136u)	/* bytes of a message */
#define RUMP_SP_RING_ANSWER	(RUMP_SP_RING_PART - 8u)

#endif
