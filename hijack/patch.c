/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * patch.c - libc's own system calls, redirected in place.
 *
 * Interposing functions does not reach the calls that libc makes itself, in
 * stdio, opendir, getaddrinfo or posix_spawn.  Their syscall instructions are
 * found in libc's text and replaced by a jump to a trampoline near by, which
 * looks at the call's class and descriptor and then makes the call right there,
 * or goes to hijack_entry.
 *
 * Three forms of site have room for the five bytes of the jump:
 *
 *	mov $NR,%eax; [...]; syscall	the mov is replaced.  NR is known: what
 *					cannot concern the rump kernel is left
 *					alone, the trampoline fits the call.  In
 *					between may be a few instructions that can be
 *					moved.  A jump past the mov meets the code as
 *					it was.
 *	mov %r11,N(%rsp); syscall	the mov is replaced.  All cancellable calls of
 *	mov N(%rsp),%rax; syscall	glibc 2.41 are made at two such places.
 *	syscall; cmp $-4096,%rax	both are replaced (and the like, -4095, %eax)
 *
 * In the first two the host's call is made by the instruction that always did,
 * so that libc finds the program counter where it looks for it when a thread is
 * cancelled.  Any other site (clone and vfork, the return from a signal handler,
 * futex) is no concern of ours.  In the third form the cmp must not be the target of a
 * jump; ones close by are looked for, and such a site is left out.
 *
 * The text stays executable throughout.  It is written to once, before the
 * program's first thread.
 */
#include <cpuid.h>
#include <dlfcn.h>
#include <emmintrin.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>

#include "hijack.h"

uint32_t hijack_xsave_mask;

#define JMP_SIZE	5
#define TRAMP_MAX	128		/* bytes of one trampoline, at most */
#define NEAR		0x7ff00000L	/* reach of a jmp rel32, less some room */

struct text {
	uint8_t *start, *end;		/* one executable segment */
	int prot;
};

struct patcher {
	struct text text;
	uint8_t *tramp, *tramp_end;	/* where the next trampoline goes */
	struct patch_stats *st;
};

/* ---- which bytes are what ----------------------------------------------------------- */

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
 * lea, test between registers, or with memory that is not addressed relative to
 * rip.  0: something else.
 */
static int movable_length(const uint8_t *p)
{
	const uint8_t *s = p;
	int mod, rm, imm = 0;

	if ((*p & 0xf0) == 0x40)
		p++;
	switch (*p++) {
	case 0x01: case 0x03: case 0x29: case 0x2b: case 0x31: case 0x33: case 0x63:
	case 0x85: case 0x89: case 0x8b: case 0x8d:
		break;
	case 0x83:
		imm = 1;
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
		return 0;
	if (rm == 4) {
		if (mod == 0 && (*p & 7) == 5)
			p += 4;
		p++;
	}
	return p + (mod == 1 ? 1 : mod == 2 ? 4 : 0) + imm - s;
}

/*
 * The "mov $NR,%eax" that belongs to the syscall instruction at p, no further
 * than max bytes before it and with nothing but movable instructions between.
 */
static const uint8_t *find_mov(const struct text *t, const uint8_t *p, int max)
{
	const uint8_t *m, *q;
	int len;

	for (m = p - 5; m >= p - max && m > t->start; m--) {
		/* with a REX prefix in front it is another register's */
		if (*m != 0xb8 || u32(m + 1) >= RUMP_NSYSROWS || (m[-1] & 0xf1) == 0x41)
			continue;
		for (q = m + 5; q < p; q += len) {
			len = movable_length(q);
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

/* ---- trampolines ------------------------------------------------------------------------ */

static void emit(struct patcher *pa, const void *bytes, size_t n)
{
	memcpy(pa->tramp, bytes, n);
	pa->tramp += n;
}
#define EMIT(...)	emit(pa, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void emit32(struct patcher *pa, uint32_t v)
{
	emit(pa, &v, sizeof(v));
}

/* movabs $p,%r11 */
static void emit_r11(struct patcher *pa, const void *p)
{
	EMIT(0x49, 0xbb);
	emit(pa, &p, sizeof(p));
}

static void emit_jmp(struct patcher *pa, const uint8_t *to)
{
	EMIT(0xe9);
	emit32(pa, to - (pa->tramp + 4));
}

/* A short conditional jump forward, its distance filled in by land(). */
static uint8_t *emit_short(struct patcher *pa, uint8_t opcode)
{
	EMIT(opcode, 0);
	return pa->tramp;
}

static void land(const struct patcher *pa, uint8_t *from)
{
	from[-1] = pa->tramp - from;
}

#define JAE	0x73
#define JNE	0x75
#define JMP	0xeb
#define JRCXZ	0xe3

/*
 * Writes the trampoline of the syscall instruction at p.  class is the call's,
 * below 0: looked up.  The nlead bytes before p have been replaced and come first
 * here; or, with ntail, the instruction itself and the ntail bytes after it.
 */
static uint8_t *trampoline(struct patcher *pa, int class, const uint8_t *p, size_t nlead,
    size_t ntail)
{
	uint8_t *begin = pa->tramp, *to_host[2] = { NULL, NULL }, *to_slow[3] = { NULL, NULL, NULL };
	const uint8_t *call = p;
	int i;

	emit(pa, p - nlead, nlead);
	if (class < 0) {
		EMIT(0x3d);					/* cmp $NROWS,%eax */
		emit32(pa, RUMP_NSYSROWS);
		to_host[0] = emit_short(pa, JAE);
		EMIT(0x89, 0xc1);				/* mov %eax,%ecx */
		emit_r11(pa, hijack_class);
		EMIT(0x41, 0x0f, 0xb6, 0x0c, 0x0b);		/* movzbl (%r11,%rcx),%ecx */
		to_host[1] = emit_short(pa, JRCXZ);
		EMIT(0xff, 0xc9);				/* dec %ecx: CLASS_FD is 1 */
		to_slow[2] = emit_short(pa, JNE);
	}
	if (class != CLASS_ASK) {
		EMIT(0x81, 0xff);				/* cmp $FDMAP_MAX,%edi */
		emit32(pa, FDMAP_MAX);
		to_slow[0] = emit_short(pa, JAE);
		EMIT(0x89, 0xf9);				/* mov %edi,%ecx */
		emit_r11(pa, fdmap_kind);
		EMIT(0x41, 0x80, 0x3c, 0x0b, FD_HOST);		/* cmpb $FD_HOST,(%r11,%rcx) */
		to_slow[1] = emit_short(pa, JNE);
	} else {
		to_slow[0] = emit_short(pa, JMP);
	}
	for (i = 0; i < 2; i++)
		if (to_host[i])
			land(pa, to_host[i]);
	if (ntail) {
		call = pa->tramp;
		emit(pa, p, 2 + ntail);
		emit_jmp(pa, p + 2 + ntail);
	} else {
		emit_jmp(pa, p);
	}
	for (i = 0; i < 3; i++)
		if (to_slow[i])
			land(pa, to_slow[i]);
	EMIT(0x48, 0x8d, 0x0d);					/* lea call(%rip),%rcx */
	emit32(pa, call - (pa->tramp + 4));
	emit_r11(pa, (const void *)hijack_entry);
	EMIT(0x41, 0xff, 0xe3);					/* jmp *%r11 */
	return begin;
}

static void redirect(uint8_t *site, const uint8_t *to)
{
	int32_t rel = to - (site + JMP_SIZE);

	site[0] = 0xe9;
	memcpy(site + 1, &rel, sizeof(rel));
}

static void patch_site(struct patcher *pa, uint8_t *p)
{
	struct patch_stats *st = pa->st;
	const uint8_t *m;
	int class, len;

	st->sites++;
	m = find_mov(&pa->text, p, 5);
	len = m ? 0 : cmp_length(p + 2);
	if (!m && !len)
		m = find_mov(&pa->text, p, 16);
	if (m) {
		class = hijack_class[u32(m + 1)];
		if (class == CLASS_HOST) {
			st->skipped++;
			return;
		}
		redirect((uint8_t *)m, trampoline(pa, class, p, p - m, 0));
	} else if (len && !is_target(&pa->text, p + 2)) {
		redirect(p, trampoline(pa, -1, p, 0, len));
	} else if (!memcmp(p - 5, "\x4c\x89\x5c\x24", 4) || !memcmp(p - 5, "\x48\x8b\x44\x24", 4)) {
		redirect(p - 5, trampoline(pa, -1, p, 5, 0));
	} else {
		st->unknown++;
		return;
	}
	st->patched++;
}

/* ---- the text ----------------------------------------------------------------------------- */

/* Calls fn for every "0f 05" in the text. */
static int each_site(struct patcher *pa, void (*fn)(struct patcher *, uint8_t *))
{
	const __m128i first = _mm_set1_epi8(0x0f), second = _mm_set1_epi8(0x05);
	uint8_t *p = pa->text.start + 16, *end = pa->text.end - 32;
	unsigned int hits;

	for (; p < end; p += 16) {
		hits = _mm_movemask_epi8(_mm_and_si128(
		    _mm_cmpeq_epi8(_mm_loadu_si128((const void *)p), first),
		    _mm_cmpeq_epi8(_mm_loadu_si128((const void *)(p + 1)), second)));
		for (; hits; hits &= hits - 1) {
			if (pa->tramp_end - pa->tramp < TRAMP_MAX)
				return -ENOSPC;
			fn(pa, p + __builtin_ctz(hits));
		}
	}
	return 0;
}

struct search {
	uintptr_t inside;
	struct text text;
};

static int find_text(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct search *s = arg;
	const ElfW(Phdr) *ph;
	uintptr_t start;
	int i;

	(void)size;
	for (i = 0; i < info->dlpi_phnum; i++) {
		ph = &info->dlpi_phdr[i];
		start = info->dlpi_addr + ph->p_vaddr;
		if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X) || s->inside < start ||
		    s->inside >= start + ph->p_memsz)
			continue;
		s->text.start = (uint8_t *)start;
		s->text.end = s->text.start + ph->p_memsz;
		return 1;
	}
	return 0;
}

static int is_near(const struct text *t, const uint8_t *mem)
{
	return labs((long)mem - (long)t->start) < NEAR && labs((long)mem - (long)t->end) < NEAR;
}

/* Memory for trampolines that a jmp rel32 of the text can reach. */
static uint8_t *alloc_near(const struct text *t, size_t size)
{
	uintptr_t hint;
	long mem;
	int i;

	for (i = 0; i < 64; i++) {
		hint = i ? ((uintptr_t)t->start & ~0xfffffUL) - i * 0x1000000UL : 0;
		mem = host(SYS_mmap, hint, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
		if (host_failed(mem))
			return NULL;
		if (is_near(t, (const uint8_t *)mem))
			return (uint8_t *)mem;
		host(SYS_munmap, mem, size);
	}
	return NULL;
}

static void find_vector_state(void)
{
	unsigned int a, b, c, d;

	if (__get_cpuid(1, &a, &b, &c, &d) && (c & bit_OSXSAVE)) {
		__asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
		hijack_xsave_mask = a & 0xe7;	/* x87, SSE, AVX, AVX-512: what entry.S has room for */
	}
}

/* Patches all sites in pa's text. */
static int patch_object(struct patcher *pa)
{
	const size_t page = 4096;
	uint8_t *first = (uint8_t *)((uintptr_t)pa->text.start & -page);
	uint8_t *last = (uint8_t *)(((uintptr_t)pa->text.end + page - 1) & -page);
	int err;

	err = host(SYS_mprotect, first, last - first, PROT_READ | PROT_WRITE | PROT_EXEC);
	if (err == 0) {
		err = each_site(pa, patch_site);
		host(SYS_mprotect, first, last - first, PROT_READ | PROT_EXEC);
	}
	return err;
}

int patch_libc(struct patch_stats *st)
{
	/* A function of libc that nobody replaces, and one of the dynamic linker. */
	struct search libc = { .inside = (uintptr_t)dlsym(RTLD_NEXT, "gnu_get_libc_version") };
	struct search ld = { .inside = (uintptr_t)dlsym(RTLD_NEXT, "__tls_get_addr") };
	struct patcher pa = { .st = st };
	const size_t size = 600 * TRAMP_MAX;
	uint8_t *mem;
	int err;

	memset(st, 0, sizeof(*st));
	if (!libc.inside || !dl_iterate_phdr(find_text, &libc))
		return -ENOENT;
	find_vector_state();
	mem = alloc_near(&libc.text, size);
	if (!mem)
		return -ENOMEM;
	/* From the first jump on the trampolines must be executable. */
	err = host(SYS_mprotect, mem, size, PROT_READ | PROT_WRITE | PROT_EXEC);
	if (err < 0) {
		host(SYS_munmap, mem, size);
		return err;
	}
	pa.text = libc.text;
	pa.tramp = mem;
	pa.tramp_end = mem + size;
	err = patch_object(&pa);
	if (err == 0 && ld.inside && dl_iterate_phdr(find_text, &ld) && is_near(&ld.text, mem)) {
		pa.text = ld.text;
		patch_object(&pa);		/* for dlopen(3); the program runs without */
	}
	host(SYS_mprotect, mem, size, PROT_READ | PROT_EXEC);
	return err;
}
