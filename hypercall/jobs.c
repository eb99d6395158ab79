/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * jobs.c - a pool of threads (jobs.h).
 *
 * One thread more than are busy exists, up to WORKERS_MAX, so that a job never waits for
 * another one's disk; they stay until the pool is stopped.  Of those that are idle, the one
 * that was busy last gets the next job: its caches are warm, and it may still be awake.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "internal.h"
#include "jobs.h"

#define WORKERS_MAX	16

struct worker {
	struct worker *next;		/* in idle */
	uint32_t called;
};

struct jobs {
	int (*enter)(void *arg);
	void *arg;
	unsigned int spin_ns;
	int err;			/* of enter() */
	pthread_mutex_t lock;		/* all below */
	pthread_cond_t change;		/* for start and stop */
	struct job *head, **tail;
	struct worker *idle;
	unsigned int workers;
	bool ready, closing;
};

static void work(void *arg);

/* With the lock held. */
static int add_worker(struct jobs *j)
{
	int err;

	j->workers++;
	err = rumpuser_thread_create(work, j, "rump-job");
	if (err)
		j->workers--;
	return err;
}

/* With the lock held: somebody who is idle is called; or who, if it is himself. */
static void call_one(struct jobs *j)
{
	struct worker *w = j->idle;

	if (!w)
		return;
	j->idle = w->next;
	__atomic_store_n(&w->called, 1, __ATOMIC_SEQ_CST);
	rumpuser_wake(&w->called);
}

/* With the lock held, which it drops meanwhile. */
static void be_idle(struct jobs *j)
{
	struct worker me = { .next = j->idle };

	/* Taken out by whoever calls, before this function returns. */
	j->idle = &me; /* cppcheck-suppress autoVariables */
	pthread_mutex_unlock(&j->lock);
	while (!__atomic_load_n(&me.called, __ATOMIC_SEQ_CST))
		rumpuser_wait(&me.called, 0, RUMPUSER_FOREVER, j->spin_ns);
	pthread_mutex_lock(&j->lock);
}

static void work(void *arg)
{
	struct jobs *j = arg;
	struct job *job;

	pthread_mutex_lock(&j->lock);
	if (!j->ready) {
		j->err = j->enter ? j->enter(j->arg) : 0;
		j->ready = true;
		pthread_cond_broadcast(&j->change);
	}
	for (;;) {
		while (!(job = j->head) && !j->closing)
			be_idle(j);
		if (!job)
			break;
		j->head = job->next;
		if (!j->head)
			j->tail = &j->head;
		/* Without a spare thread, the next job waits for this one. */
		if (!j->idle && j->workers < WORKERS_MAX && !j->closing)
			add_worker(j);
		pthread_mutex_unlock(&j->lock);
		job->run(job, j->arg);
		pthread_mutex_lock(&j->lock);
	}
	j->workers--;
	pthread_cond_broadcast(&j->change);
	pthread_mutex_unlock(&j->lock);
}

void jobs_add(struct jobs *j, struct job *job)
{
	job->next = NULL;
	pthread_mutex_lock(&j->lock);
	*j->tail = job;
	j->tail = &job->next;
	call_one(j);
	pthread_mutex_unlock(&j->lock);
}

int jobs_start(struct jobs **jobsp, int (*enter)(void *arg), void *arg, unsigned int spin_ns)
{
	struct jobs *j = calloc(1, sizeof(*j));
	int err;

	if (!j)
		return -ENOMEM;
	j->enter = enter;
	j->arg = arg;
	j->spin_ns = spin_ns;
	j->tail = &j->head;
	pthread_mutex_init(&j->lock, NULL);
	pthread_cond_init(&j->change, NULL);
	pthread_mutex_lock(&j->lock);
	err = add_worker(j);
	while (!err && !j->ready)
		pthread_cond_wait(&j->change, &j->lock);
	pthread_mutex_unlock(&j->lock);
	if (err) {
		free(j);
		return err;
	}
	if (j->err) {
		err = j->err;
		jobs_stop(j);
		return err;
	}
	*jobsp = j;
	return 0;
}

void jobs_stop(struct jobs *j)
{
	pthread_mutex_lock(&j->lock);
	j->closing = true;
	while (j->workers) {
		while (j->idle)
			call_one(j);
		pthread_cond_wait(&j->change, &j->lock);
	}
	pthread_mutex_unlock(&j->lock);
	free(j);
}
