/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * route.c - carries out a system call on the kernel that it is for.
 *
 * What to do is the call's row in <rump/syscalls.def>.  "route" translates the
 * row's descriptors and names and gives the call to their kernel; all must be
 * of one kernel, else EXDEV.  The other words are functions in fdcalls.c,
 * pathcalls.c, map.c, aio.c, inotify.c, poll.c, epoll.c, move.c, proc.c and exec.c.
 */
#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

#include "links.h"

__thread volatile int hijack_depth __attribute__((tls_model("initial-exec")));

const struct rump_sysrow hijack_rows[RUMP_NSYSROWS] = {
#define S(name, ret, how, ...)	[SYS_##name] = RUMP_SYSROW(ret, __VA_ARGS__),
#include <rump/syscalls.def>
};

const uint8_t hijack_how[RUMP_NSYSROWS] = {
#define S(name, ret, how, ...)	[SYS_##name] = HOW_##how,
#include <rump/syscalls.def>
};

uint8_t hijack_class[RUMP_NSYSROWS];

static int names_something(int kind)
{
	return kind == RUMP_A_FD || kind == RUMP_A_DIR || kind == RUMP_A_PATH;
}

/*
 * A call is decided by its first argument if that is a descriptor, the row has
 * no other descriptor or name, and its word looks at nothing else.
 */
static int class_of(const struct rump_sysrow *row, int how)
{
	int i;

	switch (how) {
	case HOW_none:
	case HOW_host:
		return CLASS_HOST;
	case HOW_route:
	case HOW_newfd:
	case HOW_close:
	case HOW_fcntl:
	case HOW_accept:
	case HOW_sendmsg:
	case HOW_sendto:
	case HOW_named:
	case HOW_epoll_wait:
		break;
	default:
		return CLASS_ASK;
	}
	for (i = 1; i < 6; i++)
		if (names_something(row->a[i].kind))
			return CLASS_ASK;
	return row->a[0].kind == RUMP_A_FD ? CLASS_FD : CLASS_ASK;
}

void hijack_classify(void)
{
	int nr;

	for (nr = 0; nr < RUMP_NSYSROWS; nr++)
		hijack_class[nr] = class_of(&hijack_rows[nr], hijack_how[nr]);
}

/* The kernel of one descriptor; *num is its number there. */
static enum side fd_side(long fd, long *num)
{
	int rfd = fdmap_rump(fd);

	if (rfd < 0)
		return SIDE_HOST;
	*num = rfd;
	return SIDE_RUMP;
}

long hijack_route(long nr, const long a[6])
{
	const struct rump_sysrow *row = &hijack_rows[nr];
	struct where *where;
	long b[6] = { a[0], a[1], a[2], a[3], a[4], a[5] };
	int sides[2] = { 0, 0 };
	int i, err, names = 0;
	enum side side;

	for (i = 0; i < 6; i++)
		names += row->a[i].kind == RUMP_A_DIR || row->a[i].kind == RUMP_A_PATH;
	/* No more than it takes: threads of libc's own may have a stack of few pages. */
	where = alloca(names * sizeof(*where)); /* cppcheck-suppress allocaCalled */
	names = 0;
	for (i = 0; i < 6; i++) {
		switch (row->a[i].kind) {
		case RUMP_A_FD:
			side = fd_side(a[i], &b[i]);
			break;
		case RUMP_A_DIR:
			err = path_where(a[i], (const char *)a[i + 1], &where[names]);
			if (err < 0)
				return err;
			side = where[names].side;
			b[i] = where[names].dirfd;
			b[++i] = (long)where[names++].path;
			break;
		case RUMP_A_PATH:
			err = path_where(AT_FDCWD, (const char *)a[i], &where[names]);
			if (err < 0)
				return err;
			side = where[names].side;
			b[i] = (long)where[names++].path;
			break;
		default:
			continue;
		}
		sides[side]++;
	}
	if (sides[SIDE_HOST] && sides[SIDE_RUMP])
		return -EXDEV;
	return sides[SIDE_RUMP] ? rump_call(nr, b) : host_pass(nr, b);
}

static hijack_fn *const handlers[HOW_COUNT] = {
	[HOW_none] = host_pass,
	[HOW_host] = host_pass,
	[HOW_route] = hijack_route,
	[HOW_open] = hijack_open,
	[HOW_newfd] = hijack_newfd,
	[HOW_close] = hijack_close,
	[HOW_close_range] = hijack_close_range,
	[HOW_dup] = hijack_dup,
	[HOW_fcntl] = hijack_fcntl,
	[HOW_ioctl] = hijack_ioctl,
	[HOW_mmap] = hijack_mmap,
	[HOW_mremap] = hijack_mremap,
	[HOW_msync] = hijack_msync,
	[HOW_aio] = hijack_aio,
	[HOW_inotify] = hijack_inotify,
	[HOW_socket] = hijack_socket,
	[HOW_socketpair] = hijack_socketpair,
	[HOW_accept] = hijack_accept,
	[HOW_sendmsg] = hijack_sendmsg,
	[HOW_recvmsg] = hijack_recvmsg,
	[HOW_address] = hijack_address,
	[HOW_sendto] = hijack_sendto,
	[HOW_named] = hijack_named,
	[HOW_sendfile] = hijack_sendfile,
	[HOW_splice] = hijack_splice,
	[HOW_poll] = hijack_poll,
	[HOW_select] = hijack_select,
	[HOW_epoll_create] = hijack_epoll_create,
	[HOW_epoll_ctl] = hijack_epoll_ctl,
	[HOW_epoll_wait] = hijack_epoll_wait,
	[HOW_chdir] = hijack_chdir,
	[HOW_getcwd] = hijack_getcwd,
	[HOW_readlink] = hijack_readlink,
	[HOW_mount] = hijack_mount,
	[HOW_umask] = hijack_umask,
	[HOW_chroot] = hijack_chroot,
	[HOW_sync] = hijack_sync,
	[HOW_clone] = hijack_clone,
	[HOW_exec] = hijack_exec,
	[HOW_exit] = hijack_exit,
	[HOW_seccomp] = hijack_seccomp,
	[HOW_absent] = hijack_absent,
	[HOW_taken] = hijack_taken,
	[HOW_sigaction] = hijack_sigaction,
	[HOW_rlimit] = hijack_rlimit,
	[HOW_rights] = hijack_rights,
};

/* What may not come back, or comes back twice, goes inside by itself where it must. */
static int stays_outside(int how)
{
	switch (how) {
	case HOW_none:
	case HOW_host:
	case HOW_clone:
	case HOW_exec:
	case HOW_exit:
	case HOW_sigaction:
	case HOW_rights:
		return 1;
	}
	return 0;
}

static long carry_out(long nr, const long a[6])
{
	int how = hijack_how[nr];
	bool again;
	long ret;

	do {
		hijack_enter();
		ret = handlers[how](nr, a);
		hijack_depth--;
		again = !door_waiting || door_open(nr);
	} while (ret == -RUMP_ERESTARTSYS && again);
	return ret == -RUMP_ERESTARTSYS ? -EINTR : ret;
}

/* (An exec leaves the frames that it comes through for good: none with room for a result is to be.) */
static long __attribute__((noinline)) carry_out_by_links(long nr, const long a[6], long err)
{
	long ret;

	return links_follow(nr, a, err, carry_out, &ret) ? ret : err;
}

static long __attribute__((noinline)) carry_out_all(long nr, const long a[6])
{
	long ret;

	if (scope.shadow && links_follow(nr, a, 0, carry_out, &ret))
		return ret;
	ret = carry_out(nr, a);
	/* EXDEV: of one kernel by its text, and of the other one */
	return links_error(ret) || ret == -EXDEV ? carry_out_by_links(nr, a, ret) : ret;
}

long hijack_call(long nr, const long a[6])
{
	int how = hijack_how[nr];

	/* An exec looks for links itself, since it is to know the name that it was given. */
	return stays_outside(how) ? handlers[how](nr, a) : carry_out_all(nr, a);
}

long hijack_slow(long nr, const long a[6], long err)
{
	return err < 0 ? carry_out_by_links(nr, a, err) : hijack_call(nr, a);
}
