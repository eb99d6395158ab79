/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hostsig.h - rt_sigaction(2) as the host's kernel has it, past the libc
 * function of that name, which a preload library may have replaced.
 */
#ifndef HYPERCALL_HOSTSIG_H
#define HYPERCALL_HOSTSIG_H

#include <signal.h>
#include <stdint.h>

#include "hostcall.h"

#ifndef SA_RESTORER
#define SA_RESTORER	0x04000000
#endif

struct hostsig_action {
	union {
		void (*handler)(int);
		void (*action)(int, siginfo_t *, void *);	/* SA_SIGINFO */
	};
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

/* (fault.c) Where a handler returns to: rt_sigreturn(2). */
void rumpuser_sigreturn(void) __attribute__((visibility("hidden")));

/*
 * Of rumpuser_sigaction(), what concerns a fault (fault.c), and what ends the program
 * (ending.c).  -ENOENT: sig is nothing of that.
 */
int fault_action(int sig, const struct hostsig_action *new, struct hostsig_action *old)
    __attribute__((visibility("hidden")));
int ending_action(int sig, const struct hostsig_action *new, struct hostsig_action *old)
    __attribute__((visibility("hidden")));

static inline long hostsig_action(int sig, const struct hostsig_action *act,
    struct hostsig_action *old)
{
	return host(SYS_rt_sigaction, sig, act, old, sizeof(act->mask));
}

#endif
