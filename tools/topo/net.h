/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net.h - a topology that runs: its servers, their set-up, and commands in them.
 *
 * Failures are said on stderr in one line, and returned as -1.
 */
#ifndef TOOLS_TOPO_NET_H
#define TOOLS_TOPO_NET_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "file.h"

struct net {
	const struct topo *topo;
	const char *path;		/* of the file, for messages */
	const char *name;		/* of the topology */
	char cwd[PATH_MAX];		/* of the commands: where the file is */
	char dir[PATH_MAX];		/* sockets and segments; short, and only ours */
	char out[PATH_MAX];		/* logs and captures */
	bool bound;			/* the servers end when this process does */
	pid_t *servers;			/* by kernel; 0: not running (or not our child) */
};

/* Set by a signal that asks for an end: whatever is waited for is given up. */
extern volatile int net_stop;

/* The URL of a kernel's server; in a static buffer. */
const char *net_url(const struct net *n, unsigned int kernel);

/* All servers, at once; returns when they are ready. */
int net_start(struct net *n);
/* sysctl, link, addr, route and the links' netem; the kernels at the same time. */
int net_configure(struct net *n);
/* Ends what servers are children of ours; the rest is removed with dir. */
void net_end(struct net *n);

/* netem on all interfaces of a link; NULL: nothing gets through. */
int net_netem(struct net *n, unsigned int link, const struct topo_netem *netem);

/*
 * Starts "sh -c command" in a kernel (or TOPO_HOST), with input, if not NULL, as its
 * standard input (else /dev/null).  background: in a process group of its own, its output
 * in out/LOG.log, and it ends with us.
 */
pid_t net_spawn(struct net *n, int kernel, const char *command, const char *input,
    const char *log);
/* The status of waitpid(2), once it has ended; -1: net_stop was set, and it was ended. */
int net_wait(pid_t pid);

#endif
