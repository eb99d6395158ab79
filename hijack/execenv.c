/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * execenv.c - what an exec hands on.
 *
 * The session, so that the new image is the same process of the rump kernel
 * (rumpclient_preexec()), and the environment, also if the program has cleaned it:
 * LD_PRELOAD, RUMP* as they were at start, and RUMPHIJACK_CWD, the directory if it is the
 * rump kernel's.
 *
 * A program for the other C library gets the library that is for that, in place of all of
 * LD_PRELOAD, where the two are in PREFIX/lib and PREFIX/musl/lib.
 */
#include <alloca.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "exec.h"
#include "hijack.h"
#include "outsider.h"

#define MAX_KEPT	32
static char *kept[MAX_KEPT];	/* "NAME=value" as at start */
static int nkept;
static const char preload[] = "LD_PRELOAD=", cwd_name[] = "RUMPHIJACK_CWD=",
	root_name[] = "RUMPHIJACK_ROOT=", self[] = "librumphijack";

static int starts(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/* What is said from one program to the next only. */
static int is_of_exec(const char *var)
{
	return starts(var, cwd_name) || starts(var, root_name) || starts(var, epoll_variable);
}

static int is_session(const char *var)
{
	return (starts(var, "RUMP") && !starts(var, "RUMPCLIENT_") && !is_of_exec(var)) ||
	    (starts(var, preload) && strstr(var, self));
}

/* The directory of the library for the other C library, as seen from ours; "": not known. */
static char other_dir[PATH_BUF];

static void find_other_dir(void)
{
#ifdef __GLIBC__
	static const char place[] = "../musl/lib";
#else
	static const char place[] = "../../lib";
#endif
	const char *slash;
	Dl_info us;
	size_t n;

	if (!dladdr(&scope, &us) || !(slash = strrchr(us.dli_fname, '/')))
		return;
	n = slash + 1 - us.dli_fname;
	if (n + sizeof(place) <= sizeof(other_dir)) {
		memcpy(other_dir, us.dli_fname, n);
		strcpy(other_dir + n, place);
	}
}

void execenv_init(void)
{
	size_t size = 0;
	char **e, *store;
	long mem;

	find_other_dir();
	for (e = environ; e && *e; e++)
		if (is_session(*e))
			size += strlen(*e) + 1;
	if (!size)
		return;
	/* A copy: programs overwrite the original to show a title. */
	mem = host(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (host_failed(mem))
		hijack_die("no memory for %zu bytes of environment", size);
	store = (char *)mem;
	for (e = environ; *e && nkept < MAX_KEPT; e++) {
		if (!is_session(*e))
			continue;
		kept[nkept++] = strcpy(store, *e);
		store += strlen(store) + 1;
	}
}

static int same_name(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return strncmp(a, b, n) == 0 && b[n] == '=';
}

/* The word of LD_PRELOAD that names this library, and its length. */
static const char *own_name(size_t *len)
{
	const char *s, *e;
	int i;

	for (i = 0; i < nkept; i++) {
		if (!starts(kept[i], preload))
			continue;
		for (s = kept[i] + sizeof(preload) - 1; *s; s = e + (*e != '\0')) {
			e = s + strcspn(s, ": ");
			if (memmem(s, e - s, self, sizeof(self) - 1)) {
				*len = e - s;
				return s;
			}
		}
	}
	return NULL;
}

/*
 * LD_PRELOAD for programs of the other C library, or NULL.  Its name is made short, or it would
 * grow from one program to the next.
 */
static const char *other_preload(void)
{
	static const char name[] = "/librumphijack.so";
	static char var[sizeof(preload) + PATH_BUF];
	char link[32], *path = var + sizeof(preload) - 1;
	long fd, n;

	fd = other_dir[0] ? host(SYS_open, other_dir, O_PATH | O_DIRECTORY | O_CLOEXEC, 0) : -ENOENT;
	if (fd < 0)
		return NULL;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", (int)fd);
	n = host(SYS_readlink, link, path, PATH_BUF - sizeof(name));
	host(SYS_close, fd);
	if (n <= 0)
		return NULL;
	memcpy(var, preload, sizeof(preload) - 1);
	memcpy(path + n, name, sizeof(name));
	return host(SYS_access, path, R_OK) == 0 ? var : NULL;
}

const char *exec_not_for_us(struct image *im)
{
	const char *why = outsider(im->dirfd, im->path);

	if (why != outsider_libc || !(im->instead = other_preload()))
		return why;
	im->bare = 1;
	return NULL;
}

static long enter(const struct image *im, char *const *argv, char *const *envp)
{
	if (im->dirfd == AT_FDCWD && !im->flags)
		return host(SYS_execve, im->path, argv, envp);
	return host(SYS_execveat, im->dirfd, im->path, argv, envp, im->flags);
}

/*
 * What the program's numbers say, the rump kernel's descriptors are to say, too: those
 * of which no copy survives the exec are closed there by it.
 */
static void tell_cloexec(void)
{
	int fd, i, rfd, top = fdmap_top();
	long flags;

	/* All are to go, but for the ones of which a number is to stay. */
	for (i = 0; i < 2; i++) {
		for (fd = 0; fd < top; fd++) {
			if (fdmap_peek(fd) != FD_RUMP)
				continue;
			rfd = fdmap_num[fd];
			flags = host(SYS_fcntl, fd, F_GETFD);
			if (flags >= 0 && (flags & FD_CLOEXEC ? 0 : 1) == i)
				rump(SYS_fcntl, rfd, F_SETFD, i ? 0 : FD_CLOEXEC);
		}
	}
}

/* The same, with the session handed on. */
static long enter_session(const struct image *im, char *const *argv, const char **envp, size_t n)
{
	struct rumpclient_exec x;
	char sets[4096], *epoll = NULL;
	size_t i;
	int k;
	long ret;

	proc_handover();
	if (!proc_is_vfork_child() && rumpclient_is_remote() == 1) {
		tell_cloexec();
		epoll = epoll_exec(sets, sizeof(sets));
	}
	if (epoll)
		envp[n++] = epoll;
	hijack_enter();
	rumpclient_preexec(&x);
	hijack_leave();
	for (k = 0; x.env[k]; k++) {
		for (i = 0; i < n && !same_name(x.env[k], envp[i]); i++)
			;
		envp[i] = x.env[k];
		n += i == n;
	}
	envp[n] = NULL;
	ret = enter(im, argv, (char *const *)envp);
	hijack_enter();
	rumpclient_exec_cancel(&x);
	hijack_leave();
	if (epoll)
		epoll_exec_cancel();
	return ret;
}

long exec_enter(const struct image *im, char *const *argv, char *const *envp)
{
	static char *none[] = { NULL };
	char cwd[sizeof(cwd_name) + PATH_BUF], *lead, **new;
	size_t n = 0, out = 0, i, own_len = 0, len;
	const char *own, *child;
	int k;

	if (!envp)
		envp = none;
	while (envp[n])
		n++;
	len = (n + MAX_KEPT + 7) * sizeof(*new);
	if (len <= 8192) {
		/* The stack: malloc(3) is not ours to call, and a vfork child would leak it. */
		new = alloca(len); /* cppcheck-suppress allocaCalled */
	} else {
		long mem = host(SYS_mmap, NULL, len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (host_failed(mem))
			return mem;
		new = (char **)mem;
	}

	own = own_name(&own_len);
	for (i = 0; i < n; i++) {
		if (is_of_exec(envp[i]) || (im->bare && starts(envp[i], preload)))
			continue;
		new[out++] = envp[i];
		if (own && starts(envp[i], preload) && !strstr(envp[i], self)) {
			size_t plen = sizeof(preload) - 1, theirs = strlen(envp[i] + plen);

			if (theirs > 4096)
				return -E2BIG;
			lead = alloca(plen + own_len + theirs + 2); /* cppcheck-suppress allocaCalled */
			memcpy(lead, preload, plen);
			memcpy(lead + plen, own, own_len);
			lead[plen + own_len] = ':';
			memcpy(lead + plen + own_len + 1, envp[i] + plen, theirs + 1);
			new[out - 1] = lead;
		}
	}
	for (k = 0; k < nkept; k++) {
		for (i = 0; i < n && !same_name(kept[k], envp[i]); i++)
			;
		if (i == n && !(im->bare && starts(kept[k], preload)))
			new[out++] = kept[k];
	}

	if (im->instead)
		new[out++] = (char *)im->instead;
	child = proc_child_cwd();
	if (child ? *child != '\0' : path_cwd_is_rump()) {
		memcpy(cwd, cwd_name, sizeof(cwd_name) - 1);
		if (child)
			strcpy(cwd + sizeof(cwd_name) - 1, child);
		else if (path_getcwd(cwd + sizeof(cwd_name) - 1, PATH_BUF) <= 0)
			cwd[sizeof(cwd_name) - 1] = '\0';	/* it is gone; so is its name */
		new[out++] = cwd;
	}
	if (path_root_is_rump())
		new[out++] = (char *)root_name;
	return enter_session(im, argv, (const char **)new, out);
}
