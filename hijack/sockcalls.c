/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sockcalls.c - sockets: made, accepted, named, and the descriptors that messages
 * carry.
 *
 * An AF_UNIX socket of the host that is bound or connected to a name of the rump
 * kernel becomes one of the rump kernel at that moment, at its number.
 *
 * Messages on a socket of the host carry rump descriptors as placeholders: the
 * receiver finds out what they are.  On a socket of the rump kernel descriptors
 * are translated, and the program's control data is left as it is; those of the host
 * are put into the rump kernel for the message's time (RUMP_CALL_HOST_PUT).
 *
 * Limits: copies of a socket that were made before it became the rump kernel's
 * are still the host's; sendto() from such a socket that is not connected goes to
 * the host.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "hijack.h"

/* ---- making --------------------------------------------------------------------- */

long hijack_socket(long nr, const long a[6])
{
	return hijack_make_fd(nr, a, (a[1] & SOCK_CLOEXEC) != 0);
}

/*
 * The placeholder is made before the call when that saves a round trip, and after
 * it where calls cost nothing: a call that finds nobody (EAGAIN) then needs none.
 */
long hijack_accept(long nr, const long a[6])
{
	int rfd = fdmap_rump(a[0]), cloexec = nr == SYS_accept4 && (a[3] & SOCK_CLOEXEC);
	unsigned int *len = (unsigned int *)a[2], room = a[1] && len ? *len : 0;
	long b[6] = { rfd, a[1], a[2], a[3] }, ret;

	if (rfd < 0)
		return host_pass(nr, a);
	if (rumpclient_is_remote() == 1) {
		ret = hijack_make_fd(nr, b, cloexec);
	} else {
		ret = rump_call(nr, b);
		if (ret >= 0)
			ret = hijack_attach_fd(ret, cloexec);
	}
	if (ret >= 0)
		unixname_out((void *)a[1], len, room);
	return ret;
}

long hijack_socketpair(long nr, const long a[6])
{
	int cloexec = (a[1] & SOCK_CLOEXEC) != 0, *out = (int *)a[3], rfd[2];
	long near[2], ret;

	if (!out)
		return -EFAULT;
	ret = rump(nr, a[0], a[1], a[2], (long)rfd);
	if (ret < 0)
		return ret;
	near[0] = hijack_attach_fd(rfd[0], cloexec);
	if (near[0] < 0) {
		rump(SYS_close, rfd[1]);
		return near[0];
	}
	near[1] = hijack_attach_fd(rfd[1], cloexec);
	if (near[1] < 0) {
		hijack_close(SYS_close, (const long[6]){ near[0] });
		return near[1];
	}
	out[0] = near[0];
	out[1] = near[1];
	return 0;
}

/* ---- names ------------------------------------------------------------------------ */

/* What a socket of the host was told before it became the rump kernel's. */
static void copy_options(int fd, int rfd)
{
	static const int names[] = { SO_PASSCRED, SO_RCVTIMEO, SO_SNDTIMEO };
	long val[2];
	socklen_t len;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		len = sizeof(val);
		if (host(SYS_getsockopt, fd, SOL_SOCKET, names[i], val, &len) == 0)
			rump(SYS_setsockopt, rfd, SOL_SOCKET, names[i], (long)val, len);
	}
}

/*
 * Socket fd of the host gives way to one of the rump kernel; its rump descriptor.  In a kernel that
 * is not booted nobody listens: who connects finds that out without it, as libc does, which looks
 * for nscd at each name of a user.
 */
static long move_over(int fd, int connects)
{
	int type = 0, cloexec;
	socklen_t len = sizeof(type);
	long err, flags, near, to;

	if (proc_is_vfork_child())
		return -EOPNOTSUPP;
	err = host(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &len);
	if (err < 0)
		return err;
	if (connects && !rumpclient_is_up())
		return -ENOENT;
	flags = host(SYS_fcntl, fd, F_GETFL, 0);
	cloexec = host(SYS_fcntl, fd, F_GETFD, 0) & FD_CLOEXEC;
	if (flags & O_NONBLOCK)
		type |= SOCK_NONBLOCK;
	near = hijack_make_fd(SYS_socket, (const long[6]){ AF_UNIX, type }, 1);
	if (near < 0)
		return near;
	copy_options(fd, fdmap_rump(near));
	to = hijack_dup(SYS_dup3, (const long[6]){ near, fd, cloexec ? O_CLOEXEC : 0 });
	hijack_close(SYS_close, (const long[6]){ near });
	return to < 0 ? to : fdmap_rump(fd);
}

/* bind and connect */
long hijack_address(long nr, const long a[6])
{
	unsigned int len = a[2];
	enum side side = SIDE_HOST;
	struct sockaddr_un un;
	const void *addr = unixname_in((const void *)a[1], &len, &un, &side);
	long rfd = fdmap_rump(a[0]);

	if (rfd < 0) {
		if (side == SIDE_HOST)
			return host_pass(nr, a);
		rfd = move_over(a[0], nr == SYS_connect);
		if (rfd < 0)
			return rfd;
	}
	return rump(nr, rfd, (long)addr, len);
}

long hijack_sendto(long nr, const long a[6])
{
	unsigned int len = a[5];
	enum side side;
	struct sockaddr_un un;
	const void *addr = a[4] ? unixname_in((const void *)a[4], &len, &un, &side) : NULL;
	int rfd = fdmap_rump(a[0]);

	return rfd < 0 ? host_pass(nr, a) : rump(nr, rfd, a[1], a[2], a[3], (long)addr, len);
}

/* getsockname, getpeername, recvfrom */
long hijack_named(long nr, const long a[6])
{
	int rfd = fdmap_rump(a[0]), at = nr == SYS_recvfrom ? 4 : 1;
	unsigned int *len = (unsigned int *)a[at + 1], room = a[at] && len ? *len : 0;
	long ret;

	if (rfd < 0)
		return host_pass(nr, a);
	ret = rump(nr, rfd, a[1], a[2], a[3], a[4], a[5]);
	if (ret >= 0)
		unixname_out((void *)a[at], len, room);
	return ret;
}

/* ---- messages ------------------------------------------------------------------------ */

#define CONTROL_MAX	4096	/* larger control data has no descriptors that Linux takes */
#define SCM_MAX_FD	253	/* nor have more than these */

#ifdef __GLIBC__
#define LONG_HEADERS	1
#define clear_padding(m)
#define clear_control(m)
#else
/*
 * musl's headers have padding where the kernel has upper halves of lengths; musl's functions
 * clear it, in copies of them.
 */
#define LONG_HEADERS	0
static void clear_padding(struct msghdr *m)
{
	m->__pad1 = m->__pad2 = 0;
}

static void clear_control(struct msghdr *m)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		c->__pad1 = 0;
}
#endif

static int *rights(const struct cmsghdr *c, size_t *n)
{
	if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len < CMSG_LEN(0))
		return NULL;
	*n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	return (int *)CMSG_DATA(c);
}

/* What a message is sent with, in the program's place. */
struct outgoing {
	struct msghdr m;
	struct sockaddr_un un;
	_Alignas(8) char control[CONTROL_MAX];
	int nput, put[SCM_MAX_FD];	/* rump descriptors that stand for the host's */
};

/*
 * The rump descriptor that is sent for the program's fd, or -errno.  -EBADF is one that the rump
 * kernel refuses, if it looks at all: a TCP socket does not.
 */
static long right_in(struct outgoing *o, int fd)
{
	long rfd = fdmap_rump(fd);

	if (rfd >= 0)
		return rfd;
	if (fdmap_peek(fd) == FD_OWN || rumpclient_owns_fd(fd))
		return -EBADF;
	if (o->nput == SCM_MAX_FD)
		return -EINVAL;			/* as Linux says it */
	rfd = rump(RUMP_CALL_HOST_PUT, fd);
	if (rfd >= 0)
		o->put[o->nput++] = rfd;
	return rfd;
}

/* The control data of the message, copied, with rump descriptors. */
static int rights_in(struct outgoing *o)
{
	struct msghdr *m = &o->m;
	struct cmsghdr *c;
	size_t n, i;
	long rfd;
	int *fds;

	if (!m->msg_control || m->msg_controllen > CONTROL_MAX)
		return 0;
	memcpy(o->control, m->msg_control, m->msg_controllen);
	m->msg_control = o->control;
	clear_control(m);
	for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if ((char *)c + c->cmsg_len > o->control + m->msg_controllen)
			break;				/* the kernel refuses it */
		fds = rights(c, &n);
		for (i = 0; fds && i < n; i++) {
			rfd = right_in(o, fds[i]);
			if (rfd < 0 && rfd != -EBADF)
				return rfd;
			fds[i] = rfd;
		}
	}
	return 0;
}

/* Rump descriptors that have come with m get placeholders; for what has none, as
 * the host says it: fewer, and MSG_CTRUNC. */
static void rights_out(struct msghdr *m, int cloexec)
{
	struct cmsghdr *c;
	size_t n, i;
	long fd;
	int *fds;

	for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		fds = rights(c, &n);
		for (i = 0; fds && i < n; i++) {
			fd = hijack_attach_fd(fds[i], cloexec);
			if (fd < 0) {
				c->cmsg_len = CMSG_LEN(i * sizeof(int));
				m->msg_flags |= MSG_CTRUNC;
				for (i++; i < n; i++)
					rump(SYS_close, fds[i]);
				break;
			}
			fds[i] = fd;
		}
	}
}

static long send_one(int rfd, const struct msghdr *theirs, int flags)
{
	struct outgoing o;
	enum side side;
	long ret;

	if ((unsigned long)theirs < 4096 ||
	    (LONG_HEADERS && !theirs->msg_controllen && !theirs->msg_name))
		return rump(SYS_sendmsg, rfd, (long)theirs, flags);
	o.m = *theirs;
	o.nput = 0;
	clear_padding(&o.m);
	if (o.m.msg_name)
		o.m.msg_name = (void *)unixname_in(o.m.msg_name, &o.m.msg_namelen, &o.un, &side);
	ret = rights_in(&o);
	if (ret == 0)
		ret = rump(SYS_sendmsg, rfd, (long)&o.m, flags);
	while (o.nput)
		rump(SYS_close, o.put[--o.nput]);
	return ret;
}

/* Has a message that needs a look? */
static int is_plain(const struct mmsghdr *v, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (!LONG_HEADERS || v[i].msg_hdr.msg_controllen || (v[i].msg_hdr.msg_name &&
		    ((struct sockaddr *)v[i].msg_hdr.msg_name)->sa_family == AF_UNIX))
			return 0;
	return 1;
}

long hijack_sendmsg(long nr, const long a[6])
{
	struct mmsghdr *v = (struct mmsghdr *)a[1];
	int rfd = fdmap_rump(a[0]);
	unsigned int i, n = a[2];
	long ret;

	if (rfd < 0)
		return host_pass(nr, a);
	if (nr == SYS_sendmsg)
		return send_one(rfd, (const struct msghdr *)a[1], a[2]);
	if (n > 1024)
		n = 1024;			/* UIO_MAXIOV, as Linux does */
	if ((unsigned long)v < 4096 || is_plain(v, n))
		return rump(nr, rfd, a[1], n, a[3]);
	for (i = 0; i < n; i++) {
		ret = send_one(rfd, &v[i].msg_hdr, a[3]);
		if (ret < 0)
			return i ? (long)i : ret;
		v[i].msg_len = ret;
	}
	return n;
}

/*
 * A message on a host socket may bring descriptors, placeholders among them:
 * their numbers are unknown again.
 */
static void note_rights(struct msghdr *m)
{
	struct cmsghdr *c;
	size_t n, i;
	int *fds;

	for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		fds = rights(c, &n);
		for (i = 0; fds && i < n; i++)
			fdmap_set_unknown(fds[i]);
	}
}

static void received(struct msghdr *m, int rfd, unsigned int room, int flags)
{
	if (rfd < 0) {
		note_rights(m);
		return;
	}
	unixname_out(m->msg_name, &m->msg_namelen, room);
	if (m->msg_controllen)
		rights_out(m, (flags & MSG_CMSG_CLOEXEC) != 0);
}

long hijack_recvmsg(long nr, const long a[6])
{
	int rfd = fdmap_rump(a[0]), flags = nr == SYS_recvmsg ? a[2] : a[3];
	struct mmsghdr *v = (struct mmsghdr *)a[1];
	unsigned int room = sizeof(struct sockaddr_un);
	long ret, i;

	if (nr == SYS_recvmsg && (unsigned long)a[1] >= 4096) {
		room = ((struct msghdr *)a[1])->msg_namelen;
		clear_padding((struct msghdr *)a[1]);
	}
	ret = rfd < 0 ? host_pass(nr, a) : rump(nr, rfd, a[1], a[2], a[3], a[4]);
	if (ret < 0 || proc_is_vfork_child())
		return ret;
	if (nr == SYS_recvmsg)
		received((struct msghdr *)a[1], rfd, room, flags);
	else
		for (i = 0; i < ret; i++)
			received(&v[i].msg_hdr, rfd, v[i].msg_hdr.msg_namelen, flags);
	return ret;
}
