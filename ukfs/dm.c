/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dm.c - device mapper of the rump kernel, by its ioctls.
 */
#include <errno.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dev.h"
#include "ukfs.h"

#define CHUNK_SECTORS	2048		/* what an overlay copies before it is written to */
#define ALIGN8(n)	(((n) + 7) & ~(size_t)7)

static struct dm_ioctl *new_request(const char *name, size_t size)
{
	struct dm_ioctl *dm = calloc(1, size);

	if (!dm)
		return NULL;
	/* Nothing newer than what 4.0.0 had is asked for. */
	dm->version[0] = DM_VERSION_MAJOR;
	dm->data_size = size;
	dm->data_start = sizeof(*dm);
	snprintf(dm->name, sizeof(dm->name), "%s", name);
	return dm;
}

static int request(unsigned long cmd, struct dm_ioctl *dm)
{
	long fd, r;

	if (!dm)
		return -ENOMEM;
	r = fd = call(SYS_open, "/dev/mapper/control", O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		r = call(SYS_ioctl, fd, cmd, dm);
		call(SYS_close, fd);
	}
	return r;
}

/* A request that has no data but the name. */
static int simple(unsigned long cmd, const char *name, unsigned int flags, unsigned int *minor)
{
	struct dm_ioctl *dm = new_request(name, sizeof(*dm));
	int r;

	if (dm)
		dm->flags = flags;
	r = request(cmd, dm);
	if (!r && minor)
		*minor = (dm->dev & 0xff) | (dm->dev >> 12 & 0xfff00);
	free(dm);
	return r;
}

static int load(const char *name, bool rdonly, const struct dm_line *lines, unsigned int n)
{
	size_t size = sizeof(struct dm_ioctl), len;
	struct dm_target_spec *t;
	struct dm_ioctl *dm;
	unsigned int i;
	int r;

	for (i = 0; i < n; i++)
		size += sizeof(*t) + ALIGN8(strlen(lines[i].params) + 1);
	dm = new_request(name, size);
	if (!dm)
		return -ENOMEM;
	dm->target_count = n;
	dm->flags = rdonly ? DM_READONLY_FLAG : 0;
	t = (void *)(dm + 1);
	for (i = 0; i < n; i++) {
		len = strlen(lines[i].params) + 1;
		t->sector_start = lines[i].start;
		t->length = lines[i].sectors;
		t->next = sizeof(*t) + ALIGN8(len);
		snprintf(t->target_type, sizeof(t->target_type), "%s", lines[i].type);
		memcpy(t + 1, lines[i].params, len);
		t = (void *)((char *)t + t->next);
	}
	r = request(DM_TABLE_LOAD, dm);
	/* Parameters may be keys. */
	explicit_bzero(dm, size);
	free(dm);
	return r;
}

static int dm_remove(const char *name)
{
	return simple(DM_DEV_REMOVE, name, 0, NULL);
}

int dm_make(struct dev_stack *ds, const char *what, const struct dm_line *lines, unsigned int n,
    char dev[DEV_NAME_LEN])
{
	static unsigned int number;
	char name[DEV_NAME_LEN];
	unsigned int minor = 0;
	int r;

	snprintf(name, sizeof(name), "ukfs%u", __atomic_fetch_add(&number, 1, __ATOMIC_RELAXED));
	r = simple(DM_DEV_CREATE, name, 0, &minor);
	if (!r) {
		r = load(name, ds->rdonly && strcmp(lines[0].type, "snapshot"), lines, n);
		if (!r)
			r = simple(DM_DEV_SUSPEND, name, 0, NULL);	/* resumes it */
		if (r)
			dm_remove(name);
		else
			r = dev_push(ds, dm_remove, name);
	}
	if (r)
		return ukfs_say(r, "%s: the device mapper takes no table for %s: %s", ds->image,
		    what, strerror(-r));
	snprintf(dev, DEV_NAME_LEN, "/dev/dm-%u", minor);
	return 0;
}

/* ---- writing to memory ------------------------------------------------------------- */

int dm_overlay(struct dev_stack *ds, char dev[DEV_NAME_LEN])
{
	static unsigned int number;
	int64_t size = dev_size(dev);
	char key[DEV_NAME_LEN], file[64], params[2 * DEV_NAME_LEN + 32];
	struct dm_line line = { .type = "snapshot", .params = params, .sectors = size / 512 };
	int fd, r;

	if (size < 0)
		return ukfs_say(size, "%s: %s: %s", ds->image, dev, strerror(-size));
	/* Sparse: what is not written costs nothing.  The device keeps the file. */
	fd = memfd_create("ukfs", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, size / 4 + (64 << 20))) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return ukfs_say(r, "%s: no memory for what is written: %s", ds->image, strerror(-r));
	}
	snprintf(key, sizeof(key), "/dev/cow%u", __atomic_fetch_add(&number, 1, __ATOMIC_RELAXED));
	snprintf(file, sizeof(file), "/proc/self/fd/%d", fd);
	r = rump_pub_etfs_register(key, file, RUMP_ETFS_BLK);
	close(fd);
	if (r)
		return ukfs_say(r, "%s: no memory for what is written: %s", ds->image, strerror(-r));
	r = dev_push(ds, rump_pub_etfs_remove, key);
	if (r)
		return r;
	snprintf(params, sizeof(params), "%s %s N %d", dev, key, CHUNK_SECTORS);
	return dm_make(ds, "an overlay in memory", &line, 1, dev);
}
