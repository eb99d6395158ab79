// SPDX-License-Identifier: GPL-2.0-only
/*
 * process.c - the life of a task's stack: made, begun, ended.
 */
#include <linux/cpu.h>
#include <linux/ptrace.h>
#include <linux/regset.h>
#include <linux/sched.h>
#include <linux/sched/debug.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include "rump.h"

/* A new task can only run a function of the kernel: programs run on the host. */
int copy_thread(struct task_struct *p, const struct kernel_clone_args *args)
{
	unsigned long *sp = (unsigned long *)task_pt_regs(p);

	memset(&p->thread, 0, sizeof(p->thread));
	memset(task_pt_regs(p), 0, sizeof(struct pt_regs));
	if (!args->fn && !args->idle)
		return -EINVAL;
	p->thread.fn = args->fn;
	p->thread.arg = args->fn_arg;
	*--sp = (unsigned long)(args->idle ? rump_secondary_start : rump_task_start);
	sp -= 6;
	memset(sp, 0, 6 * sizeof(*sp));
	p->thread.sp = (unsigned long)sp;
	return 0;
}

/* First thing on a new task's stack; what switched to it holds the run queue's lock. */
asmlinkage void __noreturn rump_task_main(void)
{
	schedule_tail(this_vcpu()->prev);
	current->thread.fn(current->thread.arg);
	if (is_global_init(current))
		rump_init_process();	/* kernel_init() is back from its exec */
	do_exit(0);
}

void flush_thread(void)
{
}

void exit_thread(struct task_struct *t)
{
	rump_lwp_exit(t);
	if (t->thread.remote)
		rump_sp_exit(t);
	rump_trace_exit(t);
}

void arch_cpu_idle(void)
{
	rump_vcpu_idle();
}

void arch_release_task_struct(struct task_struct *t)
{
}

unsigned long __get_wchan(struct task_struct *p)
{
	return 0;
}

void show_regs(struct pt_regs *regs)
{
	dump_stack();
}

/* ---- ptrace: a task's registers are the host's business ---------------------- */

void ptrace_disable(struct task_struct *child)
{
}

long arch_ptrace(struct task_struct *child, long request, unsigned long addr, unsigned long data)
{
	return -EIO;
}

static const struct user_regset_view no_regsets = {
	.name = "rump", .e_machine = ELF_ARCH,
};

const struct user_regset_view *task_user_regset_view(struct task_struct *t)
{
	return &no_regsets;
}
