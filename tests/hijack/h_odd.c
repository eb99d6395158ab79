/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h_odd.c - what few programs do: processes with stacks of their own, another root, limits,
 * descriptors handed over by a convention, the logger, each file action of posix_spawn.
 *
 *	h_odd CASE [DIR]	DIR is a directory that is empty
 */
#include <aio.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "h.h"
#include "musl.h"

extern char **environ;
static char *self;

static const char *in(const char *dir, const char *name)
{
	static char path[4][512];
	static int next;
	char *p = path[next++ % 4];

	snprintf(p, 512, "%s/%s", dir, name);
	return p;
}

static void ends_well(pid_t pid)
{
	int st;

	need(pid > 0 && waitpid(pid, &st, 0) == pid && st == 0);
}

/* ---- clone(3) --------------------------------------------------------------------- */

static int cloned(void *arg)
{
	int *s = arg, more[2];

	tcp_pair(more);				/* it is a process of the rump kernel */
	close(s[1]);				/* and what it closes, the parent has */
	return write(s[0], "child", 5) != 5;
}

/* As a child of vfork(2): what it closes, it closes for itself. */
static int left_alone(void *arg)
{
	int *s = arg;

	return close(s[0]) | close(s[1]);
}

static void c_clone(const char *dir)
{
	char *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char buf[8];
	int s[2], i;

	(void)dir;
	need(stack != MAP_FAILED);
	tcp_pair(s);
	for (i = 0; i < 3; i++) {
		ends_well(clone(cloned, stack + 65536, SIGCHLD, s));
		need(read(s[1], buf, sizeof(buf)) == 5);
	}
	ends_well(clone(left_alone, stack + 65536, SIGCHLD | CLONE_VM | CLONE_VFORK, s));
	need(write(s[0], "x", 1) == 1 && read(s[1], buf, sizeof(buf)) == 1);
#ifdef __GLIBC__	/* musl's child calls it */
	fails(EINVAL, clone(NULL, stack, SIGCHLD, s));
#endif
}

/* ---- threads with few pages of stack ----------------------------------------------- */

static void *with_few(void *arg)
{
	const char *const *names = arg;
	struct stat st;
	int f, h, s[2];

	tcp_pair(s);
	f = open(names[0], O_RDWR | O_CREAT, 0600);
	h = open("/dev/null", O_WRONLY);
	need(f >= 0 && h >= 0 && pwrite(f, "text", 4, 0) == 4 && stat(names[0], &st) == 0);
	need(st.st_size == 4 && sendfile(h, f, NULL, 100000) == 4 && sendfile(s[0], f, &(off_t){ 1 }, 9) == 3);
	need(rename(names[0], names[1]) == 0 && close(f) == 0 && close(h) == 0);
	close(s[0]);
	close(s[1]);
	return arg;
}

static void c_stack(const char *dir)
{
	const char *names[] = { in(dir, "few"), in(dir, "fewer") };
	struct aiocb cb = { .aio_buf = (char[8]){ 0 }, .aio_nbytes = 8 };
	pthread_attr_t attr;
	pthread_t t;
	void *ret;

	need(pthread_attr_init(&attr) == 0);
	need(pthread_attr_setstacksize(&attr, sysconf(_SC_THREAD_STACK_MIN)) == 0);
	need(pthread_create(&t, &attr, with_few, names) == 0);
	need(pthread_join(t, &ret) == 0 && ret == names);
	/* Those of POSIX AIO are libc's. */
	cb.aio_fildes = open(names[1], O_RDONLY);
	need(cb.aio_fildes >= 0 && aio_read(&cb) == 0);
	need(aio_suspend((const struct aiocb *[]){ &cb }, 1, NULL) == 0 && aio_return(&cb) == 4);
	need(!memcmp((const void *)cb.aio_buf, "text", 4) && close(cb.aio_fildes) == 0);
	need(unlink(names[1]) == 0);
}

/* ---- another root ------------------------------------------------------------------ */

static void c_chroot(const char *dir)
{
	char buf[64];
	pid_t pid;

	need(mkdir(in(dir, "sub"), 0755) == 0);
	put_file(in(dir, "sub/f"), "inside");
	put_file(in(dir, "f"), "outside");
	pid = fork();
	if (pid == 0) {
		need(chroot(dir) == 0 && chdir("/sub") == 0);
		need(!strcmp(getcwd(buf, sizeof(buf)), "/sub"));
		need(!strcmp(file_text("f"), "inside") && !strcmp(file_text("/f"), "outside"));
		need(!strcmp(file_text("../../../f"), "outside"));
		fails(ENOENT, open("/proc/self/status", O_RDONLY));
		fails(ENOENT, open("/etc/passwd", O_RDONLY));
		fails(ENOENT, execv("/bin/true", (char *[]){ "true", NULL }));
		put_file("/new", "new");
		need(rename("/new", "/sub/new") == 0 && access("new", R_OK) == 0);
		_exit(0);
	}
	ends_well(pid);
	need(!strcmp(file_text(in(dir, "sub/new")), "new"));
	need(unlink(in(dir, "sub/new")) == 0 && unlink(in(dir, "sub/f")) == 0);
	need(rmdir(in(dir, "sub")) == 0 && unlink(in(dir, "f")) == 0);
}

/* ---- limits ---------------------------------------------------------------------------- */

static void c_limit(const char *dir)
{
	struct rlimit rl = { 64, 64 }, old;
	int fds[64], n, i, s[2];

	(void)dir;
	tcp_pair(s);
	getrlimit(RLIMIT_NOFILE, &old);
	rl.rlim_max = old.rlim_max;
	need(setrlimit(RLIMIT_NOFILE, &rl) == 0);
	for (n = 0; (fds[n] = socket(AF_INET, SOCK_DGRAM, 0)) >= 0; n++)
		need(n == 0 || fds[n] > fds[n - 1]);
	need(errno == EMFILE && fds[n - 1] == 63);	/* all that there are */
	fails(EMFILE, open("/dev/null", O_RDONLY));
	fails(EMFILE, dup(s[0]));
	fails(EBADF, dup2(s[0], 64));
	fails(EINVAL, fcntl(s[0], F_DUPFD, 64));
	need(close(fds[0]) == 0 && dup(s[0]) == fds[0]);
	for (i = 0; i < n; i++)
		need(close(fds[i]) == 0);
	need(write(s[0], "x", 1) == 1);
	need(setrlimit(RLIMIT_NOFILE, &old) == 0);
}

/* ---- LISTEN_FDS -------------------------------------------------------------------------- */

static void c_listen(const char *dir)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM, 0), c;
	char text[32], buf[8];
	pid_t pid;

	(void)dir;
	need(bind(l, (void *)&a, len) == 0 && listen(l, 1) == 0);
	need(getsockname(l, (void *)&a, &len) == 0);
	pid = fork();
	if (pid == 0) {
		need(l == 3 || (dup2(l, 3) == 3 && close(l) == 0));
		snprintf(text, sizeof(text), "%d", getpid());
		setenv("LISTEN_PID", text, 1);
		setenv("LISTEN_FDS", "1", 1);
		execl(self, self, "listened", NULL);
		_exit(1);
	}
	close(l);
	c = socket(AF_INET, SOCK_STREAM, 0);
	need(connect(c, (void *)&a, len) == 0 && read(c, buf, sizeof(buf)) == 7);
	ends_well(pid);
	close(c);
	do {				/* it closes when the server sees its process end */
		usleep(1000);
		close(c);
		c = socket(AF_INET, SOCK_STREAM, 0);
	} while (connect(c, (void *)&a, len) == 0);
	need(errno == ECONNREFUSED);
}

static void c_listened(const char *dir)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	int on = 0, c;
	socklen_t len = sizeof(on);

	(void)dir;
	need(pid && fds && atoi(pid) == getpid() && !strcmp(fds, "1"));
	need(getsockopt(3, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on);
	c = accept4(3, NULL, NULL, SOCK_CLOEXEC);
	need(c >= 0 && write(c, "service", 7) == 7);
}

/* ---- words of the scope, and calls that are not there ------------------------------------- */

/* With fdoff=100: what is the rump kernel's begins there, what is the host's does not. */
static void c_fdoff(const char *dir)
{
	int low = dup(0), s[2], fd, file;

	close(low);
	tcp_pair(s);
	need(s[0] >= 100 && s[1] >= 100 && s[0] < 110 && s[1] < 110);
	file = open(in(dir, "numbered"), O_RDWR | O_CREAT, 0600);
	need(file >= 100 && unlink(in(dir, "numbered")) == 0);
	fd = open("/dev/null", O_RDONLY);
	need(fd == low && close(fd) == 0);
	fd = fcntl(s[0], F_DUPFD, 200);
	need(fd == 200 && close(fd) == 0);
	need(dup2(s[0], 50) == 50 && write(50, "x", 1) == 1 && close(50) == 0);
	need(close(s[0]) == 0 && close(s[1]) == 0 && close(file) == 0);
}

/* What programs do without; and one that closes all that it does not know. */
static void c_absent(const char *dir)
{
	char params[256] = "";
	int s[2], fd;

	(void)dir;
	fails(ENOSYS, syscall(SYS_io_uring_setup, 8, params));
	fails(ENOSYS, syscall(SYS_fsopen, "ramfs", 0));
	tcp_pair(s);
	closefrom(3);
	fails(EBADF, fcntl(s[0], F_GETFD));
	tcp_pair(s);
	for (fd = 3; fd < 256; fd++)
		close(fd);
	tcp_pair(s);
	need(write(s[0], "x", 1) == 1 && close(s[0]) == 0 && close(s[1]) == 0);
}

/* ---- programs that close all that they do not know of ------------------------------------------ */

#define CLOSER_END	8192

/* As screen does: asks by poll() what there is, so that it need not close each number. */
static void close_what_is_there(const int keep[], int n)
{
	static struct pollfd p[CLOSER_END];
	int i, k;

	for (i = 0; i < CLOSER_END; i++)
		p[i].fd = i;
	need(poll(p, CLOSER_END, 0) >= 0);
	for (i = 3; i < CLOSER_END; i++) {
		for (k = 0; k < n && keep[k] != i; k++)
			;
		if (k == n && !(p[i].revents & POLLNVAL))
			close(i);
	}
}

static void *closer_thread(void *arg)
{
	int *s = arg;
	char c = 0;

	/* Its first calls: what the library opens for it was not there when all was closed. */
	need(write(s[0], "a", 1) == 1 && read(s[1], &c, 1) == 1 && c == 'a');
	need(write(s[2], "x", 1) == 1);
	need(read(s[1], &c, 1) == 1 && c == 'b');
	return NULL;
}

static void c_closer(const char *dir)
{
	struct rlimit rl;
	pthread_t t[2];
	int s[2][4], i, fd;
	char c;

	(void)dir;
	need(getrlimit(RLIMIT_NOFILE, &rl) == 0);
	if (rl.rlim_max < CLOSER_END)
		return;
	rl.rlim_cur = CLOSER_END;
	need(setrlimit(RLIMIT_NOFILE, &rl) == 0);
	for (fd = 3; fd < CLOSER_END; fd++)
		close(fd);
	for (i = 0; i < 2; i++) {
		tcp_pair(s[i]);
		need(pipe(s[i] + 2) == 0);
		fd = s[i][2];		/* the end that is written to comes first */
		s[i][2] = s[i][3];
		s[i][3] = fd;
		need(pthread_create(&t[i], NULL, closer_thread, s[i]) == 0);
		need(read(s[i][3], &c, 1) == 1);
		close_what_is_there(s[0], 4 * (i + 1));
		for (fd = 100; fd < CLOSER_END; fd++)
			close(fd);
	}
	for (i = 0; i < 2; i++)
		need(write(s[i][0], "b", 1) == 1 && pthread_join(t[i], NULL) == 0);
}

/* ---- epoll over exec ------------------------------------------------------------------------ */

static void c_epoll(const char *dir)
{
	struct epoll_event ev = { .events = EPOLLIN };
	char text[3][16];
	int s[2], p[2], ep = epoll_create1(0);

	(void)dir;
	tcp_pair(s);
	need(pipe(p) == 0);
	ev.data.u64 = 0x123456789abcdef;
	need(epoll_ctl(ep, EPOLL_CTL_ADD, s[1], &ev) == 0);
	ev.data.u64 = 5;
	need(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev) == 0);
	snprintf(text[0], 16, "%d", ep);
	snprintf(text[1], 16, "%d", s[0]);
	snprintf(text[2], 16, "%d", p[1]);
	execl(self, self, "epolled", text[0], text[1], text[2], NULL);
	need(!"execl");
}

static void c_epolled(char **argv)
{
	struct epoll_event ev[4] = { { 0 } };
	int ep = atoi(argv[0]), s = atoi(argv[1]), w = atoi(argv[2]);

	need(epoll_wait(ep, ev, 4, 50) == 0);
	need(write(s, "x", 1) == 1);
	need(epoll_wait(ep, ev, 4, 5000) == 1 && ev[0].data.u64 == 0x123456789abcdef);
	need(write(w, "x", 1) == 1);
	need(epoll_wait(ep, ev, 4, 5000) == 2 && ev[0].data.u64 + ev[1].data.u64 == 0x123456789abcdef + 5);
}

/* ---- syslog ------------------------------------------------------------------------------------ */

/* DIR/log is what the program has for /dev/log. */
static void c_syslog(const char *dir)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_DGRAM, 0);
	char buf[256];
	ssize_t n;

	strcpy(un.sun_path, in(dir, "log"));
	need(bind(s, (void *)&un, sizeof(un)) == 0);
	openlog("h_odd", LOG_NDELAY, LOG_USER);
	syslog(LOG_NOTICE, "a line, number %d", 1);
	n = recv(s, buf, sizeof(buf) - 1, MSG_DONTWAIT);
	need(n > 0);
	buf[n] = '\0';
	need(strstr(buf, "<13>") && strstr(buf, "h_odd: a line, number 1"));
	closelog();
	need(unlink(un.sun_path) == 0);
}

/* ---- posix_spawn -------------------------------------------------------------------------------- */

static void c_spawn(const char *dir)
{
	char *argv[] = { "sh", "-c", "cat; cat <&7; pwd; ls /proc/self/fd | wc -l; echo $X", NULL };
	char *env[] = { "X=value", "PATH=/usr/bin:/bin", NULL };
	char text[1024];
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	int d, s[2];
	pid_t pid;

	tcp_pair(s);
	put_file(in(dir, "seven"), "seven\n");
	need(write(s[0], "net\n", 4) == 4 && shutdown(s[0], SHUT_WR) == 0);
	d = open(dir, O_RDONLY | O_DIRECTORY);
	need(d >= 0);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, s[1], 0);
	posix_spawn_file_actions_addchdir_np(&fa, dir);
	posix_spawn_file_actions_addopen(&fa, 1, "out", O_CREAT | O_WRONLY, 0600);
	posix_spawn_file_actions_addopen(&fa, 7, in(dir, "seven"), O_RDONLY, 0);
	posix_spawn_file_actions_addclose(&fa, s[0]);
	posix_spawn_file_actions_addclosefrom_np(&fa, 8);
	posix_spawnattr_init(&at);
	posix_spawnattr_setflags(&at, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
	need(posix_spawn(&pid, "/bin/sh", &fa, &at, argv, env) == 0);
	ends_well(pid);
	need(lseek(d, 0, SEEK_CUR) == 0);	/* what the child closed is open here */
	snprintf(text, sizeof(text), "net\nseven\n%s\n", dir);
	need(strncmp(file_text(in(dir, "out")), text, strlen(text)) == 0);
	need(strstr(file_text(in(dir, "out")), "\nvalue\n"));
	posix_spawn_file_actions_destroy(&fa);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 0, in(dir, "none"), O_RDONLY, 0);
	need(posix_spawn(&pid, "/bin/true", &fa, NULL, argv, env) == ENOENT);
	posix_spawn_file_actions_destroy(&fa);
	need(unlink(in(dir, "out")) == 0 && unlink(in(dir, "seven")) == 0);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(const char *dir);
	} cases[] = {
		{ "clone", c_clone }, { "chroot", c_chroot }, { "limit", c_limit },
		{ "listen", c_listen }, { "listened", c_listened }, { "epoll", c_epoll },
		{ "syslog", c_syslog }, { "fdoff", c_fdoff }, { "absent", c_absent },
		{ "spawn", c_spawn }, { "stack", c_stack }, { "closer", c_closer },
	};
	size_t i;

	alarm(60);
	self = argv[0];
	if (argc == 5 && !strcmp(argv[1], "epolled")) {
		c_epolled(argv + 2);
		return 0;
	}
	for (i = 0; argc > 1 && i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(argv[1], cases[i].name) != 0)
			continue;
		cases[i].fn(argc > 2 ? argv[2] : "");
		return 0;
	}
	return 2;
}
