/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtif.h - a network interface on a link of the host: virtif.c moves its frames,
 * netif.c makes and removes it.
 */
#ifndef RUMP_KERNEL_VIRTIF_H
#define RUMP_KERNEL_VIRTIF_H

#include <linux/netdevice.h>
#include <rump/rumpuser_net.h>

/* A device for the link of req, with req->info; not registered.  NULL: no memory. */
struct net_device *virtif_alloc(const struct rumpuser_net_request *req);
/* After unregistering, and closing of the link: frees it. */
void virtif_free(struct net_device *dev);

/* Link of the device, for closing. */
void *virtif_handle(struct net_device *dev);
/* The link may make its upcalls from now on. */
void virtif_start(struct net_device *dev);

/* Upcall: any host thread. */
void rump_net_ready(void *cookie);

#endif
