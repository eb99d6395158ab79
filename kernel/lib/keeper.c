/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * keeper.c - a process hands its kernel to another one, the keeper, so that the kernel
 * outlives an exec, and is there for the children of a fork.
 *
 * Theory of operation.  All of a kernel that nobody runs is memory: its RAM, which is a
 * shared mapping, and the data of this library, which a copy of the process has, too.
 * So the keeper is a copy of the process, made while the kernel stands still:
 *
 *  1. freeze (arch/rump/kernel/keeper.c): no thread of the program is in a call, or will
 *     begin one, and no vCPU runs.  What was submitted to block devices is awaited, and
 *     their threads end.
 *  2. fork (hypercall/keeper.c).  The copy keeps RAM, the library and the kernel's own
 *     descriptors (the far ends of placeholders, images, with their locks), gives
 *     everything else back, and is nobody's child.
 *  3. The keeper thaws the kernel with helper threads of its own, listens on an abstract
 *     name, and makes the program's process a client's (sp_proc_keep()).  The program's
 *     threads lose their tasks; its process with descriptors, directory and so on stays.
 *  4. The program lets go of RAM and descriptors.  Calls are told so (RUMP_EMOVED), and
 *     rumpclient makes them again as the client that it is now.
 *
 * The keeper ends when no client, no process and no placeholder is left, and unmounts
 * before that; it does so at SIGTERM, too.
 *
 * If the fork fails, the kernel goes on here as if nothing had happened.
 *
 * Limits: a call that nothing interrupts for ten seconds prevents it (-EBUSY), and so
 * does a kernel that is a server already, or has threads at work in the host: interfaces
 * with links, host directories.  Threads get new task ids; what belongs to a
 * task and not to the process (a timeout that was running) begins anew.  The keeper's
 * memory holds what the program had at that time.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <rump/rump.h>
#include <rump/rumpuser.h>
#include <rump/rumpuser_sp.h>

#include "etfs.h"
#include "init.h"
#include "rumpk.h"
#include "shutdown.h"

#define WORKERS_MS	100
#define LOOK_MS	200		/* without a client, at what else may hold the kernel */

struct answer {
	int err;
	struct rump_sp_cookie cookie;
};

/* Until SIGTERM, or until nobody needs the kernel any more. */
static void keep(int fd)
{
	struct pollfd p[3] = {
		{ .fd = rumpuser_sp_eventfd(), .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
		{ .events = POLLIN },
	};
	uint64_t n;
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	p[2].fd = signalfd(-1, &term, SFD_CLOEXEC);
	for (;;) {
		poll(p, 3, rumpuser_sp_clients() ? -1 : LOOK_MS);
		if (p[2].revents)
			break;
		if (p[0].revents && read(p[0].fd, &n, sizeof(n)) < 0)
			break;
		if (p[1].revents) {
			/* the program is a client now, or gone */
			p[1].fd = -1;
			rumpk_keep_done();
			rumpuser_keeper_close(fd);
		}
		if (p[1].fd < 0 && !rumpuser_sp_clients() && !rumpk_in_use())
			break;
	}
}

static void keeper(void *url, int fd)
{
	struct answer a = { 0 };

	a.err = etfs_resume();
	if (!a.err)
		a.err = rumpk_thaw(true);
	if (!a.err) {
		rumpuser_sp_trust();
		a.err = rumpk_sp_start(url);
	}
	if (!a.err)
		a.err = rumpk_keep(&a.cookie);
	if (!a.err)
		a.err = rumpk_keep_watch();
	fd = rumpuser_keeper_hold(fd);
	rumpuser_keeper_send(fd, &a, sizeof(a));
	if (!a.err)
		keep(fd);
	rump_pub_shutdown();
}

static void make_url(char *url, size_t size)
{
	uint64_t r[2];

	rumpuser_getrandom(r, sizeof(r));
	snprintf(url, size, "unix://@rump-keeper-%016llx%016llx", (unsigned long long)r[0],
	    (unsigned long long)r[1]);
}

/* Those of block devices, which were told to end, may take a moment. */
static bool workers_left(void)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	unsigned int i;

	for (i = 0; i < WORKERS_MS && rumpuser_thread_workers(); i++)
		nanosleep(&ms, NULL);
	return rumpuser_thread_workers() != 0;
}

static int give_up(int err)
{
	if (etfs_resume())
		rumpuser_warn("a block device has stopped for lack of threads");
	rumpk_thaw(false);
	return err;
}

int rump_pub_keeper(struct rump_keeper *k)
{
	struct answer a;
	int err;

	if (!init_begun())
		return -ENODEV;
	err = rump_init();
	if (err)
		return err;
	if (rumpuser_sp_eventfd() >= 0)
		return -EBUSY;
	make_url(k->url, sizeof(k->url));
	err = rumpk_freeze();
	if (err)
		return err;
	etfs_pause();
	if (workers_left())
		return give_up(-EBUSY);
	k->hold = rumpuser_keeper_fork(keeper, k->url);
	if (k->hold < 0)
		return give_up(k->hold);
	if (rumpuser_keeper_recv(k->hold, &a, sizeof(a)))
		a.err = -EPIPE;
	rumpk_leave();
	shutdown_elsewhere();
	rumpuser_keeper_left();
	if (a.err) {
		rumpuser_keeper_close(k->hold);
		rumpuser_warn("the keeper of the kernel does not start: error %d", -a.err);
		return -EPIPE;
	}
	k->id = a.cookie.id;
	k->secret = a.cookie.secret;
	return 0;
}

void rump_pub_keeper_joined(struct rump_keeper *k)
{
	rumpuser_keeper_close(k->hold);
}
