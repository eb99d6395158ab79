/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * halt.c - rump halt URL: asks a server to end, and waits for its answer, which
 * comes when its file systems are unmounted, and for its end.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rump/rump_sp.h>

#include "rump.h"

/* Returns 1 if all of it came. */
static int receive(int fd, void *buf, size_t n)
{
	return recv(fd, buf, n, MSG_WAITALL) == (ssize_t)n;
}

int rump_halt(const char *url)
{
	struct rump_sp_hello h = {
		.hdr = { .len = sizeof(h), .type = RUMP_SP_HELLO },
		.version = RUMP_SP_VERSION,
		.kind = RUMP_SP_CONTROL,
		.machine = RUMP_SP_MACHINE,
		.comm = "rump halt",
	};
	struct rump_sp_hdr halt = { .len = sizeof(halt), .type = RUMP_SP_HALT, .reqno = 1 };
	struct rump_sp_hello_reply hr;
	struct rump_sp_reply r;
	int fd = rump_reach(url, 1);

	memcpy(h.magic, RUMP_SP_MAGIC, sizeof(h.magic));
	h.pid = h.tid = getpid();
	h.uid = getuid();
	h.gid = getgid();
	send(fd, &h, sizeof(h), MSG_NOSIGNAL);
	if (!receive(fd, &hr, sizeof(hr)))
		die(1, "%s: the rump_server has refused the connection", url);
	if (memcmp(hr.magic, RUMP_SP_MAGIC, sizeof(hr.magic)) ||
	    hr.version != RUMP_SP_VERSION || hr.error == -EPROTO)
		die(1, "%s: server: %.7s version %u, machine %.16s, kernel %.64s; client: "
		    "RUMP-SP version %u, machine %s", url, hr.magic, hr.version, hr.machine,
		    hr.release, RUMP_SP_VERSION, RUMP_SP_MACHINE);
	if (hr.error)
		die(1, "%s: %s", url, strerror(-hr.error));
	send(fd, &halt, sizeof(halt), MSG_NOSIGNAL);
	if (!receive(fd, &r, sizeof(r)))
		die(1, "%s: the rump_server ended without an answer", url);
	if (r.ret == -EPERM)
		die(1, "%s: is served from within a program, or is another user's, and cannot be "
		    "halted", url);
	while (recv(fd, &r.hdr, sizeof(r.hdr), 0) > 0)
		;
	if (r.ret)
		die(1, "%s: ended, but: %s", url, strerror(-(int)r.ret));
	return 0;
}

int cmd_halt(int argc, char **argv)
{
	while (rump_next_option(argc, argv) >= 0)
		;
	rump_operands(argc, argv, 1, 1);
	return rump_halt(argv[optind]);
}
