/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * file.h - a topology as rump_topo(5) describes it, read into memory.
 *
 * Everything belongs to the struct topo; topo_free() gives it back.
 */
#ifndef TOOLS_TOPO_FILE_H
#define TOOLS_TOPO_FILE_H

#include <stddef.h>

#define TOPO_NAME	32	/* of a kernel, a link, a program in the background; with the NUL */
#define TOPO_IF		16	/* of an interface; with the NUL */
#define TOPO_WHY	320	/* room for what is wrong with a file */

struct topo_kernel {
	char name[TOPO_NAME];
	unsigned int line;
	char *ncpu, *mem;	/* for rump_server's -c and -r; NULL: its defaults */
};

/* Words of tc-netem(8); NULL: not given. */
struct topo_netem {
	char *delay, *jitter, *loss, *reorder, *duplicate, *corrupt, *rate, *limit;
};

struct topo_link {
	char name[TOPO_NAME];
	char *spec;		/* link specification instead of a segment of its own, or NULL */
	char *mtu;
	int pcap;
	struct topo_netem netem;
};

struct topo_if {
	unsigned int kernel, link;	/* indices */
	char name[TOPO_IF];
};

enum topo_what {
	/* set-up, by `up' */
	TOPO_ADDR,	/* text: address/length */
	TOPO_ROUTE,	/* text: arguments of "ip route add" */
	TOPO_SYSCTL,	/* text: KEY=VALUE */
	TOPO_SETUP,	/* the rest have a command as text: must end with 0 */
	/* then, by `run' */
	TOPO_RUN,	/* must end with 0 */
	TOPO_FAIL,	/* must not end with 0 */
	TOPO_UNTIL,	/* again and again, until it ends with 0, at most for ms */
	TOPO_START,	/* in the background, as name */
	TOPO_WAIT,	/* for name, which must end with 0 */
	TOPO_STOP,	/* name, by SIGTERM */
	TOPO_CHANGE,	/* link: from now on netem */
	TOPO_CUT,	/* link: nothing gets through any more */
	TOPO_HEAL,	/* link: as it was declared */
	TOPO_SLEEP,	/* for ms */
};

#define TOPO_HOST	(-1)	/* the kernel of a command for the host itself */

struct topo_step {
	enum topo_what what;
	unsigned int line;
	int kernel;		/* index, or TOPO_HOST */
	unsigned int link;
	char ifname[TOPO_IF];
	char name[TOPO_NAME];
	long ms;
	struct topo_netem netem;
	char *text;
};

struct topo {
	struct topo_kernel *kernels;
	struct topo_link *links;
	struct topo_if *ifs;
	struct topo_step *steps;	/* in the order of the file */
	unsigned int nkernels, nlinks, nifs, nsteps;
};

/*
 * Reads text, which ends with a NUL.  0; -EINVAL and what is wrong in why, with the number
 * of the line in *line; -ENOMEM.  t is to be freed in any case.
 */
int topo_parse(struct topo *t, const char *text, unsigned int *line, char why[TOPO_WHY]);
void topo_free(struct topo *t);

/* The index of what has this name, or -1. */
int topo_find_kernel(const struct topo *t, const char *name);
int topo_find_link(const struct topo *t, const char *name);

#endif
