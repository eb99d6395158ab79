/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sp.c - sysproxy's server side on the host: the server as a whole.
 *
 * All sockets are in one epoll set, in which one helper thread of the kernel
 * sleeps while its vCPU is idle (sp_wait.c).  Whoever finds events there
 * assembles and checks messages on the spot (sp_input.c) and tells the kernel by
 * an upcall; the kernel takes complete messages, and sends its own without
 * blocking.  So a client that is slow, silent or stuck is waited for by its own
 * task only.
 *
 * Limits: of connections that have not said HELLO yet, HALF_MAX for HALF_SECONDS
 * each.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <rump/rumpuser_sp.h>

#include "hostcall.h"
#include "internal.h"
#include "sp.h"
#include "sp_chan.h"
#include "sp_listen.h"
#include "sp_ring.h"
#include "sp_strange.h"
#include "sp_who.h"

#define HALF_MAX	256
#define HALF_SECONDS	10
#define HALT_MAX	16

struct sp_server sp_server;

static int listen_fd = -1, timer_fd = -1, state_fd = -1;
static atomic_uint halt_wanted;
static uint32_t misc_lock;			/* of what follows */
static struct { uint32_t index, gen; } halting[HALT_MAX];
static unsigned int nhalting;
static int spare_fd;			/* given up to refuse a connection when none is left */

void sp_tell_program(void)
{
	uint64_t one = 1;

	host(SYS_write, state_fd, &one, sizeof(one));
}

void sp_want_halt(struct rumpuser_sp_chan *c)
{
	sp_lock(&misc_lock);
	if (nhalting < HALT_MAX) {
		halting[nhalting].index = c->index;
		halting[nhalting++].gen = c->gen & SP_GEN_MASK;
	}
	sp_unlock(&misc_lock);
	atomic_store(&halt_wanted, 1);
	sp_tell_program();
}

/* ---- connections without a HELLO ------------------------------------------------------- */

static void half_arm(void)
{
	struct itimerspec it = { 0 };

	sp_lock(&sp_server.lock);
	if (sp_server.half.first) {
		int64_t when = sp_server.half.first->since + HALF_SECONDS * 1000000000LL;

		it.it_value.tv_sec = when / 1000000000;
		it.it_value.tv_nsec = when % 1000000000;
	}
	host(SYS_timerfd_settime, timer_fd, TFD_TIMER_ABSTIME, &it, NULL);
	sp_unlock(&sp_server.lock);
}

/* Cuts off who has not said HELLO in time; or, if all, the one that waits longest. */
static void half_expire(int oldest)
{
	struct rumpuser_sp_chan *c;
	int64_t due = rumpuser_clock_mono() - HALF_SECONDS * 1000000000LL;
	uint32_t index, gen;

	for (;;) {
		sp_lock(&sp_server.lock);
		c = sp_server.half.first;
		if (!c || (!oldest && c->since > due)) {
			sp_unlock(&sp_server.lock);
			break;
		}
		index = c->index;
		gen = c->gen & SP_GEN_MASK;
		sp_unlock(&sp_server.lock);
		c = slot_find(index, gen);
		if (c && c->state == HALF) {
			complain(c, oldest ? "too many connections without a HELLO" :
			    "connected and said nothing");
			chan_free(c);
		} else if (c) {
			sp_unlock(&c->lock);
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
		why = chan_input(c);
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
	sp_unlock(&c->lock);
}

void sp_bell_ready(uint64_t tag)
{
	struct rumpuser_sp_chan *c = slot_find((uint32_t)tag, tag >> 32 & SP_GEN_MASK);

	if (!c)
		return;
	ring_rung(c);
	sp_unlock(&c->lock);
}

void sp_connected(int fd, const struct ucred *cred)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct rumpuser_sp_chan *c;
	int first;

	if (__atomic_load_n(&sp_server.half.n, __ATOMIC_RELAXED) >= HALF_MAX)
		half_expire(1);
	c = slot_get();
	if (!c) {
		strange_hang_up(fd);
		return;
	}
	sp_lock(&c->lock);
	c->fd = fd;
	c->cred = *cred;
	c->since = rumpuser_clock_mono();
	c->state = HALF;
	sp_lock(&sp_server.lock);
	sp_append(&sp_server.half, c);
	first = sp_server.half.n == 1;
	sp_unlock(&sp_server.lock);
	if (first)
		half_arm();
	ev.data.u64 = slot_name(c);
	if (host(SYS_epoll_ctl, sp_epoll_fd, EPOLL_CTL_ADD, fd, &ev))
		chan_free(c);
	else
		sp_unlock(&c->lock);
}

static void new_connection(int fd)
{
	struct ucred cred;

	if (sp_peer(fd, &cred) == 0) {
		sp_connected(fd, &cred);
		return;
	}
	if (atomic_fetch_add(&sp_server.rejected, 1) < 100)
		rumpuser_warn("a client of another user (uid %u) is refused", cred.uid);
	strange_hang_up(fd);
}

/* No descriptor is left: the one kept for this case lets us refuse the client,
 * who would otherwise wait, and we would spin. */
static void refuse_one(void)
{
	static atomic_uint told;
	long fd;

	if (!atomic_fetch_add(&told, 1))
		rumpuser_warn("no descriptor is left for a client: RLIMIT_NOFILE is too low");
	sp_lock(&misc_lock);
	host(SYS_close, spare_fd);
	fd = host(SYS_accept4, listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		strange_hang_up(fd);
	spare_fd = host(SYS_eventfd2, 0, EFD_CLOEXEC);
	sp_unlock(&misc_lock);
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
	sp_server.up = upcalls;
	snprintf(sp_server.release, sizeof(sp_server.release), "%s", release);
	if (failed(&listen_fd, fd) ||
	    failed(&timer_fd, host(SYS_timerfd_create, CLOCK_MONOTONIC,
	    TFD_CLOEXEC | TFD_NONBLOCK)) ||
	    failed(&state_fd, host(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK)) ||
	    failed(&spare_fd, host(SYS_eventfd2, 0, EFD_CLOEXEC))) {
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

	sp_lock(&sp_server.lock);
	c = sp_server.acceptable.first;
	if (c)
		sp_unlink(&sp_server.acceptable, c);
	sp_unlock(&sp_server.lock);
	if (c)
		*hellop = (const void *)c->hello->data;
	return c;
}

int rumpuser_sp_eventfd(void)
{
	return state_fd;
}

unsigned int rumpuser_sp_clients(void)
{
	return atomic_load(&sp_server.clients);
}

uint64_t rumpuser_sp_accepted(void)
{
	return atomic_load(&sp_server.accepted);
}

int rumpuser_sp_halt_wanted(void)
{
	return atomic_load(&halt_wanted);
}

void rumpuser_sp_allow_halt(void)
{
	atomic_store(&sp_server.may_halt, 1);
}

void rumpuser_sp_stop(void)
{
	if (!atomic_load(&sp_server.may_halt))
		sp_unlisten();
}

void rumpuser_sp_halt_done(int error)
{
	struct rumpuser_sp_chan *c;
	unsigned int i;

	/* Who is told finds the name free; the connection ends with the process. */
	sp_unlisten();
	for (i = 0; i < nhalting; i++) {
		c = slot_find(halting[i].index, halting[i].gen);
		if (c) {
			chan_reply(c, c->halt_reqno, error);
			sp_unlock(&c->lock);
		}
	}
}
