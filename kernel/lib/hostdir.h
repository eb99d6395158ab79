/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hostdir.h - directories of the host as sources of mounts, for the rest of kernel/lib.
 */
#ifndef RUMPLIB_HOSTDIR_H
#define RUMPLIB_HOSTDIR_H

#include <stdbool.h>

#define HOSTDIR_TYPE		"hostdir"	/* the file system type */
#define HOSTDIR_TAG_LEN		32

/* A new source for the directory hostpath, in tag. */
int hostdir_add(const char *hostpath, bool rdonly, char tag[HOSTDIR_TAG_LEN]);
/* Removes it, if it is not mounted. */
int hostdir_remove(const char *tag);
/* After rumpk_shutdown(): gives the host its directories back. */
void hostdir_close_all(void);

#endif
