/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rights.c - descriptors in messages over sockets of the rump kernel (SCM_RIGHTS).
 *
 * As in the library (hijack/sockcalls.c): the control data that the rump kernel gets is a copy,
 * with its own descriptors; those of the host are put into it for the message's time.  What
 * comes is made the target's, which gets its numbers.
 *
 * Limit: of recvmmsg(2) with room for control data there is one message at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "trap.h"

#define CONTROL_MAX	4096	/* larger control data has no descriptors that Linux takes */
#define SCM_MAX_FD	253	/* nor have more than these */

struct sending {
	struct call *call;
	int n, put[SCM_MAX_FD];		/* rump descriptors that stand for the host's */
	int nused;
	struct object *used[SCM_MAX_FD];
};

static int *rights_of(const struct cmsghdr *cm, const char *end, size_t *n)
{
	size_t room = end - (const char *)cm;

	if (room < sizeof(*cm) || cm->cmsg_len > room || cm->cmsg_len < CMSG_LEN(0) ||
	    cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
		return NULL;
	*n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	return (int *)CMSG_DATA(cm);
}

/* ---- sending ------------------------------------------------------------------------------- */

/* The rump descriptor that is sent for the target's fd, or -errno. */
static long right_in(struct sending *s, int fd)
{
	struct object *o = object_at(s->call, fd);
	long copy, rfd;

	if (s->n == SCM_MAX_FD || s->nused == SCM_MAX_FD) {
		if (o)
			object_put(o);
		return -EINVAL;			/* as Linux says it */
	}
	if (o) {
		s->used[s->nused++] = o;
		return object_rfd(o);
	}
	copy = target_fd(s->call->tid, fd);
	if (copy < 0)
		return -EBADF;
	rfd = own(RUMP_CALL_HOST_PUT, copy);
	close(copy);
	if (rfd >= 0)
		s->put[s->n++] = rfd;
	return rfd;
}

static int rights_in(struct sending *s, struct msghdr *m, char *control)
{
	struct msghdr here = { .msg_control = control, .msg_controllen = m->msg_controllen };
	const char *end = control + m->msg_controllen;
	struct cmsghdr *cm;
	size_t n, i;
	long rfd;
	int *fds;

	for (cm = CMSG_FIRSTHDR(&here); cm; cm = CMSG_NXTHDR(&here, cm)) {
		fds = rights_of(cm, end, &n);
		for (i = 0; fds && i < n; i++) {
			rfd = right_in(s, fds[i]);
			if (rfd < 0)
				return rfd;
			fds[i] = rfd;
		}
		if (cm->cmsg_len < sizeof(*cm))
			break;				/* the kernel refuses it */
	}
	return 0;
}

static long send_one(struct call *c, int rfd, uint64_t theirs, int flags)
{
	struct sending s = { .call = c };
	size_t used = c->used;
	struct msghdr m, *own_m;
	uint64_t at, control_at;
	char *control;
	long ret;

	if (target_read(c, &m, theirs, sizeof(m)) != sizeof(m))
		return -EFAULT;
	if (!m.msg_control || !m.msg_controllen || m.msg_controllen > CONTROL_MAX)
		return call_make(c, SYS_sendmsg, (const long[6]){ rfd, theirs, flags });
	control = room_in(c, m.msg_controllen, &control_at);
	own_m = room_in(c, sizeof(m), &at);
	if (!control || !own_m)
		return -ENOBUFS;
	if (target_read(c, control, (uint64_t)m.msg_control, m.msg_controllen) != m.msg_controllen)
		return -EFAULT;
	ret = rights_in(&s, &m, control);
	m.msg_control = (void *)control_at;
	*own_m = m;
	if (ret == 0)
		ret = call_make(c, SYS_sendmsg, (const long[6]){ rfd, at, flags });
	while (s.n)
		own(SYS_close, s.put[--s.n]);
	while (s.nused)
		object_put(s.used[--s.nused]);
	c->used = used;
	return ret;
}

long send_rights(struct call *c, const long a[6])
{
	unsigned int i, n = a[2] > 1024 ? 1024 : a[2], len;
	uint64_t at;
	long ret;

	if (c->nr == SYS_sendmsg)
		return send_one(c, a[0], a[1], a[2]);
	for (i = 0; i < n; i++) {
		at = a[1] + i * sizeof(struct mmsghdr);
		ret = send_one(c, a[0], at, a[3]);
		if (ret < 0)
			return i ? (long)i : ret;
		len = ret;
		if (target_write(c, at + offsetof(struct mmsghdr, msg_len), &len, sizeof(len)) !=
		    sizeof(len))
			return -EFAULT;
	}
	return n;
}

/* ---- receiving ------------------------------------------------------------------------------ */

/* The number that the target gets for what has come, or -errno; rfd is used up. */
static long right_out(struct call *c, int rfd, int cloexec)
{
	struct seccomp_notif_addfd add = {
		.id = c->id, .newfd_flags = cloexec ? O_CLOEXEC : 0,
	};
	long fd = own(RUMP_CALL_HOST_GET, rfd), ret;

	if (fd < 0)
		return give_new(c, rfd, cloexec);
	own(SYS_close, rfd);
	add.srcfd = fd;
	ret = ioctl(c->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
	ret = ret < 0 ? -errno : ret;
	close(fd);
	return ret;
}

/* For what has no number: fewer, and MSG_CTRUNC, as the host says it. */
static void rights_out(struct call *c, struct msghdr *m, char *control, int cloexec)
{
	struct msghdr here = { .msg_control = control, .msg_controllen = m->msg_controllen };
	struct cmsghdr *cm;
	size_t n, i;
	long fd = 0;
	int *fds;

	for (cm = CMSG_FIRSTHDR(&here); cm; cm = CMSG_NXTHDR(&here, cm)) {
		fds = rights_of(cm, control + m->msg_controllen, &n);
		for (i = 0; fds && i < n; i++) {
			fd = right_out(c, fds[i], cloexec);
			if (fd < 0)
				break;
			fds[i] = fd;
		}
		if (!fds || i == n)
			continue;
		cm->cmsg_len = CMSG_LEN(i * sizeof(int));
		m->msg_flags |= MSG_CTRUNC;
		while (++i < n)
			own(SYS_close, fds[i]);
	}
}

static long receive_one(struct call *c, int rfd, uint64_t theirs, int flags)
{
	struct msghdr m, *own_m;
	uint64_t at, control_at;
	void *their_control;
	char *control;
	long ret;

	if (target_read(c, &m, theirs, sizeof(m)) != sizeof(m))
		return -EFAULT;
	if (!m.msg_control || !m.msg_controllen)
		return call_make(c, SYS_recvmsg, (const long[6]){ rfd, theirs, flags });
	their_control = m.msg_control;
	if (m.msg_controllen > CONTROL_MAX)
		m.msg_controllen = CONTROL_MAX;
	control = room_in(c, m.msg_controllen, &control_at);
	own_m = room_in(c, sizeof(m), &at);
	if (!control || !own_m)
		return -ENOBUFS;
	memset(control, 0, m.msg_controllen);
	*own_m = m;
	own_m->msg_control = (void *)control_at;
	ret = call_make(c, SYS_recvmsg, (const long[6]){ rfd, at, flags });
	if (ret < 0)
		return ret;
	m = *own_m;
	m.msg_control = their_control;
	rights_out(c, &m, control, (flags & MSG_CMSG_CLOEXEC) != 0);
	if (target_write(c, (uint64_t)their_control, control, m.msg_controllen) != m.msg_controllen ||
	    target_write(c, theirs, &m, sizeof(m)) != sizeof(m))
		return -EFAULT;
	return ret;
}

long receive_rights(struct call *c, const long a[6])
{
	struct mmsghdr first;
	unsigned int len;
	long ret;

	if (c->nr == SYS_recvmsg)
		return receive_one(c, a[0], a[1], a[2]);
	if (a[2] < 1 || target_read(c, &first, a[1], sizeof(first)) != sizeof(first) ||
	    !first.msg_hdr.msg_controllen)
		return call_make(c, c->nr, a);
	ret = receive_one(c, a[0], a[1], a[3] & ~MSG_WAITFORONE);
	if (ret < 0)
		return ret;
	len = ret;
	return target_write(c, a[1] + offsetof(struct mmsghdr, msg_len), &len, sizeof(len)) ==
	    sizeof(len) ? 1 : -EFAULT;
}
