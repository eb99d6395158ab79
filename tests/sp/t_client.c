/* SPDX-License-Identifier: BSD-2-Clause */
/* Clients of a rump_server that behave: threads, forks, signals, descriptors. */
#include "sp.h"
#include "../kdebug.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include <rump/rump_calls.h>

/* A signal of ours: a handler, with SA_RESTART or without, and a timer. */
static atomic_int handled;

static void on_signal(int sig)
{
	(void)sig;
	handled++;
}

static int repeats;

static void alarm_in(int ms, int flags, void (*fn)(int))
{
	struct sigaction sa = { .sa_handler = fn, .sa_flags = flags };
	/* Again and again: the first may come before what it is to interrupt. */
	struct itimerval it = {
		.it_value = { ms / 1000, ms % 1000 * 1000 },
		.it_interval = { 0, repeats ? ms * 1000 : 0 },
	};

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
}

/* ---- fork ------------------------------------------------------------------------------ */

ATF_TC_WITHOUT_HEAD(fork_announced);
ATF_TC_BODY(fork_announced, tc)
{
	struct rumpclient_fork cookie;
	char buf[16];
	int fd, p[2];
	long me;
	pid_t pid;

	client_start();
	fd = MUST(open, "/tmp/shared", O_RDWR | O_CREAT, 0600);
	MUST(pipe2, p, 0);
	MUST(mkdir, "/tmp/dir", 0700);
	MUST(chdir, "/tmp/dir");
	me = MUST(getpid);
	for (int i = 0; i < 50; i++) {
		ATF_REQUIRE_EQ(rumpclient_prefork(&cookie), 0);
		pid = fork();
		if (pid == 0) {
			CHILD_CHECK(rumpclient_fork_init(&cookie) == 0);
			CHILD_CHECK(S(getpid) > 0 && S(getpid) != me);
			CHILD_CHECK(S(write, p[1], "x", 1) == 1);
			CHILD_CHECK(S(close, p[1]) == 0);
			/* the offset is shared, the directory the same */
			CHILD_CHECK(S(write, fd, "child", 5) == 5);
			CHILD_CHECK(S(access, "../dir", F_OK) == 0);
			/* its own table */
			CHILD_CHECK(S(close, fd) == 0);
			_exit(0);
		}
		ATF_REQUIRE_EQ(MUST(read, p[0], buf, sizeof(buf)), 1);
		reap(pid);
		ATF_REQUIRE_EQ(MUST(lseek, fd, 0, SEEK_CUR), 5 * (i + 1));
	}
	ATF_CHECK_EQ(MUST(write, p[1], "y", 1), 1);
	MUST(close, p[1]);
	ATF_REQUIRE_EQ(MUST(read, p[0], buf, sizeof(buf)), 1);
	/* no child keeps the pipe open */
	ATF_REQUIRE_EQ(MUST(read, p[0], buf, sizeof(buf)), 0);
}

/* A child that was never announced is a process of its own, without our descriptors. */
ATF_TC_WITHOUT_HEAD(fork_silent);
ATF_TC_BODY(fork_silent, tc)
{
	long me;
	int fd;
	pid_t pid;

	client_start();
	fd = MUST(open, "/tmp/x", O_RDWR | O_CREAT, 0600);
	me = MUST(getpid);
	for (int i = 0; i < 20; i++) {
		pid = fork();
		if (pid == 0) {
			CHILD_CHECK(S(getpid) > 0 && S(getpid) != me);
			CHILD_CHECK(S(write, fd, "x", 1) == -EBADF);
			_exit(0);
		}
		ATF_CHECK_EQ(MUST(getpid), me);
		reap(pid);
		ATF_CHECK_EQ(MUST(getpid), me);
	}
}

/* A fork that fails half-way, in its several ways, leaves nothing behind. */
ATF_TC_WITHOUT_HEAD(fork_given_up);
ATF_TC_BODY(fork_given_up, tc)
{
	struct rumpclient_fork cookie, other;
	long before;
	pid_t pid;

	client_start();
	before = processes();
	for (int i = 0; i < 50; i++) {
		ATF_REQUIRE_EQ(rumpclient_prefork(&cookie), 0);
		rumpclient_fork_cancel(&cookie);
	}
	wait_processes(before);
	/* what was cancelled, or never was, can't be had */
	other = cookie;
	other.id[1]++;
	for (int i = 0; i < 2; i++) {
		pid = fork();
		if (pid == 0) {
			CHILD_CHECK(rumpclient_fork_init(i ? &other : &cookie) == -ESRCH);
			_exit(0);
		}
		reap(pid);
	}
	/* nor twice */
	ATF_REQUIRE_EQ(rumpclient_prefork(&cookie), 0);
	pid = fork();
	if (pid == 0) {
		CHILD_CHECK(rumpclient_fork_init(&cookie) == 0);
		CHILD_CHECK(rumpclient_fork_init(&cookie) == -ESRCH);
		_exit(0);
	}
	reap(pid);
	wait_processes(before);
}

/* ---- threads ------------------------------------------------------------------------------- */

/* The library's work at the end of a thread comes after the sanitizer's. */
static const char late_destructor[] = "the sanitizer is gone from a thread before the library is";

/* NetBSD's server has 128 workers for all. */
ATF_TC_WITHOUT_HEAD(many_blocked);
ATF_TC_BODY(many_blocked, tc)
{
	enum { N = 500 };
	static pthread_t t[N];
	pthread_attr_t attr;
	void *r;

	skip_in_tsan(late_destructor);
	client_start();
	MUST(pipe2, reader_pipe, 0);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	for (int i = 0; i < N; i++)
		ATF_REQUIRE_EQ(pthread_create(&t[i], &attr, reader, NULL), 0);
	while (readers < N)
		usleep(1000);
	for (int i = 0; i < 1000; i++)
		MUST(getppid);
	for (int i = 0; i < N; i++)
		ATF_REQUIRE_EQ(MUST(write, reader_pipe[1], "x", 1), 1);
	for (int i = 0; i < N; i++) {
		pthread_join(t[i], &r);
		ATF_CHECK_EQ((long)r, 1);
	}
}

static void *thread_id(void *arg)
{
	*(long *)arg = S(gettid);
	return (void *)S(getpid);
}

ATF_TC_WITHOUT_HEAD(threads_end);
ATF_TC_BODY(threads_end, tc)
{
	pthread_t t[8];
	long id[8], before;
	void *pid;

	skip_in_tsan(late_destructor);
	client_start();
	before = processes();
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 8; i++)
			ATF_REQUIRE_EQ(pthread_create(&t[i], NULL, thread_id, &id[i]), 0);
		for (int i = 0; i < 8; i++) {
			pthread_join(t[i], &pid);
			ATF_CHECK_EQ((long)pid, MUST(getpid));
			ATF_CHECK(id[i] > 0 && id[i] != MUST(gettid));
			for (int j = 0; j < i; j++)
				ATF_CHECK(id[i] != id[j]);
		}
	}
	wait_processes(before);
}

static void *opener(void *arg)
{
	(void)arg;
	return (void *)S(socket, AF_INET, SOCK_STREAM, 0);
}

/* A process lives as long as it does on the host, whichever of its threads ends first. */
static void *outlives_main(void *arg)
{
	pthread_t t;
	void *fd;
	int i;

	pthread_join(*(pthread_t *)arg, NULL);
	for (i = 0; i < 20; i++) {
		CHILD_CHECK(pthread_create(&t, NULL, opener, NULL) == 0);
		pthread_join(t, &fd);
		CHILD_CHECK((long)fd == i);
		usleep(2000);
	}
	_exit(0);
}

ATF_TC_WITHOUT_HEAD(last_thread);
ATF_TC_BODY(last_thread, tc)
{
	static pthread_t first;
	pthread_t t;
	pid_t pid;

	skip_in_tsan(late_destructor);
	server_start();
	pid = fork();
	if (pid == 0) {
		CHILD_CHECK(rumpclient_init() == 0);
		first = pthread_self();
		CHILD_CHECK(pthread_create(&t, NULL, outlives_main, &first) == 0);
		pthread_exit(NULL);
	}
	reap(pid);
}

/* ---- signals -------------------------------------------------------------------------------------- */

ATF_TC_WITHOUT_HEAD(interrupted);
ATF_TC_BODY(interrupted, tc)
{
	struct timespec ts = { .tv_sec = 20 };
	int p[2];
	char c;

	client_start();
	repeats = 1;
	MUST(pipe2, p, 0);
	for (int i = 0; i < 20; i++) {
		handled = 0;
		alarm_in(20, 0, on_signal);
		ATF_CHECK_EQ(S(read, p[0], &c, 1), -EINTR);
		ATF_CHECK(handled >= 1);
	}
	/* never restarted, whatever SA_RESTART says */
	alarm_in(20, SA_RESTART, on_signal);
	ATF_CHECK_EQ(S(nanosleep, &ts, NULL), -EINTR);
	alarm_in(20, SA_RESTART, on_signal);
	ATF_CHECK_EQ(S(poll, NULL, 0, 20000), -EINTR);
	/* and the next call is none the worse for it */
	repeats = 0;
	alarm_in(0, 0, on_signal);
	MUST(write, p[1], "x", 1);
	ATF_CHECK_EQ(S(read, p[0], &c, 1), 1);
}

static int late_pipe[2];

static void *write_late(void *arg)
{
	usleep(200000);
	return (void *)S(write, late_pipe[1], arg, 1);
}

ATF_TC_WITHOUT_HEAD(restarted);
ATF_TC_BODY(restarted, tc)
{
	pthread_t t;
	sigset_t set, old;
	char c;

	client_start();
	MUST(pipe2, late_pipe, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	pthread_create(&t, NULL, write_late, "z");
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	alarm_in(50, SA_RESTART, on_signal);
	ATF_CHECK_EQ(S(read, late_pipe[0], &c, 1), 1);
	ATF_CHECK_EQ(c, 'z');
	ATF_CHECK_EQ(handled, 1);
	pthread_join(t, NULL);
}

static void call_within(int sig)
{
	(void)sig;
	/* on top of the call that it has interrupted */
	if (S(write, late_pipe[1], "n", 1) == 1)
		handled++;
}

ATF_TC_WITHOUT_HEAD(call_in_handler);
ATF_TC_BODY(call_in_handler, tc)
{
	char c = 0;

	skip_in_tsan("the sanitizer keeps signals back while it sees no call");
	client_start();
	MUST(pipe2, late_pipe, 0);
	for (int i = 0; i < 20; i++) {
		handled = 0;
		alarm_in(20, SA_RESTART, call_within);
		ATF_CHECK_EQ(S(read, late_pipe[0], &c, 1), 1);
		ATF_CHECK_EQ(c, 'n');
		ATF_CHECK_EQ(handled, 1);
	}
}

static sigjmp_buf away;

static void jump(int sig)
{
	(void)sig;
	siglongjmp(away, 1);
}

/* A handler that never comes back to the call it has interrupted. */
ATF_TC_WITHOUT_HEAD(longjmp_out);
ATF_TC_BODY(longjmp_out, tc)
{
	struct sigaction sa = { .sa_handler = jump };
	long before, me;
	int p[2];
	char c;

	client_start();
	me = MUST(getpid);
	MUST(pipe2, p, 0);
	before = processes();
	for (int i = 0; i < 20; i++) {
		if (sigsetjmp(away, 1) == 0) {
			alarm_in(20, 0, jump);
			S(read, p[0], &c, 1);
			atf_tc_fail("read returned");
		}
		ATF_CHECK_EQ(MUST(getpid), me);
	}
	(void)sa;
	wait_processes(before + 4);
	MUST(write, p[1], "x", 1);
}

static void on_info(int sig, siginfo_t *si, void *ctx)
{
	(void)ctx;
	if (sig == SIGPIPE && si->si_signo == SIGPIPE)
		handled++;
}

ATF_TC_WITHOUT_HEAD(raised);
ATF_TC_BODY(raised, tc)
{
	struct sigaction sa = { .sa_sigaction = on_info, .sa_flags = SA_SIGINFO };
	int p[2];

	client_start();
	sigaction(SIGPIPE, &sa, NULL);
	MUST(pipe2, p, 0);
	MUST(close, p[0]);
	for (int i = 1; i < 20; i++) {
		ATF_CHECK_EQ(S(write, p[1], "x", 1), -EPIPE);
		ATF_CHECK_EQ(handled, i);
	}
}

/*
 * Signals without pause, with little memory: NetBSD's server ran out of it.  For
 * RUMP_STRESS_SECONDS (4).
 */
ATF_TC_WITHOUT_HEAD(signal_storm);
ATF_TC_BODY(signal_storm, tc)
{
	const char *seconds = getenv("RUMP_STRESS_SECONDS");
	struct itimerval it = { { 0, 100 }, { 0, 100 } };
	long before, calls = 0, r;
	time_t end;
	int p[2];
	char c;

	client_start_with((const char *const[]){ "-r", kdebug() ? "256m" : "128m", NULL });
	end = time(NULL) + (seconds ? atoi(seconds) : 4);
	MUST(pipe2, p, 0);
	before = server_rss();
	alarm_in(1, 0, on_signal);
	setitimer(ITIMER_REAL, &it, NULL);
	for (; time(NULL) < end; calls++) {
		r = S(write, p[1], "x", 1);
		ATF_REQUIRE_MSG(r == 1 || r == -EINTR, "write: %ld", r);
		if (r == 1) {
			while ((r = S(read, p[0], &c, 1)) == -EINTR)
				;
			ATF_REQUIRE_EQ(r, 1);
		}
		r = S(getppid);
		ATF_REQUIRE(r >= 0);
	}
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	ATF_CHECK(handled > 100);
	ATF_CHECK_MSG(server_rss() < before + 8192, "%ld KB became %ld", before, server_rss());
	printf("%ld rounds, %d signals\n", calls, (int)handled);
}

/* ---- descriptors ------------------------------------------------------------------------------------------ */

ATF_TC_WITHOUT_HEAD(own_descriptors);
ATF_TC_BODY(own_descriptors, tc)
{
	struct rlimit rl, now;
	int ours = -1, n = 0, fd, last = -1;

	/* A program with a low limit finds all its numbers free. */
	ATF_REQUIRE_EQ(getrlimit(RLIMIT_NOFILE, &rl), 0);
	if (rl.rlim_max <= 256)
		atf_tc_skip("the hard limit is too low");
	rl.rlim_cur = 256;
	ATF_REQUIRE_EQ(setrlimit(RLIMIT_NOFILE, &rl), 0);
	client_start();
	ATF_REQUIRE_EQ(getrlimit(RLIMIT_NOFILE, &now), 0);
	ATF_CHECK_EQ(now.rlim_cur, rl.rlim_cur);
	for (fd = 0; fd < 10000; fd++) {
		if (!rumpclient_owns_fd(fd))
			continue;
		ours = fd;
		n++;
	}
	ATF_CHECK_EQ(n, 1);
	ATF_CHECK_MSG(ours >= 256, "it is %d", ours);
	ATF_CHECK(fcntl(ours, F_GETFD) & FD_CLOEXEC);
	for (n = 0; (fd = open("/dev/null", O_RDONLY)) >= 0; n++)
		last = fd;
	ATF_CHECK_MSG(n >= 250, "only %d", n);
	/* It gives way, and everything goes on. */
	ATF_CHECK_EQ(rumpclient_move_fd(ours), 0);
	ATF_CHECK(!rumpclient_owns_fd(ours));
	ATF_CHECK(fcntl(ours, F_GETFD) < 0);
	MUST(getpid);
	ATF_CHECK_EQ(rumpclient_move_fd(3), 0);
	MUST(getpid);
	close(last);	/* for the test's result */
}

/* An alias is a descriptor of its own: the file lives as long as any, here and on the host. */
ATF_TC_WITHOUT_HEAD(aliases);
ATF_TC_BODY(aliases, tc)
{
	int p[2], near[2];
	long alias, again;
	char c;

	client_start();
	for (int first = 0; first < 2; first++) {
		MUST(pipe2, p, O_NONBLOCK);
		alias = MUST(dup, p[1]);
		MUST(close, first ? alias : p[1]);
		alias = first ? p[1] : alias;
		ATF_CHECK_EQ(S(write, first ? alias + 1 : p[1], "x", 1), -EBADF);
		ATF_CHECK_EQ(MUST(write, alias, "x", 1), 1);
		ATF_CHECK_EQ(MUST(read, p[0], &c, 1), 1);
		ATF_CHECK_EQ(S(read, p[0], &c, 1), -EAGAIN);	/* nobody has hung up */
		MUST(close, alias);
		ATF_CHECK_EQ(S(read, p[0], &c, 1), 0);
		MUST(close, p[0]);
	}

	/* of its placeholder: closed at the one number, it can be had by the other */
	MUST(pipe2, p, O_NONBLOCK);
	ATF_REQUIRE_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, near), 0);
	ATF_REQUIRE_EQ(rumpclient_syscall(RUMP_CALL_FD_ATTACH, (long[6]){ p[1], near[1] }), 0);
	near[1] = dup(near[0]);
	close(near[0]);
	MUST(close, p[1]);
	ATF_CHECK_EQ(S(read, p[0], &c, 1), -EAGAIN);
	again = rumpclient_syscall(RUMP_CALL_FD_ADOPT, (long[6]){ near[1] });
	ATF_REQUIRE_MSG(again >= 0, "%ld", again);
	ATF_CHECK_EQ(MUST(write, again, "x", 1), 1);
	ATF_CHECK_EQ(MUST(read, p[0], &c, 1), 1);
	close(near[1]);
	MUST(close, again);
	ATF_CHECK_EQ(S(read, p[0], &c, 1), 0);
}

/* What a client sees when it can't be one: one line, which quotes the URL. */
ATF_TC_WITHOUT_HEAD(bad_url);
ATF_TC_BODY(bad_url, tc)
{
	static const struct { const char *url; int err; } t[] = {
		{ "tcp://x:1", -EINVAL }, { "unix://", -EINVAL }, { "unix:///nowhere", -ENOENT },
		{ "unix://@nobody-listens-here", -ECONNREFUSED },
	};
	char line[512];
	int p[2], saved = dup(2);
	ssize_t n;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ATF_REQUIRE_EQ(pipe(p), 0);
		dup2(p[1], 2);
		close(p[1]);
		setenv("RUMP_SERVER", t[i].url, 1);
		ATF_CHECK_EQ(rumpclient_init(), t[i].err);
		dup2(saved, 2);
		n = read(p[0], line, sizeof(line) - 1);
		close(p[0]);
		ATF_REQUIRE(n > 0);
		line[n] = '\0';
		ATF_CHECK_MSG(strstr(line, t[i].url) && strchr(line, '\n') == line + n - 1, "%s", line);
		ATF_CHECK(S(getpid) < 0);
	}
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, fork_announced);
	ATF_TP_ADD_TC(tp, fork_silent);
	ATF_TP_ADD_TC(tp, fork_given_up);
	ATF_TP_ADD_TC(tp, many_blocked);
	ATF_TP_ADD_TC(tp, threads_end);
	ATF_TP_ADD_TC(tp, last_thread);
	ATF_TP_ADD_TC(tp, interrupted);
	ATF_TP_ADD_TC(tp, restarted);
	ATF_TP_ADD_TC(tp, call_in_handler);
	ATF_TP_ADD_TC(tp, longjmp_out);
	ATF_TP_ADD_TC(tp, raised);
	ATF_TP_ADD_TC(tp, signal_storm);
	ATF_TP_ADD_TC(tp, own_descriptors);
	ATF_TP_ADD_TC(tp, aliases);
	ATF_TP_ADD_TC(tp, bad_url);
	return atf_no_error();
}
