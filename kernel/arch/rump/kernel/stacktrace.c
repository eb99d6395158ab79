// SPDX-License-Identifier: GPL-2.0-only
/*
 * stacktrace.c - backtraces.  With frame pointers (KDEBUG) they are exact; without, every
 * word on the stack that looks like a return address is taken for one and shown with "?".
 * Names come from the host, which reads librump.so's own symbol table; those of modules from
 * module.c.
 */
#include <linux/module.h>
#include <linux/sched/debug.h>
#include <linux/sched/task_stack.h>
#include <linux/stacktrace.h>
#include <asm/sections.h>
#include <rump/rumpuser.h>
#include "rump.h"

static bool in_text(unsigned long a)
{
	return (a >= (unsigned long)_stext && a < (unsigned long)_etext) ||
		is_module_text_address(a);
}

static bool on_stack(struct task_struct *t, unsigned long sp)
{
	unsigned long base = (unsigned long)task_stack_page(t);

	return sp >= base && sp <= base + THREAD_SIZE - sizeof(long);
}

static void walk(struct task_struct *t, bool (*fn)(void *, unsigned long), void *arg)
{
	unsigned long sp;

	if (t == current)
		sp = (unsigned long)__builtin_frame_address(0);
	else
		sp = t->thread.sp;
	for (; on_stack(t, sp); sp += sizeof(long)) {
		unsigned long a = *(unsigned long *)sp;

		if (in_text(a) && !fn(arg, a))
			return;
	}
}

void arch_stack_walk(stack_trace_consume_fn fn, void *cookie, struct task_struct *t,
		     struct pt_regs *regs)
{
	walk(t ? t : current, fn, cookie);
}

static bool show_one(void *level, unsigned long a)
{
	char name[128];

	if (rump_symbol(a - 1, name, sizeof(name)))
		snprintf(name, sizeof(name), "%px", (void *)a);
	printk("%s ? %s\n", (const char *)level, name);
	return true;
}

void show_stack(struct task_struct *t, unsigned long *sp, const char *level)
{
	printk("%sCall trace:\n", level);
	walk(t ? t : current, show_one, (void *)level);
}
