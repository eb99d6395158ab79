/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fdmap.c - the fd map and dup2 table.
 *
 * Every descriptor number is the host's.  A rump descriptor is a placeholder of
 * the host at its number (one end of a socketpair, see fdcalls.c), so numbers,
 * copies, close-on-exec, limits and inheritance are what the host makes of
 * them; this map only remembers which numbers are placeholders, and for what.
 *
 * Copies of one rump descriptor (dup) share it: they cost no call of the rump
 * kernel, only a count here; the last one to go closes it.
 *
 * A number that the program inherited is unknown until it is used.  Then it is
 * asked: first the host, whether it could be a placeholder at all, then the
 * rump kernel.  That is how descriptors are found again after an exec that the
 * library saw nothing of.
 *
 * Storage is static and all zeroes at start (unknown); untouched pages cost
 * nothing.  A kind is stored last and loaded first, so readers need no lock.
 * Two threads that close, replace or make the same number at once get one of
 * the possible results, as from the host.
 *
 * When the server is gone, the numbers of its descriptors could come again on the
 * next one.  So all of them get the number FDMAP_DEAD, which no kernel gives.
 *
 * Limit: numbers from FDMAP_MAX on cannot be rump descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "hijack.h"

uint8_t fdmap_kind[FDMAP_MAX];
int32_t fdmap_num[FDMAP_MAX];
static uint32_t refs[FDMAP_MAX];	/* per rump descriptor: numbers that name it */
static int top;
int fdmap_locks;

static void set_kind(int fd, int kind)
{
	__atomic_store_n(&fdmap_kind[fd], kind, __ATOMIC_RELEASE);
}

static void raise_top(int fd)
{
	int old = __atomic_load_n(&top, __ATOMIC_RELAXED);

	while (fd >= old && !__atomic_compare_exchange_n(&top, &old, fd + 1, 0,
	    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

int fdmap_top(void)
{
	return __atomic_load_n(&top, __ATOMIC_RELAXED);
}

void fdmap_hold(int kind, int num)
{
	if (kind == FD_RUMP)
		__atomic_add_fetch(&refs[num], 1, __ATOMIC_RELAXED);
	else if (kind == FD_EPOLL)
		epoll_ref(num);
}

long fdmap_drop(int kind, int num)
{
	if (kind == FD_EPOLL)
		epoll_unref(num);
	else if (kind == FD_RUMP && num != FDMAP_DEAD &&
	    __atomic_sub_fetch(&refs[num], 1, __ATOMIC_ACQ_REL) == 0) {
		epoll_forget(num);
		return rump(SYS_close, num);
	} else if (kind == FD_RUMP && num != FDMAP_DEAD && fdmap_locks) {
		/* Whichever copy is closed, a process's locks on the file are gone. */
		rump(SYS_fcntl, num, F_SETLK, (long)&(struct flock){ .l_type = F_UNLCK });
	}
	return 0;
}

void fdmap_lost(void)
{
	int fd, num;

	for (fd = 0; fd < fdmap_top(); fd++) {
		if (fdmap_peek(fd) != FD_RUMP)
			continue;
		num = __atomic_exchange_n(&fdmap_num[fd], FDMAP_DEAD, __ATOMIC_ACQ_REL);
		if (num != FDMAP_DEAD)
			__atomic_sub_fetch(&refs[num], 1, __ATOMIC_RELAXED);
	}
	epoll_lost();
}

/* The reference is the new number's already. */
static void put(int fd, int kind, int num)
{
	__atomic_store_n(&fdmap_num[fd], num, __ATOMIC_RELAXED);
	set_kind(fd, kind);
	raise_top(fd);
}

void fdmap_set_rump(int fd, int rfd)
{
	fdmap_hold(FD_RUMP, rfd);
	put(fd, FD_RUMP, rfd);
}

void fdmap_set_epoll(int fd, int index)
{
	fdmap_hold(FD_EPOLL, index);
	put(fd, FD_EPOLL, index);
}

void fdmap_set_own(int fd)
{
	if (fd < FDMAP_MAX)
		set_kind(fd, FD_OWN);
}

void fdmap_set_unknown(int fd)
{
	if (fd >= 0 && fd < FDMAP_MAX)
		set_kind(fd, FD_UNKNOWN);
}

void fdmap_not_there(int fd)
{
	uint8_t was = FD_HOST;

	if (fd >= 0 && fd < FDMAP_MAX)
		__atomic_compare_exchange_n(&fdmap_kind[fd], &was, FD_UNKNOWN, 0, __ATOMIC_ACQ_REL,
		    __ATOMIC_ACQUIRE);
}

void fdmap_set_copy(int fd, int kind, int num)
{
	if (fd >= FDMAP_MAX)
		return;
	fdmap_hold(kind, num);
	put(fd, kind, num);
}

int fdmap_take(int fd, int *num)
{
	int kind;

	*num = -1;
	if ((unsigned int)fd >= FDMAP_MAX)
		return FD_HOST;
	*num = __atomic_load_n(&fdmap_num[fd], __ATOMIC_RELAXED);
	kind = __atomic_exchange_n(&fdmap_kind[fd], FD_HOST, __ATOMIC_ACQ_REL);
	return kind;
}

/*
 * Could fd be a placeholder?  They are unnamed AF_UNIX stream sockets whose peer
 * has no name either, or one that the host has picked for the rump kernel (five
 * hexadecimal digits after a zero byte).  What is no socket costs one host call.  -EBADF: there
 * is none.
 */
static int looks_like_placeholder(int fd)
{
	struct sockaddr_un un;
	socklen_t len = sizeof(int);
	int val = 0;
	long err = host(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &val, &len);

	if (err == -EBADF)
		return err;
	if (err < 0 || val != AF_UNIX)
		return 0;
	len = sizeof(val);
	if (host(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &val, &len) < 0 || val != SOCK_STREAM)
		return 0;
	len = sizeof(un);
	if (host(SYS_getsockname, fd, &un, &len) < 0 || len > sizeof(un.sun_family))
		return 0;
	len = sizeof(un);
	return host(SYS_getpeername, fd, &un, &len) == 0 && (len <= sizeof(un.sun_family) ||
	    (len == sizeof(un.sun_family) + 6 && un.sun_path[0] == '\0'));
}

static int find_out(int fd)
{
	uint8_t was = FD_UNKNOWN;
	long rfd = -ENXIO;
	int looks;

	/* Not in the parent's map; after exec it is asked again. */
	if (proc_is_vfork_child())
		return FD_HOST;
	if (rumpclient_owns_fd(fd)) {
		set_kind(fd, FD_OWN);
		return FD_OWN;
	}
	/* A kernel inside this process began with it: it gave nothing to inherit, but one may
	 * have come in a message. */
	looks = rumpclient_is_up() ? looks_like_placeholder(fd) : 0;
	/* What is not there is not the host's for good: the number may become the library's. */
	if (looks == -EBADF)
		return FD_HOST;
	if (looks)
		rfd = rump(RUMP_CALL_FD_ADOPT, fd);
	if (rfd < 0 || rfd >= FDMAP_DEAD) {
		__atomic_compare_exchange_n(&fdmap_kind[fd], &was, FD_HOST, 0, __ATOMIC_ACQ_REL,
		    __ATOMIC_ACQUIRE);
		return fdmap_kind[fd];
	}
	fdmap_hold(FD_RUMP, rfd);
	__atomic_store_n(&fdmap_num[fd], rfd, __ATOMIC_RELAXED);
	if (!__atomic_compare_exchange_n(&fdmap_kind[fd], &was, FD_RUMP, 0, __ATOMIC_ACQ_REL,
	    __ATOMIC_ACQUIRE)) {
		fdmap_drop(FD_RUMP, rfd);
		return was;
	}
	raise_top(fd);
	return FD_RUMP;
}

int fdmap_get(long fd)
{
	int kind = fdmap_peek(fd);

	return kind != FD_UNKNOWN ? kind : find_out((int)fd);
}

int fdmap_rump(long fd)
{
	return fdmap_get(fd) == FD_RUMP ? fdmap_num[(unsigned int)fd] : -1;
}
