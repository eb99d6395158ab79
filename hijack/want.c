/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * want.c - could this system call concern the rump kernel?
 *
 * Asked for every call that the two instructions' worth of check in front of it
 * (hijack_class, the kind of the first descriptor) could not settle.  Compiled
 * to use general registers only, so that a host call at a patched site need not
 * save the vector state; it therefore calls nothing but such code, except once:
 * the library's initialisation, when it is used before its constructor ran.
 * "Yes" is never wrong, just slower.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>

#include "epoll.h"
#include "links.h"

static int not_host(long fd)
{
	return fdmap_peek(fd) != FD_HOST;
}

static int want_poll(const struct pollfd *fds, unsigned long n)
{
	unsigned long i;

	if (n > FDMAP_MAX || !fds)
		return 0;
	for (i = 0; i < n; i++)
		if (fds[i].fd >= 0 && not_host(fds[i].fd))
			return 1;
	return 0;
}

static int want_select(long n, const unsigned long *r, const unsigned long *w,
    const unsigned long *x)
{
	unsigned long bits;
	long i, base;

	if (n > FD_SETSIZE)
		return 1;		/* poll.c finds out how much of it is there */
	for (base = 0; base < n; base += 64) {
		bits = (r ? r[base / 64] : 0) | (w ? w[base / 64] : 0) | (x ? x[base / 64] : 0);
		for (; bits; bits &= bits - 1) {
			i = base + __builtin_ctzl(bits);
			if (i < n && not_host(i))
				return 1;
		}
	}
	return 0;
}

static int want_aio(long n, struct iocb *const *list)
{
	long i;

	for (i = 0; list && i < n; i++)
		if (list[i] && not_host(list[i]->aio_fildes))
			return 1;
	return 0;
}

static int want_by_row(const struct rump_sysrow *row, const long a[6])
{
	int i, names = 0;

	for (i = 0; i < 6; i++) {
		switch (row->a[i].kind) {
		case RUMP_A_FD:
			if (not_host(a[i]))
				return 1;
			break;
		case RUMP_A_DIR:
			if (path_maybe(a[i], (const char *)a[i + 1]))
				return 1;
			names = 1;
			i++;
			break;
		case RUMP_A_PATH:
			if (path_maybe(AT_FDCWD, (const char *)a[i]))
				return 1;
			names = 1;
			break;
		}
	}
	return names ? scope.names : WANT_HOST;
}

/* A child that is a process, but shares our memory until its exec. */
static int makes_process(long nr, const long a[6])
{
	uint64_t flags = nr == SYS_clone ? (uint64_t)a[0] : nr == SYS_vfork ? CLONE_VM :
	    nr == SYS_clone3 && a[0] ? ((const struct clone_args *)a[0])->flags : 0;

	return (flags & CLONE_VM) && !(flags & CLONE_THREAD);
}

int hijack_want(long nr, const long a[6])
{
	int i;

	if ((unsigned long)nr >= RUMP_NSYSROWS || hijack_depth)
		return 0;
	if (hijack_state <= 0) {
		if (hijack_state == 0)
			hijack_init();
		if (hijack_state <= 0)
			return 0;
	}
	switch (hijack_how[nr]) {
	case HOW_none:
	case HOW_host:
		return 0;
	case HOW_socket:
	case HOW_socketpair:
		return scope_socket(&scope, a[0], a[1], a[2]);
	case HOW_address:
		if (not_host(a[0]))
			return WANT_CALL;
		return unixname_maybe((const void *)a[1], a[2]);
	case HOW_open:
		return links_creates(nr, a) ? WANT_CALL : want_by_row(&hijack_rows[nr], a);
	case HOW_poll:
		return want_poll((const struct pollfd *)a[0], (unsigned int)a[1]);
	case HOW_select:
		return want_select((int)a[0], (const unsigned long *)a[1],
		    (const unsigned long *)a[2], (const unsigned long *)a[3]);
	case HOW_epoll_ctl:
		if (not_host(a[0]) || not_host(a[2]))
			return 1;
		epoll_note_inner(a[2]);
		return 0;
	case HOW_mmap:
		return !(a[3] & MAP_ANONYMOUS) && not_host(a[4]);
	case HOW_aio:
		return want_aio(a[1], (struct iocb *const *)a[2]);
	case HOW_mremap:
	case HOW_msync:
		return map_maybe(a[0], a[1] ? a[1] : 1);
	case HOW_ioctl:
		return not_host(a[0]) || ifioctl_maybe(a[1]);
	case HOW_dup:
		return not_host(a[0]) || (nr != SYS_dup && not_host(a[1]));
	case HOW_recvmsg:
		/* Descriptors may come along: they are unknown ones. */
		if (nr == SYS_recvmsg && a[1])
			return not_host(a[0]) || ((const struct msghdr *)a[1])->msg_controllen;
		return 1;
	case HOW_getcwd:
		return path_cwd_is_rump();
	case HOW_clone:
		/* What shares memory is a thread, or will exec: the last moment for an
		 * embedded kernel.  (Calls of functions: no vector state is alive.) */
		if (makes_process(nr, a))
			proc_handover();
		if (nr == SYS_clone)
			return !(a[0] & CLONE_VM) && !a[1];
		if (nr == SYS_clone3)
			return a[0] && !(((const struct clone_args *)a[0])->flags & CLONE_VM) &&
			    !((const struct clone_args *)a[0])->stack;
		return 1;
	case HOW_seccomp:
		return nr == SYS_prctl ? a[0] == PR_SET_SECCOMP && a[1] == SECCOMP_MODE_FILTER :
		    a[0] == SECCOMP_SET_MODE_FILTER;
	case HOW_rlimit:
		i = nr == SYS_prlimit64 ? a[1] : a[0];
		return (i == RLIMIT_FSIZE || i == RLIMIT_NOFILE) && (nr != SYS_prlimit64 || a[2]);
	case HOW_umask:
	case HOW_sync:
	case HOW_close_range:
	case HOW_exec:
	case HOW_exit:
	case HOW_chdir:
	case HOW_epoll_create:
	case HOW_absent:
	case HOW_taken:
	case HOW_sigaction:
	case HOW_chroot:
	case HOW_rights:
		return 1;
	default:
		return want_by_row(&hijack_rows[nr], a);
	}
}
