/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pathtext.c - names as they are written: does one lie under a prefix of the scope, or lead
 * into one or out of it?  Pure text, for the library (path.c) and rump_trap.
 *
 * Compiled to use general registers only, as path.c.
 */
#include <fcntl.h>

#include "hijack.h"

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

const struct prefix *path_prefix_of(const char *path)
{
	int i;

	for (i = 0; i < scope.nprefix; i++)
		if (under(path, &scope.prefix[i]))
			return &scope.prefix[i];
	return NULL;
}

const char *path_inside(const char *path, const struct prefix *p)
{
	if (!p->cut)
		return path;
	return path[p->len] ? path + p->len : "/";
}

int path_has_dotdot(const char *s)
{
	for (;;) {
		if (s[0] == '.' && s[1] == '.' && PATH_END(s[2]))
			return 1;
		while (!PATH_END(*s))
			s++;
		if (!*s++)
			return 0;
	}
}

int path_is_odd(const char *s)
{
	for (; *s; s++)
		if (s[0] == '/' && (s[1] == '/' || (s[1] == '.' &&
		    (PATH_END(s[2]) || (s[2] == '.' && PATH_END(s[3]))))))
			return 1;
	return 0;
}

int path_may_enter(const char *path)
{
	const char *s;
	size_t n, i;
	int k;

	while (path[0] == '.' && path[1] == '/')
		for (path++; *path == '/'; path++)
			;
	for (n = 0; !PATH_END(path[n]); n++)
		;
	for (k = 0; n && k < scope.nprefix; k++) {
		for (s = scope.prefix[k].s; *s; s += i) {
			s++;
			for (i = 0; !PATH_END(s[i]); i++)
				;
			if (i == n && begins(path, s, n))
				return 1;
		}
	}
	return path_has_dotdot(path);
}

/* What path has behind the text s: from there on, or NULL. */
static const char *behind(const char *path, const char *s)
{
	while (*s && *path == *s) {
		path++;
		s++;
	}
	return *s ? NULL : path;
}

/* *n, less than max, and what is behind it, or NULL. */
static const char *number(const char *s, long max, long *n)
{
	if (*s < '0' || *s > '9')
		return NULL;
	for (*n = 0; *s >= '0' && *s <= '9' && *n < max; s++)
		*n = *n * 10 + (*s - '0');
	return *n < max ? s : NULL;
}

/* Behind "/proc/self/", "/proc/thread-self/" or "/proc/PID/". */
static const char *of_process(const char *path, long *pid)
{
	const char *s = behind(path, "/proc/"), *t;

	if (!s)
		return NULL;
	if ((t = behind(s, "self/")) || (t = behind(s, "thread-self/")))
		return t;
	t = number(s, 1L << 31, pid);
	return t && *t == '/' ? t + 1 : NULL;
}

int path_self(const char *path, long *pid, const char **rest)
{
	static const char *const std[] = { "/dev/stdin", "/dev/stdout", "/dev/stderr" };
	const char *s, *t;
	long n;

	*pid = 0;
	for (n = 0; n < 3; n++)
		if ((*rest = behind(path, std[n])))
			return **rest ? -1 : n;
	s = behind(path, "/dev/");
	if (!s) {
		s = of_process(path, pid);
		t = s ? behind(s, "cwd") : NULL;
		if (t && PATH_END(*t)) {
			*rest = t;
			return AT_FDCWD;
		}
	}
	t = s ? behind(s, "fd/") : NULL;
	*rest = t ? number(t, FDMAP_MAX, &n) : NULL;
	return *rest && PATH_END(**rest) ? n : -1;
}

long path_append(char *out, size_t len, const char *path)
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

long path_text_outside(char *buf, long len, size_t size)
{
	const struct prefix *cut = NULL;
	long i;

	if (len < 0 || buf[0] != '/')
		return len < 0 ? len : -ENOENT;		/* "(unreachable)..." */
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

int path_escapes(const char *s, int depth)
{
	for (;;) {
		while (*s == '/')
			s++;
		if (!*s)
			return 0;
		if (s[0] == '.' && s[1] == '.' && PATH_END(s[2]))
			depth--;
		else if (!(s[0] == '.' && PATH_END(s[1])))
			depth++;
		if (depth < 0)
			return 1;
		while (!PATH_END(*s))
			s++;
	}
}

int path_components(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += s[0] == '/' && !PATH_END(s[1]);
	return n;
}
