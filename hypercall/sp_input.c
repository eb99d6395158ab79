/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sp_input.c - what a sysproxy client's socket brings: bytes become messages, which
 * are checked (sp_msg.c), and go to the kernel's queue, or are the banner or a
 * control connection's and answered here.
 *
 * Limit: QUEUE messages of one client that the kernel has not taken (its request,
 * and an answer); more is a breach of the protocol.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "hostcall.h"
#include "internal.h"
#include "sp_chan.h"
#include "sp_msg.h"
#include "sp_strange.h"
#include "sp_who.h"

#define QUEUE		2
#define SCM_MAX_FD	253		/* the host's: what does not fit, it would close itself */

/* ---- the banner -------------------------------------------------------------------- */

static void hello_refuse(struct rumpuser_sp_chan *c, uint64_t reqno, int error)
{
	struct rump_sp_hello_reply r = {
		.hdr = { .len = sizeof(r), .type = RUMP_SP_HELLO_REPLY, .reqno = reqno },
		.version = RUMP_SP_VERSION,
		.error = error,
		.machine = RUMP_SP_MACHINE,
	};

	memcpy(r.magic, RUMP_SP_MAGIC, sizeof(r.magic));
	memcpy(r.release, sp_server.release, sizeof(r.release));
	host(SYS_sendto, c->fd, &r, sizeof(r), MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}

/* A complete HELLO.  Returns why the connection ends here, or NULL. */
static const char *hello(struct rumpuser_sp_chan *c, struct buf *b)
{
	struct rump_sp_hello *h = (void *)b->data;
	uint64_t reqno = h->hdr.reqno;
	char *p;

	if (h->version != RUMP_SP_VERSION || strcmp(h->machine, RUMP_SP_MACHINE)) {
		hello_refuse(c, reqno, -EPROTO);
		return "another protocol version or machine";
	}
	switch (h->kind) {
	case RUMP_SP_GUEST:
	case RUMP_SP_THREAD:
	case RUMP_SP_FORK:
	case RUMP_SP_EXEC:
		break;
	case RUMP_SP_USHER:
		if (h->hdr.flags & RUMP_SP_F_RELAYED) {
			hello_refuse(c, reqno, -EOPNOTSUPP);
			return "an usher of another host";
		}
		/* fallthrough */
	case RUMP_SP_CONTROL:
		c->state = CONTROL;
		hello_refuse(c, reqno, 0);
		break;
	default:
		hello_refuse(c, reqno, -EINVAL);
		return "unknown kind of client";
	}
	/* The name is shown to people. */
	for (p = h->comm; *p; p++)
		if (!isprint((unsigned char)*p))
			*p = '?';
	/* What the host says counts. */
	if (!(h->hdr.flags & RUMP_SP_F_RELAYED)) {
		if (c->cred.pid)
			h->pid = c->cred.pid;
		h->uid = c->cred.uid;
		h->gid = c->cred.gid;
	}

	c->hello = b;
	sp_lock(&sp_server.lock);
	sp_unlink(&sp_server.half, c);
	if (c->state == HALF) {
		c->state = QUEUED;
		sp_append(&sp_server.acceptable, c);
		atomic_fetch_add(&sp_server.clients, 1);
		atomic_fetch_add(&sp_server.accepted, 1);
	}
	sp_unlock(&sp_server.lock);
	if (c->state == QUEUED) {
		sp_server.up->accept();
		sp_tell_program();
	}
	return NULL;
}

void chan_reply(struct rumpuser_sp_chan *c, uint64_t reqno, int64_t ret)
{
	struct rump_sp_reply r = {
		.hdr = { .len = sizeof(r), .type = RUMP_SP_REPLY, .reqno = reqno },
		.ret = ret,
	};

	host(SYS_sendto, c->fd, &r, sizeof(r), MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}

/* Who has the usher may bring connections: who made them is for the records only. */
static const char *show_in(struct rumpuser_sp_msg *msg)
{
	struct ucred cred;
	int fd = msg->fd;

	msg->fd = -1;
	if (!strange_is_stream(fd)) {
		strange_close(fd);
		return "SHOW_IN of what is no connection";
	}
	sp_peer(fd, &cred);
	sp_connected(fd, &cred);
	return NULL;
}

static const char *control(struct rumpuser_sp_chan *c, struct rumpuser_sp_msg *msg)
{
	const struct rump_sp_hdr *hdr = msg->hdr;

	if (((const struct rump_sp_hello *)c->hello->data)->kind == RUMP_SP_USHER)
		return hdr->type == RUMP_SP_SHOW_IN ? show_in(msg) : "an usher takes SHOW_IN only";
	if (hdr->type != RUMP_SP_HALT)
		return "a control connection takes HALT only";
	if (!atomic_load(&sp_server.may_halt) || !rumpuser_sp_is_owner(c)) {
		chan_reply(c, hdr->reqno, -EPERM);
		return NULL;
	}
	c->halt_reqno = hdr->reqno;
	sp_want_halt(c);
	return NULL;
}

/* ---- input --------------------------------------------------------------------------- */

/*
 * b holds a complete message and is taken over.  Returns why the connection
 * ends, or NULL.
 */
static const char *deliver(struct rumpuser_sp_chan *c, struct buf *b)
{
	const struct rump_sp_hdr *hdr = b->msg.hdr;
	const char *why;
	struct buf **last;
	unsigned int n = hdr->nfds;

	if (n > c->nfds)
		n = c->nfds;
	memcpy(b->fds, c->fds, n * sizeof(int));
	memmove(c->fds, c->fds + n, (c->nfds - n) * sizeof(int));
	c->nfds -= n;
	b->msg.nfds = n;
	b->msg.fd = n ? b->fds[0] : -1;

	why = sp_message_check(hdr, n);
	if (why) {
		buf_put(c, b);
		return why;
	}
	if (c->state == HALF) {
		why = hello(c, b);
		if (!why)
			return NULL;
	} else if (hdr->type == RUMP_SP_HELLO) {
		why = "a second HELLO";
	} else if (hdr->type == RUMP_SP_GOODBYE) {
		chan_eof(c);
	} else if (c->state == CONTROL) {
		why = control(c, &b->msg);
	} else if (hdr->type == RUMP_SP_HALT || hdr->type == RUMP_SP_SHOW_IN) {
		why = "HALT or SHOW_IN from a process";
	} else if (hdr->type == RUMP_SP_INTERRUPT) {
		chan_event(c, RUMPUSER_SP_INTR, hdr->reqno);
	} else if (c->queued >= QUEUE) {
		why = "a message before the answer to the last one";
	} else {
		for (last = &c->queue; *last; last = &(*last)->next)
			;
		*last = b;
		c->queued++;
		chan_event(c, RUMPUSER_SP_IN, 0);
		return NULL;
	}
	buf_put(c, b);
	return why;
}

/* Descriptors that came along; too many are closed and a reason returned. */
static const char *take_fds(struct rumpuser_sp_chan *c, struct msghdr *mh)
{
	const char *why = NULL;
	struct cmsghdr *cm;

	for (cm = CMSG_FIRSTHDR(mh); cm; cm = CMSG_NXTHDR(mh, cm)) {
		const int *fds = (const int *)CMSG_DATA(cm);
		size_t i, n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		for (i = 0; i < n; i++) {
			if (c->nfds < RUMP_SP_FDS_MAX) {
				c->fds[c->nfds++] = fds[i];
			} else {
				strange_close(fds[i]);
				why = "too many descriptors";
			}
		}
	}
	if (mh->msg_flags & MSG_CTRUNC)
		why = "descriptors that could not be received";
	return why;
}

/* Takes complete messages out of c->rx.  c may have no rx afterwards. */
static const char *split(struct rumpuser_sp_chan *c)
{
	struct rump_sp_hdr *hdr;
	const char *why;
	struct buf *b, *rest;
	size_t more;

	while (c->rx && c->have >= sizeof(*hdr)) {
		b = c->rx;
		hdr = b->msg.hdr;
		why = sp_header_check(hdr);
		if (!why && c->state == HALF && hdr->type != RUMP_SP_HELLO)
			why = "no HELLO";
		if (why)
			return why;
		if (c->have < hdr->len) {
			if (hdr->len <= b->cap)
				return NULL;
			rest = buf_get(c, hdr->len);
			if (!rest)
				return "no memory for its message";
			memcpy(rest->data, b->data, c->have);
			c->rx = rest;
			buf_put(c, b);
			return NULL;
		}
		more = c->have - hdr->len;
		rest = NULL;
		if (more) {
			rest = buf_get(c, more);
			if (!rest)
				return "no memory for its message";
			memcpy(rest->data, b->data + hdr->len, more);
		}
		c->rx = rest;
		c->have = more;
		why = deliver(c, b);
		if (why)
			return why;
		if (c->nfds && !more)
			return "descriptors without a message";
	}
	return NULL;
}

const char *chan_input(struct rumpuser_sp_chan *c)
{
	_Alignas(struct cmsghdr) char ctl[CMSG_SPACE(SCM_MAX_FD * sizeof(int))];
	struct iovec iov;
	struct msghdr mh = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = ctl, .msg_controllen = sizeof(ctl),
	};
	const char *why;
	long n;

	if (!c->rx && !(c->rx = buf_get(c, SP_BUF_MIN)))
		return "no memory for its message";
	iov.iov_base = c->rx->data + c->have;
	iov.iov_len = c->rx->cap - c->have;
	n = host(SYS_recvmsg, c->fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n == -EAGAIN || n == -EINTR)
		return NULL;
	if (n <= 0) {
		chan_eof(c);
		return NULL;
	}
	c->have += n;
	why = take_fds(c, &mh);
	return why ? why : split(c);
}
