/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wrap.S - the interposed functions, as stubs that leave a host call untouched:
 * a jump to libc's own function with every register as it came, so that errno,
 * cancellation and variable arguments are libc's.
 *
 * All jump where wrap_target says: to libc after wrap_bypass(), and until then the
 * slow way.  That of F looks at the kind of the descriptor in the first argument.
 */
#include "fdmap.h"

	.macro	number name
	.set	index_\name, wrap_count
	.set	wrap_count, wrap_count + 1
	.endm
	.set	wrap_count, 0
#define F(name, call, form)	number name
#define A(name, call, form)	number name
#include "wrappers.def"

	.macro	function name
	.globl	\name
	.type	\name, @function
	.p2align 4
\name:
	.endm

	.macro	by_fd name
	function \name
	jmp	*(wrap_target + 8 * index_\name)(%rip)
slow_\name:
	cmp	$FDMAP_MAX, %edi
	jae	1f
	mov	%edi, %eax
	lea	fdmap_kind(%rip), %r11
	cmpb	$FD_HOST, (%r11, %rax)
	jne	1f
	xor	%eax, %eax
	jmp	*(wrap_next + 8 * index_\name)(%rip)
1:	mov	$index_\name, %eax
	jmp	slow
	.size	\name, . - \name
	.endm

	.macro	by_target name
	function \name
	jmp	*(wrap_target + 8 * index_\name)(%rip)
slow_\name:
	mov	$index_\name, %eax
	jmp	slow
	.size	\name, . - \name
	.endm

	.text
#define F(name, call, form)	by_fd name
#define A(name, call, form)	by_target name
#include "wrappers.def"

/* eax: index.  Asks wrap_call(); goes on into libc if that did not want the call. */
	.type	slow, @function
	.p2align 4
slow:
	.cfi_startproc
	push	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset rbp, -16
	mov	%rsp, %rbp
	.cfi_def_cfa_register rbp
	push	%rax
	push	16(%rbp)		/* a seventh argument */
	push	%r9
	push	%r8
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	mov	%eax, %edi
	mov	%rsp, %rsi
	call	wrap_call		/* rax: result, edx: it was carried out */
	test	%edx, %edx
	jnz	1f
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%r8
	pop	%r9
	pop	%rax
	pop	%rax
	lea	wrap_next(%rip), %r11
	mov	(%r11, %rax, 8), %r11
	xor	%eax, %eax
	leave
	.cfi_remember_state
	.cfi_def_cfa rsp, 8
	jmp	*%r11
1:	.cfi_restore_state
	leave
	.cfi_def_cfa rsp, 8
	ret
	.cfi_endproc
	.size	slow, . - slow

	.section .data.rel, "aw"
	.globl	wrap_target
	.hidden	wrap_target
	.type	wrap_target, @object
	.p2align 3
wrap_target:
#define F(name, call, form)	.quad slow_##name
#define A(name, call, form)	.quad slow_##name
#include "wrappers.def"
	.size	wrap_target, . - wrap_target

	.section .note.GNU-stack, "", @progbits
