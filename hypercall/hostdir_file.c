/* SPDX-License-Identifier: BSD-2-Clause */
/* hostdir_file.c - open files and directories, by FUSE messages. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>

#include "hostcall.h"
#include "hostdir.h"

#define IOV_MAX_FILE	264		/* pages of a message, and what is before them */
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
		fd = host(SYS_open, hostdir_link(o, path), flags | O_CLOEXEC | O_NOCTTY, 0);
	hostdir_close(path);
	if (fd < 0)
		return fd;
	TRY(new_handle(o, o->node, fd, &out));
	return op_put(o, &out, sizeof(out));
}

int op_open(struct op *o)
{
	struct fuse_open_in in;

	TRY(op_take(o, &in, sizeof(in)));
	if (o->d->rdonly && wants_writing(in.flags))
		return -EROFS;
	return open_node(o, S_IFREG, in.flags & OPEN_FLAGS);
}

int op_opendir(struct op *o)
{
	return open_node(o, S_IFDIR, O_RDONLY | O_DIRECTORY);
}

int op_create(struct op *o)
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
		hostdir_close(dir);
		return fd;
	}
	if (o->d->is_root && (o->h.uid || o->h.gid))
		host(SYS_fchown, fd, o->h.uid, o->h.gid);
	err = host(SYS_fstat, fd, &st);
	hostdir_close(dir);
	if (!err && !S_ISREG(st.st_mode))
		err = -EEXIST;
	entry = (struct fuse_entry_out *)o->path;
	if (!err)
		err = node_entry(o->d, o->node, o->name[0], &st, entry);
	if (err) {
		hostdir_close(fd);
		return err;
	}
	n = node_get(o->d, entry->nodeid);
	at = entry->nodeid;
	err = op_put(o, entry, sizeof(*entry));
	if (!err)
		err = n ? new_handle(o, n, fd, &out) : -ESTALE;
	else
		hostdir_close(fd);
	if (!err)
		err = op_put(o, &out, sizeof(out));
	if (n)
		node_put(o->d, n);
	if (err)
		node_forget(o->d, at, 1);
	return err;
}

int op_release(struct op *o)
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
	struct iovec iov[IOV_MAX_FILE];
	size_t left = stream_left(s);
	unsigned int n;
	long ret;
	int fd;

	n = stream_iov(s, size < left ? size : left, iov, IOV_MAX_FILE);
	fd = handle_fd(o->d, o->node, fh);
	if (fd < 0)
		return fd;
	do
		ret = host(write ? SYS_pwritev : SYS_preadv, fd, iov, n, offset, 0);
	while (ret == -EINTR);
	hostdir_close(fd);
	return ret;
}

int op_read(struct op *o)
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

int op_write(struct op *o)
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

int op_fsync(struct op *o)
{
	struct fuse_fsync_in in;
	int fd, err;

	TRY(op_take(o, &in, sizeof(in)));
	fd = handle_fd(o->d, o->node, in.fh);
	if (fd < 0)
		return fd;
	err = host(in.fsync_flags & FUSE_FSYNC_FDATASYNC ? SYS_fdatasync : SYS_fsync, fd);
	hostdir_close(fd);
	return err;
}

int op_fallocate(struct op *o)
{
	struct fuse_fallocate_in in;
	int fd, err;

	TRY(op_take(o, &in, sizeof(in)));
	fd = handle_fd(o->d, o->node, in.fh);
	if (fd < 0)
		return fd;
	err = host(SYS_fallocate, fd, in.mode, in.offset, in.length);
	hostdir_close(fd);
	return err;
}

int op_lseek(struct op *o)
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
	hostdir_close(fd);
	if (ret < 0)
		return ret;
	out.offset = ret;
	return op_put(o, &out, sizeof(out));
}

int op_copy_file_range(struct op *o)
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
	hostdir_close(fd);
	hostdir_close(tofd);
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

int op_readdir(struct op *o)
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
	hostdir_close(fd);
	return ret < 0 && !o->answer ? ret : 0;
}
