/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net_pcap.h - pcap=FILE on a link: all its frames, in pcapng, with nanoseconds and
 * their direction.  Each frame is written by one call when it goes by, so that the file
 * can be read while it grows.  Frames are as they pass: large ones in one piece, and with
 * checksums that are still to be made.
 */
#ifndef HYPERCALL_NET_PCAP_H
#define HYPERCALL_NET_PCAP_H

#include <stdbool.h>

#include <rump/rumpuser_net.h>

struct net_pcap;

/* Starts a new file; ifname is noted in it.  -errno. */
int net_pcap_open(const char *path, const char *ifname, struct net_pcap **pcapp);
void net_pcap_close(struct net_pcap *p);
/* A frame has passed.  Thread-safe; what the file does not take is not there. */
void net_pcap_frame(struct net_pcap *p, const struct rumpuser_net_frame *f, bool outgoing);

#endif
