/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sp_chan.c - sysproxy's connections: the slots they live in, their buffers, their
 * end.  Limit: SLOTS_MAX connections.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "hostcall.h"
#include "internal.h"
#include "sp_chan.h"
#include "sp_ring.h"
#include "sp_strange.h"

#define CHUNK		64
#define SLOTS_MAX	(1U << 17)

static struct {
	uint32_t lock;			/* of what follows */
	unsigned int n;
	struct rumpuser_sp_chan *freed;	/* by next */
} slots;
static struct rumpuser_sp_chan *chunks[SLOTS_MAX / CHUNK];

/* ---- locks and lists --------------------------------------------------------- */

void sp_lock(uint32_t *l)
{
	unsigned int spins = 0;

	while (__atomic_exchange_n(l, 1, __ATOMIC_ACQUIRE))
		while (__atomic_load_n(l, __ATOMIC_RELAXED))
			rumpuser_relax(&spins);
}

void sp_unlock(uint32_t *l)
{
	__atomic_store_n(l, 0, __ATOMIC_RELEASE);
}

void sp_append(struct list *l, struct rumpuser_sp_chan *c)
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

void sp_unlink(struct list *l, struct rumpuser_sp_chan *c)
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

/* ---- buffers ------------------------------------------------------------------ */

struct buf *buf_get(struct rumpuser_sp_chan *c, size_t len)
{
	struct buf *b = c->spare;

	if (b && b->cap >= len) {
		c->spare = NULL;
	} else {
		if (len < SP_BUF_MIN)
			len = SP_BUF_MIN;
		b = malloc(sizeof(*b) + len);
		if (!b)
			return NULL;
		b->cap = len;
	}
	b->next = NULL;
	b->msg = (struct rumpuser_sp_msg){ .hdr = (void *)b->data, .fd = -1, .fds = b->fds };
	return b;
}

void buf_put(struct rumpuser_sp_chan *c, struct buf *b)
{
	unsigned int i;

	if (!b)
		return;
	for (i = 0; i < b->msg.nfds; i++)
		if (i || b->msg.fd >= 0)
			strange_close(b->fds[i]);
	if (b->cap <= SP_BUF_KEEP && (!c->spare || c->spare->cap < b->cap)) {
		free(c->spare);
		b->msg.nfds = 0;
		c->spare = b;
	} else {
		free(b);
	}
}

/* ---- slots ---------------------------------------------------------------------- */

struct rumpuser_sp_chan *slot_get(void)
{
	struct rumpuser_sp_chan *c, *chunk;
	unsigned int i;

	sp_lock(&slots.lock);
	if (!slots.freed && slots.n < SLOTS_MAX &&
	    (chunk = calloc(CHUNK, sizeof(*chunk)))) {
		for (i = CHUNK; i-- > 0;) {
			chunk[i].index = slots.n + i;
			chunk[i].next = slots.freed;
			slots.freed = &chunk[i];
		}
		__atomic_store_n(&chunks[slots.n / CHUNK], chunk, __ATOMIC_RELEASE);
		slots.n += CHUNK;
	}
	c = slots.freed;
	if (c)
		slots.freed = c->next;
	sp_unlock(&slots.lock);
	return c;
}

uint64_t slot_name(const struct rumpuser_sp_chan *c)
{
	return SP_TAG_CHAN | (uint64_t)(c->gen & SP_GEN_MASK) << 32 | c->index;
}

struct rumpuser_sp_chan *slot_find(uint32_t index, uint32_t gen)
{
	struct rumpuser_sp_chan *c;

	c = __atomic_load_n(&chunks[index / CHUNK], __ATOMIC_ACQUIRE) + index % CHUNK;
	sp_lock(&c->lock);
	if ((c->gen & SP_GEN_MASK) == gen && c->state != FREE)
		return c;
	sp_unlock(&c->lock);
	return NULL;
}

void chan_free(struct rumpuser_sp_chan *c)
{
	struct buf *b;
	unsigned int i;

	sp_lock(&sp_server.lock);
	if (c->state == HALF)
		sp_unlink(&sp_server.half, c);
	sp_unlock(&sp_server.lock);
	if (c->state == QUEUED || c->state == OWNED) {
		atomic_fetch_sub(&sp_server.clients, 1);
		sp_tell_program();
	}
	strange_hang_up(c->fd);
	for (i = 0; i < c->nfds; i++)
		strange_close(c->fds[i]);
	chan_passed(c);
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
	ring_free(c->ring);
	c->ring = NULL;
	c->rx = c->spare = c->hello = NULL;
	c->out = c->cookie = NULL;
	c->outcap = c->have = 0;
	c->closing = 0;
	c->nfds = c->queued = 0;
	c->eof = c->want_out = c->by_socket = 0;
	c->state = FREE;
	c->gen++;
	sp_unlock(&c->lock);

	sp_lock(&slots.lock);
	c->next = slots.freed;
	slots.freed = c;
	sp_unlock(&slots.lock);
}

void chan_passed(struct rumpuser_sp_chan *c)
{
	if (c->pass && !c->lent)
		host(SYS_close, c->pass - 1);
	c->pass = c->lent = 0;
}

void chan_event(struct rumpuser_sp_chan *c, unsigned int events, uint64_t reqno)
{
	if (c->state == OWNED)
		sp_server.up->event(c->cookie, events, reqno);
}

void chan_eof(struct rumpuser_sp_chan *c)
{
	if (c->eof)
		return;
	c->eof = 1;
	host(SYS_epoll_ctl, sp_epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
	host(SYS_shutdown, c->fd, SHUT_RDWR);
	chan_event(c, RUMPUSER_SP_HUP, 0);
}

void complain(struct rumpuser_sp_chan *c, const char *why)
{
	const struct rump_sp_hello *h = c->hello ? (void *)c->hello->data : NULL;

	/* One client that does it all the time must not fill a log. */
	if (atomic_fetch_add(&sp_server.rejected, 1) < 100)
		rumpuser_warn("client %s[%d] is cut off: %s", h ? h->comm : "?", c->cred.pid, why);
}
