/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * elfsites.c - a library's file, read by libelf: which of its segments is executable, and
 * what of that is code.  Between the sections of code may be anything, which site_scan() of
 * the whole text would take for instructions.
 */
#include <gelf.h>
#include <string.h>

#include "elfsites.h"

static int is_ours(Elf *e)
{
	GElf_Ehdr eh;

	return elf_kind(e) == ELF_K_ELF && gelf_getehdr(e, &eh) && gelf_getclass(e) == ELFCLASS64 &&
	    eh.e_machine == EM_X86_64;
}

/* The largest executable segment, *where it lies in the file. */
static int find_segment(Elf *e, size_t size, GElf_Phdr *found)
{
	GElf_Phdr ph;
	size_t i, n;

	*found = (GElf_Phdr){ 0 };
	if (elf_getphdrnum(e, &n))
		return 0;
	for (i = 0; i < n && gelf_getphdr(e, i, &ph); i++)
		if (ph.p_type == PT_LOAD && (ph.p_flags & PF_X) && ph.p_offset <= size &&
		    ph.p_filesz <= size - ph.p_offset && ph.p_memsz == ph.p_filesz &&
		    ph.p_filesz > found->p_filesz)
			*found = ph;
	return found->p_filesz >= SITE_BYTES + SITE_FRONT && found->p_filesz <= UINT32_MAX;
}

static unsigned int scan_sections(Elf *e, const GElf_Phdr *ph, const struct text *t,
    struct site *sites, unsigned int max)
{
	Elf_Scn *scn = NULL;
	unsigned int n = 0;
	GElf_Shdr sh;
	size_t from;

	while ((scn = elf_nextscn(e, scn))) {
		if (!gelf_getshdr(scn, &sh) || sh.sh_type != SHT_PROGBITS ||
		    !(sh.sh_flags & SHF_EXECINSTR) || sh.sh_offset < ph->p_offset)
			continue;
		from = sh.sh_offset - ph->p_offset;
		if (from > ph->p_filesz || sh.sh_size > ph->p_filesz - from)
			continue;
		n += site_scan(t, t->start + from, t->start + from + sh.sh_size, sites + n, max - n);
	}
	return n;
}

unsigned int elfsites_find(char *image, size_t size, struct text *t, struct site *sites,
    unsigned int max, const char **why)
{
	GElf_Phdr ph;
	unsigned int n = 0;
	Elf *e = NULL;

	if (elf_version(EV_CURRENT) == EV_NONE || !(e = elf_memory(image, size))) {
		*why = elf_errmsg(-1);
	} else if (!is_ours(e)) {
		*why = "it is no ELF file for x86-64";
	} else if (!find_segment(e, size, &ph)) {
		*why = "it has no code";
	} else {
		*t = (struct text){
			.start = (uint8_t *)image + ph.p_offset,
			.end = (uint8_t *)image + ph.p_offset + ph.p_filesz,
		};
		n = scan_sections(e, &ph, t, sites, max);
		*why = "it has no system calls";
	}
	elf_end(e);
	return n;
}
