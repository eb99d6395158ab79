// SPDX-License-Identifier: GPL-2.0-only
/*
 * uaccess.c - user memory.
 *
 * For a thread of this process a user pointer is a pointer; what makes it safe
 * is that all accesses happen in two ranges of entry.S, from which the host's
 * fault handler returns by a fix-up.  For a sysproxy client's task the pointer
 * means nothing here: sp_mem.c answers from the request, or asks the client.
 */
#include <linux/export.h>
#include <linux/mutex.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <asm/futex.h>
#include <rump/rumpuser.h>
#include "rump.h"

unsigned long rump_user_copy(void *to, const void *from, unsigned long n);
unsigned long rump_user_clear(void *to, unsigned long n);
long rump_user_strncpy(char *to, const char *from, long n);
long rump_user_strnlen(const char *s, long n);
long rump_user_cmpxchg(u32 *p, u32 old, u32 new, u32 *seen);
extern const char rump_user_fast_begin[], rump_user_fast_end[], rump_user_retry[];
extern const char rump_user_begin[], rump_user_end[], rump_user_fixup[];

unsigned long rump_copy_nofault(void *to, const void *from, unsigned long n)
{
	return rump_user_copy(to, from, n);
}

unsigned long rump_copy_from_user(void *to, const void __user *from, unsigned long n)
{
	if (unlikely(current->thread.remote))
		return rump_remote_copy_from(to, (unsigned long)from, n);
	return rump_user_copy(to, (const void __force *)from, n);
}

unsigned long rump_copy_to_user(void __user *to, const void *from, unsigned long n)
{
	if (unlikely(current->thread.remote))
		return rump_remote_copy_to((unsigned long)to, from, n);
	return rump_user_copy((void __force *)to, from, n);
}

unsigned long rump_clear_user(void __user *to, unsigned long n)
{
	if (unlikely(current->thread.remote))
		return rump_remote_clear((unsigned long)to, n);
	return rump_user_clear((void __force *)to, n);
}

long strncpy_from_user(char *dst, const char __user *src, long count)
{
	long n;

	might_fault();
	if (unlikely(count <= 0))
		return 0;
	if (unlikely(current->thread.remote))
		return rump_remote_strncpy(dst, (unsigned long)src, count);
	n = rump_user_strncpy(dst, (const char __force *)src, count);
	return n < 0 ? -EFAULT : n;
}

/* Length with the NUL, more than n if there is none, 0 after a fault. */
long strnlen_user(const char __user *s, long n)
{
	long len;

	might_fault();
	if (unlikely(n <= 0))
		return 0;
	if (unlikely(current->thread.remote))
		len = rump_remote_strncpy(NULL, (unsigned long)s, n);
	else
		len = rump_user_strnlen((const char __force *)s, n);
	return len < 0 ? 0 : len + 1;
}

int rump_futex_cmpxchg(u32 __user *uaddr, u32 old, u32 new, u32 *seen)
{
	if (unlikely(current->thread.remote))
		return -EFAULT;
	return rump_user_cmpxchg((u32 __force *)uaddr, old, new, seen) ? -EFAULT : 0;
}

/*
 * Tries to make memory writable that a device was to write to; bytes that are not.
 * The core's own (--wrap) asks the MMU.  Nothing may change but by this task's call.
 */
size_t __wrap_fault_in_safe_writeable(const char __user *uaddr, size_t size);
size_t __wrap_fault_in_safe_writeable(const char __user *uaddr, size_t size)
{
	size_t n, done = 0;
	char c;

	while (done < size) {
		if (get_user(c, uaddr + done) || put_user(c, (char __user *)uaddr + done))
			break;
		n = PAGE_SIZE - (unsigned long)(uaddr + done) % PAGE_SIZE;
		done += min(n, size - done);
	}
	return size - done;
}

void __init rump_uaccess_init(void)
{
	int err = rumpuser_fault_fixup(rump_user_fast_begin, rump_user_fast_end, rump_user_retry);

	if (!err)
		err = rumpuser_fault_fixup(rump_user_begin, rump_user_end, rump_user_fixup);
	if (err)
		panic("no fault fix-up: %d", err);
}
