// SPDX-License-Identifier: GPL-2.0-only
/*
 * module.c - loadable modules: where they lie, and how they are tied to the kernel.
 *
 * A module is compiled as the kernel is: position independent, with every symbol hidden.
 * So it has neither GOT nor PLT, and reaches the kernel's functions and variables by 32 bits
 * relative to itself: it must lie within 2 GB of librump.so, and the kernel's RAM does not.
 * Its memory is the host's, therefore (rumpuser_code_alloc), as that of librump.so itself.
 * The host sees one page that is writable or executable, never both.
 *
 * What is thread-local in the kernel cannot be exported: `current' of a module goes by
 * rump_tls_offset (asm/current.h).
 */
#include <linux/elf.h>
#include <linux/execmem.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleloader.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/xarray.h>
#include <asm/sections.h>
#include <asm/vcpu.h>
#include <rump/rumpuser.h>
#include "rump.h"

/* ---- memory ----------------------------------------------------------------------- */

void *__wrap_execmem_alloc(enum execmem_type type, size_t size);
void __wrap_execmem_free(void *ptr);

static DEFINE_XARRAY(sizes);		/* bytes of each area, by its page */

void *__wrap_execmem_alloc(enum execmem_type type, size_t size)
{
	void *p;

	size = PAGE_ALIGN(size);
	if (rumpuser_code_alloc(_stext, size, &p))
		return NULL;
	if (xa_err(xa_store(&sizes, (unsigned long)p >> PAGE_SHIFT, xa_mk_value(size), GFP_KERNEL))) {
		rumpuser_code_free(p, size);
		return NULL;
	}
	return p;
}

void __wrap_execmem_free(void *ptr)
{
	void *size = ptr ? xa_erase(&sizes, (unsigned long)ptr >> PAGE_SHIFT) : NULL;

	if (size)
		rumpuser_code_free(ptr, xa_to_value(size));
}

/* Linux wants to know where its own allocator would look, which is not used. */
struct execmem_info __init *execmem_arch_setup(void)
{
	static struct execmem_info info = {
		.ranges[EXECMEM_DEFAULT] = { .start = 1, .end = 1, .alignment = 1 },
	};

	info.ranges[EXECMEM_DEFAULT].pgprot = __pgprot(1);
	return &info;
}

/* ---- relocation ---------------------------------------------------------------------- */

long rump_tls_offset;
EXPORT_SYMBOL(rump_tls_offset);
EXPORT_SYMBOL(rump_vcpus);
EXPORT_SYMBOL(rump_irq_run);

static int __init rump_module_init(void)
{
	asm("movq rump_tls_vcpu@gottpoff(%%rip), %0" : "=r" (rump_tls_offset));
	return 0;
}
core_initcall(rump_module_init);

/* Bytes that a relocation of this type changes; 0: there are none such in our modules. */
static unsigned int width(unsigned int type)
{
	switch (type) {
	case R_X86_64_PC32: case R_X86_64_PLT32:
		return 4;
	case R_X86_64_64: case R_X86_64_PC64:
		return 8;
	}
	return 0;
}

int apply_relocate_add(Elf_Shdr *sechdrs, const char *strtab, unsigned int symindex,
		       unsigned int relsec, struct module *me)
{
	const Elf_Rela *rel = (void *)sechdrs[relsec].sh_addr;
	const Elf_Rela *end = rel + sechdrs[relsec].sh_size / sizeof(*rel);
	const Elf_Shdr *to = &sechdrs[sechdrs[relsec].sh_info];
	unsigned int nsyms = sechdrs[symindex].sh_size / sizeof(Elf_Sym);
	const Elf_Sym *syms = (void *)sechdrs[symindex].sh_addr;

	for (; rel < end; rel++) {
		unsigned int type = ELF64_R_TYPE(rel->r_info), n = width(type);
		void *place = (void *)to->sh_addr + rel->r_offset;
		s64 v;

		if (type == R_X86_64_NONE)
			continue;
		if (!n || ELF64_R_SYM(rel->r_info) >= nsyms || rel->r_offset > to->sh_size ||
		    to->sh_size - rel->r_offset < n) {
			pr_err("%s: relocation %u at %#llx of section %u cannot be done: it was not built for a rump kernel\n",
			       me->name, type, rel->r_offset, sechdrs[relsec].sh_info);
			return -ENOEXEC;
		}
		v = syms[ELF64_R_SYM(rel->r_info)].st_value + rel->r_addend;
		if (type != R_X86_64_64)
			v -= (s64)(long)place;
		if (n == 4 && v != (s32)v) {
			pr_err("%s: %s is out of its reach\n", me->name,
			       strtab + syms[ELF64_R_SYM(rel->r_info)].st_name);
			return -ENOEXEC;
		}
		memcpy(place, &v, n);
	}
	return 0;
}

/* ---- names for backtraces -------------------------------------------------------------- */

struct rump_modsym {
	unsigned long	addr, size;
	char		*name;
};

static bool is_function(const struct module *me, const Elf_Sym *s)
{
	return ELF64_ST_TYPE(s->st_info) == STT_FUNC && s->st_size &&
		within_module(s->st_value, me);
}

/* Without memory for them, it has no names. */
static void keep_names(const Elf_Shdr *sechdrs, const Elf_Shdr *symtab, struct module *me)
{
	const Elf_Sym *s, *syms = (void *)symtab->sh_addr;
	const Elf_Sym *end = syms + symtab->sh_size / sizeof(*s);
	const char *strtab = (void *)sechdrs[symtab->sh_link].sh_addr;
	struct rump_modsym *to;
	size_t n = 0, chars = 0;
	char *names;

	for (s = syms; s < end; s++) {
		if (!is_function(me, s))
			continue;
		n++;
		chars += strlen(strtab + s->st_name) + 1;
	}
	to = kmalloc(n * sizeof(*to) + chars, GFP_KERNEL);
	if (!to)
		return;
	me->arch.syms = to;
	names = (char *)(to + n);
	for (s = syms; s < end; s++) {
		if (!is_function(me, s))
			continue;
		*to++ = (struct rump_modsym){ s->st_value, s->st_size, names };
		chars = strlen(strtab + s->st_name) + 1;
		memcpy(names, strtab + s->st_name, chars);
		names += chars;
	}
	me->arch.nsyms = n;
}

int rump_symbol(unsigned long addr, char *buf, size_t len)
{
	const struct rump_modsym *s;
	struct module *me;
	int r = -ENOENT;

	preempt_disable();
	me = __module_address(addr);
	for (s = me ? me->arch.syms : NULL; s && s < me->arch.syms + me->arch.nsyms; s++) {
		if (addr - s->addr >= s->size)
			continue;
		snprintf(buf, len, "%s+%#lx/%#lx [%s]", s->name, addr - s->addr, s->size, me->name);
		r = 0;
		break;
	}
	preempt_enable();
	return me ? r : rumpuser_symbol((void *)addr, buf, len);
}

/* ---- Linux's hooks ----------------------------------------------------------------------- */

int module_finalize(const Elf_Ehdr *hdr, const Elf_Shdr *sechdrs, struct module *me)
{
	static const enum mod_mem_type code[] = { MOD_TEXT, MOD_INIT_TEXT };
	unsigned int i;
	int r;

	for (i = 1; i < hdr->e_shnum; i++)
		if (sechdrs[i].sh_type == SHT_SYMTAB)
			keep_names(sechdrs, &sechdrs[i], me);
	for (i = 0; i < ARRAY_SIZE(code); i++) {
		const struct module_memory *mem = &me->mem[code[i]];

		r = mem->size ? rumpuser_code_seal(mem->base, PAGE_ALIGN(mem->size)) : 0;
		if (r) {
			pr_err("%s: the host does not let new code be executed (error %d)\n", me->name, r);
			return r;
		}
	}
	return 0;
}

void module_arch_cleanup(struct module *me)
{
	kfree(me->arch.syms);
	me->arch.syms = NULL;
}
