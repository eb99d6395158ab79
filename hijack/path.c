/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * path.c - names: which kernel's, and what to call them there.
 *
 * A name is the rump kernel's if it lies under one of the scope's prefixes;
 * path= cuts the prefix off, blanket= leaves it.  Names are compared as they
 * are written: "." and ".." are followed in the text, symbolic links are not
 * (each kernel follows its own).  A relative name starts at a directory of
 * either kernel, and is handed on as it is unless it leads into a prefix or
 * out of one.  The process in the rump kernel is in the directory that the
 * program is in, if that is the rump kernel's.
 *
 * Limits: a symbolic link of the host into a prefix stays in the host; a bad
 * address of a name is a fault in the program, if it is not near 0.
 *
 * Compiled to use general registers only, as want.c, for path_maybe().
 */
#include <errno.h>
#include <fcntl.h>

#include "hijack.h"

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

/* Certainly no address of a string: the host says EFAULT, where we would crash.  Any
 * other bad address is the program's fault, literally. */
static int is_bad(const char *path)
{
	return (unsigned long)path < 4096 || (long)path < 0;
}

int path_maybe(int dirfd, const char *path)
{
	int fd;

	if (is_bad(path))
		return dirfd != AT_FDCWD && fdmap_peek(dirfd) != FD_HOST;
	if (path[0] == '/') {
		if (root_rump || path_prefix_of(path) || path_is_odd(path))
			return 1;
		if (path[1] != 'd' && path[1] != 'p')
			return 0;
		fd = path_fd(path);
		return fd >= 0 && fdmap_peek(fd) != FD_HOST;
	}
	if (dirfd != AT_FDCWD ? fdmap_peek(dirfd) != FD_HOST : cwd_rump || path_child_cwds)
		return 1;
	return path_may_enter(path);
}

long path_outside(char *buf, long len, size_t size)
{
	return root_rump && len >= 0 && buf[0] == '/' ? len : path_text_outside(buf, len, size);
}

long path_getcwd(char *buf, size_t size)
{
	return path_outside(buf, rump(SYS_getcwd, (long)buf, size), size);
}

/* readlink(2) of a kernel's /proc/self/fd/N into buf; length without the NUL. */
static long read_fd_link(enum side side, int fd, char buf[PATH_BUF])
{
	static const char self[] = "/proc/self/fd/";
	char link[sizeof(self) + 12], digits[12];
	size_t n, d = 0;
	long len;

	for (n = 0; n < sizeof(self) - 1; n++)
		link[n] = self[n];
	do
		digits[d++] = '0' + fd % 10;
	while (fd /= 10);
	while (d)
		link[n++] = digits[--d];
	link[n] = '\0';
	if (side == SIDE_RUMP)
		len = rump(SYS_readlink, (long)link, (long)buf, PATH_BUF - 1);
	else
		len = host(SYS_readlink, link, buf, PATH_BUF - 1);
	if (len >= 0)
		buf[len] = '\0';
	return len;
}

long path_of_fd(int rfd, char buf[PATH_BUF])
{
	long len = read_fd_link(SIDE_RUMP, rfd, buf);

	if (len < 0 || buf[0] != '/')
		return len;
	len = path_outside(buf, len + 1, PATH_BUF);
	return len < 0 ? len : len - 1;
}

/*
 * The program's name of a directory into buf, without a slash at the end; length
 * or -errno.  fd is AT_FDCWD or that kernel's number.
 */
static long name_dir(enum side side, int fd, char buf[PATH_BUF])
{
	long len;

	if (fd != AT_FDCWD) {
		len = side == SIDE_RUMP ? path_of_fd(fd, buf) : read_fd_link(side, fd, buf);
	} else {
		len = side == SIDE_RUMP ? path_getcwd(buf, PATH_BUF) :
		    host(SYS_getcwd, buf, PATH_BUF);
		len -= len > 0;
	}
	if (len < 1 || buf[0] != '/')
		return len < 0 ? len : -ENOENT;
	if (len == 1)
		buf[--len] = '\0';
	return len;
}

/* w->buf has the name in full: decides by it, and asks by it. */
static void decide(struct where *w)
{
	const struct prefix *p = path_prefix_of(w->buf);

	w->side = p ? SIDE_RUMP : SIDE_HOST;
	w->path = p ? path_inside(w->buf, p) : w->buf;
}

/* A name of a vfork child that has changed to a directory of the rump kernel. */
static int from_child(const char *dir, const char *path, struct where *w)
{
	long len = path_append(w->buf, 0, dir);

	if (len == 1 || (len > 0 && w->buf[len - 1] == '/'))
		len--;
	len = len < 0 ? len : path_append(w->buf, len, path);
	if (len < 0)
		return len;
	decide(w);
	return 0;
}

int path_where(int dirfd, const char *path, struct where *w)
{
	const struct prefix *p;
	const char *child;
	long len;

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
			w->path = path_inside(path, p);
			return 0;
		}
		if (!p && !path_is_odd(path))
			return 0;
		len = path_append(w->buf, 0, path);
		if (len < 0)
			return len;
		if (p || path_prefix_of(w->buf))
			decide(w);
		return 0;
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
	len = name_dir(w->side, w->dirfd, w->buf);
	if (len < 0)
		return 0;
	p = path_prefix_of(w->buf);
	if (w->side == SIDE_RUMP && (!p || !path_escapes(path, path_components(w->buf + p->len))))
		return 0;
	len = path_append(w->buf, len, path);
	if (len < 0)
		return w->side == SIDE_RUMP ? len : 0;
	if (w->side == SIDE_RUMP || path_prefix_of(w->buf)) {
		w->dirfd = AT_FDCWD;
		decide(w);
	}
	return 0;
}
