/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * child.h - back ends as processes, which can die without harm: programs of ours that are
 * started, and started again.
 *
 * A child sends no signal when it ends, and no wait(2) of the program sees it.
 */
#ifndef HYPERCALL_CHILD_H
#define HYPERCALL_CHILD_H

#include <limits.h>
#include <stdbool.h>

#define CHILD_FD	3	/* its first descriptor of ours */
#define CHILD_FDS	4

struct child {
	char program[PATH_MAX];
	const char *argv[3];
	bool tied;		/* killed when the thread that started it ends */
};

/*
 * Finds the program called name: in bin, beside librumpuser.so's directory.  0, or
 * -ENOENT with the place where it should be in c->program (which is "" if that is not known).
 */
int child_find(struct child *c, const char *name);

/*
 * Starts it, with nfds descriptors from fds as its CHILD_FD and up, and of ours only 0 to 2
 * beside them.  Its pid, or -errno, also of the exec.
 */
int child_start(const struct child *c, const int *fds, unsigned int nfds);

/* Whether it has ended (wait: waits for that); it stays a zombie. */
bool child_ended(int pid, bool wait);
void child_kill(int pid);
/* Waits for its end; its number is free then. */
void child_reap(int pid);

#endif
