/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "hostcall.h"
#include "internal.h"
#include "net_pcap.h"

#define SNAPLEN		262144
#define ETHERNET	1		/* LINKTYPE */
#define IOV		32

enum { BLOCK_SECTION = 0x0a0d0d0a, BLOCK_INTERFACE = 1, BLOCK_PACKET = 6 };
enum { OPT_END = 0, OPT_FLAGS = 2, OPT_IF_NAME = 2, OPT_IF_TSRESOL = 9 };
enum { INBOUND = 1, OUTBOUND = 2 };

struct net_pcap { int fd; };

/* Section and interface, as they stand at the beginning of the file. */
struct start {
	uint32_t section, section_len, magic;
	uint16_t major, minor;
	uint64_t whole;			/* length of the section: not known */
	uint32_t section_end;
	uint32_t interface, interface_len;
	uint16_t linktype, reserved;
	uint32_t snaplen;
	uint16_t name_opt, name_len;
	char name[RUMPUSER_NET_NAME];
	uint16_t tsresol_opt, tsresol_len;
	uint8_t tsresol[4];
	uint16_t end_opt, end_len;
	uint32_t interface_end;
} __attribute__((packed));

struct packet {
	uint32_t type, len, interface, time_high, time_low, captured, original;
};
struct packet_end {
	uint16_t flags_opt, flags_len;
	uint32_t flags;
	uint16_t end_opt, end_len;
	uint32_t len;
};

int net_pcap_open(const char *path, const char *ifname, struct net_pcap **pcapp)
{
	struct start s = {
		.section = BLOCK_SECTION, .section_len = 28, .section_end = 28,
		.magic = 0x1a2b3c4d, .major = 1, .whole = ~0ULL,
		.interface = BLOCK_INTERFACE, .linktype = ETHERNET, .snaplen = SNAPLEN,
		.interface_len = sizeof(s) - 28, .interface_end = sizeof(s) - 28,
		.name_opt = OPT_IF_NAME, .name_len = sizeof(s.name),
		.tsresol_opt = OPT_IF_TSRESOL, .tsresol_len = 1, .tsresol = { 9 },
	};
	struct net_pcap *p = malloc(sizeof(*p));
	long ret;

	if (!p)
		return -ENOMEM;
	strncpy(s.name, ifname, sizeof(s.name) - 1);
	ret = host(SYS_open, path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOCTTY,
	    0644);
	if (ret >= 0)
		ret = p->fd = hostfd_take(ret);
	if (ret >= 0)
		ret = host(SYS_write, p->fd, &s, sizeof(s));
	if (ret < 0) {
		free(p);
		return ret;
	}
	*pcapp = p;
	return 0;
}

void net_pcap_close(struct net_pcap *p)
{
	hostfd_release(p->fd);
	free(p);
}

void net_pcap_frame(struct net_pcap *p, const struct rumpuser_net_frame *f, bool outgoing)
{
	static const char zeroes[4];
	uint32_t len = f->len - RUMPUSER_NET_HDR, pad = -len & 3, left = f->len, skip = RUMPUSER_NET_HDR;
	uint64_t now = rumpuser_clock_real();
	struct packet head = {
		.type = BLOCK_PACKET, .len = sizeof(head) + len + pad + sizeof(struct packet_end),
		.time_high = now >> 32, .time_low = now, .captured = len, .original = len,
	};
	struct packet_end end = {
		.flags_opt = OPT_FLAGS, .flags_len = 4, .flags = outgoing ? OUTBOUND : INBOUND,
		.len = head.len,
	};
	struct iovec iov[IOV] = { { &head, sizeof(head) } };
	unsigned int i, n = 1;

	for (i = 0; i < f->niov && left && n < IOV - 2; i++) {
		size_t here = f->iov[i].len < left ? f->iov[i].len : left;

		left -= here;
		if (skip >= here) {
			skip -= here;
			continue;
		}
		iov[n++] = (struct iovec){ (char *)f->iov[i].base + skip, here - skip };
		skip = 0;
	}
	iov[n++] = (struct iovec){ (void *)zeroes, pad };
	iov[n++] = (struct iovec){ &end, sizeof(end) };
	host(SYS_writev, p->fd, iov, n);
}
