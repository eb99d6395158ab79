/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h_drop.c - servers that give up their rights when they have their sockets.  What comes
 * afterwards, threads, children and other programs, uses the network as before.
 */
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "h.h"

#define NOBODY	65534

static const char *self;
static struct sockaddr_in address;
static int listener;

/* One connection, both ends, by new descriptors. */
static void use_network(void)
{
	int c = socket(AF_INET, SOCK_STREAM, 0), s;

	need(c >= 0 && connect(c, (void *)&address, sizeof(address)) == 0);
	s = accept(listener, NULL, NULL);
	need(s >= 0);
	give(c);
	eat(s);
	need(close(c) == 0 && close(s) == 0);
}

static void *thread(void *arg)
{
	use_network();
	return arg;
}

static void thread_uses_network(void)
{
	pthread_t t;

	need(pthread_create(&t, NULL, thread, NULL) == 0 && pthread_join(t, NULL) == 0);
}

/* Two generations, and threads of them. */
static void descendants_use_network(void)
{
	pid_t pid = fork(), second;

	need(pid >= 0);
	if (pid == 0) {
		thread_uses_network();
		second = fork();
		if (second == 0) {
			use_network();
			thread_uses_network();
			_exit(0);
		}
		child_ends_well(second);
		use_network();
		_exit(0);
	}
	child_ends_well(pid);
}

/* Goes on as "executed" in another program, with the same rights. */
static void execute(void)
{
	char l[16], port[16];

	snprintf(l, sizeof(l), "%d", listener);
	snprintf(port, sizeof(port), "%d", address.sin_port);
	execl(self, self, "executed", l, port, NULL);
	_exit(126);
}

static void become_nobody(void)
{
	need(setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
}

static void d_user(void)
{
	become_nobody();
	use_network();
	thread_uses_network();
	descendants_use_network();
	execute();
}

/* What was a thread before becomes another user with the rest: setuid(3) sees to that. */
static void *busy(void *arg)
{
	eat(*(int *)arg);
	use_network();
	return NULL;
}

static void d_threads(void)
{
	int p[2], s[2];
	pthread_t t[2];

	need(pipe(p) == 0);
	tcp_pair(s);
	need(pthread_create(&t[0], NULL, busy, &p[0]) == 0);
	need(pthread_create(&t[1], NULL, busy, &s[0]) == 0);
	become_nobody();
	give(p[1]);
	give(s[1]);
	need(pthread_join(t[0], NULL) == 0 && pthread_join(t[1], NULL) == 0);
	thread_uses_network();
	descendants_use_network();
}

/* No name of the host's is left. */
static void d_root(void)
{
	need(chroot("empty") == 0 && chdir("/") == 0);
	become_nobody();
	thread_uses_network();
	descendants_use_network();
}

/* A child like that of vfork(2), and its program; the parent keeps what it had, and its own way in. */
static int in_vfork(void *arg)
{
	/* by the call itself: what libc knows is the parent's */
	(void)arg;
	syscall(SYS_setuid, NOBODY);
	execute();
	return 1;
}

static void d_vfork(void)
{
	static _Alignas(16) char stack[65536];

	child_ends_well(clone(in_vfork, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, NULL));
	thread_uses_network();
	become_nobody();
	descendants_use_network();
}

/* Calls that only the library makes end the process. */
static void d_filter(void)
{
	static const int forbidden[] = {
		SYS_socketpair, SYS_sendmsg, SYS_recvmsg, SYS_sendto, SYS_recvfrom, SYS_getsockopt,
		SYS_stat, SYS_open, SYS_openat, SYS_fcntl, SYS_poll, SYS_ppoll, SYS_prctl, SYS_geteuid,
		SYS_openat2, SYS_readlinkat,
	};
	struct sock_filter f[3 + 2 * sizeof(forbidden) / sizeof(forbidden[0])] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	struct sock_fprog prog = { .filter = f };
	unsigned int i, n = 1;

	/* What libc opens for its first thread is not what this is about. */
	thread_uses_network();
	for (i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
		f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, forbidden[i], 0, 1);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	}
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	prog.len = n;
	need(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	need(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) == 0);
	fails(ENOENT, access("/such/a/name/is/not", F_OK));
	use_network();
	thread_uses_network();
	descendants_use_network();
}

int main(int argc, char **argv)
{
	socklen_t len = sizeof(address);

	if (argc == 4 && strcmp(argv[1], "executed") == 0) {
		listener = atoi(argv[2]);
		need(getuid() == NOBODY && geteuid() == NOBODY);
		need(getsockname(listener, (void *)&address, &len) == 0);
		need(address.sin_port == atoi(argv[3]));
		thread_uses_network();
		descendants_use_network();
		return 0;
	}
	need(argc == 2);
	self = argv[0];
	listener = tcp_listener(&address);
	if (strcmp(argv[1], "user") == 0)
		d_user();
	else if (strcmp(argv[1], "threads") == 0)
		d_threads();
	else if (strcmp(argv[1], "root") == 0)
		d_root();
	else if (strcmp(argv[1], "vfork") == 0)
		d_vfork();
	else if (strcmp(argv[1], "filter") == 0)
		d_filter();
	else
		need(!"a test of this name");
	return 0;
}
