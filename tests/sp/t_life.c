/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_life.c - processes of a server's clients: forks that are not completed, exec, and
 * signals for who waits for nothing.
 */
#include "sp.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct rump_sp_cookie raw_prefork(int fd)
{
	struct rump_sp_hdr q = { .len = sizeof(q), .type = RUMP_SP_PREFORK, .reqno = 5 };
	struct rump_sp_newcookie a;

	ATF_REQUIRE_EQ(send(fd, &q, sizeof(q), MSG_NOSIGNAL), (ssize_t)sizeof(q));
	ATF_REQUIRE(raw_read(fd, &a, sizeof(a)));
	ATF_REQUIRE_EQ(a.hdr.type, RUMP_SP_COOKIE);
	ATF_REQUIRE_EQ(a.ret, 0);
	return a.cookie;
}

/* A fork that fails half-way leaves nothing behind. */
ATF_TC_WITHOUT_HEAD(prefork_dropped);
ATF_TC_BODY(prefork_dropped, tc)
{
	struct rump_sp_hello_reply r;
	struct rumpclient_fork f;
	struct rump_sp_cookie c;
	long n;
	int fd, i;

	client_start();
	n = processes();
	/* given up */
	for (i = 0; i < 20; i++) {
		ATF_REQUIRE_EQ(rumpclient_prefork(&f), 0);
		rumpclient_fork_cancel(&f);
	}
	wait_processes(n);

	/* its parent dies before there is a child */
	fd = raw_client(RUMP_SP_GUEST, NULL, &r);
	for (i = 0; i < 20; i++)
		c = raw_prefork(fd);
	close(fd);
	wait_processes(n);
	fd = raw_client(RUMP_SP_FORK, &c, &r);
	ATF_CHECK(r.error < 0);
	close(fd);
	/* and last, since it ends our own process there */
	ATF_CHECK(rumpclient_fork_init(&f) < 0);
}

/*
 * The parent lives on and the child never comes: what was made for it waits a minute, and
 * is in nobody's way.  RUMP_FULL: until it is gone.
 */
ATF_TC_WITHOUT_HEAD(prefork_forgotten);
ATF_TC_BODY(prefork_forgotten, tc)
{
	struct rumpclient_fork f, used;
	long n, waiting;
	pid_t pid;
	int i;

	client_start();
	n = processes();
	for (i = 0; i < 50; i++)
		ATF_REQUIRE_EQ(rumpclient_prefork(&f), 0);
	waiting = processes();
	ATF_CHECK_MSG(waiting >= n + 50, "%ld tasks", waiting);
	for (i = 0; i < 20; i++) {
		ATF_REQUIRE_EQ(rumpclient_prefork(&used), 0);
		pid = fork();
		if (pid == 0)
			_exit(rumpclient_fork_init(&used) != 0 || S(getpid) <= 0);
		reap(pid);
	}
	wait_processes(waiting);
	for (i = 0; getenv("RUMP_FULL") && i < 80 && processes() > n; i++)
		sleep(1);
	if (i)
		ATF_CHECK_MSG(i > 50 && processes() <= n, "%ld tasks after %d s", processes(), i);
	/* the others' end is the parent's */
	MUST(getpid);
}

/* The process that called daemon() is gone, and another one has all that it had. */
ATF_TC_WITHOUT_HEAD(daemon);
ATF_TC_BODY(daemon, tc)
{
	int host[2], p[2], status;
	char cwd[64], c;
	struct stat st;
	long fd, me;
	pid_t pid;

	server_start();
	ATF_REQUIRE_EQ(pipe(host), 0);
	pid = fork();
	if (pid == 0) {
		CHILD_CHECK(rumpclient_init() == 0);
		me = S(getpid);
		fd = listen_on(1234);
		CHILD_CHECK(fd >= 0 && S(pipe2, p, 0) == 0 && S(chdir, "/tmp") == 0);
		CHILD_CHECK(S(write, p[1], "x", 1) == 1);
		if (rumpclient_daemon(0, 0))
			_exit(9);
		/* from here on the parent has exited, and nobody waits for us */
		c = 'b';
		if (S(getpid) > 0 && S(getpid) != me && getsid(0) == getpid() &&
		    getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, "/") &&
		    S(getcwd, cwd, sizeof(cwd)) > 0 && !strcmp(cwd, "/tmp") &&
		    fstat(0, &st) == 0 && S_ISCHR(st.st_mode) && fstat(2, &st) == 0 &&
		    S_ISCHR(st.st_mode) && listen_on(1234) == -EADDRINUSE &&
		    S(read, p[0], &c, 1) == 1 && c == 'x')
			c = 'g';
		(void)!write(host[1], &c, 1);
		_exit(0);
	}
	close(host[1]);
	ATF_REQUIRE_EQ(waitpid(pid, &status, 0), pid);
	ATF_CHECK_EQ(status, 0);
	ATF_REQUIRE_EQ(read(host[0], &c, 1), 1);
	ATF_CHECK_EQ(c, 'g');
	ATF_CHECK_EQ(read(host[0], &c, 1), 0);
	check_server();
}

/* ---- exec ------------------------------------------------------------------------------ */

static void *blocked(void *arg)
{
	char c;

	S(read, (int)(intptr_t)arg, &c, 1);
	return NULL;
}

/* Whatever came before the exec, and the next image. */
static void first_image(void)
{
	static char self[4096], pid[16], keep[16], gone[16];
	char *argv[] = { self, NULL };
	char env[64], *envp[] = { env, getenv("RUMP_SERVER") - strlen("RUMP_SERVER="), NULL };
	pthread_t t;
	int p[2], i;

	ATF_REQUIRE(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	MUST(pipe2, p, O_CLOEXEC);
	for (i = 0; i < 8; i++)
		ATF_REQUIRE_EQ(pthread_create(&t, NULL, blocked, (void *)(intptr_t)p[0]), 0);
	MUST(mkdir, "/tmp/dir", 0700);
	MUST(chdir, "/tmp/dir");
	MUST(umask, 027);
	MUST(setresgid, 7, 7, 7);
	sprintf(keep, "%ld", MUST(open, "kept", O_CREAT | O_RDWR, 0666));
	sprintf(gone, "%d", p[1]);
	sprintf(pid, "%ld", MUST(getpid));
	usleep(100000);
	ATF_CHECK_EQ(rumpclient_exec("/nonexistent", argv, envp), -ENOENT);
	ATF_CHECK_EQ(S(getpid), atoi(pid));
	snprintf(env, sizeof(env), "SECOND_IMAGE=%s:%s:%s", pid, keep, gone);
	ATF_CHECK_EQ(rumpclient_exec(self, argv, envp), 0);
}

static int second_image(const char *what)
{
	int pid, keep, gone, threads = 0;
	char cwd[64] = "", status[2048] = "", *s;
	struct stat st;
	long fd;

	if (sscanf(what, "%d:%d:%d", &pid, &keep, &gone) != 3 || rumpclient_init())
		return 10;
	if (S(getpid) != pid)
		return 11;
	if (S(getcwd, cwd, sizeof(cwd)) < 0 || strcmp(cwd, "/tmp/dir"))
		return 12;
	if (S(umask, 0) != 027)
		return 13;
	if (S(getegid) != 7)
		return 14;
	if (S(fstat, keep, &st) || (st.st_mode & 0777) != 0640)
		return 15;
	if (S(fcntl, gone, F_GETFD) != -EBADF)
		return 16;
	fd = S(open, "/proc/self/status", O_RDONLY);
	if (S(read, fd, status, sizeof(status) - 1) < 0 || !(s = strstr(status, "Threads:")))
		return 17;
	sscanf(s, "Threads: %d", &threads);
	return threads == 2 ? 0 : 18;	/* the agent is the other one */
}

/* Before main(), which is a test program's. */
static void __attribute__((constructor)) is_second(void)
{
	if (getenv("SECOND_IMAGE"))
		_exit(second_image(getenv("SECOND_IMAGE")));
}

ATF_TC_WITHOUT_HEAD(exec);
ATF_TC_BODY(exec, tc)
{
	int status;
	pid_t pid;

	server_start();
	pid = fork();
	if (pid == 0) {
		ATF_REQUIRE_EQ(rumpclient_init(), 0);
		first_image();
		_exit(9);
	}
	ATF_REQUIRE_EQ(waitpid(pid, &status, 0), pid);
	ATF_CHECK_MSG(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", status);
	check_server();
}

/* ---- signals ----------------------------------------------------------------------------- */

static atomic_int got, got_value;

static void note(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	got_value = si->si_value.sival_int;
	got = sig;
}

/* A signal of the rump kernel reaches a client that makes no call. */
ATF_TC_WITHOUT_HEAD(idle_signal);
ATF_TC_BODY(idle_signal, tc)
{
	const struct sigaction sa = { .sa_sigaction = note, .sa_flags = SA_SIGINFO };
	siginfo_t si = { .si_signo = SIGUSR2, .si_code = SI_QUEUE };
	int status, i;
	pid_t pid;
	long me;

	client_start();
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
	me = MUST(getpid);
	pid = fork();
	if (pid == 0) {
		si.si_value.sival_int = 42;
		usleep(50000);
		if (S(kill, me, SIGUSR1))
			_exit(1);
		usleep(200000);
		_exit(S(rt_sigqueueinfo, me, SIGUSR2, &si) != 0);
	}
	for (i = 0; i < 1000 && got != SIGUSR1; i++)
		usleep(10000);
	ATF_CHECK_EQ(got, SIGUSR1);
	for (i = 0; i < 1000 && got != SIGUSR2; i++)
		usleep(10000);
	ATF_CHECK_EQ(got, SIGUSR2);
	ATF_CHECK_EQ(got_value, 42);
	ATF_REQUIRE_EQ(waitpid(pid, &status, 0), pid);
	ATF_CHECK_EQ(status, 0);

	MUST(alarm, 1);
	for (i = 0; i < 1000 && got != SIGALRM; i++)
		usleep(10000);
	ATF_CHECK_EQ(got, SIGALRM);
}

/* One that the program has blocked waits, and nobody spins. */
ATF_TC_WITHOUT_HEAD(blocked_signal);
ATF_TC_BODY(blocked_signal, tc)
{
	struct timespec before, after;
	struct pollfd p;
	sigset_t set;
	int fds[2];

	client_start();
	MUST(pipe, fds);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	MUST(kill, MUST(getpid), SIGUSR1);
	p = (struct pollfd){ .fd = fds[0], .events = POLLIN };
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	S(poll, &p, 1, 500);
	S(poll, &p, 1, 500);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	ATF_CHECK_MSG((after.tv_sec - before.tv_sec) * 1000 +
	    (after.tv_nsec - before.tv_nsec) / 1000000 < 300, "the client was busy");
	MUST(getpid);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, prefork_dropped);
	ATF_TP_ADD_TC(tp, prefork_forgotten);
	ATF_TP_ADD_TC(tp, daemon);
	ATF_TP_ADD_TC(tp, exec);
	ATF_TP_ADD_TC(tp, idle_signal);
	ATF_TP_ADD_TC(tp, blocked_signal);
	return atf_no_error();
}
