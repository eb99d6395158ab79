/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sp_owned.c - sysproxy's server side on the host: a channel that the kernel owns.
 *
 * Complete messages are taken from its queue or its ring, answers go the way that the
 * question came; what does not fit now is the kernel's to try again.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <rump/rumpuser_sp.h>

#include "hostcall.h"
#include "internal.h"
#include "sp.h"
#include "sp_chan.h"
#include "sp_ring.h"
#include "sp_who.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD	77
#endif
#define SEND_IOV	40		/* pieces that one sendmsg() takes from us */

void rumpuser_sp_own(struct rumpuser_sp_chan *c, void *cookie)
{
	sp_lock(&c->lock);
	c->cookie = cookie;
	c->state = OWNED;
	if (c->queue)
		chan_event(c, RUMPUSER_SP_IN, 0);
	if (c->eof)
		chan_event(c, RUMPUSER_SP_HUP, 0);
	sp_unlock(&c->lock);
}

/* By the socket. */
static int next_queued(struct rumpuser_sp_chan *c, struct rumpuser_sp_msg **msgp)
{
	struct buf *b;
	int err;

	sp_lock(&c->lock);
	b = c->queue;
	if (b) {
		c->queue = b->next;
		c->queued--;
		*msgp = &b->msg;
	}
	err = b ? 0 : c->eof ? -ECONNRESET : -EAGAIN;
	sp_unlock(&c->lock);
	return err;
}

int rumpuser_sp_next(struct rumpuser_sp_chan *c, struct rumpuser_sp_msg **msgp)
{
	const char *why;
	int err;

	if (c->ring) {
		err = ring_take(c, msgp, &why);
		if (err != -EAGAIN) {
			if (why) {
				sp_lock(&c->lock);
				complain(c, why);
				chan_eof(c);
				sp_unlock(&c->lock);
			}
			return err;
		}
	}
	return next_queued(c, msgp);
}

void rumpuser_sp_release(struct rumpuser_sp_chan *c, struct rumpuser_sp_msg *msg)
{
	if (c->ring && ring_release(c->ring, msg))
		return;
	sp_lock(&c->lock);
	buf_put(c, (struct buf *)msg);		/* msg is its first member */
	sp_unlock(&c->lock);
}

void *rumpuser_sp_buffer(struct rumpuser_sp_chan *c, size_t size, uint32_t *off)
{
	void *room = c->ring ? ring_room(c->ring, size, off) : NULL;

	if (room)
		return room;
	*off = 0;
	if (size > c->outcap || (size == 0 && c->outcap > SP_BUF_KEEP)) {
		free(c->out);
		if (size && size < SP_BUF_MIN)
			size = SP_BUF_MIN;
		c->out = size ? malloc(size) : NULL;
		c->outcap = c->out ? size : 0;
	}
	return c->out;
}

/* Says that epoll is to tell when c can be sent to. */
static void want_out(struct rumpuser_sp_chan *c)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT, .data.u64 = slot_name(c) };

	sp_lock(&c->lock);
	if (!c->eof) {
		c->want_out = 1;
		host(SYS_epoll_ctl, sp_epoll_fd, EPOLL_CTL_MOD, c->fd, &ev);
	}
	sp_unlock(&c->lock);
}

static const char nothing[RUMP_SP_HEAD_MAX];

void rumpuser_sp_pass(struct rumpuser_sp_chan *c, int fd)
{
	chan_passed(c);
	c->pass = fd + 1;
}

void rumpuser_sp_lend(struct rumpuser_sp_chan *c, int fd)
{
	rumpuser_sp_pass(c, fd);
	c->lent = 1;
}

int rumpuser_sp_is_relayed(const struct rumpuser_sp_chan *c)
{
	return chan_is_relayed(c);
}

/* The descriptor that goes along with the first byte. */
static void attach(struct msghdr *mh, int fd, char *ctl, size_t size)
{
	struct cmsghdr *cm;

	mh->msg_control = ctl;
	mh->msg_controllen = size;
	cm = CMSG_FIRSTHDR(mh);
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cm), &fd, sizeof(fd));
}

int rumpuser_sp_send(struct rumpuser_sp_chan *c, const struct rumpuser_iovec *iov,
    unsigned int niov, size_t *donep)
{
	_Alignas(struct cmsghdr) char ctl[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec piece[SEND_IOV];
	struct msghdr mh = { .msg_iov = piece };
	unsigned int i;
	size_t skip;
	long n;

	/* Who comes second, we or the last close, sees the other. */
	if (__atomic_load_n(&c->closing, __ATOMIC_SEQ_CST))
		return __atomic_load_n(&c->eof, __ATOMIC_RELAXED) ? -ECONNRESET : -EAGAIN;
	/* Once for each message: it may also have to go over the socket. */
	if (c->ring && !c->by_socket) {
		if (ring_put(c->ring, iov, niov, c->pass) == 0)
			return 0;
		c->by_socket = 1;
	}
	for (;;) {
		skip = *donep;
		mh.msg_iovlen = 0;
		for (i = 0; i < niov && mh.msg_iovlen < SEND_IOV; i++) {
			if (skip >= iov[i].len) {
				skip -= iov[i].len;
				continue;
			}
			piece[mh.msg_iovlen].iov_base = iov[i].base ? (char *)iov[i].base + skip :
			    (char *)nothing;
			piece[mh.msg_iovlen++].iov_len = iov[i].len - skip;
			skip = 0;
		}
		if (mh.msg_iovlen == 0) {
			c->by_socket = 0;
			return 0;
		}
		if (c->pass)
			attach(&mh, c->pass - 1, ctl, sizeof(ctl));
		n = host(SYS_sendmsg, c->fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0 && c->pass) {
			mh.msg_control = NULL;
			mh.msg_controllen = 0;
			chan_passed(c);
		}
		if (n == -EAGAIN) {
			want_out(c);
			return __atomic_load_n(&c->eof, __ATOMIC_RELAXED) ? -ECONNRESET : -EAGAIN;
		}
		if (n < 0 && n != -EINTR)
			return -ECONNRESET;
		if (n > 0)
			*donep += n;
	}
}

int rumpuser_sp_is_owner(const struct rumpuser_sp_chan *c)
{
	return !chan_is_relayed(c) && sp_peer_is_owner(&c->cred);
}

int rumpuser_sp_signal(struct rumpuser_sp_chan *c, int signo, int code, int err, uint64_t value)
{
	socklen_t len = sizeof(int);
	siginfo_t info;
	int pidfd = -1;
	long r;

	if (chan_is_relayed(c))
		return -ESRCH;
	/* No process id: that could be another process's by now. */
	r = host(SYS_getsockopt, c->fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len);
	if (r)
		return r == -ENOPROTOOPT ? -EOPNOTSUPP : r;
	memset(&info, 0, sizeof(info));
	info.si_signo = signo;
	info.si_code = code;
	info.si_errno = err;
	info.si_pid = rumpuser_getpid();
	info.si_uid = host(SYS_getuid, 0);
	info.si_value.sival_ptr = (void *)value;
	r = host(SYS_pidfd_send_signal, pidfd, signo,
	    code < 0 && code != SI_TKILL ? &info : NULL, 0);
	host(SYS_close, pidfd);
	return r;
}

void rumpuser_sp_close(struct rumpuser_sp_chan *c)
{
	ring_cool(c);
	sp_lock(&c->lock);
	chan_free(c);
}

void rumpuser_sp_reject(struct rumpuser_sp_chan *c, const char *why)
{
	ring_cool(c);
	sp_lock(&c->lock);
	complain(c, why);
	chan_free(c);
}
