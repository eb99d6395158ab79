/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * usher.c - new connections of a process that may not connect any more.
 *
 * Threads, children and the next image of a program need connections of their own.  A
 * program that has become another user (a web server's workers), has changed its root
 * or has a seccomp filter cannot get them by the server's name.  So it is told before that
 * (rumpclient_keep_access()), and opens a connection to show others in by
 * (RUMP_SP_USHER): one end of a socket pair goes along it, and is served.
 *
 * The usher is inherited, by exec.c across execve(2), too, and never closed: what is said on it
 * is one small message without an answer, so that any number of processes can do so at
 * the same time.  In a vfork child that makes one, it belongs to the child's descriptors only.
 *
 * Limits: a server on another host (a relay) has none; a server that was started anew does not
 * know the old one's, and then the name is all there is.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "remote.h"

static atomic_int usher = -1;
static atomic_uint usher_life;		/* the session it was made in */
static __thread struct {		/* a vfork child shares its parent's thread */
	int pid, fd;
} child;

int usher_fd(void)
{
	return child.pid && child.pid == host(SYS_getpid, 0) ? child.fd : atomic_load(&usher);
}

int usher_forked(void)
{
	child.pid = 0;
	return atomic_load(&usher);
}

int usher_connect(void)
{
	struct rump_sp_hdr q = { .len = sizeof(q), .type = RUMP_SP_SHOW_IN, .nfds = 1 };
	int pair[2], fd = usher_fd();
	long r;

	if (fd < 0)
		return -1;
	r = host(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
	if (r)
		return r;
	r = send_with(fd, &q, &pair[1], 1);
	host(SYS_close, pair[1]);
	if (r) {
		host(SYS_close, pair[0]);
		return r;
	}
	return pair[0];
}

/* Numbers are never given back: another thread may be about to use one. */
static void replace(int fd)
{
	int none = -1;

	if (atomic_compare_exchange_strong(&usher, &none, fd))
		return;
	host(SYS_dup3, fd, none, O_CLOEXEC);
	ownfd_close(fd);
}

void remote_keep_access(int shared)
{
	unsigned int life = session_life();
	struct rump_sp_hello_reply r;
	int fd;

	if (usher_fd() >= 0 && atomic_load(&usher_life) == life)
		return;
	/* Of a new session the old usher is no way to its server. */
	fd = server_connect_by_name(shared);
	if (fd < 0)
		return;
	if (server_hello(fd, RUMP_SP_USHER, NULL, &r)) {
		if (shared)
			host(SYS_close, fd);
		else
			ownfd_close(fd);
	} else if (shared) {
		child.fd = fd;
		child.pid = host(SYS_getpid, 0);
	} else {
		replace(fd);
		atomic_store(&usher_life, life);
	}
}

void usher_inherit(int fd)
{
	fd = ownfd_take(fd);
	if (fd >= 0)
		replace(fd);
}

int usher_move(int fd)
{
	int new;

	if (fd != atomic_load(&usher))
		return 1;
	new = ownfd_dup(fd);
	if (new < 0)
		return new;
	atomic_store(&usher, new);
	host(SYS_close, fd);
	return 0;
}
