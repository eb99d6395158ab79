/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h_fds.c - descriptors and readiness in the corners: h_fds CASE DIR.  DIR is a directory in which
 * files can be made; the same holds on the host alone.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "h.h"

static const char *self, *dir;

static int local(void)
{
	int s = socket(AF_INET, SOCK_STREAM, 0);

	need(s >= 0);
	return s;
}

/* A file in DIR with 10 bytes. */
static int make_file(int flags)
{
	char name[300];
	int fd;

	snprintf(name, sizeof(name), "%s/h_fds.%d", dir, (int)getpid());
	fd = open(name, O_RDWR | O_CREAT | flags, 0600);
	need(fd >= 0 && write(fd, "0123456789", 10) == 10 && unlink(name) == 0);
	return fd;
}

static void count(int sig)
{
	(void)sig;
	give(STDOUT_FILENO);
}

/* ---- names of descriptors ---------------------------------------------------------------------- */

static void names(void)
{
	char name[64], buf[512], c;
	int s = local(), f = make_file(0), g, flags, i;
	struct stat st, same;
	long pos;
	ssize_t n;
	static const char *const forms[] = { "/proc/self/fd/%d", "/dev/fd/%d", "/proc/%2$d/fd/%1$d" };

	need(fcntl(s, F_SETFL, O_NONBLOCK) == 0 && lseek(f, 4, SEEK_SET) == 4);
	for (i = 0; i < 3; i++) {
		/* A socket cannot be opened, a file is, anew: with an offset and flags of its own. */
		snprintf(name, sizeof(name), forms[i], s, (int)getpid());
		fails(ENXIO, open(name, O_RDWR));
		need(stat(name, &st) == 0 && S_ISSOCK(st.st_mode));
		snprintf(name, sizeof(name), forms[i], f, (int)getpid());
		need(stat(name, &st) == 0 && fstat(f, &same) == 0 && S_ISREG(st.st_mode));
		need(st.st_ino == same.st_ino && st.st_size == 10 && access(name, W_OK) == 0);
		g = open(name, O_RDONLY | O_CLOEXEC);
		need(g >= 0 && fcntl(g, F_GETFD) == FD_CLOEXEC);
		need(read(g, &c, 1) == 1 && c == '0');
		fails(EBADF, write(g, "x", 1));
		need(close(g) == 0 && lseek(f, 0, SEEK_CUR) == 4);
	}
	/* What is said of them. */
	for (i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", i ? f : s);
		need(fcntl(i ? f : s, F_SETFD, i ? FD_CLOEXEC : 0) == 0);
		g = open(name, O_RDONLY);
		need(g >= 0 && (n = read(g, buf, sizeof(buf) - 1)) > 0 && close(g) == 0);
		buf[n] = '\0';
		need(sscanf(buf, "pos: %ld flags: %o", &pos, (unsigned int *)&flags) == 2);
		need(pos == (i ? 4 : 0) && (flags & O_NONBLOCK) == (i ? 0 : O_NONBLOCK));
		need((flags & O_ACCMODE) == O_RDWR && !!(flags & O_CLOEXEC) == i);
	}
	need(close(s) == 0 && close(f) == 0);
	fails(ENOENT, stat(name, &st));
}

/* ---- numbers ------------------------------------------------------------------------------------- */

static void limits(void)
{
	struct rlimit old, few;
	struct pollfd p[12];
	int s, t, i, at[8];

	need(getrlimit(RLIMIT_NOFILE, &old) == 0);
	if (old.rlim_max < 2048)
		return;			/* no room for the library's own above a lifted limit */
	few = old;
	few.rlim_cur = 8;
	need(setrlimit(RLIMIT_NOFILE, &few) == 0);
	s = local();		/* for an embedded kernel, the first call of all */
	for (i = 0; i < 12; i++)
		p[i] = (struct pollfd){ .fd = s, .events = POLLIN };
	need(poll(p, 8, 0) == 8 && (p[0].revents & POLLHUP));
	fails(EINVAL, poll(p, 9, 0));
	need((t = local()) == s + 1);
	while ((i = dup(t)) >= 0)
		need(i < 8);
	need(errno == EMFILE);
	fails(EMFILE, socket(AF_INET, SOCK_STREAM, 0));
	need(setrlimit(RLIMIT_NOFILE, &old) == 0 && poll(p, 9, 0) == 9);
	/* And nobody else is on the numbers that come. */
	for (i = 0; i < 8; i++)
		need((at[i] = i & 1 ? local() : dup(s)) == 8 + i);
	for (i = 8; i < 64; i++)
		need((fcntl(i, F_GETFD) >= 0) == (i < 16));
}

/* A number that is not in use is told to be so, whoever else waits, and for whatever. */
static void unused(void)
{
	int s[2], hosts[2], ready[2], closed;
	struct pollfd p[3];
	pid_t pid;
	char c;

	tcp_pair(s);
	need(pipe(hosts) == 0 && pipe(ready) == 0);
	pid = fork();
	if (pid == 0) {
		give(ready[1]);
		p[0] = (struct pollfd){ .fd = s[0], .events = POLLIN };
		p[1] = (struct pollfd){ .fd = hosts[0], .events = POLLIN };
		need(poll(p, 2, -1) == 1 && read(s[0], &c, 1) == 1);
		_exit(0);
	}
	eat(ready[0]);
	closed = dup(0);
	need(close(closed) == 0);
	p[0] = (struct pollfd){ .fd = s[0], .events = POLLPRI };
	p[1] = (struct pollfd){ .fd = hosts[0], .events = POLLIN };
	p[2] = (struct pollfd){ .fd = closed, .events = POLLIN | POLLOUT };
	need(poll(p, 3, 20) == 1 && p[2].revents == POLLNVAL);
	p[2].fd = -1;
	need(poll(p, 3, 20) == 0);
	give(s[1]);
	child_ends_well(pid);
}

/* ---- select ---------------------------------------------------------------------------------------- */

static void selects(void)
{
	struct { fd_set set; unsigned long behind[512]; } w;
	struct timeval zero = { 0 }, soon = { .tv_usec = 20000 };
	struct timespec none = { 0 };
	int s = local(), p[2], q[2], beyond;
	sigset_t blocked, empty;
	fd_set x, r;

	need(pipe(p) == 0 && pipe(q) == 0);
	/* Bits from the first argument on are nobody's, and come back as zeroes. */
	FD_ZERO(&r);
	FD_SET(s, &r);
	beyond = s + 5;
	FD_SET(beyond, &r);
	need(select(s + 1, &r, NULL, NULL, &zero) == 1 && FD_ISSET(s, &r) && !FD_ISSET(beyond, &r));
	/* As many as there may be descriptors, in a set of the usual size. */
	memset(&w, 0xff, sizeof(w));
	FD_ZERO(&w.set);
	FD_SET(s, &w.set);
	FD_SET(p[1], &w.set);
	need(select(getdtablesize(), NULL, &w.set, NULL, &zero) == 2);
	need(FD_ISSET(s, &w.set) && FD_ISSET(p[1], &w.set) && w.behind[0] == ~0UL);
	/* A hang-up is nothing to who asks for out-of-band data only. */
	FD_ZERO(&x);
	FD_SET(s, &x);
	need(select(s + 1, NULL, NULL, &x, &soon) == 0 && !FD_ISSET(s, &x) && !soon.tv_usec);
	FD_SET(s, &x);
	FD_ZERO(&r);
	FD_SET(p[0], &r);
	need(write(p[1], "x", 1) == 1);
	need(select(p[0] + 1, &r, NULL, &x, NULL) == 1 && FD_ISSET(p[0], &r) && !FD_ISSET(s, &x));
	/* A handler that the mask lets in runs in a wait that has nothing to return. */
	need(dup2(q[1], STDOUT_FILENO) == STDOUT_FILENO && fcntl(q[0], F_SETFL, O_NONBLOCK) == 0);
	signal(SIGUSR1, count);
	sigemptyset(&empty);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	need(sigprocmask(SIG_BLOCK, &blocked, NULL) == 0 && kill(getpid(), SIGUSR1) == 0);
	FD_SET(s, &r);
	need(pselect(p[0] + 1, &r, NULL, NULL, &none, &empty) == 2);
	fails(EAGAIN, read(q[0], &w, 1));
	FD_SET(s, &x);
	fails(EINTR, pselect(s + 1, NULL, NULL, &x, &none, &empty));
	eat(q[0]);
}

/* ---- epoll ------------------------------------------------------------------------------------------ */

static void add(int ep, int fd, uint64_t data)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = data };

	need(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0);
}

/* The sum of what is ready. */
static unsigned int ready(int ep)
{
	struct epoll_event ev[8];
	int n = epoll_wait(ep, ev, 8, 0);
	unsigned int sum = 0;

	need(n >= 0);
	while (n)
		sum += ev[--n].data.u64;
	return sum;
}

static void epolls(void)
{
	int s[2], ep, copy, e = eventfd(0, 0), f = make_file(0), closed = 100;
	struct epoll_event ev = { .events = EPOLLIN };
	char a[4][16];

	tcp_pair(s);
	/* Which mistake counts. */
	ep = epoll_create1(0);
	fails(EBADF, epoll_ctl(s[0], EPOLL_CTL_ADD, closed, &ev));
	fails(EBADF, epoll_ctl(closed, EPOLL_CTL_ADD, s[0], &ev));
	fails(EPERM, epoll_ctl(s[0], EPOLL_CTL_ADD, f, &ev));
	fails(EPERM, epoll_ctl(e, EPOLL_CTL_ADD, f, &ev));
	fails(EPERM, epoll_ctl(ep, EPOLL_CTL_ADD, f, &ev));
	fails(EINVAL, epoll_ctl(s[0], EPOLL_CTL_ADD, e, &ev));
	fails(EINVAL, epoll_ctl(e, EPOLL_CTL_ADD, s[0], &ev));
	fails(EINVAL, epoll_ctl(f, EPOLL_CTL_ADD, s[0], &ev));
	fails(ENOENT, epoll_ctl(ep, EPOLL_CTL_DEL, s[0], &ev));
	/* A copy that is older than the first member of the rump kernel's. */
	ep = epoll_create1(0);
	copy = dup(ep);
	add(copy, e, 1);
	add(ep, s[0], 10);
	need(ready(ep) == 0 && ready(copy) == 0);
	give(s[1]);
	need(ready(ep) == 10 && ready(copy) == 10);
	need(eventfd_write(e, 1) == 0);
	need(ready(ep) == 11 && ready(copy) == 11);
	need(close(ep) == 0 && ready(copy) == 11);
	/* Of an exec, only one with members of the host. */
	ep = epoll_create1(0);
	add(ep, e, 1);
	need(fcntl(copy, F_SETFD, FD_CLOEXEC) == 0);
	copy = dup(ep);
	snprintf(a[0], sizeof(a[0]), "%d", ep);
	snprintf(a[1], sizeof(a[1]), "%d", copy);
	snprintf(a[2], sizeof(a[2]), "%d", s[0]);
	execl(self, self, "executed", dir, a[0], a[1], a[2], NULL);
	need(!"executed");
}

static void executed(char **argv)
{
	int ep = atoi(argv[0]), copy = atoi(argv[1]), s = atoi(argv[2]);

	need(ready(copy) == 1);
	add(ep, s, 10);
	need(ready(copy) == 11 && ready(ep) == 11);
}

/* ---- messages and names of sockets ------------------------------------------------------------------ */

static void messages(void)
{
	const struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_un named = un;
	int s[2], l[2], fds[2] = { dup(0), 0 }, t = local();

	/* TCP has no use for descriptors, and does not look at them; local sockets do. */
	tcp_pair(s);
	need(socketpair(AF_UNIX, SOCK_STREAM, 0, l) == 0 && close(fds[0]) == 0);
	need(try_send_fds(s[0], fds, 2, 0) == 1);
	fails(EBADF, try_send_fds(l[0], fds, 2, 0));
	eat(s[1]);
	/* Names of another family. */
	snprintf(named.sun_path, sizeof(named.sun_path), "%s/n", dir);
	fails(EAFNOSUPPORT, bind(t, (const void *)&un, 16));
	fails(EAFNOSUPPORT, bind(t, (const void *)&named, 16));
	/* splice(2) looks at what the two are open for. */
	need(pipe(l) == 0);
	fails(EBADF, splice(s[0], NULL, l[0], NULL, 1, 0));
	fails(EBADF, splice(l[1], NULL, s[0], NULL, 1, 0));
	fails(EBADF, splice(s[0], NULL, fds[0], NULL, 1, 0));
}

int main(int argc, char **argv)
{
	static const struct { const char *name; void (*run)(void); } cases[] = {
		{ "names", names }, { "limits", limits }, { "unused", unused },
		{ "selects", selects }, { "epolls", epolls }, { "messages", messages },
	};
	size_t i;

	need(argc >= 3);
	self = argv[0];
	dir = argv[2];
	if (!strcmp(argv[1], "executed")) {
		executed(argv + 3);
		return 0;
	}
	need(close_range(3, ~0U, 0) == 0);	/* numbers are counted */
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!strcmp(argv[1], cases[i].name)) {
			cases[i].run();
			return 0;
		}
	}
	fprintf(stderr, "h_fds: no case %s\n", argv[1]);
	return 2;
}
