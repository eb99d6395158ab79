/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rump_trace.h - the system calls of a server's clients as they happen, for `rump trace'.
 *
 * RUMP_CALL_TRACE gives a descriptor.  read(2) from it brings whole records, in the order
 * of the calls, and waits until there is one (O_NONBLOCK, poll(2): as for a pipe); its end
 * comes with the end of the process that was asked for.  The server keeps the last
 * RUMP_TRACE_RECORDS of them for each such descriptor, and drops new ones beyond: a reader
 * that is slow loses records, and is told how many, but nobody waits for it.
 *
 * The calls of processes that have such a descriptor are in none: they would never end.
 */
#ifndef RUMP_RUMP_TRACE_H
#define RUMP_RUMP_TRACE_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdint.h>
#endif

#define RUMP_TRACE_RECORDS	2048	/* that wait for a reader */

enum rump_trace_what {
	RUMP_TRACE_CALL		= 1,	/* a call begins */
	RUMP_TRACE_RETURN	= 2,	/* the call that this thread has begun ends */
};

struct rump_trace_record {
	uint64_t when;			/* the kernel's CLOCK_REALTIME, ns */
	uint64_t lost;			/* records that were dropped right before this one */
	int32_t pid, tid;		/* in the rump kernel */
	uint32_t what;			/* enum rump_trace_what */
	int32_t nr;			/* number of the call; -1: one that no int holds */
	int64_t ret;			/* RETURN: value or -errno */
	uint64_t args[6];
	char comm[16];			/* the thread's name, with a NUL */
};

#endif
