/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * soak [FORKS [CONNECTIONS]] - what takes too long for the tests: by default 1,000,000 forks
 * and exits of 8 clients of one rump_server; then 50,000 connections of clients open at
 * once; then as many TCP connections inside the rump kernel.  `make soak' runs it, as root if
 * the hard limit of descriptors is too low.  Prints rates, memory and tasks; ends with 0 if
 * the server is as it was.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <rump/rump_sp.h>
#include <rump/rumpclient.h>

#define CLIENTS	8
#define SPARE	1000		/* descriptors, for what else there is */

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

#define CALL6(nr, a, b, c, d, e, f, ...) \
	rumpclient_syscall(SYS_##nr, (const long[6]){ (long)(a), (long)(b), (long)(c), (long)(d), \
	    (long)(e), (long)(f) })
#define CALL(...)	CALL6(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define MUST(...)	must(CALL(__VA_ARGS__), #__VA_ARGS__)

static long must(long r, const char *what)
{
	if (r < 0)
		die("%s: %s", what, strerror(-r));
	return r;
}

/* What the rump kernel says of itself, in a process of its own; the server, if quiet, is back
 * to it in a second. */
struct state {
	long tasks, free_kb, rss_kb;
};

static void look(struct state *s)
{
	struct sysinfo si;
	int p[2], status;

	sleep(2);
	if (pipe(p))
		die("pipe: %s", strerror(errno));
	if (fork() == 0) {
		if (rumpclient_init())
			_exit(1);
		MUST(sysinfo, &si);
		s->tasks = si.procs;
		s->free_kb = si.freeram / 1024 * si.mem_unit;
		s->rss_kb = rss();
		_exit(write(p[1], s, sizeof(*s)) != sizeof(*s));
	}
	if (read(p[0], s, sizeof(*s)) != sizeof(*s) || wait(&status) < 0 || status)
		die("no figures: status %#x", status);
	close(p[0]);
	close(p[1]);
}

/* Kernel threads come and go; pages of the cache stay. */
static void compare(const struct state *a, const struct state *b)
{
	printf("before: %ld tasks, %ld KB free, %ld KB resident; after: %ld, %ld, %ld\n", a->tasks,
	    a->free_kb, a->rss_kb, b->tasks, b->free_kb, b->rss_kb);
	if (b->tasks > a->tasks + 16)
		die("tasks are left");
	if (b->free_kb < a->free_kb - 16384)
		die("the kernel has lost memory");
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

/* Runs fn(n) in so many processes, each a client. */
static void clients(int count, void (*fn)(long), long n)
{
	int status;

	fflush(NULL);
	for (int i = 0; i < count; i++)
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (rumpclient_init())
				_exit(1);
			fn(n);
			_exit(0);
		}
	for (int i = 0; i < count; i++)
		if (wait(&status) < 0 || status)
			die("a client's status is %#x", status);
}

static void forks(long n)
{
	struct state before, after;
	double t;

	clients(CLIENTS, fork_and_wait, 200);
	look(&before);
	t = now();
	clients(CLIENTS, fork_and_wait, n / CLIENTS);
	t = now() - t;
	printf("%ld forks and exits: %.0f a second\n", n, n / t);
	look(&after);
	compare(&before, &after);
	if (after.rss_kb > before.rss_kb + 32768)
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
	struct state before, after;
	int *fd = calloc(n, sizeof(*fd)), i;
	double t;

	look(&before);
	t = now();
	memcpy(h.magic, RUMP_SP_MAGIC, sizeof(h.magic));
	for (i = 0; i < n; i++) {
		/* processes of a hundred threads each */
		h.kind = i % 100 ? RUMP_SP_THREAD : RUMP_SP_GUEST;
		fd[i] = hello(&h, &r);
		h.cookie = r.cookie;
	}
	t = now() - t;
	printf("%d connections open: %.0f a second, %ld bytes each\n", n, n / t,
	    (rss() - before.rss_kb) * 1024 / n);
	t = now();
	for (i = 0; i < n; i++)
		close(fd[i]);
	h.kind = RUMP_SP_GUEST;
	close(hello(&h, &r));
	printf("closed and another one accepted after %.1f s\n", now() - t);
	free(fd);
	look(&after);
	compare(&before, &after);
}

/* ---- connections inside ------------------------------------------------------------------------- */

static int sync_in[2], sync_out[2];

/* A listener of its own, and so many connections to it; both ends are here. */
static void tcp_client(long n)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	long l, s, last = 0;
	char c = 0;

	l = MUST(socket, AF_INET, SOCK_STREAM);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	MUST(bind, l, &sin, sizeof(sin));
	MUST(listen, l, 16);
	MUST(getsockname, l, &sin, &len);
	for (long i = 0; i < n; i++) {
		s = MUST(socket, AF_INET, SOCK_STREAM);
		MUST(connect, s, &sin, sizeof(sin));
		MUST(accept, l, NULL, NULL);
		last = s;
	}
	/* all clients have theirs: now each one is used */
	if (write(sync_in[1], &c, 1) != 1 || read(sync_out[0], &c, 1) != 1)
		die("the others are gone");
	for (s = l + 1; s <= last; s += 2) {
		MUST(write, s, "x", 1);
		MUST(read, s + 1, &c, 1);
		if (c != 'x')
			die("connection %ld: %#x", s, c);
	}
}

static void loopback_up(long unused)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	(void)unused;
	MUST(ioctl, MUST(socket, AF_INET, SOCK_DGRAM), SIOCSIFFLAGS, &ifr);
}

static void tcp_connections(long n)
{
	struct state before, during, after;
	double t;
	char c;

	clients(1, loopback_up, 0);
	look(&before);
	if (pipe(sync_in) || pipe(sync_out))
		die("pipe: %s", strerror(errno));
	t = now();
	if (fork() == 0) {
		clients(CLIENTS, tcp_client, n / CLIENTS);
		_exit(0);
	}
	for (int i = 0; i < CLIENTS; i++)
		if (read(sync_in[0], &c, 1) != 1)
			die("a client is gone");
	t = now() - t;
	look(&during);
	printf("%ld TCP connections open inside: %.0f a second, %ld bytes each\n", n, n / t,
	    (before.free_kb - during.free_kb) * 1024 / n);
	for (int i = 0; i < CLIENTS; i++)
		if (write(sync_out[1], &c, 1) != 1)
			die("pipe");
	if (wait(NULL) < 0)
		die("wait");
	look(&after);
	compare(&before, &after);
}

/*
 * As many descriptors as n connections need, for us and for the server, which inherits the
 * limit; how many connections it may be, if nobody lets us raise it.
 */
static int raise_limit(int n)
{
	struct rlimit rl, more;

	getrlimit(RLIMIT_NOFILE, &rl);
	more.rlim_cur = more.rlim_max = n + SPARE;
	if (rl.rlim_max >= (rlim_t)n + SPARE || setrlimit(RLIMIT_NOFILE, &more)) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	getrlimit(RLIMIT_NOFILE, &rl);
	if (rl.rlim_cur >= (rlim_t)n + SPARE)
		return n;
	printf("the hard limit of descriptors is %ld: no %d connections of clients\n",
	    (long)rl.rlim_cur, n);
	return rl.rlim_cur - SPARE;
}

int main(int argc, char **argv)
{
	long nforks = argc > 1 ? atol(argv[1]) : 1000000;
	int nconns = argc > 2 ? atoi(argv[2]) : 50000, nclients;
	char self[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[len < 0 ? 0 : len] = '\0';
	*(strrchr(self, '/') ? strrchr(self, '/') : self) = '\0';
	setvbuf(stdout, NULL, _IOLBF, 0);
	nclients = raise_limit(nconns);
	start_server(self, "256m");
	forks(nforks);
	stop_server();
	start_server(self, "8g");
	connections(nclients);
	tcp_connections(nconns);
	stop_server();
	return 0;
}
