/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ukfs.h - files in file system images, by the kernel's own drivers, in this
 * process and with no privilege.
 *
 * An image is opened, its directories and files are read and changed, and it is
 * released; ukfs(3) has it all with examples.  What lies between a disk and a file
 * system (partitions, LUKS, LVM, MD) is opened on the way.
 *
 * A name is one in the image and never leads out of it: "..", links and absolute
 * links end at the image's root.  It need not begin with a slash.
 *
 * Functions that return int or ssize_t return -errno on failure.  All are
 * thread-safe, but for ukfs_release() of an image that another thread uses.  The
 * kernel is the process's (rump_init()), and so are its descriptors: what
 * ukfs_open() returns is for the calls of <rump/rump_syscalls.h>.  The calls are made
 * by the kernel's superuser.
 */
#ifndef RUMP_UKFS_H
#define RUMP_UKFS_H

#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

struct ukfs;
struct statfs;

/*
 * Opens the image that spec names: IMAGE[,part=N][,type=T][,ro][,crypt=KEYFILE]
 * [,lv=[VG/]NAME][,with=IMAGE]...[,OPTION]...  A colon, comma or backslash of a name
 * has a backslash before it.
 *	part=N		its Nth partition, which need not be said if there is but one
 *	type=T		the file system, otherwise found out
 *	ro		as UKFS_RDONLY
 *	crypt=KEYFILE	what is a LUKS volume opens with the key in this file of the host
 *	lv=[VG/]NAME	the logical volume to open, where there are several
 *	with=IMAGE	another image that belongs to it: of the same volume group, or a
 *			member of the same array; part= goes for it, too
 * Other words are options of the mount.  UKFS_RDONLY: the image is not written; what
 * a journal has left undone is done in memory.
 *
 * On failure one line on stderr says what is wrong.
 */
#define UKFS_RDONLY	0x1
int ukfs_mount(const char *spec, int flags, struct ukfs **fsp);

/* Writes everything back and gives the image up.  -EBUSY: files of it are open. */
int ukfs_release(struct ukfs *fs);

/* The directory of the rump kernel at which it is mounted: "/image", "/image2", ... */
const char *ukfs_directory(const struct ukfs *fs);

/*
 * Is text the name of something in an image, SPEC:/PATH?  1: yes; spec and path are
 * to be freed (spec frees both).  0: it is one of the host's, which has no colon
 * without a backslash, or no slash behind it.  -ENOMEM.
 */
int ukfs_split(const char *text, char **spec, char **path);

/* A descriptor of the rump kernel, for rump_sys_read() and the others. */
int ukfs_open(struct ukfs *fs, const char *path, int flags, mode_t mode);

/* Each name in a directory, but "." and ".."; what fn returns ends it if not 0, and
 * is the result.  fn may change the directory. */
int ukfs_list(struct ukfs *fs, const char *path, int (*fn)(void *arg, const char *name), void *arg);

int ukfs_stat(struct ukfs *fs, const char *path, struct stat *st);
int ukfs_lstat(struct ukfs *fs, const char *path, struct stat *st);
int ukfs_statfs(struct ukfs *fs, const char *path, struct statfs *st);
/* The length of the link's text, of which at most len bytes come, without a NUL. */
ssize_t ukfs_readlink(struct ukfs *fs, const char *path, char *buf, size_t len);

int ukfs_mkdir(struct ukfs *fs, const char *path, mode_t mode);
int ukfs_mknod(struct ukfs *fs, const char *path, mode_t mode, dev_t dev);
int ukfs_symlink(struct ukfs *fs, const char *target, const char *path);
int ukfs_link(struct ukfs *fs, const char *old, const char *path);
int ukfs_rename(struct ukfs *fs, const char *old, const char *path);
int ukfs_unlink(struct ukfs *fs, const char *path);
int ukfs_rmdir(struct ukfs *fs, const char *path);

/* These follow a link at the end of path; the l-functions do not. */
int ukfs_chmod(struct ukfs *fs, const char *path, mode_t mode);
int ukfs_chown(struct ukfs *fs, const char *path, uid_t uid, gid_t gid);
int ukfs_lchown(struct ukfs *fs, const char *path, uid_t uid, gid_t gid);
int ukfs_truncate(struct ukfs *fs, const char *path, off_t size);
/* Access and modification time, with UTIME_NOW and UTIME_OMIT as in utimensat(2). */
int ukfs_utimens(struct ukfs *fs, const char *path, const struct timespec times[2]);
int ukfs_lutimens(struct ukfs *fs, const char *path, const struct timespec times[2]);
ssize_t ukfs_getxattr(struct ukfs *fs, const char *path, const char *name, void *value, size_t len);
int ukfs_setxattr(struct ukfs *fs, const char *path, const char *name, const void *value, size_t len,
    int flags);
ssize_t ukfs_listxattr(struct ukfs *fs, const char *path, char *list, size_t len);
int ukfs_removexattr(struct ukfs *fs, const char *path, const char *name);

/* What was written is in the image when this returns. */
int ukfs_sync(struct ukfs *fs);

/*
 * Copies a file or a tree, with its owners, modes, times, extended attributes, ACLs,
 * hard links and holes, between images and the host (a place whose fs is NULL) in
 * either direction.  to is the copy's own name; what is there with another type
 * than directory is replaced, directories are filled.
 *
 * What cannot be copied or kept goes to say() in one line each (NULL: stderr), the
 * rest goes on; the result is then the first such error.  Attributes that the
 * destination cannot keep are said, once for each kind, but are no errors.
 */
struct ukfs_place {
	struct ukfs *fs;		/* NULL: the host */
	const char *path;
};
struct ukfs_progress {
	unsigned long long files, bytes;	/* copied so far */
	const char *name;			/* at work on */
};
struct ukfs_copy {
	int recursive;			/* else directories are refused: -EISDIR */
	void *arg;			/* of the functions */
	/* NULL, or called often; what it returns ends the copying if not 0. */
	int (*progress)(void *arg, const struct ukfs_progress *p);
	void (*say)(void *arg, const char *line);
};
int ukfs_copy(const struct ukfs_place *from, const struct ukfs_place *to,
    const struct ukfs_copy *how);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop
#endif
