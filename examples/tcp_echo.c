/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcp_echo.c - two threads of this process talk TCP through a Linux kernel that
 * is in this process, too.  The host sees no socket.
 *
 *	cc tcp_echo.c -lrump -lpthread && ./a.out [TEXT]
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <rump/rump.h>
#include <rump/rump_syscalls.h>

static struct sockaddr_in address = { .sin_family = AF_INET };

/* A fresh kernel's loopback interface is down, as after any boot. */
static void loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = rump_sys_socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || rump_sys_ioctl(fd, SIOCSIFFLAGS, (unsigned long)&ifr) < 0)
		err(1, "lo");
	rump_sys_close(fd);
}

/* Serves one connection of the listening socket at *arg. */
static void *echo_server(void *arg)
{
	char buf[256];
	ssize_t n, sent, ret;
	int fd;

	fd = rump_sys_accept(*(int *)arg, NULL, NULL);
	if (fd < 0)
		err(1, "accept");
	while ((n = rump_sys_read(fd, buf, sizeof(buf))) > 0) {
		for (sent = 0; sent < n; sent += ret) {
			ret = rump_sys_write(fd, buf + sent, n - sent);
			if (ret < 0)
				err(1, "server: write");
		}
	}
	if (n < 0)
		err(1, "server: read");
	rump_sys_close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	const char *text = argc > 1 ? argv[1] : "hello from the other side of a kernel";
	socklen_t len = sizeof(address);
	pthread_t server;
	char buf[256];
	int lfd, fd;
	ssize_t n;

	errno = -rump_init();
	if (errno)
		err(1, "rump_init");
	loopback_up();

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	lfd = rump_sys_socket(AF_INET, SOCK_STREAM, 0);
	if (lfd < 0 || rump_sys_bind(lfd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    rump_sys_listen(lfd, 1) < 0 ||
	    rump_sys_getsockname(lfd, (struct sockaddr *)&address, &len) < 0)
		err(1, "listen");
	errno = pthread_create(&server, NULL, echo_server, &lfd);
	if (errno)
		err(1, "pthread_create");

	fd = rump_sys_socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || rump_sys_connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		err(1, "connect");
	if (rump_sys_write(fd, text, strlen(text)) < 0)
		err(1, "client: write");
	if (rump_sys_shutdown(fd, SHUT_WR) < 0)
		err(1, "shutdown");
	while ((n = rump_sys_read(fd, buf, sizeof(buf))) > 0)
		fwrite(buf, 1, n, stdout);
	if (n < 0)
		err(1, "client: read");
	putchar('\n');
	rump_sys_close(fd);
	pthread_join(server, NULL);
	return 0;
}
