/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dev.h - what lies between an image and its file system: block devices of the rump
 * kernel, each made on the one before.
 *
 * Each maker says on stderr what went wrong and returns -errno.  A stack of devices
 * remembers what was made, and takes it down in reverse.
 */
#ifndef UKFS_DEV_H
#define UKFS_DEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spec.h"

#define DEV_NAME_LEN	64	/* "/dev/ukfs0p1" */
#define DEV_STACK	64

struct dev_stack {
	const char *image;		/* for messages */
	bool rdonly;
	unsigned int n;
	struct dev_made {
		int (*unmake)(const char *name);
		char name[DEV_NAME_LEN];
	} made[DEV_STACK];
};

/* Notes what was made; -ENOSPC, and it is unmade. */
int dev_push(struct dev_stack *ds, int (*unmake)(const char *), const char *name);
/* Unmakes all of it. */
void dev_unmake(struct dev_stack *ds);

/* Makes what s names, down to the device that has the file system: its name in dev. */
int dev_open(struct dev_stack *ds, const struct spec *s, char dev[DEV_NAME_LEN]);

/* ---- devices as such ------------------------------------------------------------- */

/* Exactly len bytes; -errno, -ENODATA beyond the end. */
int dev_read(const char *dev, uint64_t off, void *buf, size_t len);
int64_t dev_size(const char *dev);		/* bytes, or -errno */
/* A small file of the rump kernel (sysfs), without the newline at its end; -errno. */
int dev_read_text(const char *path, char *text, size_t len);

/* ---- the layers: one probe and one opener each --------------------------------------- */

bool luks_probe(const char *dev);
int luks_open(struct dev_stack *ds, const char *keyfile, char dev[DEV_NAME_LEN]);

bool lvm_probe(const char *dev);
/* devs: all physical volumes that are there, dev among them. */
int lvm_open(struct dev_stack *ds, const char *lv, char (*devs)[DEV_NAME_LEN], unsigned int ndevs,
    char dev[DEV_NAME_LEN]);

bool md_probe(const char *dev);
int md_open(struct dev_stack *ds, char (*devs)[DEV_NAME_LEN], unsigned int ndevs,
    char dev[DEV_NAME_LEN]);

/* ---- device mapper --------------------------------------------------------------------- */

struct dm_line {
	uint64_t start, sectors;
	const char *type;
	const char *params;
};
/* Makes a device of these lines, and puts its name in dev. */
int dm_make(struct dev_stack *ds, const char *what, const struct dm_line *lines, unsigned int n,
    char dev[DEV_NAME_LEN]);
/* A device that looks like dev and can be written: into memory. */
int dm_overlay(struct dev_stack *ds, char dev[DEV_NAME_LEN]);

#endif
