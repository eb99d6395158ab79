/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * copy.c - copying files and trees between kernels.
 *
 * The rump kernel has the host's system calls: one copier does for all directions,
 * each side is the function that makes a call there.  Everything is named by an open
 * directory and one component, symbolic links are never followed: what an image has
 * in it cannot lead the copy out of its place on the host.
 *
 * Limits: inode flags (chattr), project ids, sparse swap and what file systems know
 * of birth times are not copied; a path is as deep as there are descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "copy.h"
#include "links.h"
#include "ukfs.h"

#define CHUNK	(256 << 10)

static long host_call(long nr, long a0, long a1, long a2, long a3, long a4, long a5)
{
	long r = syscall(nr, a0, a1, a2, a3, a4, a5);

	return r == -1 ? -errno : r;
}

/* ---- saying ----------------------------------------------------------------------------- */

static void __attribute__((format(printf, 2, 3)))
say(const struct ukfs_copy *how, const char *fmt, ...)
{
	char line[PATH_MAX + 256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (how->say)
		how->say(how->arg, line);
	else
		ukfs_say(0, "%s", line);
}

int copy_fail(struct copy *c, int error, const char *what)
{
	say(c->how, "%s: %s%s%s", c->path, what ? what : "", what ? ": " : "", strerror(-error));
	if (!c->error)
		c->error = error;
	return error;
}

void copy_lost(struct copy *c, enum lost kind)
{
	if (!c->lost[kind]++)
		c->first_lost[kind] = strdup(c->path);
}

static void say_lost(struct copy *c)
{
	static const char *const what[LOST_KINDS] = {
		[LOST_OWNER] = "owner", [LOST_MODE] = "mode", [LOST_TIME] = "times",
		[LOST_XATTR] = "extended attributes",
	};
	int i;

	for (i = 0; i < LOST_KINDS; i++) {
		if (c->lost[i])
			say(c->how, "%s: the %s could not be kept%s", c->first_lost[i] ? c->first_lost[i] : "",
			    what[i], c->lost[i] > 1 ? ", nor of others" : "");
		free(c->first_lost[i]);
	}
}

static void progress(struct copy *c)
{
	c->progress.name = c->path;
	if (!c->stop && c->how->progress && c->how->progress(c->how->arg, &c->progress))
		c->stop = true;
}

/* ---- data ------------------------------------------------------------------------------------- */

/* Bytes [at, end); 0 or -errno. */
static int copy_range(struct copy *c, int in, int out, int64_t at, int64_t end)
{
	long n, w, done;

	for (; at < end && !c->stop; at += n) {
		n = on(&c->from, SYS_pread64, in, c->buf, end - at < CHUNK ? end - at : CHUNK, at);
		if (n <= 0)
			return n;		/* it has become shorter meanwhile */
		for (done = 0; done < n; done += w) {
			w = on(&c->to, SYS_pwrite64, out, c->buf + done, n - done, at + done);
			if (w <= 0)
				return w < 0 ? w : -EIO;
		}
		c->progress.bytes += n;
		progress(c);
	}
	return 0;
}

/* What is not a hole; a file system that knows no holes has data only. */
static int copy_data(struct copy *c, int in, int out, int64_t size)
{
	int64_t at = 0, data, end;
	int r = 0;

	while (!r && at < size) {
		data = on(&c->from, SYS_lseek, in, at, SEEK_DATA);
		if (data == -ENXIO)
			break;
		end = data < 0 ? size : on(&c->from, SYS_lseek, in, data, SEEK_HOLE);
		if (data < 0)
			data = at;
		if (end < 0 || end > size)
			end = size;
		r = copy_range(c, in, out, data, end);
		at = end;
	}
	return r ? r : on(&c->to, SYS_ftruncate, out, size);
}

static int copy_file(struct copy *c, const struct thing *from, const struct thing *to,
    const struct stat *st)
{
	int in, out, r;

	in = on(from->side, SYS_openat, from->dir, from->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC |
	    O_NONBLOCK | O_NOCTTY);
	if (in < 0)
		return copy_fail(c, in, NULL);
	out = on(to->side, SYS_openat, to->dir, to->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
	    O_CLOEXEC, 0600);
	r = out < 0 ? out : copy_data(c, in, out, st->st_size);
	if (out >= 0) {
		int err = on(to->side, SYS_close, out);

		r = r ? r : err;
	}
	on(from->side, SYS_close, in);
	return r ? copy_fail(c, r, "copying it") : 0;
}

/* ---- everything else ------------------------------------------------------------------------------ */

static int copy_link(struct copy *c, const struct thing *from, const struct thing *to)
{
	char target[PATH_MAX];
	long n = on(from->side, SYS_readlinkat, from->dir, from->name, target, sizeof(target) - 1), r;

	if (n < 0)
		return copy_fail(c, n, NULL);
	target[n] = '\0';
	r = on(to->side, SYS_symlinkat, target, to->dir, to->name);
	return r ? copy_fail(c, r, "a symbolic link") : 0;
}

static int copy_special(struct copy *c, const struct thing *to, const struct stat *st)
{
	long r = on(to->side, SYS_mknodat, to->dir, to->name, (st->st_mode & S_IFMT) | 0600,
	    st->st_rdev);

	return !r ? 0 : copy_fail(c, r, S_ISFIFO(st->st_mode) ? "a FIFO" : S_ISSOCK(st->st_mode) ?
	    "a socket" : "a device");
}

/* Makes room for the copy of something that is st, on its side; 0 or -errno. */
static int remove_old(struct copy *c, const struct thing *to, const struct stat *st)
{
	struct stat old;
	long r = on(to->side, SYS_newfstatat, to->dir, to->name, &old, AT_SYMLINK_NOFOLLOW);

	if (r)
		return r == -ENOENT ? 0 : copy_fail(c, r, "its copy");
	if (c->from.kernel == c->to.kernel && old.st_ino == st->st_ino && old.st_dev == st->st_dev)
		return copy_fail(c, -EEXIST, "is its own copy");
	if (S_ISDIR(st->st_mode))
		return 0;
	r = on(to->side, SYS_unlinkat, to->dir, to->name, 0);
	return r ? copy_fail(c, r, "is in the way of its copy") : 0;
}

/* ---- directories ---------------------------------------------------------------------------------- */

static int copy_thing(struct copy *c, const struct thing *from, const struct thing *to);

static char *join(const char *dir, const char *name)
{
	const char *slash = *dir && dir[strlen(dir) - 1] == '/' ? "" : "/";
	char *path;

	return asprintf(&path, "%s%s%s", dir, slash, name) < 0 ? NULL : path;
}

static void copy_child(struct copy *c, const struct thing *from, const struct thing *to)
{
	char *path = c->path, *rel = c->rel, *child = join(path, from->name),
	    *child_rel = join(rel, to->name);

	if (child && child_rel) {
		c->path = child;
		c->rel = child_rel;
		copy_thing(c, from, to);
		c->path = path;
		c->rel = rel;
	} else {
		copy_fail(c, -ENOMEM, NULL);
	}
	free(child);
	free(child_rel);
}

static int copy_children(struct copy *c, int in, int out)
{
	struct names names;
	const char *name;
	int r;

	r = names_read(c->from.kernel, in, &names);
	if (r)
		return copy_fail(c, r, "reading the directory");
	for_each_name(name, &names) {
		if (c->stop)
			break;
		copy_child(c, &(struct thing){ &c->from, in, name },
		    &(struct thing){ &c->to, out, name });
	}
	free(names.text);
	return 0;
}

/* Is this directory, to be copied, the copy that is being made? */
static bool is_copy(struct copy *c, int in)
{
	struct stat st;

	return c->from.kernel == c->to.kernel && c->top_ino &&
	    !on(&c->from, SYS_fstat, in, &st) && st.st_ino == c->top_ino && st.st_dev == c->top_dev;
}

static void note_copy(struct copy *c, int out)
{
	struct stat st;

	if (c->top_ino || on(&c->to, SYS_fstat, out, &st))
		return;
	c->top_ino = st.st_ino;
	c->top_dev = st.st_dev;
}

static int copy_dir(struct copy *c, const struct thing *from, const struct thing *to)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int in, out, r;

	if (!c->how->recursive)
		return copy_fail(c, -EISDIR, "not copied");
	in = on(from->side, SYS_openat, from->dir, from->name, flags);
	if (in < 0)
		return copy_fail(c, in, NULL);
	if (is_copy(c, in)) {
		r = copy_fail(c, -ELOOP, "a directory is not copied into itself");
		goto out;
	}
	r = on(to->side, SYS_mkdirat, to->dir, to->name, 0700);
	out = r && r != -EEXIST ? r : on(to->side, SYS_openat, to->dir, to->name, flags);
	if (out < 0) {
		r = copy_fail(c, out, "making its copy");
		goto out;
	}
	note_copy(c, out);
	r = copy_children(c, in, out);
	on(to->side, SYS_close, out);
out:
	on(from->side, SYS_close, in);
	return r;
}

/* ---- the whole ---------------------------------------------------------------------------------------- */

static int copy_other(struct copy *c, const struct thing *from, const struct thing *to,
    const struct stat *st)
{
	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
		return copy_file(c, from, to, st);
	case S_IFLNK:
		return copy_link(c, from, to);
	default:
		return copy_special(c, to, st);
	}
}

static int copy_thing(struct copy *c, const struct thing *from, const struct thing *to)
{
	const char *first = NULL;
	struct stat st;
	int r;

	r = on(from->side, SYS_newfstatat, from->dir, from->name, &st, AT_SYMLINK_NOFOLLOW);
	if (r)
		return copy_fail(c, r, NULL);
	progress(c);
	if (c->stop)
		return -EINTR;
	r = remove_old(c, to, &st);
	if (S_ISDIR(st.st_mode)) {
		r = r ? r : copy_dir(c, from, to);
	} else {
		if (!r && st.st_nlink > 1)
			first = links_find(c->links, &st);
		/* Where there are no hard links, it is a copy. */
		if (first && !on(to->side, SYS_linkat, c->top, first, to->dir, to->name))
			goto done;
		if (!r)
			r = copy_other(c, from, to, &st);
		if (!r && st.st_nlink > 1 && !first)
			links_add(c->links, &st, c->rel);
	}
	if (r)
		return r;
	attr_copy(c, from, to, &st);
done:
	c->progress.files++;
	return 0;
}

/*
 * Opens the directory that a place is in, and gives its name there: "." for one that
 * has no other (the root, "..").
 */
static int open_place(struct side *side, const struct ukfs_place *p, struct thing *t, char **name)
{
	size_t len = strlen(p->path), start;
	char *dir;

	side->kernel = p->fs ? rump_syscall : host_call;
	side->label = p->fs ? ukfs_name(p->fs) : "";
	while (len > 1 && p->path[len - 1] == '/')
		len--;
	for (start = len; start && p->path[start - 1] != '/'; start--)
		;
	*name = strndup(p->path + start, len - start);
	dir = strndup(p->path, start);
	if (!*name || !dir) {
		free(dir);
		return -ENOMEM;
	}
	if (!**name || !strcmp(*name, "/") || !strcmp(*name, ".") || !strcmp(*name, "..")) {
		free(dir);
		free(*name);
		dir = strdup(p->path);
		*name = strdup(".");
	}
	t->side = side;
	t->name = *name;
	t->dir = !dir || !*name ? -ENOMEM : p->fs ? ukfs_walk(p->fs, dir, O_PATH | O_DIRECTORY, 0) :
	    host_call(SYS_openat, AT_FDCWD, (long)(*dir ? dir : "."),
		O_PATH | O_DIRECTORY | O_CLOEXEC, 0, 0, 0);
	free(dir);
	return t->dir < 0 ? t->dir : 0;
}

static int run(struct copy *c, const struct thing *from, const struct thing *to)
{
	c->top = to->dir;
	c->links = links_new();
	c->buf = malloc(CHUNK);
	if (c->links && c->buf)
		copy_thing(c, from, to);
	else
		copy_fail(c, -ENOMEM, NULL);
	say_lost(c);
	links_free(c->links);
	free(c->buf);
	return c->error ? c->error : c->stop ? -EINTR : 0;
}

int ukfs_copy(const struct ukfs_place *from, const struct ukfs_place *to,
    const struct ukfs_copy *how)
{
	struct copy c = { .how = how };
	struct thing src = { .dir = -1 }, dst = { .dir = -1 };
	char *src_name = NULL, *dst_name = NULL;
	int r, r2;

	r = open_place(&c.from, from, &src, &src_name);
	r2 = open_place(&c.to, to, &dst, &dst_name);
	c.rel = dst_name;
	if (asprintf(&c.path, "%s%s%s", c.from.label, from->fs ? ":" : "", from->path) < 0)
		r = -ENOMEM;
	if (r)
		say(how, "%s%s%s: %s", c.from.label, from->fs ? ":" : "", from->path, strerror(-r));
	else if (r2)
		say(how, "%s%s%s: %s", c.to.label, to->fs ? ":" : "", to->path, strerror(-r2));
	r = r ? r : r2 ? r2 : run(&c, &src, &dst);
	if (src.dir >= 0)
		on(&c.from, SYS_close, src.dir);
	if (dst.dir >= 0)
		on(&c.to, SYS_close, dst.dir);
	free(c.path);
	free(src_name);
	free(dst_name);
	return r;
}
