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
 * Which sites can be redirected is said in site.c.  Where those of libc are is kept from
 * one program to the next (sitecache.c), and found by libelf in a process of its own
 * (sitehelper.c); or, where there can be none, in the text as it was loaded.
 *
 * The text stays executable throughout.  It is written to once, before the
 * program's first thread.
 */
#include <cpuid.h>
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hijack.h"
#include "site.h"

uint32_t hijack_xsave_mask;

#define TRAMP_MAX	128		/* bytes of one trampoline, at most */
#define MAX_TRAMPS	600
#define PAGE		4096UL
#define NEAR		0x7ff00000L	/* reach of a jmp rel32, less some room */

struct patcher {
	struct text text;
	uint8_t *tramp, *tramp_end;	/* where the next trampoline goes */
	uint8_t *entry;			/* the address of hijack_entry, near them */
	struct patch_stats *st;
};

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
#define JB	0x72

/*
 * Writes the trampoline of a site.  The nlead bytes before the instruction have been
 * replaced and come first here; or the instruction itself and ntail bytes after it.
 */
static uint8_t *trampoline(struct patcher *pa, const struct site *s)
{
	uint8_t *begin = pa->tramp, *to_host[2] = { NULL, NULL }, *to_slow[3] = { NULL, NULL, NULL };
	const uint8_t *p = pa->text.start + s->offset, *call = p;
	int class = s->nr < 0 ? -1 : hijack_class[s->nr], i;

	emit(pa, p - s->nlead, s->nlead);
	if (class < 0) {
		EMIT(0x3d);					/* cmp $NROWS,%eax */
		emit32(pa, RUMP_NSYSROWS);
		to_host[0] = emit_short(pa, JAE);
		EMIT(0x89, 0xc1);				/* mov %eax,%ecx */
		emit_r11(pa, hijack_class);
		EMIT(0x41, 0x0f, 0xb6, 0x0c, 0x0b);		/* movzbl (%r11,%rcx),%ecx */
		EMIT(0x83, 0xe9, CLASS_FD);			/* sub $CLASS_FD,%ecx */
		to_host[1] = emit_short(pa, JB);		/* CLASS_HOST is less */
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
	if (s->form == SITE_OVER) {
		call = pa->tramp;
		emit(pa, p, 2 + s->ntail);
		emit_jmp(pa, p + 2 + s->ntail);
	} else {
		emit_jmp(pa, p);
	}
	for (i = 0; i < 3; i++)
		if (to_slow[i])
			land(pa, to_slow[i]);
	EMIT(0x48, 0x8d, 0x0d);					/* lea call(%rip),%rcx */
	emit32(pa, call - (pa->tramp + 4));
	EMIT(0x4c, 0x8d, 0x1d);					/* lea site(%rip),%r11 */
	emit32(pa, p - (pa->tramp + 4));
	EMIT(0xff, 0x25);					/* jmp *entry(%rip) */
	emit32(pa, pa->entry - (pa->tramp + 4));
	return begin;
}

static void redirect(uint8_t *site, const uint8_t *to)
{
	int32_t rel = to - (site + SITE_JMP);

	site[0] = 0xe9;
	memcpy(site + 1, &rel, sizeof(rel));
}

/* RUMPHIJACK_VERBOSE=3 */
static void tell(const struct patcher *pa, const struct site *s)
{
	static const char *const what[] = {
		[SITE_UNKNOWN] = "not understood", [SITE_LEAVE] = "of no interest",
		[SITE_BEFORE] = "patched", [SITE_OVER] = "patched",
	};
	long offset = pa->text.start + s->offset - pa->text.base;

	if (s->nr < 0)
		hijack_say("%s+%#lx: any call: %s", pa->text.name, offset, what[s->form]);
	else
		hijack_say("%s+%#lx: call %d: %s", pa->text.name, offset, s->nr, what[s->form]);
}

static int patch_site(struct patcher *pa, const struct site *s)
{
	struct patch_stats *st = pa->st;

	st->sites++;
	if (hijack_verbose >= 3)
		tell(pa, s);
	switch (s->form) {
	case SITE_LEAVE:
		st->skipped++;
		return 0;
	case SITE_UNKNOWN:
		st->unknown++;
		return 0;
	case SITE_BEFORE:
	case SITE_OVER:
		if (pa->tramp_end - pa->tramp < TRAMP_MAX)
			return -ENOSPC;
		redirect(pa->text.start + s->offset - s->nlead, trampoline(pa, s));
		st->patched++;
	}
	return 0;
}

/* ---- the text ----------------------------------------------------------------------------- */

struct search {
	uintptr_t inside;
	struct text text;
};

static void find_build_id(const struct dl_phdr_info *info, struct text *t)
{
	const ElfW(Phdr) *ph = info->dlpi_phdr, *end = ph + info->dlpi_phnum;
	const char *p, *stop;
	const ElfW(Nhdr) *nh;

	for (; ph < end; ph++) {
		p = (const char *)(info->dlpi_addr + ph->p_vaddr);
		stop = p + ph->p_memsz;
		for (; ph->p_type == PT_NOTE && p + sizeof(*nh) <= stop;
		    p += sizeof(*nh) + ((nh->n_namesz + 3) & ~3U) + ((nh->n_descsz + 3) & ~3U)) {
			nh = (const void *)p;
			if (nh->n_type != NT_GNU_BUILD_ID || nh->n_namesz != 4 ||
			    nh->n_descsz > sizeof(t->id) || memcmp(nh + 1, "GNU", 4) != 0)
				continue;
			t->idlen = nh->n_descsz;
			memcpy(t->id, p + sizeof(*nh) + 4, t->idlen);
			return;
		}
	}
}

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
		s->text.base = (const uint8_t *)info->dlpi_addr;
		s->text.name = info->dlpi_name;
		find_build_id(info, &s->text);
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

/* Those of a large text that are known, or can be kept from now on. */
static unsigned int find_large(struct patcher *pa, struct site *sites)
{
	unsigned int n = sitecache_load(&pa->text, sites, SITES_MAX);
	static struct sitecache c;

	pa->st->found = FOUND_KEPT;
	if (n)
		return n;
	sitecache_begin(&c, &pa->text);
	if (c.fd >= 0) {
		pa->st->found = FOUND_HELPER;
		n = sitehelper_find(&pa->text, sites, SITES_MAX);
	}
	if (!n) {
		pa->st->found = FOUND_HERE;
		n = site_scan(&pa->text, pa->text.start, pa->text.end, sites, SITES_MAX);
	}
	sitecache_end(&c, &pa->text, sites, n < SITES_MAX ? n : 0);
	return n;
}

/* Patches all sites in pa's text. */
static int patch_object(struct patcher *pa)
{
	static struct site sites[SITES_MAX];
	uint8_t *first = (uint8_t *)((uintptr_t)pa->text.start & -PAGE);
	uint8_t *last = (uint8_t *)(((uintptr_t)pa->text.end + PAGE - 1) & -PAGE);
	int err, large = pa->text.end - pa->text.start > 1 << 18;
	unsigned int n, i;

	n = large ? find_large(pa, sites) :
	    site_scan(&pa->text, pa->text.start, pa->text.end, sites, SITES_MAX);
	err = host(SYS_mprotect, first, last - first, PROT_READ | PROT_WRITE | PROT_EXEC);
	if (err == 0) {
		for (i = 0; i < n && err == 0; i++)
			err = patch_site(pa, &sites[i]);
		host(SYS_mprotect, first, last - first, PROT_READ | PROT_EXEC);
	}
	return err;
}

/* A function of libc that nobody replaces, not even a sanitizer, and one of the dynamic linker,
 * which with musl is the same file. */
#ifdef __GLIBC__
#define OF_LIBC		"gnu_get_libc_version"
#define OF_LINKER	"_dl_mcount"
#else
#define OF_LIBC		"__libc_start_main"
#define OF_LINKER	""
#endif

int patch_libc(struct patch_stats *st)
{
	struct search libc = { .inside = (uintptr_t)dlsym(RTLD_NEXT, OF_LIBC) };
	struct search ld = { .inside = (uintptr_t)dlsym(RTLD_NEXT, OF_LINKER) };
	struct patcher pa = { .st = st };
	const size_t size = MAX_TRAMPS * TRAMP_MAX;
	void (*const entry)(void) = hijack_entry;
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
	pa.entry = pa.tramp = mem;
	pa.tramp_end = mem + size;
	emit(&pa, &entry, sizeof(entry));
	err = patch_object(&pa);
	if (err == 0 && ld.inside && dl_iterate_phdr(find_text, &ld) && is_near(&ld.text, mem)) {
		pa.text = ld.text;
		patch_object(&pa);		/* for dlopen(3); the program runs without */
	}
	host(SYS_mprotect, mem, size, PROT_READ | PROT_EXEC);
	return err;
}
