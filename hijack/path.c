/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * path.c - names: which kernel's, and what to call them there.
 *
 * A name is the rump kernel's if it lies under one of the scope's prefixes;
 * path= cuts the prefix off, blanket= leaves it.  Names are compared as they
 * are written.  Symbolic links that lead across are noticed later, when a call has
 * failed (links.c); where a name has a ".." that would lead across, they are looked at
 * here.  A relative name starts at a directory of
 * either kernel, and is handed on as it is unless it leads into a prefix or
 * out of one.  The process in the rump kernel is in the directory that the
 * program is in, if that is the rump kernel's.
 *
 * Limit: a bad address of a name is a fault in the program, if it is not near 0.
 *
 * Compiled to use general registers only, as want.c, for path_maybe().
 */
#include <errno.h>
#include <fcntl.h>

#include "links.h"

static int cwd_rump;		/* the process is in a directory of the rump kernel */
static int root_rump;		/* and so is its root */

void path_cwd_host(void)
{
	cwd_rump = 0;
}

void path_cwd_rump(void)
{
	cwd_rump = 1;
}

int path_cwd_is_rump(void)
{
	return cwd_rump;
}

int path_child_cwds;

void path_root_rump(void)
{
	root_rump = 1;
}

int path_root_is_rump(void)
{
	return root_rump;
}

long path_name_inside(const char *path, const struct prefix *p, char buf[PATH_BUF],
    const char **name)
{
	const char *s = p->as;
	size_t n = 0;

	if (p->cut || !s) {
		*name = path_inside(path, p);
		return 0;
	}
	for (; *s && n < PATH_BUF; n++)
		buf[n] = *s++;
	for (s = path + p->len; *s && n < PATH_BUF; n++)
		buf[n] = *s++;
	if (n == PATH_BUF)
		return -ENAMETOOLONG;
	buf[n] = '\0';
	*name = buf;
	return 0;
}

/* "/proc/self/fdinfo/N": N, or -1. */
static int info_of(const char *path)
{
	static const char dir[] = "/proc/self/fdinfo/";
	size_t i, n = 0;

	for (i = 0; dir[i]; i++)
		if (path[i] != dir[i])
			return -1;
	if (!path[i])
		return -1;
	for (; path[i] >= '0' && path[i] <= '9' && n < FDMAP_MAX; i++)
		n = n * 10 + (path[i] - '0');
	return path[i] || n >= FDMAP_MAX ? -1 : (int)n;
}

/*
 * What the rump kernel says of its descriptor rfd, which is the program's fd.  Whether that is
 * close-on-exec, it hears at an exec only, else.
 */
static int info_by_proc(int fd, int rfd, struct where *w)
{
	static const char dir[] = "/proc/self/fdinfo/";
	char digits[12];
	size_t n, d = 0;

	rump(SYS_fcntl, rfd, F_SETFD, host(SYS_fcntl, fd, F_GETFD));
	for (n = 0; dir[n]; n++)
		w->buf[n] = dir[n];
	do
		digits[d++] = '0' + rfd % 10;
	while (rfd /= 10);
	while (d)
		w->buf[n++] = digits[--d];
	w->buf[n] = '\0';
	w->side = SIDE_RUMP;
	w->path = w->buf;
	return 0;
}

/* Is what path_own() has found the rump kernel's? */
static int self_is_rump(int fd)
{
	return fd == AT_FDCWD ? cwd_rump : fd >= 0 && fdmap_peek(fd) != FD_HOST;
}

/* Certainly no address of a string: the host says EFAULT, where we would crash.  Any
 * other bad address is the program's fault, literally. */
static int is_bad(const char *path)
{
	return (unsigned long)path < 4096 || (long)path < 0;
}

int path_maybe(int dirfd, const char *path)
{
	const char *rest;

	if (is_bad(path))
		return dirfd != AT_FDCWD && fdmap_peek(dirfd) != FD_HOST;
	if (path[0] == '/') {
		if (root_rump || path_prefix_of(path) || path_is_odd(path))
			return 1;
		return (path[1] == 'd' || path[1] == 'p') &&
		    (self_is_rump(path_own(path, &rest)) || self_is_rump(info_of(path)));
	}
	if (dirfd != AT_FDCWD ? fdmap_peek(dirfd) != FD_HOST : cwd_rump || path_child_cwds)
		return 1;
	return path_may_enter(path);
}

/* w->buf has the name in full: decides by it, and asks by it. */
static int decide(struct where *w)
{
	const struct prefix *p = path_prefix_of(w->buf);
	char buf[PATH_BUF];
	size_t i = 0;
	long err;

	w->side = p ? SIDE_RUMP : SIDE_HOST;
	w->path = w->buf;
	w->dirfd = AT_FDCWD;
	if (!p)
		return 0;
	err = path_name_inside(w->buf, p, buf, &w->path);
	if (err == 0 && w->path == buf) {
		do
			w->buf[i] = buf[i];
		while (buf[i++]);
		w->path = w->buf;
	}
	return err;
}

/* A name of a vfork child that has changed to a directory of the rump kernel. */
static int from_child(const char *dir, const char *path, struct where *w)
{
	long len = path_append(w->buf, 0, dir);

	if (len == 1 || (len > 0 && w->buf[len - 1] == '/'))
		len--;
	len = len < 0 ? len : path_append(w->buf, len, path);
	return len < 0 ? len : decide(w);
}

/* The rump kernel's own "/proc/self/fd/N" or "/proc/self/cwd". */
static int by_proc(int rfd, const char *rest, struct where *w)
{
	const char *s;
	size_t n;

	w->side = SIDE_RUMP;
	w->path = w->buf;
	n = path_proc(rfd, w->buf);
	for (s = rest; n < PATH_BUF && (w->buf[n] = *s); n++)
		s++;
	return n < PATH_BUF ? 0 : -ENAMETOOLONG;
}

/* A name that crosses, as it is written, which w->buf has: with a "..", links decide. */
static int by_links(int dirfd, const char *path, struct where *w)
{
	int err = path_has_dotdot(path) ? links_resolve(dirfd, path, w->buf) : 0;

	return err < 0 ? err : decide(w);
}

long path_base(int dirfd, char buf[PATH_BUF], enum side *side)
{
	const char *child;
	long len;

	*side = SIDE_HOST;
	if (dirfd != AT_FDCWD && fdmap_get(dirfd) == FD_RUMP) {
		*side = SIDE_RUMP;
		dirfd = fdmap_num[dirfd];
	} else if (dirfd == AT_FDCWD && path_child_cwds && (child = proc_child_cwd()) && *child) {
		*side = SIDE_RUMP;
		len = path_append(buf, 0, child);
		return len == 1 ? 0 : len;
	} else if (dirfd == AT_FDCWD && cwd_rump) {
		*side = SIDE_RUMP;
	}
	return path_dir(*side, dirfd, buf);
}

int path_where(int dirfd, const char *path, struct where *w)
{
	const struct prefix *p;
	const char *child, *rest;
	long len;
	int fd;

	w->side = SIDE_HOST;
	w->dirfd = dirfd;
	w->path = path;
	if (is_bad(path)) {
		/* NULL is the descriptor itself, for utimensat(2); the rest is the kernel's to refuse. */
		if (dirfd != AT_FDCWD && fdmap_get(dirfd) == FD_RUMP) {
			w->side = SIDE_RUMP;
			w->dirfd = fdmap_num[dirfd];
		}
		return 0;
	}

	if (path[0] == '/' && root_rump) {
		w->side = SIDE_RUMP;
		return 0;
	}
	if (path[0] == '/') {
		p = path_prefix_of(path);
		if (p && !path_escapes(path + p->len, 0)) {
			w->side = SIDE_RUMP;
			return path_name_inside(path, p, w->buf, &w->path);
		}
		fd = p ? -1 : path_own(path, &rest);
		if (fd == AT_FDCWD && cwd_rump)
			return by_proc(-1, rest, w);
		if (fd >= 0 && fdmap_get(fd) == FD_RUMP)
			return by_proc(fdmap_num[fd], rest, w);
		fd = p || path[1] != 'p' ? -1 : info_of(path);
		if (fd >= 0 && fdmap_get(fd) == FD_RUMP)
			return info_by_proc(fd, fdmap_num[fd], w);
		if (!p && !path_is_odd(path))
			return 0;
		len = path_append(w->buf, 0, path);
		if (len < 0)
			return len;
		return p || path_prefix_of(w->buf) ? by_links(AT_FDCWD, path, w) : 0;
	}

	if (dirfd != AT_FDCWD && fdmap_get(dirfd) == FD_RUMP) {
		w->side = SIDE_RUMP;
		w->dirfd = fdmap_num[dirfd];
	} else if (dirfd == AT_FDCWD && path_child_cwds && (child = proc_child_cwd())) {
		if (*child)
			return from_child(child, path, w);
	} else if (dirfd == AT_FDCWD && cwd_rump) {
		w->side = SIDE_RUMP;
	}
	if (root_rump || (w->side == SIDE_RUMP ? !path_has_dotdot(path) : !path_may_enter(path)))
		return 0;

	/* A directory that cannot be named, a removed one perhaps: nothing leads out. */
	len = path_dir(w->side, w->dirfd, w->buf);
	if (len < 0)
		return 0;
	p = path_prefix_of(w->buf);
	if (w->side == SIDE_RUMP && (!p || !path_escapes(path, path_components(w->buf + p->len))))
		return 0;
	len = path_append(w->buf, len, path);
	if (len < 0)
		return w->side == SIDE_RUMP ? len : 0;
	return w->side == SIDE_RUMP || path_prefix_of(w->buf) ? by_links(dirfd, path, w) : 0;
}
