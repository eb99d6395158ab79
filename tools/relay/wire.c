/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire.c - frames over the stream between two relays.
 *
 * Nothing here waits: what cannot be sent is queued, and whoever fills the queue is
 * told to stop (full) before it grows beyond OUT_HIGH and what was under way then.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "relay.h"

#define OUT_HIGH	(8u << 20)
#define OUT_LOW		(1u << 20)

static ssize_t put(struct wire *w, const void *buf, size_t n, uint32_t *want)
{
	ssize_t r;

	if (w->ssl)
		return tls_write(w->ssl, buf, n, want);
	r = send(w->src.fd, buf, n, MSG_NOSIGNAL);
	if (r >= 0)
		return r;
	*want = EPOLLOUT;
	return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

static ssize_t get(struct wire *w, void *buf, size_t n, uint32_t *want)
{
	ssize_t r;

	if (w->ssl)
		return tls_read(w->ssl, buf, n, want);
	r = recv(w->src.fd, buf, n, 0);
	if (r > 0)
		return r;
	*want = EPOLLIN;
	return r < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

/* 0, or -1: the wire is dead. */
static int flush(struct wire *w, uint32_t *want)
{
	ssize_t n;

	while (w->outlen) {
		n = put(w, w->out + w->outpos, w->outlen, want);
		if (n <= 0)
			return n;
		w->outpos += n;
		w->outlen -= n;
	}
	w->outpos = 0;
	return 0;
}

static const char *take(struct wire *w)
{
	struct rump_relay_hdr h;
	const char *why;
	size_t pos = 0;

	while (w->have - pos >= sizeof(h)) {
		memcpy(&h, w->in + pos, sizeof(h));
		why = frame_header_check(&h, !w->near);
		if (why)
			return why;
		if (w->have - pos < h.len)
			break;
		/* To the front, where it is aligned. */
		memmove(w->in, w->in + pos, w->have - pos);
		w->have -= pos;
		why = frame_check((struct rump_relay_hdr *)w->in);
		if (!why)
			why = w->frame(w, (struct rump_relay_hdr *)w->in);
		if (why)
			return why;
		pos = h.len;
	}
	memmove(w->in, w->in + pos, w->have - pos);
	w->have -= pos;
	return NULL;
}

static void rearm(struct wire *w, uint32_t events)
{
	if (events != w->events) {
		w->events = events;
		rewatch(main_set, &w->src, events);
	}
}

static void wire_ready(struct source *s, uint32_t events)
{
	struct wire *w = (struct wire *)s;
	uint32_t rwant = EPOLLIN, wwant = 0;
	size_t before = w->outlen;
	const char *why;
	ssize_t n;

	(void)events;
	for (;;) {
		n = get(w, w->in + w->have, sizeof(w->in) - w->have, &rwant);
		if (n < 0) {
			w->ended(w, w->ssl ? tls_why() : NULL);
			return;
		}
		if (n == 0)
			break;
		w->have += n;
		why = take(w);
		if (why) {
			w->ended(w, why);
			return;
		}
	}
	if (flush(w, &wwant)) {
		w->ended(w, w->ssl ? tls_why() : NULL);
		return;
	}
	if (before > OUT_LOW && w->outlen <= OUT_LOW)
		w->full(w, 0);
	rearm(w, EPOLLIN | rwant | (w->outlen ? wwant : 0));
}

int wire_start(struct wire *w, int fd, struct ssl_st *ssl)
{
	w->src.fd = fd;
	w->src.ready = wire_ready;
	w->ssl = ssl;
	w->events = EPOLLIN | EPOLLOUT;		/* begins with our banner */
	return watch(main_set, &w->src, w->events);
}

int wire_send(struct wire *w, const struct iovec *iov, int n)
{
	struct rump_relay_hdr *h = iov[0].iov_base;
	size_t total = 0, cap;
	char *more;
	int i;

	for (i = 0; i < n; i++)
		total += iov[i].iov_len;
	h->len = total;
	if (w->outpos + w->outlen + total > w->outcap) {
		memmove(w->out, w->out + w->outpos, w->outlen);
		w->outpos = 0;
		cap = w->outlen + total;
		if (cap > w->outcap) {
			cap = (cap + 65535) & ~(size_t)65535;
			more = realloc(w->out, cap);
			if (!more)
				return -ENOMEM;
			w->out = more;
			w->outcap = cap;
		}
	}
	if (w->outlen <= OUT_HIGH && w->outlen + total > OUT_HIGH)
		w->full(w, 1);
	for (i = 0; i < n; i++) {
		memcpy(w->out + w->outpos + w->outlen, iov[i].iov_base, iov[i].iov_len);
		w->outlen += iov[i].iov_len;
	}
	rearm(w, EPOLLIN | EPOLLOUT);
	return 0;
}

int wire_send_small(struct wire *w, uint32_t type, uint32_t id, uint32_t arg)
{
	struct rump_relay_hdr h = { .type = type, .id = id, .arg = arg };
	struct iovec iov = { &h, sizeof(h) };

	return wire_send(w, &iov, 1);
}
