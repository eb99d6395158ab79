/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ring.c - a channel's memory that the server sees, too (<rump/rump_sp.h>, struct
 * rump_sp_ring).
 *
 * A thread that makes more than a few calls asks for it; then a call needs no host call
 * while both sides are awake, and one each way where they share a CPU.  What the program
 * points at is copied by the host (pwrite and pread on the memory's file), so that a bad
 * address is an error here, too.
 *
 * Waiting: by looking at the word for SPIN_NS, or WOKEN_NS, if a CPU is left to the server,
 * and less often if that was in vain for such calls lately; then in a futex, for NAP_NS; then
 * at the socket, which also tells of the server's end: at once if descriptors of the host are
 * waited for beside it.
 *
 * Limit: without rumpclient_signal_door(), a signal handler that runs between two of these
 * waits, which is soon after the call has begun, does not end the call, as one that runs just
 * before it does not.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "remote.h"

#define SPIN_NS		40000
#define WOKEN_NS	150000		/* if the server has to wake up first */
#define LOOKS		16		/* at the word, between two at the clock */
#define EARLY_MIN	(32u << 10)	/* from that on data are stored before all are there ... */
#define EARLY_STEP	(16u << 10)	/* ... so many at a time */
#define NAP_NS		6000000		/* above a tick: the host need not set its clock for it */
#define CPU_AGE_NS	100000000	/* after which the CPUs are asked for again */
#define MISSES		16
#define RETRY		8
#define LUCKS		16


#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#endif

/* struct futex_waitv, younger than some headers. */
struct waitv {
	uint64_t val, uaddr;
	uint32_t flags, reserved;
};

static __thread struct {
	int64_t asked;
	unsigned int ncpu;
	uint32_t only;			/* 1 + the only CPU we may run on, or 0 */
	unsigned int misses[LUCKS];	/* in a row, by the number of the call */
} self;

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* ---- set-up -------------------------------------------------------------------------- */

/* The answer to RING, with its descriptors. */
static int receive(struct chan *c, struct rump_sp_reply *r, int fds[2])
{
	_Alignas(struct cmsghdr) char ctl[CMSG_SPACE(2 * sizeof(int))] = { 0 };
	struct iovec iov = { r, sizeof(*r) };
	struct msghdr mh = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof(ctl),
	};
	struct cmsghdr *cm;
	long n;

	fds[0] = fds[1] = -1;
	do
		n = host(SYS_recvmsg, c->fd, &mh, MSG_CMSG_CLOEXEC | MSG_WAITALL);
	while (n == -EINTR);
	cm = n > 0 ? CMSG_FIRSTHDR(&mh) : NULL;
	if (cm && cm->cmsg_level == SOL_SOCKET && cm->cmsg_type == SCM_RIGHTS)
		memcpy(fds, CMSG_DATA(cm), cm->cmsg_len - CMSG_LEN(0));
	if (n <= 0)
		return n ? n : -ECONNRESET;
	return n == sizeof(*r) && r->hdr.type == RUMP_SP_REPLY && r->hdr.len == sizeof(*r) ? 0 :
	    -EPROTO;
}

/*
 * Could two descriptors be received?  A program in a sandbox may have forbidden
 * itself any more (RLIMIT_NOFILE), and the answer cannot be taken back.
 */
static int has_room(int fd)
{
	int spare[2];

	spare[0] = host(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
	spare[1] = host(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
	if (spare[0] >= 0)
		host(SYS_close, spare[0]);
	if (spare[1] >= 0)
		host(SYS_close, spare[1]);
	return spare[1] >= 0;
}

/* 1: writing to a file, also to one that is memory, may be the end of us. */
static int limited;

void rumpclient_limit_files(void)
{
	limited = 1;
}

int ring_open(struct chan *c)
{
	struct rlimit rl;
	struct rump_sp_hdr q = {
		.len = sizeof(q), .type = RUMP_SP_RING, .reqno = ++c->reqno,
	};
	struct rump_sp_reply r = { .ret = 0 };
	int fds[2], i, err;
	long p = -1;

	if (!has_room(c->fd))
		return 0;
	if (host(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &rl) == 0 && rl.rlim_cur < RUMP_SP_RING_SIZE)
		limited = 1;
	err = send_small(c->fd, &q);
	if (!err)
		err = receive(c, &r, fds);
	if (err)
		return err;
	for (i = 0; i < 2; i++)
		if (fds[i] >= 0)
			fds[i] = ownfd_take(fds[i]);
	if (r.ret == 0 && fds[0] >= 0 && fds[1] >= 0)
		p = host(SYS_mmap, NULL, RUMP_SP_RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		    fds[0], 0);
	if (r.ret || fds[0] < 0 || fds[1] < 0 || host_failed(p)) {
		for (i = 0; i < 2; i++)
			if (fds[i] >= 0)
				ownfd_close(fds[i]);
		/* It puts its messages into what we could not map. */
		return r.ret ? 0 : -ENOMEM;
	}
	host(SYS_madvise, p, RUMP_SP_RING_SIZE, MADV_DONTFORK);
	c->memfd = fds[0];
	c->bell = fds[1];
	c->asked = c->answered = 0;
	c->ring = (struct rump_sp_ring *)p;
	return 0;
}

void ring_close(struct chan *c)
{
	if (!c->ring)
		return;
	host(SYS_munmap, c->ring, RUMP_SP_RING_SIZE);
	ownfd_close(c->memfd);
	ownfd_close(c->bell);
	c->ring = NULL;
}

void ring_forget(struct chan *c, int in_call)
{
	/* A handler that has forked goes back into the call: it is to find nothing there. */
	if (c->ring && in_call)
		host(SYS_mmap, c->ring, RUMP_SP_RING_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	c->ring = NULL;
}

/* ---- messages out --------------------------------------------------------------------- */

/* Once for each message.  -errno: the program has closed it. */
static long ring_bell(struct chan *c)
{
	uint64_t one = 1;
	long r = c->rung ? 0 : host(SYS_write, c->bell, &one, sizeof(one));

	c->rung = r >= 0;
	return r;
}

/* As the host's copy, but for pages that another thread takes away meanwhile. */
static long copy_populated(void *to, const void *data, size_t n)
{
	uintptr_t from = (uintptr_t)data & ~4095ul;
	long r;

	do
		r = host(SYS_madvise, from, (uintptr_t)data + n - from, MADV_POPULATE_READ);
	while (r == -EINTR || r == -EAGAIN);
	if (r == -ENOMEM || r == -EFAULT)
		return -EFAULT;
	/* -EINVAL: an older host, or memory that cannot be asked for: it is believed. */
	memcpy(to, data, n);
	return n;
}

long ring_fill(struct chan *c, size_t at, const void *data, size_t n, int theirs)
{
	if (!n)
		return 0;
	if (!theirs) {
		memcpy(c->ring->request + at, data, n);
		return n;
	}
	if (memory_of)
		return safe_read(c->ring->request + at, (uint64_t)data, n);
	if (__builtin_expect(limited, 0))
		return copy_populated(c->ring->request + at, data, n);
	return host(SYS_pwrite64, c->memfd, data, n,
	    offsetof(struct rump_sp_ring, request) + at);
}

void ring_send(struct chan *c)
{
	ring_prepare(c);
	__atomic_store_n(&c->ring->asked, ++c->asked, __ATOMIC_RELEASE);
	atomic_thread_fence(memory_order_seq_cst);
	if (__atomic_load_n(&c->ring->bell, __ATOMIC_RELAXED))
		ring_bell(c);
}

void ring_sent(struct chan *c)
{
	if (c->ring)
		__atomic_add_fetch(&c->ring->sent, 1, __ATOMIC_RELEASE);
}

void ring_call(struct chan *c, const struct rump_sp_syscall *req)
{
	const uint64_t end = RUMP_SP_END_OK;

	memcpy(c->ring->request, req, sizeof(*req));
	memcpy(c->ring->request + sizeof(*req), &end, sizeof(end));
	ring_send(c);
}

/* ---- waiting ------------------------------------------------------------------------------ */

static int answered(const struct chan *c)
{
	return __atomic_load_n(&c->ring->answered, __ATOMIC_ACQUIRE) != c->answered;
}

static void ask_cpus(struct rump_sp_ring *r, int64_t t)
{
	uint64_t mask[64];
	long i, len;

	if (self.asked == 0 || t - self.asked > CPU_AGE_NS) {
		len = host(SYS_sched_getaffinity, 0, sizeof(mask), mask);
		self.ncpu = 0;
		self.only = 0;
		for (i = 0; i < len / 8; i++) {
			self.ncpu += __builtin_popcountll(mask[i]);
			if (mask[i])
				self.only = 64 * i + 64 - __builtin_clzll(mask[i]);
		}
		if (self.ncpu != 1)
			self.only = 0;
		self.asked = t;
	}
	if (r->client_cpu != self.only)
		__atomic_store_n(&r->client_cpu, self.only, __ATOMIC_RELAXED);
}

void ring_expect(struct chan *c, const struct marshal *m)
{
	unsigned int i;

	c->early_max = c->early_done = 0;
	if (memory_of)
		return;
	for (i = 0; i < m->nsegs && m->seg[i].flags != RUMP_SP_OUT; i++)
		;
	if (i < m->nsegs && m->seg[i].len >= EARLY_MIN) {
		c->early_addr = m->seg[i].addr;
		c->early_max = m->seg[i].len;
	}
}

/* Stores what the server says is there already. */
static void store_early(struct chan *c)
{
	uint32_t n = __atomic_load_n(&c->ring->progress, __ATOMIC_ACQUIRE);
	long r;

	if (n > c->early_max)
		n = c->early_max;
	if (n < c->early_done + EARLY_STEP)
		return;
	r = host(SYS_pread64, c->memfd, c->early_addr + c->early_done, n - c->early_done,
	    offsetof(struct rump_sp_ring, answer) + RUMP_SP_HEAD_MAX + c->early_done);
	if (r > 0)
		c->early_done += r;
	if (c->early_done < n)
		c->early_max = 0;	/* a bad address: the answer's turn to find it */
}

/* Looks for the answer for a while, if that makes sense. */
static void spin(struct chan *c)
{
	struct rump_sp_ring *r = c->ring;
	uint32_t theirs = __atomic_load_n(&r->server_cpu, __ATOMIC_RELAXED);
	unsigned int *misses = &self.misses[c->nr % LUCKS];
	int64_t t, end;
	int i;

	/* An answer that comes at once costs no look at the clock. */
	if (self.ncpu > 1 || (self.only && theirs && theirs != self.only)) {
		for (i = 0; i < LOOKS; i++) {
			if (answered(c))
				return;
			__builtin_ia32_pause();
		}
	}
	t = now();
	ask_cpus(r, t);
	if (self.ncpu < 2 && (theirs == 0 || theirs == self.only))
		return;
	if (*misses >= MISSES && *misses % RETRY) {
		++*misses;
		return;
	}
	end = t + (c->rung && !c->waits ? WOKEN_NS : SPIN_NS);
	do {
		for (i = 0; i < LOOKS; i++) {
			if (answered(c)) {
				*misses = 0;
				return;
			}
			__builtin_ia32_pause();
		}
		if (c->early_max)
			store_early(c);
	} while (now() < end);
	++*misses;
}

/*
 * Until it is not ASLEEP, or for NAP_NS.  -EINTR after a handler; if restarts, only
 * after one without SA_RESTART.
 */
static long nap(uint32_t *sleep, int restarts)
{
	struct timespec ts = { .tv_nsec = NAP_NS };
	struct waitv w = {
		.val = RUMP_SP_ASLEEP, .uaddr = (uintptr_t)sleep, .flags = 2 /* 32 bits, shared */
	};
	int64_t end;

	if (!restarts)
		return host(SYS_futex, sleep, FUTEX_WAIT, RUMP_SP_ASLEEP, &ts, NULL, 0);
	/* Unlike FUTEX_WAIT, this one with a deadline knows SA_RESTART. */
	end = now() + NAP_NS;
	ts = (struct timespec){ end / 1000000000, end % 1000000000 };
	return host(SYS_futex_waitv, &w, 1, 0, &ts, CLOCK_MONOTONIC, 0);
}

/* Where we go to sleep. */
static void tell_place(struct rump_sp_ring *r)
{
	unsigned int cpu;

	if (self.ncpu > 1 && host(SYS_getcpu, &cpu, NULL, NULL) == 0)
		__atomic_store_n(&r->client_at, cpu + 1, __ATOMIC_RELAXED);
}

int ring_await(struct chan *c, int restarts, int socket)
{
	uint32_t *sleep = &c->ring->sleep, mode = __atomic_load_n(sleep, __ATOMIC_RELAXED);
	const uint32_t elsewhere = RUMP_SP_ELSEWHERE_FOR(c->answered);
	long err;

	if (mode == RUMP_SP_AWAKE)
		spin(c);
	while (!answered(c) && mode != elsewhere) {
		mode = socket ? elsewhere : RUMP_SP_ASLEEP;
		__atomic_store_n(sleep, mode, __ATOMIC_SEQ_CST);
		if (answered(c))
			break;
		tell_place(c->ring);
		err = ring_bell(c);
		if (err < 0)
			return err;
		if (socket)
			break;
		err = nap(sleep, restarts);
		if (err == -EINTR)
			return -EINTR;
		/* It takes long, or the host has no such call: also listen for the end. */
		if (err < 0 && err != -EAGAIN) {
			mode = elsewhere;
			__atomic_store_n(sleep, mode, __ATOMIC_SEQ_CST);
		}
	}
	if (!answered(c)) {
		c->answered++;
		return 1;
	}
	c->answered++;
	/* Was the server before us, and has sent it to where we said? */
	if (mode != RUMP_SP_AWAKE &&
	    __atomic_exchange_n(sleep, RUMP_SP_AWAKE, __ATOMIC_SEQ_CST) != mode &&
	    mode == elsewhere)
		return 1;
	return c->ring->answer_where == RUMP_SP_ON_SOCKET;
}
