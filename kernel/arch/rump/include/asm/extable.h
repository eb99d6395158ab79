/* SPDX-License-Identifier: GPL-2.0-only */
/* No exception table: faults in uaccess.S are fixed up by the host side. */
#ifndef _ASM_RUMP_EXTABLE_H
#define _ASM_RUMP_EXTABLE_H

struct exception_table_entry {
	unsigned long insn, fixup;
};

#endif
