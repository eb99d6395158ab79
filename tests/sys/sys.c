/* SPDX-License-Identifier: BSD-2-Clause */
#include "sys.h"
#include "../kdebug.h"

#include <dlfcn.h>
#include <net/if.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

static struct {
	enum sys_where where;
	long (*embedded)(long, long, long, long, long, long, long);
	long (*remote)(long, const long *);
	void *lib;
	char drives[1024];	/* -d options of the server, one a line */
	pid_t server, self;
} sys;

/* Before main: the kernel reads the environment when it boots. */
__attribute__((constructor)) static void
which_kernel(void)
{
	const char *suffix = strrchr(program_invocation_short_name, '.');
	char *end, ncpu[24];
	long n;

	sys.where = SYS_EMBEDDED;
	if (suffix == NULL)
		return;
	if (strcmp(suffix, ".remote") == 0)
		sys.where = SYS_REMOTE;
	else if (strcmp(suffix, ".host") == 0)
		sys.where = SYS_HOST;
	else if ((n = strtol(suffix + 1, &end, 10)) > 0 && strcmp(end, "cpu") == 0) {
		snprintf(ncpu, sizeof(ncpu), "%ld", n);
		setenv("RUMP_NCPU", ncpu, 1);
	}
}

enum sys_where
sys_where(void)
{
	return sys.where;
}

static void *
load(const char *name)
{
	if ((sys.lib = dlopen(name, RTLD_NOW)) == NULL)
		atf_tc_fail("dlopen %s: %s", name, dlerror());
	return sys.lib;
}

static void *
symbol(const char *name)
{
	void *p = dlsym(sys.lib, name);

	if (p == NULL)
		atf_tc_fail("dlsym %s: %s", name, dlerror());
	return p;
}

/* rump_server beside this program: .../tests/sys/t_x, .../server/rump_server. */
static void
start_server(void)
{
	char path[PATH_MAX], url[PATH_MAX], *argv[40], *line, *save;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);
	int argc = 0, status;
	pid_t pid;

	ATF_REQUIRE(n > 0);
	path[n] = '\0';
	for (int up = 0; up < 3; up++)
		*strrchr(path, '/') = '\0';
	strcat(path, "/server/rump_server");
	ATF_REQUIRE(getcwd(url + 7, sizeof(url) - 32) != NULL);
	memcpy(url, "unix://", 7);
	strcat(url, "/rump.sock");

	argv[argc++] = path;
	argv[argc++] = "-s";
	for (line = strtok_r(sys.drives, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		argv[argc++] = "-d";
		argv[argc++] = line;
	}
	argv[argc++] = url;
	argv[argc] = NULL;
	if ((sys.server = pid = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execv(path, argv);
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		_exit(127);
	}
	ATF_REQUIRE(pid > 0);
	for (int i = 0; access("rump.sock", F_OK) != 0; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			atf_tc_fail("rump_server ended with status %#x", status);
		if (i == 1000)
			atf_tc_fail("rump_server does not listen on %s after 10 s", url);
		usleep(10000);
	}
	setenv("RUMP_SERVER", url, 1);
}

bool
sys_kdebug(void)
{
	return kdebug();
}

/* The number after key in a file of the rump kernel; otherwise if there is none. */
static long
number_in(const char *file, const char *key, long otherwise)
{
	char buf[8192], *p;
	long fd, n;

	if ((fd = S(openat, AT_FDCWD, file, O_RDONLY)) < 0)
		return otherwise;
	n = S(read, fd, buf, sizeof(buf) - 1);
	S(close, fd);
	buf[n > 0 ? n : 0] = '\0';
	return (p = strstr(buf, key)) != NULL ? strtol(p + strlen(key), NULL, 10) : otherwise;
}

/* The kernel says on its console only what it has warned of, and lockdep what it has found: a
 * test that ran into such has not passed.  (After a shutdown nobody can be asked.) */
static void
check_kernel(void)
{
	long tainted, locks;

	if (getpid() != sys.self)
		return;
	tainted = number_in("/proc/sys/kernel/tainted", "", 0);
	locks = number_in("/proc/lockdep_stats", "debug_locks:", 1);
	if (tainted == 0 && locks != 0)
		return;
	fprintf(stderr, "the kernel has warned of something: tainted %#lx, debug_locks %ld; "
	    "RUMP_VERBOSE=1 shows it\n", tainted, locks);
	_exit(1);
}

static void
start(void)
{
	int (*init)(void);
	int r;

	switch (sys.where) {
	case SYS_EMBEDDED:
		load("librump.so");
		sys.embedded = symbol("rump_syscall");
		init = symbol("rump_init");
		if ((r = init()) != 0)
			atf_tc_fail("rump_init: %s", strerror(-r));
		break;
	case SYS_REMOTE:
		start_server();
		load("librumpclient.so");
		sys.remote = symbol("rumpclient_syscall");
		init = symbol("rumpclient_init");
		if ((r = init()) != 0)
			atf_tc_fail("rumpclient_init: %s", strerror(-r));
		break;
	case SYS_HOST:
		return;
	}
	sys.self = getpid();
	atexit(check_kernel);
}

static pthread_once_t started = PTHREAD_ONCE_INIT;

long
sys_call(long nr, long a0, long a1, long a2, long a3, long a4, long a5)
{
	long r;

	pthread_once(&started, start);
	switch (sys.where) {
	case SYS_EMBEDDED:
		return sys.embedded(nr, a0, a1, a2, a3, a4, a5);
	case SYS_REMOTE:
		return sys.remote(nr, (const long[]){ a0, a1, a2, a3, a4, a5 });
	default:
		r = syscall(nr, a0, a1, a2, a3, a4, a5);
		return r == -1 ? -errno : r;
	}
}

long
sys_must(long r, const char *what, const char *file, int line)
{
	if (r < 0 && r >= -4095)
		atf_tc_fail("%s:%d: %s: %s", file, line, what, strerror(-r));
	return r;
}

void
sys_mustfail(long r, int err, const char *what, const char *file, int line)
{
	if (r != -err)
		atf_tc_fail("%s:%d: %s: %ld (%s), want %s", file, line, what, r,
		    r < 0 ? strerror(-r) : "success", strerror(err));
}

void
sys_etfs(const char *dev, const char *image)
{
	int (*add)(const char *, const char *, int);
	size_t n = strlen(sys.drives);
	int r;

	switch (sys.where) {
	case SYS_EMBEDDED:
		pthread_once(&started, start);
		add = symbol("rump_pub_etfs_register");
		if ((r = add(dev, image, 0)) != 0)
			atf_tc_fail("rump_pub_etfs_register %s %s: %s", dev, image, strerror(-r));
		break;
	case SYS_REMOTE:
		snprintf(sys.drives + n, sizeof(sys.drives) - n, "key=%s,hostpath=%s,size=host\n", dev,
		    image);
		break;
	case SYS_HOST:
		atf_tc_skip("the host has no device for an image");
	}
}

void
sys_shutdown(void)
{
	int (*end)(void);
	int r, status;

	switch (sys.where) {
	case SYS_EMBEDDED:
		end = symbol("rump_pub_shutdown");
		if ((r = end()) != 0)
			atf_tc_fail("rump_pub_shutdown: %s", strerror(-r));
		break;
	case SYS_REMOTE:
		kill(sys.server, SIGTERM);
		ATF_REQUIRE_EQ(waitpid(sys.server, &status, 0), sys.server);
		if (status != 0)
			atf_tc_fail("rump_server ended with status %#x after SIGTERM", status);
		break;
	case SYS_HOST:
		break;
	}
}

void
sys_sh(const char *fmt, ...)
{
	char cmd[4096];
	va_list ap;
	int status;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	if ((status = system(cmd)) != 0)
		atf_tc_fail("%s: status %#x", cmd, status);
}

struct sys_thread {
	pthread_t id;
	long (*fn)(void *);
	void *arg;
	long result;
};

static void *
run(void *arg)
{
	struct sys_thread *t = arg;

	t->result = t->fn(t->arg);
	return NULL;
}

struct sys_thread *
sys_spawn(long (*fn)(void *), void *arg)
{
	struct sys_thread *t = malloc(sizeof(*t));

	/* A server ends with the thread that has started it (PR_SET_PDEATHSIG). */
	pthread_once(&started, start);
	*t = (struct sys_thread){ .fn = fn, .arg = arg };
	ATF_REQUIRE_EQ(pthread_create(&t->id, NULL, run, t), 0);
	return t;
}

long
sys_join(struct sys_thread *t)
{
	long r;

	ATF_REQUIRE_EQ(pthread_join(t->id, NULL), 0);
	r = t->result;
	free(t);
	return r;
}

int64_t
sys_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

void
sys_ifup(const char *name)
{
	struct ifreq ifr = { 0 };
	int s = MUST(socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	MUST(ioctl, s, SIOCGIFFLAGS, &ifr);
	ifr.ifr_flags |= IFF_UP;
	if (sys.where != SYS_HOST)
		MUST(ioctl, s, SIOCSIFFLAGS, &ifr);
	MUST(close, s);
}

static char *
slurp(const char *path)
{
	static __thread char buf[65536];
	int fd = MUST(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	long r;

	while (n < sizeof(buf) - 1 && (r = MUST(read, fd, buf + n, sizeof(buf) - 1 - n)) > 0)
		n += r;
	buf[n] = '\0';
	MUST(close, fd);
	return buf;
}

long
sys_procnum(const char *path, const char *key)
{
	char *save, *line;

	for (line = strtok_r(slurp(path), "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strncmp(line, key, strlen(key)) == 0)
			return strtol(line + strlen(key), NULL, 10);
	return -1;
}

/* "0.01 0.02 0.00 1/77 123": the number behind the slash. */
long
sys_ntasks(void)
{
	const char *slash = strchr(slurp("/proc/loadavg"), '/');

	ATF_REQUIRE(slash != NULL);
	return strtol(slash + 1, NULL, 10);
}
