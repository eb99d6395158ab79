/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * symbol.c - names for the addresses of a backtrace.
 *
 * The object that an address lies in is found by the dynamic linker's lock-free
 * look-up; its file is mapped once and stays so, and its full symbol table is
 * searched from end to end: a hundred thousand symbols take a millisecond, and a
 * panic asks for some twenty names.  A file without one has its dynamic symbols
 * searched, which is what dladdr(3) would do.
 *
 * This runs in a panic, on what is left of a kernel stack: it allocates nothing,
 * takes no lock that it would wait for long, and reads the file by itself, since
 * libelf would do its input and output through libc.
 */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "hostcall.h"
#include "internal.h"

#define OBJECTS	32

struct object {
	const struct link_map *map;	/* NULL: a free slot */
	const char *image;		/* the file; NULL: it cannot be read */
	size_t size;
	const Elf64_Sym *syms;
	size_t nsyms;
	const char *strings;
	size_t stringslen;
};

static struct object objects[OBJECTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool inside(const struct object *o, uint64_t offset, uint64_t len)
{
	return offset <= o->size && len <= o->size - offset;
}

static void map_file(struct object *o)
{
	const char *path = o->map->l_name[0] ? o->map->l_name : "/proc/self/exe";
	struct stat st;
	long ret = -1;
	int fd;

	fd = host(SYS_open, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (host(SYS_fstat, fd, &st) == 0 && st.st_size > (off_t)sizeof(Elf64_Ehdr))
		ret = host(SYS_mmap, 0, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	host(SYS_close, fd);
	if (host_failed(ret))
		return;
	o->image = (const char *)ret;
	o->size = st.st_size;
}

/* Takes the table of section s, whose strings are in section s->sh_link. */
static bool use_table(struct object *o, const Elf64_Shdr *s, const Elf64_Shdr *sections,
    unsigned int nsections)
{
	const Elf64_Shdr *str;

	if (s->sh_link >= nsections)
		return false;
	str = &sections[s->sh_link];
	if (!inside(o, s->sh_offset, s->sh_size) || !inside(o, str->sh_offset, str->sh_size) ||
	    s->sh_offset % 8 || str->sh_size == 0 ||
	    o->image[str->sh_offset + str->sh_size - 1] != '\0')
		return false;
	o->syms = (const Elf64_Sym *)(o->image + s->sh_offset);
	o->nsyms = s->sh_size / sizeof(Elf64_Sym);
	o->strings = o->image + str->sh_offset;
	o->stringslen = str->sh_size;
	return true;
}

static void find_table(struct object *o)
{
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)o->image;
	const Elf64_Shdr *sections;
	unsigned int i;

	if (memcmp(eh->e_ident, ELFMAG, SELFMAG) || eh->e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh->e_shentsize != sizeof(Elf64_Shdr) || eh->e_shoff % 8 ||
	    !inside(o, eh->e_shoff, (uint64_t)eh->e_shnum * sizeof(Elf64_Shdr)))
		return;
	sections = (const Elf64_Shdr *)(o->image + eh->e_shoff);
	for (i = 0; i < eh->e_shnum; i++)
		if (sections[i].sh_type == SHT_SYMTAB &&
		    use_table(o, &sections[i], sections, eh->e_shnum))
			return;
	for (i = 0; i < eh->e_shnum; i++)
		if (sections[i].sh_type == SHT_DYNSYM &&
		    use_table(o, &sections[i], sections, eh->e_shnum))
			return;
}

static struct object *object_of(const struct link_map *map)
{
	struct object *o;

	for (o = objects; o < objects + OBJECTS; o++) {
		if (o->map == map)
			return o;
		if (!o->map) {
			o->map = map;
			map_file(o);
			if (o->image)
				find_table(o);
			return o;
		}
	}
	return NULL;
}

/* The function that addr, relative to the object's base, lies in. */
static const Elf64_Sym *search(const struct object *o, uint64_t addr)
{
	const Elf64_Sym *s, *best = NULL;
	unsigned int type;

	for (s = o->syms; s < o->syms + o->nsyms; s++) {
		type = ELF64_ST_TYPE(s->st_info);
		if ((type != STT_FUNC && type != STT_NOTYPE && type != STT_GNU_IFUNC) ||
		    s->st_shndx == SHN_UNDEF || s->st_shndx == SHN_ABS ||
		    s->st_name >= o->stringslen || s->st_value > addr ||
		    !o->strings[s->st_name])
			continue;
		/* Assembly labels have no size: they reach to the next symbol. */
		if (s->st_size ? addr - s->st_value >= s->st_size : type != STT_NOTYPE)
			continue;
		if (!best || s->st_value > best->st_value ||
		    (s->st_value == best->st_value && s->st_size > best->st_size))
			best = s;
	}
	return best;
}

int rumpuser_symbol(const void *addr, char *buf, size_t len)
{
	const Elf64_Sym *sym;
	struct dl_find_object dlfo;
	struct object *o;
	uint64_t rel;
	int n, err = -ENOENT;

	if (_dl_find_object((void *)addr, &dlfo))
		return -ENOENT;
	rel = (uintptr_t)addr - dlfo.dlfo_link_map->l_addr;
	pthread_mutex_lock(&lock);
	o = object_of(dlfo.dlfo_link_map);
	sym = o && o->syms ? search(o, rel) : NULL;
	if (sym) {
		n = snprintf(buf, len, "%s+0x%lx/0x%lx", o->strings + sym->st_name,
		    (unsigned long)(rel - sym->st_value), (unsigned long)sym->st_size);
		err = n >= 0 && (size_t)n < len ? 0 : -E2BIG;
	}
	pthread_mutex_unlock(&lock);
	return err;
}
