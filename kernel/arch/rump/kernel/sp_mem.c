// SPDX-License-Identifier: GPL-2.0-only
/*
 * sp_mem.c - user memory of a sysproxy client's task.
 *
 * The request's segments, on our private copy of the message, come first.  Data
 * that the call writes elsewhere gather in a buffer as long as they are
 * contiguous, and go along with the reply.  What else the call reads is asked
 * for, somewhat ahead, and kept until the call ends; what it writes beyond is
 * sent.  Where sleeping is not possible, such an access fails, as a page that is
 * not there does; the core then faults it in by a byte that may sleep, and what
 * was asked for with that byte is there when it tries again.
 *
 * Limits: bytes that a call leaves out between two pieces of an output buffer
 * become zeroes if they are at most GAP_MAX; a client that does not answer a
 * question for COPY_TIMEOUT is cut off.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "sp.h"

#define GAP_MAX		320	/* getdents() writes the end of a name first */
#define WINDOW_MAX	(256u << 10)
#define GATHER		(32u << 10)
#define EARLY_MIN	(32u << 10)	/* a segment whose data the client gets on the way */
#define EARLY_STEP	(8u << 10)
#define COPY_TIMEOUT	(30 * HZ)

static const char zeroes[PAGE_SIZE];

/* Asks the client; its answer in *msgp, of which r->ret bytes were copied (>= 0). */
static int ask(struct sp_task *st, unsigned int type, unsigned long addr, const void *data,
	       size_t size, struct rumpuser_sp_msg **msgp)
{
	size_t out = type == RUMP_SP_COPYOUT ? size : 0;
	struct rump_sp_copy q = {
		.hdr = {
			.len = sizeof(q) + RUMP_SP_ALIGN(out), .type = type,
			.reqno = ++st->copyno,
		},
		.addr = addr, .size = size,
	};
	struct rumpuser_iovec iov[] = {
		{ &q, sizeof(q) }, { (void *)data, out },
		{ (void *)zeroes, RUMP_SP_ALIGN(out) - out },
	};
	const struct rump_sp_copy_reply *a;
	const char *why = NULL;
	int r;

	if (READ_ONCE(st->hup))
		return -EFAULT;
	r = sp_send(st, iov, out ? 3 : 1);
	if (!r)
		r = sp_next(st, true, COPY_TIMEOUT, msgp);
	if (r) {
		if (r == -ETIMEDOUT)
			why = "no answer to a question about its memory";
		goto bad;
	}
	a = (const void *)(*msgp)->hdr;
	if (a->hdr.type != RUMP_SP_COPY_REPLY || a->hdr.reqno != q.hdr.reqno ||
	    a->ret > (s64)size ||
	    (!out && a->ret > 0 && a->hdr.len != sizeof(*a) + RUMP_SP_ALIGN(a->ret)))
		why = "a wrong answer to a question about its memory";
	else if (a->ret > 0)
		return 0;
	rumpuser_sp_release(st->chan, *msgp);
bad:
	if (why) {
		rumpuser_warn("client %s[%d]: %s", st->hello->comm, st->hello->pid, why);
		send_sig(SIGKILL, current, 1);
	}
	return -EFAULT;
}

static bool inside(unsigned long a, unsigned long start, size_t len)
{
	return a - start < len;
}

/* How far a piece that begins at a may go before it meets written data at start. */
static size_t bounded(unsigned long a, size_t n, unsigned long start)
{
	return start > a && start - a < n ? start - a : n;
}

static void drop_windows(struct sp_task *st, unsigned long addr, size_t n)
{
	unsigned int i;

	for (i = 0; i < SP_WINDOWS; i++) {
		struct window *w = &st->win[i];

		if (w->msg && addr < w->addr + w->len && w->addr < addr + n) {
			rumpuser_sp_release(st->chan, w->msg);
			w->msg = NULL;
		}
	}
}

/* Where the client's memory at a is known here: *pp, for the returned number of bytes. */
static size_t known(struct sp_task *st, unsigned long a, const char **pp)
{
	const struct rump_sp_syscall *req = st->req;
	size_t n = 0;
	unsigned int i;

	if (st->glen && inside(a, st->gaddr, st->glen)) {
		*pp = st->gather + (a - st->gaddr);
		return st->gaddr + st->glen - a;
	}
	for (i = 0; i < req->nsegs; i++) {
		const struct rump_sp_seg *s = &req->segs[i];
		const struct extent *e = &st->out[i];

		if (!inside(a, s->addr, s->len))
			continue;
		if (s->flags & RUMP_SP_IN) {
			*pp = (const char *)req + s->off + (a - s->addr);
			n = s->addr + s->len - a;
			break;
		}
		if (inside(a, s->addr + e->lo, e->hi - e->lo)) {
			*pp = e->data + (a - s->addr);
			n = s->addr + e->hi - a;
			break;
		}
	}
	for (i = 0; !n && i < SP_WINDOWS; i++) {
		const struct window *w = &st->win[i];

		if (w->msg && inside(a, w->addr, w->len)) {
			*pp = w->data + (a - w->addr);
			n = w->addr + w->len - a;
		}
	}
	if (st->glen)
		n = bounded(a, n, st->gaddr);
	for (i = 0; i < req->nsegs; i++)
		n = bounded(a, n, req->segs[i].addr);
	return n;
}

/* Makes memory at a known, n bytes or fewer or some more. */
static bool fetch(struct sp_task *st, unsigned long a, size_t n, unsigned int type)
{
	struct window *last = &st->win[(st->nextwin + SP_WINDOWS - 1) % SP_WINDOWS];
	struct window *w = &st->win[st->nextwin];
	struct rumpuser_sp_msg *msg;
	size_t size = PAGE_SIZE - a % PAGE_SIZE;

	if (faulthandler_disabled())
		return false;
	/* Who reads on gets more and more at a time. */
	if (last->msg && a == last->addr + last->len)
		size += 4 * st->lastfetch;
	if (size < n)
		size = n;
	if (size > WINDOW_MAX)
		size = WINDOW_MAX;
	st->lastfetch = size;
	if (ask(st, type, a, NULL, size, &msg))
		return false;
	if (w->msg)
		rumpuser_sp_release(st->chan, w->msg);
	w->addr = a;
	w->len = ((struct rump_sp_copy_reply *)msg->hdr)->ret;
	w->data = (const char *)msg->hdr + sizeof(struct rump_sp_copy_reply);
	w->msg = msg;
	st->nextwin = (st->nextwin + 1) % SP_WINDOWS;
	return true;
}

static struct sp_task *this_task(void)
{
	struct sp_task *st = current->thread.remote;

	/* Outside of a call (when a task ends) there is no memory to speak of. */
	return st->req ? st : NULL;
}

unsigned long rump_remote_copy_from(void *dst, unsigned long src, size_t n)
{
	struct sp_task *st = this_task();
	const char *p;
	size_t k;

	while (st && n) {
		k = known(st, src, &p);
		if (!k) {
			if (!fetch(st, src, n, RUMP_SP_COPYIN))
				break;
			continue;
		}
		if (k > n)
			k = n;
		memcpy(dst, p, k);
		dst += k;
		src += k;
		n -= k;
	}
	return n;
}

long rump_remote_strncpy(char *dst, unsigned long src, long n)
{
	struct sp_task *st = this_task();
	long done = 0;
	const char *p;
	size_t k, len;

	while (st && done < n) {
		k = known(st, src + done, &p);
		if (!k) {
			if (!fetch(st, src + done, 1, RUMP_SP_COPYINSTR))
				return -EFAULT;
			continue;
		}
		if (k > n - done)
			k = n - done;
		len = strnlen(p, k);
		/* what the call itself has written may be where the client can change it */
		if (dst) {
			memcpy(dst + done, p, len);
			if (len < k)
				dst[done + len] = '\0';
		}
		done += len;
		if (len < k)
			return done;
	}
	return st ? done : -EFAULT;
}

/* Stores n bytes in the client's memory now. */
static bool store(struct sp_task *st, unsigned long addr, const void *data, size_t n)
{
	struct rumpuser_sp_msg *msg;
	size_t k, got;

	while (n) {
		k = n < WINDOW_MAX ? n : WINDOW_MAX;
		if (faulthandler_disabled() || ask(st, RUMP_SP_COPYOUT, addr, data, k, &msg))
			return false;
		got = ((struct rump_sp_copy_reply *)msg->hdr)->ret;
		rumpuser_sp_release(st->chan, msg);
		if (got != k)
			return false;
		addr += k;
		data += k;
		n -= k;
	}
	return true;
}

static bool flush_gathered(struct sp_task *st)
{
	size_t n = st->glen;

	if (!n)
		return true;
	if (!store(st, st->gaddr, st->gather, n))
		return false;
	st->glen = 0;
	return true;
}

/* Room for the data of all segments that are only written. */
static bool out_alloc(struct sp_task *st)
{
	const struct rump_sp_syscall *req = st->req;
	size_t total = 0;
	unsigned int i;
	char *buf;

	for (i = 0; i < req->nsegs; i++)
		if (req->segs[i].flags == RUMP_SP_OUT)
			total += RUMP_SP_ALIGN(req->segs[i].len);
	st->out_off = 0;
	buf = total ? rumpuser_sp_buffer(st->chan, total, &st->out_off) : NULL;
	if (total && !buf)
		return false;
	st->room = buf;
	st->roomlen = total;
	st->in_order = 0;
	total = 0;
	for (i = 0; i < req->nsegs; i++) {
		if (req->segs[i].flags == RUMP_SP_OUT) {
			st->out[i].data = buf + total;
			total += RUMP_SP_ALIGN(req->segs[i].len);
		} else {
			st->out[i].data = (char *)req + req->segs[i].off;
		}
	}
	st->out_ready = true;
	return true;
}

/* Lets the client begin to store what is at the start of a large segment. */
static void tell_progress(struct sp_task *st, u32 off, u32 n)
{
	if (off != st->in_order) {
		/* out of order: no more of that, and nothing if it was told of already */
		if (off < st->early)
			st->early = 0;
		st->in_order = U32_MAX;
		return;
	}
	st->in_order += n;
	if (st->in_order - st->early >= EARLY_STEP) {
		st->early = st->in_order;
		rumpuser_sp_progress(st->chan, st->early);
	}
}

/*
 * Data into an OUT segment, at off.  One extent is kept for the reply; a small
 * gap in it is filled, with what is there (in a segment that is also read) or
 * with zeroes; before a large one, and once that has happened before any, the
 * extent is sent.
 */
static bool put_segment(struct sp_task *st, unsigned int i, u32 off, const void *data, u32 n)
{
	const struct rump_sp_seg *s = &st->req->segs[i];
	struct extent *e = &st->out[i];
	u32 gap = 0;

	if (!st->out_ready && !out_alloc(st))
		return false;
	if (e->hi == 0) {
		e->lo = e->hi = off;
	} else if (off > e->hi) {
		gap = off - e->hi;
	} else if (off + n < e->lo) {
		gap = e->lo - (off + n);
	}
	/* What was sent before may lie in the gap. */
	if (gap > (e->sent ? 0 : GAP_MAX) && s->flags == RUMP_SP_OUT) {
		if (!store(st, s->addr + e->lo, e->data + e->lo, e->hi - e->lo))
			return false;
		e->lo = e->hi = off;
		e->sent = true;
		gap = 0;
	}
	if (gap && s->flags == RUMP_SP_OUT)
		memset(e->data + (off > e->hi ? e->hi : off + n), 0, gap);
	memcpy(e->data + off, data, n);
	if (st->out_off && e->data == st->room && s->len >= EARLY_MIN)
		tell_progress(st, off, n);
	if (off < e->lo)
		e->lo = off;
	if (off + n > e->hi)
		e->hi = off + n;
	return true;
}

/* Data to where no segment is. */
static bool put_elsewhere(struct sp_task *st, unsigned long addr, const void *data, size_t n)
{
	drop_windows(st, addr, n);
	if (st->glen && addr >= st->gaddr && addr <= st->gaddr + st->glen &&
	    addr + n <= st->gaddr + GATHER) {
		memcpy(st->gather + (addr - st->gaddr), data, n);
		if (addr + n > st->gaddr + st->glen)
			st->glen = addr + n - st->gaddr;
		return true;
	}
	if (!flush_gathered(st))
		return false;
	if (!st->gather)
		st->gather = kmalloc(GATHER, GFP_ATOMIC | __GFP_NOWARN);
	if (!st->gather || n > GATHER)
		return store(st, addr, data, n);
	memcpy(st->gather, data, n);
	st->gaddr = addr;
	st->glen = n;
	return true;
}

unsigned long rump_remote_copy_to(unsigned long dst, const void *src, size_t n)
{
	struct sp_task *st = this_task();
	const struct rump_sp_seg *s;
	unsigned int i, hit;
	size_t k;

	while (st && n) {
		k = n;
		hit = RUMP_SP_SEGS_MAX;
		for (i = 0; i < st->req->nsegs; i++) {
			s = &st->req->segs[i];
			if (!(s->flags & RUMP_SP_OUT))
				continue;
			if (inside(dst, s->addr, s->len)) {
				hit = i;
				k = s->addr + s->len - dst;
				break;
			}
			k = bounded(dst, k, s->addr);
		}
		if (k > n)
			k = n;
		if (hit < RUMP_SP_SEGS_MAX) {
			drop_windows(st, dst, k);
			if (!put_segment(st, hit, dst - s->addr, src, k))
				break;
		} else if (!put_elsewhere(st, dst, src, k)) {
			break;
		}
		dst += k;
		src += k;
		n -= k;
	}
	return n;
}

unsigned long rump_remote_clear(unsigned long dst, size_t n)
{
	size_t k;

	while (n) {
		k = n < sizeof(zeroes) ? n : sizeof(zeroes);
		if (rump_remote_copy_to(dst, zeroes, k))
			break;
		dst += k;
		n -= k;
	}
	return n;
}

/* Whether the data of an extent lie where the client can see them already. */
static bool in_place(struct sp_task *st, const struct extent *e)
{
	return st->out_off && e->data >= st->room && e->data < st->room + st->roomlen;
}

unsigned int sp_mem_collect(struct sp_task *st, struct rump_sp_out *outs)
{
	unsigned int i, n = 0;
	int there;

	/* In the order of their data: those in place come first. */
	for (there = 1; there >= 0; there--) {
		for (i = 0; i < st->req->nsegs; i++) {
			const struct extent *e = &st->out[i];

			if (e->hi == e->lo || in_place(st, e) != (bool)there)
				continue;
			st->data[n] = e->data + e->lo;
			outs[n++] = (struct rump_sp_out){
				.addr = st->req->segs[i].addr + e->lo, .len = e->hi - e->lo,
				.off = there,
			};
		}
	}
	if (st->glen) {
		st->data[n] = st->gather;
		outs[n++] = (struct rump_sp_out){ .addr = st->gaddr, .len = st->glen };
	}
	return n;
}

unsigned int sp_mem_lay_out(struct sp_task *st, struct rump_sp_out *outs, unsigned int n,
			    size_t *lenp)
{
	struct rumpuser_iovec *iov = st->iov + 1;
	size_t pos = *lenp, used = 0;
	unsigned int i, niov = 0;

	for (i = 0; i < n && outs[i].off; i++) {
		used = st->data[i] - st->room;
		outs[i].off = st->out_off + used;
		used += outs[i].len;
	}
	if (used) {
		iov[niov++] = (struct rumpuser_iovec){ NULL, st->out_off - pos };
		iov[niov++] = (struct rumpuser_iovec){ st->room, used };
		pos = st->out_off + used;
	}
	for (; i < n; i++) {
		outs[i].off = pos;
		iov[niov++] = (struct rumpuser_iovec){ st->data[i], outs[i].len };
		pos += outs[i].len;
	}
	*lenp = pos;
	return niov;
}

void sp_mem_forget(struct sp_task *st)
{
	unsigned int i;

	for (i = 0; i < SP_WINDOWS; i++)
		if (st->win[i].msg)
			rumpuser_sp_release(st->chan, st->win[i].msg);
	memset(st->win, 0, sizeof(st->win));
	if (st->out_ready)
		rumpuser_sp_buffer(st->chan, 0, &st->out_off);
	st->out_ready = false;
	st->out_off = st->early = 0;
	kfree(st->gather);
	st->gather = NULL;
	st->glen = 0;
	st->req = NULL;
}
