/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * newfd.c - calls that make descriptors, or copy them.
 *
 * Limits: a descriptor of the rump kernel cannot be copied to a number that is not watched
 * (dup2 onto 3 to 511).  RUMPHIJACK=...,fdoff=3 has all numbers watched.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "trap.h"

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

long do_socket(struct call *c)
{
	if (!scope_socket(&scope, c->a[0], c->a[1], c->a[2]))
		return CALL_CONTINUE;
	return give_new(c, call_make(c, c->nr, c->a), (c->a[1] & SOCK_CLOEXEC) != 0);
}

long do_socketpair(struct call *c)
{
	int rfd[2], fd[2], i, cloexec = (c->a[1] & SOCK_CLOEXEC) != 0;
	long ret;

	if (!scope_socket(&scope, c->a[0], c->a[1], c->a[2]))
		return CALL_CONTINUE;
	ret = own(SYS_socketpair, c->a[0], c->a[1], c->a[2], (long)rfd);
	if (ret < 0)
		return ret;
	for (i = 0; i < 2; i++) {
		ret = give_new(c, rfd[i], cloexec);
		if (ret < 0) {
			if (i == 0)
				own(SYS_close, rfd[1]);
			return ret;
		}
		fd[i] = ret;
	}
	return target_write(c, c->a[3], fd, sizeof(fd)) == sizeof(fd) ? 0 : -EFAULT;
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

long do_new(struct call *c)
{
	struct there t;
	int cloexec = wants_cloexec(c);
	long ret = translate(c, &t);

	ret = ret < 0 ? ret : ret == 0 ? host_call(c, &t) : give_new(c, carry_out(c, &t), cloexec);
	there_put(&t);
	return ret;
}

long copy_fd(const struct call *c, int fd, int cloexec, long from)
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

long do_dup(struct call *c)
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
