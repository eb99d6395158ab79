/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net_isolate.c - a back end in a process of its own.
 *
 * For the kernel the link is a socket (netdesc.h).  A thread keeps the process: it starts
 * it, waits for its end, and starts it again, with a socketpair that takes the old one's
 * place under the same number, so that whoever uses it meets one or the other.  While there
 * is no process the carrier is lost, and frames are dropped.  A process that ends
 * before it has said hello is tried again after a pause, which grows up to PAUSE_MAX.
 *
 * The child sends no signal when it ends, and no wait(2) of the program sees it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "hostcall.h"
#include "internal.h"
#include "net_isolate.h"
#include "netdesc.h"

#define STACK		(64 * 1024)
#define HELLO_MS	15000
#define PAUSE_MIN	10		/* ms */
#define PAUSE_MAX	1000
#define SOCKET_BUF	(4 << 20)
#define CHILD_FD	3

struct keeper {
	struct net_link *link;
	int pid;			/* 0: none runs */
	uint32_t closing, ended;	/* words to wait for */
	char program[PATH_MAX];
	char text[NETSPEC_LEN];
};

/* ---- the process --------------------------------------------------------------------- */

struct child {
	const struct keeper *k;
	int fd;
};

/* In the child, which has our memory until it execs: system calls only. */
static int become(void *arg)
{
	const struct child *c = arg;
	const char *const argv[] = { "rump_link", c->k->text, NULL }, *const envp[] = { NULL };
	uint64_t none = 0;

	host(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
	if (c->fd == CHILD_FD)
		host(SYS_fcntl, CHILD_FD, F_SETFD, 0);
	else
		host(SYS_dup3, c->fd, CHILD_FD, 0);
	host(SYS_close_range, CHILD_FD + 1, ~0U, 0);
	host(SYS_execve, c->k->program, argv, envp);
	host(SYS_exit, 127);
	return 0;
}

/* Starts rump_link with one end of a new socketpair; the other end, or -errno. */
static int spawn(struct keeper *k)
{
	struct child c = { .k = k };
	const int size = SOCKET_BUF;
	int pair[2], pid, err, i;
	long stack;

	err = host(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
	if (err)
		return err;
	for (i = 0; i < 2; i++)
		host(SYS_setsockopt, pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	stack = host(SYS_mmap, NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	c.fd = pair[1];
	pid = -ENOMEM;
	if (!host_failed(stack)) {
		pid = clone(become, (char *)stack + STACK, CLONE_VM | CLONE_VFORK, &c);
		if (pid < 0)
			pid = -errno;
		host(SYS_munmap, stack, STACK);
	}
	host(SYS_close, pair[1]);
	if (pid < 0) {
		host(SYS_close, pair[0]);
		return pid;
	}
	k->pid = pid;
	return pair[0];
}

static void reap(struct keeper *k)
{
	int status;

	while (host(SYS_wait4, k->pid, &status, __WALL, NULL) == -EINTR)
		;
	k->pid = 0;
}

static void kill_child(struct keeper *k)
{
	if (k->pid) {
		host(SYS_kill, k->pid, SIGKILL);
		reap(k);
	}
}

/* The hello of a new process: 0, or -errno. */
static int hear(int fd, struct isolate_hello *hello)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	long ret;

	ret = host(SYS_poll, &p, 1, HELLO_MS);
	if (ret == 0)
		return -ETIMEDOUT;
	ret = host(SYS_recvfrom, fd, hello, sizeof(*hello), MSG_DONTWAIT, NULL, NULL);
	if (ret == sizeof(*hello)) {
		hello->why[sizeof(hello->why) - 1] = '\0';
		return hello->error;
	}
	return ret < 0 ? ret : -ECONNRESET;
}

/* A process that has said hello; our end, or -errno. */
static int start(struct keeper *k, struct isolate_hello *hello)
{
	int fd = spawn(k), err;

	if (fd < 0)
		return fd;
	err = hear(fd, hello);
	if (!err)
		return fd;
	host(SYS_close, fd);
	kill_child(k);
	return err;
}

/* ---- the keeper --------------------------------------------------------------------------- */

static bool closing(struct keeper *k)
{
	return __atomic_load_n(&k->closing, __ATOMIC_SEQ_CST);
}

static void keep(void *arg)
{
	struct keeper *k = arg;
	struct isolate_hello hello;
	unsigned int pause = PAUSE_MIN;
	int fd;

	while (!closing(k)) {
		if (k->pid)
			reap(k);
		net_carrier(k->link, false);
		rumpuser_wait(&k->closing, 0, rumpuser_clock_mono() + pause * 1000000LL, 0);
		if (closing(k))
			break;
		fd = start(k, &hello);
		if (fd >= 0) {
			netdesc_replace(k->link, 0, fd);
			net_carrier(k->link, true);
			pause = PAUSE_MIN;
		} else if ((pause *= 2) > PAUSE_MAX) {
			pause = PAUSE_MAX;
		}
	}
	kill_child(k);
	__atomic_store_n(&k->ended, 1, __ATOMIC_SEQ_CST);
	rumpuser_wake(&k->ended);
}

static int find_program(struct keeper *k, char *why)
{
	/* The library may be in a directory of its machine: lib/x86_64-linux-gnu. */
	static const char *const places[] = { "../bin/rump_link", "../../bin/rump_link" };
	Dl_info info;
	unsigned int i;
	const char *slash;

	if (!dladdr((void *)(uintptr_t)rumpuser_net_submit, &info) ||
	    !(slash = strrchr(info.dli_fname, '/')))
		return netspec_wrong(why, "isolate: it is not known where librumpuser.so lies");
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (snprintf(k->program, sizeof(k->program), "%.*s/%s", (int)(slash - info.dli_fname),
		    info.dli_fname, places[i]) < (int)sizeof(k->program) &&
		    host(SYS_access, k->program, 1) == 0)
			return 0;
	}
	netspec_wrong(why, "isolate: there is no rump_link at %.180s", k->program);
	return -ENOENT;
}

static void isolate_close(struct net_link *l)
{
	struct keeper *k = l->keeper;
	int pid = k->pid;

	__atomic_store_n(&k->closing, 1, __ATOMIC_SEQ_CST);
	rumpuser_wake(&k->closing);
	/* The keeper waits for it, so that the number is still its. */
	while (!__atomic_load_n(&k->ended, __ATOMIC_SEQ_CST)) {
		pid = __atomic_load_n(&k->pid, __ATOMIC_SEQ_CST);
		if (pid)
			host(SYS_kill, pid, SIGKILL);
		rumpuser_wait(&k->ended, 0, rumpuser_clock_mono() + PAUSE_MIN * 1000000LL, 0);
	}
	netdesc_close(l);
	free(k);
}

int net_isolate_open(struct net_link *l, const char *text, bool remote, char *why)
{
	struct keeper *k = calloc(1, sizeof(*k));
	struct isolate_hello hello = { 0 };
	int fd, err;

	if (!k)
		return -ENOMEM;
	k->link = l;
	snprintf(k->text, sizeof(k->text), "%s%s", remote ? "remote " : "", text);
	err = find_program(k, why);
	if (!err) {
		err = fd = start(k, &hello);
		if (fd < 0 && hello.why[0])
			memcpy(why, hello.why, RUMPUSER_NET_WHY);
	}
	if (err < 0)
		goto free;
	l->info = hello.info;
	l->info.queues = 1;
	l->keeper = k;
	err = netdesc_open(l, &fd, 1, NETDESC_SOCKET | NETDESC_VNET);
	if (err)
		goto kill;
	err = rumpuser_thread_create(keep, k, "rump-keeper");
	if (!err)
		return 0;
	netdesc_close(l);
kill:
	kill_child(k);
free:
	free(k);
	return err;
}

const struct net_backend net_isolate = {
	.kind = "isolate", .queues = 1, .tx = netdesc_tx, .rx = netdesc_rx, .arm = netdesc_arm,
	.up = netdesc_up, .close = isolate_close,
};
