/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_death.c - the ends of clients and of the server: in whatever state somebody dies, the
 * others see it soon, and nothing of him is left.
 */
#include "sp.h"
#include "../kdebug.h"

#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/wait.h>

/* ---- blocked in a call ------------------------------------------------------------------ */

static void loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	long s = MUST(socket, AF_INET, SOCK_DGRAM, 0);

	MUST(ioctl, s, SIOCSIFFLAGS, &ifr);
	MUST(close, s);
}

static long connect_to(int port, int flags)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	long s = S(socket, AF_INET, SOCK_STREAM | flags, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return s < 0 ? s : S(connect, s, &sin, sizeof(sin));
}

/* A port whose next connections are neither accepted nor refused. */
static long full_listener(void)
{
	long fd = MUST(socket, AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);

	MUST(listen, fd, 0);
	MUST(getsockname, fd, &sin, &len);
	for (int i = 0; i < 3; i++)
		connect_to(ntohs(sin.sin_port), SOCK_NONBLOCK);
	return ntohs(sin.sin_port);
}

/* Lesson 12: who is killed while blocked gives everything back. */
ATF_TC_WITHOUT_HEAD(killed);
ATF_TC_BODY(killed, tc)
{
	static const char *const how[] = { "accept", "poll", "read", "select", "connect", "idle" };
	long before, full;
	pid_t pid;
	int ready[2];
	char c;

	client_start();
	loopback_up();
	full = full_listener();
	before = processes();
	for (int i = 0; i < 6; i++) {
		ATF_REQUIRE_EQ(pipe(ready), 0);
		pid = fork();
		if (pid == 0) {
			struct { int fd; short ev, rev; } p = { .ev = 1 };
			unsigned long set[16] = { 0 };
			long fd = listen_on(1234);

			CHILD_CHECK(fd >= 0);
			CHILD_CHECK(write(ready[1], "r", 1) == 1);
			p.fd = fd;
			set[0] = 1ul << fd;
			if (i == 0)
				S(accept, fd, NULL, NULL);
			else if (i == 1)
				S(poll, &p, 1, -1);
			else if (i == 2)
				S(read, S(eventfd2, 0, 0), set, 8);
			else if (i == 3)
				S(select, fd + 1, set, NULL, NULL, NULL);
			else if (i == 4)
				connect_to(full, 0);
			else
				pause();
			_exit(1);
		}
		ATF_REQUIRE_EQ(read(ready[0], &c, 1), 1);
		close(ready[0]);
		close(ready[1]);
		ATF_CHECK_EQ(listen_on(1234), -EADDRINUSE);
		usleep(20000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		wait_processes(before);
		long fd = listen_on(1234);
		ATF_CHECK_MSG(fd >= 0, "killed in %s: %s", how[i], strerror(-fd));
		MUST(close, fd);
	}
}

static void *block_in(void *arg)
{
	char c;

	S(read, *(int *)arg, &c, 1);
	return NULL;
}

/* With threads blocked in several calls, by exit and by exec. */
ATF_TC_WITHOUT_HEAD(exit_and_exec);
ATF_TC_BODY(exit_and_exec, tc)
{
	long before;
	pid_t pid;

	client_start();
	before = processes();
	for (int i = 0; i < 10; i++) {
		pid = fork();
		if (pid == 0) {
			pthread_t t;
			int p[2];

			CHILD_CHECK(S(pipe2, p, 0) == 0);
			CHILD_CHECK(listen_on(1234) >= 0);
			for (int k = 0; k < 5; k++)
				pthread_create(&t, NULL, block_in, &p[0]);
			usleep(10000);
			if (i % 2)
				execl("/bin/true", "true", NULL);
			_exit(0);
		}
		reap(pid);
		wait_processes(before);
		long fd = listen_on(1234);
		ATF_CHECK_MSG(fd >= 0, "%s: %s", i % 2 ? "exec" : "exit", strerror(-fd));
		MUST(close, fd);
	}
}

/* The server is killed: clean errors, and no garbage. */
ATF_TC_WITHOUT_HEAD(server_dies);
ATF_TC_BODY(server_dies, tc)
{
	pthread_t t;
	void *r;

	client_start();
	MUST(pipe2, reader_pipe, 0);
	pthread_create(&t, NULL, reader, NULL);
	while (!readers)
		usleep(1000);
	usleep(20000);
	kill(server_pid(), SIGKILL);
	pthread_join(t, &r);
	ATF_CHECK_EQ((long)r, -ENOTCONN);
	for (int i = 0; i < 3; i++) {
		ATF_CHECK_EQ(S(getpid), -ENOTCONN);
		ATF_CHECK_EQ(S(write, reader_pipe[1], "x", 1), -ENOTCONN);
	}
}

/* A thousand short-lived clients leave nothing. */
ATF_TC(short_lives);
ATF_TC_HEAD(short_lives, tc)
{
	atf_tc_set_md_var(tc, "timeout", "120");
}
ATF_TC_BODY(short_lives, tc)
{
	struct rump_sp_hello_reply r;
	long before = 0, rss = 0;

	server_start();
	for (int i = 0; i < 2000; i++) {
		if (i == 1000) {
			wait_processes(0 + processes());
			usleep(100000);
			before = processes();
			rss = server_rss();
		}
		close(raw_client(RUMP_SP_GUEST, NULL, &r));
		check_server();
	}
	wait_processes(before);
	/*
	 * Pages that wait for a grace period come on top, and the more the busier the machine is.
	 * One stack of 32 KB lost with each life would be 32 MB.
	 */
	ATF_CHECK_MSG(server_rss() < rss + 8192, "%ld KB became %ld", rss, server_rss());
}

/* ---- a dying task that has to sleep --------------------------------------------------------- */

static long free_blocks(void)
{
	struct statfs st;

	MUST(statfs, "/mnt", &st);
	return st.f_bfree;
}

/*
 * What a killed process still has to do may take the disk: the last reference to a deleted
 * file is its own.  It does that, in its last moments, with the signal that kills it pending.
 */
ATF_TC(dying_sleeps);
ATF_TC_HEAD(dying_sleeps, tc)
{
	atf_tc_set_md_var(tc, "require.progs", "mkfs.ext4 e2fsck");
}
ATF_TC_BODY(dying_sleeps, tc)
{
	static char block[65536];
	long before, blocks;
	int ready[2];
	pid_t pid;
	char c;

	ATF_REQUIRE_EQ(system("truncate -s 64m img && mkfs.ext4 -q img >/dev/null"), 0);
	client_start_with((const char *const[]){ "-d", "key=/dev/img,hostpath=img,size=host",
	    "-M", "/dev/img:/mnt,type=ext4", NULL });
	before = processes();
	MUST(sync);
	blocks = free_blocks();
	for (int round = 0; round < 4; round++) {
		ATF_REQUIRE_EQ(pipe(ready), 0);
		pid = fork();
		if (pid == 0) {
			struct flock lock = { .l_type = F_WRLCK };
			pthread_t t;
			int p[2];

			for (int i = 0; i < 8; i++) {
				long fd = S(open, "/mnt/gone", O_RDWR | O_CREAT | O_EXCL, 0600);

				for (int k = 0; k < 32; k++)
					CHILD_CHECK(S(write, fd, block, sizeof(block)) > 0);
				CHILD_CHECK(S(fcntl, fd, F_SETLK, &lock) == 0);
				CHILD_CHECK(S(fsync, fd) == 0);
				CHILD_CHECK(S(unlink, "/mnt/gone") == 0);
			}
			CHILD_CHECK(S(pipe2, p, 0) == 0);
			for (int i = 0; i < 4; i++)
				pthread_create(&t, NULL, block_in, &p[0]);
			CHILD_CHECK(write(ready[1], "r", 1) == 1);
			S(read, p[0], block, 1);
			_exit(1);
		}
		ATF_REQUIRE_EQ(read(ready[0], &c, 1), 1);
		close(ready[0]);
		close(ready[1]);
		ATF_CHECK_MSG(free_blocks() < blocks - 1000, "%ld of %ld blocks are free", free_blocks(),
		    blocks);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		wait_processes(before);
		check_server();
		MUST(sync);
		ATF_CHECK_EQ(free_blocks(), blocks);
	}
	kill(server_pid(), SIGTERM);
	reap(server_pid());
	ATF_CHECK_EQ(system("e2fsck -fn img >/dev/null 2>&1"), 0);
}

/* ---- exec ------------------------------------------------------------------------------------- */

/* The next image of a client that goes on executing itself, until it is killed. */
static void __attribute__((constructor)) next_image(void)
{
	static char self[4096];
	char *argv[] = { self, NULL };
	extern char **environ;

	if (!getenv("EXEC_FOR_EVER"))
		return;
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0 || rumpclient_init() ||
	    S(fcntl, 0, F_GETFD) < 0 || listen_on(1234) != -EADDRINUSE)
		_exit(20);
	rumpclient_exec(self, argv, environ);
	_exit(21);
}

/* Killed at any moment of an exec: between two images, in the first, in the second. */
ATF_TC_WITHOUT_HEAD(killed_in_exec);
ATF_TC_BODY(killed_in_exec, tc)
{
	struct rumpclient_exec x;
	static char self[4096];
	int ready[2], status;
	long before, fd;
	pid_t pid;
	char c;

	ATF_REQUIRE(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	client_start();
	before = processes();
	for (int i = 0; i < 40; i++) {
		ATF_REQUIRE_EQ(pipe2(ready, O_CLOEXEC), 0);
		pid = fork();
		if (pid == 0) {
			char *argv[] = { self, NULL };
			extern char **environ;
			pthread_t t;
			int p[2];

			CHILD_CHECK(listen_on(1234) == 0);	/* number 0 */
			CHILD_CHECK(S(pipe2, p, O_CLOEXEC) == 0);
			for (int k = 0; k < 3; k++)
				pthread_create(&t, NULL, block_in, &p[0]);
			CHILD_CHECK(write(ready[1], "r", 1) == 1);
			switch (i % 4) {
			case 0:			/* the heir is there, and nobody executes */
				CHILD_CHECK(rumpclient_preexec(&x) == 0);
				pause();
				break;
			case 1:			/* the next image knows nothing of its heritage */
				CHILD_CHECK(rumpclient_preexec(&x) == 0);
				execl("/bin/sleep", "sleep", "100", NULL);
				break;
			default:
				setenv("EXEC_FOR_EVER", "1", 1);
				rumpclient_exec(self, argv, environ);
			}
			_exit(1);
		}
		ATF_REQUIRE_EQ(read(ready[0], &c, 1), 1);
		close(ready[0]);
		close(ready[1]);
		usleep(i * 1000);
		kill(pid, SIGKILL);
		ATF_REQUIRE_EQ(waitpid(pid, &status, 0), pid);
		ATF_CHECK_MSG(WIFSIGNALED(status), "way %d: %#x", i % 4, status);
		wait_processes(before);
		fd = listen_on(1234);
		ATF_CHECK_MSG(fd >= 0, "way %d: %s", i % 4, strerror(-fd));
		MUST(close, fd);
	}
}

/* ---- clients that others look at ------------------------------------------------------------------ */

static void read_all(const char *pid, const char *name)
{
	char path[300], buf[4096];
	long fd;

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	fd = S(open, path, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return;
	while (S(read, fd, buf, sizeof(buf)) > 0)
		;
	S(getdents64, fd, buf, sizeof(buf));
	S(close, fd);
}

/* All that ps and others read of each process, and signals for those who are not meant to last. */
static void look_around(int seconds, long keep)
{
	static const char *const files[] = {
		"status", "stat", "comm", "cmdline", "environ", "maps", "limits", "wchan", "io", "cgroup",
		"fd", "task", "ns", "mounts", "oom_score", "sched", "auxv", "timers",
	};
	time_t end = time(NULL) + seconds;
	static char buf[32768];
	struct dirent64 *d;
	long dir, n, pid;

	while (time(NULL) < end) {
		dir = MUST(open, "/proc", O_RDONLY | O_DIRECTORY);
		while ((n = MUST(getdents64, dir, buf, sizeof(buf))) > 0) {
			for (d = (void *)buf; (char *)d < buf + n; d = (void *)((char *)d + d->d_reclen)) {
				pid = atol(d->d_name);
				if (pid <= 0)
					continue;
				for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
					read_all(d->d_name, files[i]);
				S(kill, pid, 0);
				if (pid != keep && pid != S(getpid) && pid % 3 == 0)
					S(kill, pid, pid % 2 ? SIGKILL : SIGUSR1);
			}
		}
		MUST(close, dir);
	}
}

/* As raw_client(), but the server may hang up: somebody has killed it.  -1. */
static int try_client(enum rump_sp_kind kind, const struct rump_sp_cookie *cookie,
    struct rump_sp_hello_reply *r)
{
	struct rump_sp_hello h;
	int fd = raw_connect();

	raw_hello(&h, kind);
	if (cookie)
		h.cookie = *cookie;
	if (send(fd, &h, sizeof(h), MSG_NOSIGNAL) == sizeof(h) &&
	    recv(fd, r, sizeof(*r), MSG_WAITALL) == sizeof(*r) && r->error == 0)
		return fd;
	close(fd);
	return -1;
}

/* Guests, threads, forks and execs that begin and end, one after the other, until killed. */
static void make_clients(void)
{
	struct rump_sp_hdr q = { .len = sizeof(q), .type = RUMP_SP_PREFORK };
	struct rump_sp_hello_reply r, r2;
	struct rump_sp_newcookie a;
	int fd;

	signal(SIGUSR1, SIG_IGN);
	for (;;) {
		fd = try_client(RUMP_SP_GUEST, NULL, &r);
		if (fd < 0)
			continue;
		close(try_client(RUMP_SP_THREAD, &r.cookie, &r2));
		if (send(fd, &q, sizeof(q), MSG_NOSIGNAL) == sizeof(q) &&
		    recv(fd, &a, sizeof(a), MSG_WAITALL) == sizeof(a) && a.ret == 0)
			close(try_client(RUMP_SP_FORK, &a.cookie, &r2));
		close(try_client(RUMP_SP_EXEC, &r.cookie, &r2));
		close(fd);
	}
}

/* A client is a process like any other from the first moment on which others can see it. */
ATF_TC_WITHOUT_HEAD(half_built);
ATF_TC_BODY(half_built, tc)
{
	enum { N = 3 };
	pid_t pid[N], looker;
	long before, me;

	if (kdebug())
		atf_tc_skip("a kernel that checks itself does not answer so many in time");
	client_start();
	me = MUST(getpid);
	before = processes();
	for (int i = 0; i < N; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			make_clients();
	}
	looker = fork();
	if (looker == 0) {
		look_around(2, me);
		_exit(0);
	}
	reap(looker);
	for (int i = 0; i < N; i++) {
		kill(pid[i], SIGKILL);
		ATF_REQUIRE_EQ(waitpid(pid[i], NULL, 0), pid[i]);
	}
	wait_processes(before);
	check_server();
	MUST(getpid);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, killed);
	ATF_TP_ADD_TC(tp, exit_and_exec);
	ATF_TP_ADD_TC(tp, server_dies);
	ATF_TP_ADD_TC(tp, short_lives);
	ATF_TP_ADD_TC(tp, dying_sleeps);
	ATF_TP_ADD_TC(tp, killed_in_exec);
	ATF_TP_ADD_TC(tp, half_built);
	return atf_no_error();
}
