/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net_tap.c - link=tap:NAME: a tap interface of the host, whose stack, bridge or router is
 * at the other end.
 *
 * One that is there already and belongs to this user needs no privileges (ip tuntap add
 * NAME mode tap user USER [multi_queue]); else it is made here, which needs
 * CAP_NET_ADMIN, and goes with us.  Each queue is a descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

#include "hostcall.h"
#include "netdesc.h"

#ifndef TUN_F_USO4
#define TUN_F_USO4	0x20
#define TUN_F_USO6	0x40
#endif
#define OFFLOADS	(TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)

/* One more descriptor of the tap, or -errno. */
static int attach(const char *name, short flags)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags };
	int hdr = RUMPUSER_NET_HDR;
	long fd, ret;

	fd = host(SYS_open, "/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	strcpy(ifr.ifr_name, name);
	ret = host(SYS_ioctl, fd, TUNSETIFF, &ifr);
	if (!ret)
		ret = host(SYS_ioctl, fd, TUNSETVNETHDRSZ, &hdr);
	if (ret)
		host(SYS_close, fd);
	return ret ? ret : fd;
}

static int refused(const char *name, int err, char *why)
{
	switch (err) {
	case -EPERM:
	case -EACCES:
		netspec_wrong(why, "link=tap:%s: not allowed; as root: ip tuntap add %s mode tap "
		    "user NAME", name, name);
		break;
	case -EBUSY:
		netspec_wrong(why, "link=tap:%s: another process has it", name);
		break;
	case -EINVAL:
		netspec_wrong(why, "link=tap:%s: it is no tap, or one with another number of queues "
		    "(multi_queue)", name);
		break;
	case -ENOENT:
		netspec_wrong(why, "link=tap:%s: /dev/net/tun: %s", name, strerror(-err));
		break;
	default:
		netspec_wrong(why, "link=tap:%s: %s", name, strerror(-err));
	}
	return err;
}

static int tap_open(struct net_link *l, struct netspec *spec, char *why)
{
	int fds[RUMPUSER_NET_QUEUES], fd = -1;
	short flags = l->info.queues > 1 ? IFF_MULTI_QUEUE : 0;
	unsigned int i;

	if (strlen(spec->where) >= IFNAMSIZ)
		return netspec_wrong(why, "link=tap:%.40s: longer than a name can be", spec->where);
	for (i = 0; i < l->info.queues; i++) {
		fd = attach(spec->where, flags);
		if (fd == -EINVAL && i == 0 && !flags) {
			/* made with multi_queue: one queue of it will do */
			flags = IFF_MULTI_QUEUE;
			fd = attach(spec->where, flags);
		}
		if (fd < 0)
			break;
		fds[i] = fd;
	}
	if (fd < 0) {
		while (i--)
			host(SYS_close, fds[i]);
		return refused(spec->where, fd, why);
	}
	l->info.features = RUMPUSER_NET_CSUM | RUMPUSER_NET_TSO;
	if (host(SYS_ioctl, fd, TUNSETOFFLOAD, OFFLOADS | TUN_F_USO4 | TUN_F_USO6) == 0)
		l->info.features |= RUMPUSER_NET_USO;
	else if (host(SYS_ioctl, fd, TUNSETOFFLOAD, OFFLOADS))
		l->info.features = RUMPUSER_NET_CSUM;
	return netdesc_open(l, fds, l->info.queues, NETDESC_VNET);
}

const struct net_backend net_tap = {
	.kind = "tap", .where = "NAME", .queues = RUMPUSER_NET_QUEUES, .open = tap_open,
	NETDESC_OPS,
};
