/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * calls.c - what a system call of a target becomes.
 *
 * Where it is the rump kernel's (translate.c), it is made there; its pointers stay what they
 * are, because the client library reads and writes the target's memory for this thread.
 * Everything else goes on to the host.
 *
 * All targets together are one process of the rump kernel, with its user.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trap.h"

/* ---- carrying out ------------------------------------------------------------------------ */

/* Calls after which nothing is ready that was not, nor the other way round. */
static int changes_nothing(long nr)
{
	switch (nr) {
	case SYS_setsockopt:
	case SYS_getsockname:
	case SYS_getpeername:
	case SYS_fcntl:
	case SYS_fstat:
		return 1;
	}
	return 0;
}

static int is_write(const struct call *c)
{
	switch (c->nr) {
	case SYS_write:
	case SYS_writev:
		return 1;
	case SYS_sendto:
		return !(c->a[3] & MSG_NOSIGNAL);
	case SYS_sendmsg:
		return !(c->a[2] & MSG_NOSIGNAL);
	}
	return 0;
}

/* Calls that wait for nothing but the rump kernel itself. */
static int is_quick(long nr)
{
	switch (nr) {
	case SYS_socket:
	case SYS_bind:
	case SYS_listen:
	case SYS_setsockopt:
	case SYS_getsockopt:
	case SYS_getsockname:
	case SYS_getpeername:
	case SYS_fstat:
	case SYS_lseek:
		return 1;
	}
	return 0;
}

long call_make(struct call *c, long nr, const long a[6])
{
	const struct rumpclient_memory memory = { target_read, target_write, c };
	long ret;

	if (!is_quick(nr))
		serve_lasts();
	do {
		rumpclient_use_memory(&memory);
		ret = rumpclient_syscall(nr, a);
		rumpclient_use_memory(NULL);
		/* Somebody has looked whether the target still waits (serve.c). */
	} while (ret == -EINTR && target_valid(c) && !target_signalled(c->tid));
	return ret;
}

/* The mode of what is made, without what the target's umask takes away. */
static void apply_umask(struct call *c, struct there *t)
{
	unsigned int mask;
	struct open_how how, *own_how;
	char line[128];
	uint64_t at;
	int i = 0;

	switch (c->nr) {
	case SYS_open:
		i = c->a[1] & (O_CREAT | O_TMPFILE) ? 2 : 0;
		break;
	case SYS_openat:
		i = c->a[2] & (O_CREAT | O_TMPFILE) ? 3 : 0;
		break;
	case SYS_creat:
	case SYS_mkdir:
	case SYS_mknod:
		i = 1;
		break;
	case SYS_mkdirat:
	case SYS_mknodat:
	case SYS_openat2:
		i = 2;
		break;
	}
	if (!i || !target_status(c->tid, "Umask", line, sizeof(line)) || sscanf(line, "%o", &mask) != 1)
		return;
	if (c->nr != SYS_openat2) {
		t->a[i] &= ~(long)mask;
	} else if (c->a[3] == sizeof(how) && target_read(c, &how, c->a[2], sizeof(how)) == sizeof(how) &&
	    (own_how = room_in(c, sizeof(how), &at))) {
		how.mode &= ~(uint64_t)mask;
		*own_how = how;
		t->a[2] = at;
	}
}

static long make(struct call *c, struct there *t)
{
	switch (trap_how[c->nr]) {
	case HOW_sendmsg:
		return send_rights(c, t->a);
	case HOW_recvmsg:
		return receive_rights(c, t->a);
	case HOW_address:
		apply_address(c, t, 1);
		break;
	case HOW_sendto:
		apply_address(c, t, 4);
		break;
	}
	apply_umask(c, t);
	return call_make(c, c->nr, t->a);
}

long carry_out(struct call *c, struct there *t)
{
	long ret = make(c, t);
	int i;

	if (ret == -EPIPE && is_write(c))
		syscall(SYS_tkill, c->tid, SIGPIPE);
	for (i = 0; i < t->n && !changes_nothing(c->nr); i++)
		if (t->used[i])
			object_sync(t->used[i], c->tid, t->fd[i]);
	return ret;
}

/* ---- directories ------------------------------------------------------------------------------- */

/* Can the target enter a directory of the host?  0 or -errno. */
static int look_at_host(const struct call *c, const struct there *t)
{
	char link[64], name[PATH_BUF], *path;
	struct stat st;
	int fd;

	if (c->nr == SYS_fchdir) {
		snprintf(link, sizeof(link), "/proc/%d/fd/%d", c->tid, (int)c->a[0]);
		return stat(link, &st) < 0 ? -EBADF : S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
	}
	if (!t->moved && target_string((struct call *)c, c->a[0], name, sizeof(name)) < 0)
		return -EFAULT;
	if (asprintf(&path, "/proc/%d/root%s/.", c->tid, t->moved ? t->text[0] : name) < 0)
		return -ENOMEM;
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(path);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* What directory of the rump kernel it is to be: an open one, or -errno. */
static long open_dir(struct call *c, const struct there *t)
{
	long fd = t->a[0], ret;

	if (c->nr == SYS_chdir)
		fd = call_make(c, SYS_open, (const long[6]){ t->a[0], O_PATH | O_DIRECTORY | O_CLOEXEC });
	if (fd < 0)
		return fd;
	/* whose name "." says that it may be entered */
	ret = own(SYS_openat, fd, (long)".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (c->nr == SYS_chdir)
		own(SYS_close, fd);
	return ret;
}

static long do_chdir(struct call *c)
{
	struct there t;
	long ret = translate(c, &t);

	if (ret == 0) {
		if (dir_of(c->tid) >= 0)
			ret = look_at_host(c, &t);
		if (ret == 0)
			ret = dir_leave(c->tid);
		if (ret == 0)
			ret = host_call(c, &t);
	} else if (ret > 0) {
		ret = open_dir(c, &t);
		if (ret >= 0)
			ret = dir_enter(c->tid, ret);
	}
	there_put(&t);
	return ret;
}

static long do_getcwd(struct call *c)
{
	int rfd = dir_of(c->tid);
	char buf[PATH_BUF];
	struct stat st;
	long len;

	if (rfd < 0)
		return CALL_CONTINUE;
	len = own(SYS_fstat, rfd, (long)&st);
	if (len == 0)
		len = st.st_nlink ? name_of_rump(rfd, buf) : -ENOENT;
	if (len++ < 0)
		return len - 1;
	if (len > c->a[1])
		return -ERANGE;
	return target_write(c, c->a[0], buf, len) == (size_t)len ? len : -EFAULT;
}

/* ---- the rest ---------------------------------------------------------------------------------- */

static long do_route(struct call *c)
{
	struct there t;
	long ret;

	if (c->nr == SYS_umount2)
		dir_sweep();
	ret = translate(c, &t);
	ret = ret < 0 ? ret : ret == 0 ? host_call(c, &t) : carry_out(c, &t);
	there_put(&t);
	return ret;
}

/* "/proc/self/fd/N" has in the rump kernel what the target calls otherwise. */
static long do_readlink(struct call *c)
{
	int at = c->nr == SYS_readlinkat;
	char buf[PATH_BUF];
	struct there t;
	long ret = translate(c, &t);

	if (ret == 0) {
		ret = host_call(c, &t);
	} else if (ret > 0 && t.link < 0) {
		ret = carry_out(c, &t);
	} else if (ret > 0) {
		ret = (int)c->a[at + 2] <= 0 ? -EINVAL : name_of_rump(t.link, buf);
		if (ret > (int)c->a[at + 2])
			ret = (int)c->a[at + 2];
		if (ret > 0 && target_write(c, c->a[at + 1], buf, ret) != (size_t)ret)
			ret = -EFAULT;
	}
	there_put(&t);
	return ret;
}

static long do_exec(struct call *c)
{
	int at = c->nr == SYS_execveat;
	struct there t;
	long ret = translate(c, &t), rfd;

	if (ret == 0)
		ret = host_call(c, &t);
	else if (ret > 0) {
		rfd = call_make(c, SYS_openat, (const long[6]){ at ? t.a[0] : AT_FDCWD, t.a[at],
		    O_RDONLY | O_CLOEXEC });
		ret = rfd < 0 ? rfd : do_exec_rump(c, rfd);
	}
	there_put(&t);
	return ret;
}

static long do_map(struct call *c)
{
	struct object *o = object_at(c, c->a[4]);
	long ret = o ? do_mmap(c, o) : CALL_CONTINUE;

	if (o)
		object_put(o);
	return ret;
}

static long do_fcntl(struct call *c)
{
	switch ((int)c->a[1]) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return copy_fd(c, c->a[0], (int)c->a[1] == F_DUPFD_CLOEXEC, c->a[2]);
	case F_GETFD:
	case F_SETFD:
		return CALL_CONTINUE;
	}
	return do_route(c);
}

/* epoll is the host's; what it cannot have there, it cannot have here. */
static long do_epoll_ctl(const struct call *c)
{
	struct object *o = object_at(c, c->a[2]);
	long ret = !o || object_pollable(o) ? CALL_CONTINUE : -EPERM;

	if (o)
		object_put(o);
	return ret;
}

long call_do(struct call *c)
{
	switch (trap_how[c->nr]) {
	case HOW_socket:
		return do_socket(c);
	case HOW_socketpair:
		return do_socketpair(c);
	case HOW_open:
	case HOW_newfd:
	case HOW_accept:
		return do_new(c);
	case HOW_dup:
		return do_dup(c);
	case HOW_fcntl:
		return do_fcntl(c);
	case HOW_ioctl:
		if (c->a[1] == FIOCLEX || c->a[1] == FIONCLEX)
			return CALL_CONTINUE;
		return do_route(c);
	case HOW_epoll_ctl:
		return do_epoll_ctl(c);
	case HOW_mmap:
		return do_map(c);
	case HOW_msync:
		return do_msync(c);
	case HOW_chdir:
		return do_chdir(c);
	case HOW_getcwd:
		return do_getcwd(c);
	case HOW_readlink:
		return do_readlink(c);
	case HOW_exec:
		return do_exec(c);
	}
	return do_route(c);
}
