/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer.c - what two relays tell each other (rump_relay.h), at either end.
 *
 *	clients - unix - [near relay] - tls - [far relay] - unix - rump_server
 *
 * A peer is the relay at the other end of a wire.  It has channels, each a connection
 * of a client and its twin to the server, and links, each a pair of placeholder ends
 * and its twin: the near relay holds the far end that the client has sent, the far
 * relay the near end of the pair that it has made for the server.
 *
 * The kernel finds a descriptor closed when a close comes behind the hang-up of its
 * last near end; so the near relay looks for hang-ups before it passes anything on.
 * Nobody can be made to wait: what one channel does not take is queued, within the
 * protocol's own bounds (a request, an answer), and who exceeds these is cut off;
 * when the wire does not take more, no channel is read.
 *
 * The far relay marks the HELLO of each client as relayed, so that the server treats
 * it as another host's: no shared memory, no HALT.
 *
 * Limits: HALF_MAX wires that have not shown a banner, HALF_MS for each.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <rump/rump_sp.h>

#include "../../hypercall/sp_url.h"
#include "relay.h"

#define BUCKETS		1024
#define QUEUE_MAX	(4u << 20)
#define EVENTS		64
#define HALF_MAX	64
#define HALF_MS		10000

struct chunk {
	struct chunk *next;
	size_t len, pos;
	int nfds, fds[RUMP_RELAY_LINKS_MAX];
	_Alignas(8) char data[];
};

struct chan {
	struct source src;
	struct peer *p;
	struct chan *next;
	uint32_t id, events;
	int spoken;			/* its HELLO has passed (far) */
	struct chunk *out, **outend;
	size_t queued;
};

struct link {
	struct source src;
	struct peer *p;
	struct link *next;
	uint32_t id;
	struct sockaddr_un name;	/* of the far end, which near ends have as their peer's */
	socklen_t namelen;
};

struct peer {
	struct wire w;			/* first */
	struct peer *next;		/* of all */
	int ready;			/* has shown a banner */
	int64_t since;
	struct source set, hangups;	/* of channels and hangups; of links */
	int paused;
	uint32_t next_id;
	unsigned int nchans;
	const char *url;		/* far: of the server; near: of the far relay */
	struct chan *chans[BUCKETS];
	struct link *links[BUCKETS];
};

struct peer *the_peer;
static struct peer *peers;
static int pending;

/* ---- links ------------------------------------------------------------------------------ */

static void link_free(struct link *l, int tell)
{
	struct link **at = &l->p->links[l->id % BUCKETS];

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	if (tell)
		wire_send_small(&l->p->w, RUMP_RELAY_HANGUP, l->id, 0);
	retire(&l->src);
}

static void link_ready(struct source *s, uint32_t events)
{
	struct link *l = (struct link *)s;
	char sink[64];
	ssize_t n = 0;

	if (!l->p->w.near)
		while ((n = recv(s->fd, sink, sizeof(sink), MSG_DONTWAIT)) > 0)
			events |= EPOLLIN;
	if (n == 0 && events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR))
		link_free(l, 1);
	else if (events & EPOLLIN)
		wire_send_small(&l->p->w, RUMP_RELAY_RING, l->id, 0);
}

static struct link *link_new(struct peer *p, uint32_t id, int fd)
{
	struct link *l = calloc(1, sizeof(*l));

	if (!l) {
		close(fd);
		return NULL;
	}
	l->src.fd = fd;
	l->src.ready = link_ready;
	l->p = p;
	l->id = id;
	l->next = p->links[id % BUCKETS];
	p->links[id % BUCKETS] = l;
	if (watch(p->hangups.fd, &l->src, EPOLLRDHUP | (p->w.near ? 0 : EPOLLIN))) {
		link_free(l, 0);
		return NULL;
	}
	return l;
}

static struct link *link_find(const struct peer *p, uint32_t id)
{
	struct link *l = p->links[id % BUCKETS];

	while (l && l->id != id)
		l = l->next;
	return l;
}

/* Near: whose near end is fd? */
static struct link *link_of(const struct peer *p, int fd)
{
	struct sockaddr_un peer;
	socklen_t len = sizeof(peer);
	struct link *l;
	int i;

	if (getpeername(fd, (struct sockaddr *)&peer, &len) || peer.sun_family != AF_UNIX ||
	    len <= sizeof(sa_family_t))
		return NULL;
	for (i = 0; i < BUCKETS; i++)
		for (l = p->links[i]; l; l = l->next)
			if (l->namelen == len && memcmp(&l->name, &peer, len) == 0)
				return l;
	return NULL;
}

/* Near: gives a far end the name by which its near ends are known; 0: it is none. */
static int link_name(struct link *l)
{
	sa_family_t family = AF_UNIX;

	bind(l->src.fd, (struct sockaddr *)&family, sizeof(family));
	l->namelen = sizeof(l->name);
	return getsockname(l->src.fd, (struct sockaddr *)&l->name, &l->namelen) == 0 &&
	    l->name.sun_family == AF_UNIX && l->namelen > sizeof(family);
}

/* Near: what the other side is told of a descriptor that a client has sent. */
static struct rump_relay_link tell_of(struct peer *p, int fd)
{
	struct link *l = link_of(p, fd);
	uint32_t id;

	if (l) {
		id = l->id;
		close(fd);
		return (struct rump_relay_link){ RUMP_RELAY_KNOWN, id };
	}
	l = link_new(p, ++p->next_id, fd);
	if (l && link_name(l))
		return (struct rump_relay_link){ RUMP_RELAY_NEW, l->id };
	if (l)
		link_free(l, 0);
	return (struct rump_relay_link){ RUMP_RELAY_OTHER, 0 };
}

/* Far: the descriptor for the server that it stands for, or -1. */
static int make_end(struct peer *p, const struct rump_relay_link *k)
{
	struct link *l;
	int pair[2];

	switch (k->kind) {
	case RUMP_RELAY_NEW:
		if (link_find(p, k->id) ||
		    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
			return -1;
		if (link_new(p, k->id, pair[0]))
			return pair[1];
		close(pair[1]);
		return -1;
	case RUMP_RELAY_KNOWN:
		l = link_find(p, k->id);
		if (l)
			return fcntl(l->src.fd, F_DUPFD_CLOEXEC, 0);
	}
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

/* ---- channels -------------------------------------------------------------------------------- */

static void chunk_free(struct chunk *k)
{
	while (k->nfds)
		close(k->fds[--k->nfds]);
	free(k);
}

static void chan_free(struct chan *c, int tell)
{
	struct chan **at = &c->p->chans[c->id % BUCKETS];
	struct chunk *k;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->p->nchans--;
	while ((k = c->out)) {
		c->out = k->next;
		chunk_free(k);
	}
	if (tell)
		wire_send_small(&c->p->w, RUMP_RELAY_CLOSE, c->id, 0);
	retire(&c->src);
}

static struct chan *chan_find(const struct peer *p, uint32_t id)
{
	struct chan *c = p->chans[id % BUCKETS];

	while (c && c->id != id)
		c = c->next;
	return c;
}

/* 0: all or some went, or it has to wait; -1: the connection has ended. */
static int chan_flush(struct chan *c)
{
	_Alignas(struct cmsghdr) char ctl[CMSG_SPACE(RUMP_RELAY_LINKS_MAX * sizeof(int))];
	struct msghdr mh = { 0 };
	struct cmsghdr *cm;
	struct iovec iov;
	struct chunk *k;
	uint32_t events;
	ssize_t n = 0;

	while ((k = c->out)) {
		iov = (struct iovec){ k->data + k->pos, k->len - k->pos };
		mh = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1 };
		if (k->nfds) {
			mh.msg_control = ctl;
			mh.msg_controllen = CMSG_SPACE(k->nfds * sizeof(int));
			cm = CMSG_FIRSTHDR(&mh);
			cm->cmsg_level = SOL_SOCKET;
			cm->cmsg_type = SCM_RIGHTS;
			cm->cmsg_len = CMSG_LEN(k->nfds * sizeof(int));
			memcpy(CMSG_DATA(cm), k->fds, k->nfds * sizeof(int));
		}
		n = sendmsg(c->src.fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			break;
		while (k->nfds)
			close(k->fds[--k->nfds]);
		k->pos += n;
		c->queued -= n;
		if (k->pos < k->len)
			continue;
		c->out = k->next;
		if (!c->out)
			c->outend = &c->out;
		chunk_free(k);
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return -1;
	events = EPOLLIN | (c->out ? EPOLLOUT : 0);
	if (events != c->events)
		rewatch(c->p->set.fd, &c->src, events);
	c->events = events;
	return 0;
}

/* The hang-ups that there are, before anything that came after them. */
static void look_for_hangups(struct source *s, uint32_t unused)
{
	struct epoll_event ev[EVENTS];
	int i, n;

	(void)unused;
	do {
		n = epoll_wait(s->fd, ev, EVENTS, 0);
		for (i = 0; i < n; i++)
			((struct source *)ev[i].data.ptr)->ready(ev[i].data.ptr, ev[i].events);
	} while (n == EVENTS);
}

static int take_fds(struct msghdr *mh, int *fds)
{
	struct cmsghdr *cm;
	int n = 0, i, k;

	for (cm = CMSG_FIRSTHDR(mh); cm; cm = CMSG_NXTHDR(mh, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		k = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < k; i++)
			if (n < RUMP_RELAY_LINKS_MAX)
				fds[n++] = ((int *)CMSG_DATA(cm))[i];
			else
				close(((int *)CMSG_DATA(cm))[i]);
	}
	return n;
}

static void chan_read(struct chan *c)
{
	static char buf[RUMP_RELAY_DATA_MAX];
	_Alignas(struct cmsghdr) char ctl[CMSG_SPACE(2 * RUMP_RELAY_LINKS_MAX * sizeof(int))];
	struct rump_relay_hdr h = { .type = RUMP_RELAY_DATA, .id = c->id };
	struct rump_relay_link links[RUMP_RELAY_LINKS_MAX];
	struct iovec in = { buf, sizeof(buf) }, iov[3];
	struct msghdr mh = {
		.msg_iov = &in, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof(ctl),
	};
	int fds[RUMP_RELAY_LINKS_MAX], i;
	ssize_t n = recvmsg(c->src.fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		if (c->p->w.near)
			look_for_hangups(&c->p->hangups, 0);
		chan_free(c, 1);
		return;
	}
	h.arg = take_fds(&mh, fds);
	if (c->p->w.near)
		look_for_hangups(&c->p->hangups, 0);
	for (i = 0; i < (int)h.arg; i++) {
		if (c->p->w.near)
			links[i] = tell_of(c->p, fds[i]);
		else
			close(fds[i]);		/* of a server that gives out none to us */
	}
	if (!c->p->w.near)
		h.arg = 0;
	iov[0] = (struct iovec){ &h, sizeof(h) };
	iov[1] = (struct iovec){ links, h.arg * sizeof(links[0]) };
	iov[2] = (struct iovec){ buf, n };
	if (wire_send(&c->p->w, iov, 3))
		chan_free(c, 1);
}

static void chan_ready(struct source *s, uint32_t events)
{
	struct chan *c = (struct chan *)s;

	if (events & EPOLLOUT && chan_flush(c))
		chan_free(c, 1);
	else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		chan_read(c);
}

static struct chan *chan_new(struct peer *p, uint32_t id, int fd)
{
	struct chan *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return NULL;
	}
	c->src.fd = fd;
	c->src.ready = chan_ready;
	c->p = p;
	c->id = id;
	c->events = EPOLLIN;
	c->outend = &c->out;
	c->next = p->chans[id % BUCKETS];
	p->chans[id % BUCKETS] = c;
	p->nchans++;
	if (watch(p->set.fd, &c->src, c->events)) {
		chan_free(c, 0);
		return NULL;
	}
	return c;
}

/* ---- frames ------------------------------------------------------------------------------------- */

static const char *on_banner(struct peer *p, const struct rump_relay_hdr *h)
{
	if (h->id != RUMP_RELAY_MAGIC)
		return "the other side is no relay";
	if (h->arg != RUMP_RELAY_VERSION) {
		say("the other relay has version %u, this one %u", h->arg, RUMP_RELAY_VERSION);
		return "another version";
	}
	if (!p->ready && !p->w.near)
		pending--;
	p->ready = 1;
	return NULL;
}

/* Far: a client of the near relay is one of the server. */
static const char *on_open(struct peer *p, const struct rump_relay_hdr *h)
{
	struct sockaddr_un sun;
	socklen_t len;
	int fd;

	if (chan_find(p, h->id))
		return "a channel is opened twice";
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && (sp_url_parse(p->url, &sun, &len) ||
	    connect(fd, (struct sockaddr *)&sun, len))) {
		close(fd);
		fd = -1;
	}
	if (fd < 0 || !chan_new(p, h->id, fd))
		wire_send_small(&p->w, RUMP_RELAY_CLOSE, h->id, 0);
	return NULL;
}

/* Bytes for a channel, that begin its life with a HELLO (far): marks that. */
static int mark(struct chan *c, char *data, size_t n)
{
	struct rump_sp_hdr hdr = { 0 };
	size_t k = offsetof(struct rump_sp_hdr, reqno);

	if (c->p->w.near || c->spoken)
		return 0;
	if (n < k)
		return -1;
	memcpy(&hdr, data, k);
	if (hdr.type != RUMP_SP_HELLO)
		return -1;
	hdr.flags |= RUMP_SP_F_RELAYED;
	memcpy(data, &hdr, k);
	c->spoken = 1;
	return 0;
}

static const char *on_data(struct peer *p, const struct rump_relay_hdr *h)
{
	const struct rump_relay_link *l = (const void *)(h + 1);
	size_t n = h->len - sizeof(*h) - h->arg * sizeof(*l);
	struct chan *c = chan_find(p, h->id);
	struct chunk *k;
	uint32_t i;
	int fd;

	if (!c) {			/* it has just ended here, and so have its links */
		for (i = 0; i < h->arg; i++)
			if (l[i].kind == RUMP_RELAY_NEW)
				wire_send_small(&p->w, RUMP_RELAY_HANGUP, l[i].id, 0);
		return NULL;
	}
	k = calloc(1, sizeof(*k) + n);
	if (!k)
		return "no memory";
	k->len = n;
	memcpy(k->data, (const char *)(l + h->arg), n);
	for (i = 0; i < h->arg; i++) {
		fd = make_end(p, &l[i]);
		if (fd < 0) {
			chunk_free(k);
			return "a link cannot be made";
		}
		k->fds[k->nfds++] = fd;
	}
	*c->outend = k;
	c->outend = &k->next;
	c->queued += n;
	if (c->queued > QUEUE_MAX || mark(c, k->data, n) || chan_flush(c))
		chan_free(c, 1);
	return NULL;
}

static const char *on_frame(struct wire *w, const struct rump_relay_hdr *h)
{
	struct peer *p = (struct peer *)w;
	struct chan *c;
	struct link *l;

	if ((h->type == RUMP_RELAY_BANNER) != !p->ready)
		return p->ready ? "a second banner" : "no banner";
	switch (h->type) {
	case RUMP_RELAY_BANNER:
		return on_banner(p, h);
	case RUMP_RELAY_OPEN:
		return on_open(p, h);
	case RUMP_RELAY_DATA:
		return on_data(p, h);
	case RUMP_RELAY_CLOSE:
		c = chan_find(p, h->id);
		if (c)
			chan_free(c, 0);
		break;
	case RUMP_RELAY_RING:
		l = link_find(p, h->id);
		if (l)
			send(l->src.fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case RUMP_RELAY_HANGUP:
		l = link_find(p, h->id);
		if (l)
			link_free(l, 0);
		break;
	}
	return NULL;
}

/* ---- a peer's life --------------------------------------------------------------------------------- */

static void peer_end(struct wire *w, const char *why)
{
	struct peer *p = (struct peer *)w, **at = &peers;
	int i;

	if (w->near)
		say("%s: the relay there %s%s%s", p->url, p->ready ? "is gone" : "refuses us",
		    why ? ": " : "", why ? why : "");
	else if (why)
		say("a relay is cut off: %s", why);
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	if (!p->ready && !w->near)
		pending--;
	for (i = 0; i < BUCKETS; i++) {
		while (p->chans[i])
			chan_free(p->chans[i], 0);
		while (p->links[i])
			link_free(p->links[i], 0);
	}
	if (p == the_peer)
		the_peer = NULL;
	close(p->hangups.fd);
	close(p->set.fd);
	if (w->ssl)
		tls_free(w->ssl);
	free(w->out);
	retire(&w->src);
}

/* Channels and links are not read while their peer takes no more. */
static void on_full(struct wire *w, int full)
{
	struct peer *p = (struct peer *)w;

	if (p->paused != full)
		rewatch(main_set, &p->set, full ? 0 : EPOLLIN);
	p->paused = full;
}

static void set_ready(struct source *s, uint32_t unused)
{
	struct peer *p = (struct peer *)((char *)s - offsetof(struct peer, set));
	struct epoll_event ev[EVENTS];
	int i, n = epoll_wait(s->fd, ev, EVENTS, 0);
	struct source *t;

	(void)unused;
	for (i = 0; i < n && !p->paused; i++) {
		t = ev[i].data.ptr;
		if (t->fd >= 0)
			t->ready(t, ev[i].events);
	}
}

struct peer *peer_new(int fd, int near, const char *host, int tls, const char *url)
{
	struct peer *p = calloc(1, sizeof(*p));
	struct ssl_st *ssl = NULL;

	if (!p) {
		close(fd);
		return NULL;
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (tls && !(ssl = tls_new(fd, host))) {
		close(fd);
		free(p);
		return NULL;
	}
	p->w.near = near;
	p->w.frame = on_frame;
	p->w.ended = peer_end;
	p->w.full = on_full;
	p->url = url;
	p->since = now_ms();
	p->set = (struct source){ .fd = epoll_create1(EPOLL_CLOEXEC), .ready = set_ready };
	p->hangups = (struct source){ .fd = epoll_create1(EPOLL_CLOEXEC),
	    .ready = look_for_hangups };
	p->next = peers;
	peers = p;
	if (!near)
		pending++;
	if (wire_start(&p->w, fd, ssl) || watch(main_set, &p->set, EPOLLIN) ||
	    watch(p->set.fd, &p->hangups, EPOLLIN) ||
	    wire_send_small(&p->w, RUMP_RELAY_BANNER, RUMP_RELAY_MAGIC, RUMP_RELAY_VERSION)) {
		peer_end(&p->w, "no memory");
		return NULL;
	}
	return p;
}

void peer_accept(struct peer *p, int fd)
{
	struct chan *c = chan_new(p, ++p->next_id, fd);

	if (c && wire_send_small(&p->w, RUMP_RELAY_OPEN, c->id, 0))
		chan_free(c, 0);
}

int peer_is_ready(const struct peer *p)
{
	return p->ready;
}

unsigned int peer_clients(void)
{
	return the_peer ? the_peer->nchans : 0;
}

int peer_pending(void)
{
	return pending;
}

void peer_expire(int64_t now)
{
	struct peer *p, *next, *oldest = NULL;

	for (p = peers; p; p = next) {
		next = p->next;
		if (p->ready || p->w.near)
			continue;
		if (now - p->since > HALF_MS)
			peer_end(&p->w, "it has shown no banner");
		else
			oldest = p;		/* new ones are put in front */
	}
	if (pending > HALF_MAX && oldest)
		peer_end(&oldest->w, "too many have shown no banner");
}
