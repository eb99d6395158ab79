/* SPDX-License-Identifier: BSD-2-Clause */
/* hostdir_attr.c - attributes of files, plain and extended, by FUSE messages. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>

#include "hostcall.h"
#include "hostdir.h"

#define XATTR_MAX	65536

/* ---- attributes ---------------------------------------------------------------------------- */

static int put_attr(struct op *o, const struct stat *st)
{
	struct fuse_attr_out out = { 0 };

	attr_fill(&out.attr, st);
	return op_put(o, &out, sizeof(out));
}

int op_getattr(struct op *o)
{
	struct stat st;
	int fd = node_fd(o, o->node, &st);

	if (fd < 0)
		return fd;
	hostdir_close(fd);
	return put_attr(o, &st);
}

static int set_times(struct op *o, const struct fuse_setattr_in *in, int fd)
{
	struct timespec ts[2] = {
		{ in->atime, in->valid & FATTR_ATIME_NOW ? UTIME_NOW :
		    in->valid & FATTR_ATIME ? in->atimensec : UTIME_OMIT },
		{ in->mtime, in->valid & FATTR_MTIME_NOW ? UTIME_NOW :
		    in->valid & FATTR_MTIME ? in->mtimensec : UTIME_OMIT },
	};

	return host(SYS_utimensat, AT_FDCWD, hostdir_link(o, fd), ts, 0);
}

static int set_attr(struct op *o, const struct fuse_setattr_in *in, int fd)
{
	int err = 0;

	if (in->valid & (FATTR_UID | FATTR_GID))
		err = host(SYS_fchownat, fd, "", in->valid & FATTR_UID ? in->uid : -1U,
		    in->valid & FATTR_GID ? in->gid : -1U, AT_EMPTY_PATH);
	if (!err && in->valid & FATTR_MODE)
		err = host(SYS_chmod, hostdir_link(o, fd), in->mode & 07777);
	if (!err && in->valid & FATTR_SIZE) {
		int open = in->valid & FATTR_FH ? handle_fd(o->d, o->node, in->fh) : -1;

		err = open >= 0 ? host(SYS_ftruncate, open, in->size) :
		    host(SYS_truncate, hostdir_link(o, fd), in->size);
		hostdir_close(open);
	}
	if (!err && in->valid & (FATTR_ATIME | FATTR_MTIME))
		err = set_times(o, in, fd);
	return err;
}

int op_setattr(struct op *o)
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
	hostdir_close(fd);
	return err ? err : put_attr(o, &st);
}

int op_readlink(struct op *o)
{
	struct stat st;
	int fd = node_fd(o, o->node, &st);
	long n;

	if (fd < 0)
		return fd;
	n = host(SYS_readlinkat, fd, "", o->path, sizeof(o->path));
	hostdir_close(fd);
	return n < 0 ? n : op_put(o, o->path, n);
}

/* ---- extended attributes ---------------------------------------------------------------------------- */

/* The node as a path, which its O_PATH descriptor must outlive. */
static int node_path(struct op *o, const char **path)
{
	struct stat st;
	int fd = node_fd(o, o->node, &st);

	if (fd >= 0)
		*path = hostdir_link(o, fd);
	return fd;
}

int op_setxattr(struct op *o)
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
	hostdir_close(fd);
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
	hostdir_close(fd);
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

int op_getxattr(struct op *o)
{
	return put_xattr(o, false);
}

int op_listxattr(struct op *o)
{
	return put_xattr(o, true);
}

int op_removexattr(struct op *o)
{
	const char *path = NULL;
	int fd, err;

	TRY(op_take_text(o, o->name[0], sizeof(o->name[0])));
	fd = node_path(o, &path);
	err = fd < 0 ? fd : host(SYS_removexattr, path, o->name[0]);
	hostdir_close(fd);
	return err;
}
