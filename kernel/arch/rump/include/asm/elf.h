/* SPDX-License-Identifier: GPL-2.0-only */
/* The format of core notes and modules; programs run on the host. */
#ifndef _ASM_RUMP_ELF_H
#define _ASM_RUMP_ELF_H

#include <linux/elf-em.h>
#include <asm/ptrace.h>

#define ELF_CLASS	ELFCLASS64
#define ELF_DATA	ELFDATA2LSB
#define ELF_ARCH	EM_X86_64
#define ELF_EXEC_PAGESIZE	4096
#define ELF_HWCAP	0
#define ELF_PLATFORM	NULL
#define ELF_ET_DYN_BASE	(TASK_SIZE / 3 * 2)
#define elf_check_arch(x)	((x)->e_machine == ELF_ARCH)

/* Relocations of modules (System V ABI, AMD64 supplement). */
#define R_X86_64_NONE	0
#define R_X86_64_64	1
#define R_X86_64_PC32	2
#define R_X86_64_PLT32	4
#define R_X86_64_PC64	24

typedef unsigned long elf_greg_t;
#define ELF_NGREG	(sizeof(struct pt_regs) / sizeof(elf_greg_t))
typedef elf_greg_t elf_gregset_t[ELF_NGREG];
typedef struct { char unused; } elf_fpregset_t;

#endif
