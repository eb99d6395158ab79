/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mock.c - a librumpclient.so without a rump kernel, to test librumphijack by
 * itself: the "rump" system calls are the host's, on descriptors hidden at high
 * numbers and below the directory MOCK_ROOT.
 *
 * A rump descriptor is a host descriptor less BASE, so that one that was not
 * translated does not work by chance.  Descriptors do not survive an exec.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/resource.h>
#include <unistd.h>

#include <rump/rump_calls.h>
#include <rump/rumpclient.h>
#include <rump/sysargs.h>

#include "../../../hypercall/hostcall.h"

#define API	__attribute__((visibility("default")))
#define BASE	5000
#define FAR	8000
#define MAXFD	2000

static const struct rump_sysrow rows[RUMP_NSYSROWS] = {
#define S(name, ret, how, ...) [SYS_##name] = RUMP_SYSROW(ret, __VA_ARGS__),
#include <rump/syscalls.def>
};

static char cwd[4096] = "/";
static const char *root = "/nonexistent";
static int far_of[MAXFD];		/* host descriptor of the far end, 0: none */

static struct arm { int rfd; short events; } arms[256];
static int narms, bell = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- readiness: one thread waits for all that is armed ------------------------- */

static void *waiter(void *arg)
{
	struct pollfd p[257];
	struct arm now[256];
	uint64_t v;
	int i, j, n;

	for (;;) {
		pthread_mutex_lock(&lock);
		n = narms;
		memcpy(now, arms, sizeof(now));
		pthread_mutex_unlock(&lock);
		p[0] = (struct pollfd){ .fd = bell, .events = POLLIN };
		for (i = 0; i < n; i++)
			p[i + 1] = (struct pollfd){ .fd = now[i].rfd + BASE, .events = now[i].events };
		host(SYS_poll, p, n + 1, -1);
		if (p[0].revents)
			host(SYS_read, bell, &v, sizeof(v));
		for (i = 0; i < n; i++) {
			if (!p[i + 1].revents)
				continue;
			if (far_of[now[i].rfd])
				host(SYS_sendto, far_of[now[i].rfd], "!", 1, MSG_DONTWAIT | MSG_NOSIGNAL,
				    NULL, 0);
			pthread_mutex_lock(&lock);
			for (j = 0; j < narms; j++)
				if (arms[j].rfd == now[i].rfd && arms[j].events == now[i].events) {
					arms[j] = arms[--narms];
					break;
				}
			pthread_mutex_unlock(&lock);
		}
	}
	return arg;
}

static long poll_arm(struct pollfd *fds, unsigned int n, int arm)
{
	uint64_t one = 1;
	pthread_t t;
	unsigned int i;
	long ret;

	for (i = 0; i < n; i++)
		if (fds[i].fd >= 0)
			fds[i].fd += BASE;
	ret = host(SYS_poll, fds, n, 0);
	for (i = 0; i < n; i++)
		if (fds[i].fd >= 0)
			fds[i].fd -= BASE;
	for (i = 0; i < n && arm == RUMP_POLL_RING; i++)
		if (fds[i].fd >= 0 && fds[i].revents && far_of[fds[i].fd])
			host(SYS_sendto, far_of[fds[i].fd], "!", 1, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
	if (ret != 0 || !arm)
		return ret;
	pthread_mutex_lock(&lock);
	if (bell < 0) {
		bell = host(SYS_eventfd2, 0, EFD_CLOEXEC);
		bell = host(SYS_fcntl, bell, F_DUPFD_CLOEXEC, FAR);
		pthread_create(&t, NULL, waiter, NULL);
	}
	for (i = 0; i < n; i++)
		if (fds[i].fd >= 0 && narms < 256)
			arms[narms++] = (struct arm){ fds[i].fd, fds[i].events };
	pthread_mutex_unlock(&lock);
	host(SYS_write, bell, &one, sizeof(one));
	return 0;
}

static void disarm(int rfd)
{
	uint64_t one = 1;
	int i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < narms; i++)
		if (arms[i].rfd == rfd)
			arms[i--] = arms[--narms];
	pthread_mutex_unlock(&lock);
	if (bell >= 0)
		host(SYS_write, bell, &one, sizeof(one));
}

/* ---- calls ------------------------------------------------------------------------ */

static long hide(long fd)
{
	long high;

	if (fd < 0)
		return fd;
	high = host(SYS_fcntl, fd, F_DUPFD_CLOEXEC, BASE);
	host(SYS_close, fd);
	return high < 0 ? high : high - BASE;
}

static const char *full(const char *path, char *buf)
{
	char *rest;
	long fd;

	if (!path || !*path)
		return path;
	if (strncmp(path, "/proc/self/fd/", 14) == 0) {
		fd = strtol(path + 14, &rest, 10);
		snprintf(buf, 8192, "/proc/self/fd/%ld%s", fd + BASE, rest);
	} else if (path[0] == '/')
		snprintf(buf, 8192, "%s%s", root, path);
	else
		snprintf(buf, 8192, "%s%s/%s", root, cwd, path);
	return buf;
}

static long do_chdir(const char *path)
{
	char buf[8192], real[PATH_MAX];
	struct stat st;
	size_t n = strlen(root);

	if (host(SYS_stat, full(path, buf), &st) < 0)
		return -ENOENT;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	/* Memory of our own: a sanitizer's realpath(3) may be the one that wants some. */
	if (!realpath(buf, real))
		return -errno;
	snprintf(cwd, sizeof(cwd), "%s", real[n] ? real + n : "/");
	return 0;
}

static long translated(long nr, const long a[6])
{
	const struct rump_sysrow *row = &rows[nr];
	char buf[2][8192];
	long b[6] = { a[0], a[1], a[2], a[3], a[4], a[5] }, ret;
	int i, n = 0;

	for (i = 0; i < 6; i++) {
		if (row->a[i].kind == RUMP_A_FD)
			b[i] += BASE;
		else if (row->a[i].kind == RUMP_A_DIR && (int)b[i] != AT_FDCWD)
			b[i++] += BASE;
		else if (row->a[i].kind == RUMP_A_PATH)
			b[i] = (long)full((const char *)a[i], buf[n++]);
	}
	ret = host_call6(nr, b[0], b[1], b[2], b[3], b[4], b[5]);
	return row->ret == RUMP_R_FD ? hide(ret) : ret;
}

API long rumpclient_syscall(long nr, const long a[6])
{
	struct pollfd *p = (struct pollfd *)a[0];
	char buf[64], link[8192];
	long ret, i, fd;
	size_t n;

	switch (nr) {
	case RUMP_CALL_FD_ATTACH:
		fd = host(SYS_fcntl, a[1], F_DUPFD_CLOEXEC, FAR);
		host(SYS_close, a[1]);
		far_of[a[0]] = fd;
		return 0;
	case RUMP_CALL_FD_ADOPT:
		return -ENXIO;
	case RUMP_CALL_POLL_ARM:
		return poll_arm(p, a[1], a[2]);
	case SYS_ppoll:
		for (i = 0; i < a[1]; i++)
			p[i].fd += p[i].fd >= 0 ? BASE : 0;
		ret = host_call6(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
		for (i = 0; i < a[1]; i++)
			p[i].fd -= p[i].fd >= 0 ? BASE : 0;
		return ret;
	case SYS_getcwd:
		n = strlen(cwd) + 1;
		if (n > (size_t)a[1])
			return -ERANGE;
		memcpy((char *)a[0], cwd, n);
		return n;
	case SYS_chdir:
		return do_chdir((const char *)a[0]);
	case SYS_fchdir:
		snprintf(buf, sizeof(buf), "/proc/self/fd/%ld", a[0] + BASE);
		ret = host(SYS_readlink, buf, link, sizeof(link) - 1);
		if (ret < 0)
			return ret;
		link[ret] = '\0';
		n = strlen(root);
		snprintf(cwd, sizeof(cwd), "%.4000s", link[n] ? link + n : "/");
		return 0;
	case SYS_readlink:
		if (strncmp((const char *)a[0], "/proc/self/fd/", 14) != 0)
			break;
		snprintf(buf, sizeof(buf), "/proc/self/fd/%d", atoi((const char *)a[0] + 14) + BASE);
		ret = host(SYS_readlink, buf, link, sizeof(link));
		n = strlen(root);
		if (ret < 0 || (size_t)ret < n)
			return ret;
		memcpy((char *)a[1], link + n, ret - n);
		return ret - n;
	case SYS_close:
		disarm(a[0]);
		if (far_of[a[0]])
			host(SYS_close, far_of[a[0]]);
		far_of[a[0]] = 0;
		return host(SYS_close, a[0] + BASE);
	}
	return nr >= 0 && nr < RUMP_NSYSROWS ? translated(nr, a) : -ENOSYS;
}

API long rumpclient_syscall_fd(long nr, const long a[6], int farfd)
{
	long rfd = rumpclient_syscall(nr, a);

	if (rfd < 0)
		host(SYS_close, farfd);
	else
		rumpclient_syscall(RUMP_CALL_FD_ATTACH, (const long[6]){ rfd, farfd });
	return rfd;
}

API long rumpclient_syscall_beside(long nr, const long a[6], struct pollfd *fds, unsigned int n,
    int *ready)
{
	(void)nr, (void)a, (void)fds, (void)n;
	*ready = 0;
	return -EOPNOTSUPP;
}

API int rumpclient_placeholder(int lowest, int cloexec, int *far)
{
	(void)lowest, (void)cloexec, (void)far;
	return -EAGAIN;
}

API int rumpclient_init(void)
{
	struct rlimit rl = { 20000, 20000 };

	host(SYS_prlimit64, 0, RLIMIT_NOFILE, &rl, NULL);
	if (getenv("MOCK_ROOT"))
		root = getenv("MOCK_ROOT");
	return 0;
}

API int rumpclient_is_remote(void)
{
	return 0;
}

API int rumpclient_prefork(struct rumpclient_fork *cookie)
{
	(void)cookie;
	return -EOPNOTSUPP;
}

API int rumpclient_fork_init(const struct rumpclient_fork *cookie)
{
	(void)cookie;
	return -EOPNOTSUPP;
}

API void rumpclient_fork_cancel(const struct rumpclient_fork *cookie)
{
	(void)cookie;
}

API int rumpclient_preexec(struct rumpclient_exec *x)
{
	memset(x, 0, sizeof(*x));
	return -EOPNOTSUPP;
}

int rumpclient_is_up(void)
{
	return 1;
}

int rumpclient_handover(void)
{
	return 0;
}

void rumpclient_exec_cancel(const struct rumpclient_exec *x)
{
	(void)x;
}

API int rumpclient_setconnretry(int64_t seconds)
{
	return seconds < RUMPCLIENT_RETRYCONN_DIE ? -EINVAL : 0;
}

API void rumpclient_on_lost(void (*fn)(void))
{
	(void)fn;
}

API int rumpclient_check(void)
{
	return 0;
}

API void rumpclient_limit_files(void)
{
}

API void rumpclient_on_no_kernel(void (*fn)(void))
{
	(void)fn;
}

void rumpclient_shutdown(void)
{
}

void rumpclient_signal_door(void)
{
}

/* What is blocked here is so in the host, which a handler ends by itself if it may. */
void rumpclient_interrupt(void)
{
}

void rumpclient_interrupt_end(void)
{
}

long rumpclient_sigaction(int sig, const void *act, void *oact)
{
	return host(SYS_rt_sigaction, sig, act, oact, sizeof(uint64_t));
}

API int rumpclient_owns_fd(int fd)
{
	return fd >= BASE;
}

API void rumpclient_on_own_fd(void (*fn)(int fd))
{
	(void)fn;
}

API void rumpclient_keep_access(void)
{
}

API int rumpclient_move_fd(int fd)
{
	(void)fd;
	return 0;
}
