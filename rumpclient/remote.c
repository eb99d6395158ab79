/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * remote.c - system calls of a rump_server (protocol: <rump/rump_sp.h>).
 *
 * A call is: one message out, one in, and in between the server's questions about
 * our memory, on the thread's own channel (session.c).
 *
 * A handler that was installed without SA_RESTART ends the host's recv() with
 * EINTR; the server is told then, and its answer, which is EINTR in turn unless
 * the call was just done, is waited for.  Where handlers wait until the call is over
 * (rumpclient_signal_door()), it is for the one in front of them to tell the server, if we are
 * waiting; else we do so when we come to that.  No wait need be ended for it: the answer
 * will come.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include <rump/rump_calls.h>

#include "remote.h"

static const char zeroes[4096];

/* ---- a call ----------------------------------------------------------------------------------- */

/* A string up to and with its NUL, page by page, or size bytes. */
static size_t read_string(char *to, uint64_t addr, size_t size)
{
	size_t n = 0, k, got;
	char *nul;

	while (n < size) {
		k = 4096 - (addr + n) % 4096;
		if (k > size - n)
			k = size - n;
		got = safe_read(to + n, addr + n, k);
		nul = memchr(to + n, '\0', got);
		if (nul)
			return nul - to + 1;
		n += got;
		if (got < k)
			break;
	}
	return n;
}

/* Answers COPYIN, COPYINSTR or COPYOUT, whose fixed part has been read. */
static int serve_copy(struct chan *c, struct in *in, const struct rump_sp_copy *q)
{
	struct rump_sp_copy_reply r = {
		.hdr = { .len = sizeof(r), .type = RUMP_SP_COPY_REPLY, .reqno = q->hdr.reqno },
	};
	struct iovec iov[3] = { { &r, sizeof(r) } };
	uint64_t n = q->size, done = 0;
	size_t at = 0;
	int i;
	void *buf = NULL;
	int err;

	if (q->hdr.type == RUMP_SP_COPYOUT) {
		if (n > in->left)
			return -EPROTO;
		err = store(in, q->addr, n, &done);
		if (!err)
			err = skip(in, in->left);
		if (err)
			return err;
	} else if (n && (buf = bounce())) {
		if (n > BOUNCE)
			n = BOUNCE;
		done = q->hdr.type == RUMP_SP_COPYIN ? safe_read(buf, q->addr, n) :
		    read_string(buf, q->addr, n);
		iov[1] = (struct iovec){ buf, done };
		iov[2] = (struct iovec){ (void *)zeroes, RUMP_SP_ALIGN(done) - done };
		r.hdr.len += RUMP_SP_ALIGN(done);
	}
	r.ret = done || !n ? (int64_t)done : -EFAULT;
	if (c->ring && r.hdr.len <= RUMP_SP_RING_REQUEST) {
		for (i = 0; i < 3; at += iov[i++].iov_len)
			ring_fill(c, at, iov[i].iov_base, iov[i].iov_len, 0);
		ring_send(c);
		return 0;
	}
	ring_prepare(c);
	return chan_send(c->fd, iov, 3, -1, NULL);
}

static void raise_here(const struct rump_sp_sig *s)
{
	siginfo_t si;

	memset(&si, 0, sizeof(si));
	si.si_signo = s->signo;
	si.si_code = s->code;
	si.si_errno = s->error;
	si.si_value.sival_ptr = (void *)s->value;
	host(SYS_rt_tgsigqueueinfo, host(SYS_getpid, 0), host(SYS_gettid, 0), s->signo, &si);
}

/* How many bytes of an out are in the program's memory already. */
static uint32_t stored_early(const struct in *in, const struct rump_sp_reply *r,
    const struct rump_sp_out *out)
{
	uint32_t n;

	if (!in->ring || out->addr != in->ring->early_addr || out->off != RUMP_SP_HEAD_MAX)
		return 0;
	n = in->ring->early_done < r->early ? in->ring->early_done : r->early;
	return n < out->len ? n : out->len;
}

/* The rest of a REPLY, whose fixed part has been read.  Sets *ret. */
static int take_reply(struct in *in, long *ret)
{
	struct rump_sp_reply r;
	struct rump_sp_out *outs;
	struct rump_sp_sig *sigs;
	uint64_t stored = 0, done;
	unsigned int i;
	int err, fault = 0;

	memcpy(&r, in->buf, sizeof(r));
	if (!r.nouts && !r.nsigs) {
		*ret = r.ret;
		return skip(in, in->left);
	}
	if (r.nouts > RUMP_SP_OUTS_MAX || r.nsigs > RUMP_SP_SIGS_MAX ||
	    r.nouts * sizeof(*outs) + r.nsigs * sizeof(*sigs) > in->left)
		return -EPROTO;
	err = need(in, r.nouts * sizeof(*outs) + r.nsigs * sizeof(*sigs));
	if (err)
		return err;
	outs = consume(in, r.nouts * sizeof(*outs));
	sigs = consume(in, r.nsigs * sizeof(*sigs));
	for (i = 0; i < r.nouts; i++) {
		/* in their order, and where they are said to be */
		if (outs[i].off < in->len - in->left || outs[i].off > in->len ||
		    outs[i].len > in->len - outs[i].off)
			return -EPROTO;
		err = skip(in, outs[i].off - (in->len - in->left));
		if (!err)
			err = skip(in, done = stored_early(in, &r, &outs[i]));
		if (!err && done < outs[i].len) {
			err = store(in, outs[i].addr + done, outs[i].len - done, &stored);
			fault |= stored != outs[i].len - done;
		}
		if (err)
			return err;
	}
	err = skip(in, in->left);
	if (err)
		return err;
	for (i = 0; i < r.nsigs; i++)
		raise_here(&sigs[i]);
	*ret = fault && r.ret >= 0 ? -EFAULT : r.ret;
	return 0;
}

/* The server is told that a signal is there, once. */
static int tell_interrupt(struct chan *c, uint64_t reqno, int *interrupted)
{
	struct rump_sp_hdr intr = {
		.len = sizeof(intr), .type = RUMP_SP_INTERRUPT, .reqno = reqno
	};
	int err;

	if (!interrupted || *interrupted)
		return 0;
	*interrupted = 1;
	err = send_small(c->fd, &intr);
	ring_sent(c);
	return err;
}

/* How a wait is to go on. */
struct wait {
	struct chan *c;
	uint64_t reqno;
	int restarts;			/* a handler with SA_RESTART leaves it alone */
	int *interrupted;		/* NULL: INTERRUPT is of no use */
	int *passed;			/* a descriptor that comes along; NULL: none is wanted */
	const struct beside *beside;	/* ends the call, too; NULL: nothing */
};

/* A host call of ours was ended by a handler. */
static int handler_ran(const struct wait *w)
{
	return client_door ? 0 : tell_interrupt(w->c, w->reqno, w->interrupted);
}

/* Until something can be read from the socket, or a descriptor of the host is ready. */
static int poll_beside(const struct wait *w)
{
	const struct beside *b = w->beside;
	struct pollfd *own = &b->fds[b->nfds];
	int err = 0;
	long n;

	do {
		*own = (struct pollfd){ .fd = w->c->fd, .events = POLLIN };
		n = host(SYS_poll, b->fds, b->nfds + 1, -1);
		if (n == -EINTR)
			err = handler_ran(w);
	} while (n == -EINTR && !err);
	if (err || n < 0)
		return err ? err : (int)n;
	*b->ready = n > (own->revents != 0);
	return *b->ready ? tell_interrupt(w->c, w->reqno, w->interrupted) : 0;
}

/*
 * Until something can be read from the socket; where that is not to be restarted, a
 * recv(), which would be, is too much.
 */
static int poll_first(const struct wait *w)
{
	struct pollfd pfd = { .fd = w->c->fd, .events = POLLIN };

	if (w->beside && !*w->beside->ready)
		return poll_beside(w);
	if (w->restarts || host(SYS_poll, &pfd, 1, -1) != -EINTR)
		return 0;
	return handler_ran(w);
}

/* As recv(2); a descriptor that comes along goes to *passed. */
static long receive(const struct wait *w, void *buf, size_t n)
{
	_Alignas(struct cmsghdr) char ctl[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { buf, n };
	struct msghdr mh = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof(ctl),
	};
	struct cmsghdr *cm;
	long r;

	if (!w->passed)
		return host(SYS_recvfrom, w->c->fd, buf, n, 0, NULL, NULL);
	r = host(SYS_recvmsg, w->c->fd, &mh, MSG_CMSG_CLOEXEC);
	cm = r > 0 ? CMSG_FIRSTHDR(&mh) : NULL;
	if (cm && cm->cmsg_level == SOL_SOCKET && cm->cmsg_type == SCM_RIGHTS)
		memcpy(w->passed, CMSG_DATA(cm), sizeof(*w->passed));
	return r;
}

/* The first bytes of an answer, from the socket. */
static int await_socket(const struct wait *w, struct in *in, size_t fixed, size_t more)
{
	long r;
	int err;

	err = poll_first(w);
	while (!err && in->have < fixed) {
		r = receive(w, in->buf + in->have, fixed + more - in->have);
		if (r == -EINTR)
			err = handler_ran(w);
		else if (r <= 0)
			err = r ? r : -ECONNRESET;
		else
			in->have += r;
	}
	return err;
}

static __thread const struct wait *volatile waiting;	/* for a call, since it is sent */

void remote_interrupt(void)
{
	const struct wait *w = waiting;

	if (w)
		tell_interrupt(w->c, w->reqno, w->interrupted);
}

/* From here to await_end() remote_interrupt() does it; what came before, we do. */
static int await_begin(const struct wait *w)
{
	waiting = w;
	atomic_signal_fence(memory_order_seq_cst);
	return client_signal ? tell_interrupt(w->c, w->reqno, w->interrupted) : 0;
}

static void await_end(void)
{
	waiting = NULL;
	atomic_signal_fence(memory_order_seq_cst);
}

/*
 * Waits for the first bytes of an answer, fixed bytes long, and a little more if
 * it is there.
 */
static int await_answer(const struct wait *w, struct in *in, size_t fixed, size_t more)
{
	const struct rump_sp_hdr *hdr = (const void *)in->buf;
	int err = 1;

	in->fd = &w->c->fd;
	in->ring = NULL;
	in->have = in->pos = 0;
	if (w->c->ring) {
		while ((err = ring_await(w->c, w->restarts, w->beside != NULL)) == -EINTR) {
			err = handler_ran(w);
			if (err)
				return err;
		}
		if (err < 0)
			return err;
		if (err == 0)
			in->ring = w->c;
	}
	err = err ? await_socket(w, in, fixed, more) : need(in, fixed);
	if (err)
		return err;
	if (hdr->len < fixed || (in->ring && hdr->len > RUMP_SP_RING_ANSWER))
		return -EPROTO;
	in->len = in->left = hdr->len;
	consume(in, fixed);
	return 0;
}

static int await(const struct wait *w, struct in *in, size_t fixed, size_t more)
{
	int err = await_begin(w);

	if (!err)
		err = await_answer(w, in, fixed, more);
	await_end();
	return err;
}

/* Calls that end with EINTR also after a handler with SA_RESTART (signal(7)). */
static int never_restarts(long nr)
{
	switch (nr) {
	case SYS_poll: case SYS_ppoll: case SYS_select: case SYS_pselect6:
	case SYS_epoll_wait: case SYS_epoll_pwait: case 441 /* epoll_pwait2 */:
	case SYS_nanosleep: case SYS_clock_nanosleep: case SYS_pause:
	case SYS_rt_sigtimedwait: case SYS_rt_sigsuspend:
	case SYS_io_getevents: case 333 /* io_pgetevents */:
	case SYS_msgrcv: case SYS_msgsnd: case SYS_semop: case SYS_semtimedop:
		return 1;
	}
	return 0;
}

/* By the ring.  -EFAULT: nothing was sent. */
static int put_request(struct chan *c, const struct rump_sp_syscall *req, size_t head,
    const struct marshal *m)
{
	const uint64_t tail[2] = { 0, RUMP_SP_END_OK };
	size_t pos = head, pad = RUMP_SP_ALIGN(m->size) - m->size;
	unsigned int i;

	if (!m->nsegs) {
		ring_call(c, req);
		return 0;
	}
	ring_fill(c, 0, req, head, 0);
	for (i = 0; i < m->nsegs; i++) {
		if (!(m->seg[i].flags & RUMP_SP_IN))
			continue;
		if (ring_fill(c, pos, m->data[i], m->seg[i].len,
		    (uint64_t)m->data[i] == m->seg[i].addr) != m->seg[i].len)
			return -EFAULT;
		pos += m->seg[i].len;
	}
	ring_fill(c, pos, (const char *)&tail[1] - pad, pad + sizeof(tail[1]), 0);
	ring_send(c);
	return 0;
}

/* By the socket.  -EFAULT: nothing was sent; 1: it was given up on the way. */
static int send_request(struct chan *c, struct rump_sp_syscall *req, size_t head,
    const struct marshal *m, int passfd)
{
	struct iovec iov[RUMP_SP_SEGS_MAX + 2];
	uint64_t tail[2] = { 0, RUMP_SP_END_OK };	/* padding, end word */
	size_t pad = RUMP_SP_ALIGN(m->size) - m->size, done = 0, k;
	unsigned int i, n = 1;
	int err;

	iov[0] = (struct iovec){ req, head };
	for (i = 0; i < m->nsegs; i++)
		if (m->seg[i].flags & RUMP_SP_IN)
			iov[n++] = (struct iovec){ (void *)m->data[i], m->seg[i].len };
	iov[n++] = (struct iovec){ (char *)&tail[1] - pad, pad + sizeof(tail[1]) };

	ring_prepare(c);
	err = chan_send(c->fd, iov, n, passfd, &done);
	if (err != -EFAULT || done == 0)
		return err;
	/* Half of it is out: complete it with anything, and say so at its end. */
	tail[1] = RUMP_SP_END_ABORT;
	for (; done < req->hdr.len - sizeof(tail[1]); done += k) {
		k = req->hdr.len - sizeof(tail[1]) - done;
		if (k > sizeof(zeroes))
			k = sizeof(zeroes);
		iov[0] = (struct iovec){ (void *)zeroes, k };
		err = chan_send(c->fd, iov, 1, -1, NULL);
		if (err)
			return err;
	}
	k = req->hdr.len - done;
	iov[0] = (struct iovec){ (char *)&tail[2] - k, k };
	err = chan_send(c->fd, iov, 1, -1, NULL);
	return err ? err : 1;
}

static void measure(struct rump_sp_syscall *req, const struct marshal *m, size_t *head)
{
	*head = sizeof(*req) + m->nsegs * sizeof(req->segs[0]);
	req->hdr.len = *head + RUMP_SP_ALIGN(m->size) + sizeof(uint64_t);
}

/* The request, with its memory; results as send_request()'s. */
static int request(struct chan *c, struct rump_sp_syscall *req, struct marshal *m, int passfd)
{
	size_t head;
	unsigned int i, by_ring;
	int err;

	measure(req, m, &head);
	by_ring = c->ring && passfd < 0 && req->hdr.len <= RUMP_SP_RING_REQUEST;
	if (!by_ring && memory_of) {
		/* The socket's sendmsg() would read our own: the kernel asks for all. */
		m->nsegs = m->nouts = 0;
		m->size = 0;
		measure(req, m, &head);
	}
	for (i = 0; i < m->nsegs; i++) {
		req->segs[i] = m->seg[i];
		if (m->seg[i].flags & RUMP_SP_IN)
			req->segs[i].off += head;
	}
	req->nsegs = m->nsegs;
	if (c->ring)
		ring_expect(c, m);
	if (by_ring)
		return put_request(c, req, head, m);
	err = send_request(c, req, head, m, passfd);
	ring_sent(c);
	return err;
}

/*
 * One request and its answer, and what comes along with that (passed and beside may be NULL).
 * far: a far end, or one of the stock; passfd: what goes along.  -EFAULT for bad memory on the
 * way out, with *ret unset.
 */
static int exchange(struct chan *c, long nr, const long args[6], int far, int passfd,
    struct marshal *m, int *passed, const struct beside *beside, long *ret)
{
	union {
		struct rump_sp_syscall req;
		char room[sizeof(struct rump_sp_syscall) +
		    RUMP_SP_SEGS_MAX * sizeof(struct rump_sp_seg)];
	} u;
	struct in in;
	int err, aborted, interrupted = 0;
	struct wait w = {
		.c = c, .reqno = ++c->reqno, .restarts = client_door || !never_restarts(nr),
		.interrupted = &interrupted, .passed = passed, .beside = beside,
	};

	u.req.hdr = (struct rump_sp_hdr){
		.type = RUMP_SP_SYSCALL, .nfds = passfd >= 0,
		.flags = is_stocked(far) ? RUMP_SP_F_STOCKED : far >= 0 ? RUMP_SP_F_ATTACH : 0,
		.reqno = w.reqno,
	};
	u.req.nr = nr;
	c->nr = nr;
	c->waits = never_restarts(nr);
	memcpy(u.req.args, args, sizeof(u.req.args));
	u.req.stock = is_stocked(far) ? STOCK_INDEX(far) : 0;
	err = request(c, &u.req, m, passfd);
	if (err < 0)
		return err;
	aborted = err;
	for (;;) {
		const struct rump_sp_hdr *hdr = (const void *)in.buf;

		err = await(&w, &in, sizeof(struct rump_sp_reply),
		    m->nouts * sizeof(struct rump_sp_out));
		if (err)
			return err;
		switch (hdr->type) {
		case RUMP_SP_REPLY:
			if (hdr->reqno != w.reqno)
				return -EPROTO;
			err = take_reply(&in, ret);
			return err ? err : aborted ? -EFAULT : 0;
		case RUMP_SP_COPYIN:
		case RUMP_SP_COPYINSTR:
		case RUMP_SP_COPYOUT: {
			struct rump_sp_copy q;

			memcpy(&q, in.buf, sizeof(q));
			err = serve_copy(c, &in, &q);
			if (err)
				return err;
			break;
		}
		default:
			return -EPROTO;
		}
	}
}

/* Which argument is a host descriptor that goes along; -1: none. */
static int passed_arg(long nr)
{
	return nr == RUMP_CALL_FD_ATTACH ? 1 :
	    nr == RUMP_CALL_FD_ADOPT || nr == RUMP_CALL_HOST_PUT ? 0 : -1;
}

/* Whether the answer brings a descriptor of the host, which is then the call's result. */
static int brings_fd(long nr)
{
	return nr == RUMP_CALL_MAP || nr == RUMP_CALL_HOST_GET;
}

/* The host does not pass such a descriptor, or not now: nothing was sent. */
static int not_passed(int err)
{
	return err == -EBADF || err == -EINVAL || err == -ETOOMANYREFS;
}

/* The same with what a bad address leaves to the call itself to find, or another error first. */
static int exchange_twice(struct chan *c, long nr, const long args[6], int far, int passfd,
    int *passed, const struct beside *b, long *ret)
{
	struct marshal m;
	int err;

	marshal(&m, nr, args);
	err = exchange(c, nr, args, far, passfd, &m, passed, b, ret);
	if (err == -EFAULT) {
		m.nsegs = m.nouts = 0;
		m.size = 0;
		err = exchange(c, nr, args, far, passfd, &m, passed, b, ret);
	}
	return err;
}

/* On an open channel. */
static long call_on(struct chan *c, long nr, const long args[6], int far, int passfd,
    const struct beside *b)
{
	int got = -1, *passed = brings_fd(nr) ? &got : NULL, err;
	long ret;

	if (is_stocked(far) && !stock_begin(c, far))
		/* It was another session's, as is what is to be attached. */
		return nr == RUMP_CALL_FD_ATTACH ? -ENOTCONN : -RUMP_ERESTARTSYS;
	err = exchange_twice(c, nr, args, far, passfd, passed, b, &ret);
	if (is_stocked(far))
		stock_end(c, far, !err && ret >= 0);
	else if (far >= 0 && !err)
		c->made++;
	if (err && got >= 0)
		host(SYS_close, got);
	if (passfd >= 0 && passfd != far && not_passed(err))
		return err;
	if (err)
		return lost(c, err);
	return passed && ret >= 0 ? got >= 0 ? got : -EMFILE : ret;
}

long remote_syscall(long nr, const long args[6], int farfd, const struct beside *b)
{
	unsigned int life = session_life();
	int arg = passed_arg(nr), far = arg >= 0 ? -1 : farfd;
	int passfd = arg >= 0 ? (int)args[arg] : farfd >= 0 ? farfd : -1;
	struct chan *c;
	long ret;
	int err;

	if (nr == RUMP_CALL_FD_ATTACH && is_stocked(passfd)) {
		far = passfd;
		passfd = arg = -1;
	}
	if (arg >= 0 && passfd < 0)
		return -EBADF;
	err = chan_get(&c);
	if (err) {
		ret = err == -EINTR ? -RUMP_ERESTARTSYS : -ENOTCONN;
	} else {
		/* Or are the caller's descriptors of a session that has just ended? */
		ret = life != session_life() && marshal_has_fds(nr) ? -ENOTCONN :
		    call_on(c, nr, args, far, passfd, b);
		chan_put(c);
	}
	if (nr == RUMP_CALL_FD_ATTACH && passfd >= 0)
		host(SYS_close, passfd);
	if (farfd >= 0)
		host(SYS_close, farfd);
	if (!client_door && ret <= -RUMP_ERESTARTSYS && ret >= -RUMP_ERESTARTBLOCK)
		ret = -EINTR;
	return ret;
}

/* ---- other messages ----------------------------------------------------------------------------- */

int ask(struct chan *c, struct rump_sp_hdr *q, const int *fds, unsigned int n, unsigned int type,
    void *answer, size_t size)
{
	struct wait w = { .c = c, .restarts = 1 };
	struct in in;
	int err;

	q->reqno = ++c->reqno;
	q->nfds = n;
	ring_prepare(c);
	err = send_with(c->fd, q, fds, n);
	if (!err)
		err = await(&w, &in, size, 0);
	if (!err) {
		memcpy(answer, in.buf, size);
		if (((struct rump_sp_hdr *)answer)->type != type || in.left)
			err = -EPROTO;
	}
	if (err && !(n && not_passed(err)))
		err = lost(c, err);
	return err;
}

/* ---- fork --------------------------------------------------------------------------------------- */

int remote_prefork(struct rump_sp_cookie *cookie)
{
	struct rump_sp_hdr q = { .len = sizeof(q), .type = RUMP_SP_PREFORK };
	struct rump_sp_newcookie a;
	struct chan *c;
	int err;

	err = chan_get_now(&c);
	if (err)
		return -ENOTCONN;
	stock_drop(c);			/* the child's copies would keep files open */
	err = ask(c, &q, NULL, 0, RUMP_SP_COOKIE, &a, sizeof(a));
	chan_put(c);
	if (!err)
		err = a.ret;
	if (!err)
		*cookie = a.cookie;
	return err;
}

void remote_fork_cancel(const struct rump_sp_cookie *cookie)
{
	struct rump_sp_cancel q = {
		.hdr = { .len = sizeof(q), .type = RUMP_SP_FORK_CANCEL }, .cookie = *cookie,
	};
	struct rump_sp_reply a;
	struct chan *c;

	if (chan_get_now(&c))
		return;
	ask(c, &q.hdr, NULL, 0, RUMP_SP_REPLY, &a, sizeof(a));
	chan_put(c);
}
