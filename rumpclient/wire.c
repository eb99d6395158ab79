/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire.c - bytes to and from a server: a message out of pieces, and one in, part
 * by part.  No state but the struct in of who waits for an answer.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "remote.h"

static long send_all(int fd, struct iovec *iov, unsigned int niov, const int *fds, unsigned int nfds,
    size_t *done)
{
	_Alignas(struct cmsghdr) char ctl[CMSG_SPACE(RUMP_SP_FDS_MAX * sizeof(int))];
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = niov };
	struct cmsghdr *cm;
	long n;

	if (nfds) {
		mh.msg_control = ctl;
		mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		memset(ctl, 0, mh.msg_controllen);
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, nfds * sizeof(int));
	}
	for (;;) {
		while (mh.msg_iovlen && mh.msg_iov->iov_len == 0) {
			mh.msg_iov++;
			mh.msg_iovlen--;
		}
		if (mh.msg_iovlen == 0)
			return 0;
		n = host(SYS_sendmsg, fd, &mh, MSG_NOSIGNAL);
		if (n == -EINTR)
			continue;
		if (n < 0)
			return n;
		mh.msg_control = NULL;		/* went with the first byte */
		mh.msg_controllen = 0;
		if (done)
			*done += n;
		while (n > 0) {
			size_t k = (size_t)n < mh.msg_iov->iov_len ? (size_t)n :
			    mh.msg_iov->iov_len;

			mh.msg_iov->iov_base = (char *)mh.msg_iov->iov_base + k;
			mh.msg_iov->iov_len -= k;
			n -= k;
			if (mh.msg_iov->iov_len == 0) {
				mh.msg_iov++;
				mh.msg_iovlen--;
			}
		}
	}
}

long chan_send(int fd, struct iovec *iov, unsigned int niov, int passfd, size_t *done)
{
	return send_all(fd, iov, niov, &passfd, passfd >= 0, done);
}

int send_small(int fd, const void *hdr)
{
	const struct rump_sp_hdr *h = hdr;
	struct iovec iov = { (void *)h, h->len };

	return chan_send(fd, &iov, 1, -1, NULL);
}

int send_with(int fd, const void *hdr, const int *fds, unsigned int n)
{
	const struct rump_sp_hdr *h = hdr;
	struct iovec iov = { (void *)h, h->len };

	return send_all(fd, &iov, 1, fds, n, NULL);
}

int need(struct in *in, size_t n)
{
	long r;

	if (in->pos + n > sizeof(in->buf))
		return -EPROTO;
	if (in->ring) {
		if (in->pos + n > RUMP_SP_RING_ANSWER)
			return -EPROTO;
		if (in->pos == 0 && n == sizeof(struct rump_sp_reply))
			memcpy(in->buf, in->ring->ring->answer, sizeof(struct rump_sp_reply));
		else
			memcpy(in->buf + in->pos, in->ring->ring->answer + in->pos, n);
		return 0;
	}
	while (in->have < in->pos + n) {
		r = host(SYS_recvfrom, *in->fd, in->buf + in->have, in->pos + n - in->have,
		    0, NULL, NULL);
		if (r == -EINTR)
			continue;
		if (r <= 0)
			return r ? r : -ECONNRESET;
		in->have += r;
	}
	return 0;
}

void *consume(struct in *in, size_t n)
{
	void *p = in->buf + in->pos;

	in->pos += n;
	in->left -= n;
	return p;
}

int skip(struct in *in, uint64_t n)
{
	char sink[512];
	size_t k;
	long r;

	if (in->ring) {
		in->left -= n;
		return 0;
	}
	while (n) {
		k = in->have - in->pos;
		if (k > n)
			k = n;
		if (k == 0) {
			r = host(SYS_recvfrom, *in->fd, sink, n < sizeof(sink) ? n : sizeof(sink),
			    0, NULL, NULL);
			if (r == -EINTR)
				continue;
			if (r <= 0)
				return r ? r : -ECONNRESET;
			n -= r;
			in->left -= r;
			continue;
		}
		consume(in, k);
		n -= k;
	}
	return 0;
}

/* recv(2) into the program's memory. */
static long receive_into(int fd, uint64_t addr, uint64_t n)
{
	char part[4096];
	long r;

	if (!memory_of)
		return host(SYS_recvfrom, fd, addr, n, MSG_WAITALL, NULL, NULL);
	r = host(SYS_recvfrom, fd, part, n < sizeof(part) ? n : sizeof(part), MSG_PEEK, NULL, NULL);
	if (r <= 0)
		return r;
	n = safe_write(addr, part, r);
	return n ? host(SYS_recvfrom, fd, part, n, 0, NULL, NULL) : -EFAULT;
}

int store(struct in *in, uint64_t addr, uint64_t n, uint64_t *stored)
{
	size_t k = in->have - in->pos, w;
	long r;

	*stored = 0;
	if (in->ring) {
		/* how far we are, from the front of the message */
		k = in->len - in->left;
		r = memory_of ? (long)safe_write(addr, in->ring->ring->answer + k, n) :
		    host(SYS_pread64, in->ring->memfd, addr, n,
			offsetof(struct rump_sp_ring, answer) + k);
		*stored = r < 0 ? 0 : r;
		in->left -= n;
		return 0;
	}
	if (k > n)
		k = n;
	if (k) {
		w = safe_write(addr, consume(in, k), k);
		*stored = w;
		n -= k;
		if (w < k)
			return skip(in, n);
	}
	while (n) {
		r = receive_into(*in->fd, addr + *stored, n);
		if (r == -EINTR)
			continue;
		if (r == -EFAULT)
			return skip(in, n);
		if (r <= 0)
			return r ? r : -ECONNRESET;
		*stored += r;
		in->left -= r;
		n -= r;
	}
	return 0;
}
