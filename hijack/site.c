/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * site.c - system call instructions, and what surrounds them.
 *
 * These forms of site have room for the five bytes of a jump:
 *
 *	mov $NR,%eax; [...]; syscall	the mov is replaced.  NR is known: what
 *					cannot concern the rump kernel is left
 *					alone.  In between may be a few instructions
 *					that can be moved.  A jump past the mov meets
 *					the code as it was.
 *	mov %r11,N(%rsp); syscall	the mov is replaced.  All cancellable calls of
 *	mov N(%rsp),%rax; syscall	glibc 2.41 are made at two such places, those of
 *					musl at one.
 *	syscall; cmp $-4096,%rax	both are replaced (and the like, -4095, %eax);
 *					nothing may jump to the cmp.  NR is known if
 *					it is set just before: by xor %eax,%eax.
 *					With a mov %reg,%eax in front, other simple
 *					instructions may follow.
 *	syscall; mov %rax,%rdi		both are replaced, as above: musl hands the
 *					result to a function of its own.
 *	syscall; [mov %rax,%reg;]	all are replaced: musl tries older calls.
 *		cmp $-ERRNO,%eax
 *	mov %reg,%rax; [...]; syscall	the mov and what follows, if need be up to the
 *					syscall and with it; nothing may jump in
 *					between.  musl keeps NR for the next call.
 *
 * Where the syscall stays, the host's call is made by the instruction that always did,
 * so that libc finds the program counter where it looks for it when a thread is
 * cancelled.  Any other site (clone and vfork, the return from a signal handler,
 * futex) is no concern of ours.  Jumps are looked for close by.
 */
#include <emmintrin.h>
#include <string.h>

#include "hijack.h"
#include "site.h"

static uint32_t u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Bytes of a "cmp $-4096 or -4095,%rax or %eax" at p, or 0. */
static int cmp_length(const uint8_t *p)
{
	int rex = p[0] == 0x48;

	p += rex;
	return p[0] == 0x3d && (u32(p + 1) == 0xfffff000 || u32(p + 1) == 0xfffff001) ? 5 + rex : 0;
}

/*
 * Length of a simple instruction at p that can be moved: mov, xor, add, sub,
 * cmp, lea, test between registers, or with memory that is not addressed relative
 * to rip.  0: something else.  With stays set it need not be movable.
 */
static int simple_length(const uint8_t *p, int stays)
{
	const uint8_t *s = p;
	int mod, rm, imm = 0;

	if ((*p & 0xf0) == 0x40)
		p++;
	switch (*p++) {
	case 0x01: case 0x03: case 0x29: case 0x2b: case 0x31: case 0x33: case 0x63:
	case 0x85: case 0x89: case 0x8b: case 0x8d:
		break;
	case 0x80: case 0x83: case 0xc6:
		imm = 1;
		break;
	case 0x81: case 0xc7:
		imm = 4;
		break;
	case 0xb9: case 0xba: case 0xbb: case 0xbe: case 0xbf:
		return s[0] == p[-1] || !(s[0] & 8) ? p + 4 - s : 0;
	default:
		return 0;
	}
	mod = *p >> 6;
	rm = *p++ & 7;
	if (mod == 3)
		return p + imm - s;
	if (mod == 0 && rm == 5)
		return stays ? p + 4 + imm - s : 0;
	if (rm == 4) {
		if (mod == 0 && (*p & 7) == 5)
			p += 4;
		p++;
	}
	return p + (mod == 1 ? 1 : mod == 2 ? 4 : 0) + imm - s;
}

/*
 * The "mov $NR,%eax" that belongs to the syscall instruction at p, no further
 * than max bytes before it and with nothing but simple instructions between.
 */
static const uint8_t *find_mov(const struct text *t, const uint8_t *p, int max, int stays)
{
	const uint8_t *m, *q;
	int len;

	for (m = p - 5; m >= p - max && m > t->start; m--) {
		/* with REX.B in front it is another register's */
		if (*m != 0xb8 || u32(m + 1) >= RUMP_NSYSROWS || (m[-1] & 0xf7) == 0x41)
			continue;
		for (q = m + 5; q < p; q += len) {
			len = simple_length(q, stays);
			if (!len)
				break;
		}
		if (q == p)
			return m;
	}
	return NULL;
}

/* Is there, close by, what looks like a jump to the instruction at p? */
static int is_target(const struct text *t, const uint8_t *p)
{
	const uint8_t *q, *from = p - 192, *to = p + 192, *dst;

	if (from < t->start)
		from = t->start;
	if (to > t->end - 6)
		to = t->end - 6;
	for (q = from; q < to; q++) {
		if ((*q & 0xf0) == 0x70 || *q == 0xeb)
			dst = q + 2 + (int8_t)q[1];
		else if (*q == 0xe9 || *q == 0xe8)
			dst = q + 5 + (int32_t)u32(q + 1);
		else if (*q == 0x0f && (q[1] & 0xf0) == 0x80)
			dst = q + 6 + (int32_t)u32(q + 2);
		else
			continue;
		if (dst == p)
			return 1;
	}
	return 0;
}

/* Bytes of what musl does first with a result, at p, if that shows it to be one; or 0. */
static int result_length(const struct text *t, const uint8_t *p)
{
	const uint8_t *s = p;

	if (!memcmp(p, "\x48\x89\xc7", 3))
		return 3;
	p += *p == 0x41 || *p == 0x48 || *p == 0x49;
	if (*p == 0x89 && (p[1] & 0xf8) == 0xc0) {
		p += 2;
		if (is_target(t, p))
			return 0;
	} else {
		p = s;
	}
	p += *p == 0x48;
	return p[0] == 0x83 && p[1] == 0xf8 && p[2] > 0x80 ? p + 3 - s : 0;
}

/* Bytes behind the instruction at p that give way together with it; 0: they cannot. */
static size_t tail_length(const struct text *t, const uint8_t *p)
{
	size_t len = cmp_length(p + 2);
	int n;

	if (len)
		return is_target(t, p + 2) ? 0 : len;
	/* "mov %reg,%eax" in front shows that it is one. */
	if (p[-2] != 0x89 || (p[-1] & 0xc7) != 0xc0)
		return 0;
	for (; len < SITE_JMP - 2; len += n) {
		n = simple_length(p + 2 + len, 0);
		if (!n || is_target(t, p + 2 + len))
			return 0;
	}
	return len;
}

/*
 * The "mov %reg,%rax" that belongs to the syscall instruction at p, with nothing but simple
 * instructions between, and no jump into the five bytes from it on.
 */
static const uint8_t *find_copy(const struct text *t, const uint8_t *p)
{
	const uint8_t *m, *q;
	int len;

	for (m = p - 3; m >= p - SITE_FRONT && m > t->start; m--) {
		if ((m[0] & 0xfb) != 0x48 || m[1] != 0x89 || (m[2] & 0xc7) != 0xc0)
			continue;
		for (q = m + 3; q < p; q += len) {
			len = simple_length(q, 0);
			if (!len || (q < m + SITE_JMP && is_target(t, q)))
				break;
		}
		if (q == p && (p >= m + SITE_JMP || !is_target(t, p)))
			return m;
	}
	return NULL;
}

uint32_t site_bytes(const struct text *t, uint32_t offset)
{
	const uint8_t *p = t->start + offset - SITE_FRONT;
	uint64_t h = 0, w;
	int i;

	for (i = 0; i < SITE_BYTES; i += sizeof(w)) {
		memcpy(&w, p + i, sizeof(w));
		h = (h ^ w) * 0x9e3779b97f4a7c15;
		h ^= h >> 32;
	}
	return h;
}

/* What there is at p, two bytes "syscall" in the text. */
static void look(const struct text *t, const uint8_t *p, struct site *site)
{
	const uint8_t *m = find_mov(t, p, SITE_JMP, 0);

	*site = (struct site){ .offset = p - t->start, .bytes = site_bytes(t, p - t->start),
	    .form = SITE_UNKNOWN, .nr = -1 };
	site->ntail = m ? 0 : tail_length(t, p);
	if (!m && !site->ntail)
		m = find_mov(t, p, SITE_FRONT, 0);
	if (!m && !site->ntail && !is_target(t, p + 2))
		site->ntail = result_length(t, p + 2);
	if (m) {
		site->form = SITE_BEFORE;
		site->nr = u32(m + 1);
		site->nlead = p - m;
	} else if (site->ntail) {
		site->form = SITE_OVER;
		if (p[-2] == 0x31 && p[-1] == 0xc0 && !is_target(t, p))
			site->nr = 0;
	} else if (!memcmp(p - 5, "\x4c\x89\x5c\x24", 4) || !memcmp(p - 5, "\x48\x8b\x44\x24", 4)) {
		site->form = SITE_BEFORE;
		site->nlead = 5;
	} else if ((m = find_copy(t, p))) {
		site->form = p - m < SITE_JMP ? SITE_OVER : SITE_BEFORE;
		site->nlead = p - m;
	} else {
		m = find_mov(t, p, SITE_FRONT, 1);
		if (m && hijack_class[u32(m + 1)] == CLASS_HOST)
			site->nr = u32(m + 1);
	}
	if (site->nr >= 0 && hijack_class[site->nr] == CLASS_HOST)
		site->form = SITE_LEAVE;
}

unsigned int site_scan(const struct text *t, const uint8_t *from, const uint8_t *to,
    struct site *sites, unsigned int max)
{
	const __m128i first = _mm_set1_epi8(0x0f), second = _mm_set1_epi8(0x05);
	const uint8_t *p = from, *end = to;
	unsigned int hits, n = 0;

	/* What is looked at before and after it is to be the text's, too. */
	if (p < t->start + SITE_FRONT)
		p = t->start + SITE_FRONT;
	if (end > t->end - SITE_BACK - 1)
		end = t->end - SITE_BACK - 1;
	for (; p < end; p += 16) {
		hits = _mm_movemask_epi8(_mm_and_si128(
		    _mm_cmpeq_epi8(_mm_loadu_si128((const void *)p), first),
		    _mm_cmpeq_epi8(_mm_loadu_si128((const void *)(p + 1)), second)));
		if (end - p < 16)
			hits &= (1U << (end - p)) - 1;
		for (; hits && n < max; hits &= hits - 1)
			look(t, p + __builtin_ctz(hits), &sites[n++]);
	}
	return n;
}
