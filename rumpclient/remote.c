/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * remote.c - system calls of a rump_server (protocol: <rump/rump_sp.h>).
 *
 * Each thread has a channel of its own, opened by its first call, and closed by
 * its end (a pthread key's destructor, which lets those of the program run
 * first).  A call is: one message out, one in, and in between the server's
 * questions about our memory.  Nothing is shared between threads but the
 * session's cookie.
 *
 * A signal handler may make calls while its thread is in one: that call takes
 * the thread's next channel.  A handler that leaves by longjmp(3) leaves a call
 * behind, which ends when its channel is reused or closed.
 *
 * A handler that was installed without SA_RESTART ends the host's recv() with
 * EINTR; the server is told then, and its answer, which is EINTR in turn unless
 * the call was just done, is waited for.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <rump/rump_calls.h>

#include "../hypercall/sp_url.h"
#include "client.h"

#define DEPTH		4		/* calls on top of each other in one thread */
#define BOUNCE		(256 * 1024)	/* of our memory in one answer, bytes */
#define ROUNDS		4		/* of destructors, see thread_ends() */
#define CONNECT_TRIES	100		/* while a server's queue is full, 10 ms each */

struct chan {
	atomic_int fd;
	unsigned int gen;		/* of the session it belongs to; 0: never opened */
	uint64_t reqno;
};

struct thread {
	struct chan chan[DEPTH];
	unsigned int depth;		/* calls under way */
	int registered;
	void *bounce;
};

static struct {
	struct sockaddr_un sun;
	socklen_t len;
	char url[sizeof(((struct sockaddr_un *)0)->sun_path) + 16];
	atomic_uint gen;		/* counts forks: a channel of another one is not ours */
	struct rump_sp_cookie cookie;	/* of our process there; id 0: none yet */
	atomic_uint joining;		/* 1: the first thread is making it */
} session;

static __thread struct thread self;
static pthread_key_t key;

/* All open channels, for remote_move_fd(): anywhere behind their fd's place. */
#define CHANS_MAX	8192
static _Atomic(struct chan *) chans[CHANS_MAX];

static const char zeroes[4096];

/* ---- raw input and output -------------------------------------------------------- */

static long chan_send(int fd, struct iovec *iov, unsigned int niov, int passfd, size_t *done)
{
	_Alignas(struct cmsghdr) char ctl[CMSG_SPACE(sizeof(int))];
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = niov };
	struct cmsghdr *cm;
	long n;

	if (passfd >= 0) {
		mh.msg_control = ctl;
		mh.msg_controllen = sizeof(ctl);
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cm), &passfd, sizeof(int));
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

/* Sends one small message, hdr->len bytes. */
static int send_small(int fd, const void *hdr)
{
	const struct rump_sp_hdr *h = hdr;
	struct iovec iov = { (void *)h, h->len };

	return chan_send(fd, &iov, 1, -1, NULL);
}

/*
 * Input of one message: what recv() has brought beyond what was wanted is kept
 * here.  The server sends nothing before we have answered, so no more than one
 * message ever is.
 */
struct in {
	const atomic_int *fd;		/* may change while we wait */
	size_t have, pos;
	uint64_t left;			/* of the message, behind pos */
	_Alignas(8) char buf[sizeof(struct rump_sp_reply) +
	    RUMP_SP_OUTS_MAX * sizeof(struct rump_sp_out) +
	    RUMP_SP_SIGS_MAX * sizeof(struct rump_sp_sig)];
};

/* Sees that n more bytes of the message are in buf, behind pos.  -errno. */
static int need(struct in *in, size_t n)
{
	long r;

	if (in->pos + n > sizeof(in->buf))
		return -EPROTO;
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

static void *consume(struct in *in, size_t n)
{
	void *p = in->buf + in->pos;

	in->pos += n;
	in->left -= n;
	return p;
}

static int skip(struct in *in, uint64_t n)
{
	char sink[512];
	size_t k;
	long r;

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

/*
 * n bytes of the message into the program's memory; *stored: how many it took
 * (fewer: a bad address; the rest is skipped).
 */
static int store(struct in *in, uint64_t addr, uint64_t n, uint64_t *stored)
{
	size_t k = in->have - in->pos, w;
	long r;

	*stored = 0;
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
		r = host(SYS_recvfrom, *in->fd, addr + *stored, n, MSG_WAITALL, NULL, NULL);
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

/* ---- opening a channel ---------------------------------------------------------------- */

static const char *refusal(int error)
{
	switch (error) {
	case ECONNREFUSED:
	case ENOENT:
		return "no rump_server is there";
	case EACCES:
	case EPERM:
		return "the rump_server is another user's";
	case ECONNRESET:
	case EPIPE:
		return "the rump_server has refused the connection";
	}
	return strerror(error);
}

static int connect_server(void)
{
	struct timespec nap = { .tv_nsec = 10000000 };
	long fd, r = 0;
	int i;

	fd = host(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	for (i = 0; i < CONNECT_TRIES; i++) {
		r = host(SYS_connect, fd, &session.sun, session.len);
		if (r != -EAGAIN && r != -EINTR)
			break;
		host(SYS_nanosleep, &nap, NULL);
	}
	if (r) {
		host(SYS_close, fd);
		return r;
	}
	return ownfd_take(fd);
}

static int mismatch(const struct rump_sp_hello_reply *r)
{
	if (!memcmp(r->magic, RUMP_SP_MAGIC, sizeof(r->magic)) &&
	    r->version == RUMP_SP_VERSION &&
	    !strncmp(r->machine, RUMP_SP_MACHINE, sizeof(r->machine)))
		return 0;
	client_warn("%s: server: %.8s version %u, machine %.16s, kernel %.64s; client: %s "
	    "version %u, machine %s", session.url, r->magic, r->version, r->machine, r->release,
	    "RUMP-SP", RUMP_SP_VERSION, RUMP_SP_MACHINE);
	return 1;
}

/* Says who we are on a fresh connection.  -errno: fd is closed. */
static int say_hello(int fd, enum rump_sp_kind kind, const struct rump_sp_cookie *cookie,
    struct rump_sp_hello_reply *r)
{
	struct rump_sp_hello h = {
		.hdr = { .len = sizeof(h), .type = RUMP_SP_HELLO },
		.version = RUMP_SP_VERSION,
		.kind = kind,
		.machine = RUMP_SP_MACHINE,
		.pid = host(SYS_getpid, 0),
		.tid = host(SYS_gettid, 0),
		.uid = host(SYS_geteuid, 0),
		.gid = host(SYS_getegid, 0),
	};
	const atomic_int in_fd = fd;
	struct in in = { .fd = &in_fd };
	int err;

	memcpy(h.magic, RUMP_SP_MAGIC, sizeof(h.magic));
	if (cookie)
		h.cookie = *cookie;
	host(SYS_prctl, PR_GET_NAME, h.comm, 0, 0, 0);
	err = send_small(fd, &h);
	/* A server that refuses may have answered, and hung up, before we have spoken. */
	if (!err || err == -EPIPE)
		err = need(&in, sizeof(*r));
	if (!err) {
		memcpy(r, in.buf, sizeof(*r));
		if (r->hdr.type != RUMP_SP_HELLO_REPLY || r->hdr.len != sizeof(*r))
			err = -EPROTO;
		else if (mismatch(r))
			err = -EPROTO;
		else
			err = r->error;
	}
	if (err)
		ownfd_close(fd);
	return err;
}

/*
 * The session: who comes first makes our process there, the others wait for it.
 * A fork meanwhile is harmless: remote_forget() starts anew.
 */
static int join(int *fdp)
{
	struct rump_sp_hello_reply r;
	unsigned int state = 0;
	int fd, err;

	while (!atomic_compare_exchange_strong(&session.joining, &state, 1)) {
		if (state == 2)
			return 1;
		state = 0;
		host(SYS_sched_yield, 0);
	}
	fd = connect_server();
	err = fd < 0 ? fd : say_hello(fd, RUMP_SP_GUEST, NULL, &r);
	if (!err) {
		session.cookie = r.cookie;
		*fdp = fd;
	}
	atomic_store(&session.joining, err ? 0 : 2);
	return err;
}

static int chan_use(struct chan *c, int fd)
{
	struct chan *none;
	unsigned int i;

	c->fd = fd;
	c->reqno = 0;
	for (i = 0; i < CHANS_MAX; i++) {
		none = NULL;
		if (atomic_compare_exchange_strong(&chans[(fd + i) % CHANS_MAX], &none, c)) {
			c->gen = atomic_load(&session.gen);
			return 0;
		}
	}
	ownfd_close(fd);
	return -EMFILE;
}

static void register_thread(void);

static int chan_open(struct chan *c)
{
	struct rump_sp_hello_reply r;
	int fd, err;

	err = atomic_load(&session.joining) == 2 ? 1 : join(&fd);
	if (err == 1) {
		fd = connect_server();
		err = fd < 0 ? fd : say_hello(fd, RUMP_SP_THREAD, &session.cookie, &r);
	}
	if (err)
		return err;
	err = chan_use(c, fd);
	if (!err)
		register_thread();
	return err;
}

static int chan_is_open(const struct chan *c)
{
	return c->gen && c->gen == atomic_load_explicit(&session.gen, memory_order_relaxed);
}

static void chan_close(struct chan *c)
{
	struct chan *me = c;
	unsigned int i;

	if (chan_is_open(c)) {
		for (i = 0; i < CHANS_MAX; i++, me = c)
			if (atomic_compare_exchange_strong(&chans[(c->fd + i) % CHANS_MAX],
			    &me, NULL))
				break;
		ownfd_close(c->fd);
	}
	c->gen = 0;
}

int remote_move_fd(int fd)
{
	struct chan *c;
	unsigned int i;
	int new;

	for (i = 0; i < CHANS_MAX; i++) {
		c = atomic_load(&chans[i]);
		if (!c || c->fd != fd)
			continue;
		new = ownfd_dup(fd);
		if (new < 0)
			return new;
		c->fd = new;
		host(SYS_close, fd);
		return 0;
	}
	return 0;
}

/* ---- threads ------------------------------------------------------------------------------ */

static void thread_ends(void *round)
{
	unsigned int i;

	/* The program's destructors may make calls: ours waits for the last round. */
	if ((uintptr_t)round < ROUNDS &&
	    pthread_setspecific(key, (void *)((uintptr_t)round + 1)) == 0)
		return;
	for (i = 0; i < DEPTH; i++)
		chan_close(&self.chan[i]);
	if (self.bounce)
		host(SYS_munmap, self.bounce, BOUNCE);
	self.bounce = NULL;
	self.registered = 0;
}

static void register_thread(void)
{
	if (!self.registered) {
		self.registered = 1;
		pthread_setspecific(key, (void *)1);
	}
}

/* The channel for a call of this thread, which is under way until chan_put(). */
static int chan_get(struct chan **cp)
{
	struct chan *c;
	unsigned int i;
	int err;

	if (self.depth == DEPTH) {
		/* Handlers have left by longjmp(): nobody waits on these any more.  One
		 * stays open at any moment, for the process there to live on. */
		chan_close(&self.chan[0]);
		err = chan_open(&self.chan[0]);
		if (err)
			return err;
		for (i = 1; i < DEPTH; i++)
			chan_close(&self.chan[i]);
		self.depth = 0;
	}
	c = &self.chan[self.depth++];
	if (!chan_is_open(c)) {
		err = chan_open(c);
		if (err) {
			self.depth--;
			return err;
		}
	}
	*cp = c;
	return 0;
}

static void chan_put(struct chan *c)
{
	self.depth = c - self.chan;
}

/* ---- a call ----------------------------------------------------------------------------------- */

static void *bounce(void)
{
	long p;

	if (!self.bounce) {
		p = host(SYS_mmap, NULL, BOUNCE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		self.bounce = host_failed(p) ? NULL : (void *)p;
	}
	return self.bounce;
}

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
static int serve_copy(struct in *in, const struct rump_sp_copy *q)
{
	struct rump_sp_copy_reply r = {
		.hdr = { .len = sizeof(r), .type = RUMP_SP_COPY_REPLY, .reqno = q->hdr.reqno },
	};
	struct iovec iov[3] = { { &r, sizeof(r) } };
	uint64_t n = q->size, done = 0;
	int err;

	if (q->hdr.type == RUMP_SP_COPYOUT) {
		if (n > in->left)
			return -EPROTO;
		err = store(in, q->addr, n, &done);
		if (!err)
			err = skip(in, in->left);
		if (err)
			return err;
	} else if (n && bounce()) {
		if (n > BOUNCE)
			n = BOUNCE;
		done = q->hdr.type == RUMP_SP_COPYIN ? safe_read(self.bounce, q->addr, n) :
		    read_string(self.bounce, q->addr, n);
		iov[1] = (struct iovec){ self.bounce, done };
		iov[2] = (struct iovec){ (void *)zeroes, RUMP_SP_ALIGN(done) - done };
		r.hdr.len += RUMP_SP_ALIGN(done);
	}
	r.ret = done || !n ? (int64_t)done : -EFAULT;
	return chan_send(*in->fd, iov, 3, -1, NULL);
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

/* The rest of a REPLY, whose fixed part has been read.  Sets *ret. */
static int take_reply(struct in *in, long *ret)
{
	struct rump_sp_reply r;
	struct rump_sp_out *outs;
	struct rump_sp_sig *sigs;
	uint64_t total = 0, stored;
	unsigned int i;
	int err, fault = 0;

	memcpy(&r, in->buf, sizeof(r));
	if (r.nouts > RUMP_SP_OUTS_MAX || r.nsigs > RUMP_SP_SIGS_MAX ||
	    r.nouts * sizeof(*outs) + r.nsigs * sizeof(*sigs) > in->left)
		return -EPROTO;
	err = need(in, r.nouts * sizeof(*outs) + r.nsigs * sizeof(*sigs));
	if (err)
		return err;
	outs = consume(in, r.nouts * sizeof(*outs));
	sigs = consume(in, r.nsigs * sizeof(*sigs));
	for (i = 0; i < r.nouts; i++)
		total += outs[i].len;
	if (total > in->left)
		return -EPROTO;
	for (i = 0; i < r.nouts; i++) {
		err = store(in, outs[i].addr, outs[i].len, &stored);
		if (err)
			return err;
		fault |= stored != outs[i].len;
	}
	err = skip(in, in->left);
	if (err)
		return err;
	for (i = 0; i < r.nsigs; i++)
		raise_here(&sigs[i]);
	*ret = fault && r.ret >= 0 ? -EFAULT : r.ret;
	return 0;
}

/*
 * Waits for the first bytes of an answer, fixed bytes long, and a little more if
 * it is there.  A handler that runs meanwhile makes us send INTERRUPT, once.
 */
static int await(struct in *in, size_t fixed, size_t more, uint64_t reqno, int *interrupted)
{
	const struct rump_sp_hdr *hdr = (const void *)in->buf;
	struct rump_sp_hdr intr = {
		.len = sizeof(intr), .type = RUMP_SP_INTERRUPT, .reqno = reqno
	};
	long r;
	int err;

	in->have = in->pos = 0;
	while (in->have < fixed) {
		r = host(SYS_recvfrom, *in->fd, in->buf + in->have, fixed + more - in->have,
		    0, NULL, NULL);
		if (r == -EINTR) {
			if (interrupted && !*interrupted) {
				*interrupted = 1;
				err = send_small(*in->fd, &intr);
				if (err)
					return err;
			}
			continue;
		}
		if (r <= 0)
			return r ? r : -ECONNRESET;
		in->have += r;
	}
	if (hdr->len < fixed)
		return -EPROTO;
	in->left = hdr->len;
	consume(in, fixed);
	return 0;
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

static void poll_first(struct in *in, uint64_t reqno, int *interrupted)
{
	struct pollfd pfd = { .fd = *in->fd, .events = POLLIN };
	struct rump_sp_hdr intr = {
		.len = sizeof(intr), .type = RUMP_SP_INTERRUPT, .reqno = reqno
	};

	if (host(SYS_poll, &pfd, 1, -1) == -EINTR) {
		*interrupted = 1;
		send_small(*in->fd, &intr);
	}
}

/* The request, with its memory.  -EFAULT: nothing was sent; 1: it was given up on the way. */
static int send_request(struct chan *c, struct rump_sp_syscall *req, struct marshal *m,
    int passfd)
{
	struct iovec iov[RUMP_SP_SEGS_MAX + 2];
	uint64_t tail[2] = { 0, RUMP_SP_END_OK };	/* padding, end word */
	size_t head = sizeof(*req) + m->nsegs * sizeof(req->segs[0]);
	size_t pad, total, done = 0, k;
	unsigned int i, n = 1;
	int err;

	for (i = 0; i < m->nsegs; i++) {
		req->segs[i] = m->seg[i];
		if (m->seg[i].flags & RUMP_SP_IN) {
			req->segs[i].off += head;
			iov[n].iov_base = (void *)m->data[i];
			iov[n++].iov_len = m->seg[i].len;
		}
	}
	pad = RUMP_SP_ALIGN(m->size) - m->size;
	total = head + m->size + pad + sizeof(tail[1]);
	req->nsegs = m->nsegs;
	req->hdr.len = total;
	iov[0] = (struct iovec){ req, head };
	iov[n++] = (struct iovec){ (char *)&tail[1] - pad, pad + sizeof(tail[1]) };

	err = chan_send(c->fd, iov, n, passfd, &done);
	if (err != -EFAULT || done == 0)
		return err;
	/* Half of it is out: complete it with anything, and say so at its end. */
	tail[1] = RUMP_SP_END_ABORT;
	for (; done < total - sizeof(tail[1]); done += k) {
		k = total - sizeof(tail[1]) - done;
		if (k > sizeof(zeroes))
			k = sizeof(zeroes);
		iov[0] = (struct iovec){ (void *)zeroes, k };
		err = chan_send(c->fd, iov, 1, -1, NULL);
		if (err)
			return err;
	}
	iov[0] = (struct iovec){ (char *)&tail[1] + (done - (total - sizeof(tail[1]))),
	    total - done };
	err = chan_send(c->fd, iov, 1, -1, NULL);
	return err ? err : 1;
}

/* One request and its answer.  -EFAULT for bad memory on the way out, with *ret unset. */
static int exchange(struct chan *c, long nr, const long args[6], int passfd, unsigned int flags,
    struct marshal *m, long *ret)
{
	union {
		struct rump_sp_syscall req;
		char room[sizeof(struct rump_sp_syscall) +
		    RUMP_SP_SEGS_MAX * sizeof(struct rump_sp_seg)];
	} u;
	struct in in;
	uint64_t reqno = ++c->reqno;
	int err, aborted, interrupted = 0;

	u.req.hdr = (struct rump_sp_hdr){
		.type = RUMP_SP_SYSCALL, .nfds = passfd >= 0, .flags = flags, .reqno = reqno,
	};
	u.req.nr = nr;
	memcpy(u.req.args, args, sizeof(u.req.args));
	u.req.reserved = 0;
	err = send_request(c, &u.req, m, passfd);
	if (err < 0)
		return err;
	aborted = err;
	in.fd = &c->fd;
	if (never_restarts(nr))
		poll_first(&in, reqno, &interrupted);
	for (;;) {
		const struct rump_sp_hdr *hdr = (const void *)in.buf;

		err = await(&in, sizeof(struct rump_sp_reply),
		    m->nouts * sizeof(struct rump_sp_out), reqno, &interrupted);
		if (err)
			return err;
		switch (hdr->type) {
		case RUMP_SP_REPLY:
			if (hdr->reqno != reqno)
				return -EPROTO;
			err = take_reply(&in, ret);
			return err ? err : aborted ? -EFAULT : 0;
		case RUMP_SP_COPYIN:
		case RUMP_SP_COPYINSTR:
		case RUMP_SP_COPYOUT: {
			struct rump_sp_copy q;

			memcpy(&q, in.buf, sizeof(q));
			err = serve_copy(&in, &q);
			if (err)
				return err;
			break;
		}
		default:
			return -EPROTO;
		}
	}
}

/* Ends a channel on which the server could not be understood, or is not any more. */
static long lost(struct chan *c, int err)
{
	if (err == -EPROTO)
		client_warn("%s: the server does not follow the protocol", session.url);
	chan_close(c);
	return -ENOTCONN;
}

/* Which argument is a host descriptor that goes along; -1: none. */
static int passed_arg(long nr)
{
	return nr == RUMP_CALL_FD_ATTACH ? 1 : nr == RUMP_CALL_FD_ADOPT ? 0 : -1;
}

long remote_syscall(long nr, const long args[6], int farfd)
{
	struct marshal m;
	struct chan *c;
	int arg = passed_arg(nr), passfd = arg >= 0 ? (int)args[arg] : farfd;
	int err;
	long ret;

	if (arg >= 0 && passfd < 0)
		return -EBADF;
	err = chan_get(&c);
	if (err)
		return -ENOTCONN;
	marshal(&m, nr, args);
	err = exchange(c, nr, args, passfd, farfd >= 0 ? RUMP_SP_F_ATTACH : 0, &m, &ret);
	if (err == -EFAULT) {
		/* The call itself is to find the bad address, or another error first. */
		m.nsegs = m.nouts = 0;
		m.size = 0;
		err = exchange(c, nr, args, passfd, farfd >= 0 ? RUMP_SP_F_ATTACH : 0, &m, &ret);
	}
	if (err == -EBADF && arg >= 0)
		ret = -EBADF;		/* nothing was sent: it is no descriptor */
	else if (err)
		ret = lost(c, err);
	chan_put(c);
	if (nr == RUMP_CALL_FD_ATTACH)
		host(SYS_close, passfd);
	if (farfd >= 0)
		host(SYS_close, farfd);
	return ret;
}

/* ---- fork --------------------------------------------------------------------------------------- */

/* A message of a header, or more, and its answer of size bytes. */
static int ask(struct chan *c, struct rump_sp_hdr *q, unsigned int type, void *answer, size_t size)
{
	struct in in = { .fd = &c->fd };
	int err;

	q->reqno = ++c->reqno;
	err = send_small(c->fd, q);
	if (!err)
		err = await(&in, size, 0, q->reqno, NULL);
	if (!err) {
		memcpy(answer, in.buf, size);
		if (((struct rump_sp_hdr *)answer)->type != type || in.left)
			err = -EPROTO;
	}
	if (err)
		err = lost(c, err);
	return err;
}

int remote_prefork(struct rump_sp_cookie *cookie)
{
	struct rump_sp_hdr q = { .len = sizeof(q), .type = RUMP_SP_PREFORK };
	struct rump_sp_newcookie a;
	struct chan *c;
	int err;

	err = chan_get(&c);
	if (err)
		return -ENOTCONN;
	err = ask(c, &q, RUMP_SP_COOKIE, &a, sizeof(a));
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

	if (chan_get(&c))
		return;
	ask(c, &q.hdr, RUMP_SP_REPLY, &a, sizeof(a));
	chan_put(c);
}

void remote_forget(void)
{
	memset(chans, 0, sizeof(chans));
	ownfd_forget();
	if (atomic_fetch_add(&session.gen, 1) + 1 == 0)
		atomic_store(&session.gen, 1);
	atomic_store(&session.joining, 0);
	session.cookie = (struct rump_sp_cookie){ 0 };
	self.depth = 0;
}

int remote_fork_init(const struct rump_sp_cookie *cookie)
{
	struct rump_sp_hello_reply r;
	int fd, err;

	fd = connect_server();
	if (fd < 0)
		return -ENOTCONN;
	err = say_hello(fd, RUMP_SP_FORK, cookie, &r);
	if (err)
		return err;
	session.cookie = r.cookie;
	atomic_store(&session.joining, 2);
	err = chan_use(&self.chan[0], fd);
	if (!err)
		register_thread();
	return err;
}

/* ---- start ------------------------------------------------------------------------------------------ */

int remote_init(const char *url)
{
	const char *why;
	struct chan *c;
	int err;

	snprintf(session.url, sizeof(session.url), "%s", url);
	why = sp_url_parse(url, &session.sun, &session.len);
	if (why) {
		client_warn("RUMP_SERVER=%s: %s", url, why);
		return -EINVAL;
	}
	err = pthread_key_create(&key, thread_ends);
	if (err)
		return -err;
	atomic_store(&session.gen, 1);
	err = chan_get(&c);
	if (err) {
		if (err != -EPROTO)
			client_warn("RUMP_SERVER=%s: %s", url, refusal(-err));
		return err;
	}
	chan_put(c);
	return 0;
}
