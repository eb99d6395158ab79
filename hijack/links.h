/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * links.h - symbolic links that lead from one kernel's names into the other's.
 */
#ifndef HIJACK_LINKS_H
#define HIJACK_LINKS_H

#include "hijack.h"

/* ---- look.c: cheap questions, in general registers only ------------------------------ */

/* Could a call have failed with this because a link leads into the other kernel? */
static inline int links_error(long err)
{
	return err == -ENOENT || err == -ENOTDIR || err == -EACCES || err == -EROFS;
}

/* Is a link at the end of path i of a call followed?  RUMP_P_FOLLOW, _LINK or _NAME. */
int links_last(long nr, const long a[6], int i);
/* The flags of a call that opens a name. */
uint64_t links_open_flags(long nr, const long a[6]);
/* Are its names to lead nowhere else: by openat2(2), or since a seccomp filter watches over it? */
int links_forbidden(long nr, const long a[6]);
/* Could there be a link in this name of the host?  last as links_last(). */
int links_maybe(int dirfd, const char *path, int last);
/* Could this call create a file of the host where a link leads into a prefix? */
int links_creates(long nr, const long a[6]);

/* ---- links.c ----------------------------------------------------------------------------- */

/* Looks at what the host has at the scope's prefixes. */
void links_init(void);
/*
 * The program's name of (dirfd, path), without links before its last component, into buf;
 * 0 or -errno.
 */
int links_resolve(int dirfd, const char *path, char buf[PATH_BUF]);
/*
 * Do links lead this name into the other kernel?  Then buf gets the program's name of what they
 * lead to.  last: as links_last(); ahead: only out of the host.  LEADS_OUT: a link at its end has
 * led into the host, where nothing is to be created by it.
 */
#define LEADS		1
#define LEADS_OUT	2
int links_lead(int dirfd, const char *path, int last, int ahead, char buf[PATH_BUF]);
/*
 * If so of one of a call's names, the call is made by fn, with what they lead to: 1, and *ret is
 * its result.  err: what it has failed with before, or 0 (ahead).
 */
int links_follow(long nr, const long a[6], long err, hijack_fn *fn, long *ret);

#endif
