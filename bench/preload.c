/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * preload.c - rows about programs under librumphijack: DIR/bench/calls with and without it, and
 * supervised by rump_trap as if it could not load it.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum how { PLAIN, EMBEDDED, REMOTE, TRAP };

/* The best of several processes: where they lie in memory makes a difference, too. */
#define PROCESSES	5

static double
figure_of_one(enum how how, const char *what)
{
	const char *d = bench_dir;
	char cmd[8192];
	double v;
	FILE *f;
	long ms = bench_duration / 1000000 / PROCESSES;

	if (how == TRAP)
		snprintf(cmd, sizeof(cmd), "%s/bin/rump_trap %s/bench/calls calls %s %ld", d, d, what, ms);
	else if (how == PLAIN)
		snprintf(cmd, sizeof(cmd), "%s/bench/calls %s %ld", d, what, ms);
	else
		snprintf(cmd, sizeof(cmd), "LD_PRELOAD=%s/lib/librumphijack.so %s/bench/calls %s %ld", d, d,
		    what, ms);
	if ((f = popen(cmd, "r")) == NULL || fscanf(f, "%lf", &v) != 1)
		bench_fail("%s: no figure", cmd);
	pclose(f);
	return v;
}

static double
figure(enum how how, const char *what)
{
	double best = 0, v;
	int rate = strcmp(what, "accept") == 0;

	if (how == REMOTE || how == TRAP)
		bench_server_start(-1);
	for (int i = 0; i < PROCESSES; i++) {
		v = figure_of_one(how, what);
		if (i == 0 || (rate ? v > best : v < best))
			best = v;
	}
	return best;
}

/* What the library adds. */
static double
added(const char *what)
{
	double with = figure(EMBEDDED, what);

	return with - figure(PLAIN, what);
}

double preload_read(void) { return figure(EMBEDDED, "read"); }
double preload_read_plain(void) { return figure(PLAIN, "read"); }
double preload_poll(void) { return added("poll"); }
double preload_epoll(void) { return figure(EMBEDDED, "epoll"); }
double preload_epoll_plain(void) { return figure(PLAIN, "epoll"); }
double preload_exec(void) { return added("exec"); }
double preload_fork(void) { return figure(EMBEDDED, "fork"); }
double preload_fork_plain(void) { return figure(PLAIN, "fork"); }
double preload_mixed(void) { return added("mixed") / 1e3; }
double preload_datagram(void) { return figure(EMBEDDED, "datagram"); }
double preload_datagram_plain(void) { return figure(PLAIN, "datagram"); }
double preload_accept(void) { return figure(EMBEDDED, "accept"); }
double preload_accept_remote(void) { return figure(REMOTE, "accept"); }
double preload_trap(void) { return figure(TRAP, "name") / 1e3; }
double preload_name(void) { return figure(REMOTE, "name") / 1e3; }
double preload_accept_plain(void) { return figure(PLAIN, "accept"); }
