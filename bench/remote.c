/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Through a server: what one call costs, beside a bare ping-pong of the same kind; files;
 * TCP between two clients; a web server and its load; clients that come and go.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rump/rump_sp.h>

/* ---- null calls ---------------------------------------------------------------------- */

struct ball { _Alignas(64) _Atomic uint32_t word; };

/* The word is a turn: even ours, odd the other's.  One round trip, ns, of those in `during'. */
static double
ping_pong(bool futex, int cpu, int64_t during)
{
	struct ball *b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long n = 0;
	int64_t t0, t;
	pid_t pid;
	int me;

	if ((pid = fork()) == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	me = pid == 0;
	bench_pin(me ? cpu : 0);
	t0 = bench_now();
	for (;;) {
		uint32_t w;

		while (((w = b->word) & 1) != (uint32_t)me)
			if (futex)
				syscall(SYS_futex, &b->word, FUTEX_WAIT, w, NULL, NULL, 0);
			else
				__builtin_ia32_pause();
		b->word = w + 1;
		if (futex)
			syscall(SYS_futex, &b->word, FUTEX_WAKE, 1, NULL, NULL, 0);
		if (!me && ++n % 256 == 0 && (t = bench_now()) - t0 >= during)
			break;
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return (double)(t - t0) / n;
}

/*
 * The CPU that is farthest from CPU 0.  Cores that share a cache, or are one, pass a word to
 * and fro in a fifth of the time that others take, and a virtual machine does not tell which
 * of its CPUs are which; so it is measured, for ours and for the reference.
 */
static int
other_core(void)
{
	double slowest = 0, t;
	cpu_set_t set;
	int far = 1;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return far;
	for (int cpu = 1; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &set) || (t = ping_pong(false, cpu, 5000000)) <= slowest)
			continue;
		slowest = t;
		far = cpu;
	}
	return far;
}

static double
null_server(int cpu)
{
	bench_call c = bench_server(cpu);

	bench_pin(0);
	return null_calls(c);
}

double remote_null_1cpu(void) { return null_server(0); }
double remote_null_2cpu(void) { return null_server(other_core()); }
double remote_pong_futex(void) { return ping_pong(true, 0, bench_duration); }
double remote_pong_spin(void) { return ping_pong(false, other_core(), bench_duration); }

/* ---- files ----------------------------------------------------------------------------- */

/* A file of n bytes in the kernel's cache; dir must be there. */
static int
cached_file(bench_call c, const char *path, size_t n)
{
	static char buf[65536];
	int fd = CHECK(c, open, path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	for (size_t done = 0; done < n; done += sizeof(buf))
		CHECK(c, write, fd, buf, sizeof(buf));
	CHECK(c, unlink, path);
	return fd;
}

/* ns a call: reads and writes of 1 KB in turn, one CPU. */
double
remote_small(void)
{
	bench_call c = bench_server(0);
	int64_t t0, t;
	char buf[1024];
	long n = 0;
	int fd;

	bench_pin(0);
	fd = cached_file(c, "/tmp/small", 65536);
	t0 = bench_now();
	do {
		for (int i = 0; i < 500; i++) {
			CHECK(c, pread64, fd, buf, sizeof(buf), 0);
			CHECK(c, pwrite64, fd, buf, sizeof(buf), 0);
		}
		n += 1000;
	} while ((t = bench_now()) - t0 < bench_duration);
	return (double)(t - t0) / n;
}

/* GB/s, 64 KB at a time */
static double
sequential(bench_call c, const char *path)
{
	static char buf[65536];
	int fd = cached_file(c, path, 16 << 20);
	int64_t t0 = bench_now(), t, bytes = 0;
	long n;

	do {
		CHECK(c, lseek, fd, 0, SEEK_SET);
		while ((n = CHECK(c, read, fd, buf, sizeof(buf))) > 0)
			bytes += n;
	} while ((t = bench_now()) - t0 < bench_duration);
	return (double)bytes / (t - t0);
}

double remote_read_rump(void) { return sequential(bench_server(-1), "/tmp/large"); }

double
remote_read_host(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/rump-bench.%d.f", getpid());
	return sequential(bench_host, path);
}

/* ---- TCP between two processes ------------------------------------------------------------- */

#define PORT	5001

static struct sockaddr_in
port_of(int port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

/* The sending process: begins when the port is there, ends with the receiver. */
static void
send_to(bench_call c, int port)
{
	static char buf[65536];
	struct sockaddr_in sin = port_of(port);
	int s = CHECK(c, socket, AF_INET, SOCK_STREAM);

	CHECK(c, connect, s, &sin, sizeof(sin));
	signal(SIGPIPE, SIG_IGN);
	while (CALL(c, write, s, buf, sizeof(buf)) > 0)
		;
	_exit(0);
}

/* Gbit/s.  client: makes the calls of the calling process, after it was forked. */
static double
tcp_between(bench_call (*client)(void), int port)
{
	static char buf[65536];
	struct sockaddr_in sin = port_of(port);
	int64_t t0, t, bytes = 0;
	socklen_t len = sizeof(sin);
	bench_call c;
	int p[2], l, s;
	pid_t pid;

	if (pipe(p) != 0)
		bench_fail("pipe");
	if ((pid = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (read(p[0], &port, sizeof(port)) != sizeof(port))
			_exit(1);
		send_to(client(), port);
	}
	c = client();
	l = CHECK(c, socket, AF_INET, SOCK_STREAM);
	CHECK(c, bind, l, &sin, sizeof(sin));
	CHECK(c, listen, l, 1);
	CHECK(c, getsockname, l, &sin, &len);
	port = ntohs(sin.sin_port);
	if (write(p[1], &port, sizeof(port)) != sizeof(port))
		bench_fail("pipe");
	s = CHECK(c, accept4, l);
	for (int i = 0; i < 100; i++)
		CHECK(c, read, s, buf, sizeof(buf));
	t0 = bench_now();
	do
		bytes += CHECK(c, read, s, buf, sizeof(buf));
	while ((t = bench_now()) - t0 < bench_duration);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return bytes * 8.0 / (t - t0);
}

static bench_call the_host(void) { return bench_host; }

double
remote_tcp_rump(void)
{
	bench_server_start(-1);
	return tcp_between(bench_client, PORT);
}

double remote_tcp_host(void) { return tcp_between(the_host, 0); }

/* ---- a web server ------------------------------------------------------------------------------ */

/* Requests a second that wrk says it was answered; preload: in front of both programs. */
static double
web(const char *preload, int port)
{
	char dir[] = "/tmp/rump-bench.XXXXXX", cmd[8192];
	double rate = 0;
	FILE *f;

	if (access("/usr/bin/wrk", X_OK) != 0 || access("/usr/sbin/nginx", X_OK) != 0)
		bench_fail("nginx and wrk are not installed");
	if (mkdtemp(dir) == NULL)
		bench_fail("%s: %s", dir, strerror(errno));
	snprintf(cmd, sizeof(cmd), "cd %s && mkdir www && head -c 1024 /dev/zero >www/file && chmod -R a+rX . &&"
	    "printf 'daemon off; master_process off; worker_processes 1; pid p; error_log e;"
	    "events { worker_connections 512; } http { access_log off; keepalive_requests 1000000;"
	    "client_body_temp_path b; proxy_temp_path x; fastcgi_temp_path f; uwsgi_temp_path u;"
	    "scgi_temp_path s; server { listen 127.0.0.1:%d; root www; } }' >conf &&"
	    "{ %s nginx -p %s -c conf >o 2>&1 & pid=$!; sleep 1;"
	    "%s wrk -t 1 -c 64 -d %d http://127.0.0.1:%d/file 2>&1 | awk '/Requests.sec/ { print $2 }';"
	    "kill $pid; wait $pid; }; cd / && rm -rf %s",
	    dir, port, preload, dir, preload, (int)(bench_duration / 1000000000) + 1, port, dir);
	f = popen(cmd, "r");
	if (f == NULL || fscanf(f, "%lf", &rate) != 1)
		bench_fail("nginx and wrk: no figure");
	pclose(f);
	return rate;
}

double
remote_nginx_rump(void)
{
	char preload[4096];

	bench_server_start(-1);
	bench_client();
	snprintf(preload, sizeof(preload), "LD_PRELOAD=%s/lib/librumphijack.so RUMPHIJACK=socket=inet", bench_dir);
	return web(preload, 8080);
}

double remote_nginx_host(void) { return web("env", 18080); }

/* ---- clients that come and go --------------------------------------------------------------------- */

/* Connects, says HELLO, is answered, hangs up: as often a second. */
double
remote_connect(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct rump_sp_hello h = {
		.hdr = { .len = sizeof(h), .type = RUMP_SP_HELLO }, .version = RUMP_SP_VERSION,
		.kind = RUMP_SP_GUEST, .machine = RUMP_SP_MACHINE, .comm = "bench",
	};
	struct rump_sp_hello_reply r;
	const char *url;
	int64_t t0, t;
	int fd, n = 0;

	bench_server_start(-1);
	memcpy(h.magic, RUMP_SP_MAGIC, sizeof(h.magic));
	url = getenv("RUMP_SERVER");
	if (url)
		strcpy(sun.sun_path, url + strlen("unix://"));
	t0 = bench_now();
	do {
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) != 0 ||
		    send(fd, &h, sizeof(h), MSG_NOSIGNAL) != sizeof(h) ||
		    recv(fd, &r, sizeof(r), MSG_WAITALL) != sizeof(r) || r.error != 0)
			bench_fail("client %d: refused", n);
		close(fd);
		n++;
	} while ((t = bench_now()) - t0 < bench_duration);
	return n * 1e9 / (t - t0);
}
