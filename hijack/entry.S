/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * entry.S - where a patched system call site goes when it could concern the
 * rump kernel.
 *
 * To the code around the site this is the syscall instruction: all registers
 * and the red zone are kept, vector state included, but for rax, rcx and r11.
 * On entry rax is the call's number, the arguments are in rdi, rsi, rdx, r10,
 * r8 and r9, and rcx is the address of the two bytes "syscall" in the
 * trampoline: the host's call is made by going there, a call that was carried
 * out here goes on behind it.  r11 is the address of the site in libc, where an unwinder is
 * to go on: threads are cancelled in here, and left by handlers that call pthread_exit(3).
 *
 * The vector state is saved only around hijack_slow(): hijack_want() and hijack_failed() are
 * built without vector registers.
 */
#include "fdmap.h"

#define RESULT	8		/* below rbp: rax at the end */
#define NUMBER	16
#define ARGS	64		/* six of them */
#define AREA	2816		/* xsave's, up to the AVX-512 state */

	.text
	.globl	hijack_entry
	.hidden	hijack_entry
	.type	hijack_entry, @function
	.p2align 4
hijack_entry:
	.cfi_startproc
	.cfi_signal_frame		/* the program counter above is that of an instruction */
	.cfi_def_cfa rsp, 0
	.cfi_register rip, r11
	lea	-128(%rsp), %rsp
	.cfi_def_cfa_offset 128
	push	%r11
	.cfi_def_cfa_offset 136
	.cfi_offset rip, -136
	push	%rcx
	.cfi_def_cfa_offset 144
	push	%rbp
	.cfi_def_cfa_offset 152
	.cfi_offset rbp, -152
	mov	%rsp, %rbp
	.cfi_def_cfa_register rbp
	push	%rax
	push	%rax
	push	%r9
	push	%r8
	push	%r10
	push	%rdx
	push	%rsi
	push	%rdi
	mov	%rax, %rdi
	mov	%rsp, %rsi
	and	$-64, %rsp
	cld
	call	hijack_want
	cmp	$1, %eax		/* WANT_CALL */
	jb	1f
	ja	4f

	/* RESULT is what hijack_slow() gets as what the call has failed with, too: the number. */
7:	sub	$AREA, %rsp
	mov	hijack_xsave_mask(%rip), %eax
	test	%eax, %eax
	jz	2f
	xor	%edx, %edx
	mov	%rdx, 512(%rsp)
	mov	%rdx, 520(%rsp)
	mov	%rdx, 528(%rsp)
	mov	%rdx, 536(%rsp)
	mov	%rdx, 544(%rsp)
	mov	%rdx, 552(%rsp)
	mov	%rdx, 560(%rsp)
	mov	%rdx, 568(%rsp)
	xsave64	(%rsp)
	mov	-NUMBER(%rbp), %rdi
	lea	-ARGS(%rbp), %rsi
	mov	-RESULT(%rbp), %rdx
	call	hijack_slow
	mov	%rax, -RESULT(%rbp)
	mov	hijack_xsave_mask(%rip), %eax
	xor	%edx, %edx
	xrstor64 (%rsp)
3:	addq	$2, 8(%rbp)		/* behind the syscall instruction */

1:	lea	-ARGS(%rbp), %rsp
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%r10
	pop	%r8
	pop	%r9
	pop	%rax
	pop	%rax
	.cfi_remember_state
	pop	%rbp
	.cfi_restore rbp
	.cfi_def_cfa rsp, 144
	pop	%rcx
	.cfi_def_cfa_offset 136
	pop	%r11
	.cfi_register rip, r11
	.cfi_def_cfa_offset 128
	lea	128(%rsp), %rsp
	.cfi_def_cfa_offset 0
	jmp	*%rcx
	.cfi_restore_state

	/* WANT_LOOK: the call is made here, to see how it ends. */
4:	mov	-ARGS(%rbp), %rdi
	mov	-ARGS+8(%rbp), %rsi
	mov	-ARGS+16(%rbp), %rdx
	mov	-ARGS+24(%rbp), %r10
	mov	-ARGS+32(%rbp), %r8
	mov	-ARGS+40(%rbp), %r9
	mov	-NUMBER(%rbp), %rax
	mov	8(%rbp), %rcx
	cmpb	$0xc3, 2(%rcx)		/* syscall; ret: where glibc 2.41 cancels threads, by the */
	je	5f			/* program counter */
	syscall
	jmp	6f
5:	call	*%rcx
6:	mov	%rax, -RESULT(%rbp)
	test	%rax, %rax
	jns	3b
	mov	-NUMBER(%rbp), %rdi
	lea	-ARGS(%rbp), %rsi
	mov	%rax, %rdx
	call	hijack_failed
	test	%eax, %eax
	jz	3b
	jmp	7b

2:	fxsave64 (%rsp)
	mov	-NUMBER(%rbp), %rdi
	lea	-ARGS(%rbp), %rsi
	mov	-RESULT(%rbp), %rdx
	call	hijack_slow
	mov	%rax, -RESULT(%rbp)
	fxrstor64 (%rsp)
	jmp	3b
	.cfi_endproc
	.size	hijack_entry, . - hijack_entry

	.section .note.GNU-stack, "", @progbits
