/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * copy.h - what copying a tree (copy.c) and its attributes (attr.c) share.
 */
#ifndef UKFS_COPY_H
#define UKFS_COPY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include <rump/ukfs.h>

#include "list.h"

/* Both kernels have the same system calls: a side is how to make them. */
struct side {
	ukfs_call *kernel;
	const char *label;		/* in front of names in messages: the image */
};

/* on(side, nr, ...): integers or pointers; value or -errno. */
#define on(side, ...)	on_pick(side, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define on_pick(side, nr, a, b, c, d, e, ...)	\
	((side)->kernel(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0))

/* What the destination did not keep of something. */
enum lost { LOST_OWNER, LOST_MODE, LOST_TIME, LOST_XATTR, LOST_KINDS };

struct copy {
	struct side from, to;
	const struct ukfs_copy *how;
	struct ukfs_progress progress;
	int error;			/* the first */
	bool stop;			/* progress() has said so */
	unsigned long lost[LOST_KINDS];
	char *first_lost[LOST_KINDS];	/* the name of the first */
	char *path;			/* of what is at work, for messages */
	char *rel;			/* of its copy, from the directory that all is in */
	struct links *links;
	int top;			/* the directory that all is in */
	dev_t top_dev;			/* the copy itself, if it is a directory */
	ino_t top_ino;
	char *buf;			/* for data */
};

/* A thing on one side: its name in an open directory. */
struct thing {
	const struct side *side;
	int dir;
	const char *name;
};

void copy_lost(struct copy *c, enum lost kind);
/* After one line about what is at work; the first error is kept. */
int copy_fail(struct copy *c, int error, const char *what);

/* Owners, mode, extended attributes and ACLs, times; st is that of from. */
void attr_copy(struct copy *c, const struct thing *from, const struct thing *to,
    const struct stat *st);

#endif
