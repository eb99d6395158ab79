/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * entry.S - changing stacks.
 *
 * Two kinds of stack exist: a task's kernel stack, and a host thread's own.
 * What is switched is the stack and the registers that a call preserves; so to
 * the host all of this is one thread that calls functions.
 */
#include <linux/linkage.h>
#include <asm/thread_info.h>

	/* The carrier's vCPU, the thread's struct rump_host, and whether a signal waits there. */
	.section .tbss, "awT", @nobits
	.balign	8
	.globl	rump_tls_vcpu, rump_tls_host
	.hidden	rump_tls_vcpu, rump_tls_host
	.type	rump_tls_vcpu, @object
	.size	rump_tls_vcpu, 8
rump_tls_vcpu:
	.zero	8
	.type	rump_tls_host, @object
	.size	rump_tls_host, 8
rump_tls_host:
	.zero	8
	.globl	rump_tls_signal
	.hidden	rump_tls_signal
	.type	rump_tls_signal, @object
	.size	rump_tls_signal, 8
rump_tls_signal:
	.zero	8

	.text

.macro	SAVE_REGS
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
.endm

.macro	RESTORE_REGS
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
.endm

/*
 * void rump_switch(unsigned long *save, unsigned long sp)
 * From one task to another on the same host thread.
 */
SYM_FUNC_START(rump_switch)
	SAVE_REGS
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	RESTORE_REGS
	ret
SYM_FUNC_END(rump_switch)

/*
 * void rump_switch_to_host(unsigned long *save, unsigned long base,
 *			    void (*fn)(void *), void *arg)
 * From a task to the host thread's own stack, there to run fn, which does not
 * return.  The task is complete in *save before fn runs: another thread may
 * resume it at once.
 */
SYM_FUNC_START(rump_switch_to_host)
	SAVE_REGS
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	andq	$-16, %rsp
	movq	%rcx, %rdi
	xorl	%ebp, %ebp
	call	*%rdx
	ud2
SYM_FUNC_END(rump_switch_to_host)

/*
 * void rump_resume(unsigned long sp)
 * From the host thread's own stack to a task; does not return.
 */
SYM_FUNC_START(rump_resume)
	movq	%rdi, %rsp
	RESTORE_REGS
	ret
SYM_FUNC_END(rump_resume)

/*
 * void rump_host_run(unsigned long *base, unsigned long sp,
 *		      void (*fn)(void *), void *arg)
 * On a host thread's own stack: leaves the place where that stack is free in
 * *base and runs fn on stack sp (0: on this one).  Returns when fn does, or when
 * anybody on this thread calls rump_host_return(*base).
 */
SYM_FUNC_START(rump_host_run)
	SAVE_REGS
	movq	%rsp, (%rdi)
	movq	%rsp, %rbx
	testq	%rsi, %rsi
	cmovnzq	%rsi, %rsp
	subq	$8, %rsp
	andq	$-16, %rsp
	movq	%rcx, %rdi
	xorl	%ebp, %ebp
	call	*%rdx
	movq	%rbx, %rsp
	RESTORE_REGS
	ret
SYM_FUNC_END(rump_host_run)

/* void rump_host_return(unsigned long base) */
SYM_FUNC_START(rump_host_return)
	movq	%rdi, %rsp
	RESTORE_REGS
	ret
SYM_FUNC_END(rump_host_return)

/*
 * void rump_jump(void *sp, void (*fn)(void *), void *arg)
 * Leaves the stack it is called on for good and runs fn on stack sp.
 */
SYM_FUNC_START(rump_jump)
	movq	%rdi, %rsp
	andq	$-16, %rsp
	movq	%rdx, %rdi
	xorl	%ebp, %ebp
	call	*%rsi
	ud2
SYM_FUNC_END(rump_jump)

/* Where a new task begins (its first frame is made by copy_thread()). */
SYM_FUNC_START(rump_task_start)
	xorl	%ebp, %ebp
	subq	$8, %rsp
	andq	$-16, %rsp
	call	rump_task_main
	ud2
SYM_FUNC_END(rump_task_start)

/*
 * User memory.  Leaf routines without a stack frame, in two ranges of addresses.
 * A fault in the second, in which %rcx is always what the caller is to get,
 * continues at rump_user_fixup with the registers as they were.  A fault in the
 * first, where more than a byte is moved at a time, continues at rump_user_retry,
 * which does the rest of the copy, %rcx bytes, by single bytes until it faults again.
 */
	.globl	rump_user_fast_begin, rump_user_fast_end, rump_user_retry
	.globl	rump_user_begin, rump_user_end, rump_user_fixup

rump_user_fast_begin:
/*
 * unsigned long rump_user_copy(void *to, const void *from, unsigned long n): bytes left.
 * Vector registers are the caller's to save on a host's thread, and no kernel code has
 * anything in them.  (rep movsb is half as fast where the destination is not aligned.)
 */
SYM_FUNC_START(rump_user_copy)
	movq	%rdx, %rcx
	cmpq	$64, %rdx
	jb	2f
	.p2align 4
1:	movups	(%rsi), %xmm0
	movups	16(%rsi), %xmm1
	movups	32(%rsi), %xmm2
	movups	48(%rsi), %xmm3
	movups	%xmm0, (%rdi)
	movups	%xmm1, 16(%rdi)
	movups	%xmm2, 32(%rdi)
	movups	%xmm3, 48(%rdi)
	addq	$64, %rsi
	addq	$64, %rdi
	subq	$64, %rcx
	cmpq	$64, %rcx
	jae	1b
	testq	%rcx, %rcx
	jz	9f
	/* the last 64 bytes, of which some are there already */
	movups	-64(%rsi,%rcx), %xmm0
	movups	-48(%rsi,%rcx), %xmm1
	movups	-32(%rsi,%rcx), %xmm2
	movups	-16(%rsi,%rcx), %xmm3
	movups	%xmm0, -64(%rdi,%rcx)
	movups	%xmm1, -48(%rdi,%rcx)
	movups	%xmm2, -32(%rdi,%rcx)
	movups	%xmm3, -16(%rdi,%rcx)
	xorl	%eax, %eax
	ret
	/* up to 63 bytes: from the front and from the back, which may overlap */
2:	cmpl	$16, %ecx
	jb	4f
	movups	(%rsi), %xmm0
	movups	-16(%rsi,%rcx), %xmm1
	cmpl	$32, %ecx
	jbe	3f
	movups	16(%rsi), %xmm2
	movups	-32(%rsi,%rcx), %xmm3
	movups	%xmm2, 16(%rdi)
	movups	%xmm3, -32(%rdi,%rcx)
3:	movups	%xmm0, (%rdi)
	movups	%xmm1, -16(%rdi,%rcx)
	xorl	%eax, %eax
	ret
4:	cmpl	$8, %ecx
	jb	5f
	movq	(%rsi), %rax
	movq	-8(%rsi,%rcx), %rdx
	movq	%rax, (%rdi)
	movq	%rdx, -8(%rdi,%rcx)
	xorl	%eax, %eax
	ret
5:	cmpl	$4, %ecx
	jb	6f
	movl	(%rsi), %eax
	movl	-4(%rsi,%rcx), %edx
	movl	%eax, (%rdi)
	movl	%edx, -4(%rdi,%rcx)
	xorl	%eax, %eax
	ret
6:	testl	%ecx, %ecx
	jz	9f
7:	movb	-1(%rsi,%rcx), %al
	movb	%al, -1(%rdi,%rcx)
	decl	%ecx
	jnz	7b
9:	xorl	%eax, %eax
	ret
SYM_FUNC_END(rump_user_copy)
rump_user_fast_end:

rump_user_begin:
SYM_FUNC_START(rump_user_retry)
	rep movsb
	movq	%rcx, %rax
	ret
SYM_FUNC_END(rump_user_retry)

/* unsigned long rump_user_clear(void *to, unsigned long n): bytes left */
SYM_FUNC_START(rump_user_clear)
	movq	%rsi, %rcx
	xorl	%eax, %eax
	rep stosb
	movq	%rcx, %rax
	ret
SYM_FUNC_END(rump_user_clear)

/*
 * long rump_user_strncpy(char *to, const char *from, long n)
 * Length without the NUL, n if there was none, -1 after a fault.
 */
SYM_FUNC_START(rump_user_strncpy)
	movq	$-1, %rcx
	xorl	%eax, %eax
1:	cmpq	%rdx, %rax
	jae	2f
	movb	(%rsi,%rax), %r8b
	movb	%r8b, (%rdi,%rax)
	testb	%r8b, %r8b
	jz	2f
	incq	%rax
	jmp	1b
2:	ret
SYM_FUNC_END(rump_user_strncpy)

/* long rump_user_strnlen(const char *s, long n): the same, without copying */
SYM_FUNC_START(rump_user_strnlen)
	movq	$-1, %rcx
	xorl	%eax, %eax
1:	cmpq	%rsi, %rax
	jae	2f
	cmpb	$0, (%rdi,%rax)
	je	2f
	incq	%rax
	jmp	1b
2:	ret
SYM_FUNC_END(rump_user_strnlen)

/* long rump_user_cmpxchg(u32 *p, u32 old, u32 new, u32 *seen): 0, or -1 after a fault */
SYM_FUNC_START(rump_user_cmpxchg)
	movq	%rcx, %r8
	movq	$-1, %rcx
	movl	%esi, %eax
	lock cmpxchgl %edx, (%rdi)
	movl	%eax, (%r8)
	xorl	%eax, %eax
	ret
SYM_FUNC_END(rump_user_cmpxchg)
rump_user_end:

SYM_FUNC_START(rump_user_fixup)
	movq	%rcx, %rax
	ret
SYM_FUNC_END(rump_user_fixup)

	.section .note.GNU-stack, "", @progbits
