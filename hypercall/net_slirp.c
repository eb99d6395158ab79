/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net_slirp.c - link=slirp[,hostfwd=...]...: the outside world for an ordinary user, by
 * libslirp: connections end there, and begin anew as sockets of this process.
 *
 * The network is QEMU's: 10.0.2.0/24, we are 10.0.2.15, the gateway 10.0.2.2 is also the
 * host's loopback, 10.0.2.3 its name server.  IPv6 has fec0::/64 by router advertisement.
 * Frames never see a wire, so that they may be as large as they can.
 *
 * libslirp runs on a thread of its own (netqueue.h), which polls its sockets.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <slirp/libslirp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hostcall.h"
#include "hostfwd.h"
#include "internal.h"
#include "netlib.h"
#include "netqueue.h"

#define MTU		65520
#define NET		0x0a000200	/* 10.0.2.0 */
#define PREFIX		24
#define NSEC_PER_MSEC	1000000
#define FDS_STEP	64

static struct {
	__typeof__(&slirp_new) new;
	__typeof__(&slirp_cleanup) cleanup;
	__typeof__(&slirp_pollfds_fill) fill;
	__typeof__(&slirp_pollfds_poll) poll;
	__typeof__(&slirp_input) input;
	__typeof__(&slirp_add_hostfwd) hostfwd;
} lib;

static const struct netlib_function functions[] = {
	{ "slirp_new", &lib.new }, { "slirp_cleanup", &lib.cleanup },
	{ "slirp_pollfds_fill", &lib.fill }, { "slirp_pollfds_poll", &lib.poll },
	{ "slirp_input", &lib.input }, { "slirp_add_hostfwd", &lib.hostfwd }, { 0 }
};

struct timer {
	struct timer *next;
	SlirpTimerCb fn;
	void *arg;
	int64_t due;			/* ms; INT64_MAX: not set */
};

struct slirp {
	Slirp *slirp;
	struct netqueue *q;
	struct timer *timers;
	struct pollfd *fds;
	int nfds, room;
};

/* ---- what libslirp asks for ----------------------------------------------------------- */

static ssize_t send_packet(const void *frame, size_t len, void *opaque)
{
	struct slirp *s = opaque;

	if (s->q)
		netqueue_put(s->q, frame, len);
	return len;
}

static void guest_error(const char *msg, void *opaque)
{
	(void)msg, (void)opaque;
}

static int64_t clock_get_ns(void *opaque)
{
	(void)opaque;
	return rumpuser_clock_mono();
}

static void *timer_new(SlirpTimerCb fn, void *arg, void *opaque)
{
	struct slirp *s = opaque;
	struct timer *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct timer){ .next = s->timers, .fn = fn, .arg = arg, .due = INT64_MAX };
	s->timers = t;
	return t;
}

static void timer_free(void *timer, void *opaque)
{
	struct slirp *s = opaque;
	struct timer **tp;

	for (tp = &s->timers; *tp && *tp != timer; tp = &(*tp)->next)
		;
	if (*tp)
		*tp = (*tp)->next;
	free(timer);
}

static void timer_mod(void *timer, int64_t due, void *opaque)
{
	struct timer *t = timer;

	(void)opaque;
	if (t)
		t->due = due;
}

static void nothing_fd(int fd, void *opaque)
{
	(void)fd, (void)opaque;
}

static void nothing(void *opaque)
{
	(void)opaque;
}

static const SlirpCb callbacks = {
	.send_packet = send_packet, .guest_error = guest_error, .clock_get_ns = clock_get_ns,
	.timer_new = timer_new, .timer_free = timer_free, .timer_mod = timer_mod,
	.register_poll_fd = nothing_fd, .unregister_poll_fd = nothing_fd, .notify = nothing,
};

/* ---- the thread ---------------------------------------------------------------------------- */

static const struct { int slirp, poll; } events[] = {
	{ SLIRP_POLL_IN, POLLIN }, { SLIRP_POLL_OUT, POLLOUT }, { SLIRP_POLL_PRI, POLLPRI },
	{ SLIRP_POLL_ERR, POLLERR }, { SLIRP_POLL_HUP, POLLHUP },
};
#define NEVENTS	(sizeof(events) / sizeof(events[0]))

static int add_poll(int fd, int want, void *opaque)
{
	struct slirp *s = opaque;
	struct pollfd *more;
	unsigned int i;

	if (s->nfds == s->room) {
		more = reallocarray(s->fds, s->room + FDS_STEP, sizeof(*more));
		if (!more)
			return -1;
		s->fds = more;
		s->room += FDS_STEP;
	}
	s->fds[s->nfds] = (struct pollfd){ .fd = fd };
	for (i = 0; i < NEVENTS; i++)
		if (want & events[i].slirp)
			s->fds[s->nfds].events |= events[i].poll;
	return s->nfds++;
}

static int get_revents(int idx, void *opaque)
{
	struct slirp *s = opaque;
	unsigned int i;
	int got = 0;

	for (i = 0; idx >= 0 && i < NEVENTS; i++)
		if (s->fds[idx].revents & events[i].poll)
			got |= events[i].slirp;
	return got;
}

/* Runs what is due; ms until the next is, at most ms. */
static uint32_t run_timers(struct slirp *s, uint32_t ms)
{
	int64_t now = rumpuser_clock_mono() / NSEC_PER_MSEC;
	struct timer *t;

	for (t = s->timers; t; t = t->next) {
		if (t->due <= now) {
			t->due = INT64_MAX;
			t->fn(t->arg);
		}
		if (t->due != INT64_MAX && t->due - now < ms)
			ms = t->due > now ? t->due - now : 1;
	}
	return ms;
}

static void wait(struct slirp *s)
{
	uint32_t ms = UINT32_MAX;
	struct timespec ts;
	bool sleep;
	long ret;

	s->nfds = 0;
	add_poll(netqueue_fd(s->q), SLIRP_POLL_IN, s);
	lib.fill(s->slirp, &ms, add_poll, s);
	ms = run_timers(s, ms);
	sleep = netqueue_sleep(s->q);
	if (!sleep)
		ms = 0;
	ts = (struct timespec){ ms / 1000, ms % 1000 * NSEC_PER_MSEC };
	ret = host(SYS_ppoll, s->fds, s->nfds, ms == UINT32_MAX ? NULL : &ts, NULL, 0);
	if (sleep)
		netqueue_awake(s->q);
	lib.poll(s->slirp, ret < 0, get_revents, s);
}

static void run(struct netqueue *q, void *ctx)
{
	struct slirp *s = ctx;
	const void *frame;
	uint32_t len;

	s->q = q;
	while (!netqueue_closing(q)) {
		while ((frame = netqueue_next(q, &len))) {
			lib.input(s->slirp, frame, len);
			netqueue_done(q);
		}
		wait(s);
	}
	lib.cleanup(s->slirp);
	free(s->fds);
	free(s);
}

static const struct netqueue_ops ops = { .run = run, .trusted = true };

/* ---- opening --------------------------------------------------------------------------------- */

static struct in_addr in_net(unsigned int n)
{
	return (struct in_addr){ htonl(NET + n) };
}

static int forward(struct slirp *s, struct netspec *spec, char *why)
{
	struct hostfwd f;
	const char *text;
	unsigned int i;
	int err = 0;

	for (i = 0; !err && (text = netspec_word(spec, "hostfwd", i)); i++) {
		err = hostfwd_parse(text, &f, why);
		if (!f.guest.s_addr)
			f.guest = in_net(15);
		if (!err && lib.hostfwd(s->slirp, f.udp, f.host, f.host_port, f.guest, f.guest_port)) {
			err = -errno;
			netspec_wrong(why, "hostfwd=%.80s: %s", text, strerror(-err));
		}
	}
	return err;
}

static int slirp_open(struct net_link *l, struct netspec *spec, char *why)
{
	SlirpConfig cfg = {
		.version = 1, .in_enabled = true, .vnetwork = in_net(0),
		.vnetmask.s_addr = htonl(~0U << (32 - PREFIX)), .vhost = in_net(2),
		.in6_enabled = true, .vprefix_len = 64, .vhostname = "rump",
		.vdhcp_start = in_net(15), .vnameserver = in_net(3),
	};
	struct slirp *s;
	int err;

	err = netlib_load("libslirp.so.0", "libslirp0", functions, why);
	if (err)
		return err;
	if (!l->info.mtu)
		l->info.mtu = MTU;
	cfg.if_mtu = cfg.if_mru = l->info.mtu;
	inet_pton(AF_INET6, "fec0::", &cfg.vprefix_addr6);
	inet_pton(AF_INET6, "fec0::2", &cfg.vhost6);
	inet_pton(AF_INET6, "fec0::3", &cfg.vnameserver6);
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->slirp = lib.new(&cfg, &callbacks, s);
	err = s->slirp ? forward(s, spec, why) : -ENOMEM;
	if (!err)
		err = netqueue_open(l, &ops, s, "rump-slirp");
	if (err) {
		if (s->slirp)
			lib.cleanup(s->slirp);
		free(s);
		return err;
	}
	l->info.addr = in_net(15).s_addr;
	l->info.prefix = PREFIX;
	l->info.gateway = in_net(2).s_addr;
	l->info.nameserver = in_net(3).s_addr;
	return 0;
}

const struct net_backend net_slirp = {
	.kind = "slirp", .queues = 1, .open = slirp_open, NETQUEUE_OPS,
};
