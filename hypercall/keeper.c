/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keeper.c - a copy of this process that keeps the kernel and nothing else of it
 * (kernel/lib/keeper.c has the theory).
 *
 * The copy is made by fork(3), which leaves malloc(3) in a usable state, from a child
 * that shares our memory and ends at once: so the keeper is nobody's child whom the
 * program could wait for, and memory is copied once only.  RAM is shared with it, not
 * copied.
 *
 * What the keeper has of the program's is given back at once: descriptors, handlers,
 * session, directory.  Its memory stays, as pages that are copied when the program
 * writes to them.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostcall.h"
#include "hostsig.h"
#include "internal.h"

#define BIRTH_SECONDS	10		/* until the keeper must have answered */
#define STACK_SIZE	(64 * 1024)	/* the keeper's first thread's, on the caller's */

struct birth {
	void (*fn)(void *, int);
	void *arg;
	int far;			/* the keeper's end of the connection */
	int err;
};

static int not_ours(int fd, int keep)
{
	return fd != keep && !rumpuser_owns_fd(fd);
}

/* Closes all that is the program's. */
static void close_others(int keep)
{
	unsigned int fd, from = 0, end = hostfd_end();
	int null, i;

	if (end <= (unsigned int)keep)
		end = keep + 1;
	for (fd = 0; fd < end; fd++) {
		if (not_ours(fd, keep))
			continue;
		if (fd > from)
			host(SYS_close_range, from, fd - 1, 0);
		from = fd + 1;
	}
	host(SYS_close_range, from, ~0U, 0);
	for (i = 0; i <= 2; i++) {
		null = host(SYS_open, "/dev/null", O_RDWR, 0);
		if (null > 2)
			host(SYS_close, null);
	}
}

static void forget_program(int keep)
{
	struct hostsig_action dfl = { .handler = SIG_DFL };
	struct rlimit rl;
	uint64_t mask;
	int sig;

	sigmask_block(&mask);
	for (sig = 1; sig <= 64; sig++)
		if (rumpuser_sigaction(sig, &dfl, NULL) == -ENOENT)
			hostsig_action(sig, &dfl, NULL);
	host(SYS_setsid, 0);
	host(SYS_chdir, "/");
	host(SYS_prctl, PR_SET_NAME, "rump_keeper", 0, 0, 0);
	close_others(keep);
	mapfile_forget();
	if (host(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		host(SYS_prlimit64, 0, RLIMIT_NOFILE, &rl, NULL);
	}
}

/* In the child that shares our memory. */
static int give_birth(void *arg)
{
	struct birth *b = arg;
	pid_t pid = fork();

	if (pid < 0)
		b->err = -errno;
	if (pid == 0) {
		ram_inherit(0);
		hostfd_keep(0);
		wait_alone();
		cpuwait_alone();
		forget_program(b->far);
		b->fn(b->arg, b->far);
		for (;;)
			host(SYS_exit_group, 0);
	}
	return 0;
}

int rumpuser_keeper_fork(void (*fn)(void *, int), void *arg)
{
	_Alignas(16) char stack[STACK_SIZE];
	const struct timeval patience = { .tv_sec = BIRTH_SECONDS };
	struct birth b = { .fn = fn, .arg = arg };
	int pair[2], status;
	uint64_t mask;
	long r;
	pid_t pid;

	r = host(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
	if (r)
		return r;
	host(SYS_setsockopt, pair[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	b.far = pair[1];
	ram_inherit(1);
	hostfd_keep(1);
	sigmask_block(&mask);
	pid = clone(give_birth, stack + sizeof(stack), CLONE_VM | CLONE_VFORK, &b);
	r = pid < 0 ? -errno : 0;
	if (!r) {
		do
			r = host(SYS_wait4, pid, &status, __WALL, NULL);
		while (r == -EINTR);
		r = b.err;
	}
	sigmask_restore(&mask);
	hostfd_keep(0);
	ram_inherit(0);
	host(SYS_close, pair[1]);
	if (r)
		host(SYS_close, pair[0]);
	return r ? r : pair[0];
}

void rumpuser_keeper_left(void)
{
	ram_free();
	hostfd_close_all();
}

int rumpuser_keeper_send(int fd, const void *p, size_t n)
{
	return host(SYS_sendto, fd, p, n, MSG_NOSIGNAL, NULL, 0) == (long)n ? 0 : -EPIPE;
}

int rumpuser_keeper_recv(int fd, void *p, size_t n)
{
	long r;

	do
		r = host(SYS_recvfrom, fd, p, n, MSG_WAITALL, NULL, NULL);
	while (r == -EINTR);
	return r == (long)n ? 0 : -EPIPE;
}

int rumpuser_keeper_hold(int fd)
{
	return hostfd_take(fd);
}

void rumpuser_keeper_close(int fd)
{
	if (rumpuser_owns_fd(fd))
		hostfd_release(fd);
	else
		host(SYS_close, fd);
}
