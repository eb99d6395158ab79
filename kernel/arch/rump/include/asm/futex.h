/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_RUMP_FUTEX_H
#define _ASM_RUMP_FUTEX_H

#include <linux/compiler.h>
#include <linux/types.h>
#include <linux/uaccess.h>
#include <asm/errno.h>

int rump_futex_cmpxchg(u32 __user *uaddr, u32 old, u32 new, u32 *val);

static inline int futex_atomic_cmpxchg_inatomic(u32 *uval, u32 __user *uaddr, u32 old, u32 new)
{
	return rump_futex_cmpxchg(uaddr, old, new, uval);
}

static inline int arch_futex_atomic_op_inuser(int op, u32 oparg, int *oval, u32 __user *uaddr)
{
	u32 old, seen, new;
	int r;

	if (raw_copy_from_user(&old, uaddr, sizeof(old)))
		return -EFAULT;
	for (;; old = seen) {
		switch (op) {
		case FUTEX_OP_SET:	new = oparg; break;
		case FUTEX_OP_ADD:	new = old + oparg; break;
		case FUTEX_OP_OR:	new = old | oparg; break;
		case FUTEX_OP_ANDN:	new = old & ~oparg; break;
		case FUTEX_OP_XOR:	new = old ^ oparg; break;
		default:		return -ENOSYS;
		}
		r = rump_futex_cmpxchg(uaddr, old, new, &seen);
		if (r)
			return r;
		if (seen == old)
			break;
	}
	*oval = old;
	return 0;
}

#endif
