/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * md.c - members of MD arrays: the kernel's own md driver reads the superblocks and
 * assembles what is there; here is only found out which format they have.
 *
 * An array runs with the members that it needs: one of a mirror is enough.  Of the
 * image that others have written to since, the driver keeps the newer members.
 */
#include <endian.h>
#include <errno.h>
#include <linux/major.h>
#include <linux/raid/md_u.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "dev.h"
#include "ukfs.h"

#define MD_MAGIC	0xa92b4efc
#define NMD		16		/* arrays at a time */

/* Where a device of size bytes has a superblock of each format. */
static int64_t at_start(int64_t size) { (void)size; return 0; }
static int64_t at_4k(int64_t size) { (void)size; return 4096; }
static int64_t near_end(int64_t size) { return (size / 512 - 16) / 8 * 8 * 512; }
static int64_t at_64k_end(int64_t size) { return size / 65536 * 65536 - 65536; }

static const struct format {
	int major, minor;
	int64_t (*where)(int64_t size);
} formats[] = {
	{ 1, 2, at_4k },
	{ 1, 1, at_start },
	{ 1, 0, near_end },
	{ 0, 90, at_64k_end },
};

static const struct format *format_of(const char *dev)
{
	int64_t size = dev_size(dev), off;
	uint32_t head[2];		/* magic, major version */
	size_t i;

	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		off = formats[i].where(size);
		if (off >= 0 && !dev_read(dev, off, head, sizeof(head)) &&
		    le32toh(head[0]) == MD_MAGIC && le32toh(head[1]) == (uint32_t)formats[i].major)
			return &formats[i];
	}
	return NULL;
}

bool md_probe(const char *dev)
{
	return format_of(dev) != NULL;
}

static int add_member(int fd, const char *dev)
{
	mdu_disk_info_t disk = { .number = 0 };
	struct stat st;
	int r = call(SYS_stat, dev, &st);

	if (r)
		return r;
	disk.major = major(st.st_rdev);
	disk.minor = minor(st.st_rdev);
	return call(SYS_ioctl, fd, ADD_NEW_DISK, &disk);
}

static int md_stop(const char *name)
{
	int fd = call(SYS_open, name, O_RDWR | O_CLOEXEC), r = fd;

	if (fd >= 0) {
		r = call(SYS_ioctl, fd, STOP_ARRAY, NULL);
		call(SYS_close, fd);
	}
	return r;
}

/* A device of the driver that no array has; its name, and a descriptor. */
static int open_free(char name[DEV_NAME_LEN])
{
	mdu_array_info_t info;
	int fd = -ENODEV, i;

	for (i = 0; i < NMD; i++) {
		snprintf(name, DEV_NAME_LEN, "/dev/ukfsmd%d", i);
		fd = call(SYS_mknod, name, S_IFBLK | 0600, makedev(MD_MAJOR, i));
		if (fd && fd != -EEXIST)
			return fd;
		fd = call(SYS_open, name, O_RDWR | O_CLOEXEC);
		if (fd < 0 || call(SYS_ioctl, fd, GET_ARRAY_INFO, &info) == -ENODEV)
			return fd;
		call(SYS_close, fd);
	}
	return -EBUSY;
}

static int assemble(struct dev_stack *ds, int fd, const struct format *f,
    char (*devs)[DEV_NAME_LEN], unsigned int ndevs)
{
	mdu_array_info_t info = { .major_version = f->major, .minor_version = f->minor };
	unsigned int i;
	int r;

	r = call(SYS_ioctl, fd, SET_ARRAY_INFO, &info);
	if (r)
		return ukfs_say(r, "%s: md takes no array of format %d.%d: %s", ds->image, f->major,
		    f->minor, strerror(-r));
	for (i = 0; i < ndevs; i++) {
		r = add_member(fd, devs[i]);
		if (r)
			return ukfs_say(r, "%s: member %u of %u does not belong to the array: %s",
			    ds->image, i + 1, ndevs, strerror(-r));
	}
	r = call(SYS_ioctl, fd, RUN_ARRAY, NULL);
	if (r)
		return ukfs_say(r, "%s: the array does not run with %u member%s: %s (with=IMAGE adds "
		    "one)", ds->image, ndevs, ndevs == 1 ? "" : "s", strerror(-r));
	return 0;
}

int md_open(struct dev_stack *ds, char (*devs)[DEV_NAME_LEN], unsigned int ndevs,
    char dev[DEV_NAME_LEN])
{
	const struct format *f = format_of(dev);
	char name[DEV_NAME_LEN];
	int fd, r;

	fd = open_free(name);
	if (fd < 0)
		return ukfs_say(fd, "%s: no device for an array: %s", ds->image, strerror(-fd));
	r = assemble(ds, fd, f, devs, ndevs);
	call(SYS_close, fd);
	if (r) {
		md_stop(name);
		return r;
	}
	r = dev_push(ds, md_stop, name);
	if (!r)
		strcpy(dev, name);
	return r;
}
