/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_RUMP_THREAD_INFO_H
#define _ASM_RUMP_THREAD_INFO_H

#include <asm/page.h>

/* 32 KB: a signal handler of the program may run on top of a call in progress. */
#ifdef CONFIG_LOCKDEP
#define THREAD_SIZE_ORDER	4
#else
#define THREAD_SIZE_ORDER	3
#endif
#define THREAD_SIZE		(PAGE_SIZE << THREAD_SIZE_ORDER)

#ifndef __ASSEMBLY__
#include <linux/types.h>

struct thread_info {
	unsigned long	flags;
	int		preempt_count;
	u32		cpu;
};

#define INIT_THREAD_INFO(tsk) {			\
	.preempt_count	= INIT_PREEMPT_COUNT,	\
}
#endif

#define TIF_SYSCALL_TRACE	0
#define TIF_SIGPENDING		1
#define TIF_NEED_RESCHED	2
#define TIF_NOTIFY_RESUME	3
#define TIF_NOTIFY_SIGNAL	4
#define TIF_MEMDIE		5
#define TIF_RESTORE_SIGMASK	6

#define _TIF_SYSCALL_TRACE	(1 << TIF_SYSCALL_TRACE)
#define _TIF_SIGPENDING		(1 << TIF_SIGPENDING)
#define _TIF_NEED_RESCHED	(1 << TIF_NEED_RESCHED)
#define _TIF_NOTIFY_RESUME	(1 << TIF_NOTIFY_RESUME)
#define _TIF_NOTIFY_SIGNAL	(1 << TIF_NOTIFY_SIGNAL)
#define _TIF_RESTORE_SIGMASK	(1 << TIF_RESTORE_SIGMASK)

/* what has to be done before a call returns to its caller */
#define _TIF_EXIT_WORK \
	(_TIF_SIGPENDING | _TIF_NEED_RESCHED | _TIF_NOTIFY_RESUME | _TIF_NOTIFY_SIGNAL)

#endif
