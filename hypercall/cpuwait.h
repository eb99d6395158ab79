/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cpuwait.h - how a sysproxy server (sp*.c) takes over the waiting of the vCPU
 * helper threads, so that one sleep serves both the kernel and the clients'
 * sockets.  While no server is set, a helper sleeps in a futex (cpuwait.c).
 */
#ifndef HYPERCALL_CPUWAIT_H
#define HYPERCALL_CPUWAIT_H

#include <stdint.h>

struct cpuwait_ops {
	/*
	 * Waits while *word == expected, until deadline, or for I/O, which it
	 * serves (upcalls run from here).  Results as rumpuser_wait().
	 */
	int (*io_wait)(unsigned int cpu, uint32_t *word, uint32_t expected, int64_t deadline);
	/* *word has changed: end io_wait() of that cpu.  No host call if none is in it. */
	void (*io_kick)(unsigned int cpu, uint32_t *word);
	/* Serves I/O without waiting. */
	void (*io_poll)(unsigned int cpu);
	/* Placeholders: call upcalls->ph_gone(cookie) when far hangs up; no longer, and close. */
	int (*ph_watch)(int far, void *cookie);
	void (*ph_close)(int far);
};

/*
 * Makes ops (static, never changed again) the server's; NULL: none any more.
 * Helper threads that sleep in the old way are woken and come back in the new;
 * returns when the last one has.  A server that leaves must end its own waits.
 */
void cpuwait_set_ops(const struct cpuwait_ops *ops);

/*
 * The eventfd that ends a server's wait; made when it is first asked for, since threads with
 * descriptors of their own (hostfd_keep_only) must have it before there is a server.
 */
int cpuwait_kick_fd(void);

#endif
