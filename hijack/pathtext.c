/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pathtext.c - names as they are written: does one lie under a prefix of the scope, or lead
 * into one or out of it?  Pure text, for the library (path.c) and rump_trap.
 *
 * Compiled to use general registers only, as path.c.
 */
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

#define IS_END(c)	((c) == '/' || (c) == '\0')

int path_has_dotdot(const char *s)
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

int path_is_odd(const char *s)
{
	for (; *s; s++)
		if (s[0] == '/' && (s[1] == '/' || (s[1] == '.' &&
		    (IS_END(s[2]) || (s[2] == '.' && IS_END(s[3]))))))
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
	return path_has_dotdot(path);
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

int path_components(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += s[0] == '/' && !IS_END(s[1]);
	return n;
}
