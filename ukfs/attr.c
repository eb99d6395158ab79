/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attr.c - what a file has beside its contents, from one file to another.
 *
 * The order matters: a change of the owner takes set-user-id bits and capabilities
 * away, one of the mode changes an ACL, and everything changes times.  ACLs are
 * extended attributes (system.posix_acl_*).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "copy.h"

#define LIST_LEN	65536		/* Linux's limits for names and for a value */
#define VALUE_LEN	65536
#define PATH_LEN	(64 + NAME_MAX)

/* A name for the calls that take no directory. */
static const char *path_of(char path[PATH_LEN], const struct thing *t)
{
	snprintf(path, PATH_LEN, "/proc/self/fd/%d/%s", t->dir, t->name);
	return path;
}

/* true: the owner is what it was */
static bool copy_owner(struct copy *c, const struct thing *to, const struct stat *st)
{
	struct stat have;
	long r;

	r = on(to->side, SYS_newfstatat, to->dir, to->name, &have, AT_SYMLINK_NOFOLLOW);
	if (!r && have.st_uid == st->st_uid && have.st_gid == st->st_gid)
		return true;
	r = on(to->side, SYS_fchownat, to->dir, to->name, st->st_uid, st->st_gid,
	    AT_SYMLINK_NOFOLLOW);
	if (!r)
		return true;
	/* The group alone may be one of ours. */
	on(to->side, SYS_fchownat, to->dir, to->name, -1, st->st_gid, AT_SYMLINK_NOFOLLOW);
	copy_lost(c, LOST_OWNER);
	return false;
}

/* What a file system makes up by itself, or shows of its own insides. */
static bool is_private(const char *name)
{
	static const char *const prefixes[] = {
		"security.selinux", "security.evm", "security.ima", "trusted.SGI_ACL_", "btrfs.",
		"system.ntfs",
	};
	size_t i;

	for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

static void copy_xattr(struct copy *c, const char *from, const char *to, const char *name,
    char *value)
{
	long n, r;

	n = on(&c->from, SYS_lgetxattr, from, name, value, VALUE_LEN);
	if (n < 0) {
		copy_lost(c, LOST_XATTR);
		return;
	}
	r = on(&c->to, SYS_lsetxattr, to, name, value, n, 0);
	if (r)
		copy_lost(c, LOST_XATTR);
}

/* A directory with a default ACL has given its new files one: that of the original counts. */
static void drop_acls(const struct thing *to)
{
	static const char *const acls[] = { "system.posix_acl_access", "system.posix_acl_default" };
	char path[PATH_LEN], list[1024];
	unsigned int i;

	path_of(path, to);
	if (!on(to->side, SYS_llistxattr, path, list, sizeof(list)))
		return;
	for (i = 0; i < sizeof(acls) / sizeof(acls[0]); i++)
		on(to->side, SYS_lremovexattr, path, acls[i]);
}

static void copy_xattrs(struct copy *c, const struct thing *from, const struct thing *to)
{
	char src[PATH_LEN], dst[PATH_LEN], *list, *name;
	long n;

	path_of(src, from);
	path_of(dst, to);
	n = on(&c->from, SYS_llistxattr, src, NULL, 0);
	if (n <= 0)
		return;			/* none, or none there at all */
	list = malloc(LIST_LEN + VALUE_LEN);
	n = list ? on(&c->from, SYS_llistxattr, src, list, LIST_LEN) : -ENOMEM;
	if (n < 0)
		copy_lost(c, LOST_XATTR);
	for (name = list; n > 0 && name < list + n; name += strlen(name) + 1)
		if (!is_private(name))
			copy_xattr(c, src, dst, name, list + LIST_LEN);
	free(list);
}

void attr_copy(struct copy *c, const struct thing *from, const struct thing *to,
    const struct stat *st)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };
	mode_t mode = st->st_mode & 07777;
	struct stat have;

	if (!copy_owner(c, to, st))
		mode &= ~(S_ISUID | S_ISGID);
	drop_acls(to);
	if (!S_ISLNK(st->st_mode) && (on(to->side, SYS_fchmodat, to->dir, to->name, mode) ||
	    on(to->side, SYS_newfstatat, to->dir, to->name, &have, AT_SYMLINK_NOFOLLOW) ||
	    (have.st_mode & 07777) != mode))
		copy_lost(c, LOST_MODE);
	copy_xattrs(c, from, to);
	if (on(to->side, SYS_utimensat, to->dir, to->name, times, AT_SYMLINK_NOFOLLOW))
		copy_lost(c, LOST_TIME);
}
