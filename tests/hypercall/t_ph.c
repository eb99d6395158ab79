/* SPDX-License-Identifier: BSD-2-Clause */
/* Placeholders, and where our descriptors lie (hypercall/ph.c, hostfd.c). */
#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rump/rumpuser.h>

static const struct rumpuser_upcalls upcalls;

static int make_pair(int *near)
{
	int sv[2];

	ATF_REQUIRE_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv));
	*near = sv[0];
	return rumpuser_ph_take(sv[1]);
}

ATF_TC(out_of_the_way);
ATF_TC_HEAD(out_of_the_way, tc)
{
	atf_tc_set_md_var(tc, "descr", "taken descriptors leave the low numbers and the limits alone");
}
ATF_TC_BODY(out_of_the_way, tc)
{
	struct rlimit rl, before, after;
	int near, far, next, soft[] = { 1024, 64, 0 }, i, status, floor;

	ATF_REQUIRE_EQ(0, rumpuser_init(RUMPUSER_VERSION, &upcalls));
	getrlimit(RLIMIT_NOFILE, &rl);
	for (i = 0; i < 3; i++) {
		before = rl;
		before.rlim_cur = soft[i] ? (rlim_t)soft[i] : rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &before);
		next = dup(0);
		close(next);
		far = make_pair(&near);
		ATF_REQUIRE_MSG(far >= 0, "%d", far);
		ATF_CHECK_EQ(next, near);
		ATF_CHECK_EQ(next + 1, dup(0));
		close(next + 1);
		floor = rl.rlim_max - rl.rlim_max / 4;
		if (soft[i] || floor > 100000)
			floor = soft[i] ? soft[i] : 100000;
		ATF_CHECK_MSG(far >= floor, "%d", far);
		ATF_CHECK_EQ(1, rumpuser_owns_fd(far));
		ATF_CHECK_EQ(0, rumpuser_owns_fd(near));
		ATF_CHECK_EQ(FD_CLOEXEC, fcntl(far, F_GETFD));
		getrlimit(RLIMIT_NOFILE, &after);
		ATF_CHECK_EQ(before.rlim_cur, after.rlim_cur);
		if (fork() == 0)
			_exit(fcntl(far, F_GETFD) < 0 && fcntl(near, F_GETFD) >= 0 ? 0 : 1);
		wait(&status);
		ATF_CHECK_EQ_MSG(0, status, "a child has a copy");
		rumpuser_ph_close(far);
		ATF_CHECK_EQ(0, rumpuser_owns_fd(far));
		close(near);
	}
	/* The soft limit is the hard one: the last quarter. */
	rl.rlim_cur = rl.rlim_max = 400;
	setrlimit(RLIMIT_NOFILE, &rl);
	far = make_pair(&near);
	ATF_CHECK_EQ_MSG(300, far, "%d", far);
	ATF_CHECK_EQ(-EBADF, rumpuser_ph_take(399));
	ATF_CHECK_EQ(0, rumpuser_owns_fd(-1));
	ATF_CHECK_EQ(0, rumpuser_owns_fd(1 << 30));
}

ATF_TC_WITHOUT_HEAD(ring);
ATF_TC_BODY(ring, tc)
{
	struct pollfd pfd;
	int near, far, i;

	far = make_pair(&near);
	pfd = (struct pollfd){ .fd = near, .events = POLLIN };
	ATF_CHECK_EQ(0, poll(&pfd, 1, 0));
	rumpuser_ph_ring(far);
	ATF_CHECK_EQ(1, poll(&pfd, 1, 0));
	for (i = 0; i < 100000; i++)		/* full: neither an error nor a wait */
		rumpuser_ph_ring(far);
	ATF_CHECK_EQ(0, rumpuser_ph_hungup(far));
	close(near);
	ATF_CHECK_EQ(1, rumpuser_ph_hungup(far));
	rumpuser_ph_ring(far);			/* no SIGPIPE */
	rumpuser_ph_close(far);
}

ATF_TC_WITHOUT_HEAD(pair);
ATF_TC_BODY(pair, tc)
{
	int near, far, near2, far2, alias, not_a_socket;
	uint64_t a, b;

	far = make_pair(&near);
	far2 = make_pair(&near2);
	alias = dup(near);
	not_a_socket = open("/dev/null", O_RDONLY);
	ATF_CHECK_EQ(1, rumpuser_ph_is_pair(near, far));
	ATF_CHECK_EQ(1, rumpuser_ph_is_pair(near, far));
	ATF_CHECK_EQ(1, rumpuser_ph_is_pair(alias, far));
	ATF_CHECK_EQ(0, rumpuser_ph_is_pair(near2, far));
	ATF_CHECK_EQ(0, rumpuser_ph_is_pair(near, far2));
	ATF_CHECK_EQ(0, rumpuser_ph_is_pair(not_a_socket, far));
	ATF_CHECK_EQ(0, rumpuser_ph_is_pair(-1, far));
	ATF_CHECK_EQ(0, rumpuser_ph_cookie(near, &a));
	ATF_CHECK_EQ(0, rumpuser_ph_cookie(alias, &b));
	ATF_CHECK_EQ(a, b);
	ATF_CHECK_EQ(0, rumpuser_ph_cookie(near2, &b));
	ATF_CHECK(a != b);
	ATF_CHECK_EQ(-ENOTSOCK, rumpuser_ph_cookie(not_a_socket, &b));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, out_of_the_way);
	ATF_TP_ADD_TC(tp, ring);
	ATF_TP_ADD_TC(tp, pair);
	return atf_no_error();
}
