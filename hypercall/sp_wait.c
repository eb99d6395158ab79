/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sp_wait.c - where the helper threads of a server's vCPUs wait (cpuwait.h).
 *
 * There is one epoll set and any number of idle vCPUs.  One of their helpers
 * owns the set and sleeps in it; the others sleep in futexes, as everywhere.  An
 * owner that leaves, to run its vCPU, gives the set to one of those.  If nobody
 * is idle, a vCPU's clock tick looks into the set (io_poll).
 *
 * The owner's deadline is a timerfd's business.  That is set anew only if it would come
 * too late, since a vCPU's clock moves on with every little thing that it does: an early
 * one costs the owner a look.
 *
 * To end the owner's sleep, a descriptor in the set is written to: only it is in
 * need of this.  The order of who-owns and what-the-word-says is sequentially
 * consistent on both sides, so that one of them always sees the other.
 *
 * Far ends of placeholders are in the set for their hang-up.  A slot per
 * descriptor, with a generation, makes an event that comes too late harmless.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

#include "cpuwait.h"
#include "hostcall.h"
#include "internal.h"
#include "sp.h"
#include "sp_ring.h"
#include "sp_strange.h"

#define NCPU_MAX	64
#define EVENTS		64
#define NSEC		1000000000LL

int sp_epoll_fd = -1;

static int kick_fd = -1, clock_fd = -1;
static _Atomic int64_t armed = RUMPUSER_FOREVER;	/* when the clock rings */
static atomic_uint owner;			/* cpu + 1 of who is in the set, or 0 */
static _Atomic(uint32_t *) asleep[NCPU_MAX];	/* words of the others */
static __thread unsigned int serving;		/* cpu + 1 while this thread handles events */

/* ---- placeholders ------------------------------------------------------------- */

#define PH_CHUNK	1024
#define PH_MAX		(1u << 21)

struct ph {
	void *cookie;			/* NULL: not watched */
	uint32_t gen;
};

static struct ph *ph_chunks[PH_MAX / PH_CHUNK];
static uint32_t ph_lock;

static void lock_ph(void)
{
	unsigned int spins = 0;

	while (__atomic_exchange_n(&ph_lock, 1, __ATOMIC_ACQUIRE))
		rumpuser_relax(&spins);
}

static void unlock_ph(void)
{
	__atomic_store_n(&ph_lock, 0, __ATOMIC_RELEASE);
}

/* The slot of a descriptor, or NULL; locked. */
static struct ph *ph_slot(unsigned int fd, int make)
{
	struct ph **chunk;

	if (fd >= PH_MAX)
		return NULL;
	chunk = &ph_chunks[fd / PH_CHUNK];
	if (!*chunk && make)
		*chunk = calloc(PH_CHUNK, sizeof(**chunk));
	return *chunk ? *chunk + fd % PH_CHUNK : NULL;
}

static int ph_watch(int far, void *cookie)
{
	struct ph *ph;
	uint64_t tag;
	int err;

	lock_ph();
	ph = ph_slot(far, 1);
	if (!ph) {
		unlock_ph();
		return -ENOMEM;
	}
	ph->cookie = cookie;
	ph->gen++;
	tag = SP_TAG_PH | (uint64_t)(ph->gen & SP_GEN_MASK) << 32 | (uint32_t)far;
	unlock_ph();
	/* Edges only: who does not close it at once must not make us spin. */
	err = sp_wait_add(far, EPOLLRDHUP | EPOLLET, tag);
	if (err) {
		lock_ph();
		ph->cookie = NULL;
		unlock_ph();
	}
	return err;
}

static void ph_close(int far)
{
	struct ph *ph;
	int watched;

	lock_ph();
	ph = ph_slot(far, 0);
	watched = ph && ph->cookie;
	if (watched) {
		ph->cookie = NULL;
		ph->gen++;
	}
	unlock_ph();
	if (watched)
		host(SYS_epoll_ctl, sp_epoll_fd, EPOLL_CTL_DEL, far, NULL);
	hostfd_forget(far);
	strange_hang_up(far);
}

static void ph_ready(uint64_t tag)
{
	struct ph *ph;

	lock_ph();
	ph = ph_slot((uint32_t)tag, 0);
	/* Under the lock: after ph_close() no upcall with its cookie is made. */
	if (ph && ph->cookie && (ph->gen & SP_GEN_MASK) == (tag >> 32 & SP_GEN_MASK))
		rumpuser_up->ph_gone(ph->cookie);
	unlock_ph();
}

/* ---- the wait -------------------------------------------------------------------- */

/* Sees that the clock rings at deadline, or before. */
static void arm(int64_t deadline)
{
	struct itimerspec it = {
		.it_value = { .tv_sec = deadline / NSEC, .tv_nsec = deadline % NSEC },
	};

	if (deadline >= atomic_load_explicit(&armed, memory_order_relaxed))
		return;
	atomic_store(&armed, deadline);
	if (deadline <= 0)
		it.it_value.tv_nsec = 1;
	host(SYS_timerfd_settime, clock_fd, TFD_TIMER_ABSTIME, &it, NULL);
}

/* Only the owner, who has armed it, may take it back. */
static void clock_rings(int64_t deadline)
{
	uint64_t count;

	if (deadline == 0)
		return;
	atomic_store(&armed, RUMPUSER_FOREVER);
	host(SYS_read, clock_fd, &count, sizeof(count));
}

/* Waits until deadline (0: not at all) and handles what there is; events or -errno. */
static int serve(int64_t deadline)
{
	struct epoll_event ev[EVENTS];
	uint64_t count;
	long n;
	int i;

	if (deadline)
		arm(deadline);
	n = host(SYS_epoll_pwait, sp_epoll_fd, ev, EVENTS, deadline ? -1 : 0, NULL, 0);
	for (i = 0; i < n; i++) {
		uint64_t tag = ev[i].data.u64;

		if (tag == SP_TAG_KICK)
			host(SYS_read, kick_fd, &count, sizeof(count));
		else if (tag == SP_TAG_CLOCK)
			clock_rings(deadline);
		else if (SP_TAG_KIND(tag) == SP_TAG_CHAN)
			sp_chan_ready(tag, ev[i].events);
		else if (SP_TAG_KIND(tag) == SP_TAG_BELL)
			sp_bell_ready(tag);
		else if (SP_TAG_KIND(tag) == SP_TAG_PH)
			ph_ready(tag);
		else
			sp_misc_ready(tag);
	}
	return n;
}

static int io_wait(unsigned int cpu, uint32_t *word, uint32_t expected, int64_t deadline)
{
	unsigned int nobody = 0, c;
	uint32_t *w;
	int n = 1;

	if (ring_watch(cpu, word, expected, deadline))
		return 0;
	if (!atomic_compare_exchange_strong(&owner, &nobody, cpu + 1)) {
		atomic_store(&asleep[cpu], word);
		/* The owner may have left before it could see us. */
		n = atomic_load(&owner) ? rumpuser_wait(word, expected, deadline, 0) : 0;
		atomic_store(&asleep[cpu], NULL);
		return n;
	}
	serving = cpu + 1;
	if (__atomic_load_n(word, __ATOMIC_SEQ_CST) == expected)
		n = serve(deadline);
	serving = 0;
	atomic_store(&owner, 0);
	for (c = 0; c < NCPU_MAX; c++) {
		w = atomic_load(&asleep[c]);
		if (w) {
			rumpuser_wake(w);
			break;
		}
	}
	return n < 0 ? n : 0;
}

static void io_kick(unsigned int cpu, uint32_t *word)
{
	uint64_t one = 1;

	(void)word;
	/* Who kicks itself while it handles events is about to look anyway. */
	if (atomic_load(&owner) == cpu + 1 && serving != cpu + 1)
		host(SYS_write, kick_fd, &one, sizeof(one));
}

static void io_poll(unsigned int cpu)
{
	(void)cpu;
	/* Somebody who is idle sees to it. */
	if (atomic_load(&owner) == 0)
		serve(0);
}

int sp_wait_add(int fd, uint32_t events, uint64_t tag)
{
	struct epoll_event ev = { .events = events, .data.u64 = tag };

	return host(SYS_epoll_ctl, sp_epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

int sp_wait_start(void)
{
	static const struct cpuwait_ops ops = {
		.io_wait = io_wait,
		.io_kick = io_kick,
		.io_poll = io_poll,
		.ph_watch = ph_watch,
		.ph_close = ph_close,
	};
	long fd;
	int err;

	fd = host(SYS_epoll_create1, EPOLL_CLOEXEC);
	sp_epoll_fd = fd < 0 ? fd : hostfd_take(fd);
	kick_fd = cpuwait_kick_fd();
	fd = host(SYS_timerfd_create, CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	clock_fd = fd < 0 ? fd : hostfd_take(fd);
	if (sp_epoll_fd < 0 || kick_fd < 0 || clock_fd < 0)
		return -EMFILE;
	err = sp_wait_add(kick_fd, EPOLLIN, SP_TAG_KICK);
	if (!err)
		err = sp_wait_add(clock_fd, EPOLLIN, SP_TAG_CLOCK);
	if (!err)
		cpuwait_set_ops(&ops);
	return err;
}
