/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * frame.c - is what the other relay has sent a frame?  Pure functions on our copy.
 */
#include "relay.h"

const char *frame_header_check(const struct rump_relay_hdr *h, int from_near)
{
	size_t extra = 0, links = 0;

	switch (h->type) {
	case RUMP_RELAY_BANNER:
	case RUMP_RELAY_CLOSE:
	case RUMP_RELAY_HANGUP:
		break;
	case RUMP_RELAY_OPEN:
		if (!from_near)
			return "a channel from the far side";
		break;
	case RUMP_RELAY_RING:
		if (from_near)
			return "a ring from the near side";
		break;
	case RUMP_RELAY_DATA:
		if (h->arg > (from_near ? RUMP_RELAY_LINKS_MAX : 0))
			return "too many links";
		links = h->arg * sizeof(struct rump_relay_link);
		extra = RUMP_RELAY_DATA_MAX;
		break;
	default:
		return "an unknown frame";
	}
	if (h->len < sizeof(*h) + links + (extra != 0) || h->len > sizeof(*h) + links + extra)
		return "a bad length";
	if (h->arg && h->type != RUMP_RELAY_DATA && h->type != RUMP_RELAY_BANNER)
		return "a bad argument";
	return NULL;
}

const char *frame_check(const struct rump_relay_hdr *h)
{
	const struct rump_relay_link *l = (const void *)(h + 1);
	uint32_t i;

	if (h->type != RUMP_RELAY_DATA)
		return NULL;
	for (i = 0; i < h->arg; i++)
		if (l[i].kind < RUMP_RELAY_NEW || l[i].kind > RUMP_RELAY_OTHER ||
		    (l[i].kind == RUMP_RELAY_OTHER && l[i].id))
			return "a bad link";
	return NULL;
}
