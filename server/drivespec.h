/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drivespec.h - rump_server's -d: a file of the host as a drive.
 *
 *	key=/dev/NAME,hostpath=FILE,size=host|N[,offset=N][,ro]
 *
 * N is in bytes, or with one of the suffixes k, m, g, t.  The words may come in
 * any order.  A FILE whose name has a comma cannot be given.
 */
#ifndef SERVER_DRIVESPEC_H
#define SERVER_DRIVESPEC_H

#include <stddef.h>
#include <stdint.h>

struct drivespec {
	char key[64];			/* "/dev/NAME" */
	char hostpath[4096];
	uint64_t offset, size;		/* bytes; size 0: to the end of the file */
	int ro;
};

#define DRIVESPEC_WHY	256

/* 0, or -EINVAL and what is wrong in why (DRIVESPEC_WHY bytes), without the spec itself. */
int drivespec_parse(const char *spec, struct drivespec *d, char *why);

/* A number of bytes with an optional suffix; 0 or -EINVAL. */
int drivespec_bytes(const char *s, uint64_t *bytes);

#endif
