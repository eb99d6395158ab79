/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * calls.c - what a system call of a target becomes.
 *
 * The table of <rump/syscalls.def> says which arguments are descriptors and names.  Where
 * they are the rump kernel's, the call is made there with them translated; its pointers
 * stay what they are, because the client library reads and writes the target's memory
 * for this thread.  Names are read once: the rump kernel finds our copy at an address
 * where no program has memory.  Everything else goes on to the host.
 *
 * All targets together are one process of the rump kernel.
 *
 * Limits: names are the rump kernel's by how they are written, and from the root;
 * a descriptor of the rump kernel cannot be copied to a number that is not watched
 * (dup2 onto 0, 1, 2), nor mapped; local sockets are the host's, and what is sent over
 * them is not a rump descriptor any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "trap.h"

/* A call as the rump kernel gets it. */
struct there {
	long a[6];
	struct object *used[6];		/* to be put */
	int fd[6];			/* their numbers */
	int n, host;			/* how many arguments are whose */
};

/* ---- translating ------------------------------------------------------------------------- */

static struct object *object_at(const struct call *c, long fd)
{
	int i;

	if (trap_in_range(fd))
		return object_get(c->tid, fd);
	for (i = 0; i < trap_nlow; i++)
		if (trap_low[i] == fd)
			return object_get(c->tid, fd);
	return NULL;
}

static void add_fd(const struct call *c, struct there *t, int i)
{
	struct object *o = object_at(c, c->a[i]);

	if (!o) {
		t->host++;
		return;
	}
	t->a[i] = object_rfd(o);
	t->fd[t->n] = c->a[i];
	t->used[t->n++] = o;
}

/* The name under a prefix of the scope as the rump kernel has it, or NULL. */
static const char *inside(const char *path)
{
	const struct prefix *p;
	int i;

	for (i = 0; i < scope.nprefix; i++) {
		p = &scope.prefix[i];
		if (strncmp(path, p->s, p->len) || (path[p->len] && path[p->len] != '/'))
			continue;
		return !p->cut ? path : path[p->len] ? path + p->len : "/";
	}
	return NULL;
}

/*
 * The name that is argument i, and the descriptor of its directory in front of it, if dir.
 * -errno.
 */
static int add_name(struct call *c, struct there *t, int i, int dir)
{
	char *here = c->names + c->used;
	const char *name = NULL;
	long len = 0;

	if (c->a[i])
		len = target_string(c, c->a[i], here, PATH_BUF);
	if (len == -ENAMETOOLONG)
		return len;
	if (c->a[i] && len >= 0)
		name = inside(here);
	if (!name && dir && (!c->a[i] || (len >= 0 && here[0] != '/')))
		add_fd(c, t, i - 1);
	else if (!name)
		t->host++;
	if (!c->a[i] || len < 0 || (!name && !t->n))
		return 0;
	if (name) {
		len = strlen(name);
		memmove(here, name, len + 1);
		if (dir)
			t->a[i - 1] = AT_FDCWD;
		t->used[t->n++] = NULL;
	}
	t->a[i] = NAMES_AT + c->used;
	c->used += len + 1;
	return 0;
}

/* 0: the call is the host's; 1: the rump kernel's; -errno. */
static int translate(struct call *c, struct there *t)
{
	const struct rump_sysrow *row = &trap_rows[c->nr];
	int i, err = 0;

	memcpy(t->a, c->a, sizeof(t->a));
	t->n = t->host = 0;
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
	if (t->n && t->host)
		return trap_how[c->nr] == HOW_sendfile ||
		    (trap_how[c->nr] == HOW_splice && c->nr != SYS_copy_file_range) ? -EINVAL : -EXDEV;
	return t->n != 0;
}

static void put_all(struct there *t)
{
	while (t->n)
		if (t->used[--t->n])
			object_put(t->used[t->n]);
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
static int is_quick(const struct call *c)
{
	switch (c->nr) {
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

/* Makes the call, with the target's memory. */
static long make_call(struct call *c, const long a[6])
{
	const struct rumpclient_memory memory = { target_read, target_write, c };
	long ret;

	if (!is_quick(c))
		serve_lasts();
	do {
		rumpclient_use_memory(&memory);
		ret = rumpclient_syscall(c->nr, a);
		rumpclient_use_memory(NULL);
		/* Somebody has looked whether the target still waits (serve.c). */
	} while (ret == -EINTR && target_valid(c) && !target_signalled(c->tid));
	return ret;
}

static long carry_out(struct call *c, struct there *t)
{
	long ret = make_call(c, t->a);
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
static long give(const struct call *c, struct object *o, int near, int cloexec)
{
	static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
	struct seccomp_notif_addfd add = {
		.id = c->id, .flags = SECCOMP_ADDFD_FLAG_SETFD, .srcfd = near,
		.newfd_flags = cloexec ? O_CLOEXEC : 0,
	};
	long ret;

	/* Two threads of one target are not to get the same number. */
	pthread_mutex_lock(&one);
	ret = object_number(o, c->tid);
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

static long give_new(const struct call *c, long rfd, int cloexec)
{
	struct object *o;
	int near;
	long ret;

	if (rfd < 0)
		return rfd;
	o = object_new(rfd, &near);
	if (!o)
		return -ENFILE;
	ret = give(c, o, near, cloexec);
	if (ret < 0)
		object_drop(o);
	object_put(o);
	return ret;
}

static long do_socket(struct call *c)
{
	if (!scope_socket(&scope, c->a[0], c->a[1], c->a[2]))
		return CALL_CONTINUE;
	return give_new(c, make_call(c, c->a), (c->a[1] & SOCK_CLOEXEC) != 0);
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

	ret = ret < 0 ? ret : ret == 0 ? CALL_CONTINUE : give_new(c, carry_out(c, &t), cloexec);
	put_all(&t);
	return ret;
}

static long copy_fd(const struct call *c, int fd, int cloexec)
{
	struct object *o = object_at(c, fd);
	long ret;
	int near;

	if (!o)
		return CALL_CONTINUE;
	near = target_fd(c->tid, fd);
	ret = near < 0 ? near : give(c, o, near, cloexec);
	object_put(o);
	return ret;
}

static long do_dup(struct call *c)
{
	struct object *o;

	if (c->nr == SYS_dup)
		return copy_fd(c, c->a[0], 0);
	if (c->a[0] == c->a[1] || trap_in_range(c->a[1]))
		return CALL_CONTINUE;
	o = object_at(c, c->a[0]);
	if (!o)
		return CALL_CONTINUE;
	object_put(o);
	target_say(c->tid, "dup2(%d, %d): a rump descriptor cannot be below %u with --static=trap",
	    (int)c->a[0], (int)c->a[1], trap_base);
	return -EOPNOTSUPP;
}

/* ---- the rest ---------------------------------------------------------------------------------- */

static long do_route(struct call *c)
{
	struct there t;
	long ret = translate(c, &t);

	ret = ret < 0 ? ret : ret == 0 ? CALL_CONTINUE : carry_out(c, &t);
	put_all(&t);
	return ret;
}

static long do_fcntl(struct call *c)
{
	switch ((int)c->a[1]) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return copy_fd(c, c->a[0], c->a[1] == F_DUPFD_CLOEXEC);
	case F_GETFD:
	case F_SETFD:
		return CALL_CONTINUE;
	}
	return do_route(c);
}

/* What is always the host's if the object is one of epoll's, or error. */
static long host_or(const struct call *c, int fd, int epoll, long error)
{
	struct object *o = object_at(c, fd);
	long ret = !o || (epoll && object_pollable(o)) ? CALL_CONTINUE : error;

	if (o)
		object_put(o);
	return ret;
}

long call_do(struct call *c)
{
	object_reap();
	c->used = 0;
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
		return host_or(c, c->a[2], 1, -EPERM);
	case HOW_mmap:
		return host_or(c, c->a[4], 0, -ENODEV);
	}
	return do_route(c);
}
