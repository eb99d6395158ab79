/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net.c - network links: the hypercalls, and the table of back ends.
 *
 * What takes long or much stack (opening, closing) runs on a host thread of its own, and
 * ends in an upcall; what is called for each frame goes straight to the back end.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "net.h"
#include "net_isolate.h"
#include "net_pcap.h"

static const struct net_backend *const backends[] = {
	&net_shm, &net_slirp, &net_passt, &net_tap, &net_raw, &net_vde, &net_udp, &net_fd,
};
#define NBACKENDS	(sizeof(backends) / sizeof(backends[0]))

/* ---- frames ------------------------------------------------------------------- */

/* Where in a frame: offset bytes behind the start of iov[i], or further. */
struct place {
	unsigned int i;
	size_t offset;
};

/* The piece of memory there, and its length, at most want; NULL: nothing is wanted, or left. */
static char *next_piece(const struct rumpuser_net_frame *f, struct place *p, size_t want, size_t *n)
{
	char *piece;

	while (p->i < f->niov && p->offset >= f->iov[p->i].len)
		p->offset -= f->iov[p->i++].len;
	if (p->i == f->niov || !want)
		return NULL;
	*n = f->iov[p->i].len - p->offset;
	if (*n > want)
		*n = want;
	piece = (char *)f->iov[p->i].base + p->offset;
	p->offset += *n;
	return piece;
}

void net_gather(void *dst, const struct rumpuser_net_frame *f, size_t offset, size_t len)
{
	struct place p = { 0, offset };
	const char *piece;
	char *to = dst;
	size_t n;

	for (; (piece = next_piece(f, &p, len, &n)); to += n, len -= n)
		memcpy(to, piece, n);
}

void net_scatter(const struct rumpuser_net_frame *f, size_t offset, const void *src, size_t len)
{
	struct place p = { 0, offset };
	const char *from = src;
	char *piece;
	size_t n;

	for (; (piece = next_piece(f, &p, len, &n)); from += n, len -= n)
		memcpy(piece, from, n);
}

size_t net_peek(const struct rumpuser_net_frame *f, void *buf, size_t len)
{
	if (len > f->len)
		len = f->len;
	net_gather(buf, f, 0, len);
	return len;
}

/* ---- opening and closing ------------------------------------------------------- */

static const struct net_backend *find_backend(const char *kind)
{
	unsigned int i;

	for (i = 0; i < NBACKENDS; i++)
		if (!strcmp(kind, backends[i]->kind))
			return backends[i];
	return NULL;
}

static int unknown_kind(const char *kind, char *why)
{
	unsigned int i;
	size_t n;

	netspec_wrong(why, "link=%.40s: no such kind of link; there are", kind);
	for (i = 0; i < NBACKENDS; i++) {
		n = strlen(why);
		snprintf(why + n, RUMPUSER_NET_WHY - n, "%s %s", i ? "," : "", backends[i]->kind);
	}
	return -EINVAL;
}

/* 02 in front: given by ourselves.  The rest is the host's randomness. */
static void make_mac(uint8_t mac[6])
{
	rumpuser_getrandom(mac, 6);
	mac[0] = 0x02;
}

/* What every back end can rely on; be: which one. */
static int check(const struct net_backend *be, const struct netspec *s, bool remote, char *why)
{
	if (be->local && (remote || s->isolate)) {
		netspec_wrong(why, "link=%s is for the program that runs the kernel, in its own process",
		    be->kind);
		return -EPERM;
	}
	if (s->where && !be->where)
		return netspec_wrong(why, "link=%s takes nothing behind a colon", be->kind);
	if (!s->where && be->where)
		return netspec_wrong(why, "link=%s: want link=%s:%s", be->kind, be->kind, be->where);
	if (s->queues > be->queues || (s->isolate && s->queues > 1))
		return netspec_wrong(why, "queues=%u: link=%s%s has at most %u", s->queues, be->kind,
		    s->isolate ? ",isolate" : "", s->isolate ? 1 : be->queues);
	return 0;
}

/* Words that nobody has asked for are refused. */
static int check_words(const struct netspec *s, char *why)
{
	bool again;
	const char *word = netspec_unasked(s, &again);

	if (!word)
		return 0;
	if (again)
		return netspec_wrong(why, "%.80s is given twice", word);
	return netspec_wrong(why, "\"%.80s\" is no word of link=%s", word, s->kind);
}

int rumpuser_net_check(const char *spec, char *why)
{
	struct netspec *s = malloc(sizeof(*s));
	const struct net_backend *be;
	int err;

	if (!s)
		return netspec_wrong(why, "%s", strerror(ENOMEM));
	err = netspec_parse(s, spec, why);
	if (!err) {
		be = find_backend(s->kind);
		err = be ? check(be, s, false, why) : unknown_kind(s->kind, why);
	}
	free(s);
	return err;
}

static int open_here(struct net_link *l, struct netspec *s, char *why)
{
	int err;

	strcpy(l->info.name, s->name);
	if (s->has_mac)
		memcpy(l->info.mac, s->mac, 6);
	else
		make_mac(l->info.mac);
	l->info.mtu = s->mtu;
	l->info.queues = s->queues ? s->queues : 1;
	err = l->be->open(l, s, why);
	if (err)
		return err;
	if (!l->info.mtu)
		l->info.mtu = 1500;
	if (s->noconfig)
		l->info.addr = 0;
	err = check_words(s, why);
	if (err)
		l->be->close(l);
	return err;
}

/* pcap: the frames are ours to write down, not another process's. */
static int open_backend(struct net_link *l, struct netspec *s, struct rumpuser_net_request *req)
{
	char *why = req->why;
	int err;

	l->be = find_backend(s->kind);
	if (!l->be)
		return unknown_kind(s->kind, why);
	err = check(l->be, s, req->remote, why);
	if (err)
		return err;
	atomic_init(&l->carrier, true);
	if (s->isolate && !req->isolated) {
		l->be = &net_isolate;
		err = net_isolate_open(l, req->spec, req->remote, why);
	} else {
		err = open_here(l, s, why);
	}
	if (err || !s->pcap || req->isolated)
		return err;
	err = net_pcap_open(s->pcap, s->name, &l->pcap);
	if (err) {
		netspec_wrong(why, "pcap=%.120s: %s", s->pcap, strerror(-err));
		l->be->close(l);
	}
	return err;
}

static int link_open(struct rumpuser_net_request *req)
{
	struct net_link *l = calloc(1, sizeof(*l));
	struct netspec *s = malloc(sizeof(*s));
	int err = -ENOMEM;

	req->why[0] = '\0';
	if (l && s)
		err = netspec_parse(s, req->spec, req->why);
	if (!err)
		err = open_backend(l, s, req);
	if (err && !req->why[0])
		netspec_wrong(req->why, "%s", strerror(-err));
	free(s);
	if (err) {
		free(l);
		return err;
	}
	req->handle = l;
	req->info = l->info;
	return 0;
}

static void link_close(struct net_link *l)
{
	l->be->close(l);
	if (l->pcap)
		net_pcap_close(l->pcap);
	free(l);
}

static void carry_out(void *arg)
{
	struct rumpuser_net_request *req = arg;

	if (req->spec)
		req->error = link_open(req);
	else
		link_close(req->handle);
	rumpuser_up->net_done(req);
}

int rumpuser_net_submit(struct rumpuser_net_request *req)
{
	return rumpuser_thread_create(carry_out, req, "rump-netctl");
}

/* ---- a link in use --------------------------------------------------------------- */

void net_ready(struct net_link *l, unsigned int q)
{
	if (atomic_load_explicit(&l->started, memory_order_acquire))
		rumpuser_up->net_ready(l->cookies[q]);
}

void net_carrier(struct net_link *l, bool on)
{
	if (atomic_exchange(&l->carrier, on) != on)
		net_ready(l, 0);
}

void rumpuser_net_start(void *handle, void *const cookies[])
{
	struct net_link *l = handle;

	memcpy(l->cookies, cookies, l->info.queues * sizeof(cookies[0]));
	atomic_store(&l->started, true);
	if (l->be->start)
		l->be->start(l);
}

void rumpuser_net_up(void *handle, int up)
{
	struct net_link *l = handle;

	if (l->be->up)
		l->be->up(l, up);
}

unsigned int rumpuser_net_tx(void *handle, unsigned int q, struct rumpuser_net_frame *frames,
    unsigned int n)
{
	struct net_link *l = handle;
	unsigned int i, done;

	done = l->be->tx(l, q, frames, n);
	for (i = 0; l->pcap && i < done; i++)
		if (!frames[i].error)
			net_pcap_frame(l->pcap, &frames[i], true);
	return done;
}

unsigned int rumpuser_net_rx(void *handle, unsigned int q, struct rumpuser_net_frame *frames,
    unsigned int n)
{
	struct net_link *l = handle;
	unsigned int i, got;

	got = l->be->rx(l, q, frames, n);
	for (i = 0; l->pcap && i < got; i++)
		net_pcap_frame(l->pcap, &frames[i], false);
	return got;
}

int rumpuser_net_arm(void *handle, unsigned int q, unsigned int events)
{
	struct net_link *l = handle;

	return l->be->arm(l, q, events);
}

int rumpuser_net_carrier(void *handle)
{
	const struct net_link *l = handle;

	return atomic_load_explicit(&l->carrier, memory_order_relaxed);
}

uint64_t rumpuser_net_dropped(void *handle)
{
	const struct net_link *l = handle;

	return atomic_load_explicit(&l->dropped, memory_order_relaxed);
}
