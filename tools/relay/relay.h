/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * relay.h - what the files of rump_relay share.  See peer.c for how it works.
 */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <rump/rump_relay.h>

/* One line on stderr, "rump_relay: " in front. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- main.c: the loop ---------------------------------------------------------------- */

/* Something that is waited for; freed, if at all, by retire(). */
struct source {
	void (*ready)(struct source *s, uint32_t events);
	int fd;
	struct source *dead;		/* in the list of those to be freed */
};

/* In set (an epoll descriptor), for events.  -errno. */
int watch(int set, struct source *s, uint32_t events);
void rewatch(int set, struct source *s, uint32_t events);
/* Closes fd, and frees s (its first member) when no event for it can be under way. */
void retire(struct source *s);
extern int main_set;

/* ---- url.c --------------------------------------------------------------------------- */

struct address {
	const char *url;
	int tls;
	int insecure;		/* plain, to any host, because the user has said so */
	char host[256], port[16];
};

/* NULL, or what is wrong with url, in words that follow "URL: ". */
const char *address_parse(const char *url, struct address *a);
/* A socket, or -1 after a message. */
int address_connect(const struct address *a);
int address_listen(const struct address *a);

/* ---- tls.c ------------------------------------------------------------------------------ */

/* Reads keys and certificates; 0, or -1 after a message. */
int tls_init(int server, const char *psk, const char *cert, const char *key, const char *ca);
/* A session on fd; host: whom the peer has to be (client).  NULL: no memory. */
struct ssl_st *tls_new(int fd, const char *host);
/* Bytes; 0: not now (*want: the epoll events to wait for); -1: it is over. */
ssize_t tls_read(struct ssl_st *ssl, void *buf, size_t n, uint32_t *want);
ssize_t tls_write(struct ssl_st *ssl, const void *buf, size_t n, uint32_t *want);
void tls_free(struct ssl_st *ssl);
/* Why the last one failed. */
const char *tls_why(void);

/* ---- frame.c ---------------------------------------------------------------------------- */

/* NULL, or what is wrong.  from_near: the near relay has sent it. */
const char *frame_header_check(const struct rump_relay_hdr *h, int from_near);
/* The same for the whole of a frame whose header was checked. */
const char *frame_check(const struct rump_relay_hdr *h);

/* ---- wire.c: frames over a stream ---------------------------------------------------------- */

struct wire {
	struct source src;		/* first */
	struct ssl_st *ssl;		/* NULL: plain */
	int near;			/* we are the near relay */
	char *out;			/* to be sent: outlen bytes from outpos on */
	size_t outpos, outlen, outcap;
	uint32_t events;		/* that src waits for */
	size_t have;
	_Alignas(8) char in[sizeof(struct rump_relay_hdr) +
	    RUMP_RELAY_LINKS_MAX * sizeof(struct rump_relay_link) + RUMP_RELAY_DATA_MAX];
	/* a frame that was checked; NULL, or why the wire ends */
	const char *(*frame)(struct wire *w, const struct rump_relay_hdr *h);
	/* it has ended; why may be NULL */
	void (*ended)(struct wire *w, const char *why);
	/* the peer takes our frames: not for the moment, or again */
	void (*full)(struct wire *w, int full);
};

/* Takes fd over.  -errno. */
int wire_start(struct wire *w, int fd, struct ssl_st *ssl);
/* Queues a frame of n pieces, the first of which begins with its header; -ENOMEM. */
struct iovec;
int wire_send(struct wire *w, const struct iovec *iov, int n);
int wire_send_small(struct wire *w, uint32_t type, uint32_t id, uint32_t arg);

/* ---- peer.c ---------------------------------------------------------------------------------- */

struct peer;
/*
 * The relay at the other end of fd, which is the callee's.  near: we are the near one, host
 * is whom it has to be, url where it is; else url is the server's, whose clients its
 * are.  NULL: no memory.
 */
struct peer *peer_new(int fd, int near, const char *host, int tls, const char *url);
/* 1: it has shown its banner. */
int peer_is_ready(const struct peer *p);
/* The near side's: fd is a new client. */
void peer_accept(struct peer *p, int fd);
/* Cuts off who has connected and not shown that he is a relay; how many there are. */
void peer_expire(int64_t now);
int peer_pending(void);
/* Clients of the near relay. */
unsigned int peer_clients(void);
/* The near relay's peer, or NULL if it is gone. */
extern struct peer *the_peer;

/* main.c: monotonic */
int64_t now_ms(void);

#endif
