/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hostdir.c - directories of the host that mount specifications name: each gets a tag,
 * dir0, dir1 and so on, under which the rump kernel can mount it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rump/rumpuser.h>

#include "hostdir.h"
#include "lock.h"
#include "rumpk.h"

struct hostdir {
	struct hostdir *next;
	void *handle;
	char tag[HOSTDIR_TAG_LEN];
};

static struct lock lock;		/* dirs; held over what the kernel does */
static struct hostdir *dirs;

int hostdir_add(const char *hostpath, bool rdonly, char tag[HOSTDIR_TAG_LEN])
{
	static unsigned int number;
	struct hostdir *d = calloc(1, sizeof(*d));
	int err;

	if (!d)
		return -ENOMEM;
	err = rumpuser_dir_open(hostpath, rdonly ? RUMPUSER_DIR_RDONLY : 0, &d->handle);
	if (err) {
		free(d);
		return err;
	}
	lock_take(&lock);
	snprintf(d->tag, sizeof(d->tag), "dir%u", number++);
	err = rumpk_dir_add(d->tag, d->handle);
	if (!err) {
		strcpy(tag, d->tag);
		d->next = dirs;
		dirs = d;
	}
	lock_drop(&lock);
	if (err) {
		rumpuser_dir_close(d->handle);
		free(d);
	}
	return err;
}

int hostdir_remove(const char *tag)
{
	struct hostdir **dp, *d;
	int err = -ENOENT;

	lock_take(&lock);
	for (dp = &dirs; *dp && strcmp((*dp)->tag, tag); dp = &(*dp)->next)
		;
	d = *dp;
	if (d)
		err = rumpk_dir_del(tag);
	if (!err) {
		*dp = d->next;
		rumpuser_dir_close(d->handle);
		free(d);
	}
	lock_drop(&lock);
	return err;
}

void hostdir_close_all(void)
{
	struct hostdir *d;

	lock_take(&lock);
	while ((d = dirs)) {
		dirs = d->next;
		rumpuser_dir_close(d->handle);
		free(d);
	}
	lock_drop(&lock);
}
