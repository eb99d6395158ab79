/* SPDX-License-Identifier: BSD-2-Clause */
/* Many client processes on one rump_server, and how they end. */
#include "sys.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

static char url[PATH_MAX + 16];
static pid_t server;

static void
start(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);

	ATF_REQUIRE(n > 0);
	path[n] = '\0';
	for (int up = 0; up < 3; up++)
		*strrchr(path, '/') = '\0';
	strcat(path, "/server/rump_server");
	strcpy(url, "unix://");
	ATF_REQUIRE(getcwd(url + 7, PATH_MAX) != NULL);
	strcat(url, "/s");
	fflush(NULL);
	if ((server = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(path, path, "-s", url, (char *)NULL);
		_exit(127);
	}
	for (int i = 0; access("s", F_OK) != 0; i++) {
		ATF_REQUIRE_MSG(i < 1000 && waitpid(server, NULL, WNOHANG) == 0, "%s does not start", path);
		usleep(10000);
	}
	setenv("RUMP_SERVER", url, 1);
}

/* In a child: a client from here on. */
static long (*call)(long, const long *);

static void
connect_us(void)
{
	void *lib = dlopen("librumpclient.so", RTLD_NOW);
	int (*init)(void) = lib ? (int (*)(void))dlsym(lib, "rumpclient_init") : NULL;

	if (init == NULL || init() != 0)
		_exit(98);
	call = (long (*)(long, const long *))dlsym(lib, "rumpclient_syscall");
}

#define C(n, ...) call(SYS_##n, (const long[7]){ __VA_ARGS__ })

/* A client that runs fn; its exit status is what fn returns. */
static pid_t
client(int (*fn)(void))
{
	pid_t pid;

	fflush(NULL);
	if ((pid = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		connect_us();
		_exit(fn());
	}
	return pid;
}

static int
ended(pid_t pid)
{
	int status;

	ATF_REQUIRE_EQ(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int
bind_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(7777) };
	long s = C(socket, AF_INET, SOCK_STREAM, 0);

	if (s < 0 || C(bind, s, (long)&a, sizeof(a)) != 0 || C(listen, s, 1) != 0)
		return -1;
	return s;
}

/* Prints one byte to the parent when it is about to block. */
static int ready[2];

static int
in_accept(void)
{
	int s = bind_port();

	return write(ready[1], "r", s >= 0) == 1 ? (C(accept, s, 0, 0), 1) : 2;
}

static int
in_poll(void)
{
	struct pollfd p = { .fd = bind_port(), .events = POLLIN };

	return write(ready[1], "r", p.fd >= 0) == 1 ? (C(poll, (long)&p, 1, -1), 1) : 2;
}

static int
in_read(void)
{
	int p[2];
	char c;

	if (bind_port() < 0 || C(pipe2, (long)p, 0) != 0 || write(ready[1], "r", 1) != 1)
		return 2;
	C(read, p[0], (long)&c, 1);
	return 1;
}

static int can_bind(void) { return bind_port() < 0; }

/* Lesson 12: a client dies while its thread is blocked in the kernel. */
ATF_TC_WITHOUT_HEAD(killed_while_blocked);
ATF_TC_BODY(killed_while_blocked, tc)
{
	static int (*const where[])(void) = { in_accept, in_poll, in_read };
	char c;

	start();
	ATF_REQUIRE_EQ(pipe2(ready, O_CLOEXEC), 0);
	for (size_t i = 0; i < sizeof(where) / sizeof(*where); i++) {
		pid_t pid = client(where[i]);
		int tries = 0;

		ATF_REQUIRE_EQ(read(ready[0], &c, 1), 1);
		usleep(50000);
		ATF_CHECK_EQ_MSG(ended(client(can_bind)), 1, "two clients have port 7777");
		kill(pid, SIGKILL);
		ATF_CHECK_EQ(ended(pid), -SIGKILL);
		while (ended(client(can_bind)) != 0)
			ATF_REQUIRE_MSG(tries++ < 100, "port 7777 is still taken after 100 clients");
	}
}

static int
short_life(void)
{
	return C(getpid, 0) <= 1 || C(openat, AT_FDCWD, (long)"/dev/null", O_RDONLY) < 0;
}

static int figure[2];

static int
tell_figures(void)
{
	char buf[8192];
	long v[2], fd;
	const char *p;

	memset(buf, 0, sizeof(buf));
	if ((fd = C(openat, AT_FDCWD, (long)"/proc/meminfo", O_RDONLY)) < 0 ||
	    C(read, fd, (long)buf, sizeof(buf) - 1) <= 0 || (p = strstr(buf, "MemFree:")) == NULL)
		return 1;
	v[0] = atol(p + 8);
	memset(buf, 0, sizeof(buf));
	if ((fd = C(openat, AT_FDCWD, (long)"/proc/loadavg", O_RDONLY)) < 0 ||
	    C(read, fd, (long)buf, sizeof(buf) - 1) <= 0 || (p = strchr(buf, '/')) == NULL)
		return 1;
	v[1] = atol(p + 1);
	return write(figure[1], v, sizeof(v)) != sizeof(v);
}

static int
open_files(pid_t pid)
{
	char path[64];
	int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	ATF_REQUIRE((d = opendir(path)) != NULL);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/* Free memory and tasks of the kernel, descriptors of the server, when all is quiet. */
static void
figures(long v[3])
{
	usleep(500000);
	ATF_REQUIRE_EQ(ended(client(tell_figures)), 0);
	ATF_REQUIRE_EQ(read(figure[0], v, 2 * sizeof(*v)), (long)(2 * sizeof(*v)));
	usleep(200000);
	v[2] = open_files(server);
}

ATF_TC(thousand_clients);
ATF_TC_HEAD(thousand_clients, tc) { atf_tc_set_md_var(tc, "timeout", "300"); }
ATF_TC_BODY(thousand_clients, tc)
{
	long before[3], after[3];

	start();
	ATF_REQUIRE_EQ(pipe2(figure, O_CLOEXEC), 0);
	for (int i = 0; i < 100; i++)
		ATF_REQUIRE_EQ(ended(client(short_life)), 0);
	figures(before);
	for (int i = 0; i < 100; i++) {
		pid_t pid[10];

		for (int j = 0; j < 10; j++)
			pid[j] = client(short_life);
		for (int j = 0; j < 10; j++)
			ATF_REQUIRE_EQ(ended(pid[j]), 0);
	}
	figures(after);
	ATF_CHECK_MSG(before[0] - after[0] < 4096, "%ld KB are lost", before[0] - after[0]);
	ATF_CHECK_MSG(after[1] <= before[1] + 3, "%ld tasks, %ld before", after[1], before[1]);
	ATF_CHECK_MSG(after[2] <= before[2], "%ld descriptors in the server, %ld before", after[2], before[2]);
}

/* Lesson 68: the server can be stopped while clients are in it; their calls end. */
ATF_TC_WITHOUT_HEAD(stop_with_clients);
ATF_TC_BODY(stop_with_clients, tc)
{
	char c;
	pid_t pid;

	start();
	ATF_REQUIRE_EQ(pipe2(ready, O_CLOEXEC), 0);
	pid = client(in_accept);
	ATF_REQUIRE_EQ(read(ready[0], &c, 1), 1);
	usleep(50000);
	kill(server, SIGTERM);
	ATF_CHECK_EQ(ended(server), 0);
	ATF_CHECK_EQ(ended(pid), 1);
	ATF_CHECK_MSG(access("s", F_OK) != 0, "the server left its socket behind");
}

/* Lesson 89: the server dies during a call: an error, not a hang nor garbage. */
ATF_TC_WITHOUT_HEAD(server_killed);
ATF_TC_BODY(server_killed, tc)
{
	char c;
	pid_t pid;

	start();
	ATF_REQUIRE_EQ(pipe2(ready, O_CLOEXEC), 0);
	pid = client(in_accept);
	ATF_REQUIRE_EQ(read(ready[0], &c, 1), 1);
	usleep(50000);
	kill(server, SIGKILL);
	ATF_CHECK_EQ(ended(server), -SIGKILL);
	ATF_CHECK_EQ(ended(pid), 1);
}

static int pids[2];

static int
tell_pid(void)
{
	long pid = C(getpid, 0);
	char c;

	return write(pids[1], &pid, sizeof(pid)) != sizeof(pid) || read(ready[0], &c, 1) != 1;
}

/* Each client is a process of its own. */
ATF_TC_WITHOUT_HEAD(processes);
ATF_TC_BODY(processes, tc)
{
	long seen[20];
	pid_t pid[20];

	start();
	ATF_REQUIRE_EQ(pipe2(ready, O_CLOEXEC), 0);
	ATF_REQUIRE_EQ(pipe2(pids, O_CLOEXEC), 0);
	for (int i = 0; i < 20; i++) {
		pid[i] = client(tell_pid);
		ATF_REQUIRE_EQ(read(pids[0], &seen[i], sizeof(long)), (long)sizeof(long));
		ATF_CHECK(seen[i] > 1);
		for (int j = 0; j < i; j++)
			ATF_CHECK(seen[j] != seen[i]);
	}
	ATF_REQUIRE_EQ(write(ready[1], "12345678901234567890", 20), 20);
	for (int i = 0; i < 20; i++)
		ATF_CHECK_EQ(ended(pid[i]), 0);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, killed_while_blocked);
	ATF_TP_ADD_TC(tp, thousand_clients);
	ATF_TP_ADD_TC(tp, stop_with_clients);
	ATF_TP_ADD_TC(tp, server_killed);
	ATF_TP_ADD_TC(tp, processes);
	return atf_no_error();
}
