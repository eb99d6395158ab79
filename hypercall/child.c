/* SPDX-License-Identifier: BSD-2-Clause */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "child.h"
#include "hostcall.h"
#include "internal.h"

#define STACK	(64 * 1024)

int child_find(struct child *c, const char *name)
{
	/* The library may be in a directory of its machine: lib/x86_64-linux-gnu. */
	static const char *const places[] = { "../bin", "../../bin" };
	const char *slash;
	unsigned int i;
	Dl_info info;
	int n;

	c->program[0] = '\0';
	if (!dladdr((void *)(uintptr_t)rumpuser_init, &info) ||
	    !(slash = strrchr(info.dli_fname, '/')))
		return -ENOENT;
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		n = snprintf(c->program, sizeof(c->program), "%.*s/%s/%s",
		    (int)(slash - info.dli_fname), info.dli_fname, places[i], name);
		if (n < (int)sizeof(c->program) && host(SYS_access, c->program, 1) == 0)
			return 0;
	}
	return -ENOENT;
}

struct birth {
	const struct child *c;
	const int *fds;
	unsigned int nfds;
	int parent, err;
};

/* Puts the descriptors in their places; those that lie in the way of others move first. */
static int place(const struct birth *b)
{
	int fds[CHILD_FDS], r = 0;
	unsigned int i;

	for (i = 0; i < b->nfds; i++) {
		fds[i] = host(SYS_fcntl, b->fds[i], F_DUPFD_CLOEXEC, CHILD_FD + CHILD_FDS);
		if (fds[i] < 0)
			return fds[i];
	}
	for (i = 0; i < b->nfds && r >= 0; i++)
		r = host(SYS_dup3, fds[i], CHILD_FD + i, 0);
	host(SYS_close_range, CHILD_FD + b->nfds, ~0U, 0);
	return r < 0 ? r : 0;
}

/* In the child, which has our memory until it execs: system calls only. */
static int become(void *arg)
{
	static const char *const envp[] = { NULL };
	struct birth *b = arg;
	uint64_t none = 0;

	host(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
	if (b->c->tied) {
		host(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		if (host(SYS_getppid, 0) != b->parent)
			host(SYS_exit, 1);
	}
	b->err = place(b);
	if (!b->err)
		b->err = host(SYS_execve, b->c->program, b->c->argv, envp);
	host(SYS_exit, 127);
	return 0;
}

int child_start(const struct child *c, const int *fds, unsigned int nfds)
{
	struct birth b = { .c = c, .fds = fds, .nfds = nfds, .parent = rumpuser_getpid() };
	long stack;
	int pid;

	stack = host(SYS_mmap, NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (host_failed(stack))
		return stack;
	pid = clone(become, (char *)stack + STACK, CLONE_VM | CLONE_VFORK, &b);
	if (pid < 0)
		pid = -errno;
	host(SYS_munmap, stack, STACK);
	if (pid > 0 && b.err) {
		child_reap(pid);
		return b.err;
	}
	return pid;
}

bool child_ended(int pid, bool wait)
{
	siginfo_t info;
	long r;

	do {
		info.si_pid = 0;
		r = host(SYS_waitid, P_PID, pid, &info, WEXITED | WNOWAIT | __WALL | (wait ? 0 : WNOHANG),
		    NULL);
	} while (r == -EINTR);
	return r || info.si_pid;
}

void child_kill(int pid)
{
	host(SYS_kill, pid, SIGKILL);
}

void child_reap(int pid)
{
	int status;

	while (host(SYS_wait4, pid, &status, __WALL, NULL) == -EINTR)
		;
}
