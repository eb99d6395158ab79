/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernels that are measured: the host's, an embedded one, a server's. */
#include "bench.h"

#include <dlfcn.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void
bench_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "bench: ");
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	_exit(1);
}

int64_t
bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

long
bench_check(long r, const char *what)
{
	if (r < 0 && r >= -4095)
		bench_fail("%s: %s", what, strerror(-r));
	return r;
}

void
bench_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		bench_fail("CPU %d: %s", cpu, strerror(errno));
}

long
bench_host(long nr, long a0, long a1, long a2, long a3, long a4, long a5)
{
	long r = syscall(nr, a0, a1, a2, a3, a4, a5);

	return r == -1 ? -errno : r;
}

static void *
load(const char *file)
{
	char path[4096];
	void *lib;

	snprintf(path, sizeof(path), "%s/lib/%s", bench_dir, file);
	if ((lib = dlopen(path, RTLD_NOW)) == NULL)
		bench_fail("%s", dlerror());
	return lib;
}

bench_call
bench_boot(int ncpu)
{
	bench_call call;
	char n[16];
	void *lib;

	snprintf(n, sizeof(n), "%d", ncpu);
	setenv("RUMP_NCPU", n, 1);
	lib = load("librump.so");
	call = (bench_call)dlsym(lib, "rump_syscall");
	bench_check(((int (*)(void))dlsym(lib, "rump_init"))(), "rump_init");
	return call;
}

bench_call
bench_embedded(int ncpu)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	bench_call call = bench_boot(ncpu);
	int s = CHECK(call, socket, AF_INET, SOCK_DGRAM);

	CHECK(call, ioctl, s, SIOCSIFFLAGS, &ifr);
	CHECK(call, close, s);
	return call;
}

static char url[64];
const char *bench_server_memory = "64m";

int
bench_server_start(int server_cpu)
{
	char path[4096];
	pid_t pid;

	snprintf(path, sizeof(path), "%s/server/rump_server", bench_dir);
	snprintf(url, sizeof(url), "unix:///tmp/rump-bench.%d", getpid());
	if ((pid = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (server_cpu >= 0)
			bench_pin(server_cpu);
		execl(path, path, "-s", "-r", bench_server_memory, url, (char *)NULL);
		bench_fail("%s: %s", path, strerror(errno));
	}
	setenv("RUMP_SERVER", url, 1);
	for (int i = 0; access(url + 7, F_OK) != 0; i++) {
		if (i == 500 || waitpid(pid, NULL, WNOHANG) == pid)
			bench_fail("rump_server does not listen on %s", url);
		usleep(10000);
	}
	return pid;
}

static long (*client_call)(long, const long *);

static long
client(long nr, long a0, long a1, long a2, long a3, long a4, long a5)
{
	return client_call(nr, (const long[]){ a0, a1, a2, a3, a4, a5 });
}

bench_call
bench_client(void)
{
	void *lib;

	lib = load("librumpclient.so");
	client_call = (long (*)(long, const long *))dlsym(lib, "rumpclient_syscall");
	bench_check(((int (*)(void))dlsym(lib, "rumpclient_init"))(), "rumpclient_init");
	return client;
}

bench_call
bench_server(int server_cpu)
{
	bench_server_start(server_cpu);
	return bench_client();
}
