/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * list.h - the names in a directory, of either kernel.
 */
#ifndef UKFS_LIST_H
#define UKFS_LIST_H

#include <stddef.h>

typedef long ukfs_call(long nr, long a0, long a1, long a2, long a3, long a4, long a5);

struct names {
	char *text;		/* one behind the other, each with its NUL */
	size_t len, room;
};

/* Reads them all, but "." and "..", from descriptor fd of a kernel; 0 or -errno.
 * A name that leads out of the directory is -EIO.  names->text is to be freed. */
int names_read(ukfs_call *kernel, int fd, struct names *names);

#define for_each_name(name, names)	\
	for (name = (names)->text; name < (names)->text + (names)->len; name += strlen(name) + 1)

#endif
