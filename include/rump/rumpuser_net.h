/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rumpuser_net.h - hypercalls: the cables of a rump kernel.
 *
 * A link carries Ethernet frames between one network interface of the kernel and
 * something of the host, which a link specification names (below).  The kernel
 * gives and takes whole frames in its own memory; nothing is kept of them after a
 * call.  A frame begins with a struct virtio_net_hdr of RUMPUSER_NET_HDR bytes in the
 * host's byte order, which says what of checksums and segmentation is left to do;
 * it is all zero where the link does not have the feature.
 *
 * Work flows as with a NIC: net_ready (an upcall, struct rumpuser_upcalls) says that a
 * queue wants to be looked at; then the kernel polls by rx and tx until nothing is
 * left, and arms the queue, after which net_ready comes again, once.
 *
 * tx, rx and arm of one queue each have one caller at a time; all else is free.
 */
#ifndef RUMP_RUMPUSER_NET_H
#define RUMP_RUMPUSER_NET_H

#include <rump/rumpuser.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define RUMPUSER_NET_HDR	10		/* bytes of a struct virtio_net_hdr */
#define RUMPUSER_NET_FRAME_MAX	65568		/* bytes of a frame, header included */
#define RUMPUSER_NET_MTU_MAX	65521
#define RUMPUSER_NET_NAME	16		/* IFNAMSIZ */
#define RUMPUSER_NET_QUEUES	4
#define RUMPUSER_NET_WHY	256

/* What a link leaves undone in frames that go out, and may in those that come. */
#define RUMPUSER_NET_CSUM	0x1		/* checksums of TCP and UDP */
#define RUMPUSER_NET_TSO	0x2		/* segmentation of TCP, of both IPs */
#define RUMPUSER_NET_USO	0x4		/* segmentation of UDP */

/* What the interface is to be; addresses are in network byte order, 0: none. */
struct rumpuser_net_info {
	char name[RUMPUSER_NET_NAME];
	uint8_t mac[6];
	uint8_t prefix;				/* bits of addr's network */
	uint8_t queues;
	uint32_t features;
	uint32_t mtu;
	uint32_t addr, gateway, nameserver;	/* IPv4, to be configured */
};

/*
 * A request that a host thread of its own carries out; upcalls->net_done(request) when
 * it is done.  The request belongs to the library until then.
 */
struct rumpuser_net_request {
	/*
	 * open: NAME,link=KIND[:WHERE][,WORD[=VALUE]]... (hypercall/netspec.h).
	 * close: NULL; afterwards handle is gone, and no upcall with its cookies comes.
	 */
	const char *spec;
	int remote;				/* 1: a client wants it, not our own program */
	int isolated;				/* 1: isolate was seen to, ignore it (and pcap) */
	void *handle;				/* out of open, into close */
	int error;				/* 0 or -errno, and in why one line */
	struct rumpuser_net_info info;
	char why[RUMPUSER_NET_WHY];
};
int rumpuser_net_submit(struct rumpuser_net_request *req);
/* Whether spec can be opened, as far as its text tells: 0, or -errno and in why (RUMPUSER_NET_WHY
 * bytes) one line. */
int rumpuser_net_check(const char *spec, char *why);

/* From now on, queue i makes the upcall net_ready(cookies[i]); once for each at once. */
void rumpuser_net_start(void *handle, void *const cookies[]);

/* The interface was brought up or down; what comes while it is down is dropped. */
void rumpuser_net_up(void *handle, int up);

struct rumpuser_net_frame {
	struct rumpuser_iovec *iov;
	unsigned int niov;
	uint32_t len;		/* tx: bytes; rx: space, and then the bytes that came */
	int error;		/* tx: 0, or -errno: it was dropped */
};

/*
 * Sends: the number of frames that are done with, in their order.  Less than n: the
 * rest wants to be sent later; arm for RUMPUSER_NET_TX.
 */
unsigned int rumpuser_net_tx(void *handle, unsigned int queue,
    struct rumpuser_net_frame *frames, unsigned int n);
/* Receives: the number of frames that were filled.  What does not fit is dropped. */
unsigned int rumpuser_net_rx(void *handle, unsigned int queue,
    struct rumpuser_net_frame *frames, unsigned int n);

/*
 * Asks for net_ready when frames come, or (with TX) when a queue that was full has
 * room.  AGAIN: there is something already, poll on; LATER: asked, but look
 * again in RUMPUSER_NET_LATER_MS in any case.
 */
#define RUMPUSER_NET_RX		0x1
#define RUMPUSER_NET_TX		0x2
#define RUMPUSER_NET_ARMED	0
#define RUMPUSER_NET_AGAIN	1
#define RUMPUSER_NET_LATER	2
#define RUMPUSER_NET_LATER_MS	10
int rumpuser_net_arm(void *handle, unsigned int queue, unsigned int events);

/* 1: the other end is there.  net_ready of queue 0 comes after a change. */
int rumpuser_net_carrier(void *handle);

/* Frames that the link itself has dropped on their way in. */
uint64_t rumpuser_net_dropped(void *handle);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
