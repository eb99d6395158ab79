/* SPDX-License-Identifier: BSD-2-Clause */
/* The small ones: init, parameters, console, random, symbols, daemons. */
#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rump/rumpuser.h>

static const struct rumpuser_upcalls upcalls;

/* Everything that fn says on stderr. */
static void stderr_of(void (*fn)(void), char *buf, size_t len)
{
	int fds[2], saved = dup(2);
	ssize_t n;

	ATF_REQUIRE_EQ(0, pipe(fds));
	dup2(fds[1], 2);
	fn();
	dup2(saved, 2);
	close(fds[1]);
	n = read(fds[0], buf, len - 1);
	buf[n > 0 ? n : 0] = '\0';
	close(fds[0]);
}

static void wrong_version(void)
{
	ATF_CHECK_EQ(-EINVAL, rumpuser_init(RUMPUSER_VERSION + 41, &upcalls));
}

static void second_init(void)
{
	ATF_CHECK_EQ(-EBUSY, rumpuser_init(RUMPUSER_VERSION, &upcalls));
}

ATF_TC_WITHOUT_HEAD(init);
ATF_TC_BODY(init, tc)
{
	char said[256];

	stderr_of(wrong_version, said, sizeof(said));
	ATF_CHECK_STREQ("rump: the kernel speaks version 42 of the hypercalls, librumpuser.so 1\n", said);
	ATF_REQUIRE_EQ(0, rumpuser_init(RUMPUSER_VERSION, &upcalls));
	stderr_of(second_init, said, sizeof(said));
	ATF_CHECK(strstr(said, "second rump kernel") != NULL);
}

ATF_TC_WITHOUT_HEAD(params);
ATF_TC_BODY(params, tc)
{
	char buf[8];

	unsetenv("RUMP_X");
	ATF_CHECK_EQ(-ENOENT, rumpuser_getparam("RUMP_X", buf, sizeof(buf)));
	setenv("RUMP_X", "1234567", 1);
	ATF_CHECK_EQ(0, rumpuser_getparam("RUMP_X", buf, sizeof(buf)));
	ATF_CHECK_STREQ("1234567", buf);
	setenv("RUMP_X", "12345678", 1);
	ATF_CHECK_EQ(-E2BIG, rumpuser_getparam("RUMP_X", buf, sizeof(buf)));
	ATF_CHECK_EQ(0, rumpuser_setparam("RUMP_X", "a"));
	ATF_CHECK_EQ(0, rumpuser_setparam("RUMP_X", "b"));
	ATF_CHECK_EQ(0, rumpuser_getparam("RUMP_X", buf, sizeof(buf)));
	ATF_CHECK_STREQ("b", buf);
}

static void warn_long(void)
{
	char line[3000];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	rumpuser_warn("%s", line);
}

ATF_TC_WITHOUT_HEAD(warn);
ATF_TC_BODY(warn, tc)
{
	char said[4000];

	stderr_of(warn_long, said, sizeof(said));
	ATF_CHECK(strlen(said) > 1000);
	ATF_CHECK_EQ('\n', said[strlen(said) - 1]);
	ATF_CHECK_EQ(0, strncmp(said, "rump: xxx", 9));
}

ATF_TC(socket_is_no_console);
ATF_TC_HEAD(socket_is_no_console, tc)
{
	atf_tc_set_md_var(tc, "descr", "a socket that got number 2 later hears nothing of the kernel");
}
ATF_TC_BODY(socket_is_no_console, tc)
{
	int sv[2], saved = dup(2);
	char c;

	ATF_REQUIRE_EQ(0, rumpuser_init(RUMPUSER_VERSION, &upcalls));
	ATF_REQUIRE_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	dup2(sv[1], 2);
	rumpuser_putchars("secret", 6);
	ATF_CHECK_EQ(-1, recv(sv[0], &c, 1, MSG_DONTWAIT));
	dup2(saved, 2);
}

ATF_TC(random_long);
ATF_TC_HEAD(random_long, tc)
{
	atf_tc_set_md_var(tc, "descr", "long requests come back full");
}
ATF_TC_BODY(random_long, tc)
{
	static unsigned char buf[1 << 20];
	unsigned int i, zeroes = 0;

	rumpuser_getrandom(buf, sizeof(buf));
	for (i = sizeof(buf) - 4096; i < sizeof(buf); i++)
		zeroes += !buf[i];
	ATF_CHECK_MSG(zeroes < 100, "%u zeroes in the last 4096 bytes", zeroes);
}

static __attribute__((noinline)) int a_static_function(int x)
{
	__asm__ volatile("");
	return x + 1;
}

ATF_TC_WITHOUT_HEAD(symbol);
ATF_TC_BODY(symbol, tc)
{
	char buf[128];

	ATF_CHECK_EQ(2, a_static_function(1));
	ATF_REQUIRE_EQ(0, rumpuser_symbol((char *)a_static_function + 1, buf, sizeof(buf)));
	ATF_CHECK_EQ_MSG(0, strncmp(buf, "a_static_function+0x1/0x", 24), "%s", buf);
	ATF_REQUIRE_EQ(0, rumpuser_symbol((char *)rumpuser_symbol, buf, sizeof(buf)));
	ATF_CHECK_EQ_MSG(0, strncmp(buf, "rumpuser_symbol+0x0/0x", 22), "%s", buf);
	/* libc is stripped: its exported functions have names still. */
	ATF_REQUIRE_EQ(0, rumpuser_symbol((char *)getenv + 4, buf, sizeof(buf)));
	ATF_CHECK_EQ_MSG(0, strncmp(buf, "getenv+0x4/0x", 13), "%s", buf);
	ATF_CHECK_EQ(-ENOENT, rumpuser_symbol(buf, buf, sizeof(buf)));
	ATF_CHECK_EQ(-ENOENT, rumpuser_symbol(NULL, buf, sizeof(buf)));
	ATF_CHECK_EQ(-E2BIG, rumpuser_symbol((char *)a_static_function, buf, 8));
}

static void *symbol_frugally(void *arg)
{
	char buf[64];

	(void)arg;
	return (void *)(long)rumpuser_symbol((char *)a_static_function, buf, sizeof(buf));
}

ATF_TC(symbol_stack);
ATF_TC_HEAD(symbol_stack, tc)
{
	atf_tc_set_md_var(tc, "descr", "a look-up gets along with 8 KB of stack");
}
ATF_TC_BODY(symbol_stack, tc)
{
	static char stack[256 * 1024] __attribute__((aligned(4096)));
	size_t used, i;
	pthread_attr_t attr;
	pthread_t thread;
	void *ret;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
	atf_tc_skip("sanitizers use more stack than there is");
#endif
	memset(stack, 0x5a, sizeof(stack));
	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, stack, sizeof(stack));
	pthread_create(&thread, &attr, symbol_frugally, NULL);
	pthread_join(thread, &ret);
	ATF_CHECK_EQ(NULL, ret);
	for (i = 0; i < sizeof(stack) && stack[i] == 0x5a; i++)
		;
	used = sizeof(stack) - i;
	/* libc's own descriptor and TLS of the thread are at the top, about 4 KB. */
	ATF_CHECK_MSG(used < 8192 + 4096, "%zu bytes", used);
}

static int run_daemon(int status)
{
	int ret;

	if (fork() == 0) {
		if (rumpuser_daemonize_begin())
			_exit(77);
		if (status >= 0)
			rumpuser_daemonize_done(status);
		_exit(66);
	}
	wait(&ret);
	return WEXITSTATUS(ret);
}

ATF_TC_WITHOUT_HEAD(daemon);
ATF_TC_BODY(daemon, tc)
{
	ATF_CHECK_EQ(0, run_daemon(0));
	ATF_CHECK_EQ(3, run_daemon(3));
	ATF_CHECK_EQ_MSG(1, run_daemon(-1), "a child that dies early");
	ATF_CHECK_EQ(-EINVAL, rumpuser_daemonize_done(0));
}

ATF_TC_WITHOUT_HEAD(comm);
ATF_TC_BODY(comm, tc)
{
	char buf[32], small[3];

	rumpuser_getcomm(buf, sizeof(buf));
	ATF_CHECK_STREQ("t_misc", buf);
	rumpuser_getcomm(small, sizeof(small));
	ATF_CHECK_STREQ("t_", small);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, init);
	ATF_TP_ADD_TC(tp, params);
	ATF_TP_ADD_TC(tp, warn);
	ATF_TP_ADD_TC(tp, socket_is_no_console);
	ATF_TP_ADD_TC(tp, random_long);
	ATF_TP_ADD_TC(tp, symbol);
	ATF_TP_ADD_TC(tp, symbol_stack);
	ATF_TP_ADD_TC(tp, daemon);
	ATF_TP_ADD_TC(tp, comm);
	return atf_no_error();
}
