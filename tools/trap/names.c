/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * names.c - whose is a name, and which directory is a target in.
 *
 * As in the library (hijack/path.c), a name is the rump kernel's if it lies under a prefix
 * of the scope, as it is written; a relative one begins at a directory of either kernel, and
 * is looked at in full only if it may lead into a prefix, or out of one.
 *
 * That a process is in a directory of the rump kernel is to be inherited by its children and
 * by what it executes, and not to be known to anybody else: as the directory of the host is,
 * and as limits of resources are.  One of them, RLIMIT_LOCKS, Linux has not looked at since
 * 2.4, and there we note the directory: an index into dirs[], whose entry has it open.  What
 * no process has there any more is closed before the rump kernel unmounts anything, and when
 * many have come together.  The target's directory of the host stays what it was.
 *
 * The rump kernel's process that stands for all targets is in no directory of theirs; a name
 * that begins at one goes by way of its /proc/self/fd.  Nor is its umask theirs: it is 0.
 *
 * Limits: threads of one process that each have a directory of their own (CLONE_FS undone)
 * share the rump kernel's.  A symbolic link of the host into a prefix stays in the host.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trap.h"

/* ---- directories ---------------------------------------------------------------------- */

#define DIRS_MAX	256
#define MARK		0x72756d7000000000UL	/* in the limit; below it, the index */

static struct dir {
	int used, rfd;
	int missed;			/* how often nobody was seen there */
} dirs[DIRS_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;	/* of dirs */
static rlim_t no_mark = RLIM_INFINITY;	/* the limit as it was before us */

/* The index that is noted for a process, or -1. */
static int noted(pid_t pid)
{
	struct rlimit rl;

	if (prlimit(pid, RLIMIT_LOCKS, NULL, &rl) < 0 || (rl.rlim_cur & ~(rlim_t)UINT32_MAX) != MARK)
		return -1;
	return rl.rlim_cur - MARK < DIRS_MAX ? (int)(rl.rlim_cur - MARK) : -1;
}

static int note(pid_t pid, rlim_t mark)
{
	struct rlimit rl;

	if (prlimit(pid, RLIMIT_LOCKS, NULL, &rl) < 0)
		return -errno;
	rl.rlim_cur = mark;
	return prlimit(pid, RLIMIT_LOCKS, &rl, NULL) < 0 ? -errno : 0;
}

int names_start(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_LOCKS, &rl) == 0)
		no_mark = rl.rlim_cur;
	own(SYS_umask, 0);
	return 0;
}

/* Closes those that no process has; lock is held. */
static void sweep(void)
{
	char seen[DIRS_MAX] = { 0 };
	struct dirent *e;
	DIR *proc = opendir("/proc");
	int i;

	if (!proc)
		return;
	while ((e = readdir(proc))) {
		i = e->d_name[0] >= '1' && e->d_name[0] <= '9' ? noted(atoi(e->d_name)) : -1;
		if (i >= 0)
			seen[i] = 1;
	}
	closedir(proc);
	for (i = 0; i < DIRS_MAX; i++) {
		dirs[i].missed = seen[i] ? 0 : dirs[i].missed + 1;
		/* A child may have come, and its parent gone, while we looked elsewhere. */
		if (!dirs[i].used || dirs[i].missed < 2)
			continue;
		own(SYS_close, dirs[i].rfd);
		dirs[i].used = 0;
	}
}

void dir_sweep(void)
{
	pthread_mutex_lock(&lock);
	sweep();
	sweep();
	pthread_mutex_unlock(&lock);
}

static int free_dir(void)
{
	int i;

	for (i = 0; i < DIRS_MAX && dirs[i].used; i++)
		;
	return i;
}

int dir_enter(pid_t tid, int rfd)
{
	int i, err = -EMFILE;

	pthread_mutex_lock(&lock);
	i = free_dir();
	if (i >= DIRS_MAX / 2)
		sweep();
	if (i == DIRS_MAX) {
		sweep();
		i = free_dir();
	}
	if (i < DIRS_MAX) {
		dirs[i] = (struct dir){ 1, rfd, 0 };
		err = note(tid, MARK + i);
		dirs[i].used = err == 0;
	}
	pthread_mutex_unlock(&lock);
	if (err < 0)
		own(SYS_close, rfd);
	return err;
}

int dir_leave(pid_t tid)
{
	return noted(tid) < 0 ? 0 : note(tid, no_mark);
}

int dir_of(pid_t tid)
{
	int i = noted(tid);

	return i >= 0 && dirs[i].used ? dirs[i].rfd : -1;
}

/* ---- names of descriptors -------------------------------------------------------------- */

long name_of_rump(int rfd, char buf[PATH_BUF])
{
	char link[40];
	long len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", rfd);
	len = own(SYS_readlink, (long)link, (long)buf, PATH_BUF - 1);
	if (len < 0)
		return len;
	buf[len] = '\0';
	if (buf[0] != '/')
		return len;
	len = path_text_outside(buf, len + 1, PATH_BUF);
	return len < 0 ? len : len - 1;
}

static long name_of_host(pid_t tid, int fd, char buf[PATH_BUF])
{
	char link[64];
	long len;

	if (fd == AT_FDCWD)
		snprintf(link, sizeof(link), "/proc/%d/cwd", tid);
	else
		snprintf(link, sizeof(link), "/proc/%d/fd/%d", tid, fd);
	len = readlink(link, buf, PATH_BUF - 1);
	if (len < 0)
		return -errno;
	buf[len] = '\0';
	return len;
}

/* ---- whose it is -------------------------------------------------------------------------- */

/* w->buf has the name in full. */
static int decide(struct where *w)
{
	const struct prefix *p = path_prefix_of(w->buf);

	w->side = p ? SIDE_RUMP : SIDE_HOST;
	w->dirfd = AT_FDCWD;
	w->path = p ? path_inside(w->buf, p) : w->buf;
	return 0;
}

static int from_root(const char *path, struct where *w)
{
	const struct prefix *p = path_prefix_of(path);
	long len;

	if (p && !path_escapes(path + p->len, 0)) {
		w->side = SIDE_RUMP;
		w->dirfd = AT_FDCWD;
		w->path = path_inside(path, p);
		return 0;
	}
	if (!p && !path_is_odd(path))
		return 0;
	len = path_append(w->buf, 0, path);
	if (len < 0)
		return len;
	return p || path_prefix_of(w->buf) ? decide(w) : 0;
}

int name_where(pid_t tid, int fd, int rfd, const char *path, struct where *w)
{
	const struct prefix *p;
	long len;

	w->side = SIDE_HOST;
	w->dirfd = fd;
	w->path = path;
	if (path[0] == '/')
		return from_root(path, w);
	if (rfd >= 0) {
		w->side = SIDE_RUMP;
		w->dirfd = rfd;
	}
	if (rfd >= 0 ? !path_has_dotdot(path) : !path_may_enter(path))
		return 0;
	len = rfd >= 0 ? name_of_rump(rfd, w->buf) : name_of_host(tid, fd, w->buf);
	/* A directory that cannot be named, a removed one perhaps: nothing leads out. */
	if (len < 1 || w->buf[0] != '/')
		return 0;
	if (len == 1)
		w->buf[--len] = '\0';
	p = path_prefix_of(w->buf);
	if (rfd >= 0 && (!p || !path_escapes(path, path_components(w->buf + p->len))))
		return 0;
	len = path_append(w->buf, len, path);
	if (len < 0)
		return rfd >= 0 ? len : 0;
	return rfd >= 0 || path_prefix_of(w->buf) ? decide(w) : 0;
}
