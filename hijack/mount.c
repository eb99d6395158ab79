/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mount.c - mount(2), and file servers (FUSE) that call it.
 *
 * A file server opens /dev/fuse and names it in its mount's options, "fd=5": that
 * is the host's number of a rump descriptor, and becomes the rump kernel's.  So do
 * the user and the group who may use the mount, which the server takes from the
 * host: in the rump kernel they are those that it has there.
 *
 * Limits: of the file systems that take a descriptor, these are known: fuse and 9p.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "hijack.h"

#define DATA_MAX	4096		/* Linux's own limit: a page */

/* Options with a number, and what becomes of it; below 0: an error. */
static long option_fd(long n)
{
	int rfd = n >= 0 && n < FDMAP_MAX ? fdmap_rump(n) : -1;

	return rfd < 0 ? -EBADF : rfd;
}

static long option_user(long n)
{
	(void)n;
	return rump(SYS_geteuid, 0);
}

static long option_group(long n)
{
	(void)n;
	return rump(SYS_getegid, 0);
}

static const struct number_option {
	const char *type;		/* of the file system: it, or "it..." up to a dot */
	const char *name;
	long (*translate)(long n);
} number_options[] = {
	{ "fuse", "fd=", option_fd },
	{ "fuse", "user_id=", option_user },
	{ "fuse", "group_id=", option_group },
	{ "fuseblk", "fd=", option_fd },
	{ "fuseblk", "user_id=", option_user },
	{ "fuseblk", "group_id=", option_group },
	{ "9p", "rfdno=", option_fd },
	{ "9p", "wfdno=", option_fd },
};
#define NOPTIONS	(sizeof(number_options) / sizeof(number_options[0]))

static int is_type(const char *type, const char *wanted)
{
	size_t n = strcspn(type, ".");

	return strlen(wanted) == n && strncmp(type, wanted, n) == 0;
}

static const struct number_option *option_of(const char *type, const char *word)
{
	size_t i;

	for (i = 0; i < NOPTIONS; i++)
		if (is_type(type, number_options[i].type) &&
		    strncmp(word, number_options[i].name, strlen(number_options[i].name)) == 0)
			return &number_options[i];
	return NULL;
}

static int has_options(const char *type)
{
	size_t i;

	for (i = 0; i < NOPTIONS; i++)
		if (is_type(type, number_options[i].type))
			return 1;
	return 0;
}

/* Decimal digits only, up to a comma or the end; -1: it is no number. */
static long number(const char *s)
{
	long n = 0;

	if (*s == ',' || !*s)
		return -1;
	for (; *s >= '0' && *s <= '9' && n < 1L << 40; s++)
		n = n * 10 + (*s - '0');
	return *s && *s != ',' ? -1 : n;
}

/* Options as the rump kernel must see them; 0 or -errno. */
static long translate(const char *type, const char *data, char out[DATA_MAX])
{
	const struct number_option *o;
	size_t len = 0, n;
	const char *word;
	long value;

	for (word = data;; word += n + 1) {
		n = strcspn(word, ",");
		o = option_of(type, word);
		value = o ? number(word + strlen(o->name)) : -1;
		if (n + 32 > DATA_MAX - len)
			return -EINVAL;
		if (value >= 0) {
			value = o->translate(value);
			if (value < 0)
				return value;
			len += sprintf(out + len, "%s%ld", o->name, value);
		} else {
			memcpy(out + len, word, n);
			len += n;
		}
		out[len++] = word[n];
		if (!word[n])
			return 0;
	}
}

/*
 * The target says whose mount it is.  The source is a name of the same kernel:
 * a device or directory inside the prefix is also understood with the prefix,
 * anything else is handed on (it may be no name at all).
 */
long hijack_mount(long nr, const long a[6])
{
	const char *src = (const char *)a[0], *type = (const char *)a[2];
	struct where source, target;
	const char *options = (const char *)a[4];
	char data[DATA_MAX];
	long err;

	err = path_where(AT_FDCWD, (const char *)a[1], &target);
	if (err < 0)
		return err;
	if (target.side == SIDE_HOST)
		return host(nr, a[0], target.path, a[2], a[3], a[4]);
	if (src && src[0] == '/') {
		err = path_where(AT_FDCWD, src, &source);
		if (err < 0)
			return err;
		if (source.side == SIDE_RUMP)
			src = source.path;
	}
	if (type && options && has_options(type)) {
		err = translate(type, options, data);
		if (err < 0)
			return err;
		options = data;
	}
	return rump(nr, (long)src, (long)target.path, a[2], a[3], (long)options);
}
