/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <string.h>

#include "dhcp.h"

#define SERVER_PORT	67
#define CLIENT_PORT	68
#define MAGIC		0x63825363
#define BROADCAST	0x8000
#define BOOTREQUEST	1
#define BOOTREPLY	2

enum { PAD = 0, MASK = 1, ROUTER = 3, DNS = 6, REQUESTED = 50, TYPE = 53, SERVER = 54, WANTED = 55,
	END = 255 };

struct bootp {
	uint8_t op, htype, hlen, hops;
	uint32_t xid;
	uint16_t secs, flags;
	uint32_t client, yours, next, relay;
	uint8_t hardware[16], name[64], file[128];
	uint32_t magic;
} __attribute__((packed));

struct head {
	struct ether_header eth;
	struct iphdr ip;
	struct udphdr udp;
	struct bootp bootp;
} __attribute__((packed));

static uint16_t checksum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t sum = 0;
	size_t i;

	for (i = 0; i + 1 < len; i += 2)
		sum += p[i] << 8 | p[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

static uint8_t *option(uint8_t *at, uint8_t code, const void *value, uint8_t len)
{
	*at++ = code;
	*at++ = len;
	memcpy(at, value, len);
	return at + len;
}

size_t dhcp_make(const struct dhcp *d, int type, uint8_t frame[DHCP_FRAME])
{
	static const uint8_t wanted[] = { MASK, ROUTER, DNS };
	uint8_t *at = frame + sizeof(struct head), code = type;
	struct head h = {
		.eth.ether_type = htons(ETHERTYPE_IP),
		.ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP,
			.daddr = htonl(INADDR_BROADCAST) },
		.udp = { .source = htons(CLIENT_PORT), .dest = htons(SERVER_PORT) },
		.bootp = { .op = BOOTREQUEST, .htype = 1, .hlen = 6, .xid = d->xid,
			.flags = htons(BROADCAST), .magic = htonl(MAGIC) },
	};
	size_t len;

	at = option(at, TYPE, &code, 1);
	if (type == DHCP_REQUEST) {
		at = option(at, REQUESTED, &d->addr, 4);
		if (d->server)
			at = option(at, SERVER, &d->server, 4);
	}
	at = option(at, WANTED, wanted, sizeof(wanted));
	*at++ = END;
	len = at - frame;
	memset(h.eth.ether_dhost, 0xff, 6);
	memcpy(h.eth.ether_shost, d->mac, 6);
	memcpy(h.bootp.hardware, d->mac, 6);
	h.ip.tot_len = htons(len - sizeof(h.eth));
	h.ip.check = checksum(&h.ip, sizeof(h.ip));
	h.udp.len = htons(len - sizeof(h.eth) - sizeof(h.ip));	/* without a checksum */
	memcpy(frame, &h, sizeof(h));
	return len;
}

static void read_option(struct dhcp *d, int *type, uint8_t code, const uint8_t *value, uint8_t len)
{
	if (code == TYPE && len == 1)
		*type = *value;
	if (len < 4)
		return;
	switch (code) {
	case MASK:
		memcpy(&d->mask, value, 4);
		break;
	case ROUTER:
		memcpy(&d->gateway, value, 4);
		break;
	case DNS:
		memcpy(&d->nameserver, value, 4);
		break;
	case SERVER:
		memcpy(&d->server, value, 4);
		break;
	}
}

int dhcp_read(struct dhcp *d, const uint8_t *frame, size_t len)
{
	struct dhcp got = { 0 };
	size_t at = sizeof(struct head);
	int type = 0;
	struct head h;

	if (len < sizeof(h))
		return 0;
	memcpy(&h, frame, sizeof(h));
	if (h.eth.ether_type != htons(ETHERTYPE_IP) || h.ip.version != 4 || h.ip.ihl != 5 ||
	    h.ip.protocol != IPPROTO_UDP || h.udp.dest != htons(CLIENT_PORT) ||
	    h.bootp.op != BOOTREPLY || h.bootp.xid != d->xid || h.bootp.magic != htonl(MAGIC) ||
	    memcmp(h.bootp.hardware, d->mac, 6))
		return 0;
	while (at < len && frame[at] != END) {
		if (frame[at] == PAD) {
			at++;
			continue;
		}
		if (at + 2 > len || at + 2 + frame[at + 1] > len)
			return 0;
		read_option(&got, &type, frame[at], frame + at + 2, frame[at + 1]);
		at += 2 + frame[at + 1];
	}
	if ((type != DHCP_OFFER && type != DHCP_ACK) || !h.bootp.yours)
		return 0;
	memcpy(got.mac, d->mac, 6);
	got.xid = d->xid;
	got.addr = h.bootp.yours;
	*d = got;
	return type;
}
