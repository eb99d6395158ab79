/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netdesc.c - frames through descriptors, which never block.
 *
 * A stream takes a part of a frame at times; the rest is kept, and goes before all else.
 * What comes from one is read by the bufferful and cut into frames.  One that gives an
 * impossible length, or ends, is no link any more: the carrier is lost, and the other end
 * is told.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "hostcall.h"
#include "internal.h"
#include "netdesc.h"
#include "netpoll.h"

#define IOV_MAX_FRAME	20
#define PREFIX		4				/* bytes of a length */
#define STREAM_BUF	(2 * (PREFIX + RUMPUSER_NET_FRAME_MAX))
#define DRAIN_FRAMES	4096
#define ETHER_MIN	14

_Static_assert(sizeof(struct iovec) == sizeof(struct rumpuser_iovec), "the same layout");

struct stream {
	uint32_t in_start, in_end;	/* of what was read and not taken */
	uint32_t out_start, out_end;	/* of what was not written */
	char in[STREAM_BUF], out[PREFIX + RUMPUSER_NET_FRAME_MAX];
};

struct desc {
	unsigned int flags, n;
	int fds[RUMPUSER_NET_QUEUES], ids[RUMPUSER_NET_QUEUES];
	struct stream *stream;
};

/* f's memory behind skip bytes, in iov from index at on; the number of all. */
static unsigned int view(const struct rumpuser_net_frame *f, size_t skip, struct iovec *iov,
    unsigned int at)
{
	unsigned int i;

	for (i = 0; i < f->niov && at < IOV_MAX_FRAME; i++) {
		if (skip >= f->iov[i].len) {
			skip -= f->iov[i].len;
			continue;
		}
		iov[at].iov_base = (char *)f->iov[i].base + skip;
		iov[at++].iov_len = f->iov[i].len - skip;
		skip = 0;
	}
	return at;
}

static bool is_gone(long err)
{
	return err == -EPIPE || err == -ECONNRESET || err == -ENOTCONN || err == -EBADF ||
	    err == -EBADFD || err == -ENODEV || err == -ENXIO;
}

/* writev(2), without SIGPIPE. */
static long put(struct desc *d, unsigned int q, struct iovec *iov, unsigned int n)
{
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = n };

	if (!(d->flags & NETDESC_SOCKET))
		return host(SYS_writev, d->fds[q], iov, n);
	return host(SYS_sendmsg, d->fds[q], &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static long get(struct desc *d, unsigned int q, struct iovec *iov, unsigned int n)
{
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = n };
	long ret;

	if (!(d->flags & NETDESC_SOCKET))
		return host(SYS_readv, d->fds[q], iov, n);
	ret = host(SYS_recvmsg, d->fds[q], &m, MSG_DONTWAIT);
	return ret > 0 && m.msg_flags & MSG_TRUNC ? -EMSGSIZE : ret;
}

/* ---- sending --------------------------------------------------------------------------- */

/* Writes what is left of an earlier frame: 0, or -errno. */
static long flush(struct desc *d)
{
	struct stream *s = d->stream;
	struct iovec iov;
	long ret = 0;

	while (s->out_start < s->out_end && ret >= 0) {
		iov = (struct iovec){ s->out + s->out_start, s->out_end - s->out_start };
		ret = put(d, 0, &iov, 1);
		if (ret > 0)
			s->out_start += ret;
	}
	return ret < 0 ? ret : 0;
}

static long send_stream(struct desc *d, const struct rumpuser_net_frame *f, size_t skip)
{
	uint32_t len = f->len - skip, prefix = htonl(len), left;
	struct stream *s = d->stream;
	struct iovec iov[IOV_MAX_FRAME] = { { &prefix, PREFIX } };
	long ret;

	ret = flush(d);
	if (ret)
		return ret;
	ret = put(d, 0, iov, view(f, skip, iov, 1));
	if (ret < 0 || ret == PREFIX + (long)len)
		return ret;
	s->out_start = 0;
	if (ret < PREFIX) {
		memcpy(s->out, (char *)&prefix + ret, PREFIX - ret);
		s->out_end = PREFIX - ret;
		ret = PREFIX;
	} else {
		s->out_end = 0;
	}
	left = PREFIX + len - ret;
	net_gather(s->out + s->out_end, f, skip + ret - PREFIX, left);
	s->out_end += left;
	return 1;
}

static long send_one(struct desc *d, unsigned int q, const struct rumpuser_net_frame *f)
{
	size_t skip = d->flags & NETDESC_VNET ? 0 : RUMPUSER_NET_HDR;
	struct iovec iov[IOV_MAX_FRAME];

	if (f->len > RUMPUSER_NET_FRAME_MAX)
		return -EMSGSIZE;
	if (d->stream)
		return send_stream(d, f, skip);
	return put(d, q, iov, view(f, skip, iov, 0));
}

unsigned int netdesc_tx(struct net_link *l, unsigned int q, struct rumpuser_net_frame *frames,
    unsigned int n)
{
	struct desc *d = l->priv;
	unsigned int i;
	long ret;

	for (i = 0; i < n; i++) {
		ret = atomic_load(&l->carrier) ? send_one(d, q, &frames[i]) : -ENETDOWN;
		if (ret == -EAGAIN)
			break;
		frames[i].error = ret < 0 ? ret : 0;
		if (is_gone(ret))
			net_carrier(l, false);
	}
	return i;
}

/* ---- receiving ---------------------------------------------------------------------------- */

/* The next frame of the stream: its bytes; 0: not all of it is there; -EMSGSIZE: it was
 * longer than f and is dropped; another -errno: the end. */
static long cut(struct stream *s, struct rumpuser_net_frame *f, size_t skip)
{
	uint32_t have = s->in_end - s->in_start, len;

	if (have < PREFIX)
		return 0;
	memcpy(&len, s->in + s->in_start, PREFIX);
	len = ntohl(len);
	if (len < ETHER_MIN || len + skip > RUMPUSER_NET_FRAME_MAX)
		return -EPROTO;
	if (have < PREFIX + len)
		return 0;
	if (skip + len <= f->len)
		net_scatter(f, skip, s->in + s->in_start + PREFIX, len);
	s->in_start += PREFIX + len;
	return skip + len <= f->len ? (long)len : -EMSGSIZE;
}

static long recv_stream(struct desc *d, struct rumpuser_net_frame *f, size_t skip)
{
	struct stream *s = d->stream;
	struct iovec iov;
	long ret;

	while ((ret = cut(s, f, skip)) == 0) {
		if (s->in_start) {
			memmove(s->in, s->in + s->in_start, s->in_end - s->in_start);
			s->in_end -= s->in_start;
			s->in_start = 0;
		}
		iov = (struct iovec){ s->in + s->in_end, STREAM_BUF - s->in_end };
		ret = get(d, 0, &iov, 1);
		if (ret <= 0)
			return ret ? ret : -ECONNRESET;
		s->in_end += ret;
	}
	return ret == -EPROTO ? -ECONNRESET : ret;
}

/* Of a socket that gave 0 bytes: that was its end, or an empty frame. */
static bool has_ended(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };
	struct timespec now = { 0 };

	return host(SYS_ppoll, &p, 1, &now, NULL, 0) == 1 && p.revents & (POLLRDHUP | POLLHUP);
}

static long recv_one(struct desc *d, unsigned int q, struct rumpuser_net_frame *f)
{
	/* flags come first; 2: VIRTIO_NET_HDR_F_DATA_VALID */
	const char header[RUMPUSER_NET_HDR] = { d->flags & NETDESC_TRUSTED ? 2 : 0 };
	size_t skip = d->flags & NETDESC_VNET ? 0 : RUMPUSER_NET_HDR;
	struct iovec iov[IOV_MAX_FRAME];
	long ret;

	if (skip)
		net_scatter(f, 0, header, skip);
	if (d->stream)
		ret = recv_stream(d, f, skip);
	else
		ret = get(d, q, iov, view(f, skip, iov, 0));
	if (ret == 0 && d->flags & NETDESC_SOCKET)
		return has_ended(d->fds[q]) ? -ECONNRESET : -EBADMSG;
	if (ret == 0)
		return -EAGAIN;
	if (ret > 0)
		f->len = skip + ret;
	return ret;
}

unsigned int netdesc_rx(struct net_link *l, unsigned int q, struct rumpuser_net_frame *frames,
    unsigned int n)
{
	struct desc *d = l->priv;
	unsigned int got = 0, tries;
	long ret;

	for (tries = 0; got < n && tries < 2 * n && atomic_load(&l->carrier); tries++) {
		ret = recv_one(d, q, &frames[got]);
		if (ret == -EAGAIN)
			break;
		if (is_gone(ret)) {
			if (d->stream)
				host(SYS_shutdown, d->fds[q], SHUT_RDWR);
			net_carrier(l, false);
		} else if (ret < 0 || frames[got].len < RUMPUSER_NET_HDR + ETHER_MIN) {
			atomic_fetch_add_explicit(&l->dropped, ret != -ECONNREFUSED,
			    memory_order_relaxed);
		} else {
			got++;
		}
	}
	return got;
}

int netdesc_arm(struct net_link *l, unsigned int q, unsigned int events)
{
	struct desc *d = l->priv;

	if (!atomic_load(&l->carrier))
		return RUMPUSER_NET_ARMED;
	if (d->stream && !(events & RUMPUSER_NET_TX) && flush(d) == -EAGAIN)
		events |= RUMPUSER_NET_TX;
	netpoll_arm(d->ids[q], events & RUMPUSER_NET_TX);
	return RUMPUSER_NET_ARMED;
}

/* What came while the interface was down is old. */
void netdesc_up(struct net_link *l, bool up)
{
	static char nowhere[2048];
	struct desc *d = l->priv;
	struct iovec iov = { nowhere, sizeof(nowhere) };
	unsigned int q, i;
	long ret;

	if (!up || d->stream)
		return;
	for (q = 0; q < d->n; q++) {
		for (i = 0; i < DRAIN_FRAMES; i++) {
			ret = get(d, q, &iov, 1);
			if (ret <= 0 && ret != -EMSGSIZE)
				break;
		}
	}
}

void netdesc_replace(struct net_link *l, unsigned int q, int fd)
{
	struct desc *d = l->priv;
	int fl = host(SYS_fcntl, fd, F_GETFL);

	host(SYS_fcntl, fd, F_SETFL, fl | O_NONBLOCK);
	host(SYS_dup3, fd, d->fds[q], O_CLOEXEC);
	host(SYS_close, fd);
	netpoll_renew(d->ids[q]);
}

/* ---- opening and closing -------------------------------------------------------------------- */

void netdesc_close(struct net_link *l)
{
	struct desc *d = l->priv;
	unsigned int q;

	for (q = 0; q < d->n; q++) {
		netpoll_remove(d->ids[q]);
		hostfd_release(d->fds[q]);
	}
	free(d->stream);
	free(d);
}

int netdesc_open(struct net_link *l, const int *fds, unsigned int nfds, unsigned int flags)
{
	struct desc *d = calloc(1, sizeof(*d));
	int err = d ? 0 : -ENOMEM, fl, fd, id;
	unsigned int q;

	if (d && flags & NETDESC_STREAM && !(d->stream = malloc(sizeof(*d->stream))))
		err = -ENOMEM;
	if (d && d->stream)
		d->stream->in_start = d->stream->in_end = d->stream->out_start =
		    d->stream->out_end = 0;
	for (q = 0; q < nfds; q++) {
		fd = hostfd_take(fds[q]);
		if (fd < 0 || err) {
			err = err ? err : fd;
			if (fd >= 0)
				hostfd_release(fd);
			continue;
		}
		fl = host(SYS_fcntl, fd, F_GETFL);
		host(SYS_fcntl, fd, F_SETFL, fl | O_NONBLOCK);
		id = netpoll_add(fd, l, q);
		if (id < 0) {
			hostfd_release(fd);
			err = id;
			continue;
		}
		d->flags = flags;
		d->fds[d->n] = fd;
		d->ids[d->n++] = id;
	}
	l->priv = d;
	if (err && d)
		netdesc_close(l);
	return err;
}
