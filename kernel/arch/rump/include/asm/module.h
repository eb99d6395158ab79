/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_RUMP_MODULE_H
#define _ASM_RUMP_MODULE_H

#include <asm-generic/module.h>

struct rump_modsym;

/* What backtraces call a module's functions: a copy, since Linux drops the table. */
struct mod_arch_specific {
	struct rump_modsym	*syms;
	unsigned int		nsyms;
};

#endif
