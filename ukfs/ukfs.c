/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ukfs.c - images as such: opening, names, releasing.
 *
 * An image's file system is mounted at a directory of the rump kernel.  Names are
 * looked up from there by openat2(2) with RESOLVE_IN_ROOT, so that none leads out;
 * what has been found is then named by its descriptor: "/proc/self/fd/N", or by that
 * of its directory.
 */
#include <errno.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "dev.h"
#include "ukfs.h"

struct ukfs {
	int root;
	char dir[32];
	struct dev_stack devs;
	struct spec spec;
};

const char *ukfs_directory(const struct ukfs *fs)
{
	return fs->dir;
}

const char *ukfs_name(const struct ukfs *fs)
{
	return fs->spec.image;
}

/* ---- opening ------------------------------------------------------------------------ */

/* s in a mount specification, where colons and commas separate. */
static char *quote(char *out, const char *s)
{
	while (*s) {
		if (strchr(":,\\", *s))
			*out++ = '\\';
		*out++ = *s++;
	}
	*out = '\0';
	return out;
}

static int mount_device(const struct ukfs *fs, const char *dev)
{
	const struct spec *s = &fs->spec;
	char *text, *out;
	int r;

	text = malloc(strlen(dev) + strlen(fs->dir) + 2 * (s->type ? strlen(s->type) : 0) +
	    strlen(s->options) + 32);
	if (!text)
		return -ENOMEM;
	out = text + sprintf(text, "%s:%s%s", dev, fs->dir, fs->devs.rdonly ? ",ro" : "");
	if (s->type)
		out = quote(out + sprintf(out, ",type="), s->type);
	strcpy(out, s->options);
	r = rump_pub_mount_named(s->image, text);
	free(text);
	return r;
}

/* Unmounting and removing devices wait for grace periods: nobody else is there to share
 * them with. */
static void hurry(void)
{
	int fd = call(SYS_open, "/sys/kernel/rcu_expedited", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	call(SYS_write, fd, "1", 1);
	call(SYS_close, fd);
}

static int open_all(struct ukfs *fs)
{
	static unsigned int number;
	unsigned int n = __atomic_add_fetch(&number, 1, __ATOMIC_RELAXED);
	char dev[DEV_NAME_LEN];
	int r;

	r = dev_open(&fs->devs, &fs->spec, dev);
	if (r)
		return r;
	snprintf(fs->dir, sizeof(fs->dir), n == 1 ? "/image" : "/image%u", n);
	r = mount_device(fs, dev);
	if (r) {
		dev_unmake(&fs->devs);
		return r;
	}
	fs->root = call(SYS_open, fs->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fs->root < 0 ? fs->root : 0;
}

int ukfs_mount(const char *text, int flags, struct ukfs **fsp)
{
	struct ukfs *fs = calloc(1, sizeof(*fs));
	char why[128];
	int r;

	if (!fs)
		return -ENOMEM;
	r = spec_parse(&fs->spec, text, why, sizeof(why));
	if (r) {
		if (r == -EINVAL)
			ukfs_say(r, "\"%s\": %s", text, why);
		free(fs);
		return r;
	}
	fs->devs.image = fs->spec.image;
	fs->devs.rdonly = fs->spec.rdonly || (flags & UKFS_RDONLY);
	r = rump_init();
	if (!r) {
		hurry();
		r = open_all(fs);
	}
	if (r) {
		spec_free(&fs->spec);
		free(fs);
		return r;
	}
	*fsp = fs;
	return 0;
}

int ukfs_release(struct ukfs *fs)
{
	int r, root = fs->root;

	call(SYS_close, root);
	r = call(SYS_umount2, fs->dir, 0);
	if (r) {
		fs->root = call(SYS_open, fs->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return r;
	}
	dev_unmake(&fs->devs);
	spec_free(&fs->spec);
	free(fs);
	return 0;
}

int ukfs_sync(struct ukfs *fs)
{
	return call(SYS_syncfs, fs->root);
}

/* ---- names ------------------------------------------------------------------------------ */

static int walk_from(int dirfd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (unsigned int)flags | O_CLOEXEC,
		.mode = flags & (O_CREAT | __O_TMPFILE) ? mode & 07777 : 0,
		.resolve = RESOLVE_IN_ROOT,
	};

	return call(SYS_openat2, dirfd, *path ? path : ".", &how, sizeof(how));
}

int ukfs_walk(struct ukfs *fs, const char *path, int flags, mode_t mode)
{
	return walk_from(fs->root, path, flags, mode);
}

int ukfs_open(struct ukfs *fs, const char *path, int flags, mode_t mode)
{
	return ukfs_walk(fs, path, flags, mode);
}

/* "/proc/self/fd/N[/name]" for the calls that know no descriptors. */
static const char *fd_path(char buf[64 + NAME_MAX], int fd)
{
	sprintf(buf, "/proc/self/fd/%d", fd);
	return buf;
}

/*
 * The directory that path is in, as a descriptor, and its last component in last,
 * which is a name that can be made or removed: not "", "." or "..".
 */
static int parent_of(struct ukfs *fs, const char *path, char last[NAME_MAX + 1])
{
	size_t len = strlen(path), start;
	char dir[PATH_MAX];

	while (len && path[len - 1] == '/')
		len--;
	for (start = len; start && path[start - 1] != '/'; start--)
		;
	if (len - start > NAME_MAX || start >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(last, path + start, len - start);
	last[len - start] = '\0';
	if (!*last || !strcmp(last, ".") || !strcmp(last, ".."))
		return -EINVAL;
	memcpy(dir, path, start);
	dir[start] = '\0';
	return ukfs_walk(fs, dir, O_PATH | O_DIRECTORY, 0);
}

/* A descriptor of the thing itself, open for nothing. */
static int find(struct ukfs *fs, const char *path, bool follow)
{
	return ukfs_walk(fs, path, O_PATH | (follow ? 0 : O_NOFOLLOW), 0);
}

/* The calls on something that exists: nr with the descriptor in a first argument. */
#define ON(fs, path, follow, fd, expr) ({			\
	long r_ = find(fs, path, follow);			\
	int fd = r_;						\
	if (r_ >= 0) {						\
		r_ = (expr);					\
		call(SYS_close, fd);				\
	}							\
	r_;							\
})
/* The same by a name for it: name is that of descriptor fd. */
#define ON_NAME(fs, path, name, expr) ({			\
	char buf_[64 + NAME_MAX];				\
	ON(fs, path, true, fd_, ({ const char *name = fd_path(buf_, fd_); (expr); })); \
})
/* On the name itself: in dir, called last. */
#define IN(fs, path, dir, last, expr) ({			\
	char last[NAME_MAX + 1];				\
	long r_ = parent_of(fs, path, last);			\
	int dir = r_;						\
	if (r_ >= 0) {						\
		r_ = (expr);					\
		call(SYS_close, dir);				\
	}							\
	r_;							\
})

int ukfs_stat(struct ukfs *fs, const char *path, struct stat *st)
{
	return ON(fs, path, true, fd, call(SYS_newfstatat, fd, "", st, AT_EMPTY_PATH));
}

int ukfs_lstat(struct ukfs *fs, const char *path, struct stat *st)
{
	return ON(fs, path, false, fd, call(SYS_newfstatat, fd, "", st, AT_EMPTY_PATH));
}

int ukfs_statfs(struct ukfs *fs, const char *path, struct statfs *st)
{
	return ON(fs, path, true, fd, call(SYS_fstatfs, fd, st));
}

ssize_t ukfs_readlink(struct ukfs *fs, const char *path, char *buf, size_t len)
{
	return ON(fs, path, false, fd, call(SYS_readlinkat, fd, "", buf, len));
}

int ukfs_mkdir(struct ukfs *fs, const char *path, mode_t mode)
{
	return IN(fs, path, dir, last, call(SYS_mkdirat, dir, last, mode));
}

int ukfs_mknod(struct ukfs *fs, const char *path, mode_t mode, dev_t dev)
{
	return IN(fs, path, dir, last, call(SYS_mknodat, dir, last, mode, dev));
}

int ukfs_symlink(struct ukfs *fs, const char *target, const char *path)
{
	return IN(fs, path, dir, last, call(SYS_symlinkat, target, dir, last));
}

int ukfs_link(struct ukfs *fs, const char *old, const char *path)
{
	return ON(fs, old, false, fd, IN(fs, path, dir, last,
	    call(SYS_linkat, fd, "", dir, last, AT_EMPTY_PATH)));
}

int ukfs_rename(struct ukfs *fs, const char *old, const char *path)
{
	return IN(fs, old, from, name, IN(fs, path, to, last,
	    call(SYS_renameat, from, name, to, last)));
}

int ukfs_unlink(struct ukfs *fs, const char *path)
{
	return IN(fs, path, dir, last, call(SYS_unlinkat, dir, last, 0));
}

int ukfs_rmdir(struct ukfs *fs, const char *path)
{
	return IN(fs, path, dir, last, call(SYS_unlinkat, dir, last, AT_REMOVEDIR));
}

int ukfs_chmod(struct ukfs *fs, const char *path, mode_t mode)
{
	return ON_NAME(fs, path, name, call(SYS_chmod, name, mode));
}

int ukfs_chown(struct ukfs *fs, const char *path, uid_t uid, gid_t gid)
{
	return ON(fs, path, true, fd, call(SYS_fchownat, fd, "", uid, gid, AT_EMPTY_PATH));
}

int ukfs_lchown(struct ukfs *fs, const char *path, uid_t uid, gid_t gid)
{
	return ON(fs, path, false, fd, call(SYS_fchownat, fd, "", uid, gid, AT_EMPTY_PATH));
}

int ukfs_truncate(struct ukfs *fs, const char *path, off_t size)
{
	return ON_NAME(fs, path, name, call(SYS_truncate, name, size));
}

int ukfs_utimens(struct ukfs *fs, const char *path, const struct timespec times[2])
{
	return ON(fs, path, true, fd, call(SYS_utimensat, fd, "", times, AT_EMPTY_PATH));
}

int ukfs_lutimens(struct ukfs *fs, const char *path, const struct timespec times[2])
{
	return ON(fs, path, false, fd, call(SYS_utimensat, fd, "", times, AT_EMPTY_PATH));
}

ssize_t ukfs_getxattr(struct ukfs *fs, const char *path, const char *name, void *value, size_t len)
{
	return ON_NAME(fs, path, file, call(SYS_getxattr, file, name, value, len));
}

int ukfs_setxattr(struct ukfs *fs, const char *path, const char *name, const void *value, size_t len,
    int flags)
{
	return ON_NAME(fs, path, file, call(SYS_setxattr, file, name, value, len, flags));
}

ssize_t ukfs_listxattr(struct ukfs *fs, const char *path, char *list, size_t len)
{
	return ON_NAME(fs, path, file, call(SYS_listxattr, file, list, len));
}

int ukfs_removexattr(struct ukfs *fs, const char *path, const char *name)
{
	return ON_NAME(fs, path, file, call(SYS_removexattr, file, name));
}
