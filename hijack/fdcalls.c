/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fdcalls.c - calls that make, copy and close descriptors, and what is not
 * plain routing among the calls on them.
 *
 * A rump descriptor is made together with its placeholder: a pair of AF_UNIX
 * sockets whose near end is what the program gets, at the number that the host
 * picks for it, and whose far end goes to the rump kernel along with the call.
 * The near end keeps the rump file alive wherever it is inherited to; what the
 * rump kernel writes into the far end is how the host's poll and epoll learn of
 * events.
 *
 * A child that shares the memory of its parent (vfork) closes and copies the
 * host's descriptors only; a rump file that it opens is held by the placeholder
 * alone.  After exec the new program finds out what it has (fdmap.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/openat2.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "epoll.h"
#include "links.h"

static void close_host(int fd)
{
	host(SYS_close, fd);
}

/* The same where just one number is left: the far end is beyond the limit for a moment. */
static long pair_at_limit(int type, int pair[2])
{
	struct rlimit old, more;
	long ret;

	if (host(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &old) < 0 || old.rlim_cur >= old.rlim_max)
		return -EMFILE;
	more = old;
	more.rlim_cur = old.rlim_max;
	host(SYS_prlimit64, 0, RLIMIT_NOFILE, &more, NULL);
	ret = host(SYS_socketpair, AF_UNIX, type, 0, pair);
	host(SYS_prlimit64, 0, RLIMIT_NOFILE, &old, NULL);
	if (ret == 0 && (rlim_t)pair[0] >= old.rlim_cur) {
		close_host(pair[0]);
		close_host(pair[1]);
		ret = -EMFILE;
	}
	return ret;
}

/* The placeholder: its near end, at scope.fdoff or above, and *far, which the next call takes. */
static long make_pair(int cloexec, int *far)
{
	int pair[2] = { -1, -1 }, type = SOCK_STREAM | (cloexec ? SOCK_CLOEXEC : 0);
	long near;

	hijack_enter();
	near = rumpclient_placeholder(scope.fdoff, cloexec, far);
	hijack_leave();
	if (near >= FDMAP_MAX) {
		close_host(near);
		near = -EMFILE;
	}
	if (near != -EAGAIN)
		return near;
	near = host(SYS_socketpair, AF_UNIX, type, 0, pair);
	if (near == -EMFILE)
		near = pair_at_limit(type, pair);
	if (near < 0)
		return near;
	near = pair[0];
	*far = pair[1];
	host(SYS_fcntl, *far, F_SETFD, FD_CLOEXEC);
	if (near < scope.fdoff) {
		near = host(SYS_fcntl, pair[0], cloexec ? F_DUPFD_CLOEXEC : F_DUPFD, scope.fdoff);
		close_host(pair[0]);
	}
	if (near >= FDMAP_MAX) {
		close_host(near);
		near = -EMFILE;
	}
	if (near < 0)
		close_host(*far);
	return near;
}

/* near is a new descriptor of the process for rfd. */
static long made(long near, long rfd)
{
	if (proc_is_vfork_child())
		rump(SYS_close, rfd);
	else
		fdmap_set_rump(near, rfd);
	return near;
}

long hijack_make_fd(long nr, const long a[6], int cloexec)
{
	int far;
	long near, rfd;

	near = make_pair(cloexec, &far);
	if (near < 0)
		return near;
	rfd = rump_call_fd(nr, a, far);
	if (rfd < 0 || rfd >= FDMAP_DEAD) {
		close_host(near);
		return rfd < 0 ? rfd : -EMFILE;
	}
	return made(near, rfd);
}

/* rfd stands for a file of the host's. */
static long take_hostfile(long rfd, int cloexec)
{
	long fd = rump(RUMP_CALL_HOST_GET, rfd);

	if (fd >= 0 && !cloexec)
		host(SYS_fcntl, fd, F_SETFD, 0);
	if (!proc_is_vfork_child())
		fdmap_set_unknown(fd);		/* it may be a placeholder of whatever kernel */
	return fd;
}

long hijack_attach_fd(long rfd, int cloexec)
{
	int far;
	long near, err;

	near = rfd < FDMAP_MAX ? make_pair(cloexec, &far) : -EMFILE;
	if (near >= 0) {
		err = rump(RUMP_CALL_FD_ATTACH, rfd, far);
		if (err == 0)
			return made(near, rfd);
		close_host(near);
		near = err == -EREMOTE ? take_hostfile(rfd, cloexec) : err;
	}
	rump(SYS_close, rfd);
	return near;
}

/* ---- open ------------------------------------------------------------------ */

/*
 * A file of the host that may have to be made, but not where a link leads into a prefix: the
 * kernel is not to follow links, unless they were looked at.
 */
static long open_here(long nr, const long a[6])
{
	int at = nr == SYS_openat || nr == SYS_openat2;
	struct open_how how = { .resolve = RESOLVE_NO_SYMLINKS };
	long ret;

	if (nr == SYS_openat2) {
		if (a[3] != sizeof(how))
			return host_pass(nr, a);
		how = *(const struct open_how *)a[2];
		how.resolve |= RESOLVE_NO_SYMLINKS;
	} else {
		how.flags = links_open_flags(nr, a);
		how.mode = a[nr == SYS_creat ? 1 : at + 2] & 07777;
	}
	ret = host_pass(SYS_openat2, (const long[6]){ at ? a[0] : AT_FDCWD, a[at], (long)&how,
	    sizeof(how) });
	switch (ret) {
	case -ELOOP:		/* and what may be said about the call itself */
	case -EINVAL:
	case -ENOSYS:
	case -EPERM:
		return links_follow(nr, a, -ELOOP, hijack_open, &ret) ? ret : host_pass(nr, a);
	}
	return ret;
}

long hijack_open(long nr, const long a[6])
{
	long b[6] = { a[0], a[1], a[2], a[3], a[4], a[5] };
	int at = nr != SYS_open && nr != SYS_creat, dirfd = at ? (int)a[0] : AT_FDCWD, err;
	const char *path = (const char *)a[at];
	uint64_t flags = links_open_flags(nr, a);
	struct where w;

	err = path_where(dirfd, path, &w);
	if (err < 0)
		return err;
	if (at)
		b[0] = w.dirfd;
	b[at] = (long)w.path;
	if (w.side == SIDE_HOST)
		return links_creates(nr, b) ? open_here(nr, b) : host_pass(nr, b);
	return hijack_make_fd(nr, b, (flags & O_CLOEXEC) != 0);
}

/* A call on one descriptor that returns another. */
long hijack_newfd(long nr, const long a[6])
{
	int rfd = fdmap_rump(a[0]), cloexec;

	if (rfd < 0)
		return host_pass(nr, a);
	cloexec = nr == SYS_open_by_handle_at ? (a[2] & O_CLOEXEC) != 0 : a[1] & 1;
	return hijack_make_fd(nr, (const long[6]){ rfd, a[1], a[2] }, cloexec);
}

/* ---- copies --------------------------------------------------------------------- */

/* Number fd is to be replaced: the library's own descriptor there moves away. */
static int make_room(int fd)
{
	int kind = fdmap_peek(fd), moved;

	if (rumpclient_owns_fd(fd)) {
		hijack_enter();
		moved = rumpclient_move_fd(fd);
		hijack_leave();
		return moved < 0 ? moved : 0;
	}
	return kind == FD_OWN ? -EBADF : 0;
}

static long dup_onto(long nr, const long a[6])
{
	int from = a[0], to = a[1], kind, num, was, was_num, err;
	long ret;

	if (from == to || proc_is_vfork_child()) {
		err = from == to ? 0 : make_room(to);
		return err < 0 ? err : host_pass(nr, a);
	}
	/* An unknown one stays that under its new number: whoever uses it asks. */
	kind = fdmap_peek(from);
	num = kind == FD_RUMP || kind == FD_EPOLL ? fdmap_num[from] : -1;
	err = kind == FD_OWN ? -EBADF : make_room(to);
	if (err < 0)
		return err;
	fdmap_hold(kind, num);
	was = fdmap_take(to, &was_num);
	ret = host_pass(nr, a);
	if (ret < 0) {
		if (was != FD_HOST)
			fdmap_set_copy(to, was, was_num);
	} else if (kind == FD_UNKNOWN) {
		fdmap_set_unknown(to);
	} else if (kind != FD_HOST) {
		fdmap_set_copy(to, kind, num);
	}
	fdmap_drop(kind, num);
	fdmap_drop(was, was_num);
	return ret;
}

/* fd is a fresh copy of from. */
static long copied(long fd, int from)
{
	int kind = fdmap_peek(from);

	if (fd < 0 || proc_is_vfork_child())
		return fd;
	if (fd >= FDMAP_MAX && kind == FD_RUMP) {
		close_host(fd);
		return -EMFILE;
	}
	if (kind == FD_UNKNOWN)
		fdmap_set_unknown(fd);
	else if (kind != FD_HOST)
		fdmap_set_copy(fd, kind, fdmap_num[from]);
	return fd;
}

long hijack_dup(long nr, const long a[6])
{
	if (nr != SYS_dup)
		return dup_onto(nr, a);
	if (fdmap_peek(a[0]) == FD_OWN || rumpclient_owns_fd(a[0]))
		return -EBADF;
	return copied(host(SYS_dup, a[0]), a[0]);
}

long hijack_fcntl(long nr, const long a[6])
{
	int cmd = a[1], kind = fdmap_peek(a[0]);

	if (kind == FD_OWN || rumpclient_owns_fd(a[0]))
		return -EBADF;
	switch (cmd) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return copied(host_pass(nr, a), a[0]);
	case F_GETFD:
	case F_SETFD:
		return host_pass(nr, a);
	}
	if (fdmap_get(a[0]) != FD_RUMP)
		return host_pass(nr, a);
	if (cmd == F_SETLK || cmd == F_SETLKW)
		fdmap_locks = 1;
	return rump(nr, fdmap_num[a[0]], a[1], a[2]);
}

/* ---- closing ---------------------------------------------------------------------- */

long hijack_close(long nr, const long a[6])
{
	int fd = a[0], kind, num;
	long ret, err;

	if (fdmap_peek(fd) == FD_OWN || rumpclient_owns_fd(fd))
		return -EBADF;
	if (proc_is_vfork_child())
		return host_pass(nr, a);
	/* First the map, then the host: afterwards the number is somebody else's. */
	kind = fdmap_take(fd, &num);
	ret = host_pass(nr, a);
	/* As programs do that close all that they might have: nothing is known of such a number. */
	if (ret == -EBADF && kind != FD_RUMP && kind != FD_EPOLL)
		fdmap_not_there(fd);
	err = fdmap_drop(kind, num);
	/* A kernel that is gone, or not this process's, has closed everything. */
	return ret < 0 ? ret : err == -ENOTCONN ? 0 : err;
}

#define OWN_MAX	(1U << 17)	/* the library's own descriptors are below */

/* Closes what the host has in [first, last], but for the library's own. */
static long close_gaps(unsigned int first, unsigned int last, unsigned int flags)
{
	unsigned int fd, from = first;
	long ret = 0;

	for (fd = first; fd <= last && fd < OWN_MAX; fd++) {
		if (fdmap_peek(fd) != FD_OWN && !rumpclient_owns_fd(fd))
			continue;
		if (fd > from)
			ret = host(SYS_close_range, from, fd - 1, flags);
		if (ret < 0)
			return ret;
		from = fd + 1;
	}
	return from > last ? 0 : host(SYS_close_range, from, last, flags);
}

long hijack_close_range(long nr, const long a[6])
{
	unsigned int first = a[0], last = a[1], flags = a[2], fd;
	int kind;

	if (first > last || (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)))
		return host_pass(nr, a);
	if (!(flags & CLOSE_RANGE_CLOEXEC) && !proc_is_vfork_child()) {
		for (fd = first; fd <= last && fd < (unsigned int)fdmap_top(); fd++) {
			kind = fdmap_peek(fd);
			if (kind == FD_RUMP || kind == FD_EPOLL)
				hijack_close(SYS_close, (const long[6]){ fd });
		}
	}
	return close_gaps(first, last, flags);
}

/*
 * What programs do without if it is not there: io_uring, which would carry rump descriptors past us,
 * and fsopen(2), which does not say yet where it is to be mounted, and so in whose kernel.
 */
long hijack_absent(long nr, const long a[6])
{
	(void)nr, (void)a;
	return -ENOSYS;
}

/* pidfd_getfd(2): what is taken from another process may be a placeholder. */
long hijack_taken(long nr, const long a[6])
{
	long fd = host_pass(nr, a);

	if (fd >= 0 && !proc_is_vfork_child())
		fdmap_set_unknown(fd);
	return fd;
}

/* RLIMIT_NOFILE of this process, or 0: to be asked for. */
static unsigned int limit;

unsigned int fd_limit(void)
{
	struct rlimit rl = { .rlim_cur = UINT_MAX };
	unsigned int n = __atomic_load_n(&limit, __ATOMIC_RELAXED);

	if (n)
		return n;
	host(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &rl);
	n = rl.rlim_cur < UINT_MAX ? rl.rlim_cur : UINT_MAX;
	if (!proc_is_vfork_child())
		__atomic_store_n(&limit, n, __ATOMIC_RELAXED);
	return n;
}

/* A limit on the size of files: what the library below writes for us is one, too. */
long hijack_rlimit(long nr, const long a[6])
{
	int what = nr == SYS_prlimit64 ? a[1] : a[0];
	long ret;

	if (what == RLIMIT_FSIZE && !proc_is_vfork_child())
		rumpclient_limit_files();
	ret = host_pass(nr, a);
	if (what == RLIMIT_NOFILE && !proc_is_vfork_child())
		__atomic_store_n(&limit, 0, __ATOMIC_RELAXED);
	return ret;
}

long hijack_umask(long nr, const long a[6])
{
	if (rumpclient_is_up() && !proc_is_vfork_child())
		rump_call(nr, a);
	return host_pass(nr, a);
}

long hijack_sync(long nr, const long a[6])
{
	if (scope.vfs_sync && rumpclient_is_up())
		rump_call(nr, a);
	return host_pass(nr, a);
}
