/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h.h - what the programs h_* share, which know nothing of rump kernels: the same holds on
 * the host alone.
 */
#ifndef TESTS_HIJACK_H_H
#define TESTS_HIJACK_H_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Ends the program, in a child only that, with a line that says what was wrong. */
#define need(cond)	do { if (!(cond)) failed(__FILE__, __LINE__, #cond); } while (0)
#define fails(e, x)	need((x) == -1 && errno == (e))

static inline void __attribute__((noreturn)) failed(const char *file, int line, const char *what)
{
	const char *name = strrchr(file, '/');

	fprintf(stderr, "%s:%d: %s (errno %d: %s)\n", name ? name + 1 : file, line, what, errno,
	    strerror(errno));
	_exit(1);
}

/* A TCP socket that listens on a port of the loopback's, *sin. */
static inline int tcp_listener(struct sockaddr_in *sin)
{
	socklen_t len = sizeof(*sin);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	*sin = (struct sockaddr_in){ .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	need(l >= 0 && bind(l, (void *)sin, sizeof(*sin)) == 0 && listen(l, 5) == 0);
	need(getsockname(l, (void *)sin, &len) == 0 && len == sizeof(*sin) && sin->sin_port);
	return l;
}

/* Two ends of a TCP connection. */
static inline void tcp_pair(int s[2])
{
	struct sockaddr_in sin;
	int l = tcp_listener(&sin);

	s[0] = socket(AF_INET, SOCK_STREAM, 0);
	need(connect(s[0], (void *)&sin, sizeof(sin)) == 0);
	s[1] = accept(l, NULL, NULL);
	need(s[1] >= 0 && close(l) == 0);
}

/* One byte. */
static inline void give(int fd)
{
	need(write(fd, "x", 1) == 1);
}

static inline void eat(int fd)
{
	char c;

	need(read(fd, &c, 1) == 1);
}

/* What a file has in it, from now on; and what it has, until the next call. */
static inline void put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	need(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
}

static inline const char *file_text(const char *path)
{
	static char buf[4096];
	int fd = open(path, O_RDONLY);
	ssize_t n;

	need(fd >= 0);
	n = read(fd, buf, sizeof(buf) - 1);
	need(n >= 0 && close(fd) == 0);
	buf[n] = '\0';
	return buf;
}

static inline void child_ends_well(pid_t pid)
{
	int status;

	need(waitpid(pid, &status, 0) == pid && status == 0);
}

/* ---- descriptors in messages, of one byte 'm' ---------------------------------------------- */

#define FDS_MAX	253	/* Linux's */
union rights {
	char c[CMSG_SPACE(FDS_MAX * sizeof(int))];
	struct cmsghdr h;
};

/* As sendmsg(2). */
static inline ssize_t try_send_fds(int s, const int *fds, int n, int flags)
{
	union rights u, before;
	struct iovec iov = { "m", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &u,
	    .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	ssize_t ret;

	memset(&u, 0, sizeof(u));
	u.h = (struct cmsghdr){ .cmsg_len = CMSG_LEN(n * sizeof(int)), .cmsg_level = SOL_SOCKET,
	    .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(&u.h), fds, n * sizeof(int));
	before = u;
	ret = sendmsg(s, &m, flags);
	need(memcmp(&before, &u, sizeof(u)) == 0);	/* the caller's data is the caller's */
	return ret;
}

static inline void send_fds(int s, const int *fds, int n)
{
	need(try_send_fds(s, fds, n, 0) == 1);
}

/*
 * How many come, where there is room for at most n; *truncated: some did not fit.
 */
static inline int receive_fds(int s, int *fds, int n, int flags, int *truncated)
{
	union rights u;
	char c;
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &u,
	    .msg_controllen = n ? CMSG_LEN(n * sizeof(int)) : 0 };

	need(recvmsg(s, &m, flags) == 1 && c == 'm');
	*truncated = (m.msg_flags & MSG_CTRUNC) != 0;
	if (!CMSG_FIRSTHDR(&m))
		return 0;
	need(u.h.cmsg_level == SOL_SOCKET && u.h.cmsg_type == SCM_RIGHTS);
	n = (u.h.cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(&u.h), n * sizeof(int));
	return n;
}

/* n of them come, and nothing is cut off. */
static inline void take_fds(int s, int *fds, int n, int flags)
{
	int truncated;

	need(receive_fds(s, fds, n, flags, &truncated) == n && !truncated);
}

#endif
