/* SPDX-License-Identifier: BSD-2-Clause */
/* outsider.h - programs that the preload library would not reach; also for rump(1). */
#ifndef HIJACK_OUTSIDER_H
#define HIJACK_OUTSIDER_H

/*
 * Why the host's program at (dirfd, path) would not load the library, in words that
 * follow its name; NULL: it will.  path "": dirfd itself.
 */
const char *outsider(int dirfd, const char *path);
/* What it says of a program for the other C library, which has a library like this of its own. */
extern const char outsider_libc[];

#endif
