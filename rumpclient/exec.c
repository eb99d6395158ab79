/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exec.c - a program that executes another one stays the same process of the server.
 *
 * It leaves an open connection to the new image, the heir (rump_sp.h), whose number
 * is in the environment beside the usher's (usher.c), the process id that they are meant for and
 * the server's url.  No secret is in there: the descriptor itself is the right to the session.
 * A program that is executed in between and knows nothing of all this keeps the
 * connection open, and so the process in the server alive.
 *
 * A child that shares its parent's memory (vfork, posix_spawn) is no process of the
 * server yet: it becomes one here, a fork of its parent's, with connections that are
 * not entered in the parent's tables.  The new image finds its descriptors by their
 * placeholders.
 *
 * One thread at a time is on its way out: a second one waits, as execve(2) would
 * end it anyhow if the first succeeds.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "remote.h"

static const char variable[] = "RUMPCLIENT_EXEC";
static atomic_int leaving;		/* thread id of who is on its way out */

static int prefork_on(int fd, struct rump_sp_cookie *child)
{
	struct rump_sp_hdr q = {
		.len = sizeof(q), .type = RUMP_SP_PREFORK, .flags = RUMP_SP_F_BARE, .reqno = 1,
	};
	const atomic_int in_fd = fd;
	struct in in = { .fd = &in_fd };
	struct rump_sp_newcookie a;
	int err;

	err = send_small(fd, &q);
	if (!err)
		err = need(&in, sizeof(a));
	if (err)
		return err;
	memcpy(&a, in.buf, sizeof(a));
	if (a.hdr.type != RUMP_SP_COOKIE || a.hdr.len != sizeof(a))
		return -EPROTO;
	*child = a.cookie;
	return a.ret;
}

/* A connection of a vfork child on which HELLO was accepted; -errno. */
static int enter_shared(enum rump_sp_kind kind, struct rump_sp_cookie *cookie)
{
	struct rump_sp_hello_reply r;
	int fd = server_connect(1), err;

	if (fd < 0)
		return fd;
	err = server_hello(fd, kind, cookie, &r);
	if (err) {
		host(SYS_close, fd);
		return err;
	}
	*cookie = r.cookie;
	return fd;
}

/* Makes the calling vfork child a process of the server; *cookie: the parent's, then its own. */
static int become_process(struct rump_sp_cookie *cookie)
{
	struct rump_sp_cookie parent = *cookie;
	int fd, err;

	fd = enter_shared(RUMP_SP_THREAD, &parent);
	if (fd < 0)
		return fd;
	err = prefork_on(fd, cookie);
	host(SYS_close, fd);
	return err ? err : enter_shared(RUMP_SP_FORK, cookie);
}

int remote_preexec(int shared, struct rumpclient_exec *x)
{
	struct rump_sp_cookie cookie;
	struct rump_sp_hello_reply r;
	int err, nobody = 0, me = host(SYS_gettid, 0);

	err = session_cookie(&cookie);
	if (err)
		return err;
	while (!shared && !atomic_compare_exchange_strong(&leaving, &nobody, me)) {
		if (nobody == me)
			return -EBUSY;
		nobody = 0;
		host(SYS_sched_yield, 0);
	}
	if (shared)
		err = x->self = become_process(&cookie);
	if (err >= 0)
		err = x->heir = server_connect(shared);
	if (err >= 0)
		err = server_hello(x->heir, RUMP_SP_EXEC, &cookie, &r);
	if (err >= 0)
		err = host(SYS_fcntl, x->heir, F_SETFD, 0);
	if (err >= 0 && usher_fd() >= 0)
		err = host(SYS_fcntl, usher_fd(), F_SETFD, 0);
	if (err < 0) {
		remote_exec_cancel(shared, x);
		return err;
	}
	snprintf(x->store[0], sizeof(x->store[0]), "RUMP_SERVER=%s", server_url());
	snprintf(x->store[1], sizeof(x->store[1]), "%s=%d:%d:%d:%s", variable, x->heir,
	    usher_fd(), (int)host(SYS_getpid, 0), server_url());
	x->env[0] = x->store[0];
	x->env[1] = x->store[1];
	return 0;
}

void remote_exec_cancel(int shared, const struct rumpclient_exec *x)
{
	int fds[] = { x->heir, x->self };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		if (fds[i] < 0)
			continue;
		if (shared)
			host(SYS_close, fds[i]);
		else
			ownfd_close(fds[i]);
	}
	if (usher_fd() >= 0)
		host(SYS_fcntl, usher_fd(), F_SETFD, FD_CLOEXEC);
	if (!shared)
		atomic_store(&leaving, 0);
}

void remote_exec_init(void)
{
	const char *value = getenv(variable);
	char comm[16] = "";
	int fd, usher, pid, at = 0;

	atomic_store(&leaving, 0);
	if (!value)
		return;
	if (sscanf(value, "%d:%d:%d:%n", &fd, &usher, &pid, &at) >= 3 && at &&
	    pid == host(SYS_getpid, 0)) {
		if (strcmp(value + at, server_url())) {
			host(SYS_close, fd);
			if (usher >= 0)
				host(SYS_close, usher);
			unsetenv(variable);
			return;
		}
		if (usher >= 0)
			usher_inherit(usher);
		if (session_continue(fd) == 0) {
			host(SYS_prctl, PR_GET_NAME, comm, 0, 0, 0);
			remote_syscall(SYS_prctl, (const long[6]){ PR_SET_NAME, (long)comm }, -1,
			    NULL);
		}
	}
	unsetenv(variable);
}
