/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * threads.c - several threads in one kernel, and several kernels on one machine: flows of TCP,
 * wake-ups, calls that take the same locks.
 */
#include "bench.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- flows --------------------------------------------------------------------------------- */

#define FLOWS	4

struct flow {
	struct bench_pair p;
	atomic_bool *stop;
	int64_t bytes;
};

static void *
flow_send(void *arg)
{
	static _Thread_local char buf[65536];
	struct flow *f = arg;

	while (!atomic_load_explicit(f->stop, memory_order_relaxed))
		CHECK(f->p.c, write, f->p.a, buf, sizeof(buf));
	CHECK(f->p.c, shutdown, f->p.a, SHUT_WR);
	return NULL;
}

static void *
flow_receive(void *arg)
{
	static _Thread_local char buf[65536];
	struct flow *f = arg;
	long n;

	while ((n = CHECK(f->p.c, read, f->p.b, buf, sizeof(buf))) > 0)
		f->bytes += n;
	return NULL;
}

/* Gbit/s of all flows together. */
static double
flows(bench_call c)
{
	struct flow f[FLOWS] = { 0 };
	atomic_bool stop = false;
	pthread_t t[FLOWS][2];
	int64_t bytes = 0, t0;

	for (int i = 0; i < FLOWS; i++)
		f[i] = (struct flow){ bench_tcp_pair(c), &stop, 0 };
	t0 = bench_now();
	for (int i = 0; i < FLOWS; i++) {
		t[i][0] = bench_spawn(flow_receive, &f[i]);
		t[i][1] = bench_spawn(flow_send, &f[i]);
	}
	usleep(bench_duration / 1000);
	stop = true;
	for (int i = 0; i < FLOWS; i++) {
		pthread_join(t[i][0], NULL);
		pthread_join(t[i][1], NULL);
		bytes += f[i].bytes;
	}
	return bytes * 8.0 / (bench_now() - t0);
}

double threads_flows_rump(void) { return flows(bench_embedded(4)); }
double threads_flows_host(void) { return flows(bench_host); }

/* ---- more vCPUs than cores ------------------------------------------------------------------- */

/* Gbit/s of n processes together, each with four vCPUs and its flows. */
static double
kernels(int n)
{
	double total = 0, one;
	int p[2], go[2];
	char c = 0;

	if (pipe(p) != 0 || pipe(go) != 0)
		bench_fail("pipe");
	for (int i = 0; i < n; i++) {
		if (fork() != 0)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(p[0]);
		close(go[1]);
		bench_call call = bench_embedded(4);
		/* Ready; and all at once. */
		if (write(p[1], &total, sizeof(total)) != sizeof(total) || read(go[0], &c, 1) != 0)
			_exit(1);
		one = flows(call);
		_exit(write(p[1], &one, sizeof(one)) != sizeof(one));
	}
	close(p[1]);
	for (int i = 0; i < n; i++)
		if (read(p[0], &one, sizeof(one)) != sizeof(one))
			bench_fail("a kernel does not start");
	close(go[1]);
	for (int i = 0; i < n; i++) {
		if (read(p[0], &one, sizeof(one)) != sizeof(one))
			bench_fail("a kernel has no figure");
		total += one;
	}
	while (wait(NULL) > 0)
		;
	return total;
}

double threads_overcommit(void) { return kernels(3); }
double threads_overcommit_one(void) { return kernels(1); }

/* ---- wake-ups ------------------------------------------------------------------------------------ */

#define SLEEPERS	8
#define SLEEP_NS	50000

struct sleeper {
	bench_call c;
	atomic_bool *stop;
	int64_t late;
	long n;
};

static void *
sleep_on(void *arg)
{
	struct timespec ts = { .tv_nsec = SLEEP_NS };
	struct sleeper *me = arg;
	int64_t t0;

	while (!atomic_load_explicit(me->stop, memory_order_relaxed)) {
		t0 = bench_now();
		CHECK(me->c, nanosleep, &ts, NULL);
		me->late += bench_now() - t0 - SLEEP_NS;
		me->n++;
	}
	return NULL;
}

static void *
call_on(void *arg)
{
	struct sleeper *me = arg;

	while (!atomic_load_explicit(me->stop, memory_order_relaxed))
		CALL(me->c, getppid);
	return NULL;
}

/* us that a sleeper wakes too late, on average; busy threads beside them. */
static double
lateness(bench_call c, int busy)
{
	struct sleeper s[SLEEPERS + 4];
	pthread_t t[SLEEPERS + 4];
	atomic_bool stop = false;
	int64_t late = 0;
	long n = 0;

	for (int i = 0; i < SLEEPERS + busy; i++) {
		s[i] = (struct sleeper){ c, &stop, 0, 0 };
		t[i] = bench_spawn(i < SLEEPERS ? sleep_on : call_on, &s[i]);
	}
	usleep(bench_duration / 1000);
	stop = true;
	for (int i = 0; i < SLEEPERS + busy; i++) {
		pthread_join(t[i], NULL);
		late += i < SLEEPERS ? s[i].late : 0;
		n += i < SLEEPERS ? s[i].n : 0;
	}
	return late / 1e3 / n;
}

static int
cores(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 4 ? 4 : n;
}

double threads_late_rump(void) { return lateness(bench_embedded(cores()), cores()); }
double threads_late_host(void) { return lateness(bench_host, cores()); }

/* ---- the same lock from two threads -------------------------------------------------------------- */

struct setter {
	bench_call c;
	atomic_bool *stop;
	long n;
};

static void *
set_on(void *arg)
{
	struct setter *me = arg;
	struct rlimit r;

	CHECK(me->c, getrlimit, RLIMIT_NOFILE, &r);
	for (; !atomic_load_explicit(me->stop, memory_order_relaxed); me->n++)
		CHECK(me->c, setrlimit, RLIMIT_NOFILE, &r);
	return NULL;
}

/* Million calls a second of two threads together. */
static double
setrlimits(bench_call c)
{
	struct setter s[2];
	pthread_t t[2];
	atomic_bool stop = false;
	int64_t t0 = bench_now();

	for (int i = 0; i < 2; i++) {
		s[i] = (struct setter){ c, &stop, 0 };
		t[i] = bench_spawn(set_on, &s[i]);
	}
	usleep(bench_duration / 1000);
	stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	return (s[0].n + s[1].n) * 1e3 / (bench_now() - t0);
}

double threads_rlimit_rump(void) { return setrlimits(bench_embedded(2)); }
double threads_rlimit_host(void) { return setrlimits(bench_host); }

/* ---- one thread, one UDP socket -------------------------------------------------------------------- */

/* Million datagrams a second, of one byte, to a socket that nobody reads. */
static double
sendto_loop(bench_call c)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int from = CHECK(c, socket, AF_INET, SOCK_DGRAM), to = CHECK(c, socket, AF_INET, SOCK_DGRAM);
	socklen_t len = sizeof(sin);
	int64_t t0, t;
	long n = 0;

	CHECK(c, bind, to, &sin, len);
	CHECK(c, getsockname, to, &sin, &len);
	t0 = bench_now();
	do {
		for (int i = 0; i < 500; i++)
			CHECK(c, sendto, from, "x", 1, 0, &sin, sizeof(sin));
		n += 500;
	} while ((t = bench_now()) - t0 < bench_duration);
	return n * 1e3 / (t - t0);
}

double threads_sendto_rump(void) { return sendto_loop(bench_embedded(1)); }
double threads_sendto_host(void) { return sendto_loop(bench_host); }
