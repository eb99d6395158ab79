/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * etfs.c - host files as /dev/NAME of the rump kernel: rump_pub_etfs_*(), and
 * the images of mount specifications, which get the names img0, img1 and so on.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rump/rump.h>
#include <rump/rumpuser.h>

#include "etfs.h"
#include "lock.h"
#include "rumpk.h"

struct device {
	struct device *next;
	void *handle;
	bool rdonly;
	bool image;			/* made by etfs_image() */
	char name[ETFS_NAME_LEN];
	char hostpath[];
};

static struct lock lock;		/* devices; held over what the kernel does */
static struct device *devices;

static struct device **find(const char *name)
{
	struct device **dp;

	for (dp = &devices; *dp && strcmp((*dp)->name, name); dp = &(*dp)->next)
		;
	return dp;
}

/* With the lock held.  flags: RUMPUSER_BLK_*; *rdonly: as in etfs_image(). */
static int add(const char *name, const char *hostpath, bool image, uint32_t flags, bool *rdonly,
    uint64_t offset, uint64_t size)
{
	struct rumpuser_blk_info info;
	struct device *d;
	int err;

	if (*find(name))
		return -EEXIST;
	d = calloc(1, sizeof(*d) + strlen(hostpath) + 1);
	if (!d)
		return -ENOMEM;
	strcpy(d->name, name);
	strcpy(d->hostpath, hostpath);
	d->image = image;
	err = rumpuser_blk_open(hostpath, flags | (*rdonly ? RUMPUSER_BLK_RDONLY : 0), offset, size,
	    &d->handle, &info);
	if (err)
		goto out;
	d->rdonly = *rdonly = info.flags & RUMPUSER_BLK_RDONLY;
	err = rumpk_blk_add(name, d->handle, &info);
	if (err) {
		rumpuser_blk_close(d->handle);
		goto out;
	}
	d->next = devices;
	devices = d;
	return 0;
out:
	free(d);
	return err;
}

int etfs_image(const char *hostpath, bool isolated, bool *rdonly, char name[ETFS_NAME_LEN],
    bool *made)
{
	static unsigned int number;
	struct device *d;
	int err = 0;

	*made = false;
	lock_take(&lock);
	for (d = devices; d; d = d->next)
		if (d->image && !strcmp(d->hostpath, hostpath) && (*rdonly || !d->rdonly))
			break;
	if (d) {
		*rdonly = d->rdonly;
		strcpy(name, d->name);
	} else {
		do
			snprintf(name, ETFS_NAME_LEN, "img%u", number++);
		while (*find(name));
		err = add(name, hostpath, true, isolated ? RUMPUSER_BLK_ISOLATED : 0, rdonly, 0, 0);
		*made = !err;
	}
	lock_drop(&lock);
	return err;
}

int etfs_remove(const char *name)
{
	struct device **dp, *d;
	int err;

	lock_take(&lock);
	dp = find(name);
	d = *dp;
	err = d ? rumpk_blk_del(name) : -ENOENT;
	if (!err) {
		*dp = d->next;
		rumpuser_blk_close(d->handle);
		free(d);
	}
	lock_drop(&lock);
	return err;
}

void etfs_pause(void)
{
	struct device *d;

	for (d = devices; d; d = d->next)
		rumpuser_blk_pause(d->handle);
}

int etfs_resume(void)
{
	struct device *d;
	int err = 0;

	for (d = devices; d && !err; d = d->next)
		err = rumpuser_blk_resume(d->handle);
	return err;
}

void etfs_close_all(void)
{
	struct device *d;

	lock_take(&lock);
	while ((d = devices)) {
		devices = d->next;
		rumpuser_blk_close(d->handle);
		free(d);
	}
	lock_drop(&lock);
}

/* The device's name in a key "/dev/NAME"; NULL: there is none. */
static const char *name_of(const char *key)
{
	static const char prefix[] = "/dev/";
	const size_t n = sizeof(prefix) - 1;
	size_t len;

	if (strncmp(key, prefix, n))
		return NULL;
	key += n;
	len = strlen(key);
	return len && len < ETFS_NAME_LEN && !strchr(key, '/') && key[0] != '.' ? key : NULL;
}

int rump_pub_etfs_register_withsize(const char *key, const char *hostpath,
    enum rump_etfs_type type, uint64_t offset, uint64_t size)
{
	const char *name = name_of(key);
	bool rdonly = type == RUMP_ETFS_BLK_RO, wanted = rdonly;
	int err;

	if (!name || (type != RUMP_ETFS_BLK && type != RUMP_ETFS_BLK_RO))
		return -EINVAL;
	err = rump_init();
	if (err)
		return err;
	lock_take(&lock);
	err = add(name, hostpath, false, 0, &rdonly, offset, size);
	lock_drop(&lock);
	if (!err && rdonly != wanted)
		rumpuser_warn("%s: %s can only be read on this host", key, hostpath);
	return err;
}

int rump_pub_etfs_register(const char *key, const char *hostpath, enum rump_etfs_type type)
{
	return rump_pub_etfs_register_withsize(key, hostpath, type, 0, RUMP_ETFS_SIZE_ENDOFF);
}

int rump_pub_etfs_remove(const char *key)
{
	const char *name = name_of(key);

	return name ? etfs_remove(name) : -EINVAL;
}
