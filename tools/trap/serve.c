/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * serve.c - takes calls from the listener, and answers them.
 *
 * One thread at a time, the leader, takes calls and carries them out.  Before it does what
 * may last (serve_lasts()), it sees that another one takes its place.  So there are as many
 * threads as calls that last, and a call that does not last wakes nobody but who waits for it.
 *
 * The host runs who is woken by a call, or by its answer, where the other was (Linux 6.6):
 * they take turns anyway, and another CPU would have to be woken first.
 *
 * A target that waits for us is not woken by signals (WAIT_KILLABLE_RECV), because a
 * read that was done cannot be undone.  So who waits for calls looks from time to time
 * at those that last: one whose target has a handler to run ends with EINTR, one whose
 * target is dead is given up.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "trap.h"

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS	SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP	(1UL << 0)
#endif

#define WORKERS_MAX	512
#define LOOK_MS		50

static struct worker {
	pthread_t thread;
	int used;
	struct call *call;		/* under way; NULL: none */
	int looks;			/* how often it was found to be */
} workers[WORKERS_MAX];
static __thread struct worker *self;
static __thread struct call *current;
static pthread_mutex_t lead = PTHREAD_MUTEX_INITIALIZER;	/* who waits for calls */
static pthread_mutex_t state = PTHREAD_MUTEX_INITIALIZER;	/* of workers */
static int listener, spare, ended;
static atomic_int busy;			/* calls under way */
static sem_t end;

static void *work(void *arg);

/* state is locked. */
static void hire(void)
{
	int i;

	for (i = 0; i < WORKERS_MAX && workers[i].used; i++)
		;
	if (i == WORKERS_MAX)
		return;
	workers[i].used = 1;
	spare++;
	if (pthread_create(&workers[i].thread, NULL, work, &workers[i])) {
		workers[i].used = 0;
		spare--;
	}
}

/* Ends calls that are not wanted any more: by the dead, or by a handler, if they last. */
static void look_at_calls(int handlers)
{
	struct worker *w;

	pthread_mutex_lock(&state);
	for (w = workers; w < workers + WORKERS_MAX; w++)
		if (w->call && (!target_valid(w->call) ||
		    (handlers && w->looks++ && target_signalled(w->call->tid))))
			pthread_kill(w->thread, SIGUSR1);
	pthread_mutex_unlock(&state);
}

void give_up_calls(void)
{
	look_at_calls(0);
}

/* The next call.  0; -1: there is no target any more. */
static int take(struct call *c)
{
	struct pollfd p[2] = { { listener, POLLIN, 0 }, { object_gone_fd(), POLLIN, 0 } };
	struct seccomp_notif req;
	int n;

	for (;;) {
		n = poll(p, 2, busy ? LOOK_MS : -1);
		if (n == 0)
			look_at_calls(1);
		if (n <= 0)
			continue;
		if (p[1].revents)
			object_reap();
		if (p[0].revents & POLLIN) {
			memset(&req, 0, sizeof(req));
			if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &req) == 0)
				break;
		} else if (p[0].revents) {
			return -1;
		}
	}
	c->listener = listener;
	c->answered = 0;
	c->used = 0;
	c->id = req.id;
	c->tid = req.pid;
	c->nr = req.data.nr;
	memcpy(c->a, req.data.args, sizeof(c->a));
	return 0;
}

static void answer(const struct call *c, long ret)
{
	struct seccomp_notif_resp resp = { .id = c->id };

	if (c->answered)
		return;
	if (ret == CALL_CONTINUE)
		resp.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	else if (ret < 0)
		resp.error = ret;
	else
		resp.val = ret;
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp);	/* it may have died */
}

void serve_lasts(void)
{
	if (self->call)
		return;
	pthread_mutex_lock(&state);
	self->looks = 0;
	self->call = current;
	busy++;
	if (--spare == 0)
		hire();
	pthread_mutex_unlock(&state);
	pthread_mutex_unlock(&lead);
}

/* The call that was under way has been carried out: the next leader but one, perhaps. */
static void be_spare(void)
{
	pthread_mutex_lock(&state);
	self->call = NULL;
	busy--;
	spare++;
	pthread_mutex_unlock(&state);
	pthread_mutex_lock(&lead);
}

static void *work(void *arg)
{
	struct call c;
	sigset_t set;

	self = arg;
	current = &c;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	pthread_mutex_lock(&lead);
	while (!ended && take(&c) == 0) {
		answer(&c, call_do(&c));
		if (self->call)
			be_spare();
	}
	ended = 1;
	pthread_mutex_unlock(&lead);
	sem_post(&end);
	for (;;)
		pause();		/* the process is about to end */
	return NULL;
}

static void nothing(int sig)
{
	(void)sig;
}

void serve(int fd)
{
	struct sigaction sa = { .sa_handler = nothing };	/* without SA_RESTART */

	uint64_t flags = SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP;

	listener = fd;
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, flags);	/* an older host has not got it */
	sem_init(&end, 0, 0);
	sigaction(SIGUSR1, &sa, NULL);
	pthread_mutex_lock(&state);
	hire();
	pthread_mutex_unlock(&state);
	while (sem_wait(&end))
		;
}
