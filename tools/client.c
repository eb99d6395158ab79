/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.c - rump as a client of the server that a sub-command is about.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include <rump/rumpclient.h>

#include <unistd.h>

#include "rump.h"

void rump_connect(const char *url)
{
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
