/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_RUMP_TLS_H
#define _ASM_RUMP_TLS_H

/*
 * Instruction: where the carrier's rump_tls_vcpu lies, from %fs, into register r.  The kernel
 * has that from the dynamic linker; a module reads the kernel's copy (kernel/module.c).
 */
#ifdef MODULE
#define RUMP_TLS_OFFSET(r)	"movq rump_tls_offset(%%rip), " #r "\n\t"
extern long rump_tls_offset;
#else
#define RUMP_TLS_OFFSET(r)	"movq rump_tls_vcpu@gottpoff(%%rip), " #r "\n\t"
#endif

#endif
