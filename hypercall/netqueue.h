/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netqueue.h - links whose back end is a library: it runs on a host thread of its own, with
 * a stack of the usual size, and meets the kernel in two queues of frames.
 *
 * The thread sleeps in poll(2), with netqueue_fd() among its descriptors.  Frames are
 * without a virtio header here.
 */
#ifndef HYPERCALL_NETQUEUE_H
#define HYPERCALL_NETQUEUE_H

#include "net.h"

struct netqueue;

/*
 * The back end's thread: runs until netqueue_closing(), then frees ctx and returns.
 * trusted: what it gives has good checksums, they need not be looked at.
 */
struct netqueue_ops {
	void (*run)(struct netqueue *q, void *ctx);
	bool trusted;
};

/* Makes link one of these; ctx belongs to the thread from then on.  -errno. */
int netqueue_open(struct net_link *link, const struct netqueue_ops *ops, void *ctx,
    const char *thread_name);

/* For the thread. */
struct net_link *netqueue_link(const struct netqueue *q);
bool netqueue_closing(const struct netqueue *q);
int netqueue_fd(const struct netqueue *q);
/* The next frame of the kernel's, NULL: none; done: it is dealt with. */
const void *netqueue_next(struct netqueue *q, uint32_t *len);
void netqueue_done(struct netqueue *q);
/* Before poll: false, there is a frame, do not sleep.  And after it. */
bool netqueue_sleep(struct netqueue *q);
void netqueue_awake(struct netqueue *q);
/* A frame for the kernel; dropped if there is no room. */
void netqueue_put(struct netqueue *q, const void *frame, size_t len);

/* Of struct net_backend. */
unsigned int netqueue_tx(struct net_link *link, unsigned int q,
    struct rumpuser_net_frame *frames, unsigned int n);
unsigned int netqueue_rx(struct net_link *link, unsigned int q,
    struct rumpuser_net_frame *frames, unsigned int n);
int netqueue_arm(struct net_link *link, unsigned int q, unsigned int events);
void netqueue_up(struct net_link *link, bool up);
void netqueue_start(struct net_link *link);
void netqueue_close(struct net_link *link);
#define NETQUEUE_OPS	\
	.tx = netqueue_tx, .rx = netqueue_rx, .arm = netqueue_arm, .up = netqueue_up, \
	.start = netqueue_start, .close = netqueue_close

#endif
