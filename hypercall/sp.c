/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sp.c - sysproxy's server side on the host: connections.
 *
 * All sockets are in one epoll set, in which one helper thread of the kernel
 * sleeps while its vCPU is idle (sp_wait.c).  Whoever finds events there
 * assembles and checks messages on the spot (sp_msg.c) and tells the kernel by an upcall;
 * the kernel takes complete messages, and sends its own without blocking.  So a
 * client that is slow, silent or stuck is waited for by its own task only.
 *
 * A channel lives in a slot that is never freed, but has a generation: an event
 * of an earlier tenant, still on its way in another thread, finds a different
 * one.  Slot locks are taken before the list lock.  Nothing here waits for the
 * kernel, so the kernel may spin on these locks.
 *
 * Limits: SLOTS_MAX connections; of those that have not said HELLO yet, HALF_MAX
 * for HALF_SECONDS each; QUEUE messages of one client that the kernel has not
 * taken (its request, and an answer), more is a breach of the protocol.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

#include <rump/rumpuser_sp.h>

#include "hostcall.h"
#include "internal.h"
#include "sp.h"
#include "sp_listen.h"
#include "sp_msg.h"

#define CHUNK		64
#define SLOTS_MAX	(1U << 17)
#define HALF_MAX	256
#define HALF_SECONDS	10
#define QUEUE		2
#define BUF_MIN		4096
#define BUF_KEEP	(64 * 1024)	/* a channel keeps a free buffer up to this size */
#define HALT_MAX	16
#define SEND_IOV	40		/* pieces that one sendmsg() takes from us */

struct buf {
	struct rumpuser_sp_msg msg;
	struct buf *next;
	size_t cap;
	int fds[RUMP_SP_FDS_MAX];
	_Alignas(16) char data[];
};

enum state {
	FREE,
	HALF,		/* connected, no HELLO yet */
	QUEUED,		/* waits for rumpuser_sp_accept() */
	OWNED,		/* the kernel's */
	CONTROL,	/* ours: halt */
};

struct rumpuser_sp_chan {
	uint32_t lock;
	uint32_t index, gen;
	enum state state;
	int fd;
	int eof;			/* nothing more comes in */
	int want_out;			/* epoll is to say when we can send */
	struct buf *rx;			/* being assembled: have bytes are there */
	size_t have;
	int fds[RUMP_SP_FDS_MAX];	/* came along, for the messages to come */
	unsigned int nfds;
	struct buf *queue;		/* complete */
	unsigned int queued;
	struct buf *spare;
	struct buf *hello;
	void *cookie;
	void *out;			/* rumpuser_sp_buffer() */
	size_t outcap;
	int64_t since;			/* HALF: when it connected */
	uint64_t halt_reqno;
	pid_t pid;			/* as the host says */
	struct rumpuser_sp_chan *prev, *next;	/* in half or in the accept queue */
};

struct list {
	struct rumpuser_sp_chan *first, *last;
	unsigned int n;
};

static struct {
	uint32_t lock;			/* of what follows */
	unsigned int nslots;
	struct rumpuser_sp_chan *freed;	/* by next */
	struct list half, acceptable;
	struct { uint32_t index, gen; } halting[HALT_MAX];
	unsigned int nhalting;
	int spare_fd;			/* given up to refuse a connection when none is left */
} g;

static struct rumpuser_sp_chan *chunks[SLOTS_MAX / CHUNK];
static const struct rumpuser_sp_upcalls *up;
static char release_[64];
static int listen_fd = -1, timer_fd = -1, state_fd = -1;
static atomic_uint clients, halt_wanted, may_halt;
static atomic_ullong accepted, rejected;

/* ---- locks ----------------------------------------------------------------- */

static void lock(uint32_t *l)
{
	unsigned int spins = 0;

	while (__atomic_exchange_n(l, 1, __ATOMIC_ACQUIRE))
		while (__atomic_load_n(l, __ATOMIC_RELAXED))
			rumpuser_relax(&spins);
}

static void unlock(uint32_t *l)
{
	__atomic_store_n(l, 0, __ATOMIC_RELEASE);
}

static void append(struct list *l, struct rumpuser_sp_chan *c)
{
	c->next = NULL;
	c->prev = l->last;
	if (l->last)
		l->last->next = c;
	else
		l->first = c;
	l->last = c;
	l->n++;
}

static void unlink_chan(struct list *l, struct rumpuser_sp_chan *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		l->first = c->next;
	if (c->next)
		c->next->prev = c->prev;
	else
		l->last = c->prev;
	l->n--;
}

static void tell_program(void)
{
	uint64_t one = 1;

	host(SYS_write, state_fd, &one, sizeof(one));
}

/* ---- buffers ------------------------------------------------------------------ */

/* len: what must fit.  A channel's spare one is used first. */
static struct buf *buf_get(struct rumpuser_sp_chan *c, size_t len)
{
	struct buf *b = c->spare;

	if (b && b->cap >= len) {
		c->spare = NULL;
	} else {
		if (len < BUF_MIN)
			len = BUF_MIN;
		b = malloc(sizeof(*b) + len);
		if (!b)
			return NULL;
		b->cap = len;
	}
	b->next = NULL;
	b->msg = (struct rumpuser_sp_msg){ .hdr = (void *)b->data, .fd = -1 };
	return b;
}

static void buf_put(struct rumpuser_sp_chan *c, struct buf *b)
{
	unsigned int i;

	if (!b)
		return;
	for (i = 0; i < b->msg.nfds; i++)
		if (i || b->msg.fd >= 0)
			host(SYS_close, b->fds[i]);
	if (b->cap <= BUF_KEEP && (!c->spare || c->spare->cap < b->cap)) {
		free(c->spare);
		b->msg.nfds = 0;
		c->spare = b;
	} else {
		free(b);
	}
}

/* ---- slots ---------------------------------------------------------------------- */

static struct rumpuser_sp_chan *slot_get(void)
{
	struct rumpuser_sp_chan *c, *chunk;
	unsigned int i;

	lock(&g.lock);
	if (!g.freed && g.nslots < SLOTS_MAX &&
	    (chunk = calloc(CHUNK, sizeof(*chunk)))) {
		for (i = CHUNK; i-- > 0;) {
			chunk[i].index = g.nslots + i;
			chunk[i].next = g.freed;
			g.freed = &chunk[i];
		}
		__atomic_store_n(&chunks[g.nslots / CHUNK], chunk, __ATOMIC_RELEASE);
		g.nslots += CHUNK;
	}
	c = g.freed;
	if (c)
		g.freed = c->next;
	unlock(&g.lock);
	return c;
}

static uint64_t slot_name(const struct rumpuser_sp_chan *c)
{
	return SP_TAG_CHAN | (uint64_t)(c->gen & SP_GEN_MASK) << 32 | c->index;
}

/* Locked, or NULL if the slot has another tenant by now. */
static struct rumpuser_sp_chan *slot_find(uint32_t index, uint32_t gen)
{
	struct rumpuser_sp_chan *c;

	c = __atomic_load_n(&chunks[index / CHUNK], __ATOMIC_ACQUIRE) + index % CHUNK;
	lock(&c->lock);
	if ((c->gen & SP_GEN_MASK) == gen && c->state != FREE)
		return c;
	unlock(&c->lock);
	return NULL;
}

/* Ends the connection and gives the slot up; locked, and unlocked by it. */
static void chan_free(struct rumpuser_sp_chan *c)
{
	struct buf *b;
	unsigned int i;

	lock(&g.lock);
	if (c->state == HALF)
		unlink_chan(&g.half, c);
	unlock(&g.lock);
	if (c->state == QUEUED || c->state == OWNED) {
		atomic_fetch_sub(&clients, 1);
		tell_program();
	}
	host(SYS_close, c->fd);
	for (i = 0; i < c->nfds; i++)
		host(SYS_close, c->fds[i]);
	while ((b = c->queue)) {
		c->queue = b->next;
		buf_put(c, b);
	}
	buf_put(c, c->hello);
	if (c->rx)
		c->rx->msg.nfds = 0;
	free(c->rx);
	free(c->spare);
	free(c->out);
	c->rx = c->spare = c->hello = NULL;
	c->out = c->cookie = NULL;
	c->outcap = c->have = 0;
	c->nfds = c->queued = 0;
	c->eof = c->want_out = 0;
	c->state = FREE;
	c->gen++;
	unlock(&c->lock);

	lock(&g.lock);
	c->next = g.freed;
	g.freed = c;
	unlock(&g.lock);
}

static void chan_event(struct rumpuser_sp_chan *c, unsigned int events, uint64_t reqno)
{
	if (c->state == OWNED)
		up->event(c->cookie, events, reqno);
}

/* Nothing more comes from this client; what it has sent before counts. */
static void chan_eof(struct rumpuser_sp_chan *c)
{
	if (c->eof)
		return;
	c->eof = 1;
	host(SYS_epoll_ctl, sp_epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
	host(SYS_shutdown, c->fd, SHUT_RDWR);
	chan_event(c, RUMPUSER_SP_HUP, 0);
}

static void complain(struct rumpuser_sp_chan *c, const char *why)
{
	const struct rump_sp_hello *h = c->hello ? (void *)c->hello->data : NULL;

	/* One client that does it all the time must not fill a log. */
	if (atomic_fetch_add(&rejected, 1) < 100)
		rumpuser_warn("client %s[%d] is cut off: %s", h ? h->comm : "?", c->pid, why);
}

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
	memcpy(r.release, release_, sizeof(r.release));
	host(SYS_sendto, c->fd, &r, sizeof(r), MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}

/* A complete HELLO.  Returns why the connection ends here, or NULL. */
static const char *hello(struct rumpuser_sp_chan *c, struct buf *b)
{
	struct rump_sp_hello *h = (void *)b->data;
	uint64_t reqno = h->hdr.reqno;

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
	case RUMP_SP_CONTROL:
		c->state = CONTROL;
		hello_refuse(c, reqno, 0);
		break;
	default:
		hello_refuse(c, reqno, -EINVAL);
		return "unknown kind of client";
	}
	/* What the host says counts. */
	if (c->pid)
		h->pid = c->pid;
	h->uid = host(SYS_geteuid, 0);

	c->hello = b;
	lock(&g.lock);
	unlink_chan(&g.half, c);
	if (c->state == HALF) {
		c->state = QUEUED;
		append(&g.acceptable, c);
		atomic_fetch_add(&clients, 1);
		atomic_fetch_add(&accepted, 1);
	}
	unlock(&g.lock);
	if (c->state == QUEUED) {
		up->accept();
		tell_program();
	}
	return NULL;
}

static void reply(struct rumpuser_sp_chan *c, uint64_t reqno, int64_t ret)
{
	struct rump_sp_reply r = {
		.hdr = { .len = sizeof(r), .type = RUMP_SP_REPLY, .reqno = reqno },
		.ret = ret,
	};

	host(SYS_sendto, c->fd, &r, sizeof(r), MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}

static const char *control(struct rumpuser_sp_chan *c, const struct rump_sp_hdr *hdr)
{
	if (hdr->type != RUMP_SP_HALT)
		return "a control connection takes HALT only";
	if (!atomic_load(&may_halt)) {
		reply(c, hdr->reqno, -EPERM);
		return NULL;
	}
	c->halt_reqno = hdr->reqno;
	lock(&g.lock);
	if (g.nhalting < HALT_MAX) {
		g.halting[g.nhalting].index = c->index;
		g.halting[g.nhalting++].gen = c->gen & SP_GEN_MASK;
	}
	unlock(&g.lock);
	atomic_store(&halt_wanted, 1);
	tell_program();
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
	if ((hdr->type == RUMP_SP_HELLO) != (c->state == HALF)) {
		why = c->state == HALF ? "no HELLO" : "a second HELLO";
	} else if (c->state == HALF) {
		why = hello(c, b);
		if (!why)
			return NULL;
	} else if (hdr->type == RUMP_SP_GOODBYE) {
		chan_eof(c);
	} else if (c->state == CONTROL) {
		why = control(c, hdr);
	} else if (hdr->type == RUMP_SP_HALT) {
		why = "HALT from a process";
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
				host(SYS_close, fds[i]);
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

/* Returns why the connection ends, or NULL; sets eof at its orderly end. */
static const char *input(struct rumpuser_sp_chan *c)
{
	_Alignas(struct cmsghdr) char ctl[CMSG_SPACE(2 * RUMP_SP_FDS_MAX * sizeof(int))];
	struct iovec iov;
	struct msghdr mh = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = ctl, .msg_controllen = sizeof(ctl),
	};
	const char *why;
	long n;

	if (!c->rx && !(c->rx = buf_get(c, BUF_MIN)))
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

static void half_arm(void)
{
	struct itimerspec it = { 0 };

	lock(&g.lock);
	if (g.half.first) {
		int64_t when = g.half.first->since + HALF_SECONDS * 1000000000LL;

		it.it_value.tv_sec = when / 1000000000;
		it.it_value.tv_nsec = when % 1000000000;
	}
	host(SYS_timerfd_settime, timer_fd, TFD_TIMER_ABSTIME, &it, NULL);
	unlock(&g.lock);
}

/* Cuts off who has not said HELLO in time; or, if all, the one that waits longest. */
static void half_expire(int oldest)
{
	struct rumpuser_sp_chan *c;
	int64_t due = rumpuser_clock_mono() - HALF_SECONDS * 1000000000LL;
	uint32_t index, gen;

	for (;;) {
		lock(&g.lock);
		c = g.half.first;
		if (!c || (!oldest && c->since > due)) {
			unlock(&g.lock);
			break;
		}
		index = c->index;
		gen = c->gen & SP_GEN_MASK;
		unlock(&g.lock);
		c = slot_find(index, gen);
		if (c && c->state == HALF) {
			complain(c, oldest ? "too many connections without a HELLO" :
			    "connected and said nothing");
			chan_free(c);
		} else if (c) {
			unlock(&c->lock);
		}
		if (oldest)
			break;
	}
	half_arm();
}

/* ---- events ------------------------------------------------------------------------- */

void sp_chan_ready(uint64_t tag, uint32_t events)
{
	struct rumpuser_sp_chan *c;
	struct epoll_event ev;
	const char *why = NULL;

	c = slot_find((uint32_t)tag, tag >> 32 & SP_GEN_MASK);
	if (!c)
		return;
	if (!c->eof && events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		why = input(c);
	if (why)
		complain(c, why);
	if (c->state == HALF || c->state == CONTROL) {
		if (why || c->eof) {
			chan_free(c);
			return;
		}
	} else if (why) {
		chan_eof(c);
	}
	if (!c->eof && c->want_out && events & EPOLLOUT) {
		c->want_out = 0;
		ev = (struct epoll_event){ .events = EPOLLIN, .data.u64 = slot_name(c) };
		host(SYS_epoll_ctl, sp_epoll_fd, EPOLL_CTL_MOD, c->fd, &ev);
		chan_event(c, RUMPUSER_SP_OUT, 0);
	}
	unlock(&c->lock);
}

static void new_connection(int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct rumpuser_sp_chan *c;
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int first;

	if (host(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) ||
	    cred.uid != (uid_t)host(SYS_geteuid, 0)) {
		if (atomic_fetch_add(&rejected, 1) < 100)
			rumpuser_warn("a client of another user (uid %u) is refused", cred.uid);
		host(SYS_close, fd);
		return;
	}
	if (__atomic_load_n(&g.half.n, __ATOMIC_RELAXED) >= HALF_MAX)
		half_expire(1);
	c = slot_get();
	if (!c) {
		host(SYS_close, fd);
		return;
	}
	lock(&c->lock);
	c->fd = fd;
	c->pid = cred.pid;
	c->since = rumpuser_clock_mono();
	c->state = HALF;
	lock(&g.lock);
	append(&g.half, c);
	first = g.half.n == 1;
	unlock(&g.lock);
	if (first)
		half_arm();
	ev.data.u64 = slot_name(c);
	if (host(SYS_epoll_ctl, sp_epoll_fd, EPOLL_CTL_ADD, fd, &ev))
		chan_free(c);
	else
		unlock(&c->lock);
}

/* No descriptor is left: the one kept for this case lets us refuse the client,
 * who would otherwise wait, and we would spin. */
static void refuse_one(void)
{
	static atomic_uint told;
	long fd;

	if (!atomic_fetch_add(&told, 1))
		rumpuser_warn("no descriptor is left for a client: RLIMIT_NOFILE is too low");
	lock(&g.lock);
	host(SYS_close, g.spare_fd);
	fd = host(SYS_accept4, listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		host(SYS_close, fd);
	g.spare_fd = host(SYS_eventfd2, 0, EFD_CLOEXEC);
	unlock(&g.lock);
}

void sp_misc_ready(uint64_t tag)
{
	uint64_t n;
	long fd;
	int i;

	if (tag == SP_TAG_TIMER) {
		host(SYS_read, timer_fd, &n, sizeof(n));
		half_expire(0);
		return;
	}
	for (i = 0; i < 64; i++) {
		fd = host(SYS_accept4, listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			new_connection(fd);
		else if (fd == -EMFILE || fd == -ENFILE)
			refuse_one();
		else
			break;
	}
}

/* ---- hypercalls ------------------------------------------------------------------------ */

static int failed(int *fd, long ret)
{
	*fd = ret < 0 ? -1 : hostfd_take(ret);
	return *fd < 0;
}

int rumpuser_sp_start(const char *url, const char *release,
    const struct rumpuser_sp_upcalls *upcalls)
{
	static atomic_flag started = ATOMIC_FLAG_INIT;
	int fd, err;

	if (atomic_flag_test_and_set(&started)) {
		rumpuser_warn("%s: this kernel is a server already", url);
		return -EBUSY;
	}
	fd = sp_listen(url);
	if (fd < 0) {
		atomic_flag_clear(&started);
		return fd;
	}
	up = upcalls;
	snprintf(release_, sizeof(release_), "%s", release);
	if (failed(&listen_fd, fd) ||
	    failed(&timer_fd, host(SYS_timerfd_create, CLOCK_MONOTONIC,
	    TFD_CLOEXEC | TFD_NONBLOCK)) ||
	    failed(&state_fd, host(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK)) ||
	    failed(&g.spare_fd, host(SYS_eventfd2, 0, EFD_CLOEXEC))) {
		sp_unlisten();
		return -EMFILE;
	}
	err = sp_wait_start();
	if (!err)
		err = sp_wait_add(timer_fd, EPOLLIN, SP_TAG_TIMER);
	if (!err)
		err = sp_wait_add(listen_fd, EPOLLIN, SP_TAG_LISTEN);
	if (err)
		sp_unlisten();
	return err;
}

struct rumpuser_sp_chan *rumpuser_sp_accept(const struct rump_sp_hello **hellop)
{
	struct rumpuser_sp_chan *c;

	lock(&g.lock);
	c = g.acceptable.first;
	if (c)
		unlink_chan(&g.acceptable, c);
	unlock(&g.lock);
	if (c)
		*hellop = (const void *)c->hello->data;
	return c;
}

void rumpuser_sp_own(struct rumpuser_sp_chan *c, void *cookie)
{
	lock(&c->lock);
	c->cookie = cookie;
	c->state = OWNED;
	if (c->queue)
		chan_event(c, RUMPUSER_SP_IN, 0);
	if (c->eof)
		chan_event(c, RUMPUSER_SP_HUP, 0);
	unlock(&c->lock);
}

int rumpuser_sp_next(struct rumpuser_sp_chan *c, struct rumpuser_sp_msg **msgp)
{
	struct buf *b;
	int err;

	lock(&c->lock);
	b = c->queue;
	if (b) {
		c->queue = b->next;
		c->queued--;
		*msgp = &b->msg;
	}
	err = b ? 0 : c->eof ? -ECONNRESET : -EAGAIN;
	unlock(&c->lock);
	return err;
}

void rumpuser_sp_release(struct rumpuser_sp_chan *c, struct rumpuser_sp_msg *msg)
{
	lock(&c->lock);
	buf_put(c, (struct buf *)msg);		/* msg is its first member */
	unlock(&c->lock);
}

void *rumpuser_sp_buffer(struct rumpuser_sp_chan *c, size_t size)
{
	if (size > c->outcap || (size == 0 && c->outcap > BUF_KEEP)) {
		free(c->out);
		if (size && size < BUF_MIN)
			size = BUF_MIN;
		c->out = size ? malloc(size) : NULL;
		c->outcap = c->out ? size : 0;
	}
	return c->out;
}

/* Says that epoll is to tell when c can be sent to. */
static void want_out(struct rumpuser_sp_chan *c)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT, .data.u64 = slot_name(c) };

	lock(&c->lock);
	if (!c->eof) {
		c->want_out = 1;
		host(SYS_epoll_ctl, sp_epoll_fd, EPOLL_CTL_MOD, c->fd, &ev);
	}
	unlock(&c->lock);
}

int rumpuser_sp_send(struct rumpuser_sp_chan *c, const struct rumpuser_iovec *iov,
    unsigned int niov, size_t *donep)
{
	struct iovec piece[SEND_IOV];
	struct msghdr mh = { .msg_iov = piece };
	unsigned int i;
	size_t skip;
	long n;

	for (;;) {
		skip = *donep;
		mh.msg_iovlen = 0;
		for (i = 0; i < niov && mh.msg_iovlen < SEND_IOV; i++) {
			if (skip >= iov[i].len) {
				skip -= iov[i].len;
				continue;
			}
			piece[mh.msg_iovlen].iov_base = (char *)iov[i].base + skip;
			piece[mh.msg_iovlen++].iov_len = iov[i].len - skip;
			skip = 0;
		}
		if (mh.msg_iovlen == 0)
			return 0;
		n = host(SYS_sendmsg, c->fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
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

void rumpuser_sp_close(struct rumpuser_sp_chan *c)
{
	lock(&c->lock);
	chan_free(c);
}

void rumpuser_sp_reject(struct rumpuser_sp_chan *c, const char *why)
{
	lock(&c->lock);
	complain(c, why);
	chan_free(c);
}

int rumpuser_sp_eventfd(void)
{
	return state_fd;
}

unsigned int rumpuser_sp_clients(void)
{
	return atomic_load(&clients);
}

uint64_t rumpuser_sp_accepted(void)
{
	return atomic_load(&accepted);
}

int rumpuser_sp_halt_wanted(void)
{
	return atomic_load(&halt_wanted);
}

void rumpuser_sp_allow_halt(void)
{
	atomic_store(&may_halt, 1);
}

void rumpuser_sp_stop(void)
{
	if (!atomic_load(&may_halt))
		sp_unlisten();
}

void rumpuser_sp_halt_done(int error)
{
	struct rumpuser_sp_chan *c;
	unsigned int i;

	for (i = 0; i < g.nhalting; i++) {
		c = slot_find(g.halting[i].index, g.halting[i].gen);
		if (c) {
			reply(c, c->halt_reqno, error);
			chan_free(c);
		}
	}
	sp_unlisten();
}
