/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * soak [FORKS [CONNECTIONS]] - what takes too long for the tests: by default 1,000,000 forks
 * and exits of 8 clients of one rump_server, then 50,000 connections open at once.
 * `make soak' runs it.  Prints rates and memory; ends with 0 if the server is as it was.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <rump/rump_sp.h>
#include <rump/rumpclient.h>

#define CLIENTS	8

static pid_t server;
static struct sockaddr_un sun = { .sun_family = AF_UNIX };

#define die(...) do {						\
	fprintf(stderr, "soak: " __VA_ARGS__);			\
	fputc('\n', stderr);					\
	_exit(1);						\
} while (0)

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static long rss(void)
{
	char path[64], line[128];
	long kb = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", server);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	if (kb < 0)
		die("the server is gone");
	return kb;
}

static void start_server(const char *self, const char *memory)
{
	static char path[4096], url[128];

	snprintf(sun.sun_path, sizeof(sun.sun_path), "/tmp/rump-soak.%d", getpid());
	snprintf(url, sizeof(url), "unix://%s", sun.sun_path);
	snprintf(path, sizeof(path), "%s/../../server/rump_server", self);
	setenv("RUMP_SERVER", url, 1);
	server = fork();
	if (server == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		execl(path, path, "-s", "-c", "2", "-r", memory, url, NULL);
		die("%s: %s", path, strerror(errno));
	}
	for (int i = 0; access(sun.sun_path, F_OK); i++) {
		if (i == 1000)
			die("rump_server does not listen");
		usleep(10000);
	}
}

static void stop_server(void)
{
	int status;

	kill(server, SIGTERM);
	if (waitpid(server, &status, 0) != server || status)
		die("the server ended with status %#x", status);
}

/* ---- forks ------------------------------------------------------------------------------- */

static void fork_and_wait(long n)
{
	struct rumpclient_fork cookie;
	int status, err;
	pid_t pid;

	while (n-- > 0) {
		err = rumpclient_prefork(&cookie);
		if (err)
			die("prefork: %s", strerror(-err));
		pid = fork();
		if (pid == 0) {
			err = rumpclient_fork_init(&cookie);
			_exit(err || rumpclient_syscall(SYS_getpid, (long[6]){ 0 }) <= 0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
			die("a child's status is %#x", status);
	}
}

static void forks(long n)
{
	long at_first, later;
	double t;
	int status;

	fork_and_wait(1000);
	at_first = rss();
	t = now();
	for (int i = 0; i < CLIENTS; i++)
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			fork_and_wait(n / CLIENTS);
			_exit(0);
		}
	for (int i = 0; i < CLIENTS; i++)
		if (wait(&status) < 0 || status)
			die("a client's status is %#x", status);
	t = now() - t;
	usleep(200000);
	later = rss();
	printf("%ld forks and exits: %.0f a second; the server has %ld KB, had %ld KB\n", n, n / t, later,
	    at_first);
	if (later > at_first + 32768)
		die("the server has grown");
}

/* ---- connections ----------------------------------------------------------------------------- */

static int hello(struct rump_sp_hello *h, struct rump_sp_hello_reply *r)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket: %s (RLIMIT_NOFILE is too low?)", strerror(errno));
	while (connect(fd, (struct sockaddr *)&sun, sizeof(sun)))
		if (errno != EAGAIN)
			die("connect: %s", strerror(errno));
	if (send(fd, h, sizeof(*h), MSG_NOSIGNAL) != sizeof(*h) ||
	    recv(fd, r, sizeof(*r), MSG_WAITALL) != sizeof(*r))
		die("HELLO: no answer");
	if (r->error)
		die("HELLO: %s", strerror(-r->error));
	return fd;
}

static void connections(int n)
{
	struct rump_sp_hello h = {
		.hdr = { .len = sizeof(h), .type = RUMP_SP_HELLO }, .version = RUMP_SP_VERSION,
		.kind = RUMP_SP_GUEST, .machine = RUMP_SP_MACHINE, .comm = "soak",
	};
	struct rump_sp_hello_reply r = { .error = 0 };
	struct rlimit rl;
	long before = rss();
	int *fd = calloc(n, sizeof(*fd)), i;
	double t = now();

	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
	memcpy(h.magic, RUMP_SP_MAGIC, sizeof(h.magic));
	for (i = 0; i < n; i++) {
		/* processes of a hundred threads each */
		h.kind = i % 100 ? RUMP_SP_THREAD : RUMP_SP_GUEST;
		fd[i] = hello(&h, &r);
		h.cookie = r.cookie;
	}
	t = now() - t;
	printf("%d connections open: %.0f a second, %ld bytes each\n", n, n / t,
	    (rss() - before) * 1024 / n);
	t = now();
	for (i = 0; i < n; i++)
		close(fd[i]);
	h.kind = RUMP_SP_GUEST;
	close(hello(&h, &r));
	printf("closed and another one accepted after %.1f s\n", now() - t);
	free(fd);
}

int main(int argc, char **argv)
{
	long nforks = argc > 1 ? atol(argv[1]) : 1000000;
	int nconns = argc > 2 ? atoi(argv[2]) : 50000;
	char self[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[len < 0 ? 0 : len] = '\0';
	*(strrchr(self, '/') ? strrchr(self, '/') : self) = '\0';
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* From a process of its own: this one stays no client. */
	start_server(self, "256m");
	if (fork() == 0) {
		if (rumpclient_init())
			_exit(1);
		forks(nforks);
		_exit(0);
	}
	int status;
	if (wait(&status) < 0 || status)
		return 1;
	stop_server();
	start_server(self, "8g");
	connections(nconns);
	stop_server();
	return 0;
}
