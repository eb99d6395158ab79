/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net_isolate.h - isolate on a link: its back end is a process, rump_link, which can die.
 *
 * The process has one end of a sequenced-packet socketpair, we the other.  It begins with
 * this message; all others are frames with their virtio header.
 */
#ifndef HYPERCALL_NET_ISOLATE_H
#define HYPERCALL_NET_ISOLATE_H

#include "net.h"

struct isolate_hello {
	int32_t error;
	struct rumpuser_net_info info;
	char why[RUMPUSER_NET_WHY];
};

int net_isolate_open(struct net_link *link, const char *text, bool remote, char *why);
extern const struct net_backend net_isolate;

#endif
