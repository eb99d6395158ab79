/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * connect.c - the server's address, connections to it, and HELLO.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#include "../hypercall/sp_url.h"
#include "remote.h"

#define SHARED_BASE	4096
#define CONNECT_TRIES	100		/* while a server's queue is full, 10 ms each */

static struct {
	struct sockaddr_un sun;
	socklen_t len;
	char url[sizeof(((struct sockaddr_un *)0)->sun_path) + 16];
} server;

int server_set(const char *url)
{
	const char *why;

	snprintf(server.url, sizeof(server.url), "%s", url);
	why = sp_url_parse(url, &server.sun, &server.len);
	if (!why)
		return 0;
	client_warn("RUMP_SERVER=%s: %s", url, why);
	return -EINVAL;
}

const char *server_url(void)
{
	return server.url;
}

const char *server_refusal(int error)
{
	switch (error) {
	case ECONNREFUSED:
	case ENOENT:
		return "no rump_server is there";
	case EACCES:
	case EPERM:
		return "the rump_server is another user's";
	case ECONNRESET:
	case EPIPE:
		return "the rump_server has refused the connection";
	}
	return strerror(error);
}

static int out_of_the_way(int fd, int shared)
{
	long new;

	if (!shared)
		return ownfd_take(fd);
	/* Of the program's numbers only those below count, as long as it lives. */
	new = host(SYS_fcntl, fd, F_DUPFD_CLOEXEC, SHARED_BASE);
	if (new < 0)
		return fd;
	host(SYS_close, fd);
	return new;
}

int server_connect_by_name(int shared)
{
	struct timespec nap = { .tv_nsec = 10000000 };
	long fd, r = 0;
	int i;

	fd = host(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	for (i = 0; i < CONNECT_TRIES; i++) {
		r = host(SYS_connect, fd, &server.sun, server.len);
		if (r != -EAGAIN && r != -EINTR)
			break;
		host(SYS_nanosleep, &nap, NULL);
	}
	if (r) {
		host(SYS_close, fd);
		return r;
	}
	return out_of_the_way(fd, shared);
}

int server_connect(int shared)
{
	int fd = usher_connect();

	return fd < 0 ? server_connect_by_name(shared) : out_of_the_way(fd, shared);
}

static int mismatch(const struct rump_sp_hello_reply *r)
{
	if (!memcmp(r->magic, RUMP_SP_MAGIC, sizeof(r->magic)) &&
	    r->version == RUMP_SP_VERSION &&
	    !strncmp(r->machine, RUMP_SP_MACHINE, sizeof(r->machine)))
		return 0;
	client_warn("%s: server: %.7s version %u, machine %.16s, kernel %.64s; client: %s "
	    "version %u, machine %s", server.url, r->magic, r->version, r->machine, r->release,
	    "RUMP-SP", RUMP_SP_VERSION, RUMP_SP_MACHINE);
	return 1;
}

int server_reply(int fd, struct rump_sp_hello_reply *r)
{
	const atomic_int in_fd = fd;
	struct in in = { .fd = &in_fd };
	int err;

	err = need(&in, sizeof(*r));
	if (err)
		return err;
	memcpy(r, in.buf, sizeof(*r));
	if (r->hdr.type != RUMP_SP_HELLO_REPLY || r->hdr.len != sizeof(*r) || mismatch(r))
		return -EPROTO;
	return r->error;
}

int server_hello(int fd, enum rump_sp_kind kind, const struct rump_sp_cookie *cookie,
    struct rump_sp_hello_reply *r)
{
	struct rump_sp_hello h = {
		.hdr = { .len = sizeof(h), .type = RUMP_SP_HELLO },
		.version = RUMP_SP_VERSION,
		.kind = kind,
		.machine = RUMP_SP_MACHINE,
		.pid = host(SYS_getpid, 0),
		.tid = host(SYS_gettid, 0),
		.uid = host(SYS_geteuid, 0),
		.gid = host(SYS_getegid, 0),
	};
	int err;

	memcpy(h.magic, RUMP_SP_MAGIC, sizeof(h.magic));
	if (cookie)
		h.cookie = *cookie;
	host(SYS_prctl, PR_GET_NAME, h.comm, 0, 0, 0);
	err = send_small(fd, &h);
	/* A server that refuses may have answered, and hung up, before we have spoken. */
	return err && err != -EPIPE ? err : server_reply(fd, r);
}
