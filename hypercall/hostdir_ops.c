/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hostdir_ops.c - what each FUSE message does to a directory of the host: the connection, the
 * names, and the table; hostdir_attr.c has attributes, hostdir_file.c open files.
 *
 * A file that is named by an O_PATH descriptor is opened, and its attributes are
 * changed, by way of /proc/thread-self/fd, which leads to that very file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/statfs.h>

#include "hostcall.h"
#include "hostdir.h"

#define MAX_PAGES	256		/* of a read or write: 1 MB */
#define PAGE		4096

void hostdir_close(int fd)
{
	if (fd >= 0)
		host(SYS_close, fd);
}

const char *hostdir_link(struct op *o, int fd)
{
	snprintf(o->path, sizeof(o->path), "/proc/thread-self/fd/%d", fd);
	return o->path;
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
	hostdir_close(dir);
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
	hostdir_close(dir);
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
		hostdir_close(fd);
		return dir;
	}
	/* The other way, AT_EMPTY_PATH, wants a privilege. */
	err = host(SYS_linkat, AT_FDCWD, hostdir_link(o, fd), dir, o->name[0], AT_SYMLINK_FOLLOW);
	hostdir_close(fd);
	if (err) {
		hostdir_close(dir);
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
	hostdir_close(dir);
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
	hostdir_close(dir);
	hostdir_close(todir);
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
