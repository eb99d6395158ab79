/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.c - rump as a client of the server that a sub-command is about.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <rump/rumpclient.h>

#include <unistd.h>

#include "../hypercall/sp_url.h"
#include "rump.h"

int rump_reach(const char *url, int status)
{
	struct sockaddr_un sun;
	const char *why;
	socklen_t len;
	int fd;

	why = sp_url_parse(url, &sun, &len);
	if (why)
		die(status, "%s: %s", url, why);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die(status, "socket: %s", strerror(errno));
	if (connect(fd, (struct sockaddr *)&sun, len))
		die(status, "%s: %s", url, errno == ENOENT || errno == ECONNREFUSED ?
		    "no rump_server is there" : strerror(errno));
	return fd;
}

void rump_connect(const char *url)
{
	close(rump_reach(url, 1));	/* its line names no variable that nobody has set */
	if (setenv("RUMP_SERVER", url, 1))
		die(1, "out of memory");
	if (rumpclient_init())
		exit(1);		/* it has said why */
}

const char *rump_url_operand(int argc, char **argv)
{
	const char *url = getenv("RUMP_SERVER");

	if (optind < argc && strstr(argv[optind], "://"))
		return argv[optind++];
	return url && *url ? url : NULL;
}

long rump_read_file(const char *path, char *buf, size_t size)
{
	long fd = RUMP_CALL(SYS_open, path, O_RDONLY | O_CLOEXEC, 0), n = 0;
	size_t have = 0;

	if (fd < 0)
		return fd;
	while (have < size - 1 && (n = RUMP_CALL(SYS_read, fd, buf + have, size - 1 - have)) > 0)
		have += n;
	RUMP_CALL(SYS_close, fd, 0, 0);
	buf[have] = '\0';
	return n < 0 ? n : (long)have;
}
