/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h_calls.c - a program for the preload library: h_calls CASE [DIR].  It knows
 * nothing of rump kernels; the same cases pass on the host alone.  Internet
 * sockets are the rump kernel's under test, pipes the host's.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <spawn.h>
#include <time.h>
#include <unistd.h>

#define need(cond)	do { if (!(cond)) fail(__LINE__, #cond); } while (0)
#define MS		1000000

extern char **environ;

static void __attribute__((noreturn)) fail(int line, const char *what)
{
	fprintf(stderr, "h_calls.c:%d: %s (errno %d: %s)\n", line, what, errno, strerror(errno));
	_exit(1);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / MS;
}

/* Does select(2) leave the time that is left?  musl's function gives the kernel a copy. */
#ifdef __GLIBC__
#define SELECT_TELLS	1
#else
#define SELECT_TELLS	0
#endif

/* Two ends of a TCP connection. */
static void tcp_pair(int s[2])
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	need(l >= 0);
	need(bind(l, (void *)&sin, sizeof(sin)) == 0);
	need(listen(l, 5) == 0);
	need(getsockname(l, (void *)&sin, &len) == 0 && len == sizeof(sin) && sin.sin_port);
	s[0] = socket(AF_INET, SOCK_STREAM, 0);
	need(connect(s[0], (void *)&sin, sizeof(sin)) == 0);
	s[1] = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	need(s[1] >= 0 && fcntl(s[1], F_GETFD) == FD_CLOEXEC && fcntl(s[0], F_GETFD) == 0);
	close(l);
}

/* Writes one byte to fd after ms milliseconds. */
static struct later { int fd, ms; } later_arg;
static void *later_main(void *arg)
{
	struct later l = *(struct later *)arg;

	usleep(l.ms * 1000);
	need(write(l.fd, "x", 1) == 1);
	return NULL;
}
static pthread_t later(int fd, int ms)
{
	pthread_t t;

	later_arg = (struct later){ fd, ms };
	need(pthread_create(&t, NULL, later_main, &later_arg) == 0);
	return t;
}

static void eat(int fd)
{
	char c;

	need(read(fd, &c, 1) == 1);
}

/* ---- numbers ------------------------------------------------------------------- */

static void c_numbers(void)
{
	char buf[8];
	int s[2], a, b, low = dup(0);

	close(low);
	a = socket(AF_INET, SOCK_DGRAM, 0);
	need(a == low);			/* the lowest free */
	b = open("/dev/null", O_RDONLY);
	need(b == low + 1);
	close(a);
	need(fcntl(a, F_GETFD) == -1 && errno == EBADF);
	need(socket(AF_INET6, SOCK_DGRAM, 0) == low);
	close(low), close(b);

	tcp_pair(s);
	a = dup(s[1]);
	close(s[1]);			/* the other name stays */
	need(write(s[0], "1", 1) == 1 && read(a, buf, 8) == 1);
	need(dup2(a, 100) == 100 && dup3(a, 101, O_CLOEXEC) == 101);
	need(fcntl(a, F_DUPFD, 200) == 200 && fcntl(a, F_DUPFD_CLOEXEC, 200) == 201);
	need(fcntl(200, F_GETFD) == 0 && fcntl(201, F_GETFD) == FD_CLOEXEC);
	need(dup2(a, a) == a && dup3(a, a, 0) == -1 && errno == EINVAL);
	close(a), close(100), close(101), close(200);
	need(write(s[0], "2", 1) == 1 && read(201, buf, 8) == 1);
	b = open("/dev/null", O_RDWR);
	need(dup2(b, 201) == 201);	/* a host file over the last name: closes it */
	need(read(s[0], buf, 8) == 0);
	need(read(201, buf, 8) == 0);
	need(dup2(s[0], b) == b);	/* and a rump file over a host's */
	need(getsockname(b, (void *)buf, &(socklen_t){ 8 }) == 0);
	close(b), close(s[0]), close(201);

	tcp_pair(s);
	need(ioctl(s[0], FIOCLEX) == 0 && fcntl(s[0], F_GETFD) == FD_CLOEXEC);
	need(ioctl(s[0], FIONBIO, &(int){ 1 }) == 0 && (fcntl(s[0], F_GETFL) & O_NONBLOCK));
	need(read(s[0], buf, 1) == -1 && errno == EAGAIN);
	need(syscall(SYS_close_range, s[0], s[0], 0) == 0);
	need(read(s[1], buf, 1) == 0);
	need(syscall(SYS_close_range, 3, ~0U, 0) == 0);
	need(socket(AF_INET, SOCK_STREAM, 0) == 3);	/* and the library still works */
	need(socket(12345, SOCK_STREAM, 0) == -1 && errno == EAFNOSUPPORT);
	need(socket(AF_INET, 12345, 0) == -1 && errno == EINVAL);
	need(dup(-1) == -1 && errno == EBADF);
	need(close(-1) == -1 && errno == EBADF);
	need(read(999, buf, 1) == -1 && errno == EBADF);
}

/* ---- readiness ------------------------------------------------------------------- */

static void c_poll(void)
{
	struct pollfd p[3];
	struct timespec ts = { 0, 50 * MS };
	pthread_t t;
	int s[2], pi[2], i;
	int64_t t0;

	tcp_pair(s);
	need(pipe(pi) == 0);
	t0 = now_ms();
	need(poll(NULL, 0, 50) == 0 && now_ms() - t0 >= 49);	/* a sleep */

	for (i = 0; i < 2; i++) {	/* rump alone, then mixed */
		p[0] = (struct pollfd){ .fd = s[1], .events = POLLIN, .revents = -1 };
		p[1] = (struct pollfd){ .fd = pi[0], .events = POLLIN, .revents = -1 };
		p[2] = (struct pollfd){ .fd = -1, .events = POLLIN, .revents = -1 };
		if (i == 0)
			p[1].fd = -1;
		t0 = now_ms();
		need(poll(p, 3, 50) == 0 && now_ms() - t0 >= 49);
		need(!p[0].revents && !p[1].revents && !p[2].revents);
		need(ppoll(p, 3, &ts, NULL) == 0);
		t = later(s[0], 20);
		need(poll(p, 3, 5000) == 1 && p[0].revents == POLLIN && !p[1].revents);
		pthread_join(t, NULL);
		need(poll(p, 3, 5000) == 1);		/* level */
		eat(s[1]);
		need(poll(p, 3, 0) == 0);
	}
	for (i = 0; i < 50; i++) {
		t = later(i % 2 ? pi[1] : s[0], 2);
		need(poll(p, 3, 5000) == 1 && p[i % 2].revents == POLLIN && !p[!(i % 2)].revents);
		pthread_join(t, NULL);
		eat(i % 2 ? pi[0] : s[1]);
	}
	p[0].events |= POLLOUT;
	need(poll(p, 2, -1) == 1 && p[0].revents == POLLOUT);
	p[0].events = POLLIN | POLLRDHUP;
	close(s[0]);
	need(poll(p, 2, 5000) == 1 && p[0].revents == (POLLIN | POLLRDHUP));
	close(s[1]);
	need(poll(p, 2, 5000) == 1 && p[0].revents == POLLNVAL);
	p[0].fd = 99999;
	need(poll(p, 1, 0) == 1 && p[0].revents == POLLNVAL);
}

static void c_select(void)
{
	static unsigned long big[4096 / 64];
	struct rlimit rl = { 4096, 4096 };
	struct timeval tv;
	fd_set r, w;
	pthread_t t;
	int s[2], pi[2];

	tcp_pair(s);
	need(pipe(pi) == 0);
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(s[1], &r);
	FD_SET(pi[0], &r);
	FD_SET(s[0], &r);
	FD_SET(s[0], &w);
	need(select(64, &r, &w, NULL, NULL) == 1 && FD_ISSET(s[0], &w) && !FD_ISSET(s[0], &r));
	need(!FD_ISSET(s[1], &r) && !FD_ISSET(pi[0], &r));
	FD_SET(s[1], &r);
	FD_SET(pi[0], &r);
	tv = (struct timeval){ 0, 50000 };
	need(select(64, &r, NULL, NULL, &tv) == 0 && !FD_ISSET(s[1], &r));
	need(!SELECT_TELLS || tv.tv_usec == 0);
	FD_SET(s[1], &r);
	FD_SET(pi[0], &r);
	t = later(s[0], 20);
	tv = (struct timeval){ 5, 0 };
	need(select(64, &r, NULL, NULL, &tv) == 1 && FD_ISSET(s[1], &r) && !FD_ISSET(pi[0], &r));
	need(!SELECT_TELLS || tv.tv_sec == 4);
	pthread_join(t, NULL);
	eat(s[1]);
	need(send(s[0], "!", 1, MSG_OOB) == 1);
	FD_ZERO(&w);
	FD_SET(s[1], &w);
	FD_ZERO(&r);
	FD_SET(pi[0], &r);
	need(select(64, &r, NULL, &w, &tv) == 1 && FD_ISSET(s[1], &w));	/* out of band */
	close(s[0]);
	FD_SET(s[1], &r);
	need(select(64, &r, NULL, NULL, &tv) == 1 && FD_ISSET(s[1], &r));	/* hang-up */
	FD_SET(s[0], &r);
	need(select(64, &r, NULL, NULL, &tv) == -1 && errno == EBADF);

	if (setrlimit(RLIMIT_NOFILE, &rl) < 0)
		return;
	need(dup2(s[1], 3000) == 3000);
	big[3000 / 64] = 1UL << (3000 % 64);
	big[pi[0] / 64] |= 1UL << (pi[0] % 64);
	need(select(3001, (void *)big, NULL, NULL, &tv) == 1 && big[3000 / 64] && !big[0]);
}

static void c_epoll(void)
{
	struct epoll_event ev = { .events = EPOLLIN }, out[8];
	struct pollfd both[2];
	int s[2], pi[2], ep, e2, et, i, n;
	pthread_t t;
	sigset_t none;

	tcp_pair(s);
	need(pipe(pi) == 0);
	sigemptyset(&none);
	for (et = 0; et < 2; et++) {
		ep = epoll_create1(EPOLL_CLOEXEC);
		ev.events = EPOLLIN | (et ? EPOLLET : 0);
		ev.data.u64 = 0x1122334455667788;
		need(epoll_ctl(ep, EPOLL_CTL_ADD, s[1], &ev) == 0);
		need(epoll_ctl(ep, EPOLL_CTL_ADD, s[1], &ev) == -1 && errno == EEXIST);
		need(epoll_wait(ep, out, 8, 20) == 0);		/* only rump members */
		t = later(s[0], 20);
		need(epoll_wait(ep, out, 8, 5000) == 1 && out[0].data.u64 == ev.data.u64);
		pthread_join(t, NULL);
		need(epoll_wait(ep, out, 8, 20) == !et);
		eat(s[1]);
		ev.data.u64 = 7;
		need(epoll_ctl(ep, EPOLL_CTL_ADD, pi[0], &ev) == 0);
		need(epoll_wait(ep, out, 8, 20) == 0);		/* of both */
		for (i = 0; i < 50; i++) {
			t = later(i % 2 ? pi[1] : s[0], 2);
			need(epoll_pwait(ep, out, 8, 5000, i % 3 ? &none : NULL) == 1);
			need(out[0].events == EPOLLIN && (out[0].data.u64 == 7) == i % 2);
			pthread_join(t, NULL);
			eat(i % 2 ? pi[0] : s[1]);
		}
		need(write(s[0], "a", 1) == 1 && write(pi[1], "b", 1) == 1);
		both[0] = (struct pollfd){ s[1], POLLIN, 0 };
		both[1] = (struct pollfd){ pi[0], POLLIN, 0 };
		while (poll(both, 2, 5000) == 1)
			usleep(1000);
		for (n = 0, i = 0; i < 2; i++)			/* room for one: neither starves */
			n |= epoll_wait(ep, out, 1, 1000) == 1 ? out[0].data.u64 == 7 ? 1 : 2 : 0;
		need(n == 3);
		eat(s[1]);
		eat(pi[0]);
		need(epoll_ctl(ep, EPOLL_CTL_DEL, s[1], NULL) == 0);
		need(epoll_ctl(ep, EPOLL_CTL_MOD, s[1], &ev) == -1 && errno == ENOENT);
		close(ep);
	}
	ep = epoll_create(1);
	ev.events = EPOLLIN | EPOLLONESHOT;
	need(epoll_ctl(ep, EPOLL_CTL_ADD, pi[0], &ev) == 0);
	need(epoll_ctl(ep, EPOLL_CTL_ADD, s[1], &ev) == 0);
	need(write(s[0], "a", 1) == 1);
	need(epoll_wait(ep, out, 8, 5000) == 1 && epoll_wait(ep, out, 8, 20) == 0);
	need(epoll_ctl(ep, EPOLL_CTL_MOD, s[1], &ev) == 0 && epoll_wait(ep, out, 8, 5000) == 1);
	eat(s[1]);

	ev.events = EPOLLIN;
	need(epoll_ctl(ep, EPOLL_CTL_MOD, s[1], &ev) == 0);
	e2 = epoll_create1(0);
	need(epoll_ctl(e2, EPOLL_CTL_ADD, ep, &ev) == 0);	/* nested */
	need(epoll_wait(ep, out, 8, 0) == 0);			/* an old ring */
	need(epoll_wait(e2, out, 8, 20) == 0);
	t = later(s[0], 20);
	need(epoll_wait(e2, out, 8, 5000) == 1);
	pthread_join(t, NULL);
	need(poll(&(struct pollfd){ .fd = ep, .events = POLLIN }, 1, 5000) == 1);
	eat(s[1]);
	need(poll(&(struct pollfd){ .fd = ep, .events = POLLIN }, 1, 20) == 0);

	i = dup(ep);						/* copies of it */
	close(ep);
	t = later(s[0], 20);
	need(epoll_wait(i, out, 8, 5000) == 1);
	pthread_join(t, NULL);
	close(s[1]);						/* the member goes */
	need(epoll_wait(i, out, 8, 20) == 0);
	close(i), close(e2);
}

/* ---- signals ---------------------------------------------------------------------- */

static sigjmp_buf env;

static void leave(int sig)
{
	(void)sig;
	siglongjmp(env, 1);
}

static void nothing(int sig)
{
	(void)sig;
}

static void c_signals(void)
{
	/* Again and again: one could come before the call. */
	struct itimerval t = { { 0, 50000 }, { 0, 50000 } }, off = { { 0, 0 }, { 0, 0 } };
	struct sigaction sa = { .sa_handler = nothing };
	struct pollfd p = { .events = POLLIN };
	int s[2], pi[2];
	char c;

	tcp_pair(s);
	need(pipe(pi) == 0);
	sigaction(SIGALRM, &sa, NULL);		/* without SA_RESTART */
	setitimer(ITIMER_REAL, &t, NULL);
	need(read(s[1], &c, 1) == -1 && errno == EINTR);
	p.fd = s[1];
	need(poll(&p, 1, 5000) == -1 && errno == EINTR);
	need(poll((struct pollfd[2]){ p, { .fd = pi[0], .events = POLLIN } }, 2, 5000) == -1 &&
	    errno == EINTR);
	setitimer(ITIMER_REAL, &off, NULL);
}

/* A handler that leaves a call for good. */
static void c_left(void)
{
	struct itimerval t = { { 0, 50000 }, { 0, 50000 } }, off = { { 0, 0 }, { 0, 0 } };
	struct sigaction sa = { .sa_handler = leave };
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int s[2];
	char c;

	tcp_pair(s);
	sigaction(SIGALRM, &sa, NULL);
	if (sigsetjmp(env, 1) == 0) {
		setitimer(ITIMER_REAL, &t, NULL);
		need(read(s[1], &c, 1) == 0);
	}
	setitimer(ITIMER_REAL, &off, NULL);
	s[0] = socket(AF_INET, SOCK_DGRAM, 0);	/* goes to the same kernel as before */
	need(bind(s[0], (void *)&sin, len) == 0 && getsockname(s[0], (void *)&sin, &len) == 0);
}

/* ---- data ---------------------------------------------------------------------------- */

static void c_data(void)
{
	char buf[100], ctl[CMSG_SPACE(sizeof(int))] = "", big[100000];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl,
	    .msg_controllen = sizeof(ctl) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int s[2], u[2], fd;
	loff_t off = 1;
	ssize_t n, got;

	tcp_pair(s);
	need(send(s[0], "abcd", 4, MSG_MORE) == 4 && sendto(s[0], "ef", 2, 0, NULL, 0) == 2);
	need(recv(s[1], buf, 6, MSG_WAITALL) == 6 && !memcmp(buf, "abcdef", 6));

	fd = memfd_create("x", 0);
	memset(big, 'z', sizeof(big));
	need(write(fd, big, sizeof(big)) == sizeof(big));
	n = sendfile(s[0], fd, &off, 50000);			/* host file to rump socket */
	need(n == 50000 && off == 50001);
	for (got = 0; got < 50000; got += n)
		need((n = read(s[1], big, sizeof(big))) > 0);
	need(lseek(fd, 10, SEEK_SET) == 10 && sendfile(s[0], fd, NULL, 5) == 5);
	need(lseek(fd, 0, SEEK_CUR) == 15 && recv(s[1], buf, 5, MSG_WAITALL) == 5);

	need(socketpair(AF_UNIX, SOCK_STREAM, 0, u) == 0);	/* a rump descriptor passed on */
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	buf[0] = 'f';
	iov.iov_len = 1;
	need(sendmsg(u[0], &m, 0) == 1);
	memset(ctl, 0, sizeof(ctl));
	need(recvmsg(u[1], &m, 0) == 1 && m.msg_controllen == CMSG_LEN(sizeof(int)) + 4);
	memcpy(&fd, CMSG_DATA(c), sizeof(int));
	need(pread(fd, buf, 1, 0) == 1 && buf[0] == 'z');
	need(shutdown(s[0], SHUT_WR) == 0 && read(s[1], buf, 1) == 0);
	need(read(s[1], NULL, 0) == 0);
}

/* ---- names; dir is an empty directory ------------------------------------------------ */

static char *in(const char *dir, const char *name)
{
	static char buf[4][4096];
	static int i;

	i = (i + 1) % 4;
	snprintf(buf[i], sizeof(buf[i]), "%s/%s", dir, name);
	return buf[i];
}

static void c_names(const char *dir)
{
	char buf[4096], here[4096], name[40];
#ifdef STATX_ALL
	struct statx sx;
#endif
	struct stat st;
	struct dirent *d;
	void *mem;
	DIR *dp;
	FILE *f;
	int fd, dfd, n = 0;

	need(getcwd(here, sizeof(here)));
	need(f = fopen(in(dir, "file"), "w"));
	need(fprintf(f, "hello %d\n", 42) == 9 && fclose(f) == 0);
	need(stat(in(dir, "file"), &st) == 0 && st.st_size == 9);
	need(lstat(in(dir, "nothing"), &st) == -1 && errno == ENOENT);
#ifdef STATX_ALL		/* not in musl */
	need(statx(AT_FDCWD, in(dir, "file"), 0, STATX_ALL, &sx) == 0 && sx.stx_size == 9);
#endif
	need(access(in(dir, "file"), R_OK) == 0 && chmod(in(dir, "file"), 0600) == 0);
	need(fchmodat(AT_FDCWD, in(dir, "file"), 0600, AT_SYMLINK_NOFOLLOW) == 0);
	need(truncate(in(dir, "file"), 5) == 0 && stat(in(dir, "file"), &st) == 0);
	need(st.st_size == 5 && (st.st_mode & 07777) == 0600);
	need(symlink("file", in(dir, "link")) == 0 && readlink(in(dir, "link"), buf, 99) == 4);
	need(link(in(dir, "file"), in(dir, "hard")) == 0 && stat(in(dir, "hard"), &st) == 0);
	need(st.st_nlink == 2 && rename(in(dir, "hard"), in(dir, "hard2")) == 0);
	if (!strncmp(dir, "/rump", 5)) {
		need(rename(in(dir, "hard2"), "/tmp/h_calls.x") == -1 && errno == EXDEV);
		need(link("/etc/passwd", in(dir, "l")) == -1 && errno == EXDEV);
	}
	need(unlink(in(dir, "hard2")) == 0);
	need(mkdir(in(dir, "sub"), 0755) == 0 && mkdir(in(dir, "sub"), 0755) == -1 && errno == EEXIST);

	need((dfd = open(dir, O_RDONLY | O_DIRECTORY)) >= 0);
	need((fd = openat(dfd, "sub/in", O_CREAT | O_RDWR, 0644)) >= 0 && write(fd, "inner", 5) == 5);
	need(fstat(fd, &st) == 0 && st.st_size == 5 && lseek(fd, 1, SEEK_SET) == 1);
	need(read(fd, buf, 99) == 4 && !memcmp(buf, "nner", 4));
	need(ftruncate(fd, 2) == 0 && pread(fd, buf, 99, 0) == 2 && fsync(fd) == 0);
	need(flock(fd, 2) == 0);
	mem = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	need(mem != MAP_FAILED && !memcmp(mem, "in\0", 3) && munmap(mem, 4096) == 0);
	close(fd);
	need(fstatat(dfd, "sub/in", &st, 0) == 0 && unlinkat(dfd, "sub/in", 0) == 0);
	need(utimensat(dfd, "file", (struct timespec[2]){ { 1, 0 }, { 2, 0 } }, 0) == 0);
	need(fstatat(dfd, "file", &st, 0) == 0 && st.st_mtime == 2);

	need(dp = opendir(dir));
	while ((d = readdir(dp)))
		n++;
	need(closedir(dp) == 0 && n == 5);	/* . .. file link sub */

	need(chdir(in(dir, "sub")) == 0 && getcwd(buf, sizeof(buf)));
	need(!strcmp(buf, in(dir, "sub")));
	need((fd = open("rel", O_CREAT | O_WRONLY, 0644)) >= 0);
	close(fd);
	need(stat("../file", &st) == 0 && stat(in(dir, "sub/rel"), &st) == 0);
	need(realpath("rel", buf) && !strcmp(buf, in(dir, "sub/rel")));
	need(chdir("..") == 0 && getcwd(buf, sizeof(buf)) && !strcmp(buf, dir));
	need(unlink("sub/rel") == 0 && rmdir("sub") == 0);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", dfd);
	need((n = readlink(name, buf, sizeof(buf))) == (int)strlen(dir) && !memcmp(buf, dir, n));
	need((fd = open("/", O_RDONLY | O_DIRECTORY)) >= 0);	/* from the root, downwards */
	need(fstatat(fd, dir + 1, &st, 0) == 0 && S_ISDIR(st.st_mode));
	close(fd);
	need(fchdir(dfd) == 0 && unlink("file") == 0 && unlink("link") == 0);
	need(stat("/etc/passwd", &st) == 0);
	need(chdir(here) == 0 && getcwd(buf, sizeof(buf)) && !strcmp(buf, here));
	need(syscall(SYS_openat, AT_FDCWD, NULL, O_RDONLY) == -1 && errno == EFAULT);
	need(syscall(SYS_openat, AT_FDCWD, 1, O_RDONLY) == -1 && errno == EFAULT);
	need(syscall(SYS_openat, AT_FDCWD, -1L, O_RDONLY) == -1 && errno == EFAULT);
	need(syscall(SYS_poll, NULL, 1, 0) == -1 && errno == EFAULT);
	need(stat("", &st) == -1 && errno == ENOENT);
	close(dfd);
}

/* ---- processes: need a server ------------------------------------------------------------ */

static void join(pid_t pid)
{
	int status;

	need(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
}

static void c_fork(void)
{
	char buf[8];
	int s[2], low = dup(0);
	pid_t pid;

	close(low);
	tcp_pair(s);
	pid = fork();
	if (pid == 0) {
		close(s[0]);
		need(read(s[1], buf, 8) == 1 && write(s[1], "ok", 2) == 2);
		need(socket(AF_INET, SOCK_STREAM, 0) == low);
		_exit(0);
	}
	close(s[1]);
	need(write(s[0], "g", 1) == 1 && read(s[0], buf, 8) == 2 && read(s[0], buf, 8) == 0);
	join(pid);
	close(s[0]);

	tcp_pair(s);			/* vfork, then exec: s[1] as 0 and 1 */
	pid = vfork();
	if (pid == 0) {
		dup2(s[1], 0);
		dup2(s[1], 1);
		close(s[0]);
		close(s[1]);
		execlp("cat", "cat", (char *)NULL);
		_exit(127);
	}
	need(write(s[0], "echo", 4) == 4 && read(s[0], buf, 8) == 4);
	need(fcntl(s[1], F_GETFD) >= 0 && close(s[1]) == 0 && shutdown(s[0], SHUT_WR) == 0);
	need(read(s[0], buf, 8) == 0);
	join(pid);
	close(s[0]);
}

static void c_spawn(const char *dir)
{
	posix_spawn_file_actions_t fa;
	char *const argv[] = { "sh", "-c", "cat; pwd >&2", NULL };
	char buf[100], line[100];
	int s[2], p[2];
	FILE *f;
	pid_t pid;

	tcp_pair(s);
	need(pipe(p) == 0);
	need(write(s[0], "spawned", 7) == 7 && shutdown(s[0], SHUT_WR) == 0);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, s[1], 0);
	posix_spawn_file_actions_addopen(&fa, 1, in(dir, "out"), O_CREAT | O_WRONLY, 0644);
	posix_spawn_file_actions_adddup2(&fa, p[1], 2);
	posix_spawn_file_actions_addchdir_np(&fa, dir);
	need(posix_spawnp(&pid, "sh", &fa, NULL, argv, environ) == 0);
	close(p[1]);
	memset(buf, 0, sizeof(buf));
	need(read(p[0], buf, sizeof(buf) - 1) > 0);
	snprintf(line, sizeof(line), "%s\n", dir);
	need(!strcmp(buf, line));
	join(pid);
	need(f = fopen(in(dir, "out"), "r"));
	need(fgets(buf, sizeof(buf), f) && !strcmp(buf, "spawned") && fclose(f) == 0);
	snprintf(line, sizeof(line), "echo by system > %s/out", dir);
	need(system(line) == 0);
	snprintf(line, sizeof(line), "cat %s/out", dir);
	need(f = popen(line, "r"));
	need(fgets(buf, sizeof(buf), f) && !strcmp(buf, "by system\n") && pclose(f) == 0);
	need(unlink(in(dir, "out")) == 0);
}

int main(int argc, char **argv)
{
	static const struct { const char *name; void (*fn)(void); void (*in)(const char *); } cases[] = {
		{ "numbers", c_numbers, NULL }, { "poll", c_poll, NULL }, { "select", c_select, NULL },
		{ "epoll", c_epoll, NULL }, { "data", c_data, NULL }, { "signals", c_signals, NULL },
		{ "left", c_left, NULL }, { "fork", c_fork, NULL },
		{ "names", NULL, c_names }, { "spawn", NULL, c_spawn },
	};
	size_t i;

	alarm(60);
	for (i = 0; argc > 1 && i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(argv[1], cases[i].name) != 0)
			continue;
		if (cases[i].fn)
			cases[i].fn();
		else if (argc > 2)
			cases[i].in(argv[2]);
		return 0;
	}
	fprintf(stderr, "usage: h_calls CASE [DIR]\n");
	return 2;
}
