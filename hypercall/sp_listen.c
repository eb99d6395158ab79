/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sp_listen.c - the socket that a server listens on.
 *
 * A socket file may be in the way.  If somebody answers there, it is another
 * server's, and stays; if nobody does, its server was killed, and it goes.  The
 * directory is locked meanwhile, so that of two servers that start at the same
 * time one wins and the other one is told.  The socket gets its name when it
 * listens already: who sees the file can connect.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "hostcall.h"
#include "internal.h"
#include "sp_listen.h"
#include "sp_url.h"
#include "sp_who.h"

#define BACKLOG	1024

static struct {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	dev_t dev;
	ino_t ino;
	pid_t pid;
} name;

static int complain(const char *url, const char *what, int err)
{
	char line[512];
	int n;

	n = snprintf(line, sizeof(line), "%s: %s: %s\n", program_invocation_short_name, url, what);
	if (n >= (int)sizeof(line))
		n = sizeof(line) - 1;
	host(SYS_write, 2, line, n);
	return err;
}

/* Returns 0 if the path is free (now), or -errno and *why. */
static int clear_path(const struct sockaddr_un *sun, socklen_t len, const char **why)
{
	struct stat st;
	long fd, err;

	err = host(SYS_lstat, sun->sun_path, &st);
	if (err == -ENOENT)
		return 0;
	if (err) {
		*why = strerror(-err);
		return err;
	}
	*why = "exists and is not a socket";
	if (!S_ISSOCK(st.st_mode))
		return -EADDRINUSE;
	*why = "cannot make a socket";
	fd = host(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	err = host(SYS_connect, fd, sun, len);
	host(SYS_close, fd);
	if (err == -ECONNREFUSED) {
		err = host(SYS_unlink, sun->sun_path);
		*why = "a stale socket cannot be removed";
		return err;
	}
	*why = "in use by another server";
	return -EADDRINUSE;
}

static int lock_directory(const char *path)
{
	char dir[sizeof(name.path)];
	char *slash;
	long fd;

	strcpy(dir, path);
	slash = strrchr(dir, '/');
	if (!slash)
		strcpy(dir, ".");
	else if (slash == dir)
		slash[1] = '\0';
	else
		*slash = '\0';
	fd = host(SYS_open, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd >= 0)
		host(SYS_flock, fd, LOCK_EX);
	return fd;
}

static int bind_path(int fd, const struct sockaddr_un *sun, socklen_t len, const char **why)
{
	struct sockaddr_un first = *sun;
	size_t n = strlen(sun->sun_path);
	struct stat st;
	long lock, err;

	lock = lock_directory(sun->sun_path);
	if (lock < 0) {
		*why = strerror(-lock);
		return lock;
	}
	err = clear_path(sun, len, why);
	if (!err && n + 1 < sizeof(first.sun_path)) {
		strcpy(first.sun_path + n, "~");
		host(SYS_unlink, first.sun_path);
		len++;
	}
	if (!err) {
		/* The mode of the socket is the mode of its file from the first moment, but
		 * for the umask. */
		host(SYS_fchmod, fd, 0600);
		err = host(SYS_bind, fd, &first, len);
		if (!err)
			err = host(SYS_chmod, first.sun_path, sp_socket_mode());
		if (!err)
			err = host(SYS_listen, fd, BACKLOG);
		if (!err && strcmp(first.sun_path, sun->sun_path))
			err = host(SYS_rename, first.sun_path, sun->sun_path);
		*why = strerror(-err);
	}
	if (!err && host(SYS_lstat, sun->sun_path, &st) == 0) {
		strcpy(name.path, sun->sun_path);
		name.dev = st.st_dev;
		name.ino = st.st_ino;
		name.pid = host(SYS_getpid, 0);
	}
	host(SYS_close, lock);
	return err;
}

int sp_listen(const char *url)
{
	struct sockaddr_un sun;
	const char *why;
	socklen_t len;
	long fd, err;

	why = sp_url_parse(url, &sun, &len);
	if (why)
		return complain(url, why, -EINVAL);
	fd = host(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return complain(url, strerror(-fd), fd);
	if (sun.sun_path[0]) {
		err = bind_path(fd, &sun, len, &why);
	} else {
		err = host(SYS_bind, fd, &sun, len);
		if (!err)
			err = host(SYS_listen, fd, BACKLOG);
		why = err == -EADDRINUSE ? "in use by another server" : strerror(-err);
	}
	if (err) {
		host(SYS_close, fd);
		return complain(url, why, err);
	}
	return fd;
}

void sp_unlisten(void)
{
	struct stat st;

	if (name.path[0] && name.pid == host(SYS_getpid, 0) &&
	    host(SYS_lstat, name.path, &st) == 0 &&
	    st.st_dev == name.dev && st.st_ino == name.ino)
		host(SYS_unlink, name.path);
	name.path[0] = '\0';
}
