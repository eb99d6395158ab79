/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net.h - what a back end of a network link is.  net.c has the table of them; each is
 * a file, net_KIND.c.
 *
 * All but open and close run on kernel stacks: they call nothing of libc that needs much
 * stack or takes locks, and reach the host by hostcall.h.
 */
#ifndef HYPERCALL_NET_H
#define HYPERCALL_NET_H

#include <stdatomic.h>
#include <stdbool.h>

#include <rump/rumpuser_net.h>

#include "netspec.h"

struct net_link;
struct net_pcap;

struct net_backend {
	const char *kind;
	const char *where;		/* what is behind the colon, for messages; NULL: nothing */
	bool local;			/* makes no sense for a client of a server */
	uint8_t queues;			/* at most */
	/*
	 * Fills in link->info (features, mtu, queues, and what is to be configured; what the
	 * specification gives is in it already), sets link->priv.  -errno with why.
	 */
	int (*open)(struct net_link *link, struct netspec *spec, char *why);
	/* Upcalls may be made from now on (NULL: nothing to do). */
	void (*start)(struct net_link *link);
	unsigned int (*tx)(struct net_link *link, unsigned int q,
	    struct rumpuser_net_frame *frames, unsigned int n);
	unsigned int (*rx)(struct net_link *link, unsigned int q,
	    struct rumpuser_net_frame *frames, unsigned int n);
	int (*arm)(struct net_link *link, unsigned int q, unsigned int events);
	void (*up)(struct net_link *link, bool up);	/* NULL: nothing to do */
	/* Ends all upcalls, frees link->priv. */
	void (*close)(struct net_link *link);
};

struct net_link {
	const struct net_backend *be;
	void *priv;
	struct rumpuser_net_info info;
	void *cookies[RUMPUSER_NET_QUEUES];
	struct net_pcap *pcap;
	void *keeper;			/* of an isolated one */
	atomic_bool carrier;
	atomic_bool started;
	_Atomic uint64_t dropped;
};

extern const struct net_backend net_fd, net_passt, net_raw, net_shm, net_slirp, net_tap,
    net_udp, net_vde;

/* For back ends: the upcall for queue q; nothing before the link was started. */
void net_ready(struct net_link *link, unsigned int q);
/* The other end has come or gone. */
void net_carrier(struct net_link *link, bool on);

/* The first len bytes of a frame, as far as there are; their number. */
size_t net_peek(const struct rumpuser_net_frame *f, void *buf, size_t len);

/* A frame's bytes from offset on, to or from contiguous memory. */
void net_gather(void *dst, const struct rumpuser_net_frame *f, size_t offset, size_t len);
void net_scatter(const struct rumpuser_net_frame *f, size_t offset, const void *src, size_t len);

#endif
