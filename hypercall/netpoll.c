/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/epoll.h>

#include "hostcall.h"
#include "internal.h"
#include "net.h"
#include "netpoll.h"

#define SLOTS	256
#define EVENTS	32

static struct slot {
	struct net_link *link;		/* NULL: free */
	unsigned int q;
	int fd;
	uint32_t generation;		/* events of an earlier user are not ours */
} slots[SLOTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int epoll_fd = -1;

static uint64_t tag(int id)
{
	return (uint64_t)slots[id].generation << 32 | id;
}

static void ready(uint64_t data)
{
	struct slot *s = &slots[(uint32_t)data];

	pthread_mutex_lock(&lock);
	if (s->link && s->generation == data >> 32)
		net_ready(s->link, s->q);
	pthread_mutex_unlock(&lock);
}

static void loop(void *unused)
{
	struct epoll_event ev[EVENTS];
	long i, n;

	(void)unused;
	for (;;) {
		n = host(SYS_epoll_pwait, epoll_fd, ev, EVENTS, -1, NULL, 0);
		for (i = 0; i < n; i++)
			ready(ev[i].data.u64);
	}
}

/* With the lock held. */
static int start(void)
{
	int fd = host(SYS_epoll_create1, EPOLL_CLOEXEC), err;

	if (fd < 0)
		return fd;
	fd = hostfd_take(fd);
	if (fd < 0)
		return fd;
	epoll_fd = fd;
	err = rumpuser_thread_create(loop, NULL, "rump-net");
	if (err) {
		hostfd_release(fd);
		epoll_fd = -1;
	}
	return err;
}

static int control(int op, int id, uint32_t events)
{
	struct epoll_event ev = { .events = events | EPOLLONESHOT, .data.u64 = tag(id) };

	return host(SYS_epoll_ctl, epoll_fd, op, slots[id].fd, &ev);
}

int netpoll_add(int fd, struct net_link *link, unsigned int q)
{
	int id, err = 0;

	pthread_mutex_lock(&lock);
	if (epoll_fd < 0)
		err = start();
	for (id = 0; id < SLOTS && slots[id].link; id++)
		;
	if (!err && id == SLOTS)
		err = -ENOSPC;
	if (!err) {
		slots[id].link = link;
		slots[id].q = q;
		slots[id].fd = fd;
		slots[id].generation++;
		err = control(EPOLL_CTL_ADD, id, 0);
		if (err)
			slots[id].link = NULL;
	}
	pthread_mutex_unlock(&lock);
	return err ? err : id;
}

void netpoll_arm(int id, int room)
{
	control(EPOLL_CTL_MOD, id, EPOLLIN | (room ? EPOLLOUT : 0));
}

void netpoll_renew(int id)
{
	control(EPOLL_CTL_ADD, id, 0);
}

void netpoll_remove(int id)
{
	pthread_mutex_lock(&lock);
	host(SYS_epoll_ctl, epoll_fd, EPOLL_CTL_DEL, slots[id].fd, NULL);
	slots[id].link = NULL;
	pthread_mutex_unlock(&lock);
}
