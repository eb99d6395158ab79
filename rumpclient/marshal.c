/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * marshal.c - which memory travels with a system call.
 *
 * The rows of <rump/syscalls.def> say what a call's arguments point at.  What is
 * found here spares a round trip; what is not (long strings, many iovecs, an
 * argument of ioctl) the kernel asks for while the call runs.  So this may be
 * incomplete, but never wrong: a segment covers what the call may touch at these
 * addresses, and where one that is written would overlap another one it ends
 * before it, or is left out.
 *
 * Pointers are the program's and may be bad.  They are followed by safe_read()
 * where something must be looked at; the data of IN segments are read by the
 * host when the message is sent.
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <rump/rump_calls.h>
#include <rump/sysargs.h>

#include "client.h"

#define PAGE		4096
#define STR_MAX		256	/* of a string that goes with the request */
#define IOV_MAX_IN	16	/* iovecs that are looked at */
#define VALRES_MAX	256	/* of memory whose size is behind a pointer */

static const struct rump_sysrow rows[RUMP_NSYSROWS] = {
#define S(name, ret, how, ...) [SYS_##name] = RUMP_SYSROW(ret, __VA_ARGS__),
#include <rump/syscalls.def>
};
/* A private call that is made as often as any. */
static const struct rump_sysrow poll_arm =
    RUMP_SYSROW(RUMP_R_VAL, { RUMP_A_INOUT, RUMP_L_ARG, 1, 0, 8 }, { RUMP_A_VAL }, { RUMP_A_VAL });

/* data: where IN data are, which is addr or a copy in the scratch area. */
static void add(struct marshal *m, uint64_t addr, uint64_t len, unsigned int flags,
    const void *data)
{
	struct rump_sp_seg *s;
	unsigned int i;
	size_t room;

	if (!addr || !len || addr + len < addr || m->nsegs == RUMP_SP_SEGS_MAX)
		return;
	if (flags & RUMP_SP_IN) {
		room = RUMP_SP_INLINE_MAX - m->size;
		if (len > room)
			len = room;
	}
	if (flags & RUMP_SP_OUT && len > m->room)
		len = m->room;
	for (i = 0; i < m->nsegs; i++) {
		s = &m->seg[i];
		if (!((flags | s->flags) & RUMP_SP_OUT) ||
		    addr >= s->addr + s->len || s->addr >= addr + len)
			continue;
		len = s->addr > addr ? s->addr - addr : 0;
	}
	if (len == 0)
		return;
	m->data[m->nsegs] = data;
	m->seg[m->nsegs] = (struct rump_sp_seg){ .addr = addr, .len = len, .flags = flags };
	if (flags & RUMP_SP_IN) {
		m->seg[m->nsegs].off = m->size;
		m->size += len;
	}
	if (flags & RUMP_SP_OUT) {
		m->room -= len;
		m->nouts++;
	}
	m->nsegs++;
}

static void add_plain(struct marshal *m, uint64_t addr, uint64_t len, unsigned int flags)
{
	add(m, addr, len, flags, (const void *)addr);
}

/* n bytes at addr, or fewer, into the scratch area. */
static void *look(struct marshal *m, uint64_t addr, size_t *n)
{
	void *copy = m->scratch + m->used;

	if (*n > MARSHAL_SCRATCH - m->used)
		*n = MARSHAL_SCRATCH - m->used;
	*n = safe_read(copy, addr, *n);
	m->used += (*n + 7) & ~(size_t)7;
	return copy;
}

static void add_string(struct marshal *m, uint64_t addr)
{
	size_t n = STR_MAX, to_page_end = PAGE - addr % PAGE;
	size_t mark = m->used;
	const char *copy, *nul;

	if (!addr)
		return;
	if (n > to_page_end)
		n = to_page_end;
	copy = look(m, addr, &n);
	nul = memchr(copy, '\0', n);
	m->used = mark;
	if (nul) {
		n = nul - copy + 1;
		m->used += (n + 7) & ~(size_t)7;
		add(m, addr, n, RUMP_SP_IN, copy);
	}
}

static void add_iov(struct marshal *m, uint64_t addr, uint64_t count, unsigned int flags)
{
	const struct iovec *iov;
	size_t n, i;

	if (!addr || !count)
		return;
	n = (count < IOV_MAX_IN ? count : IOV_MAX_IN) * sizeof(*iov);
	iov = look(m, addr, &n);
	n -= n % sizeof(*iov);
	add(m, addr, n, RUMP_SP_IN, iov);
	for (i = 0; i < n / sizeof(*iov); i++)
		add_plain(m, (uint64_t)iov[i].iov_base, iov[i].iov_len, flags);
}

static void add_msghdr(struct marshal *m, uint64_t addr, unsigned int flags)
{
	const struct msghdr *mh;
	size_t n = sizeof(*mh);

	if (!addr)
		return;
	mh = look(m, addr, &n);
	if (n < sizeof(*mh))
		return;
	/* A receiver's header comes back changed. */
	add(m, addr, sizeof(*mh), RUMP_SP_IN | (flags & RUMP_SP_OUT), mh);
	add_plain(m, (uint64_t)mh->msg_name, mh->msg_namelen, flags);
	add_plain(m, (uint64_t)mh->msg_control, mh->msg_controllen, flags);
	add_iov(m, (uint64_t)mh->msg_iov, mh->msg_iovlen, flags);
}

static uint64_t length(const struct rump_sysarg *a, const long args[6])
{
	uint64_t n = args[a->arg];

	switch (a->lenkind) {
	case RUMP_L_FIXED:
		return a->size;
	case RUMP_L_BITS:
		return n < 1U << 20 ? (n + 63) / 64 * 8 : 0;
	case RUMP_L_ARGP:
		return VALRES_MAX;
	}
	/* Huge and negative counts are the kernel's to refuse. */
	return n < 1ULL << 40 ? n * a->size : 0;
}

static void add_arg(struct marshal *m, const struct rump_sysarg *a, long arg, const long args[6])
{
	switch (a->kind) {
	case RUMP_A_PATH:
	case RUMP_A_STR:
		add_string(m, arg);
		break;
	case RUMP_A_IN:
		add_plain(m, arg, length(a, args), RUMP_SP_IN);
		break;
	case RUMP_A_OUT:
		add_plain(m, arg, length(a, args), RUMP_SP_OUT);
		break;
	case RUMP_A_INOUT:
		add_plain(m, arg, length(a, args), RUMP_SP_IN | RUMP_SP_OUT);
		break;
	case RUMP_A_IOV_IN:
		add_iov(m, arg, args[a->arg], RUMP_SP_IN);
		break;
	case RUMP_A_IOV_OUT:
		add_iov(m, arg, args[a->arg], RUMP_SP_OUT);
		break;
	case RUMP_A_MSG_IN:
		add_msghdr(m, arg, RUMP_SP_IN);
		break;
	case RUMP_A_MSG_OUT:
		add_msghdr(m, arg, RUMP_SP_OUT);
		break;
	}
}

static int takes_memory(const struct rump_sysrow *row)
{
	unsigned int i, any = 0;

	for (i = 0; i < 6; i++)
		any |= row->a[i].kind >= RUMP_A_PATH;
	return any;
}

void marshal(struct marshal *m, long nr, const long args[6])
{
	const struct rump_sysrow *row;
	int i, guess;

	m->nsegs = m->nouts = 0;
	m->size = m->used = 0;
	m->room = RUMP_SP_INLINE_MAX;
	if (nr != RUMP_CALL_POLL_ARM && (nr < 0 || nr >= RUMP_NSYSROWS))
		return;
	row = nr == RUMP_CALL_POLL_ARM ? &poll_arm : &rows[nr];
	if (!takes_memory(row))
		return;
	/* Sizes that are only guessed come last, so that they give way. */
	for (guess = 0; guess < 2; guess++)
		for (i = 0; i < 6; i++)
			if ((row->a[i].lenkind == RUMP_L_ARGP) == guess)
				add_arg(m, &row->a[i], args[i], args);
}

int marshal_has_fds(long nr)
{
	int i;

	switch (nr) {
	case SYS_poll: case SYS_ppoll: case SYS_select: case SYS_pselect6:
	case RUMP_CALL_POLL_ARM: case RUMP_CALL_FD_ATTACH: case RUMP_CALL_HOST_GET:
		return 1;
	}
	for (i = 0; nr >= 0 && nr < RUMP_NSYSROWS && i < 6; i++)
		if (rows[nr].a[i].kind == RUMP_A_FD || rows[nr].a[i].kind == RUMP_A_DIR)
			return 1;
	return 0;
}
