/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h_trap.c - what a statically linked program sees under rump run --static=trap.
 *
 *	h_trap errors | files DIR | rights DIR | where DIR | maps DIR | low DIR | life | wait | limit | input FD
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define need(e)	do { if (!(e)) { fprintf(stderr, "h_trap.c:%d: %s (errno %d: %s)\n", __LINE__, #e, \
		    errno, strerror(errno)); exit(1); } } while (0)
#define fails(e, err)	need((e) == -1 && errno == (err))
static void *volatile bad = (void *)8;	/* no address */
#define BAD	bad

static struct sockaddr_in at = { .sin_family = AF_INET };

static int listener(void)
{
	socklen_t len = sizeof(at);
	int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	need(s >= 0 && setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
	need(bind(s, (void *)&at, sizeof(at)) == 0 && listen(s, 5) == 0);
	need(getsockname(s, (void *)&at, &len) == 0 && at.sin_port);
	return s;
}

static void pair(int s[2])
{
	int l = listener();

	s[0] = socket(AF_INET, SOCK_STREAM, 0);
	need(connect(s[0], (void *)&at, sizeof(at)) == 0);
	s[1] = accept(l, NULL, NULL);
	need(s[1] >= 0 && close(l) == 0);
}

/* Bad pointers are errors, and what is the host's is left to it. */
static void c_errors(const char *arg)
{
	struct iovec iov[2] = { { "ab", 2 }, { BAD, 3 } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 1 };
	char buf[200000], file[] = "/tmp/h_trap.XXXXXX";
	int s[2], d, f, ep = epoll_create1(0);
	struct epoll_event ev = { .events = EPOLLIN };
	struct stat st;
	size_t n = 0;
	long k;

	(void)arg;
	pair(s);
	fails(bind(s[0], BAD, 16), EFAULT);
	fails(write(s[0], BAD, 9), EFAULT);
	fails(setsockopt(s[0], SOL_SOCKET, SO_REUSEADDR, BAD, 4), EFAULT);
	fails(sendmsg(s[0], BAD, 0), EFAULT);
	fails(open(BAD, O_RDONLY), EFAULT);
	fails(socket(AF_INET, 77, 0), EINVAL);
	fails(accept(s[0], NULL, NULL), EINVAL);
	need(write(s[0], "x", 1) == 1);
	fails(read(s[1], BAD, 9), EFAULT);
	need(sendmsg(s[0], &m, 0) == 2);
	m.msg_iovlen = 2;
	need(sendmsg(s[0], &m, 0) == -1 && errno == EFAULT);
	m.msg_iovlen = 1;
	m.msg_iov = &(struct iovec){ buf, sizeof(buf) };
	need(recvmsg(s[1], &m, 0) > 0);
	/* much at once, by way of many pages */
	memset(buf, 7, sizeof(buf));
	need(fcntl(s[0], F_SETFL, O_NONBLOCK) == 0);
	for (k = 1; k > 0; n += k > 0 ? k : 0)
		k = write(s[0], buf, sizeof(buf));
	need(errno == EAGAIN && n > 100000);
	need(poll(&(struct pollfd){ s[0], POLLOUT, 0 }, 1, 0) == 0);
	for (; n; n -= k) {
		k = read(s[1], buf, sizeof(buf));
		need(k > 0 && !memchr(buf, 0, k));
	}
	need(poll(&(struct pollfd){ s[0], POLLOUT, 0 }, 1, 5000) == 1);
	need(fstat(s[0], &st) == 0 && S_ISSOCK(st.st_mode));

	d = dup(s[1]);
	need(d >= 0 && d != s[1]);
	need(fcntl(d, F_GETFD) == 0 && fcntl(d, F_SETFD, FD_CLOEXEC) == 0 && fcntl(s[1], F_GETFD) == 0);
	fails(dup2(s[1], 100), EOPNOTSUPP);
	need(dup2(s[1], d) == d && dup2(d, d + 100) == d + 100);
	close(s[1]), close(d);
	need(write(s[0], "y", 1) == 1 && read(d + 100, buf, 9) == 1);
	close(d + 100);
	fails(read(s[1], buf, 1), EBADF);
	need(poll(&(struct pollfd){ s[0], POLLIN, 0 }, 1, 5000) == 1);

	/* a file of the host at a number in between is its own */
	f = mkstemp(file);
	need(f >= 0 && dup2(f, d) == d && write(d, "host", 4) == 4 && pread(d, buf, 9, 0) == 4);
	fails(epoll_ctl(ep, EPOLL_CTL_ADD, d, &ev), EPERM);
	fails(copy_file_range(d, NULL, s[0], NULL, 4, 0), EXDEV);
	unlink(file);
	signal(SIGPIPE, SIG_IGN);
	while (write(s[0], "z", 1) == 1)
		usleep(1000);
	need(errno == EPIPE || errno == ECONNRESET);
}

static void c_files(const char *dir)
{
	char buf[4096], other[64];
	struct dirent *e;
	struct stat st;
	int fd, n = 0;
	DIR *d;

	need(chdir("/") == 0);
	snprintf(buf, sizeof(buf), "%s/sub", dir);
	need(mkdir(buf, 0755) == 0 && stat(buf, &st) == 0 && S_ISDIR(st.st_mode));
	d = opendir(buf);
	need(d);
	fd = openat(dirfd(d), "file", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	need(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
	need(write(fd, "text", 4) == 4 && lseek(fd, 1, SEEK_SET) == 1 && read(fd, buf, 9) == 3);
	need(poll(&(struct pollfd){ fd, POLLIN | POLLOUT, 0 }, 1, 0) == 1);
	fails(epoll_ctl(epoll_create1(0), EPOLL_CTL_ADD, fd, &(struct epoll_event){ 0 }), EPERM);
	need(fstatat(dirfd(d), "file", &st, 0) == 0 && st.st_size == 4);
	need(futimens(fd, NULL) == 0 && fchmod(fd, 0640) == 0 && fstat(fd, &st) == 0);
	need((st.st_mode & 0777) == 0640);
	while ((e = readdir(d)))
		n++;
	need(n == 3);
	snprintf(buf, sizeof(buf), "%s/sub/file", dir);
	snprintf(other, sizeof(other), "/tmp/h_trap.%d", getpid());
	fails(rename(buf, other), EXDEV);
	need(symlink("file", "/tmp/h_trap.link") == 0 && unlink("/tmp/h_trap.link") == 0);
	snprintf(other, sizeof(other), "%s/other", dir);
	need(rename(buf, other) == 0 && unlink(other) == 0);
	fails(open(buf, O_RDONLY), ENOENT);
	need(closedir(d) == 0);
	need(open("/etc/passwd", O_RDONLY) >= 0 && open("/etc/passwd", O_RDONLY) < 500);
}

static int content(const char *path, const char *want)
{
	char buf[100] = "";
	int fd = open(path, O_RDONLY), n = read(fd, buf, sizeof(buf) - 1);

	need(fd >= 0 && n >= 0);
	close(fd);
	return strcmp(buf, want) == 0;
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0666);

	need(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
}

/* The directory of a process is inherited, and is either kernel's. */
static void c_where(const char *dir)
{
	char buf[4096], want[4096], other[64];
	struct stat st;
	int fd, status;
	pid_t pid;

	need(chdir(dir) == 0 && getcwd(buf, sizeof(buf)) && strcmp(buf, dir) == 0);
	umask(027);
	need(mkdir("w", 0777) == 0 && stat("w", &st) == 0 && (st.st_mode & 0777) == 0750);
	put("w/file", "here");
	need(stat("w/file", &st) == 0 && (st.st_mode & 0777) == 0640);
	fails(chdir("w/none"), ENOENT);
	fails(chdir("w/file"), ENOTDIR);
	need(chdir("w") == 0 && content("file", "here") && content("../w/./file", "here"));
	snprintf(want, sizeof(want), "%s/w", dir);
	need(getcwd(buf, sizeof(buf)) && strcmp(buf, want) == 0);
	need(syscall(SYS_getcwd, buf, 3) == -1 && errno == ERANGE);
	pid = fork();
	if (pid == 0) {
		need(content("file", "here") && chdir("..") == 0 && content("w/file", "here"));
		execl("/proc/self/exe", "h_trap", "in", dir, NULL);
		_exit(1);
	}
	need(waitpid(pid, &status, 0) == pid && status == 0);
	need(content("file", "here"));			/* the child's was its own */
	fails(chdir("/none"), ENOENT);
	fails(chdir("/etc/passwd"), ENOTDIR);
	need(content("file", "here"));			/* where it was */
	/* out of the prefix, by a name and in fact */
	need(stat("../../../etc/passwd", &st) == 0 && open("../../../none", O_RDONLY) == -1);
	fd = open("/etc", O_RDONLY | O_DIRECTORY);
	need(fd >= 0 && fchdir(fd) == 0 && getcwd(buf, sizeof(buf)) && strcmp(buf, "/etc") == 0);
	need(stat("passwd", &st) == 0 && chdir(want) == 0 && chdir("../../..") == 0);
	need(getcwd(buf, sizeof(buf)) && strcmp(buf, "/") == 0);
	snprintf(other, sizeof(other), "%s/file", want);
	need(content(other, "here") && content(other + 1, "here"));	/* "rump/..." from the root */
	fd = open(want, O_RDONLY | O_DIRECTORY);
	need(fd >= 0 && fchdir(fd) == 0 && content("file", "here"));
	snprintf(other, sizeof(other), "/proc/self/fd/%d", fd);
	need(readlink(other, buf, sizeof(buf)) == (ssize_t)strlen(want) && !memcmp(buf, want, strlen(want)));
	need(readlink("/proc/self/cwd", buf, sizeof(buf)) == (ssize_t)strlen(want) &&
	    !memcmp(buf, want, strlen(want)) && content("/proc/self/cwd/file", "here"));
	need(rename("file", "name") == 0 && link("name", "name2") == 0 && symlink("name", "sym") == 0);
	need(readlink("sym", buf, sizeof(buf)) == 4 && content("sym", "here") && truncate("name", 2) == 0);
	need(content("name2", "he"));
	need(unlink("name") == 0 && unlink("name2") == 0 && unlink("sym") == 0);
	need(chdir("..") == 0 && rmdir("w") == 0);
	need(mkdir("gone", 0700) == 0 && chdir("gone") == 0 && rmdir("../gone") == 0);
	need(!getcwd(buf, sizeof(buf)) && errno == ENOENT);
}

static void c_in(const char *dir)
{
	char buf[4096];

	need(getcwd(buf, sizeof(buf)) && strcmp(buf, dir) == 0 && content("w/file", "here"));
}

/* Memory of a file of the rump kernel. */
static void c_maps(const char *dir)
{
	char name[256], *p, *q;
	int fd, status;
	pid_t pid;

	snprintf(name, sizeof(name), "%s/mapped", dir);
	put(name, "content");
	fd = open(name, O_RDWR);
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	need(p != MAP_FAILED && strcmp(p, "content") == 0);
	p[0] = 'C';
	need(content(name, "content"));
	pid = fork();
	if (pid == 0)
		_exit(p[4096]);			/* past the end */
	need(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	q = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	need(q != MAP_FAILED && strcmp(q, "content") == 0);
	memcpy(q, "CONTENT", 7);
	need(content(name, "CONTENT") && pwrite(fd, "c", 1, 0) == 1 && q[0] == 'c');
	need(msync(q, 4096, MS_SYNC) == 0);
	pid = fork();
	if (pid == 0) {
		q[1] = 'o';
		_exit(0);
	}
	need(waitpid(pid, &status, 0) == pid && status == 0 && content(name, "coNTENT"));
	need(munmap(q, 4096) == 0 && strcmp(p, "Content") == 0);
	need(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 100) == MAP_FAILED && errno == EINVAL);
	close(fd);
	fd = open(name, O_WRONLY);
	need(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED && errno == EACCES);
	need(unlink(name) == 0);
}

/* Numbers below those that are given: 0, 1, 2, as a shell has them. */
static void c_low(const char *dir)
{
	char name[256], buf[100];
	int out = dup(1), in = dup(0), fd, s[2], status;
	pid_t pid;

	snprintf(name, sizeof(name), "%s/low", dir);
	fd = open(name, O_CREAT | O_RDWR, 0600);
	need(fd > 2 && dup2(fd, 1) == 1 && write(1, "one", 3) == 3);
	pid = fork();
	if (pid == 0) {
		close(fd);
		_exit(write(1, "two", 3) != 3);
	}
	need(waitpid(pid, &status, 0) == pid && status == 0);
	need(dup2(out, 1) == 1 && pread(fd, buf, sizeof(buf), 0) == 6 && !memcmp(buf, "onetwo", 6));
	close(0);
	need(open(name, O_RDONLY) == 0 && read(0, buf, 3) == 3);
	need(fcntl(0, F_DUPFD, 700) == 700 && read(700, buf, 9) == 3);
	need(dup2(in, 0) == 0 && close(700) == 0 && unlink(name) == 0);
	/* what inetd does */
	pair(s);
	pid = fork();
	if (pid == 0) {
		need(dup2(s[1], 0) == 0 && dup2(s[1], 1) == 1);
		close(s[0]), close(s[1]);
		execl("/proc/self/exe", "h_trap", "input", "0", NULL);
		_exit(1);
	}
	close(s[1]);
	need(write(s[0], "served", 6) == 6 && shutdown(s[0], SHUT_WR) == 0);
	need(read(s[0], buf, sizeof(buf)) == 6 && !memcmp(buf, "served", 6));
	need(read(s[0], buf, sizeof(buf)) == 0);
	need(waitpid(pid, &status, 0) == pid && status == 0);
}

static volatile sig_atomic_t handled;

static void handler(int sig)
{
	handled = sig;
}

/* Signals, processes, and what is left of those that were killed. */
static void c_life(const char *arg)
{
	struct sigaction sa = { .sa_handler = handler };
	int s[2], l, st, i, p[2];
	char c;
	pid_t pid;

	(void)arg;
	l = listener();
	sigaction(SIGALRM, &sa, NULL);
	alarm(1);
	fails(accept(l, NULL, NULL), EINTR);
	need(handled == SIGALRM);
	need(pipe(p) == 0);
	for (i = 0; i < 3; i++) {
		pid = fork();
		if (pid == 0) {
			if (write(p[1], "r", 1) == 1)
				accept(l, NULL, NULL);
			_exit(1);
		}
		need(read(p[0], &c, 1) == 1);
		usleep(20000);
		need(kill(pid, i ? SIGKILL : SIGTERM) == 0);
		need(waitpid(pid, &st, 0) == pid && WIFSIGNALED(st));
	}
	close(l);
	for (i = 0; i < 20; i++) {		/* the port is free at once */
		l = socket(AF_INET, SOCK_STREAM, 0);
		need(bind(l, (void *)&at, sizeof(at)) == 0 && listen(l, 1) == 0 && close(l) == 0);
	}
	pair(s);
	pid = fork();
	if (pid == 0)
		_exit(write(s[0], "c", 1) != 1);
	need(waitpid(pid, &st, 0) == pid && st == 0 && read(s[1], &c, 1) == 1 && c == 'c');
	pid = fork();
	if (pid == 0) {
		close(s[0]);
		_exit(read(s[1], &c, 1) != 0);	/* until the parent has closed it, too */
	}
	close(s[0]);
	need(waitpid(pid, &st, 0) == pid && st == 0);
	pid = fork();
	if (pid == 0) {
		pair(s);
		close(s[1]);
		for (;;)
			if (write(s[0], "p", 1) != 1)
				_exit(1);
	}
	need(waitpid(pid, &st, 0) == pid && WIFSIGNALED(st) && WTERMSIG(st) == SIGPIPE);
	signal(SIGTERM, SIG_DFL);
	raise(SIGTERM);				/* and so ends rump run */
}

static void send_fds(int s, const int *fds, int n)
{
	_Alignas(struct cmsghdr) char ctl[CMSG_SPACE(4 * sizeof(int))] = { 0 };
	struct iovec iov = { "r", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl,
	    .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&m);

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(cm), fds, n * sizeof(int));
	need(sendmsg(s, &m, 0) == 1);
	need(memcmp(CMSG_DATA(cm), fds, n * sizeof(int)) == 0);	/* the caller's stay as they are */
}

static int receive_fds(int s, int *fds)
{
	_Alignas(struct cmsghdr) char ctl[CMSG_SPACE(4 * sizeof(int))];
	char c;
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl,
	    .msg_controllen = sizeof(ctl) };
	struct cmsghdr *cm;

	need(recvmsg(s, &m, MSG_CMSG_CLOEXEC) == 1 && m.msg_control == ctl);
	cm = CMSG_FIRSTHDR(&m);
	need(cm && cm->cmsg_type == SCM_RIGHTS && !(m.msg_flags & MSG_CTRUNC));
	memcpy(fds, CMSG_DATA(cm), cm->cmsg_len - CMSG_LEN(0));
	return (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
}

/* Descriptors of both kernels in messages over local sockets of the rump kernel. */
static void c_rights(const char *dir)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int s[2], tcp[2], got[4], pi[2], l, c;
	char buf[9];

	pair(tcp);
	need(pipe(pi) == 0);
	need(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && s[0] > 500);
	send_fds(s[0], (int[]){ tcp[0], pi[1], tcp[0] }, 3);
	need(receive_fds(s[1], got) == 3);
	close(tcp[0]);
	need(fcntl(got[0], F_GETFD) == FD_CLOEXEC && got[0] != got[2]);
	need(write(got[0], "rump", 4) == 4 && read(tcp[1], buf, 9) == 4);
	need(write(got[1], "host", 4) == 4 && read(pi[0], buf, 9) == 4 && !memcmp(buf, "host", 4));
	close(got[0]);
	need(write(got[2], "rump", 4) == 4 && read(tcp[1], buf, 9) == 4);
	close(got[2]);
	need(read(tcp[1], buf, 9) == 0);
	need(write(s[1], "x", 1) == 1 && recv(s[0], buf, 9, 0) == 1);
	/* a name in the rump kernel */
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/sock", dir);
	l = socket(AF_UNIX, SOCK_STREAM, 0);
	need(bind(l, (void *)&un, sizeof(un)) == 0 && listen(l, 1) == 0);
	need(access(un.sun_path, F_OK) == 0 && chdir(dir) == 0);
	strcpy(un.sun_path, "sock");
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	need(connect(c, (void *)&un, sizeof(un)) == 0 && accept(l, NULL, NULL) > 500);
	need(unlink("sock") == 0);
}

/* In a call of the rump kernel, until somebody ends it. */
static void c_wait(const char *arg)
{
	int l = listener();

	(void)arg;
	printf("%d\n", getpid());
	fflush(stdout);
	accept(l, NULL, NULL);
}

static void c_limit(const char *arg)
{
	struct rlimit rl = { 600, 600 };
	int n = 0, fd;

	(void)arg;
	need(setrlimit(RLIMIT_NOFILE, &rl) == 0);
	while ((fd = socket(AF_INET, SOCK_DGRAM, 0)) >= 0)
		n++;
	need(errno == EMFILE && n > 50 && n < 600);
	for (fd = 3; fd < 600; fd++)
		close(fd);
	need(socket(AF_INET, SOCK_DGRAM, 0) >= 0);
}

/* A rump descriptor that was inherited. */
static void c_input(const char *arg)
{
	int fd = atoi(arg);
	char buf[100];
	long n = read(fd, buf, sizeof(buf));

	need(n > 0);
	need(write(1, buf, n) == n);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(const char *arg);
	} cases[] = {
		{ "errors", c_errors }, { "files", c_files }, { "life", c_life }, { "limit", c_limit },
		{ "input", c_input }, { "where", c_where }, { "in", c_in }, { "maps", c_maps },
		{ "low", c_low }, { "wait", c_wait }, { "rights", c_rights },
	};
	size_t i;

	for (i = 0; argc > 1 && i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(argv[1], cases[i].name) != 0)
			continue;
		cases[i].fn(argc > 2 ? argv[2] : NULL);
		return 0;
	}
	return 2;
}
