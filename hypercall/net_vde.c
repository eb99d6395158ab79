/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net_vde.c - link=vde:URL: whatever libvdeplug can be plugged into: a switch
 * (vde:vde\:///run/sw or vde:/run/sw), vxvde, ...
 *
 * The library runs on a thread of its own (netqueue.h).  When the switch goes away, the
 * carrier is lost, and the thread looks every second whether it has come back.
 */
#include <errno.h>
#include <libvdeplug.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hostcall.h"
#include "internal.h"
#include "netlib.h"
#include "netqueue.h"

#define RETRY_S	1

static struct {
	__typeof__(&vde_open_real) open;
	__typeof__(&vde_recv) recv;
	__typeof__(&vde_send) send;
	__typeof__(&vde_datafd) datafd;
	__typeof__(&vde_ctlfd) ctlfd;
	__typeof__(&vde_close) close;
} lib;

static const struct netlib_function functions[] = {
	{ "vde_open_real", &lib.open }, { "vde_recv", &lib.recv }, { "vde_send", &lib.send },
	{ "vde_datafd", &lib.datafd }, { "vde_ctlfd", &lib.ctlfd }, { "vde_close", &lib.close },
	{ 0 }
};

struct vde {
	VDECONN *conn;			/* NULL: the switch is not there */
	char frame[VDE_ETHBUFSIZE];
	char url[];
};

static VDECONN *connect_to(struct vde *v)
{
	return lib.open(v->url, "rump kernel", LIBVDEPLUG_INTERFACE_VERSION, NULL);
}

/* Waits for frames of either side, and takes those of the switch. */
static void serve(struct vde *v, struct netqueue *q)
{
	struct pollfd p[3] = {
		{ .fd = netqueue_fd(q), .events = POLLIN },
		{ .fd = v->conn ? lib.datafd(v->conn) : -1, .events = POLLIN },
		{ .fd = v->conn ? lib.ctlfd(v->conn) : -1 },	/* only its hang-up */
	};
	struct timespec ts = { .tv_sec = v->conn ? 0 : RETRY_S };
	bool sleep = netqueue_sleep(q), gone;
	ssize_t n;

	host(SYS_ppoll, p, 3, sleep && v->conn ? NULL : &ts, NULL, 0);
	if (sleep)
		netqueue_awake(q);
	if (!v->conn) {
		if (sleep && !netqueue_closing(q))
			v->conn = connect_to(v);
		if (v->conn)
			net_carrier(netqueue_link(q), true);
		return;
	}
	if (p[1].revents & POLLIN && (n = lib.recv(v->conn, v->frame, sizeof(v->frame), 0)) > 1)
		netqueue_put(q, v->frame, n);
	gone = p[2].revents & (POLLHUP | POLLERR) || p[1].revents & (POLLHUP | POLLERR);
	if (gone) {
		net_carrier(netqueue_link(q), false);
		lib.close(v->conn);
		v->conn = NULL;
	}
}

static void run(struct netqueue *q, void *ctx)
{
	struct vde *v = ctx;
	const void *frame;
	uint32_t len;

	while (!netqueue_closing(q)) {
		while ((frame = netqueue_next(q, &len))) {
			if (v->conn && len <= sizeof(v->frame))
				lib.send(v->conn, frame, len, 0);
			netqueue_done(q);
		}
		serve(v, q);
	}
	if (v->conn)
		lib.close(v->conn);
	free(v);
}

static const struct netqueue_ops ops = { .run = run };

static int vde_open_link(struct net_link *l, struct netspec *spec, char *why)
{
	struct vde *v;
	int err;

	err = netlib_load("libvdeplug.so.2", "libvdeplug2", functions, why);
	if (err)
		return err;
	if (l->info.mtu > VDE_MAXMTU)
		return netspec_wrong(why, "mtu=%u: link=vde takes at most %d", l->info.mtu, VDE_MAXMTU);
	v = calloc(1, sizeof(*v) + strlen(spec->where) + 1);
	if (!v)
		return -ENOMEM;
	strcpy(v->url, spec->where);
	errno = 0;
	v->conn = connect_to(v);
	if (!v->conn) {
		err = errno ? -errno : -ENOTCONN;
		netspec_wrong(why, "link=vde:%.120s: %s", spec->where, strerror(-err));
	} else {
		err = netqueue_open(l, &ops, v, "rump-vde");
	}
	if (err) {
		if (v->conn)
			lib.close(v->conn);
		free(v);
	}
	return err;
}

const struct net_backend net_vde = {
	.kind = "vde", .where = "URL", .queues = 1, .open = vde_open_link, NETQUEUE_OPS,
};
