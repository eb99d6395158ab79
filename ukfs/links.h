/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * links.h - files with several names that have been copied: the first copy of each,
 * by its name.
 */
#ifndef UKFS_LINKS_H
#define UKFS_LINKS_H

#include <sys/stat.h>

struct links;

struct links *links_new(void);			/* NULL: no memory */
void links_free(struct links *links);
/* NULL: there is none yet. */
const char *links_find(const struct links *links, const struct stat *st);
/* Too little memory for it: the next name becomes a file of its own. */
void links_add(struct links *links, const struct stat *st, const char *name);

#endif
