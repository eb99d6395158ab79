/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * jobs.h - threads that make blocking calls of the host, so that vCPUs need not.
 */
#ifndef HYPERCALL_JOBS_H
#define HYPERCALL_JOBS_H

struct jobs;

struct job {
	struct job *next;
	void (*run)(struct job *job, void *arg);
};

/*
 * Starts the first thread, which calls enter(arg) before jobs_start() returns; later
 * ones are its children and share its descriptors and directory.  All get arg with each
 * job.  spin_ns: how long a thread looks for the next job before it sleeps.
 */
int jobs_start(struct jobs **jobsp, int (*enter)(void *arg), void *arg, unsigned int spin_ns);
void jobs_add(struct jobs *jobs, struct job *job);
/* Returns when all jobs are done and no thread is left. */
void jobs_stop(struct jobs *jobs);

#endif
