/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net_passt.c - link=passt:PATH: the socket of passt(1), a stream of frames.
 *
 * passt has an address for us, mostly the host's own.  It is asked for, by DHCP, before the
 * interface is there, so that this comes up configured; with noconfig nobody asks.
 * passt serves one link: when that is closed, it ends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "dhcp.h"
#include "hostcall.h"
#include "internal.h"
#include "netdesc.h"

#define MTU		65520
#define ANSWER_MS	1000
#define TRIES		3
#define SOCKET_BUF	(4 << 20)

/* All of len bytes, before the deadline; 0 or -errno. */
static int read_all(int fd, void *buf, size_t len, int64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t left;
	size_t done = 0;
	long ret;

	while (done < len) {
		left = deadline - rumpuser_clock_mono();
		if (left <= 0)
			return -ETIMEDOUT;
		ret = host(SYS_poll, &p, 1, left / 1000000 + 1);
		if (ret > 0)
			ret = host(SYS_read, fd, (char *)buf + done, len - done);
		else
			continue;
		if (ret <= 0)
			return ret ? ret : -ECONNRESET;
		done += ret;
	}
	return 0;
}

/* Reads frames until there is an answer of the type that is wanted. */
static int await(int fd, struct dhcp *d, int type)
{
	uint8_t frame[RUMPUSER_NET_FRAME_MAX];
	int64_t deadline = rumpuser_clock_mono() + ANSWER_MS * 1000000LL;
	uint32_t len;
	int err;

	for (;;) {
		err = read_all(fd, &len, sizeof(len), deadline);
		len = ntohl(len);
		if (!err && len > sizeof(frame))
			err = -EPROTO;
		if (!err)
			err = read_all(fd, frame, len, deadline);
		if (err || dhcp_read(d, frame, len) == type)
			return err;
	}
}

static int ask(int fd, struct dhcp *d, int type, int answer)
{
	uint8_t frame[4 + DHCP_FRAME];
	uint32_t len, prefix;
	int i, err = -ETIMEDOUT;
	long ret;

	len = dhcp_make(d, type, frame + 4);
	prefix = htonl(len);
	memcpy(frame, &prefix, 4);
	for (i = 0; i < TRIES && err == -ETIMEDOUT; i++) {
		ret = host(SYS_sendto, fd, frame, 4 + len, MSG_NOSIGNAL, NULL, 0);
		err = ret < 0 ? ret : await(fd, d, answer);
	}
	return err;
}

static int configure(struct net_link *l, int fd, char *why)
{
	struct dhcp d = { 0 };
	int err;

	memcpy(d.mac, l->info.mac, 6);
	rumpuser_getrandom(&d.xid, sizeof(d.xid));
	err = ask(fd, &d, DHCP_DISCOVER, DHCP_OFFER);
	if (!err)
		err = ask(fd, &d, DHCP_REQUEST, DHCP_ACK);
	if (err) {
		netspec_wrong(why, "link=passt: no address by DHCP (%s); noconfig does without",
		    strerror(-err));
		return err;
	}
	l->info.addr = d.addr;
	l->info.prefix = d.mask ? __builtin_popcount(d.mask) : 24;
	l->info.gateway = d.gateway;
	l->info.nameserver = d.nameserver;
	return 0;
}

static int passt_open(struct net_link *l, struct netspec *spec, char *why)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const int size = SOCKET_BUF;
	int fd, err;

	if (strlen(spec->where) >= sizeof(sun.sun_path))
		return netspec_wrong(why, "link=passt:%.80s...: a socket's path has at most %zu "
		    "characters", spec->where, sizeof(sun.sun_path) - 1);
	strcpy(sun.sun_path, spec->where);
	fd = host(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	err = host(SYS_connect, fd, &sun, sizeof(sun));
	if (err)
		netspec_wrong(why, "link=passt:%.120s: %s; start it with: passt -s %.40s", spec->where,
		    strerror(-err), spec->where);
	host(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (!err && !spec->noconfig)
		err = configure(l, fd, why);
	if (err) {
		host(SYS_close, fd);
		return err;
	}
	if (!l->info.mtu)
		l->info.mtu = MTU;
	/* passt takes a packet's data on its own: checksums of ours would be made for nobody. */
	l->info.features = RUMPUSER_NET_CSUM;
	return netdesc_open(l, &fd, 1, NETDESC_SOCKET | NETDESC_STREAM | NETDESC_TRUSTED);
}

const struct net_backend net_passt = {
	.kind = "passt", .where = "PATH", .queues = 1, .open = passt_open, NETDESC_OPS,
};
