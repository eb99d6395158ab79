/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_RUMP_PROCESSOR_H
#define _ASM_RUMP_PROCESSOR_H

#include <asm/page.h>
#include <asm/ptrace.h>
#include <linux/types.h>

#define TASK_SIZE		0x7ffffffff000UL
#define TASK_UNMAPPED_BASE	0
#define STACK_TOP		TASK_SIZE
#define STACK_TOP_MAX		TASK_SIZE

struct rump_lwp;
struct rump_proc;
struct rump_signals;

struct thread_struct {
	unsigned long		sp;		/* saved stack pointer while switched out */
	struct rump_lwp		*lwp;		/* a host thread's task; NULL: any carrier may run it */
	int			(*fn)(void *);	/* what a new task runs */
	void			*arg;
	struct rump_proc	*proc;		/* whose process; NULL: the kernel's own */
	void			*remote;	/* a sysproxy client's task (sp.c) */
	bool			starved;	/* memory ran out in this call */
	bool			interrupted;	/* the call is to end with EINTR */
	struct rump_signals	*sigs;		/* signals to be raised at the client */
};

#define INIT_THREAD { }

static inline void start_thread(struct pt_regs *regs, unsigned long pc, unsigned long sp)
{
}

unsigned long __get_wchan(struct task_struct *p);

#define task_pt_regs(t) \
	((struct pt_regs *)((char *)task_stack_page(t) + THREAD_SIZE) - 1)
#define KSTK_EIP(t)	(task_pt_regs(t)->rip)
#define KSTK_ESP(t)	(task_pt_regs(t)->rsp)

void rump_cpu_relax(void);
/* One turn of waiting for a spinlock (taken with or without interrupts). */
void rump_spin_wait(u32 *locked);

#define cpu_relax()	rump_cpu_relax()

#endif
