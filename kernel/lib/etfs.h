/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * etfs.h - host files as block devices, for the rest of kernel/lib.
 */
#ifndef RUMPLIB_ETFS_H
#define RUMPLIB_ETFS_H

#include <stdbool.h>
#include <stdint.h>

#define ETFS_NAME_LEN	32	/* Linux's DISK_NAME_LEN, NUL included */

/*
 * The device that mounts of hostpath use, made if there is none yet: its name
 * ("img0") in name; *rdonly says what is wanted, then what it is; *made: it is new.
 * isolated: a new one's I/O is made in a process of its own.
 */
int etfs_image(const char *hostpath, bool isolated, bool *rdonly, char name[ETFS_NAME_LEN],
    bool *made);

/* Removes a device by its name. */
int etfs_remove(const char *name);

/* Nothing is under way with any device, until they go on: 0 or -errno. */
void etfs_pause(void);
int etfs_resume(void);

/* After rumpk_shutdown(): gives the host its files back. */
void etfs_close_all(void);

#endif
