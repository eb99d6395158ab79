/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fault.h - memory that others can take away.
 *
 * A mapping of a file that somebody cuts short gives SIGBUS.  A mapping that is
 * known here is replaced by zeroes of our own at the first such fault, and *flag set: the
 * access goes on, and its owner sees the flag in its own time.
 */
#ifndef HYPERCALL_FAULT_H
#define HYPERCALL_FAULT_H

#include <stdatomic.h>
#include <stddef.h>

int fault_replace(void *start, size_t len, atomic_uint *flag);	/* -ENOSPC */
void fault_replace_end(void *start);

#endif
