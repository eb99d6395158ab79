/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sitehelper.c - the system calls of a library that is not known from before, found by
 * rump_sites(1), which reads the library's file by libelf.
 *
 * In a process of its own, since we are in the constructor of any program, or even before it:
 * libelf allocates, and malloc may be the program's, in the midst of its own beginning; it
 * brings libraries that the program may have in other versions; and a file that it does not
 * like ends that process, not the program.  It costs a millisecond or two, once for each libc
 * and user, and only where it can be kept (sitecache.c).
 *
 * The child is none that the program could wait for, or be told of: it sends no signal.  A
 * process with a seccomp filter does not start any: its filter may kill who does.  There, and
 * where anything else fails, we look through the text ourselves.
 *
 * What comes back is checked as what was kept is: the bytes must be there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "hijack.h"
#include "site.h"
#include "../rumpclient/beside.h"

#define STACK	16384

struct birth {
	const char *path;
	const char *const *argv;
	int memory;
};

/* In the child, which has our memory until it executes the program: system calls only. */
static int __attribute__((no_sanitize("address"), no_sanitize("thread"))) become(void *arg)
{
	static const char *const envp[] = { NULL };
	const struct birth *b = arg;
	uint64_t none = 0;
	long null, fd;

	/* Where they are in the way of 0, 1 and 2, they move first. */
	fd = host(SYS_fcntl, b->memory, F_DUPFD_CLOEXEC, 3);
	null = host(SYS_open, "/dev/null", O_WRONLY | O_CLOEXEC, 0);
	if (fd >= 0 && null >= 0) {
		host(SYS_dup2, null, 2);
		host(SYS_dup2, fd, 0);
		host(SYS_dup2, fd, 1);
		host(SYS_close_range, 3, ~0U, 0);
		host(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &none, NULL, sizeof(none));
		host(SYS_execve, b->path, b->argv, envp);
	}
	host(SYS_exit, 127);
	return 0;
}

/*
 * clone(2) with a stack of its own, past libc's function, which may be ours by now.  fn does
 * not return.
 */
static long clone_onto(char *stack, int (*fn)(void *), void *arg)
{
	register int (*callee)(void *) __asm__("r12") = fn;
	register void *first __asm__("r13") = arg;
	long ret;

	__asm__ volatile(
	    "syscall\n\t"
	    "test	%%rax, %%rax\n\t"
	    "jnz	1f\n\t"
	    "xor	%%ebp, %%ebp\n\t"
	    "mov	%[arg], %%rdi\n\t"
	    "call	*%[fn]\n\t"
	    "hlt\n"
	    "1:"
	    : "=a" (ret)
	    : "a" (SYS_clone), "D" ((long)(CLONE_VM | CLONE_VFORK)), "S" (stack),
	      [fn] "r" (callee), [arg] "r" (first)
	    : "rcx", "r11", "memory", "cc");
	return ret;
}

/* 1: it has ended well. */
static int run(const char *path, const char *file, int memory)
{
	const char *const argv[] = { "rump_sites", file, NULL };
	const struct birth b = { .path = path, .argv = argv, .memory = memory };
	_Alignas(16) char stack[STACK];
	uint64_t all = ~0ULL, mask;
	int status = -1;
	long r = 0, pid;

	/* A handler of the program would run in the child, on this memory. */
	host(SYS_rt_sigprocmask, 0 /* SIG_BLOCK */, &all, &mask, sizeof(mask));
	pid = clone_onto(stack + sizeof(stack), become, (void *)&b);
	while (pid > 0 && (r = host(SYS_wait4, pid, &status, __WALL, NULL)) == -EINTR)
		;
	host(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &mask, NULL, sizeof(mask));
	return pid > 0 && r == pid && status == 0;
}

unsigned int sitehelper_find(const struct text *t, struct site *sites, unsigned int max)
{
	char path[PATH_BUF];
	struct sites_answer *a;
	unsigned int n = 0;
	long memory, p;

	if (host(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0) != 0 || 
	    beside(&hijack_state, "rump_sites", path, sizeof(path)) < 0)
		return 0;
	memory = host(SYS_memfd_create, "rump-sites", MFD_CLOEXEC);
	if (memory < 0)
		return 0;
	p = -1;
	if (host(SYS_pwrite64, memory, hijack_class, sizeof(hijack_class), 0) == sizeof(hijack_class) &&
	    run(path, t->name, memory))
		p = host(SYS_mmap, NULL, sizeof(*a), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!host_failed(p)) {
		a = (struct sites_answer *)p;
		if (host(SYS_pread64, memory, a, sizeof(*a), sizeof(hijack_class)) == sizeof(*a) &&
		    a->size == t->end - t->start && a->n <= max && sites_right(t, a->sites, a->n)) {
			n = a->n;
			memcpy(sites, a->sites, n * sizeof(*sites));
		}
		host(SYS_munmap, p, sizeof(*a));
	}
	host(SYS_close, memory);
	return n;
}
