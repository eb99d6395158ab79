/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * steps.c - the commands of a topology, in their order: each is shown, runs, and must end
 * as the file says; the first that does not ends the run.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../rump.h"
#include "steps.h"

#define AGAIN_MS	100	/* between two tries of `until' */
#define END_MS		3000	/* for a program in the background to end by SIGTERM */
#define TICK_MS		10

/* What was started, by the index of its step. */
static pid_t *background;

static void pause_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);		/* a signal ends it: net_stop */
}

static const char *kernel_name(const struct net *n, int k)
{
	return k == TOPO_HOST ? "host" : n->topo->kernels[k].name;
}

static int failed(const struct net *n, const struct topo_step *s, int status)
{
	if (net_stop)
		return -1;
	fprintf(stderr, "rump: topo: %s:%u: ", n->path, s->line);
	if (status == -1)
		fprintf(stderr, "could not be run\n");
	else if (WIFSIGNALED(status))
		fprintf(stderr, "%s: ended by signal %d (%s): %s\n", kernel_name(n, s->kernel),
			WTERMSIG(status), strsignal(WTERMSIG(status)), s->text);
	else
		fprintf(stderr, "%s: exit status %d%s: %s\n", kernel_name(n, s->kernel),
			WEXITSTATUS(status), s->what == TOPO_FAIL ? ", and it was to fail" : "",
			s->text);
	return -1;
}

static void show(const struct net *n, const struct topo_step *s, const char *what)
{
	printf("[%s] %s%s\n", kernel_name(n, s->kernel), what, s->text);
	fflush(stdout);
}

static int run_once(struct net *n, const struct topo_step *s)
{
	pid_t pid = net_spawn(n, s->kernel, s->text, NULL, NULL);

	return pid < 0 ? -1 : net_wait(pid);
}

/* ---- one function for each kind of step ------------------------------------------------ */

static int do_run(struct net *n, const struct topo_step *s)
{
	int status;

	show(n, s, "");
	status = run_once(n, s);
	return status ? failed(n, s, status) : 0;
}

static int do_fail(struct net *n, const struct topo_step *s)
{
	int status;

	show(n, s, "must fail: ");
	status = run_once(n, s);
	return status == -1 || !WIFEXITED(status) || !WEXITSTATUS(status) ?
	    failed(n, s, status) : 0;
}

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int do_until(struct net *n, const struct topo_step *s)
{
	long end = now_ms() + s->ms;
	int status;

	show(n, s, "until it succeeds: ");
	while ((status = run_once(n, s)) > 0 && now_ms() < end && !net_stop)
		pause_ms(AGAIN_MS);
	return status ? failed(n, s, status) : 0;
}

static unsigned int index_of_start(const struct net *n, const char *name)
{
	unsigned int i;

	for (i = 0; n->topo->steps[i].what != TOPO_START || strcmp(n->topo->steps[i].name, name); i++)
		;
	return i;
}

static int do_start(struct net *n, const struct topo_step *s)
{
	pid_t pid;

	show(n, s, "in the background: ");
	pid = net_spawn(n, s->kernel, s->text, NULL, s->name);
	background[s - n->topo->steps] = pid > 0 ? pid : 0;
	return pid > 0 ? 0 : -1;
}

static int do_wait(struct net *n, const struct topo_step *s)
{
	unsigned int i = index_of_start(n, s->name);
	int status;

	printf("[%s] wait for %s\n", kernel_name(n, n->topo->steps[i].kernel), s->name);
	fflush(stdout);
	if (!background[i]) {
		fprintf(stderr, "rump: topo: %s:%u: %s does not run any more\n", n->path, s->line,
			s->name);
		return -1;
	}
	status = net_wait(background[i]);
	if (status != -1)
		background[i] = 0;
	return status ? failed(n, &n->topo->steps[i], status) : 0;
}

/* By SIGTERM to its process group; and if that does not help, SIGKILL. */
static void end_background(unsigned int i)
{
	long end = now_ms() + END_MS;

	if (!background[i])
		return;
	kill(-background[i], SIGTERM);
	while (waitpid(background[i], NULL, WNOHANG) == 0) {
		if (now_ms() >= end)
			kill(-background[i], SIGKILL);
		pause_ms(TICK_MS);
	}
	kill(-background[i], SIGKILL);		/* what it has left */
	background[i] = 0;
}

static int do_stop(struct net *n, const struct topo_step *s)
{
	unsigned int i = index_of_start(n, s->name);

	printf("[%s] stop %s\n", kernel_name(n, n->topo->steps[i].kernel), s->name);
	fflush(stdout);
	end_background(i);
	return 0;
}

static int do_link(struct net *n, const struct topo_step *s)
{
	const struct topo_link *l = &n->topo->links[s->link];

	printf("link %s: %s\n", l->name, s->what == TOPO_CUT ? "cut" :
	       s->what == TOPO_HEAL ? "healed" : "changed");
	fflush(stdout);
	return net_netem(n, s->link, s->what == TOPO_CUT ? NULL :
			 s->what == TOPO_HEAL ? &l->netem : &s->netem);
}

static int do_sleep(struct net *n, const struct topo_step *s)
{
	(void)n;
	pause_ms(s->ms);
	return 0;
}

/* NULL: done before (net_configure()). */
static int (*const kinds[])(struct net *, const struct topo_step *) = {
	[TOPO_ADDR]	= NULL,
	[TOPO_ROUTE]	= NULL,
	[TOPO_SYSCTL]	= NULL,
	[TOPO_SETUP]	= do_run,
	[TOPO_RUN]	= do_run,
	[TOPO_FAIL]	= do_fail,
	[TOPO_UNTIL]	= do_until,
	[TOPO_START]	= do_start,
	[TOPO_WAIT]	= do_wait,
	[TOPO_STOP]	= do_stop,
	[TOPO_CHANGE]	= do_link,
	[TOPO_CUT]	= do_link,
	[TOPO_HEAL]	= do_link,
	[TOPO_SLEEP]	= do_sleep,
};

int steps_setup(struct net *n)
{
	const struct topo_step *s;
	unsigned int i;

	for (i = 0; i < n->topo->nsteps; i++) {
		s = &n->topo->steps[i];
		if (s->what == TOPO_SETUP && (do_run(n, s) || net_stop))
			return -1;
	}
	return 0;
}

int steps_run(struct net *n)
{
	const struct topo_step *s;
	unsigned int i;

	background = calloc(n->topo->nsteps + 1, sizeof(*background));
	if (!background)
		die(1, "topo: out of memory");
	for (i = 0; i < n->topo->nsteps; i++) {
		s = &n->topo->steps[i];
		if (s->what == TOPO_SETUP || !kinds[s->what])
			continue;
		if (kinds[s->what](n, s) || net_stop)
			return -1;
	}
	return 0;
}

void steps_end(struct net *n)
{
	unsigned int i;

	for (i = 0; background && i < n->topo->nsteps; i++)
		end_background(i);
}
