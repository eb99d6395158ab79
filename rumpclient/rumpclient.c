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
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rump/rump_calls.h>

#include "client.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK	18
#endif

/* OWN: a server's client, which the first call starts. */
static volatile enum { UNUSED = -1, EMBEDDED, REMOTE, OWN } mode = UNUSED;
static struct {
	atomic_int same;		/* 0 in a child */
	atomic_int pid;			/* whose memory this is; 0: just forked */
} *process;

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

/* This process and its memory belong together. */
static void is_own(void)
{
	atomic_store(&process->pid, host(SYS_getpid, 0));
	atomic_store(&process->same, 1);
}

int client_is_shared(void)
{
	int pid = atomic_load(&process->pid);

	return pid && pid != host(SYS_getpid, 0);
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
	process = (void *)p;
	is_own();
	if (url && *url) {
		err = remote_init(url);
		if (err)
			return err;
	}
	mode = url && *url ? REMOTE : own_wanted() ? OWN : EMBEDDED;
	return 0;
}

int rumpclient_is_remote(void)
{
	return mode == UNUSED ? -EINVAL : mode == REMOTE;
}

int rumpclient_is_up(void)
{
	return mode == REMOTE || (mode == EMBEDDED && embedded_up());
}

/* ---- signals that wait until a call is over ------------------------------------------- */

int client_door;
__thread volatile int client_signal;

void rumpclient_signal_door(void)
{
	client_door = 1;
	embedded_signal_door();
}

void rumpclient_interrupt(void)
{
	client_signal = 1;
	if (mode == REMOTE)
		remote_interrupt();
	else if (mode == EMBEDDED)
		embedded_interrupt();
}

void rumpclient_interrupt_end(void)
{
	client_signal = 0;
	if (mode == EMBEDDED)
		embedded_interrupt_end();
}

long rumpclient_sigaction(int sig, const void *act, void *oact)
{
	long ret = mode == EMBEDDED ? embedded_sigaction(sig, act, oact) : -ENOENT;

	return ret == -ENOENT ? host(SYS_rt_sigaction, sig, act, oact, sizeof(uint64_t)) : ret;
}

static void check_process(void)
{
	if (__builtin_expect(atomic_load_explicit(&process->same, memory_order_relaxed), 1))
		return;
	is_own();
	if (mode == REMOTE)
		remote_forget();
	else if (mode == EMBEDDED)
		embedded_forget();
}

long rumpclient_syscall(long nr, const long args[6])
{
	long ret;

	if (mode == UNUSED)
		return -ENOTCONN;
	check_process();
	if (__builtin_expect(mode == OWN, 0)) {
		ret = own_begin();
		if (ret)
			return ret;
	}
	while (mode == EMBEDDED) {
		ret = embedded_syscall(nr, args);
		if (__builtin_expect(ret != -RUMP_EMOVED, 1))
			return ret;
		keeper_await();
	}
	return remote_syscall(nr, args, -1, NULL);
}

void client_moved(int err)
{
	if (err)
		embedded_forget();
	else
		mode = REMOTE;
}

int rumpclient_handover(void)
{
	if (mode != EMBEDDED || client_is_shared())
		return 0;
	check_process();
	return keeper_move();
}

long rumpclient_syscall_fd(long nr, const long args[6], int farfd)
{
	long more[6] = { 0 };
	long ret, err;

	if (mode == UNUSED) {
		if (farfd >= 0)
			host(SYS_close, farfd);
		return -ENOTCONN;
	}
	check_process();
	err = mode == OWN ? own_begin() : 0;
	if (err) {
		host(SYS_close, farfd);
		return err;
	}
	if (mode == REMOTE)
		return remote_syscall(nr, args, farfd, NULL);
	ret = rumpclient_syscall(nr, args);
	if (ret < 0) {
		host(SYS_close, farfd);
		return ret;
	}
	more[0] = ret;
	more[1] = farfd;
	err = rumpclient_syscall(RUMP_CALL_FD_ATTACH, more);
	if (err < 0) {
		rumpclient_syscall(SYS_close, more);
		return err;
	}
	return ret;
}

long rumpclient_syscall_beside(long nr, const long args[6], struct pollfd *fds, unsigned int nfds,
    int *ready)
{
	const struct beside b = { .fds = fds, .nfds = nfds, .ready = ready };

	*ready = 0;
	if (mode != REMOTE)
		return -EOPNOTSUPP;
	check_process();
	return remote_syscall(nr, args, -1, &b);
}

int rumpclient_placeholder(int lowest, int cloexec, int *far)
{
	if (mode != REMOTE)
		return -EAGAIN;
	check_process();
	/* A child that shares our memory has copies of its own: they are not ours to count. */
	return client_is_shared() ? -EAGAIN : remote_placeholder(lowest, cloexec, far);
}

int rumpclient_prefork(struct rumpclient_fork *cookie)
{
	struct rump_sp_cookie c;
	int err;

	rumpclient_handover();
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
	is_own();
	remote_forget();
	return remote_fork_init(&c);
}

void rumpclient_fork_cancel(const struct rumpclient_fork *cookie)
{
	struct rump_sp_cookie c = { cookie->id[0], cookie->id[1] };

	if (mode == REMOTE)
		remote_fork_cancel(&c);
}

/* ---- exec and daemon ------------------------------------------------------------- */

int rumpclient_preexec(struct rumpclient_exec *x)
{
	x->env[0] = x->env[1] = x->env[2] = NULL;
	x->heir = x->self = -1;
	rumpclient_handover();
	if (mode != REMOTE)
		return -EOPNOTSUPP;
	if (!client_is_shared())
		check_process();
	return remote_preexec(client_is_shared(), x);
}

void rumpclient_exec_cancel(const struct rumpclient_exec *x)
{
	if (x->env[0])
		remote_exec_cancel(client_is_shared(), x);
}

static int same_name(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return strncmp(a, b, n + 1) == 0;
}

int rumpclient_exec(const char *path, char *const argv[], char *const envp[])
{
	struct rumpclient_exec x;
	size_t n, i, out = 0;
	const char **new;
	long mem, ret;

	rumpclient_preexec(&x);
	for (n = 0; envp && envp[n]; n++)
		;
	mem = host(SYS_mmap, NULL, (n + 3) * sizeof(*new), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (host_failed(mem)) {
		rumpclient_exec_cancel(&x);
		return mem;
	}
	new = (const char **)mem;
	for (i = 0; i < n; i++)
		if (!x.env[0] || (!same_name(x.env[0], envp[i]) && !same_name(x.env[1], envp[i])))
			new[out++] = envp[i];
	for (i = 0; x.env[i]; i++)
		new[out++] = x.env[i];
	ret = host(SYS_execve, path, argv, new);
	host(SYS_munmap, mem, (n + 3) * sizeof(*new));
	rumpclient_exec_cancel(&x);
	return ret;
}

int rumpclient_daemon(int nochdir, int noclose)
{
	struct rumpclient_fork cookie;
	int err, prepared, i;
	long fd;
	pid_t pid;

	err = rumpclient_prefork(&cookie);
	prepared = !err;
	if (err && err != -EOPNOTSUPP)
		return err;
	pid = fork();
	if (pid < 0) {
		err = -errno;
		if (prepared)
			rumpclient_fork_cancel(&cookie);
		return err;
	}
	if (pid > 0)
		for (;;)
			host(SYS_exit_group, 0);
	if (prepared)
		err = rumpclient_fork_init(&cookie);
	if (prepared && err)
		return err;
	host(SYS_setsid, 0);
	if (!nochdir)
		host(SYS_chdir, "/");
	if (noclose)
		return 0;
	fd = host(SYS_open, "/dev/null", O_RDWR, 0);
	for (i = 0; fd >= 0 && i <= 2; i++)
		if (fd != i)
			host(SYS_dup3, fd, i, 0);
	if (fd > 2)
		host(SYS_close, fd);
	return fd < 0 ? fd : 0;
}

int rumpclient_setconnretry(int64_t seconds)
{
	if (seconds < RUMPCLIENT_RETRYCONN_DIE || seconds > INT32_MAX)
		return -EINVAL;
	remote_setconnretry(seconds);
	return 0;
}

void rumpclient_on_lost(void (*fn)(void))
{
	remote_on_lost(fn);
}

int rumpclient_check(void)
{
	return mode == EMBEDDED ? embedded_check() : 0;
}

void rumpclient_on_no_kernel(void (*fn)(void))
{
	embedded_on_no_kernel(fn);
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

void rumpclient_keep_access(void)
{
	if (mode == REMOTE)
		remote_keep_access(client_is_shared());
}

void rumpclient_on_own_fd(void (*fn)(int fd))
{
	ownfd_on_change(fn);
}

int rumpclient_move_fd(int fd)
{
	return ownfd_is(fd) ? remote_move_fd(fd) : 0;
}
