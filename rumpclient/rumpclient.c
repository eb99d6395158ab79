/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rumpclient.c - the interface: which kernel is it, and is this process still
 * the one that began?
 *
 * A fork that nobody announced (_Fork, clone) is seen by a page that the host
 * empties in the child: that costs a load per call, where getpid() would be a
 * host call.  A child that shares our memory (vfork) is us, while it lasts.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <rump/rump_calls.h>

#include "client.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK	18
#endif

static enum { UNUSED = -1, EMBEDDED, REMOTE } mode = UNUSED;
static atomic_int *same_process;	/* 0 in a child */

void client_warn(const char *fmt, ...)
{
	extern char *program_invocation_short_name;
	char line[512];
	va_list ap;
	int n, k;

	n = snprintf(line, sizeof(line), "%s: ", program_invocation_short_name);
	va_start(ap, fmt);
	k = vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	n += k < (int)sizeof(line) - n - 1 ? k : (int)sizeof(line) - n - 2;
	line[n++] = '\n';
	host(SYS_write, 2, line, n);
}

int rumpclient_init(void)
{
	const char *url = getenv("RUMP_SERVER");
	long p;
	int err;

	if (mode != UNUSED)
		return 0;
	p = host(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (host_failed(p))
		return p;
	err = host(SYS_madvise, p, 4096, MADV_WIPEONFORK);
	if (err) {
		host(SYS_munmap, p, 4096);
		return err;
	}
	same_process = (atomic_int *)p;
	atomic_store(same_process, 1);
	if (url && *url) {
		err = remote_init(url);
		if (err)
			return err;
	}
	mode = url && *url ? REMOTE : EMBEDDED;
	return 0;
}

int rumpclient_is_remote(void)
{
	return mode == UNUSED ? -EINVAL : mode;
}

static void check_process(void)
{
	if (__builtin_expect(atomic_load_explicit(same_process, memory_order_relaxed), 1))
		return;
	atomic_store(same_process, 1);
	if (mode == REMOTE)
		remote_forget();
	else
		embedded_forget();
}

long rumpclient_syscall(long nr, const long args[6])
{
	if (mode == UNUSED)
		return -ENOTCONN;
	check_process();
	return mode == REMOTE ? remote_syscall(nr, args, -1) : embedded_syscall(nr, args);
}

long rumpclient_syscall_fd(long nr, const long args[6], int farfd)
{
	long more[6] = { 0 };
	long ret, err;

	if (mode == UNUSED) {
		host(SYS_close, farfd);
		return -ENOTCONN;
	}
	check_process();
	if (mode == REMOTE)
		return remote_syscall(nr, args, farfd);
	ret = embedded_syscall(nr, args);
	if (ret < 0) {
		host(SYS_close, farfd);
		return ret;
	}
	more[0] = ret;
	more[1] = farfd;
	err = embedded_syscall(RUMP_CALL_FD_ATTACH, more);
	if (err < 0) {
		embedded_syscall(SYS_close, more);
		return err;
	}
	return ret;
}

int rumpclient_prefork(struct rumpclient_fork *cookie)
{
	struct rump_sp_cookie c;
	int err;

	if (mode != REMOTE)
		return -EOPNOTSUPP;
	check_process();
	err = remote_prefork(&c);
	if (!err)
		*cookie = (struct rumpclient_fork){ { c.id, c.secret } };
	return err;
}

int rumpclient_fork_init(const struct rumpclient_fork *cookie)
{
	struct rump_sp_cookie c = { cookie->id[0], cookie->id[1] };

	if (mode != REMOTE)
		return -EOPNOTSUPP;
	atomic_store(same_process, 1);
	remote_forget();
	return remote_fork_init(&c);
}

void rumpclient_fork_cancel(const struct rumpclient_fork *cookie)
{
	struct rump_sp_cookie c = { cookie->id[0], cookie->id[1] };

	if (mode == REMOTE)
		remote_fork_cancel(&c);
}

void rumpclient_shutdown(void)
{
	if (mode != EMBEDDED)
		return;
	check_process();
	embedded_shutdown();
}

int rumpclient_owns_fd(int fd)
{
	return ownfd_is(fd) || embedded_owns_fd(fd);
}

int rumpclient_move_fd(int fd)
{
	return ownfd_is(fd) ? remote_move_fd(fd) : 0;
}
