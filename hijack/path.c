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

/* path begins with the n bytes of s. */
static int begins(const char *path, const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (path[i] != s[i])
			return 0;
	return 1;
}

static int under(const char *path, const struct prefix *p)
{
	return begins(path, p->s, p->len) && (path[p->len] == '/' || path[p->len] == '\0');
}

static const struct prefix *prefix_of(const char *path)
{
	int i;

	for (i = 0; i < scope.nprefix; i++)
		if (under(path, &scope.prefix[i]))
			return &scope.prefix[i];
	return NULL;
}

/* The name inside the rump kernel of a path under p. */
static const char *inside(const char *path, const struct prefix *p)
{
	if (!p->cut)
		return path;
	return path[p->len] ? path + p->len : "/";
}

#define IS_END(c)	((c) == '/' || (c) == '\0')

/* Has a component "..". */
static int has_dotdot(const char *s)
{
	for (;;) {
		if (s[0] == '.' && s[1] == '.' && IS_END(s[2]))
			return 1;
		while (!IS_END(*s))
			s++;
		if (!*s++)
			return 0;
	}
}

/* Is written in a way that hides what it begins with: "//", "/./", "/../". */
static int is_odd(const char *s)
{
	for (; *s; s++)
		if (s[0] == '/' && (s[1] == '/' || (s[1] == '.' &&
		    (IS_END(s[2]) || (s[2] == '.' && IS_END(s[3]))))))
			return 1;
	return 0;
}

/*
 * Could this relative name lead from some directory of the host into a prefix?
 * Then it has a "..", or begins with a component that a prefix has, too.
 */
static int may_enter(const char *path)
{
	const char *s;
	size_t n, i;
	int k;

	while (path[0] == '.' && path[1] == '/')
		for (path++; *path == '/'; path++)
			;
	for (n = 0; !IS_END(path[n]); n++)
		;
	for (k = 0; n && k < scope.nprefix; k++) {
		for (s = scope.prefix[k].s; *s; s += i) {
			s++;
			for (i = 0; !IS_END(s[i]); i++)
				;
			if (i == n && begins(path, s, n))
				return 1;
		}
	}
	return has_dotdot(path);
}

int path_fd(const char *path)
{
	static const char dev[] = "/dev/", fd[] = "fd/", self[] = "/proc/self/fd/",
	    thread[] = "/proc/thread-self/fd/";
	static const char *const std[] = { "stdin", "stdout", "stderr" };
	const char *s;
	size_t i, n;

	if (begins(path, dev, sizeof(dev) - 1)) {
		s = path + sizeof(dev) - 1;
		for (i = 0; i < 3; i++) {
			n = i ? 6 : 5;
			if (begins(s, std[i], n) && s[n] == '\0')
				return i;
		}
		if (!begins(s, fd, sizeof(fd) - 1))
			return -1;
		s += sizeof(fd) - 1;
	} else if (begins(path, self, sizeof(self) - 1)) {
		s = path + sizeof(self) - 1;
	} else if (begins(path, thread, sizeof(thread) - 1)) {
		s = path + sizeof(thread) - 1;
	} else {
		return -1;
	}
	if (!*s)
		return -1;
	for (n = 0; *s >= '0' && *s <= '9' && n < FDMAP_MAX; s++)
		n = n * 10 + (*s - '0');
	return *s || n >= FDMAP_MAX ? -1 : (int)n;
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
		if (root_rump || prefix_of(path) || is_odd(path))
			return 1;
		if (path[1] != 'd' && path[1] != 'p')
			return 0;
		fd = path_fd(path);
		return fd >= 0 && fdmap_peek(fd) != FD_HOST;
	}
	if (dirfd != AT_FDCWD ? fdmap_peek(dirfd) != FD_HOST : cwd_rump || path_child_cwds)
		return 1;
	return may_enter(path);
}

/*
 * Appends path to the absolute name of len bytes in out (no slash at its end,
 * so "" is the root), following "." and "..".  The new length; a slash at the
 * end of path is kept.  -ENAMETOOLONG.
 */
static long append(char *out, size_t len, const char *path)
{
	size_t n;

	while (*path) {
		while (*path == '/')
			path++;
		for (n = 0; path[n] && path[n] != '/'; n++)
			;
		if (n == 2 && path[0] == '.' && path[1] == '.') {
			while (len && out[--len] != '/')
				;
		} else if (n && !(n == 1 && path[0] == '.')) {
			if (len + n + 2 > PATH_BUF)
				return -ENAMETOOLONG;
			out[len++] = '/';
			for (size_t i = 0; i < n; i++)
				out[len + i] = path[i];
			len += n;
		}
		path += n;
		if (path[0] == '/' && path[1] == '\0') {
			if (len)
				out[len++] = '/';
			break;
		}
	}
	if (!len)
		out[len++] = '/';
	out[len] = '\0';
	return len;
}

long path_outside(char *buf, long len, size_t size)
{
	const struct prefix *cut = NULL;
	long i;

	if (len < 0 || buf[0] != '/')
		return len < 0 ? len : -ENOENT;		/* "(unreachable)..." */
	if (root_rump)
		return len;
	for (i = 0; i < scope.nprefix; i++)
		if (!scope.prefix[i].cut && under(buf, &scope.prefix[i]))
			return len;
	for (i = scope.nprefix - 1; i >= 0; i--)
		if (scope.prefix[i].cut)
			cut = &scope.prefix[i];
	if (!cut)
		return len;
	if (len == 2)
		len = 1;		/* the root: just the prefix */
	if (len + cut->len > size)
		return -ERANGE;
	for (i = len - 1; i >= 0; i--)
		buf[i + cut->len] = buf[i];
	for (i = 0; (size_t)i < cut->len; i++)
		buf[i] = cut->s[i];
	len += cut->len;
	buf[len - 1] = '\0';
	return len;
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

/*
 * Does the name lead out of the directory that is depth components above where
 * it starts?  (In the text: links may lead anywhere in either kernel.)
 */
static int escapes(const char *s, int depth)
{
	for (;;) {
		while (*s == '/')
			s++;
		if (!*s)
			return 0;
		if (s[0] == '.' && s[1] == '.' && IS_END(s[2]))
			depth--;
		else if (!(s[0] == '.' && IS_END(s[1])))
			depth++;
		if (depth < 0)
			return 1;
		while (!IS_END(*s))
			s++;
	}
}

static int components(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += s[0] == '/' && !IS_END(s[1]);
	return n;
}

/* w->buf has the name in full: decides by it, and asks by it. */
static void decide(struct where *w)
{
	const struct prefix *p = prefix_of(w->buf);

	w->side = p ? SIDE_RUMP : SIDE_HOST;
	w->path = p ? inside(w->buf, p) : w->buf;
}

/* A name of a vfork child that has changed to a directory of the rump kernel. */
static int from_child(const char *dir, const char *path, struct where *w)
{
	long len = append(w->buf, 0, dir);

	if (len == 1 || (len > 0 && w->buf[len - 1] == '/'))
		len--;
	len = len < 0 ? len : append(w->buf, len, path);
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
		p = prefix_of(path);
		if (p && !escapes(path + p->len, 0)) {
			w->side = SIDE_RUMP;
			w->path = inside(path, p);
			return 0;
		}
		if (!p && !is_odd(path))
			return 0;
		len = append(w->buf, 0, path);
		if (len < 0)
			return len;
		if (p || prefix_of(w->buf))
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
	if (root_rump || (w->side == SIDE_RUMP ? !has_dotdot(path) : !may_enter(path)))
		return 0;

	/* A directory that cannot be named, a removed one perhaps: nothing leads out. */
	len = name_dir(w->side, w->dirfd, w->buf);
	if (len < 0)
		return 0;
	p = prefix_of(w->buf);
	if (w->side == SIDE_RUMP && (!p || !escapes(path, components(w->buf + p->len))))
		return 0;
	len = append(w->buf, len, path);
	if (len < 0)
		return w->side == SIDE_RUMP ? len : 0;
	if (w->side == SIDE_RUMP || prefix_of(w->buf)) {
		w->dirfd = AT_FDCWD;
		decide(w);
	}
	return 0;
}
