/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netpoll.h - one host thread waits for the descriptors of all links, by epoll.  A
 * descriptor is watched once each time that it is armed.
 */
#ifndef HYPERCALL_NETPOLL_H
#define HYPERCALL_NETPOLL_H

#include <stdint.h>

struct net_link;

/* Watches fd for queue q of link, not armed; a number for the other two, or -errno. */
int netpoll_add(int fd, struct net_link *link, unsigned int q);
/* net_ready(link, q) when there is something to read, or (room: 1) room to write. */
void netpoll_arm(int id, int room);
/* The descriptor is another file now. */
void netpoll_renew(int id);
/* When it returns, no upcall is under way, and none will come. */
void netpoll_remove(int id);

#endif
