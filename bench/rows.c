/* SPDX-License-Identifier: BSD-2-Clause */
/* The measurements.  What each one is stands in docs/bench.tsv. */
#include "bench.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
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
#include <time.h>
#include <unistd.h>

pthread_t
bench_spawn(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	if (pthread_create(&t, NULL, fn, arg) != 0)
		bench_fail("pthread_create");
	return t;
}

/* ---- null calls ---------------------------------------------------------------------- */

/* ns a call, after a warm-up. */
double
null_calls(bench_call c)
{
	int64_t t0, t;
	long n = 0;

	for (int i = 0; i < 2000; i++)
		CALL(c, getpid);
	t0 = bench_now();
	do {
		for (int i = 0; i < 1000; i++)
			CALL(c, getpid);
		n += 1000;
	} while ((t = bench_now()) - t0 < bench_duration);
	return (double)(t - t0) / n;
}

static double null_inproc(void) { return null_calls(bench_embedded(1)); }
static double null_host(void) { return null_calls(bench_host); }

struct caller {
	bench_call c;
	atomic_bool *stop;
	long calls;
};

static void *
call_on(void *arg)
{
	struct caller *me = arg;
	long n = 0;

	while (!atomic_load_explicit(me->stop, memory_order_relaxed)) {
		CALL(me->c, getppid);
		n++;
	}
	me->calls = n;
	return NULL;
}

/* Million calls a second of n threads on n vCPUs. */
static double
scaling(int n)
{
	bench_call c = bench_embedded(n);
	atomic_bool stop = false;
	struct caller who[4];
	pthread_t t[4];
	long total = 0;
	int64_t t0 = bench_now();

	for (int i = 0; i < n; i++) {
		who[i] = (struct caller){ c, &stop, 0 };
		t[i] = bench_spawn(call_on, &who[i]);
	}
	usleep(bench_duration / 1000);
	stop = true;
	for (int i = 0; i < n; i++) {
		pthread_join(t[i], NULL);
		total += who[i].calls;
	}
	return total * 1e3 / (bench_now() - t0);
}

static double scaling_one(void) { return scaling(1); }

static double
scaling_many(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return scaling(n > 4 ? 4 : n);
}

/* ---- sockets --------------------------------------------------------------------------- */

struct bench_pair
bench_tcp_pair(bench_call c)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int l = CHECK(c, socket, AF_INET, SOCK_STREAM), one = 1;
	struct bench_pair p = { .c = c };

	CHECK(c, bind, l, &sin, len);
	CHECK(c, listen, l, 1);
	CHECK(c, getsockname, l, &sin, &len);
	p.a = CHECK(c, socket, AF_INET, SOCK_STREAM);
	CHECK(c, connect, p.a, &sin, len);
	p.b = CHECK(c, accept4, l);
	CHECK(c, setsockopt, p.a, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	CHECK(c, setsockopt, p.b, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return p;
}

static void *
send_for_a_while(void *arg)
{
	static char buf[65536];
	struct bench_pair *p = arg;
	int64_t end = bench_now() + bench_duration;

	while (bench_now() < end)
		CHECK(p->c, write, p->a, buf, sizeof(buf));
	CHECK(p->c, shutdown, p->a, SHUT_WR);
	return NULL;
}

static double
tcp(bench_call c)
{
	static char buf[65536];
	struct bench_pair p = bench_tcp_pair(c);
	pthread_t t = bench_spawn(send_for_a_while, &p);
	int64_t t0 = bench_now(), bytes = 0;
	long n;

	while ((n = CHECK(c, read, p.b, buf, sizeof(buf))) > 0)
		bytes += n;
	t0 = bench_now() - t0;
	pthread_join(t, NULL);
	return bytes * 8.0 / t0;
}

static double tcp_1vcpu(void) { return tcp(bench_embedded(1)); }
static double tcp_2vcpu(void) { return tcp(bench_embedded(2)); }
static double tcp_host(void) { return tcp(bench_host); }

static void *
echo(void *arg)
{
	struct bench_pair *p = arg;
	char ch;

	while (CHECK(p->c, read, p->b, &ch, 1) == 1)
		CHECK(p->c, write, p->b, &ch, 1);
	return NULL;
}

/* us a round trip */
static double
rtt(bench_call c)
{
	struct bench_pair p = bench_tcp_pair(c);
	pthread_t th = bench_spawn(echo, &p);
	int64_t t0 = bench_now(), t;
	long n = 0;
	char ch = 'x';

	do {
		CHECK(c, write, p.a, &ch, 1);
		CHECK(c, read, p.a, &ch, 1);
		n++;
	} while ((t = bench_now()) - t0 < bench_duration);
	CHECK(c, shutdown, p.a, SHUT_WR);
	pthread_join(th, NULL);
	return (t - t0) / 1e3 / n;
}

static double rtt_inproc(void) { return rtt(bench_embedded(1)); }
static double rtt_host(void) { return rtt(bench_host); }

static void *
send_messages(void *arg)
{
	struct bench_pair *p = arg;
	char buf[1000] = "";
	int64_t end = bench_now() + bench_duration;

	while (bench_now() < end)
		CHECK(p->c, write, p->a, buf, sizeof(buf));
	CHECK(p->c, close, p->a);
	return NULL;
}

/* million messages a second */
static double
unix_messages(bench_call c)
{
	struct bench_pair p = { .c = c };
	char buf[1000];
	int sv[2];
	int64_t t0, bytes = 0;
	pthread_t t;
	long n;

	CHECK(c, socketpair, AF_UNIX, SOCK_STREAM, 0, sv);
	p.a = sv[0];
	p.b = sv[1];
	t0 = bench_now();
	t = bench_spawn(send_messages, &p);
	while ((n = CHECK(c, read, p.b, buf, sizeof(buf))) > 0)
		bytes += n;
	t0 = bench_now() - t0;
	pthread_join(t, NULL);
	return bytes / 1000.0 * 1e3 / t0;
}

static double unix_inproc(void) { return unix_messages(bench_embedded(1)); }
static double unix_host(void) { return unix_messages(bench_host); }

/* ---- fairness ----------------------------------------------------------------------------- */

static void *
sleep_on(void *arg)
{
	struct timespec ts = { .tv_nsec = 50000 };
	struct caller *me = arg;
	long n = 0;

	while (!atomic_load_explicit(me->stop, memory_order_relaxed)) {
		CHECK(me->c, nanosleep, &ts, NULL);
		n++;
	}
	me->calls = n;
	return NULL;
}

static double
fairness(bench_call c)
{
	struct caller who[10];
	atomic_bool stop = false;
	pthread_t t[10];
	long total = 0;
	int64_t t0 = bench_now();

	for (int i = 0; i < 10; i++) {
		who[i] = (struct caller){ c, &stop, 0 };
		t[i] = bench_spawn(i < 2 ? call_on : sleep_on, &who[i]);
	}
	usleep(bench_duration / 1000);
	stop = true;
	t0 = bench_now() - t0;
	for (int i = 0; i < 10; i++) {
		pthread_join(t[i], NULL);
		total += i < 2 ? 0 : who[i].calls;
	}
	return total * 1e9 / t0;
}

static double fairness_inproc(void) { return fairness(bench_embedded(1)); }
static double fairness_host(void) { return fairness(bench_host); }

/* ---- boot and memory ------------------------------------------------------------------------- */

static double
boot(int ncpu)
{
	int64_t t0;
	bench_call c;

	setenv("RUMP_MEMLIMIT", "64m", 1);
	t0 = bench_now();
	c = bench_boot(ncpu);
	bench_check(CALL(c, getppid), "getppid");
	return (bench_now() - t0) / 1e6;
}

static double boot_1vcpu(void) { return boot(1); }
static double boot_4vcpu(void) { return boot(4); }

/* The value, in KB, of a line of a /proc file. */
static double
kilobytes(int pid, const char *file, const char *key)
{
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	if ((f = fopen(path, "r")) == NULL)
		bench_fail("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0)
			return strtod(line + strlen(key), NULL);
	bench_fail("%s has no %s", path, key);
}

static double
idle_server(const char *memory, const char *file, const char *key)
{
	int pid;

	bench_server_memory = memory;
	pid = bench_server_start(-1);

	sleep(1);
	return kilobytes(pid, file, key) / 1024;
}

static double server_rss(void) { return idle_server("64m", "status", "VmRSS:"); }
static double server_private(void) { return idle_server("32m", "smaps_rollup", "Private_Dirty:"); }

const struct bench_row bench_rows[] = {
	{ "null_call_inproc", null_inproc, null_host },
	{ "null_call_inproc_scaling", scaling_many, scaling_one },
	{ "null_call_server_1cpu", remote_null_1cpu, remote_pong_futex },
	{ "null_call_server_2cpu", remote_null_2cpu, remote_pong_spin },
	{ "remote_read_1k", remote_small, remote_null_1cpu },
	{ "remote_read_64k", remote_read_rump, remote_read_host },
	{ "remote_tcp", remote_tcp_rump, remote_tcp_host },
	{ "remote_nginx_wrk", remote_nginx_rump, remote_nginx_host },
	{ "client_connect", remote_connect, NULL },
	{ "tcp_inproc_1vcpu", tcp_1vcpu, tcp_host },
	{ "tcp_inproc_2vcpu", tcp_2vcpu, tcp_host },
	{ "tcp_inproc_npairs", threads_flows_rump, threads_flows_host },
	{ "overcommit_tcp", threads_overcommit, threads_overcommit_one },
	{ "tcp_rtt_inproc", rtt_inproc, rtt_host },
	{ "unix_inproc", unix_inproc, unix_host },
	{ "fairness", fairness_inproc, fairness_host },
	{ "wakeup_latency_us", threads_late_rump, threads_late_host },
	{ "rlimit_2threads", threads_rlimit_rump, threads_rlimit_host },
	{ "sendto_loop", threads_sendto_rump, threads_sendto_host },
	{ "boot_ms", boot_1vcpu, NULL },
	{ "boot_4vcpu_ms", boot_4vcpu, NULL },
	{ "server_rss_mb", server_rss, NULL },
	{ "server_private_mb", server_private, NULL },
	{ "host_read_overhead", preload_read, preload_read_plain },
	{ "host_poll_overhead", preload_poll, NULL },
	{ "host_epoll_overhead", preload_epoll, preload_epoll_plain },
	{ "exec_overhead_ms", preload_exec, NULL },
	{ "keeper_fork_exec", preload_fork, preload_fork_plain },
	{ "epoll_mixed_event", preload_mixed, NULL },
	{ "epoll_rump_event", preload_datagram, preload_datagram_plain },
	{ "accept_close", preload_accept, preload_accept_plain },
	{ "accept_close_remote", preload_accept_remote, preload_accept_plain },
	{ "trap_call_us", preload_trap, preload_name },
	{ "files_read_64k", files_read_rump, files_read_loop },
	{ "files_write_fsync", files_write_rump, files_write_loop },
	{ "files_create", files_create_rump, files_create_loop },
	{ "files_create_fuse2fs", files_create_rump, files_create_fuse2fs },
	{ "files_untar", files_untar_rump, files_untar_loop },
	{ "app_untar", files_untar_rump, files_untar_loop },
	{ "app_untar_remote", files_untar_remote, files_untar_loop },
	{ "memlimit_copy_64m", apps_copy_64m, apps_copy_plenty },
	{ "memlimit_copy_16m", apps_copy_16m, apps_copy_plenty },
	{ "memlimit_copy_12m", apps_copy_12m, apps_copy_plenty },
	{ "image_ls_ms", image_ls, NULL },
	{ "run_true_ms", run_true, NULL },
	{ "net_shm_tcp", net_shm_tcp, net_veth_tcp },
	{ "net_shm_udp64", net_shm_udp, net_veth_udp },
	{ "net_shm_rtt", net_shm_rtt, net_veth_rtt },
	{ "net_tap_tcp", net_tap_rump, net_tap_host },
	{ "net_slirp_tcp", net_slirp_rump, net_slirp_host },
	{ "net_passt_tcp", net_passt_rump, net_passt_host },
	{ "net_idle_100_cpu", net_idle_cpu, NULL },
	{ "net_idle_100_mb", net_idle_memory, NULL },
	{ "app_nginx", apps_nginx, apps_nginx_native },
	{ "app_nginx_remote", apps_nginx_remote, apps_nginx_native },
	{ "app_redis", apps_redis, apps_redis_native },
	{ "app_redis_remote", apps_redis_remote, apps_redis_native },
	{ "app_pgbench", apps_pgbench, apps_pgbench_native },
	{ "app_pgbench_remote", apps_pgbench_remote, apps_pgbench_native },
	{ "app_iperf3", apps_iperf3, apps_iperf3_native },
	{ "app_iperf3_remote", apps_iperf3_remote, apps_iperf3_native },
	{ NULL, NULL, NULL }
};
