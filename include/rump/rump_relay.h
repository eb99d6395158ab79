/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rump_relay.h - how two relays speak for the clients of one host and a server on
 * another (tools/relay; rump_sp(7)).
 *
 * The near relay is a server to its clients, the far one a client of its server; what
 * passes between them, over one stream (tcp or tls), are frames.  The bytes of each
 * client's connection, a channel, travel as they are.  A descriptor beside them is one
 * end of a placeholder's socketpair: the far relay makes a pair of its own for each
 * one, a link, and from then on the two relays do at their ends what happens at the
 * others': bytes that ring, and the hang-up.  All frames are in one order, so that a
 * close that follows a hang-up finds it done.
 *
 * A frame's numbers are in the byte order of x86-64.  Each side sends a BANNER first.
 */
#ifndef RUMP_RUMP_RELAY_H
#define RUMP_RUMP_RELAY_H

#include <stdint.h>

#define RUMP_RELAY_VERSION	1
#define RUMP_RELAY_MAGIC	0x4c455250u	/* "PREL" */
#define RUMP_RELAY_DATA_MAX	65536		/* bytes of a channel in one frame */
#define RUMP_RELAY_LINKS_MAX	16		/* descriptors beside them */

enum rump_relay_type {
	RUMP_RELAY_BANNER = 1,	/* id: MAGIC, arg: VERSION */
	RUMP_RELAY_OPEN,	/* near to far: channel id begins */
	RUMP_RELAY_DATA,	/* arg links, then bytes, of channel id */
	RUMP_RELAY_CLOSE,	/* channel id has ended */
	RUMP_RELAY_RING,	/* far to near: link id has become ready */
	RUMP_RELAY_HANGUP,	/* link id is closed */
};

struct rump_relay_hdr {
	uint32_t len;		/* of the frame, with this header */
	uint32_t type;
	uint32_t id;		/* chosen by the near relay, and not used again */
	uint32_t arg;		/* 0, or as above */
};

enum rump_relay_kind {
	RUMP_RELAY_NEW = 1,	/* a far end: link id begins */
	RUMP_RELAY_KNOWN,	/* a near end of link id */
	RUMP_RELAY_OTHER,	/* no end of any placeholder: id is 0 */
};

struct rump_relay_link {
	uint32_t kind;
	uint32_t id;
};

#endif
