/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * door.h - signals wait at the door (door.c).
 */
#ifndef HIJACK_DOOR_H
#define HIJACK_DOOR_H

#include <stdbool.h>
#include <stdint.h>

#include "../hypercall/hostsig.h"

static inline uint64_t door_bit(int sig)
{
	return UINT64_C(1) << (sig - 1);
}

/* Signals that the calling thread's handlers wait for. */
extern __thread volatile uint64_t door_waiting __attribute__((tls_model("initial-exec")));
/*
 * The thread is outside, and some wait: runs the handlers, which need not return.  nr: the call
 * that is over.  True: the call may be made again, as far as the handlers are concerned.
 */
bool door_open(long nr);
/*
 * A call of the host inside, that may sleep.  mask: that which the call itself sets for the
 * time of its sleep, or NULL.  -EINTR, or -RUMP_ERESTARTSYS: a signal waits.
 */
long door_wait(long nr, const long a[6], const void *mask);
/*
 * Inside: the call's result was one of -RUMP_ERESTART...; the result of the repetition, or
 * -EINTR, or (-RUMP_ERESTARTSYS) it is for a caller further out to do it again.
 */
long door_again(long nr, const long a[6], long ret);
/* Is it one of the calls in which a thread can be cancelled? */
bool door_may_cancel(long nr);
/* rt_sigaction(2) as the program sees it; sig is one of the host's. */
long door_sigaction(int sig, const struct hostsig_action *new, struct hostsig_action *old);
void door_init(void);

#endif
