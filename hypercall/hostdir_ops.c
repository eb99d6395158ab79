/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hostdir_ops.c - what each FUSE message does to a directory of the host: one function and
 * one row of the table at the end.
 *
 * A file that is named by an O_PATH descriptor is opened, and its attributes are
 * changed, by way of /proc/thread-self/fd, which leads to that very file.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/uio.h>

#include "hostcall.h"
#include "hostdir.h"

#define MAX_PAGES	256		/* of a read or write: 1 MB */
#define PAGE		4096
#define XATTR_MAX	65536
#define DENTS		8192
#define OPEN_FLAGS	(O_ACCMODE | O_APPEND | O_SYNC | O_DSYNC | O_NOATIME | O_TRUNC)

#ifndef SYS_copy_file_range
#define SYS_copy_file_range 326
#endif

struct linux_dirent64 {
	uint64_t ino, off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

#define TRY(expr)	do { int err_ = (expr); if (err_) return err_; } while (0)

static void shut(int fd)
{
	if (fd >= 0)
		host(SYS_close, fd);
}

/* ---- the connection ------------------------------------------------------------------------ */

static int op_init(struct op *o)
{
	struct fuse_init_in in = { 0 };
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION, .minor = 31, .max_background = 64,
		.congestion_threshold = 48, .max_write = MAX_PAGES * PAGE,
		.max_pages = MAX_PAGES, .time_gran = 1,
		.flags = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_ATOMIC_O_TRUNC |
		    FUSE_AUTO_INVAL_DATA | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES | FUSE_POSIX_ACL,
	};

	/* Its first 16 bytes are there in every version. */
	TRY(op_take(o, &in, 16));
	if (in.major != FUSE_KERNEL_VERSION)
		return -EPROTO;
	out.max_readahead = in.max_readahead;
	return op_put(o, &out, sizeof(out));
}

static int op_destroy(struct op *o)
{
	(void)o;
	return 0;
}

static int op_forget(struct op *o)
{
	struct fuse_forget_in in;

	TRY(op_take(o, &in, sizeof(in)));
	node_forget(o->d, o->h.nodeid, in.nlookup);
	return 0;
}

static int op_statfs(struct op *o)
{
	struct fuse_statfs_out out = { 0 };
	struct statfs s;
	int err = host(SYS_fstatfs, o->d->root, &s);

	if (err)
		return err;
	out.st = (struct fuse_kstatfs){
		.blocks = s.f_blocks, .bfree = s.f_bfree, .bavail = s.f_bavail,
		.files = s.f_files, .ffree = s.f_ffree, .bsize = s.f_bsize,
		.namelen = s.f_namelen, .frsize = s.f_frsize,
	};
	return op_put(o, &out, sizeof(out));
}

/* ---- attributes ---------------------------------------------------------------------------- */

static int put_attr(struct op *o, const struct stat *st)
{
	struct fuse_attr_out out = { 0 };

	attr_fill(&out.attr, st);
	return op_put(o, &out, sizeof(out));
}

static int op_getattr(struct op *o)
{
	struct stat st;
	int fd = node_fd(o, o->node, &st);

	if (fd < 0)
		return fd;
	shut(fd);
	return put_attr(o, &st);
}

/* A path that leads to what fd is, for calls that take none. */
static const char *link_to(struct op *o, int fd)
{
	snprintf(o->path, sizeof(o->path), "/proc/thread-self/fd/%d", fd);
	return o->path;
}

static int set_times(struct op *o, const struct fuse_setattr_in *in, int fd)
{
	struct timespec ts[2] = {
		{ in->atime, in->valid & FATTR_ATIME_NOW ? UTIME_NOW :
		    in->valid & FATTR_ATIME ? in->atimensec : UTIME_OMIT },
		{ in->mtime, in->valid & FATTR_MTIME_NOW ? UTIME_NOW :
		    in->valid & FATTR_MTIME ? in->mtimensec : UTIME_OMIT },
	};

	return host(SYS_utimensat, AT_FDCWD, link_to(o, fd), ts, 0);
}

static int set_attr(struct op *o, const struct fuse_setattr_in *in, int fd)
{
	int err = 0;

	if (in->valid & (FATTR_UID | FATTR_GID))
		err = host(SYS_fchownat, fd, "", in->valid & FATTR_UID ? in->uid : -1U,
		    in->valid & FATTR_GID ? in->gid : -1U, AT_EMPTY_PATH);
	if (!err && in->valid & FATTR_MODE)
		err = host(SYS_chmod, link_to(o, fd), in->mode & 07777);
	if (!err && in->valid & FATTR_SIZE) {
		int open = in->valid & FATTR_FH ? handle_fd(o->d, o->node, in->fh) : -1;

		err = open >= 0 ? host(SYS_ftruncate, open, in->size) :
		    host(SYS_truncate, link_to(o, fd), in->size);
		shut(open);
	}
	if (!err && in->valid & (FATTR_ATIME | FATTR_MTIME))
		err = set_times(o, in, fd);
	return err;
}

static int op_setattr(struct op *o)
{
	struct fuse_setattr_in in;
	struct stat st;
	int fd, err;

	TRY(op_take(o, &in, sizeof(in)));
	fd = node_fd(o, o->node, &st);
	if (fd < 0)
		return fd;
	err = set_attr(o, &in, fd);
	if (!err)
		err = host(SYS_fstat, fd, &st);
	shut(fd);
	return err ? err : put_attr(o, &st);
}

static int op_readlink(struct op *o)
{
	struct stat st;
	int fd = node_fd(o, o->node, &st);
	long n;

	if (fd < 0)
		return fd;
	n = host(SYS_readlinkat, fd, "", o->path, sizeof(o->path));
	shut(fd);
	return n < 0 ? n : op_put(o, o->path, n);
}

/* ---- names --------------------------------------------------------------------------------- */

/* Tells the kernel of what is at name[0] in dir, a descriptor of o's node; closes dir. */
static int put_entry(struct op *o, int dir, bool made)
{
	struct fuse_entry_out out;
	struct stat st;
	int err;

	/* Who makes it owns it. */
	if (made && o->d->is_root && (o->h.uid || o->h.gid))
		host(SYS_fchownat, dir, o->name[0], o->h.uid, o->h.gid, AT_SYMLINK_NOFOLLOW);
	err = host(SYS_newfstatat, dir, o->name[0], &st, AT_SYMLINK_NOFOLLOW);
	shut(dir);
	if (!err)
		err = node_entry(o->d, o->node, o->name[0], &st, &out);
	if (!err) {
		err = op_put(o, &out, sizeof(out));
		if (err)
			node_forget(o->d, out.nodeid, 1);
	}
	return err;
}

static int op_lookup(struct op *o)
{
	int dir;

	TRY(op_take_name(o, o->name[0]));
	dir = node_dir(o, o->node);
	return dir < 0 ? dir : put_entry(o, dir, false);
}

/* The end of every call that makes an entry; err: how it went. */
static int made_entry(struct op *o, int dir, int err)
{
	if (!err)
		return put_entry(o, dir, true);
	shut(dir);
	return err;
}

static int op_mknod(struct op *o)
{
	struct fuse_mknod_in in;
	uint32_t minor;
	int dir;

	TRY(op_take(o, &in, sizeof(in)));
	TRY(op_take_name(o, o->name[0]));
	dir = node_dir(o, o->node);
	if (dir < 0)
		return dir;
	minor = (in.rdev & 0xff) | (in.rdev >> 12 & ~0xffU);
	return made_entry(o, dir, host(SYS_mknodat, dir, o->name[0], in.mode,
	    (minor & 0xff) | (in.rdev & 0xfff00) | (minor & ~0xffU) << 12));
}

static int op_mkdir(struct op *o)
{
	struct fuse_mkdir_in in;
	int dir;

	TRY(op_take(o, &in, sizeof(in)));
	TRY(op_take_name(o, o->name[0]));
	dir = node_dir(o, o->node);
	if (dir < 0)
		return dir;
	return made_entry(o, dir, host(SYS_mkdirat, dir, o->name[0], in.mode & 07777));
}

static int op_symlink(struct op *o)
{
	char text[PATH_MAX];
	int dir;

	TRY(op_take_name(o, o->name[0]));
	TRY(op_take_text(o, text, sizeof(text)));
	dir = node_dir(o, o->node);
	if (dir < 0)
		return dir;
	return made_entry(o, dir, host(SYS_symlinkat, text, dir, o->name[0]));
}

static int op_link(struct op *o)
{
	struct fuse_link_in in;
	struct node *old;
	struct stat st;
	int dir, fd, err;

	TRY(op_take(o, &in, sizeof(in)));
	TRY(op_take_name(o, o->name[0]));
	old = node_get(o->d, in.oldnodeid);
	if (!old)
		return -ESTALE;
	fd = node_fd(o, old, &st);
	node_put(o->d, old);
	if (fd < 0)
		return fd;
	dir = node_dir(o, o->node);
	if (dir < 0) {
		shut(fd);
		return dir;
	}
	/* The other way, AT_EMPTY_PATH, wants a privilege. */
	err = host(SYS_linkat, AT_FDCWD, link_to(o, fd), dir, o->name[0], AT_SYMLINK_FOLLOW);
	shut(fd);
	if (err) {
		shut(dir);
		return err;
	}
	return put_entry(o, dir, false);
}

static int unlink_entry(struct op *o, int flags)
{
	int dir, err;

	TRY(op_take_name(o, o->name[0]));
	dir = node_dir(o, o->node);
	if (dir < 0)
		return dir;
	err = host(SYS_unlinkat, dir, o->name[0], flags);
	if (!err)
		node_unlinked(o->d, o->node, o->name[0]);
	shut(dir);
	return err;
}

static int op_unlink(struct op *o)
{
	return unlink_entry(o, 0);
}

static int op_rmdir(struct op *o)
{
	return unlink_entry(o, AT_REMOVEDIR);
}

static int rename_to(struct op *o, uint64_t newdir, unsigned int flags)
{
	struct node *to;
	int dir, todir, err;

	TRY(op_take_name(o, o->name[0]));
	TRY(op_take_name(o, o->name[1]));
	to = node_get(o->d, newdir);
	if (!to)
		return -ESTALE;
	err = dir = node_dir(o, o->node);
	todir = dir < 0 ? -1 : node_dir(o, to);
	if (dir >= 0)
		err = todir < 0 ? todir : host(SYS_renameat2, dir, o->name[0], todir, o->name[1],
		    flags);
	if (!err)
		node_renamed(o->d, o->node, o->name[0], to, o->name[1], flags & RENAME_EXCHANGE);
	shut(dir);
	shut(todir);
	node_put(o->d, to);
	return err;
}

static int op_rename(struct op *o)
{
	struct fuse_rename_in in;

	TRY(op_take(o, &in, sizeof(in)));
	return rename_to(o, in.newdir, 0);
}

static int op_rename2(struct op *o)
{
	struct fuse_rename2_in in;

	TRY(op_take(o, &in, sizeof(in)));
	return rename_to(o, in.newdir, in.flags);
}

/* ---- open files -------------------------------------------------------------------------------- */

/* Takes fd over; *out is for the answer. */
static int new_handle(struct op *o, struct node *n, int fd, struct fuse_open_out *out)
{
	*out = (struct fuse_open_out){ 0 };
	return handle_new(o->d, n, fd, &out->fh);
}

static bool wants_writing(unsigned int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC;
}

static int open_node(struct op *o, mode_t type, int flags)
{
	struct fuse_open_out out;
	struct stat st;
	int path = node_fd(o, o->node, &st), fd;

	if (path < 0)
		return path;
	/* Others are not opened on the host: devices and pipes are the rump kernel's. */
	if ((st.st_mode & S_IFMT) != type)
		fd = -EINVAL;
	else
		fd = host(SYS_open, link_to(o, path), flags | O_CLOEXEC | O_NOCTTY, 0);
	shut(path);
	if (fd < 0)
		return fd;
	TRY(new_handle(o, o->node, fd, &out));
	return op_put(o, &out, sizeof(out));
}

static int op_open(struct op *o)
{
	struct fuse_open_in in;

	TRY(op_take(o, &in, sizeof(in)));
	if (o->d->rdonly && wants_writing(in.flags))
		return -EROFS;
	return open_node(o, S_IFREG, in.flags & OPEN_FLAGS);
}

static int op_opendir(struct op *o)
{
	return open_node(o, S_IFDIR, O_RDONLY | O_DIRECTORY);
}

static int op_create(struct op *o)
{
	struct fuse_create_in in;
	struct fuse_open_out out;
	struct fuse_entry_out *entry;
	struct node *n = NULL;
	struct stat st;
	size_t at;
	int dir, fd, err;

	TRY(op_take(o, &in, sizeof(in)));
	TRY(op_take_name(o, o->name[0]));
	dir = node_dir(o, o->node);
	if (dir < 0)
		return dir;
	fd = host(SYS_openat, dir, o->name[0], (in.flags & (OPEN_FLAGS | O_EXCL)) | O_CREAT |
	    O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, in.mode & 07777);
	if (fd < 0) {
		shut(dir);
		return fd;
	}
	if (o->d->is_root && (o->h.uid || o->h.gid))
		host(SYS_fchown, fd, o->h.uid, o->h.gid);
	err = host(SYS_fstat, fd, &st);
	shut(dir);
	if (!err && !S_ISREG(st.st_mode))
		err = -EEXIST;
	entry = (struct fuse_entry_out *)o->path;
	if (!err)
		err = node_entry(o->d, o->node, o->name[0], &st, entry);
	if (err) {
		shut(fd);
		return err;
	}
	n = node_get(o->d, entry->nodeid);
	at = entry->nodeid;
	err = op_put(o, entry, sizeof(*entry));
	if (!err)
		err = n ? new_handle(o, n, fd, &out) : -ESTALE;
	else
		shut(fd);
	if (!err)
		err = op_put(o, &out, sizeof(out));
	if (n)
		node_put(o->d, n);
	if (err)
		node_forget(o->d, at, 1);
	return err;
}

static int op_release(struct op *o)
{
	struct fuse_release_in in;

	TRY(op_take(o, &in, sizeof(in)));
	handle_release(o->d, o->node, in.fh);
	return 0;
}

/* Between a file and the message's data, size bytes at most. */
static int transfer(struct op *o, uint64_t fh, uint64_t offset, size_t size, bool write)
{
	const struct stream *s = write ? &o->in : &o->out;
	struct iovec iov[MAX_PAGES + 8];
	size_t left = stream_left(s);
	unsigned int n;
	long ret;
	int fd;

	n = stream_iov(s, size < left ? size : left, iov, MAX_PAGES + 8);
	fd = handle_fd(o->d, o->node, fh);
	if (fd < 0)
		return fd;
	do
		ret = host(write ? SYS_pwritev : SYS_preadv, fd, iov, n, offset, 0);
	while (ret == -EINTR);
	shut(fd);
	return ret;
}

static int op_read(struct op *o)
{
	struct fuse_read_in in;
	long n;

	TRY(op_take(o, &in, sizeof(in)));
	n = transfer(o, in.fh, in.offset, in.size, false);
	if (n < 0)
		return n;
	o->answer += n;
	return 0;
}

static int op_write(struct op *o)
{
	struct fuse_write_out out = { 0 };
	struct fuse_write_in in;
	long n;

	TRY(op_take(o, &in, sizeof(in)));
	n = transfer(o, in.fh, in.offset, in.size, true);
	if (n < 0)
		return n;
	out.size = n;
	return op_put(o, &out, sizeof(out));
}

static int op_fsync(struct op *o)
{
	struct fuse_fsync_in in;
	int fd, err;

	TRY(op_take(o, &in, sizeof(in)));
	fd = handle_fd(o->d, o->node, in.fh);
	if (fd < 0)
		return fd;
	err = host(in.fsync_flags & FUSE_FSYNC_FDATASYNC ? SYS_fdatasync : SYS_fsync, fd);
	shut(fd);
	return err;
}

static int op_fallocate(struct op *o)
{
	struct fuse_fallocate_in in;
	int fd, err;

	TRY(op_take(o, &in, sizeof(in)));
	fd = handle_fd(o->d, o->node, in.fh);
	if (fd < 0)
		return fd;
	err = host(SYS_fallocate, fd, in.mode, in.offset, in.length);
	shut(fd);
	return err;
}

static int op_lseek(struct op *o)
{
	struct fuse_lseek_out out;
	struct fuse_lseek_in in;
	long ret;
	int fd;

	TRY(op_take(o, &in, sizeof(in)));
	fd = handle_fd(o->d, o->node, in.fh);
	if (fd < 0)
		return fd;
	ret = host(SYS_lseek, fd, in.offset, in.whence);
	shut(fd);
	if (ret < 0)
		return ret;
	out.offset = ret;
	return op_put(o, &out, sizeof(out));
}

static int op_copy_file_range(struct op *o)
{
	struct fuse_copy_file_range_in in;
	struct fuse_write_out out = { 0 };
	struct node *to;
	int fd, tofd = -1;
	long n;

	TRY(op_take(o, &in, sizeof(in)));
	to = node_get(o->d, in.nodeid_out);
	if (!to)
		return -ESTALE;
	fd = handle_fd(o->d, o->node, in.fh_in);
	n = tofd = fd < 0 ? fd : handle_fd(o->d, to, in.fh_out);
	/* The answer has 32 bits. */
	if (tofd >= 0)
		n = host(SYS_copy_file_range, fd, &in.off_in, tofd, &in.off_out,
		    in.len < INT_MAX ? in.len : INT_MAX, in.flags);
	shut(fd);
	shut(tofd);
	node_put(o->d, to);
	if (n < 0)
		return n;
	out.size = n;
	return op_put(o, &out, sizeof(out));
}

/* ---- directories -------------------------------------------------------------------------------- */

/* One entry in FUSE's form; false: the answer has no room for it. */
static bool put_dirent(struct op *o, const struct linux_dirent64 *de, size_t room)
{
	static const char zeroes[8];
	struct fuse_dirent out = {
		.ino = de->ino, .off = de->off, .namelen = strlen(de->name), .type = de->type,
	};
	size_t size = FUSE_NAME_OFFSET + out.namelen, padded = FUSE_DIRENT_ALIGN(size);

	if (o->answer + padded > room)
		return false;
	return op_put(o, &out, FUSE_NAME_OFFSET) == 0 && op_put(o, de->name, out.namelen) == 0 &&
	    op_put(o, zeroes, padded - size) == 0;
}

static int op_readdir(struct op *o)
{
	_Alignas(8) char buf[DENTS];
	const struct linux_dirent64 *de;
	struct fuse_read_in in;
	long n, at, ret;
	size_t room;
	int fd;

	TRY(op_take(o, &in, sizeof(in)));
	room = stream_left(&o->out);
	if (in.size < room)
		room = in.size;
	fd = handle_fd(o->d, o->node, in.fh);
	if (fd < 0)
		return fd;
	/* Copies of a descriptor have one position: the lock of the rump kernel's file, which
	 * reads a directory in turn, keeps it ours. */
	ret = host(SYS_lseek, fd, in.offset, SEEK_SET);
	while (ret >= 0 && (ret = n = host(SYS_getdents64, fd, buf, sizeof(buf))) > 0) {
		for (at = 0; at < n; at += de->reclen) {
			de = (const struct linux_dirent64 *)(buf + at);
			if (!put_dirent(o, de, room))
				break;
		}
		if (at < n)
			break;
	}
	shut(fd);
	return ret < 0 && !o->answer ? ret : 0;
}

/* ---- extended attributes ---------------------------------------------------------------------------- */

/* The node as a path, which its O_PATH descriptor must outlive. */
static int node_path(struct op *o, const char **path)
{
	struct stat st;
	int fd = node_fd(o, o->node, &st);

	if (fd >= 0)
		*path = link_to(o, fd);
	return fd;
}

static int op_setxattr(struct op *o)
{
	uint32_t in[2];			/* size, flags: the first version of the struct */
	const char *path = NULL;
	char *value;
	int fd, err;

	TRY(op_take(o, in, sizeof(in)));
	TRY(op_take_text(o, o->name[0], sizeof(o->name[0])));
	if (in[0] > XATTR_MAX)
		return -E2BIG;
	value = malloc(in[0] + 1);
	if (!value)
		return -ENOMEM;
	err = op_take(o, value, in[0]);
	fd = err ? err : node_path(o, &path);
	if (fd >= 0)
		err = host(SYS_setxattr, path, o->name[0], value, in[0], in[1]);
	else
		err = fd;
	shut(fd);
	free(value);
	return err;
}

/* Answers with an attribute's value or the list of names, or with the size of it. */
static int put_xattr(struct op *o, bool list)
{
	struct fuse_getxattr_out out = { 0 };
	struct fuse_getxattr_in in;
	const char *path = NULL;
	char *buf = NULL;
	int fd, err;
	long n;

	TRY(op_take(o, &in, sizeof(in)));
	if (!list)
		TRY(op_take_text(o, o->name[0], sizeof(o->name[0])));
	if (in.size > XATTR_MAX)
		in.size = XATTR_MAX;
	if (in.size && !(buf = malloc(in.size)))
		return -ENOMEM;
	n = fd = node_path(o, &path);
	if (fd >= 0)
		n = list ? host(SYS_listxattr, path, buf, in.size) :
		    host(SYS_getxattr, path, o->name[0], buf, in.size);
	shut(fd);
	if (n < 0) {
		err = n;
	} else if (in.size) {
		err = op_put(o, buf, n);
	} else {
		out.size = n;
		err = op_put(o, &out, sizeof(out));
	}
	free(buf);
	return err;
}

static int op_getxattr(struct op *o)
{
	return put_xattr(o, false);
}

static int op_listxattr(struct op *o)
{
	return put_xattr(o, true);
}

static int op_removexattr(struct op *o)
{
	const char *path = NULL;
	int fd, err;

	TRY(op_take_text(o, o->name[0], sizeof(o->name[0])));
	fd = node_path(o, &path);
	err = fd < 0 ? fd : host(SYS_removexattr, path, o->name[0]);
	shut(fd);
	return err;
}

#define READS		false, false
#define WRITES		true, false
#define NODELESS	false, true

const struct op_kind hostdir_ops[] = {
	[FUSE_INIT]		= { op_init, NODELESS },
	[FUSE_DESTROY]		= { op_destroy, NODELESS },
	[FUSE_FORGET]		= { op_forget, NODELESS },
	[FUSE_STATFS]		= { op_statfs, NODELESS },
	[FUSE_LOOKUP]		= { op_lookup, READS },
	[FUSE_GETATTR]		= { op_getattr, READS },
	[FUSE_SETATTR]		= { op_setattr, WRITES },
	[FUSE_READLINK]		= { op_readlink, READS },
	[FUSE_MKNOD]		= { op_mknod, WRITES },
	[FUSE_MKDIR]		= { op_mkdir, WRITES },
	[FUSE_SYMLINK]		= { op_symlink, WRITES },
	[FUSE_LINK]		= { op_link, WRITES },
	[FUSE_UNLINK]		= { op_unlink, WRITES },
	[FUSE_RMDIR]		= { op_rmdir, WRITES },
	[FUSE_RENAME]		= { op_rename, WRITES },
	[FUSE_RENAME2]		= { op_rename2, WRITES },
	[FUSE_OPEN]		= { op_open, READS },
	[FUSE_CREATE]		= { op_create, WRITES },
	[FUSE_READ]		= { op_read, READS },
	[FUSE_WRITE]		= { op_write, WRITES },
	[FUSE_RELEASE]		= { op_release, READS },
	[FUSE_FSYNC]		= { op_fsync, READS },
	[FUSE_FALLOCATE]	= { op_fallocate, WRITES },
	[FUSE_LSEEK]		= { op_lseek, READS },
	[FUSE_COPY_FILE_RANGE]	= { op_copy_file_range, WRITES },
	[FUSE_OPENDIR]		= { op_opendir, READS },
	[FUSE_READDIR]		= { op_readdir, READS },
	[FUSE_RELEASEDIR]	= { op_release, READS },
	[FUSE_FSYNCDIR]		= { op_fsync, READS },
	[FUSE_SETXATTR]		= { op_setxattr, WRITES },
	[FUSE_GETXATTR]		= { op_getxattr, READS },
	[FUSE_LISTXATTR]	= { op_listxattr, READS },
	[FUSE_REMOVEXATTR]	= { op_removexattr, WRITES },
};
const unsigned int hostdir_nops = sizeof(hostdir_ops) / sizeof(hostdir_ops[0]);
