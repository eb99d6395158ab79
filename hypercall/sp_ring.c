/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sp_ring.c - sysproxy's messages in shared memory (<rump/rump_sp.h>, struct
 * rump_sp_ring).
 *
 * One ring is one channel: a message each way at a time.  The memory is ours, sealed,
 * so that no client can cut it off under us; what is in it is the client's.  So a
 * message is copied out once, into a buffer of the ring's, and checked there; nothing
 * is read twice, and nothing that is read decides about memory of ours before it was
 * checked.
 *
 * Waiting.  Each ring has a bell, an eventfd in the epoll set (sp_wait.c), by edges: a
 * bell costs the client one host call, and us none but the wait.  While both sides
 * are awake there is none at all: a vCPU that has just served a client looks at its
 * word for LINGER_NS, and at those of the others it has served ("hot" ones, HOT a
 * vCPU), and only then has them ring again.  A client that it has woken gets WOKEN_NS, if it
 * is the only one: waking up takes so long on some hosts that each side would fall asleep
 * while the other wakes up, for ever.  It does so where it has a core to itself:
 * not if client and server may run on the same CPU only, nor if as many threads as
 * there are cores look already, and rarely if it was in vain lately (wait.c).
 *
 * A client that believes it is looked at, and is not, rings before it sleeps.
 *
 * Limits: the host's number of mappings (vm.max_map_count) bounds that of rings, a
 * client that gets none goes on by its socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "hostcall.h"
#include "internal.h"
#include "sp_msg.h"
#include "sp_ring.h"

#define NCPU_MAX	64
#define HOT		16
#define LOOKS		8		/* at words, between two at the clock */
#define BRIEF_MAX	64
#define LINGER_NS	40000
#define WOKEN_NS	150000		/* where the only client has to wake up before it asks again */
#define NCPU_BITS	1024
#define MOVE_NS		20000000	/* between two moves */
#define POLL_NS		50000		/* between two looks at the sockets meanwhile */
#define KEPT		2048		/* of a ring's own buffer, bytes */

_Static_assert(sizeof(struct rump_sp_ring) == RUMP_SP_RING_SIZE, "the file's size");
_Static_assert(offsetof(struct rump_sp_ring, answered) == RUMP_SP_RING_PART, "a page of its own");

struct sp_ring {
	struct rump_sp_ring *shm;
	uint32_t seen;			/* asked, when the last message was taken */
	uint32_t told;			/* of the last one that the kernel was told of */
	uint32_t sent;			/* over the socket, as the client says */
	uint32_t answered;
	uint32_t hot;			/* cpu + 1 of who looks at it; 0: it is to ring */
	uint32_t only_cpu;		/* as the client was told */
	unsigned int brief;		/* looks without a look at anything else */
	int bell;
	int progressed;
	int woken;			/* the client slept when it was answered */
	int kept_used;
	int room_used;			/* the kernel is putting an answer's data in place */
	struct rumpuser_sp_msg kept;
	_Alignas(16) char buf[KEPT];
};

static struct hot {
	_Alignas(64) uint32_t lock;
	unsigned int n;
	struct rumpuser_sp_chan *c[HOT];
	const struct rumpuser_sp_chan *served;	/* the last; not followed */
	int64_t last;			/* when the kernel has looked for a message last */
	int64_t polled;			/* and when somebody at the sockets */
	int64_t moved;			/* when the thread went to another CPU */
} hots[NCPU_MAX];

static inline uint32_t asked(const struct sp_ring *r)
{
	return __atomic_load_n(&r->shm->asked, __ATOMIC_ACQUIRE);
}

/* Is there something at the socket? */
static inline int sent_more(struct sp_ring *r)
{
	uint32_t n = __atomic_load_n(&r->shm->sent, __ATOMIC_ACQUIRE);

	if (n == r->sent)
		return 0;
	r->sent = n;
	return 1;
}

/* ---- making ---------------------------------------------------------------------- */

static int ring_file(void)
{
	long fd = host(SYS_memfd_create, "rump-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	long err;

	if (fd < 0)
		return fd;
	err = host(SYS_ftruncate, fd, RUMP_SP_RING_SIZE);
	if (!err)
		err = host(SYS_fcntl, fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	if (err) {
		host(SYS_close, fd);
		return err;
	}
	return fd;
}

static struct sp_ring *ring_make(uint64_t name, int *filep)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLET, .data.u64 = SP_TAG_BELL | (name & ~SP_TAG_KIND(~0ull)),
	};
	struct sp_ring *r = malloc(sizeof(*r));
	long p, file;

	if (!r)
		return NULL;
	file = ring_file();
	r->bell = host(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
	p = file < 0 ? file : host(SYS_mmap, NULL, RUMP_SP_RING_SIZE, PROT_READ | PROT_WRITE,
	    MAP_SHARED, file, 0);
	if (file < 0 || r->bell < 0 || host_failed(p) ||
	    host(SYS_epoll_ctl, sp_epoll_fd, EPOLL_CTL_ADD, r->bell, &ev)) {
		if (file >= 0)
			host(SYS_close, file);
		if (r->bell >= 0)
			host(SYS_close, r->bell);
		if (file >= 0 && !host_failed(p))
			host(SYS_munmap, p, RUMP_SP_RING_SIZE);
		free(r);
		return NULL;
	}
	r->shm = (struct rump_sp_ring *)p;
	r->seen = r->told = r->sent = r->answered = r->hot = r->brief = 0;
	r->progressed = r->woken = r->kept_used = r->room_used = 0;
	r->only_cpu = wait_only_cpu(rumpuser_clock_mono());
	r->shm->server_cpu = r->only_cpu;
	r->shm->bell = 1;
	*filep = file;
	return r;
}

void ring_free(struct sp_ring *r)
{
	if (!r)
		return;
	/* The client's copy would keep it in the set. */
	host(SYS_epoll_ctl, sp_epoll_fd, EPOLL_CTL_DEL, r->bell, NULL);
	host(SYS_close, r->bell);
	host(SYS_munmap, r->shm, RUMP_SP_RING_SIZE);
	free(r);
}

int rumpuser_sp_ring(struct rumpuser_sp_chan *c, uint64_t reqno)
{
	_Alignas(struct cmsghdr) char ctl[CMSG_SPACE(2 * sizeof(int))] = { 0 };
	struct rump_sp_reply a = {
		.hdr = { .len = sizeof(a), .type = RUMP_SP_REPLY, .reqno = reqno },
		.ret = c->ring ? -EBUSY : chan_is_relayed(c) ? -EOPNOTSUPP : 0,
	};
	struct iovec iov = { &a, sizeof(a) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct sp_ring *r = NULL;
	struct cmsghdr *cm;
	int fds[2];
	long n;

	if (!a.ret) {
		r = ring_make(slot_name(c), &fds[0]);
		if (!r)
			a.ret = -ENOMEM;
	}
	if (r) {
		fds[1] = r->bell;
		a.hdr.nfds = 2;
		mh.msg_control = ctl;
		mh.msg_controllen = sizeof(ctl);
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(fds));
		memcpy(CMSG_DATA(cm), fds, sizeof(fds));
	}
	n = host(SYS_sendmsg, c->fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (r) {
		host(SYS_close, fds[0]);
		sp_lock(&c->lock);
		c->ring = r;
		sp_unlock(&c->lock);
	}
	return n == sizeof(a) ? 0 : -ECONNRESET;
}

/* ---- messages in -------------------------------------------------------------------- */

int ring_take(struct rumpuser_sp_chan *c, struct rumpuser_sp_msg **msgp, const char **why)
{
	struct sp_ring *r = c->ring;
	uint32_t n = asked(r);
	struct rumpuser_sp_msg *msg;
	struct rump_sp_hdr hdr;
	struct buf *b;

	*why = NULL;
	if (n == r->seen)
		return -EAGAIN;
	/* What does not fit behind the word, in its cache line. */
	__builtin_prefetch(r->shm->request + 56);
	r->seen = n;
	*why = sp_ring_header(r->shm, &hdr);
	if (*why)
		return -ECONNRESET;
	if (hdr.len <= KEPT && !r->kept_used) {
		r->kept_used = 1;
		msg = &r->kept;
		*msg = (struct rumpuser_sp_msg){ .hdr = (void *)r->buf, .fd = -1 };
	} else {
		sp_lock(&c->lock);
		b = buf_get(c, hdr.len);
		sp_unlock(&c->lock);
		if (!b) {
			*why = "no memory for its message";
			return -ECONNRESET;
		}
		msg = &b->msg;
	}
	*why = sp_ring_message(r->shm, &hdr, msg->hdr);
	if (*why) {
		rumpuser_sp_release(c, msg);
		return -ECONNRESET;
	}
	*msgp = msg;
	return 0;
}

int ring_release(struct sp_ring *r, struct rumpuser_sp_msg *msg)
{
	if (msg != &r->kept)
		return 0;
	r->kept_used = 0;
	return 1;
}

/* ---- messages out ------------------------------------------------------------------- */

void *ring_room(struct sp_ring *r, size_t size, uint32_t *off)
{
	r->room_used = size && size <= RUMP_SP_RING_ANSWER - RUMP_SP_HEAD_MAX;
	if (!r->room_used)
		return NULL;
	*off = RUMP_SP_HEAD_MAX;
	return r->shm->answer + RUMP_SP_HEAD_MAX;
}

void rumpuser_sp_progress(struct rumpuser_sp_chan *c, uint32_t n)
{
	c->ring->progressed = 1;
	__atomic_store_n(&c->ring->shm->progress, n, __ATOMIC_RELEASE);
}

/*
 * Whether a message can go there: not if it is too long, nor a question with data while
 * those of the answer are in place, which it would overwrite.
 */
static bool fits(const struct sp_ring *r, const struct rumpuser_iovec *iov, unsigned int niov)
{
	const char *at = r->shm->answer;
	bool in_place = false;
	unsigned int i;

	for (i = 0; i < niov; at += iov[i++].len)
		in_place |= iov[i].base == at;
	return at <= r->shm->answer + (r->room_used && !in_place ? RUMP_SP_HEAD_MAX :
	    RUMP_SP_RING_ANSWER);
}

/*
 * How the client waited for the message that is there now, if it still did.  It may have taken
 * that at any moment, and wait for the next already; what it says is looked at a few times.
 */
static uint32_t wake_client(struct sp_ring *r)
{
	uint32_t *sleep = &r->shm->sleep, how = __atomic_load_n(sleep, __ATOMIC_RELAXED);
	const uint32_t elsewhere = RUMP_SP_ELSEWHERE_FOR(r->answered - 1);
	int i;

	for (i = 0; i < 4 && (how == RUMP_SP_ASLEEP || how == elsewhere); i++) {
		if (!__atomic_compare_exchange_n(sleep, &how, RUMP_SP_AWAKE, 0, __ATOMIC_SEQ_CST,
		    __ATOMIC_SEQ_CST))
			continue;
		r->woken = 1;
		if (how == elsewhere)
			return RUMP_SP_ELSEWHERE;
		host(SYS_futex, sleep, FUTEX_WAKE, 1, NULL, NULL, 0);
		return RUMP_SP_ASLEEP;
	}
	return RUMP_SP_AWAKE;
}

int ring_put(struct sp_ring *r, const struct rumpuser_iovec *iov, unsigned int niov, int elsewhere)
{
	struct rump_sp_ring *shm = r->shm;
	uint32_t where = RUMP_SP_ON_SOCKET, sleep;
	size_t pos = 0;
	unsigned int i;

	if (!elsewhere && fits(r, iov, niov)) {
		where = RUMP_SP_IN_MEMORY;
		for (i = 0; i < niov; pos += iov[i++].len)
			if (iov[i].base && iov[i].base != shm->answer + pos)
				memcpy(shm->answer + pos, iov[i].base, iov[i].len);
	}
	if (r->progressed) {
		r->progressed = 0;
		__atomic_store_n(&shm->progress, 0, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&shm->answer_where, where, __ATOMIC_RELAXED);
	__atomic_store_n(&shm->answered, ++r->answered, __ATOMIC_RELEASE);
	atomic_thread_fence(memory_order_seq_cst);
	sleep = wake_client(r);
	return where == RUMP_SP_ON_SOCKET || sleep == RUMP_SP_ELSEWHERE ? -EAGAIN : 0;
}

/* ---- looking ---------------------------------------------------------------------------- */

/* Tells the kernel of a message that nobody was waiting for awake. */
static void announce(struct rumpuser_sp_chan *c)
{
	struct sp_ring *r = c->ring;
	uint32_t n = asked(r);

	if (n == r->seen || n == r->told)
		return;
	r->told = n;
	chan_event(c, RUMPUSER_SP_IN, 0);
}

void ring_rung(struct rumpuser_sp_chan *c)
{
	if (c->ring && asked(c->ring) != c->ring->seen)
		chan_event(c, RUMPUSER_SP_IN, 0);
}

/* From now on c is to ring; what has come without is announced.  h is locked. */
static void cool(struct hot *h, unsigned int i)
{
	struct rumpuser_sp_chan *c = h->c[i];

	h->c[i] = h->c[--h->n];
	c->ring->hot = 0;
	__atomic_store_n(&c->ring->shm->bell, 1, __ATOMIC_SEQ_CST);
	atomic_thread_fence(memory_order_seq_cst);
	announce(c);
}

void ring_cool(struct rumpuser_sp_chan *c)
{
	struct hot *h;
	unsigned int i;

	if (!c->ring || !c->ring->hot)
		return;
	h = &hots[c->ring->hot - 1];
	sp_lock(&h->lock);
	for (i = 0; i < h->n; i++)
		if (h->c[i] == c)
			cool(h, i);
	sp_unlock(&h->lock);
}

static void heat(struct rumpuser_sp_chan *c, struct hot *h)
{
	ring_cool(c);
	sp_lock(&h->lock);
	if (h->n == HOT)
		cool(h, 0);
	h->c[h->n++] = c;
	c->ring->hot = h - hots + 1;
	__atomic_store_n(&c->ring->shm->bell, 0, __ATOMIC_RELAXED);
	sp_unlock(&h->lock);
}

/* Has any of them, but not `but', said something? */
static void look_at_all(struct hot *h, const struct rumpuser_sp_chan *but)
{
	unsigned int i;

	if (h->n == 0 || (h->n == 1 && h->c[0] == but))
		return;
	sp_lock(&h->lock);
	for (i = 0; i < h->n; i++) {
		if (sent_more(h->c[i]->ring))
			h->polled = 0;
		if (h->c[i] != but)
			announce(h->c[i]);
	}
	sp_unlock(&h->lock);
}

static void look_at_sockets(struct hot *h, unsigned int cpu, int64_t now)
{
	if (now - h->polled < POLL_NS)
		return;
	h->polled = now;
	rumpuser_cpu_poll(cpu);
}

/* Until *word is not expected any more, or c (or NULL) has a message; 0: it is late. */
static int look(struct hot *h, unsigned int cpu, const struct rumpuser_sp_chan *c,
    const uint32_t *word, uint32_t expected, int64_t end)
{
	int64_t now;
	int i;

	do {
		for (i = 0; i < LOOKS; i++) {
			if (c && asked(c->ring) != c->ring->seen)
				return 1;
			if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != expected)
				return 1;
			__builtin_ia32_pause();
		}
		if (c && sent_more(c->ring))
			h->polled = 0;
		look_at_all(h, c);
		now = rumpuser_clock_mono();
		look_at_sockets(h, cpu, now);
	} while (now < end);
	return 0;
}

/*
 * A client that answers at once costs no look at the clock; now and then the others get
 * their turn.
 */
static bool look_briefly(struct hot *h, struct rumpuser_sp_chan *c, const uint32_t *word,
    uint32_t expected)
{
	struct sp_ring *r = c->ring;
	int i;

	if (r->hot != h - hots + 1 || ++r->brief % BRIEF_MAX == 0)
		return false;
	look_at_all(h, c);
	for (i = 0; i < LOOKS; i++) {
		if (asked(r) != r->seen)
			return true;
		if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != expected)
			break;
		__builtin_ia32_pause();
	}
	return false;
}

int rumpuser_sp_linger(struct rumpuser_sp_chan *c, unsigned int cpu, const uint32_t *word,
    uint32_t expected, int64_t deadline)
{
	struct sp_ring *r = c->ring;
	struct hot *h = &hots[cpu % NCPU_MAX];
	unsigned int only;
	int64_t now, end;
	int seen = 1;

	if (!r)
		return 0;
	if (word && look_briefly(h, c, word, expected))
		return 1;
	now = rumpuser_clock_mono();
	only = wait_only_cpu(now);
	if (only != r->only_cpu)
		__atomic_store_n(&r->shm->server_cpu, r->only_cpu = only, __ATOMIC_RELAXED);
	h->last = now;
	look_at_sockets(h, cpu, now);
	look_at_all(h, c);
	if (!wait_spin_begin(__atomic_load_n(&r->shm->client_cpu, __ATOMIC_RELAXED))) {
		ring_cool(c);
		return asked(r) != r->seen;
	}
	if (r->hot != h - hots + 1)
		heat(c, h);
	end = now + (r->woken && h->served == c ? WOKEN_NS : LINGER_NS);
	r->woken = 0;
	h->served = c;
	if (word)
		seen = look(h, cpu, c, word, expected, end < deadline ? end : deadline);
	wait_spin_end(seen);
	return asked(r) != r->seen;
}

/*
 * A host that knows of no caches that its CPUs share leaves two who wake each other on one of
 * them, though others are idle, and then each looks in vain while the other cannot run.  So if
 * a client of ours fell asleep on this CPU, the thread goes elsewhere, and is soon free to come
 * back.  h is locked.
 */
static void go_apart(struct hot *h, int64_t now)
{
	unsigned long all[NCPU_BITS / 64] = { 0 }, some[NCPU_BITS / 64];
	unsigned int at, i;
	long len;

	if (now - h->moved < MOVE_NS || host(SYS_getcpu, &at, NULL, NULL) || at >= NCPU_BITS)
		return;
	for (i = 0; i < h->n; i++)
		if (__atomic_load_n(&h->c[i]->ring->shm->client_at, __ATOMIC_RELAXED) == at + 1)
			break;
	if (i == h->n)
		return;
	h->moved = now;
	len = host(SYS_sched_getaffinity, 0, sizeof(all), all);
	memcpy(some, all, sizeof(some));
	some[at / 64] &= ~(1UL << at % 64);
	/* With no other one allowed, the host refuses the first. */
	if (len > 0 && host(SYS_sched_setaffinity, 0, len, some) == 0)
		host(SYS_sched_setaffinity, 0, len, all);
}

int ring_watch(unsigned int cpu, const uint32_t *word, uint32_t expected, int64_t deadline)
{
	struct hot *h = &hots[cpu % NCPU_MAX];
	int64_t end = h->last + LINGER_NS;
	uint32_t other = 0;
	int seen = 0;

	if (h->n == 0)
		return 0;
	wait_only_cpu(rumpuser_clock_mono());
	sp_lock(&h->lock);
	if (h->n)
		other = __atomic_load_n(&h->c[0]->ring->shm->client_cpu, __ATOMIC_RELAXED);
	sp_unlock(&h->lock);
	if (rumpuser_clock_mono() < end && wait_spin_begin(other)) {
		seen = look(h, cpu, NULL, word, expected, end < deadline ? end : deadline);
		wait_spin_end(seen);
	}
	if (seen)
		return 1;
	sp_lock(&h->lock);
	go_apart(h, rumpuser_clock_mono());
	while (h->n)
		cool(h, h->n - 1);
	sp_unlock(&h->lock);
	return 0;
}
