/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dev.c - from an image to the device that has the file system.
 *
 * The host's file becomes a device of the rump kernel; a partition of it is chosen;
 * then, as long as what is there is no file system but a volume of LUKS or LVM or a
 * member of an array, that is opened, and looked at again.  An image that is only
 * read gets an overlay in memory on top: a journal can be replayed, the image stays
 * as it is.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "dev.h"
#include "ukfs.h"

#define LAYERS_MAX	8
#define DEVS_MAX	(1 + SPEC_WITH_MAX)
#define SECTOR		512

int ukfs_say(int error, const char *fmt, ...)
{
	va_list ap;

	fputs("rump: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return error;
}

/* ---- what was made -------------------------------------------------------------------- */

int dev_push(struct dev_stack *ds, int (*unmake)(const char *), const char *name)
{
	struct dev_made *m = &ds->made[ds->n];

	if (ds->n == DEV_STACK) {
		unmake(name);
		return ukfs_say(-ENOSPC, "%s: more than %d devices", ds->image, DEV_STACK);
	}
	m->unmake = unmake;
	snprintf(m->name, sizeof(m->name), "%s", name);
	ds->n++;
	return 0;
}

void dev_unmake(struct dev_stack *ds)
{
	while (ds->n) {
		struct dev_made *m = &ds->made[--ds->n];

		m->unmake(m->name);
	}
}

/* ---- reading ---------------------------------------------------------------------------- */

int dev_read(const char *dev, uint64_t off, void *buf, size_t len)
{
	long fd, n = 1;
	size_t done = 0;

	fd = call(SYS_open, dev, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fd;
	while (done < len && n > 0) {
		n = call(SYS_pread64, fd, (char *)buf + done, len - done, off + done);
		done += n > 0 ? n : 0;
	}
	call(SYS_close, fd);
	return n < 0 ? n : done < len ? -ENODATA : 0;
}

int64_t dev_size(const char *dev)
{
	uint64_t size = 0;
	long fd, r;

	r = fd = call(SYS_open, dev, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		r = call(SYS_ioctl, fd, BLKGETSIZE64, &size);
		call(SYS_close, fd);
	}
	return r < 0 ? r : (int64_t)size;
}

int dev_read_text(const char *path, char *text, size_t len)
{
	long fd, n;

	n = fd = call(SYS_open, path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = call(SYS_read, fd, text, len - 1);
		call(SYS_close, fd);
	}
	if (n < 0)
		return n;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return 0;
}

/* ---- partitions ---------------------------------------------------------------------------- */

/* As Linux names them: "ukfs0" ends in a digit, so "ukfs0p1". */
static void name_part(const char *disk, unsigned int n, char part[DEV_NAME_LEN])
{
	snprintf(part, DEV_NAME_LEN, "%.40sp%u", disk, n);
}

/* The size of a partition in sectors; 0: there is none. */
static uint64_t part_sectors(const char *disk, unsigned int n)
{
	char part[DEV_NAME_LEN], path[3 * DEV_NAME_LEN], text[32];

	name_part(disk, n, part);
	snprintf(path, sizeof(path), "/sys/block%s/%s/size", disk + strlen("/dev"), part + strlen("/dev/"));
	return dev_read_text(path, text, sizeof(text)) ? 0 : strtoull(text, NULL, 10);
}

/* A file system of its own may be on the whole disk all the same: hybrid ISO images. */
static bool is_iso(const char *dev)
{
	char id[5];

	return !dev_read(dev, 0x8001, id, sizeof(id)) && !memcmp(id, "CD001", sizeof(id));
}

/* dev, a whole disk, becomes the partition that is wanted, or the only one. */
static int choose_part(const struct dev_stack *ds, const struct spec *s, char dev[DEV_NAME_LEN])
{
	char list[512] = "", part[DEV_NAME_LEN];
	unsigned int n, found = 0, count = 0;
	size_t len = 0;
	uint64_t sectors;

	if (!s->part && is_iso(dev))
		return 0;
	for (n = 1; n <= SPEC_PART_MAX; n++) {
		/* Numbers with gaps are rare, and small. */
		sectors = part_sectors(dev, n);
		if (!sectors && n > 16 && n != s->part)
			continue;
		if (!sectors)
			continue;
		count++;
		found = !s->part || s->part == n ? n : found;
		if (len < sizeof(list))
			len += snprintf(list + len, sizeof(list) - len, "%s%u (%llu MB)",
			    len ? ", " : "", n, (unsigned long long)sectors >> 11);
	}
	if (s->part && s->part != found)
		return ukfs_say(-ENOENT, "%s: part=%u: there is no such partition; there are: %s",
		    ds->image, s->part, *list ? list : "none");
	if (!s->part && count > 1)
		return ukfs_say(-EINVAL, "%s: has partitions: part=N is wanted, N one of %s", ds->image,
		    list);
	if (found) {
		name_part(dev, found, part);
		strcpy(dev, part);
	}
	return 0;
}

/* ---- the whole way ------------------------------------------------------------------------- */

static int open_image(struct dev_stack *ds, const struct spec *s, const char *image,
    char dev[DEV_NAME_LEN])
{
	static unsigned int number;
	int r;

	snprintf(dev, DEV_NAME_LEN, "/dev/ukfs%u", __atomic_fetch_add(&number, 1, __ATOMIC_RELAXED));
	r = rump_pub_etfs_register(dev, image, ds->rdonly ? RUMP_ETFS_BLK_RO : RUMP_ETFS_BLK);
	if (r)
		return r == -EMEDIUMTYPE ? r : ukfs_say(r, "%s: %s", image, strerror(-r));
	r = dev_push(ds, rump_pub_etfs_remove, dev);
	return r ? r : choose_part(ds, s, dev);
}

enum layer { PLAIN, LUKS, LVM, MD };

static enum layer layer_of(const char *dev)
{
	return luks_probe(dev) ? LUKS : lvm_probe(dev) ? LVM : md_probe(dev) ? MD : PLAIN;
}

/* dev and the devices of the other images, which may be on another layer still. */
static int open_layer(struct dev_stack *ds, const struct spec *s, enum layer layer,
    char (*devs)[DEV_NAME_LEN], unsigned int *ndevs)
{
	char dev[DEV_NAME_LEN];
	unsigned int i;
	int r = 0;

	strcpy(dev, devs[0]);
	if (layer == LUKS) {
		for (i = 0; !r && i < *ndevs; i++)
			if (luks_probe(devs[i]))
				r = luks_open(ds, s->crypt, devs[i]);
		return r;
	}
	r = layer == LVM ? lvm_open(ds, s->lv, devs, *ndevs, dev) : md_open(ds, devs, *ndevs, dev);
	if (r)
		return r;
	strcpy(devs[0], dev);
	*ndevs = 1;
	return 0;
}

int dev_open(struct dev_stack *ds, const struct spec *s, char dev[DEV_NAME_LEN])
{
	char (*devs)[DEV_NAME_LEN] = calloc(DEVS_MAX, sizeof(*devs));
	unsigned int ndevs = 0, i;
	enum layer layer;
	int r = devs ? 0 : -ENOMEM;

	for (i = 0; !r && i <= s->nwith; i++) {
		r = open_image(ds, s, i ? s->with[i - 1] : s->image, devs[i]);
		ndevs++;
	}
	for (i = 0; !r && (layer = layer_of(devs[0])) != PLAIN; i++)
		r = i == LAYERS_MAX ? ukfs_say(-ELOOP, "%s: more than %d layers of devices", ds->image,
		    LAYERS_MAX) : open_layer(ds, s, layer, devs, &ndevs);
	if (!r && ds->rdonly)
		r = dm_overlay(ds, devs[0]);
	if (!r)
		strcpy(dev, devs[0]);
	free(devs);
	if (r)
		dev_unmake(ds);
	return r;
}
