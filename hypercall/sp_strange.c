/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sp_strange.c - descriptors that a sysproxy client has sent.
 *
 * What a descriptor does is its maker's choice: the last close(2) of a TCP socket that
 * lingers takes minutes, and any call on a file of FUSE as long as its server likes.  So
 * nothing is asked of such a descriptor before it is known to be a Unix stream socket, and
 * it is closed by a thread of a pool (jobs.h), for which nobody waits but the answer to
 * the call that it came with: who then closes a near end of his own may rely on its being
 * the last one.
 *
 * The same goes for a socket of ours that holds descriptors which nobody has received: its
 * close is theirs.  When the peer cannot send any more, the length of its queue tells.
 *
 * Limits: the pool's number of threads; what comes when all of them wait stays open until
 * one of them is back.  A client that sends both ends of a pair, or one of them through the
 * other, leaves a descriptor and an open file behind, as by a process of its that stays.
 */
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "hostcall.h"
#include "internal.h"
#include "jobs.h"
#include "sp.h"
#include "sp_chan.h"
#include "sp_strange.h"

struct strange {
	struct job job;			/* first */
	int fd;
	uint32_t index, gen;		/* of the channel that waits for it, if any */
	int waits;
};

static struct jobs *jobs;		/* NULL: there can be no threads */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start(void)
{
	if (jobs_start(&jobs, NULL, NULL, 0))
		jobs = NULL;
}

static void close_it(struct job *job, void *unused)
{
	struct strange *s = (struct strange *)job;
	struct rumpuser_sp_chan *c;

	(void)unused;
	host(SYS_close, s->fd);
	c = s->waits ? slot_find(s->index, s->gen) : NULL;
	if (c) {
		c->closing--;
		chan_event(c, RUMPUSER_SP_OUT, 0);
		sp_unlock(&c->lock);
	}
	free(s);
}

/* 0: somebody is at it; -errno: it was closed here. */
static int hand_over(const struct strange *what)
{
	struct strange *s = malloc(sizeof(*s));

	pthread_once(&once, start);
	if (!s || !jobs) {
		free(s);
		host(SYS_close, what->fd);
		return -ENOMEM;
	}
	*s = *what;
	jobs_add(jobs, &s->job);
	return 0;
}

void strange_close(int fd)
{
	hand_over(&(struct strange){ .job.run = close_it, .fd = fd });
}

void rumpuser_sp_drop(struct rumpuser_sp_chan *c, struct rumpuser_sp_msg *msg)
{
	struct strange s = {
		.job.run = close_it, .fd = msg->fd, .waits = 1,
		.index = c->index, .gen = c->gen & SP_GEN_MASK,
	};

	msg->fd = -1;
	sp_lock(&c->lock);
	c->closing++;
	sp_unlock(&c->lock);
	if (hand_over(&s) == 0)
		return;
	sp_lock(&c->lock);
	c->closing--;
	sp_unlock(&c->lock);
}

void strange_hang_up(int fd)
{
	int left = 1;

	host(SYS_shutdown, fd, SHUT_RDWR);
	if (host(SYS_ioctl, fd, FIONREAD, &left) == 0 && left == 0) {
		host(SYS_close, fd);
	} else {
		host(SYS_epoll_ctl, sp_epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		strange_close(fd);
	}
}

static int option(int fd, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return host(SYS_getsockopt, fd, SOL_SOCKET, name, &value, &len) ? -1 : value;
}

int strange_is_stream(int fd)
{
	return option(fd, SO_DOMAIN) == AF_UNIX && option(fd, SO_TYPE) == SOCK_STREAM;
}
