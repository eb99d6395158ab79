/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mount.h - carrying out mount specifications in the rump kernel.
 */
#ifndef RUMPLIB_MOUNT_H
#define RUMPLIB_MOUNT_H

/* Mounts each specification of a list (mountspec.h), in order, up to the first
 * that fails: -errno, after one line that quotes it and begins with who. */
int mount_list(const char *who, const char *list);
/* The same, but for mounting: what is wrong with their text, and host files that are not there
 * (by an absolute path). */
int mount_check(const char *who, const char *list);

/* Unmounts everything but the root, newest first. */
void mount_undo_all(void);

#endif
