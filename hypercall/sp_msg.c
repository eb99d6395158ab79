/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sp_msg.c - is what a client has sent a message of the protocol?
 *
 * Pure functions on this side's private copy of a message: every length, count,
 * offset and overlap is checked here, once, so that the kernel can rely on it.
 * What the numbers mean to the system call (descriptors, addresses) is not
 * checked: a call may be as wrong as it likes.  fuzz_sp_msg drives this file.
 */
#include <string.h>

#include "sp_msg.h"

#define END_SIZE	sizeof(uint64_t)
#define HELLO_MAX	1024

/* Smallest and largest length of a message by its type. */
static int limits(unsigned int type, size_t *min, size_t *max)
{
	switch (type) {
	case RUMP_SP_HELLO:		/* another version's may be longer */
		*min = offsetof(struct rump_sp_hello, pid);
		*max = HELLO_MAX;
		return 1;
	case RUMP_SP_SYSCALL:
		*min = sizeof(struct rump_sp_syscall) + END_SIZE;
		*max = RUMP_SP_MSG_MAX;
		return 1;
	case RUMP_SP_COPY_REPLY:
		*min = sizeof(struct rump_sp_copy_reply);
		*max = sizeof(struct rump_sp_copy_reply) + RUMP_SP_INLINE_MAX;
		return 1;
	case RUMP_SP_FORK_CANCEL:
		*min = *max = sizeof(struct rump_sp_cancel);
		return 1;
	case RUMP_SP_INTERRUPT:
	case RUMP_SP_PREFORK:
	case RUMP_SP_RING:
	case RUMP_SP_HALT:
	case RUMP_SP_GOODBYE:
	case RUMP_SP_STOCK:
	case RUMP_SP_SHOW_IN:
		*min = *max = sizeof(struct rump_sp_hdr);
		return 1;
	}
	return 0;
}

static unsigned int flags(unsigned int type)
{
	return type == RUMP_SP_SYSCALL ? RUMP_SP_F_ATTACH | RUMP_SP_F_STOCKED :
	    type == RUMP_SP_HELLO ? RUMP_SP_F_RELAYED :
	    type == RUMP_SP_PREFORK ? RUMP_SP_F_BARE : 0;
}

const char *sp_header_check(const struct rump_sp_hdr *hdr)
{
	size_t min, max;

	if (!limits(hdr->type, &min, &max))
		return "unknown message type";
	if (hdr->len < min || hdr->len > max || hdr->len % 8)
		return "bad message length";
	if (hdr->nfds > RUMP_SP_FDS_MAX)
		return "too many descriptors announced";
	if (hdr->flags & ~flags(hdr->type))
		return "unknown flags";
	return NULL;
}

static int overlap(uint64_t a, uint64_t alen, uint64_t b, uint64_t blen)
{
	return a < b + blen && b < a + alen;
}

static const char *check_segs(const struct rump_sp_syscall *req)
{
	size_t data = sizeof(*req) + req->nsegs * sizeof(req->segs[0]);
	size_t end = req->hdr.len - END_SIZE;
	uint64_t out = 0;
	uint32_t i, j;

	if (data > end)
		return "more segments than the message holds";
	for (i = 0; i < req->nsegs; i++) {
		const struct rump_sp_seg *s = &req->segs[i];

		if (s->flags == 0 || s->flags & ~(RUMP_SP_IN | RUMP_SP_OUT) || s->reserved)
			return "bad segment flags";
		if (s->len == 0 || s->addr + s->len < s->addr)
			return "bad segment range";
		if (s->flags & RUMP_SP_IN) {
			if (s->off < data || s->off > end || s->len > end - s->off)
				return "segment data outside of the message";
		} else if (s->off) {
			return "bad segment offset";
		}
		if (s->flags & RUMP_SP_OUT)
			out += s->len;
		for (j = 0; j < i; j++) {
			const struct rump_sp_seg *t = &req->segs[j];

			if ((s->flags | t->flags) & RUMP_SP_OUT &&
			    overlap(s->addr, s->len, t->addr, t->len))
				return "overlapping segments";
			if (s->flags & t->flags & RUMP_SP_IN &&
			    overlap(s->off, s->len, t->off, t->len))
				return "overlapping segment data";
		}
	}
	if (out > RUMP_SP_INLINE_MAX)
		return "segments too large for a reply";
	return NULL;
}

static const char *check_syscall(const struct rump_sp_syscall *req)
{
	uint64_t end;

	memcpy(&end, (const char *)req + req->hdr.len - END_SIZE, sizeof(end));
	if (end != RUMP_SP_END_OK && end != RUMP_SP_END_ABORT)
		return "bad end of a request";
	if (req->nsegs > RUMP_SP_SEGS_MAX)
		return "bad number of segments";
	if (req->stock >= RUMP_SP_STOCK_MAX || (req->stock && !(req->hdr.flags & RUMP_SP_F_STOCKED)))
		return "bad number in the stock";
	if (req->hdr.nfds > 1 || (req->hdr.flags & RUMP_SP_F_ATTACH && req->hdr.nfds != 1) ||
	    (req->hdr.flags & RUMP_SP_F_STOCKED && req->hdr.nfds))
		return "bad number of descriptors";
	return check_segs(req);
}

/* A version and a machine that are not ours are answered rather than refused here. */
static const char *check_hello(const struct rump_sp_hello *h)
{
	if (memcmp(h->magic, RUMP_SP_MAGIC, sizeof(h->magic)))
		return "no RUMP-SP banner";
	if (!memchr(h->machine, '\0', sizeof(h->machine)))
		return "unterminated machine name";
	if (h->version != RUMP_SP_VERSION)
		return NULL;
	if (h->hdr.len != sizeof(*h))
		return "bad length of a HELLO";
	if (!memchr(h->comm, '\0', sizeof(h->comm)))
		return "unterminated program name";
	return NULL;
}

static const char *check_copy_reply(const struct rump_sp_copy_reply *r)
{
	size_t room = r->hdr.len - sizeof(*r);

	/* The kernel compares ret with what it asked for; here it must only fit. */
	if (r->reserved || r->ret < -4095 || r->ret > RUMP_SP_INLINE_MAX)
		return "bad result of a copy";
	if (room && (r->ret < 0 || RUMP_SP_ALIGN(r->ret) != room))
		return "bad length of copied data";
	return NULL;
}

/* The header is known to be good. */
static const char *check_body(const struct rump_sp_hdr *hdr, unsigned int nfds)
{
	const char *why = NULL;

	if (hdr->nfds != nfds)
		return "other descriptors than announced";
	switch (hdr->type) {
	case RUMP_SP_SYSCALL:
		return check_syscall((const void *)hdr);
	case RUMP_SP_COPY_REPLY:
		why = check_copy_reply((const void *)hdr);
		break;
	case RUMP_SP_HELLO:
		why = check_hello((const void *)hdr);
		break;
	case RUMP_SP_STOCK:
		return nfds ? NULL : "a STOCK of nothing";
	case RUMP_SP_SHOW_IN:
		return nfds == 1 ? NULL : "a SHOW_IN of other than one connection";
	}
	return why ? why : nfds ? "descriptors beside a message that takes none" : NULL;
}

const char *sp_message_check(const struct rump_sp_hdr *hdr, unsigned int nfds)
{
	const char *why = sp_header_check(hdr);

	return why ? why : check_body(hdr, nfds);
}

const char *sp_ring_header(const struct rump_sp_ring *shm, struct rump_sp_hdr *hdr)
{
	const char *why;

	memcpy(hdr, shm->request, sizeof(*hdr));
	__asm__ volatile("" ::: "memory");	/* from now on it is ours */
	why = sp_header_check(hdr);
	if (why)
		return why;
	if (hdr->len > RUMP_SP_RING_REQUEST)
		return "a message longer than its memory";
	switch (hdr->type) {
	case RUMP_SP_SYSCALL:
	case RUMP_SP_COPY_REPLY:
	case RUMP_SP_PREFORK:
	case RUMP_SP_FORK_CANCEL:
		return NULL;
	}
	return "a message that belongs on the socket";
}

const char *sp_ring_message(const struct rump_sp_ring *shm, const struct rump_sp_hdr *hdr, void *to)
{
	memcpy((char *)to + sizeof(*hdr), shm->request + sizeof(*hdr), hdr->len - sizeof(*hdr));
	__asm__ volatile("" ::: "memory");
	memcpy(to, hdr, sizeof(*hdr));
	return check_body(to, 0);
}

int sp_aborted(const struct rump_sp_hdr *hdr)
{
	uint64_t end;

	memcpy(&end, (const char *)hdr + hdr->len - END_SIZE, sizeof(end));
	return end != RUMP_SP_END_OK;
}
