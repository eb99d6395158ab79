/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * calls.c - what a system call of a target becomes.
 *
 * The table of <rump/syscalls.def> says which arguments are descriptors and names.  Where
 * they are the rump kernel's, the call is made there with them translated; its pointers
 * stay what they are, because the client library reads and writes the target's memory
 * for this thread.  Names are read once: the rump kernel finds our copy at an address
 * where no program has memory.  Everything else goes on to the host; if a name of the host
 * has to be another than the target's, as a call that the target is made to make (inject.c).
 *
 * All targets together are one process of the rump kernel, with its user.
 *
 * Limits: a descriptor of the rump kernel cannot be copied to a number that is not watched
 * (dup2 onto 3 to 511); local sockets are the host's, and what is sent over them is received
 * at such a number.  RUMPHIJACK=...,fdoff=3 has all numbers watched.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trap.h"

/* A call as the rump kernel gets it. */
struct there {
	long a[6];
	struct object *used[6];		/* to be put */
	int fd[6];			/* their numbers */
	int n, host;			/* how many arguments are whose */
	int last;			/* the last name is the rump kernel's */
	struct object *link;		/* a name was that of this descriptor: /proc/self/fd/N */
	const char *text[6];		/* names that the host is to get instead; or NULL */
	int moved;			/* there is such a one */
};

/* ---- translating ------------------------------------------------------------------------- */

struct object *object_at(const struct call *c, long fd)
{
	return trap_watched(fd) ? object_get(c->tid, fd) : NULL;
}

static void add_used(struct there *t, struct object *o, int fd)
{
	t->fd[t->n] = fd;
	t->used[t->n++] = o;
}

static void add_fd(const struct call *c, struct there *t, int i)
{
	struct object *o = object_at(c, c->a[i]);

	if (!o) {
		t->host++;
		return;
	}
	t->a[i] = object_rfd(o);
	add_used(t, o, c->a[i]);
}

/* The name that is argument i becomes this text. */
static int replace(struct call *c, struct there *t, int i, const char *text)
{
	size_t n = strlen(text) + 1;

	if (c->used + n > OWN_SIZE)
		return -ENAMETOOLONG;
	memmove(c->own + c->used, text, n);
	t->text[i] = c->own + c->used;
	t->a[i] = OWN_AT + c->used;
	c->used += n;
	return 0;
}

/* The name, in the rump kernel, as argument i: below dirfd there, which is argument i - 1, if dir. */
static int replace_there(struct call *c, struct there *t, int i, int dir, const struct where *w)
{
	char *path;
	int err;

	if (dir)
		t->a[i - 1] = w->dirfd;
	if (dir || w->dirfd == AT_FDCWD || !*w->path)
		return replace(c, t, i, w->path);
	if (asprintf(&path, "/proc/self/fd/%d/%s", w->dirfd, w->path) < 0)
		return -ENOMEM;
	err = replace(c, t, i, path);
	free(path);
	return err;
}

/* 1: the name is that of a descriptor of the rump kernel's. */
static int is_link(const struct call *c, struct there *t, const char *name, struct where *w)
{
	const char *rest;
	long pid;
	int fd = path_self(name, &pid, &rest);
	struct object *o = fd < 0 || pid || *rest ? NULL : object_at(c, fd);

	if (!o)
		return 0;
	w->side = SIDE_RUMP;
	w->dirfd = AT_FDCWD;
	w->path = w->buf;
	snprintf(w->buf, sizeof(w->buf), "/proc/self/fd/%d", object_rfd(o));
	t->link = o;
	add_used(t, o, fd);
	return 1;
}

/*
 * The name that is argument i, and the descriptor of its directory in front of it, if dir.
 * -errno.
 */
static int add_name(struct call *c, struct there *t, int i, int dir)
{
	int fd = dir ? (int)c->a[i - 1] : AT_FDCWD, rfd = -1, err;
	struct object *o = NULL;
	char name[PATH_BUF];
	struct where w;
	long len;

	len = c->a[i] ? target_string(c, c->a[i], name, sizeof(name)) : -EFAULT;
	if (len == -ENAMETOOLONG)
		return len;
	t->last = 0;
	if (len < 0) {
		/* NULL is the descriptor itself, for some; the rest is the kernel's to refuse. */
		if (dir)
			add_fd(c, t, i - 1);
		else
			t->host++;
		return 0;
	}
	if (!is_link(c, t, name, &w)) {
		if (name[0] != '/' && fd == AT_FDCWD)
			rfd = dir_of(c->tid);
		else if (name[0] != '/' && (o = object_at(c, fd)))
			rfd = object_rfd(o);
		err = name_where(c->tid, fd, rfd, name, &w);
		if (err == 0 && w.side == SIDE_RUMP)
			add_used(t, o, fd);
		else if (o)
			object_put(o);
		if (err < 0)
			return err;
	}
	t->last = w.side == SIDE_RUMP;
	if (t->last)
		return replace_there(c, t, i, dir, &w);
	t->host++;
	if (w.path == name)
		return 0;
	t->moved = 1;
	if (dir)
		t->a[i - 1] = AT_FDCWD;
	return replace(c, t, i, w.path);
}

/* What is of both kernels: no error if it can be. */
static int refuse_mixed(const struct call *c, const struct there *t)
{
	switch (trap_how[c->nr]) {
	case HOW_mount:
		return t->last ? 1 : -EXDEV;	/* what is mounted may be anything */
	case HOW_sendfile:
		return -EINVAL;
	case HOW_splice:
		return c->nr == SYS_copy_file_range ? -EXDEV : -EINVAL;
	}
	return -EXDEV;
}

/* 0: the call is the host's; 1: the rump kernel's; -errno. */
static int translate(struct call *c, struct there *t)
{
	const struct rump_sysrow *row = &trap_rows[c->nr];
	int i, err = 0;

	memset(t, 0, sizeof(*t));
	memcpy(t->a, c->a, sizeof(t->a));
	for (i = 0; i < 6 && err == 0; i++) {
		if (row->a[i].kind == RUMP_A_FD)
			add_fd(c, t, i);
		else if (row->a[i].kind == RUMP_A_PATH)
			err = add_name(c, t, i, 0);
		else if (row->a[i].kind == RUMP_A_DIR)
			err = add_name(c, t, ++i, 1);
	}
	if (err < 0)
		return err;
	return t->n && t->host ? refuse_mixed(c, t) : t->n != 0;
}

static void put_all(struct there *t)
{
	while (t->n)
		if (t->used[--t->n])
			object_put(t->used[t->n]);
}

/* It is the host's. */
static long host_call(struct call *c, const struct there *t)
{
	struct injection in = { .n = 1 };

	if (!t->moved)
		return CALL_CONTINUE;
	in.call[0].nr = c->nr;
	memcpy(in.call[0].a, t->a, sizeof(t->a));
	memcpy(in.text, t->text, sizeof(in.text));
	return inject(c, &in);
}

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
	struct open_how how;
	char line[128];
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
	} else if (c->a[3] == sizeof(how) && c->used + 16 + sizeof(how) <= OWN_SIZE &&
	    target_read(c, &how, c->a[2], sizeof(how)) == sizeof(how)) {
		how.mode &= ~(uint64_t)mask;
		c->used = (c->used + 15) & ~15UL;
		memcpy(c->own + c->used, &how, sizeof(how));
		t->a[2] = OWN_AT + c->used;
		c->used += sizeof(how);
	}
}

static long make(struct call *c, struct there *t)
{
	switch (trap_how[c->nr]) {
	case HOW_sendmsg:
		return send_rights(c, t->a);
	case HOW_recvmsg:
		return receive_rights(c, t->a);
	}
	apply_umask(c, t);
	return call_make(c, c->nr, t->a);
}

static long carry_out(struct call *c, struct there *t)
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

/* ---- calls that make descriptors ------------------------------------------------------------ */

/*
 * The target gets near, which is o's, at a number of its own, which is the call's result.
 * near is closed before the target goes on: it is not to find one copy too many.
 */
static long give(const struct call *c, struct object *o, int near, int cloexec, long from)
{
	static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
	struct seccomp_notif_addfd add = {
		.id = c->id, .flags = SECCOMP_ADDFD_FLAG_SETFD, .srcfd = near,
		.newfd_flags = cloexec ? O_CLOEXEC : 0,
	};
	long ret;

	/* Two threads of one target are not to get the same number. */
	pthread_mutex_lock(&one);
	ret = object_number(o, c->tid, from);
	if (ret >= 0) {
		add.newfd = ret;
		ret = ioctl(c->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
		/* Above the target's RLIMIT_NOFILE, the host says EBADF. */
		if (ret < 0)
			ret = errno == EBADF ? -EMFILE : -errno;
	}
	pthread_mutex_unlock(&one);
	close(near);
	return ret;
}

long give_new(const struct call *c, long rfd, int cloexec)
{
	struct object *o;
	int near;
	long ret;

	if (rfd < 0)
		return rfd;
	o = object_new(rfd, &near);
	if (!o)
		return -ENFILE;
	ret = give(c, o, near, cloexec, 0);
	if (ret < 0)
		object_drop(o);
	object_put(o);
	return ret;
}

static long do_socket(struct call *c)
{
	if (!scope_socket(&scope, c->a[0], c->a[1], c->a[2]))
		return CALL_CONTINUE;
	return give_new(c, call_make(c, c->nr, c->a), (c->a[1] & SOCK_CLOEXEC) != 0);
}

static int wants_cloexec(struct call *c)
{
	uint64_t flags = 0;

	switch (c->nr) {
	case SYS_open:
		flags = c->a[1];
		break;
	case SYS_openat:
	case SYS_open_tree:
	case SYS_open_by_handle_at:
		flags = c->a[2];
		break;
	case SYS_openat2:
		target_read(c, &flags, c->a[2], sizeof(flags));
		break;
	case SYS_fspick:
		return c->a[2] & 1;
	case SYS_fsmount:
		return c->a[1] & 1;
	case SYS_accept4:
		return (c->a[3] & SOCK_CLOEXEC) != 0;
	}
	return (flags & O_CLOEXEC) != 0;
}

static long do_new(struct call *c)
{
	struct there t;
	int cloexec = wants_cloexec(c);
	long ret = translate(c, &t);

	ret = ret < 0 ? ret : ret == 0 ? host_call(c, &t) : give_new(c, carry_out(c, &t), cloexec);
	put_all(&t);
	return ret;
}

static long copy_fd(const struct call *c, int fd, int cloexec, long from)
{
	struct object *o = object_at(c, fd);
	long ret;
	int near;

	if (!o)
		return CALL_CONTINUE;
	near = target_fd(c->tid, fd);
	ret = near < 0 ? near : give(c, o, near, cloexec, from);
	object_put(o);
	return ret;
}

static long do_dup(struct call *c)
{
	struct object *o;

	if (c->nr == SYS_dup)
		return copy_fd(c, c->a[0], 0, 0);
	if (c->a[0] == c->a[1] || trap_watched(c->a[1]))
		return CALL_CONTINUE;
	o = object_at(c, c->a[0]);
	if (!o)
		return CALL_CONTINUE;
	object_put(o);
	target_say(c->tid, "dup2(%d, %d): a rump descriptor cannot be from %d to %u with --static=trap; "
	    "it can with RUMPHIJACK=...,fdoff=3, which has all calls looked at", (int)c->a[0],
	    (int)c->a[1], TRAP_STDIO, trap_base - 1);
	return -EOPNOTSUPP;
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
	put_all(&t);
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
	put_all(&t);
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
	} else if (ret > 0 && !t.link) {
		ret = carry_out(c, &t);
	} else if (ret > 0) {
		ret = (int)c->a[at + 2] <= 0 ? -EINVAL : name_of_rump(object_rfd(t.link), buf);
		if (ret > (int)c->a[at + 2])
			ret = (int)c->a[at + 2];
		if (ret > 0 && target_write(c, c->a[at + 1], buf, ret) != (size_t)ret)
			ret = -EFAULT;
	}
	put_all(&t);
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
	put_all(&t);
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
