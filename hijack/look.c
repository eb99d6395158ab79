/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * look.c - could a symbolic link have led this call of the host astray?
 *
 * A link of the host into a prefix has no target there: a call that follows it fails.  Of those
 * calls that fail so, most have no link in their names at all, which one more call of the host
 * tells; links.c looks at the others.  A call that succeeds is not looked at.
 *
 * Two kinds of calls must be looked at before they are made: all, if the host has something of a
 * prefix's name itself (scope.shadow), which is asked once, at the program's start; and one that
 * would make it (scope.creatable).
 *
 * Compiled to use general registers only, as want.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/un.h>
#include <unistd.h>

#include "links.h"

#define NAME_MOST	256	/* of what is looked at on the stack; longer ones are walked */

int links_last(long nr, const long a[6], int i)
{
	const struct rump_sysarg *arg = &hijack_rows[nr].a[i];
	uint64_t flags;
	int set;

	if (hijack_how[nr] == HOW_open) {
		flags = links_open_flags(nr, a);
		if ((nr == SYS_openat2 && (flags & O_NOFOLLOW)) ||
		    (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
			return RUMP_P_LINK;
	}
	if (arg->lenkind != RUMP_P_UNLESS && arg->lenkind != RUMP_P_IF)
		return arg->lenkind;
	set = a[arg->arg] >> arg->size & 1;
	return set == (arg->lenkind == RUMP_P_IF) ? RUMP_P_FOLLOW : RUMP_P_LINK;
}

uint64_t links_open_flags(long nr, const long a[6])
{
	switch (nr) {
	case SYS_open:
		return (unsigned int)a[1];
	case SYS_openat:
		return (unsigned int)a[2];
	case SYS_creat:
		return O_CREAT | O_WRONLY | O_TRUNC;
	case SYS_openat2:
		return (unsigned long)a[2] < 4096 ? 0 : ((const struct open_how *)a[2])->flags;
	case SYS_open_tree:
		return a[2] & O_CLOEXEC;
	case SYS_fspick:
		return a[2] & 1 ? O_CLOEXEC : 0;	/* FSPICK_CLOEXEC */
	}
	return 0;
}

int links_forbidden(long nr, const long a[6])
{
	/* A seccomp filter may kill who asks for more than the program does. */
	return proc_filtered || (nr == SYS_openat2 && (unsigned long)a[2] >= 4096 &&
	    (((const struct open_how *)a[2])->resolve &
	    (RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV)));
}

/*
 * There are links in the name.  0: they lead to something of the host, with nothing but the last
 * component missing, and that is no link; so they do not lead into a prefix, which the host has not.
 */
static int may_cross(int dirfd, const char *path)
{
	char dir[NAME_MOST], c;
	long n, i;

	n = host(SYS_readlinkat, dirfd, path, &c, 1);
	if (n != -ENOENT)
		return n != -EINVAL;
	for (n = 0; path[n]; n++)
		;
	if (path[n - 1] == '/')
		return 1;
	while (n && path[n - 1] != '/')
		n--;
	if (n >= NAME_MOST)
		return 1;
	for (i = 0; i < n; i++)
		dir[i] = path[i];
	dir[n] = '\0';
	return n && host(SYS_faccessat, dirfd, dir, F_OK) < 0;
}

int links_maybe(int dirfd, const char *path, int last)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC | (last == RUMP_P_FOLLOW ? 0 : O_NOFOLLOW),
	    .resolve = RESOLVE_NO_SYMLINKS };
	long fd = host(SYS_openat2, dirfd, path, &how, sizeof(how));

	if (fd >= 0)
		host(SYS_close, fd);
	if (fd >= 0 || fd == -ENOENT || fd == -ENOTDIR || fd == -EACCES)
		return 0;
	/* ELOOP, or what the kernel or a filter says of the call. */
	return scope.shadow || may_cross(dirfd, path);
}

int links_creates(long nr, const long a[6])
{
	return scope.creatable &&
	    (links_open_flags(nr, a) & (O_CREAT | O_EXCL | O_NOFOLLOW)) == O_CREAT;
}

int hijack_failed(long nr, const long a[6], long err)
{
	const struct rump_sysrow *row = &hijack_rows[nr];
	int i, dirfd;

	if (!links_error(err) || links_forbidden(nr, a))
		return 0;
	/* A local socket's name: there are few of them. */
	if (hijack_how[nr] == HOW_address)
		return 1;
	for (i = 0; i < 6; i++) {
		dirfd = AT_FDCWD;
		if (row->a[i].kind == RUMP_A_DIR)
			dirfd = a[i++];
		else if (row->a[i].kind != RUMP_A_PATH)
			continue;
		if ((unsigned long)a[i] >= 4096 &&
		    links_maybe(dirfd, (const char *)a[i], links_last(nr, a, i)))
			return 1;
	}
	return 0;
}
