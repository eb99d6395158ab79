/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net_raw.c - link=raw:IFNAME: beside the host on one of its interfaces, by a packet
 * socket (CAP_NET_RAW).  The interface is promiscuous as long as the link is there.
 *
 * What we send goes out on the wire, not to the host's own stack; with one end of a veth
 * pair, the other end is the wire.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "hostcall.h"
#include "netdesc.h"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING	23
#endif
#define SOCKET_BUF	(4 << 20)

static int set(int fd, int level, int option, int value)
{
	return host(SYS_setsockopt, fd, level, option, &value, sizeof(value));
}

static int attach(int fd, int index)
{
	struct sockaddr_ll sll = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = index,
	};
	struct packet_mreq promisc = { .mr_ifindex = index, .mr_type = PACKET_MR_PROMISC };
	int err;

	err = set(fd, SOL_PACKET, PACKET_VNET_HDR, 1);
	if (!err)
		err = set(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
	if (!err)
		err = host(SYS_bind, fd, &sll, sizeof(sll));
	if (!err)
		err = host(SYS_setsockopt, fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc,
		    sizeof(promisc));
	/* What the host allows is enough. */
	set(fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUF);
	set(fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUF);
	return err;
}

static int raw_open(struct net_link *l, struct netspec *spec, char *why)
{
	struct ifreq ifr = { 0 };
	int fd, err;

	if (strlen(spec->where) >= IFNAMSIZ)
		return netspec_wrong(why, "link=raw:%.40s: longer than a name can be", spec->where);
	fd = host(SYS_socket, AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		netspec_wrong(why, "link=raw:%s: %s", spec->where,
		    fd == -EPERM ? "only for root (CAP_NET_RAW)" : strerror(-fd));
		return fd;
	}
	strcpy(ifr.ifr_name, spec->where);
	err = host(SYS_ioctl, fd, SIOCGIFINDEX, &ifr);
	if (!err)
		err = attach(fd, ifr.ifr_ifindex);
	if (!err && !l->info.mtu && !host(SYS_ioctl, fd, SIOCGIFMTU, &ifr) &&
	    ifr.ifr_mtu <= RUMPUSER_NET_MTU_MAX)
		l->info.mtu = ifr.ifr_mtu;
	if (err) {
		host(SYS_close, fd);
		netspec_wrong(why, "link=raw:%s: %s", spec->where,
		    err == -ENODEV ? "the host has no such interface" : strerror(-err));
		return err;
	}
	l->info.features = RUMPUSER_NET_CSUM | RUMPUSER_NET_TSO;
	return netdesc_open(l, &fd, 1, NETDESC_VNET | NETDESC_SOCKET);
}

const struct net_backend net_raw = {
	.kind = "raw", .where = "IFNAME", .queues = 1, .open = raw_open, NETDESC_OPS,
};
