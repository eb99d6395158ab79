/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dhcp.h - as much of DHCP as it takes to ask the other end of a private link once for the
 * address that it has for us: Ethernet frames, made and read.  Pure.
 */
#ifndef HYPERCALL_DHCP_H
#define HYPERCALL_DHCP_H

#include <stddef.h>
#include <stdint.h>

#define DHCP_FRAME	400	/* bytes that a request takes at most */
enum { DHCP_DISCOVER = 1, DHCP_OFFER = 2, DHCP_REQUEST = 3, DHCP_ACK = 5 };

/* Addresses in network byte order, 0: none. */
struct dhcp {
	uint8_t mac[6];
	uint32_t xid;
	uint32_t addr, mask, gateway, nameserver, server;
};

/* A message of type DISCOVER, or REQUEST for d's address; its length. */
size_t dhcp_make(const struct dhcp *d, int type, uint8_t frame[DHCP_FRAME]);
/* The type of an answer for d, with d filled in; 0: the frame is none. */
int dhcp_read(struct dhcp *d, const uint8_t *frame, size_t len);

#endif
