/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rump_link.c - the process of an isolated network link (hypercall/net_isolate.h): a back
 * end on one side, descriptor 3 on the other, frames to and fro.  It ends when the other
 * side does, or the link's other end is gone for good.
 *
 * It is started by librumpuser, with the link specification, which says isolate; it does
 * not isolate once more.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rump/rumpuser.h>
#include <rump/rumpuser_net.h>

#include "../hypercall/net_isolate.h"

#define SOCKET	3
#define BATCH	64			/* frames of one side before the other's turn */

static struct rumpuser_net_request req;
static uint32_t done;
static int event_fd;

static void link_ready(void *cookie)
{
	uint64_t one = 1;

	(void)cookie;
	(void)!write(event_fd, &one, sizeof(one));
}

static void link_done(struct rumpuser_net_request *r)
{
	(void)r;
	__atomic_store_n(&done, 1, __ATOMIC_SEQ_CST);
	rumpuser_wake(&done);
}

static void blk_done(void *cookie, int error)
{
	(void)cookie, (void)error;
}

static void ignore(void *cookie)
{
	(void)cookie;
}

static const struct rumpuser_upcalls upcalls = {
	.blk_done = blk_done, .thread_exit = ignore, .ph_gone = ignore,
	.net_ready = link_ready, .net_done = link_done,
};

/* From the link to the socket; true: armed, false: there is more. */
static bool inwards(void)
{
	static char buf[RUMPUSER_NET_FRAME_MAX];
	struct rumpuser_iovec iov = { buf, sizeof(buf) };
	struct rumpuser_net_frame f;
	int i;

	for (i = 0; i < BATCH; i++) {
		f = (struct rumpuser_net_frame){ .iov = &iov, .niov = 1, .len = sizeof(buf) };
		if (rumpuser_net_rx(req.handle, 0, &f, 1) == 0)
			return rumpuser_net_arm(req.handle, 0, RUMPUSER_NET_RX) == RUMPUSER_NET_ARMED;
		if (send(SOCKET, buf, f.len, MSG_NOSIGNAL) < 0 && errno != EINTR)
			exit(0);
	}
	return false;
}

/* From the socket to the link, which drops what it has no room for; false: there is more. */
static bool outwards(void)
{
	static char buf[RUMPUSER_NET_FRAME_MAX];
	struct rumpuser_iovec iov = { buf, sizeof(buf) };
	struct rumpuser_net_frame f;
	ssize_t n;
	int i;

	for (i = 0; i < BATCH; i++) {
		n = recv(SOCKET, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0)
			exit(0);
		if (n < RUMPUSER_NET_HDR)
			continue;
		iov.len = n;
		f = (struct rumpuser_net_frame){ .iov = &iov, .niov = 1, .len = n };
		rumpuser_net_tx(req.handle, 0, &f, 1);
	}
	return false;
}

static void serve(void)
{
	struct pollfd p[2] = { { .fd = SOCKET, .events = POLLIN }, { .fd = event_fd, .events = POLLIN } };
	bool in = false, out = false;
	uint64_t count;

	for (;;) {
		if (poll(p, 2, in && out ? -1 : 0) < 0 && errno != EINTR)
			exit(1);
		if (p[1].revents) {
			(void)!read(event_fd, &count, sizeof(count));
			in = false;
		}
		if (p[0].revents)
			out = false;
		if (!rumpuser_net_carrier(req.handle))
			exit(0);
		if (!in)
			in = inwards();
		if (!out)
			out = outwards();
	}
}

int main(int argc, char **argv)
{
	struct isolate_hello hello = { 0 };
	void *cookies[RUMPUSER_NET_QUEUES] = { NULL };
	const char *spec = argc == 2 ? argv[1] : "";
	int type;

	if (argc != 2 || getsockopt(SOCKET, SOL_SOCKET, SO_TYPE, &type, &(socklen_t){ sizeof(type) })) {
		fputs("rump_link: it is started by a rump kernel, for an isolated link\n", stderr);
		return 1;
	}
	if (!strncmp(spec, "remote ", 7)) {
		req.remote = 1;
		spec += 7;
	}
	req.spec = spec;
	req.isolated = 1;
	event_fd = eventfd(0, EFD_CLOEXEC);
	if (event_fd < 0 || rumpuser_init(RUMPUSER_VERSION, &upcalls) || rumpuser_net_submit(&req))
		return 1;
	while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST))
		rumpuser_wait(&done, 0, RUMPUSER_FOREVER, 0);
	hello.error = req.error;
	hello.info = req.info;
	memcpy(hello.why, req.why, sizeof(hello.why));
	if (send(SOCKET, &hello, sizeof(hello), MSG_NOSIGNAL) < 0 || req.error)
		return 1;
	rumpuser_net_start(req.handle, cookies);
	rumpuser_net_up(req.handle, 1);
	serve();
}
