/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * console.c - what the kernel says, and how it ends the process.
 *
 * Everything goes to descriptor 2 at the moment of writing: a copy taken
 * earlier would keep a pipe open that the program means to have closed.  The
 * other danger is a program that closes 2 and gets a socket under that number;
 * a socket that was not there when the kernel started is therefore no console,
 * and the message is dropped.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hostcall.h"
#include "internal.h"

#define LINE_LEN	1024	/* of a complaint; a kernel stack has room for it */
#define WAIT_MS		1000	/* for a full, non-blocking stderr */

static bool socket_is_console;

static bool stderr_is_socket(void)
{
	struct stat st;

	return host(SYS_fstat, 2, &st) == 0 && S_ISSOCK(st.st_mode);
}

void console_init(void)
{
	socket_is_console = stderr_is_socket();
}

void rumpuser_putchars(const char *s, size_t n)
{
	struct pollfd pfd = { .fd = 2, .events = POLLOUT };
	struct timespec ts = { .tv_sec = WAIT_MS / 1000 };
	long ret;

	if (!socket_is_console && rumpuser_up && stderr_is_socket())
		return;
	while (n > 0) {
		ret = host(SYS_write, 2, s, n);
		if (ret > 0) {
			s += ret;
			n -= ret;
		} else if (ret == -EAGAIN) {
			if (host(SYS_ppoll, &pfd, 1, &ts, NULL, 0) <= 0)
				return;
		} else if (ret != -EINTR) {
			return;
		}
	}
}

void rumpuser_warn(const char *fmt, ...)
{
	static const char prefix[] = "rump: ";
	char line[LINE_LEN];
	size_t n = sizeof(prefix) - 1;
	va_list ap;
	int len;

	memcpy(line, prefix, n);
	va_start(ap, fmt);
	len = vsnprintf(line + n, sizeof(line) - n, fmt, ap);
	va_end(ap);
	if (len < 0)
		return;
	n += len;
	if (n > sizeof(line) - 1)
		n = sizeof(line) - 1;
	line[n++] = '\n';
	rumpuser_putchars(line, n);
}

void rumpuser_exit(int status)
{
	if (status == RUMPUSER_PANIC)
		abort();
	for (;;)
		host(SYS_exit_group, status);
}
