// SPDX-License-Identifier: GPL-2.0-only
/*
 * sp_exec.c - a client process that executes another program.
 *
 * What exec keeps, it keeps because the process here is the same: its first task, the
 * leader, outlives its channel, and when all channels have hung up but the heir
 * (rump_sp.h), it goes on with that one.  So the process keeps its pid, descriptors,
 * working directory, root, umask and credentials, and loses its other threads, its
 * timers and what is close-on-exec.
 *
 * The heir is one word of the process: nobody, a channel, or REFUSED once the leader
 * is gone.  One that has hung up (execve() failed) stays there until the next comes.
 *
 * Limits: the credentials are those of the process's first thread.
 */
#include <linux/fdtable.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include "sp.h"

#define REFUSED		((struct sp_task *)-1L)
#define THREADS_TIMEOUT	(10 * HZ)	/* for the other threads' calls to end */

static void drop(struct sp_task *heir)
{
	if (heir && heir != REFUSED)
		sp_end(heir);
}

void sp_heir_refuse(struct sp_proc *p)
{
	drop(xchg(&p->heir, REFUSED));
}

void sp_new_exec(struct sp_task *st)
{
	struct sp_proc *p = sp_proc_join(&st->hello->cookie);
	struct sp_task *old;

	if (!p) {
		sp_refuse(st, -ESRCH);
		return;
	}
	st->proc = p;
	if (!p->leader) {
		/* it had ended before the process became a client's */
		sp_proc_left(p);
		sp_refuse(st, -ESRCH);
		return;
	}
	st->task = get_task_struct(p->leader);
	sp_hello_reply(st, 0);
	/* for its hang-up; what it says is the leader's to hear */
	rumpuser_sp_own(st->chan, st);
	old = READ_ONCE(p->heir);
	do {
		if (old == REFUSED) {
			sp_end(st);
			return;
		}
	} while (!try_cmpxchg(&p->heir, &old, st));
	drop(old);
	wake_up(&p->wait);
}

/* The old program is gone, and the new one is there. */
static bool executed(struct sp_proc *p)
{
	struct sp_task *heir = READ_ONCE(p->heir);

	return heir && heir != REFUSED && atomic_read(&p->live) == 1 && !READ_ONCE(heir->hup);
}

static bool ended(struct sp_proc *p)
{
	return atomic_read(&p->live) == 0;
}

/* What exec does to a process, in its leader. */
static void become_next(struct sp_proc *p)
{
	long left = THREADS_TIMEOUT;

	/* the leader and the agent remain */
	while (get_nr_threads(current) > 2 && left > 0 && !fatal_signal_pending(current))
		left -= 1 + schedule_timeout_killable(1);
	exit_itimers(current);
	do_close_on_exec(current->files);
}

static struct sp_task *next_channel(struct sp_proc *p)
{
	if (wait_event_killable(p->wait, executed(p) || ended(p)) || !executed(p))
		return NULL;
	become_next(p);
	return xchg(&p->heir, NULL);
}

void sp_lead(struct sp_proc *p, struct sp_task *st)
{
	/* p is the channels', and the next one may be the last */
	kref_get(&p->ref);
	do {
		if (st) {
			sp_serve(st);
			current->thread.remote = NULL;
			current->thread.sigs = NULL;
			sp_end(st);
		}
		st = next_channel(p);
	} while (st);
	sp_heir_refuse(p);
	sp_proc_put(p);
}
