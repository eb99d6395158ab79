/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * librump.lds.S - where the kernel's own sections go in librump.so.  Everything
 * else is the linker's default script for shared libraries: this inserts into it.
 *
 * Nothing is discarded after boot (a library's pages can't be given to anybody),
 * so init sections are ordinary ones.  What holds pointers lies in the writable
 * segment, where the dynamic linker relocates it.
 */
#define RUNTIME_DISCARD_EXIT
#include <asm-generic/vmlinux.lds.h>
#include <asm/cache.h>
#include <asm/thread_info.h>

SECTIONS
{
	.rump.text : {
		NOINSTR_TEXT
		SCHED_TEXT
		LOCK_TEXT
		KPROBES_TEXT
		ENTRY_TEXT
		IRQENTRY_TEXT
		SOFTIRQENTRY_TEXT
		STATIC_CALL_TEXT
		HEAD_TEXT
		*(.ref.text)
		_sinittext = .;
		INIT_TEXT
		_einittext = .;
		EXIT_TEXT
	}
	_stext = ADDR(.text);
	_etext = ADDR(.rump.text) + SIZEOF(.rump.text);
}
INSERT AFTER .text;

SECTIONS
{
	.rump.rodata : ALIGN(64) {
		. = ALIGN(64);
		/* string literals too: lockdep's keys */
		__start_rodata = ADDR(.rodata);
		SCHED_DATA
		RO_AFTER_INIT_DATA
		. = ALIGN(8);
		BOUNDED_SECTION_BY(__tracepoints_ptrs, ___tracepoints_ptrs)
		*(__tracepoints_strings)
		__start_builtin_fw = .;
		KEEP(*(.builtin_fw))
		__end_builtin_fw = .;
		. = ALIGN(8);
		BOUNDED_SECTION_BY(__param, ___param)
		BOUNDED_SECTION_BY(__modver, ___modver)
		/* what modules may use */
		BOUNDED_SECTION_PRE_LABEL(__ksymtab, __ksymtab, __start_, __stop_)
		BOUNDED_SECTION_PRE_LABEL(__ksymtab_gpl, __ksymtab_gpl, __start_, __stop_)
		*(__ksymtab_strings)
		__start___kcrctab = .;		/* for MODVERSIONS only */
		__start___kcrctab_gpl = .;
		__start___ex_table = .;
		__stop___ex_table = .;
		*(.ref.rodata)
		__end_rodata = .;
	}
	.rump.init : ALIGN(64) {
		. = ALIGN(64);
		__init_begin = .;
		INIT_DATA
		INIT_SETUP(16)
		INIT_CALLS
		CON_INITCALL
		INIT_RAM_FS
		EXIT_DATA
		. = ALIGN(64);
		__init_end = .;
	}
	.rump.percpu : ALIGN(PAGE_SIZE) {
		. = ALIGN(PAGE_SIZE);
		HIDDEN(__per_cpu_load = .);
		PERCPU_INPUT(64)
		. = ALIGN(PAGE_SIZE);
	}
	.rump.data : ALIGN(PAGE_SIZE) {
		_sdata = .;
		INIT_TASK_DATA(THREAD_SIZE)
		NOSAVE_DATA
		PAGE_ALIGNED_DATA(PAGE_SIZE)
		CACHELINE_ALIGNED_DATA(64)
		READ_MOSTLY_DATA(64)
		DATA_DATA
		CONSTRUCTORS
	}
}
INSERT BEFORE .data;

SECTIONS
{
	HIDDEN(__bss_stop = ADDR(.bss) + SIZEOF(.bss));
	HIDDEN(jiffies = jiffies_64);
	HIDDEN(__start_notes = .);
	HIDDEN(__stop_notes = .);
}
INSERT AFTER .bss;
