/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * list.c - reading directories: as a whole, so that they may change then.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "list.h"
#include "ukfs.h"

#define BUF_LEN	65536

/* What getdents64(2) fills the buffer with. */
struct entry {
	uint64_t ino;
	int64_t off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

static int add(struct names *names, const char *name)
{
	size_t len = strlen(name) + 1, room = names->room;
	char *text = names->text;

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return 0;
	/* A file system that is broken may have anything for a name. */
	if (!*name || strchr(name, '/'))
		return -EIO;
	if (names->len + len > room) {
		for (room = room ? 2 * room : 256; room < names->len + len; room *= 2)
			;
		text = realloc(text, room);
		if (!text)
			return -ENOMEM;
		names->text = text;
		names->room = room;
	}
	memcpy(text + names->len, name, len);
	names->len += len;
	return 0;
}

int names_read(ukfs_call *kernel, int fd, struct names *names)
{
	char *buf = malloc(BUF_LEN);
	const struct entry *e;
	long n, at, r = 0;

	*names = (struct names){ 0 };
	if (!buf)
		return -ENOMEM;
	while (!r && (n = kernel(SYS_getdents64, fd, (long)buf, BUF_LEN, 0, 0, 0))) {
		r = n < 0 ? n : 0;
		for (at = 0; !r && at < n; at += e->reclen) {
			e = (const void *)(buf + at);
			r = add(names, e->name);
		}
	}
	free(buf);
	if (r) {
		free(names->text);
		*names = (struct names){ 0 };
	}
	return r;
}

int ukfs_list(struct ukfs *fs, const char *path, int (*fn)(void *arg, const char *name), void *arg)
{
	int fd = ukfs_walk(fs, path, O_RDONLY | O_DIRECTORY, 0), r;
	struct names names;
	const char *name;

	if (fd < 0)
		return fd;
	r = names_read(rump_syscall, fd, &names);
	call(SYS_close, fd);
	if (r)
		return r;
	for_each_name(name, &names) {
		r = fn(arg, name);
		if (r)
			break;
	}
	free(names.text);
	return r;
}
