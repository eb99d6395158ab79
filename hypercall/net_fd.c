/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net_fd.c - link=fd:N[,vnet]: a socket that the program was given.
 *
 * A datagram or sequenced-packet socket has a frame in each message; in a stream each frame
 * follows its length, as with QEMU and passt.  vnet: each frame has its virtio header
 * there, too, and may be unfinished (checksums, segments of TCP): for another rump
 * kernel, or whoever else knows them.  The descriptor is the link's from now on.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "hostcall.h"
#include "netdesc.h"

static int fd_open(struct net_link *l, struct netspec *spec, char *why)
{
	bool vnet = netspec_word(spec, "vnet", 0);
	unsigned long n;
	unsigned int len = sizeof(int);
	int type = 0, fd;
	long ret;

	if (netspec_number(spec->where, 0, 1 << 20, &n))
		return netspec_wrong(why, "link=fd:%.40s: a descriptor's number is wanted", spec->where);
	ret = host(SYS_getsockopt, n, SOL_SOCKET, SO_TYPE, &type, &len);
	if (ret)
		return netspec_wrong(why, "link=fd:%lu: %s", n, ret == -EBADF ?
		    "no such descriptor is open" : "it is no socket");
	if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET)
		return netspec_wrong(why, "link=fd:%lu: neither a datagram nor a stream socket", n);
	if (vnet)
		l->info.features = RUMPUSER_NET_CSUM | RUMPUSER_NET_TSO | RUMPUSER_NET_USO;
	fd = n;
	return netdesc_open(l, &fd, 1, NETDESC_SOCKET | (vnet ? NETDESC_VNET : 0) |
	    (type == SOCK_STREAM ? NETDESC_STREAM : 0));
}

const struct net_backend net_fd = {
	.kind = "fd", .where = "NUMBER", .local = true, .queues = 1, .open = fd_open, NETDESC_OPS,
};
