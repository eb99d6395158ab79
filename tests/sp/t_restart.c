/* SPDX-License-Identifier: BSD-2-Clause */
/* The server dies, and another one comes: what its clients see. */
#include "sp.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

static void kill_server(void)
{
	kill(server_pid(), SIGKILL);
	ATF_REQUIRE_EQ(waitpid(server_pid(), NULL, 0), server_pid());
}

static atomic_int lost;

static void on_lost(void)
{
	lost++;
}

/* Old descriptors give an error, whatever the next session has at their numbers. */
ATF_TC_WITHOUT_HEAD(once);
ATF_TC_BODY(once, tc)
{
	char c;
	int p[2], q[2];

	client_start();
	rumpclient_on_lost(on_lost);
	MUST(pipe2, p, 0);
	for (int round = 1; round <= 3; round++) {
		kill_server();
		/* the stale socket's file is there, and nobody answers */
		ATF_CHECK_EQ(access("sock", F_OK), 0);
		for (int i = 0; i < 3; i++) {
			ATF_CHECK_EQ(S(getpid), -ENOTCONN);
			ATF_CHECK_EQ(S(write, p[1], "x", 1), -ENOTCONN);
			ATF_CHECK_EQ(S(socket, 2, 1, 0), -ENOTCONN);
		}
		ATF_CHECK_EQ(lost, round);
		ATF_REQUIRE_EQ(unlink("sock"), 0);	/* server_start() waits for it */
		server_start();
		ATF_CHECK_EQ(S(write, p[1], "x", 1), -EBADF);
		MUST(getpid);
		MUST(pipe2, q, 0);
		ATF_CHECK_EQ(MUST(write, q[1], "y", 1), 1);
		ATF_CHECK_EQ(MUST(read, q[0], &c, 1), 1);
		p[1] = q[1];
		ATF_CHECK_EQ(lost, round);
	}
}

/* A call on an old descriptor that finds out itself is not made by the new server. */
ATF_TC_WITHOUT_HEAD(no_alias);
ATF_TC_BODY(no_alias, tc)
{
	long fd;

	client_start();
	fd = MUST(open, "/tmp/old", O_RDWR | O_CREAT, 0600);
	kill_server();
	ATF_REQUIRE_EQ(unlink("sock"), 0);
	server_start();
	/* the loss, and the next session, within one call */
	ATF_CHECK_EQ(S(write, fd, "x", 1), -ENOTCONN);
	ATF_CHECK_EQ(MUST(open, "/tmp/new", O_RDWR | O_CREAT, 0600), fd);
	ATF_CHECK_EQ(S(lseek, fd, 0, SEEK_END), 0);
}

static pid_t later(int ms)
{
	pid_t pid = fork();

	if (pid == 0) {
		usleep(ms * 1000);
		unlink("sock");
		server_start();
		pause();
	}
	return pid;
}

/* Ends that process, which takes its server along. */
static void stop(pid_t pid)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "sock" };
	int fd;

	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (;; usleep(1000)) {
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)))
			break;
		close(fd);
	}
	close(fd);
}

static void on_signal(int sig)
{
	(void)sig;
}

/* Calls wait for the next server, for some time or for ever, unless a handler runs. */
ATF_TC_WITHOUT_HEAD(waits);
ATF_TC_BODY(waits, tc)
{
	static const int64_t how[] = { 30, RUMPCLIENT_RETRYCONN_INFTIME };
	struct itimerval soon = { .it_value = { 0, 100000 } };
	struct sigaction sa = { .sa_handler = on_signal };
	time_t start;
	pid_t pid;

	client_start();
	kill_server();
	ATF_CHECK_EQ(rumpclient_setconnretry(-4), -EINVAL);
	ATF_REQUIRE_EQ(rumpclient_setconnretry(1), 0);
	start = time(NULL);
	ATF_CHECK_EQ(S(getpid), -ENOTCONN);
	ATF_CHECK_EQ(S(getpid), -ENOTCONN);
	ATF_CHECK(time(NULL) > start);
	sigaction(SIGALRM, &sa, NULL);
	for (int i = 0; i < 2; i++) {
		ATF_REQUIRE_EQ(rumpclient_setconnretry(how[i]), 0);
		pid = later(300);
		MUST(getpid);
		MUST(socket, 2, 1, 0);
		stop(pid);
		ATF_CHECK_EQ(S(getpid), -ENOTCONN);	/* this one finds it out */
		setitimer(ITIMER_REAL, &soon, NULL);
		ATF_CHECK_EQ(S(getpid), -EINTR);
	}
}

ATF_TC_WITHOUT_HEAD(die);
ATF_TC_BODY(die, tc)
{
	int p[2], status;
	pid_t pid;
	char c;

	server_start();
	ATF_REQUIRE_EQ(pipe(p), 0);
	pid = fork();
	if (pid == 0) {
		if (rumpclient_init() || rumpclient_setconnretry(RUMPCLIENT_RETRYCONN_DIE))
			_exit(99);
		if (write(p[1], "r", 1) != 1)
			_exit(99);
		S(pause);
		_exit(98);
	}
	ATF_REQUIRE_EQ(read(p[0], &c, 1), 1);
	kill_server();
	ATF_REQUIRE_EQ(waitpid(pid, &status, 0), pid);
	ATF_CHECK_MSG(WIFEXITED(status) && WEXITSTATUS(status) == 1, "%#x", status);
}

static int blocked_in;
static atomic_int blocked;

static void *block(void *out)
{
	char c;

	blocked++;
	((long *)out)[0] = S(read, blocked_in, &c, 1);
	/* what comes next is of the next session */
	((long *)out)[1] = S(socket, 2, 1, 0);
	((long *)out)[2] = S(getpid);
	return NULL;
}

/* Many calls under way end; all their threads go on, together, as one process. */
ATF_TC_WITHOUT_HEAD(calls_in_flight);
ATF_TC_BODY(calls_in_flight, tc)
{
	enum { N = 20 };
	pthread_t t[N];
	long out[N][3];
	int p[2];
	pid_t next;

	skip_in_tsan("the sanitizer is gone from a thread before the library is");
	client_start();
	ATF_REQUIRE_EQ(rumpclient_setconnretry(30), 0);
	MUST(pipe2, p, 0);
	blocked_in = p[0];
	for (int i = 0; i < N; i++)
		ATF_REQUIRE_EQ(pthread_create(&t[i], NULL, block, out[i]), 0);
	while (blocked < N)
		usleep(1000);
	usleep(20000);
	kill_server();
	next = later(100);
	for (int i = 0; i < N; i++) {
		pthread_join(t[i], NULL);
		ATF_CHECK_EQ(out[i][0], -ENOTCONN);
		ATF_CHECK_MSG(out[i][1] >= 0, "socket: %ld", out[i][1]);
		ATF_CHECK_EQ(out[i][2], out[0][2]);
		for (int k = 0; k < i; k++)
			ATF_CHECK_MSG(out[i][1] != out[k][1], "%d %d %ld %ld", i, k, out[i][1], out[i][2]);
	}
	stop(next);
}

/* The server cuts one connection off: the process and its descriptors stay. */
ATF_TC_WITHOUT_HEAD(one_connection);
ATF_TC_BODY(one_connection, tc)
{
	pthread_t t;
	long out[3], me;
	int p[2];

	client_start();
	rumpclient_on_lost(on_lost);
	me = MUST(getpid);
	MUST(pipe2, p, 0);
	blocked_in = p[0];
	ATF_REQUIRE_EQ(pthread_create(&t, NULL, block, out), 0);
	while (!blocked)
		usleep(1000);
	usleep(20000);
	/* ours: of the two the one that is open in this thread */
	for (int fd = 3; fd < 100000; fd++)
		if (rumpclient_owns_fd(fd)) {
			shutdown(fd, 2);
			break;
		}
	ATF_CHECK_EQ(S(getpid), -ENOTCONN);
	ATF_CHECK_EQ(MUST(getpid), me);
	ATF_CHECK_EQ(MUST(write, p[1], "x", 1), 1);
	pthread_join(t, NULL);
	ATF_CHECK_EQ(out[0], 1);
	ATF_CHECK_EQ(out[2], me);
	ATF_CHECK_EQ(lost, 0);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, once);
	ATF_TP_ADD_TC(tp, no_alias);
	ATF_TP_ADD_TC(tp, waits);
	ATF_TP_ADD_TC(tp, die);
	ATF_TP_ADD_TC(tp, calls_in_flight);
	ATF_TP_ADD_TC(tp, one_connection);
	return atf_no_error();
}
