/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * own.c - a rump_server of this process's own, instead of a kernel in the process: for programs that
 * have the runtime of AddressSanitizer or ThreadSanitizer.
 *
 * Such a runtime does not survive that a process with threads forks and goes on, as a keeper does:
 * its locks are not made for it; and it sees nothing but races in a kernel that it does not know.
 * So the first call starts a server, as `rump run' does, to which RUMP_MOUNT and the like are the
 * same.  It is nobody's child, and ends when this process and all others that use it have ended.
 * Limit: that is a moment after their end, and so are its images unmounted.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "beside.h"
#include "client.h"

#define STACK_SIZE	(64 * 1024)
#define MAX_ENV		4096
#define HOLD_FD		3
#define HOLD_TEXT	"3"

extern char **environ;
extern void __asan_init(void) __attribute__((weak));
extern void __tsan_init(void) __attribute__((weak));

int own_wanted(void)
{
	return __asan_init || __tsan_init;
}

struct start {
	const char *path;
	char *const *argv, *const *env;
	int pidfd;		/* of who holds the server */
};

/*
 * A child that shares our memory until fn(arg) has executed the server, or returned.  Not by clone(3),
 * which the runtime would take for a fork of its own.
 */
static long share(void *stack_end, int (*fn)(void *), void *arg)
{
	void **sp = stack_end;
	long ret;

	*--sp = arg;
	*--sp = (void *)(uintptr_t)fn;
	__asm__ volatile("syscall\n\t"
		"test	%%rax, %%rax\n\t"
		"jnz	1f\n\t"
		"xor	%%ebp, %%ebp\n\t"
		"pop	%%rax\n\t"
		"pop	%%rdi\n\t"
		"call	*%%rax\n\t"
		"mov	%%eax, %%edi\n\t"
		"mov	%[exit], %%eax\n\t"
		"syscall\n"
		"1:"
		: "=a"(ret)
		: "a"(SYS_clone), "D"(CLONE_VM | CLONE_VFORK), "S"(sp), "d"(0), [exit] "i"(SYS_exit)
		: "rcx", "r8", "r9", "r10", "r11", "memory");
	return ret;
}

/* Its first process ends when it is up. */
static int exec_server(void *arg)
{
	const struct start *s = arg;
	const struct { void *handler; unsigned long flags; void *restorer; uint64_t mask; } dfl = { 0 };
	const uint64_t none = 0;

	if (s->pidfd == HOLD_FD)
		host(SYS_fcntl, HOLD_FD, F_SETFD, 0);
	else if (host(SYS_dup2, s->pidfd, HOLD_FD) < 0)
		return 1;
	host(SYS_close_range, HOLD_FD + 1, ~0U, 0);
	host(SYS_close, 0);
	if (host(SYS_open, "/dev/null", O_RDWR, 0) != 0)
		return 1;
	host(SYS_dup2, 0, 1);
	host(SYS_setsid, 0);		/* what a terminal sends is not for it */
	host(SYS_rt_sigaction, SIGCHLD, &dfl, NULL, sizeof(none));
	host(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
	host(SYS_execve, s->path, s->argv, s->env);
	return 1;
}

/* All of this process's but what concerns the library. */
static void take_environment(char **env)
{
	static const char *const not_for_it[] = { "LD_PRELOAD=", "RUMP_SERVER=", "RUMPHIJACK" };
	size_t i, k, n = 0;

	for (i = 0; environ && environ[i] && n < MAX_ENV - 1; i++) {
		for (k = 0; k < 3 && strncmp(environ[i], not_for_it[k], strlen(not_for_it[k])); k++)
			;
		if (k == 3)
			env[n++] = environ[i];
	}
	env[n] = NULL;
}

static int start(char *url, size_t size)
{
	static _Alignas(16) char stack[STACK_SIZE];
	static char path[4096], *env[MAX_ENV];
	char *const argv[] = { "rump_server", "--trust-clients", "--embedded", "--hold-fd", HOLD_TEXT, url, NULL };
	struct start s = { .path = path, .argv = argv, .env = env };
	const uint64_t all = ~0ull;
	uint64_t r[2], mask;
	int status = 0;
	long pid, err;

	if (beside(env, "rump_server", path, sizeof(path))) {
		client_warn("a program with a sanitizer's runtime needs rump_server, which is not in "
		    "../bin of librumpclient.so");
		return -ENOENT;
	}
	host(SYS_getrandom, r, sizeof(r), 0);
	snprintf(url, size, "unix://@rump-own-%016llx%016llx", (unsigned long long)r[0],
	    (unsigned long long)r[1]);
	take_environment(env);
	s.pidfd = host(SYS_pidfd_open, host(SYS_getpid, 0), 0);
	if (s.pidfd < 0)
		return s.pidfd;
	host(SYS_rt_sigprocmask, SIG_SETMASK, &all, &mask, sizeof(all));
	pid = share(stack + sizeof(stack), exec_server, &s);
	do
		err = pid < 0 ? pid : host(SYS_wait4, pid, &status, __WALL, NULL);
	while (err == -EINTR);
	host(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
	host(SYS_close, s.pidfd);
	if (err >= 0 && status)		/* it has said why */
		err = -ENOSYS;
	return err < 0 ? err : 0;
}

int own_begin(void)
{
	static char url[64];
	static atomic_int state;	/* 1: a thread is at it; 2: done; 3: it has failed */
	int none = 0, err;

	if (client_is_shared())		/* a vfork child: its parent's memory would be a client */
		return -ENOTCONN;
	if (atomic_compare_exchange_strong(&state, &none, 1)) {
		err = start(url, sizeof(url));
		if (!err)
			err = remote_init(url);
		if (!err)
			client_moved(0);
		else
			embedded_none();
		atomic_store(&state, err ? 3 : 2);
	}
	while ((none = atomic_load(&state)) == 1)
		host(SYS_sched_yield, 0);
	return none == 2 ? 0 : -ENOSYS;
}
