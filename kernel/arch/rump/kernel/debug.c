// SPDX-License-Identifier: GPL-2.0-only
/*
 * debug.c - for debuggers: where in Linux's structures is what tools/gdb/rump.py shows.
 * librump.so has symbols, but no types of Linux's: they would be ten times its size.
 */
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/thread_info.h>

/* Found by its name; the order is that of the script. */
const unsigned int rump_debug_offsets[] __used = {
	offsetof(struct task_struct, tasks),
	offsetof(struct task_struct, thread_node),
	offsetof(struct task_struct, signal),
	offsetof(struct signal_struct, thread_head),
	offsetof(struct task_struct, pid),
	offsetof(struct task_struct, tgid),
	offsetof(struct task_struct, comm),
	offsetof(struct task_struct, __state),
	offsetof(struct task_struct, on_cpu),
	offsetof(struct task_struct, stack),
	offsetof(struct task_struct, thread.sp),
	THREAD_SIZE,
};
