/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net_isolate.c - a back end in a process of its own.
 *
 * For the kernel the link is a socket (netdesc.h).  A thread keeps the process: it starts
 * it, waits for its end, and starts it again, with a socketpair that takes the old one's
 * place under the same number, so that whoever uses it meets one or the other.  While there
 * is no process the carrier is lost, and frames are dropped.  A process that ends
 * before it has said hello is tried again after a pause, which grows up to PAUSE_MAX.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "child.h"
#include "hostcall.h"
#include "internal.h"
#include "net_isolate.h"
#include "netdesc.h"

#define HELLO_MS	15000
#define PAUSE_MIN	10		/* ms */
#define PAUSE_MAX	1000
#define SOCKET_BUF	(4 << 20)

struct keeper {
	struct net_link *link;
	int pid;			/* 0: none runs */
	uint32_t closing, ended;	/* words to wait for */
	struct child child;
	char text[NETSPEC_LEN];
};

/* ---- the process --------------------------------------------------------------------- */

/* Starts rump_link with one end of a new socketpair; the other end, or -errno. */
static int spawn(struct keeper *k)
{
	const int size = SOCKET_BUF;
	int pair[2], pid, err, i;

	err = host(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
	if (err)
		return err;
	for (i = 0; i < 2; i++)
		host(SYS_setsockopt, pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	pid = child_start(&k->child, &pair[1], 1);
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
	child_reap(k->pid);
	k->pid = 0;
}

static void kill_child(struct keeper *k)
{
	if (k->pid) {
		child_kill(k->pid);
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
			child_kill(pid);
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
	k->child.argv[0] = "rump_link";
	k->child.argv[1] = k->text;
	err = child_find(&k->child, "rump_link");
	if (err) {
		netspec_wrong(why, "isolate: there is no rump_link at %.180s", k->child.program);
	} else {
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
