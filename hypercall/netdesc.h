/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netdesc.h - links that are descriptors: all their back ends have to do is to open them.
 *
 * A descriptor gives and takes one frame a call (a tap, a datagram socket), or is a stream
 * of frames, each after its length in four bytes, in the order of the network.
 */
#ifndef HYPERCALL_NETDESC_H
#define HYPERCALL_NETDESC_H

#include "net.h"

#define NETDESC_STREAM	0x1	/* a stream socket */
#define NETDESC_VNET	0x2	/* frames have their virtio header there, too */
#define NETDESC_TRUSTED	0x8	/* what comes has good checksums, they need not be looked at */
#define NETDESC_SOCKET	0x4	/* whose other end may go */

/* Makes link one of nfds descriptors, one for each queue (taken over; closed also on error). */
int netdesc_open(struct net_link *link, const int *fds, unsigned int nfds, unsigned int flags);

/* Queue q goes on with fd, taken over, in the place of its old descriptor. */
void netdesc_replace(struct net_link *link, unsigned int q, int fd);

/* Of struct net_backend. */
unsigned int netdesc_tx(struct net_link *link, unsigned int q,
    struct rumpuser_net_frame *frames, unsigned int n);
unsigned int netdesc_rx(struct net_link *link, unsigned int q,
    struct rumpuser_net_frame *frames, unsigned int n);
int netdesc_arm(struct net_link *link, unsigned int q, unsigned int events);
void netdesc_up(struct net_link *link, bool up);
void netdesc_close(struct net_link *link);
#define NETDESC_OPS	\
	.tx = netdesc_tx, .rx = netdesc_rx, .arm = netdesc_arm, .up = netdesc_up, \
	.close = netdesc_close

#endif
