/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RUMP_CALL_TRACE (<rump/rump_trace.h>): what a tracer gets, how much of it, and who may
 * have one.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <rump/rump_calls.h>
#include <rump/rump_trace.h>

#include "sp.h"

#define CALLS	5000		/* more than fit into the ring */

static struct rump_trace_record r[2 * RUMP_TRACE_RECORDS];

static long trace(long pid)
{
	return client_call(RUMP_CALL_TRACE, pid, 0, 0, 0, 0, 0);
}

/* A child that makes n calls, which fail, numbered from first on; its id there. */
static pid_t call_in_child(int first, int n)
{
	struct rumpclient_fork cookie;
	int i, status;
	pid_t pid;

	ATF_REQUIRE_EQ(rumpclient_prefork(&cookie), 0);
	pid = fork();
	if (pid == 0) {
		if (rumpclient_fork_init(&cookie))
			_exit(1);
		for (i = first; i < first + n; i++)
			if (S(lseek, -1, i, 7) != -EBADF)
				_exit(2);
		_exit(0);
	}
	ATF_REQUIRE_EQ(waitpid(pid, &status, 0), pid);
	ATF_REQUIRE_EQ(status, 0);
	return pid;
}

/* All records that are there; how many. */
static long take(long fd)
{
	long n = MUST(read, fd, r, sizeof(r));

	ATF_REQUIRE_EQ(n % sizeof(r[0]), 0);
	return n / sizeof(r[0]);
}

/* Record i of a pair of the call number k. */
static void check_record(const struct rump_trace_record *t, enum rump_trace_what what, uint64_t k)
{
	ATF_CHECK_EQ(t->what, what);
	ATF_CHECK_EQ(t->nr, SYS_lseek);
	ATF_CHECK_EQ((int)t->args[0], -1);
	ATF_CHECK_EQ(t->args[1], k);
	ATF_CHECK_EQ(t->args[2], 7);
	if (what == RUMP_TRACE_RETURN)
		ATF_CHECK_EQ(t->ret, -EBADF);
}

ATF_TC_WITHOUT_HEAD(records);
ATF_TC_BODY(records, tc)
{
	long fd, n, i;

	client_start();
	fd = trace(0);
	ATF_REQUIRE(fd >= 0);
	MUST(fcntl, fd, F_SETFL, O_NONBLOCK);
	/* its own calls are not there */
	ATF_CHECK_EQ(S(read, fd, r, sizeof(r)), -EAGAIN);
	ATF_CHECK_EQ(S(read, fd, r, sizeof(r[0]) - 1), -EINVAL);
	ATF_CHECK_EQ(S(poll, (&(struct pollfd){ .fd = fd, .events = POLLIN }), 1, 0), 0);
	call_in_child(0, 3);
	ATF_CHECK_EQ(S(poll, (&(struct pollfd){ .fd = fd, .events = POLLIN }), 1, 0), 1);
	n = take(fd);
	ATF_REQUIRE_EQ(n, 6);
	for (i = 0; i < n; i++) {
		check_record(&r[i], i % 2 ? RUMP_TRACE_RETURN : RUMP_TRACE_CALL, i / 2);
		ATF_CHECK_EQ(r[i].lost, 0);
		ATF_CHECK_EQ(r[i].pid, r[0].pid);
		ATF_CHECK_EQ(r[i].tid, r[i].pid);
		ATF_CHECK(i == 0 || r[i].when >= r[i - 1].when);
		ATF_CHECK_STREQ(r[i].comm, "t_trace");
	}
	/* whole records only */
	call_in_child(0, 1);
	ATF_CHECK_EQ(MUST(read, fd, r, sizeof(r[0]) + 8), sizeof(r[0]));
	ATF_CHECK_EQ(take(fd), 1);
	/* a bad address loses what was to go there, and nothing else */
	call_in_child(0, 2);
	ATF_CHECK_EQ(S(read, fd, 8, sizeof(r[0])), -EFAULT);
	ATF_CHECK_EQ(take(fd), 3);
	MUST(close, fd);
}

ATF_TC_WITHOUT_HEAD(lost);
ATF_TC_BODY(lost, tc)
{
	long fd, n, i;

	client_start();
	fd = trace(0);
	ATF_REQUIRE(fd >= 0);
	call_in_child(0, CALLS);
	/* the oldest ones were kept */
	n = take(fd);
	ATF_CHECK_EQ(n, RUMP_TRACE_RECORDS);
	for (i = 0; i < n; i++) {
		check_record(&r[i], i % 2 ? RUMP_TRACE_RETURN : RUMP_TRACE_CALL, i / 2);
		ATF_CHECK_EQ(r[i].lost, 0);
	}
	/* and the next one says how many were not */
	call_in_child(CALLS, 1);
	ATF_REQUIRE_EQ(take(fd), 2);
	check_record(&r[0], RUMP_TRACE_CALL, CALLS);
	ATF_CHECK_EQ(r[0].lost, 2 * CALLS - RUMP_TRACE_RECORDS);
	ATF_CHECK_EQ(r[1].lost, 0);
}

/* Of several tracers each gets all, as if it were alone. */
ATF_TC_WITHOUT_HEAD(several);
ATF_TC_BODY(several, tc)
{
	long fd[8], full;
	int i;

	client_start();
	full = trace(0);
	ATF_REQUIRE(full >= 0);
	call_in_child(0, CALLS);
	for (i = 0; i < 8; i++) {
		fd[i] = trace(0);
		ATF_REQUIRE(fd[i] >= 0);
	}
	call_in_child(0, 10);
	MUST(close, fd[7]);
	for (i = 0; i < 7; i++)
		ATF_CHECK_EQ(take(fd[i]), 20);
	ATF_CHECK_EQ(take(full), RUMP_TRACE_RECORDS);
}

ATF_TC_WITHOUT_HEAD(one_process);
ATF_TC_BODY(one_process, tc)
{
	int up[2], go[2], status;
	pid_t pid, theirs;
	long fd;
	char c;

	client_start();
	ATF_REQUIRE_EQ(pipe(up), 0);
	ATF_REQUIRE_EQ(pipe(go), 0);
	pid = fork();
	if (pid == 0) {
		/* a process of its own there, not a child of ours */
		theirs = S(getpid);
		if (theirs < 0 || write(up[1], &theirs, sizeof(theirs)) < 0 || read(go[0], &c, 1) != 1)
			_exit(1);
		_exit(S(lseek, -1, 5, 7) != -EBADF);
	}
	ATF_REQUIRE_EQ(read(up[0], &theirs, sizeof(theirs)), sizeof(theirs));
	fd = trace(theirs);
	ATF_REQUIRE(fd >= 0);
	call_in_child(0, 5);
	ATF_REQUIRE_EQ(write(go[1], "", 1), 1);
	/* each is waited for */
	ATF_REQUIRE_EQ(MUST(read, fd, &r[0], sizeof(r[0])), sizeof(r[0]));
	ATF_REQUIRE_EQ(MUST(read, fd, &r[1], sizeof(r[1])), sizeof(r[1]));
	check_record(&r[0], RUMP_TRACE_CALL, 5);
	check_record(&r[1], RUMP_TRACE_RETURN, 5);
	ATF_CHECK_EQ(r[0].pid, theirs);
	/* its end is the end, which is waited for */
	ATF_CHECK_EQ(S(read, fd, r, sizeof(r)), 0);
	ATF_REQUIRE_EQ(waitpid(pid, &status, 0), pid);
	ATF_CHECK_EQ(status, 0);
	ATF_CHECK_EQ(S(read, fd, r, sizeof(r)), 0);
	ATF_CHECK_EQ(S(poll, (&(struct pollfd){ .fd = fd, .events = POLLIN }), 1, 0), 1);
	ATF_CHECK_EQ(trace(theirs), -ESRCH);
	ATF_CHECK_EQ(trace(1), -ESRCH);
	ATF_CHECK_EQ(trace(-1), -EINVAL);
}

/* Strangers make calls; they do not see those of others. */
ATF_TC(others);
ATF_TC_HEAD(others, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
}
ATF_TC_BODY(others, tc)
{
	pid_t pid;
	int status;

	ATF_REQUIRE_EQ(chmod(".", 0755), 0);
	server_start_with((const char *const[]){ "--allow-uid", "12345", NULL });
	pid = fork();
	if (pid == 0) {
		if (setresuid(12345, 12345, 12345) || rumpclient_init())
			_exit(99);
		_exit(trace(0) != -EPERM || trace(1) != -EPERM || S(getpid) < 0);
	}
	ATF_REQUIRE_EQ(waitpid(pid, &status, 0), pid);
	ATF_CHECK_EQ(status, 0);
	check_server();
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, records);
	ATF_TP_ADD_TC(tp, lost);
	ATF_TP_ADD_TC(tp, several);
	ATF_TP_ADD_TC(tp, one_process);
	ATF_TP_ADD_TC(tp, others);
	return atf_no_error();
}
