/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vfork.S - vfork(2), whose child runs on its caller's stack: no frame of ours may be
 * there when it is made.  proc_vfork() says where libc's own is.
 */
	.text
	.globl	vfork, __vfork
	.type	vfork, @function
	.type	__vfork, @function
	.p2align 4
vfork:
__vfork:
	.cfi_startproc
	sub	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	proc_vfork
	add	$8, %rsp
	.cfi_adjust_cfa_offset -8
	jmp	*%rax
	.cfi_endproc
	.size	vfork, . - vfork
	.size	__vfork, . - __vfork

	.section .note.GNU-stack, "", @progbits
