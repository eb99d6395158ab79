/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.h - one measurement, made in a process of its own, which is forked for it
 * and ends with it: so an embedded kernel starts fresh, and what a row sets
 * (environment, affinity) is gone afterwards.
 *
 * A measurement returns its figure in the row's unit; if it cannot be made it
 * calls bench_fail(), and the row has no figure, but the rest goes on.
 */
#ifndef BENCH_H
#define BENCH_H

#include <pthread.h>
#include <stdint.h>

struct bench_row {
	const char *name;
	double (*ours)(void);
	double (*reference)(void);	/* NULL: none */
};
extern const struct bench_row bench_rows[];

void bench_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Nanoseconds of CLOCK_MONOTONIC. */
int64_t bench_now(void);
/* How long one measurement goes on, in ns (BENCH_MS). */
extern int64_t bench_duration;
/* build/, the directory that librump.so and the others lie below. */
extern const char *bench_dir;

/* System calls of a kernel: all take the number and six arguments, return -errno. */
typedef long (*bench_call)(long nr, long a0, long a1, long a2, long a3, long a4, long a5);
long bench_host(long nr, long a0, long a1, long a2, long a3, long a4, long a5);
/* An embedded kernel with ncpu vCPUs, booted; and with the loopback interface up. */
bench_call bench_boot(int ncpu);
bench_call bench_embedded(int ncpu);
/* A rump_server with 64 MB (on CPU server_cpu if >= 0), and us its client. */
bench_call bench_server(int server_cpu);
/* The same, not connected: its pid.  RUMP_SERVER is set. */
int bench_server_start(int server_cpu);
/* Makes us a client of the server that was started. */
bench_call bench_client(void);
/* r, or the end if it is an error. */
long bench_check(long r, const char *what);
/* Pins the calling thread to a CPU. */
void bench_pin(int cpu);

/* What a server is given: "64m". */
extern const char *bench_server_memory;
/* A thread; two connected TCP sockets of one kernel, without delay (rows.c). */
pthread_t bench_spawn(void *(*fn)(void *), void *arg);
struct bench_pair { bench_call c; int a, b; };
struct bench_pair bench_tcp_pair(bench_call c);

/* threads.c */
double threads_flows_rump(void);
double threads_flows_host(void);
double threads_overcommit(void);
double threads_overcommit_one(void);
double threads_late_rump(void);
double threads_late_host(void);
double threads_rlimit_rump(void);
double threads_rlimit_host(void);
double threads_sendto_rump(void);
double threads_sendto_host(void);

/* apps.c */
double apps_nginx(void);
double apps_nginx_remote(void);
double apps_nginx_native(void);
double apps_redis(void);
double apps_redis_remote(void);
double apps_redis_native(void);
double apps_pgbench(void);
double apps_pgbench_remote(void);
double apps_pgbench_native(void);
double apps_iperf3(void);
double apps_iperf3_remote(void);
double apps_iperf3_native(void);
double apps_copy_64m(void);
double apps_copy_16m(void);
double apps_copy_12m(void);
double apps_copy_plenty(void);

/* image.c */
double image_ls(void);
double run_true(void);
/* net.c */
double net_shm_tcp(void);
double net_veth_tcp(void);
double net_shm_udp(void);
double net_veth_udp(void);
double net_shm_rtt(void);
double net_veth_rtt(void);
double net_tap_rump(void);
double net_tap_host(void);
double net_slirp_rump(void);
double net_slirp_host(void);
double net_passt_rump(void);
double net_passt_host(void);
double net_idle_cpu(void);
double net_idle_memory(void);

/* preload.c */
double preload_read(void);
double preload_read_plain(void);
double preload_poll(void);
double preload_epoll(void);
double preload_epoll_plain(void);
double preload_exec(void);
double preload_fork(void);
double preload_fork_plain(void);
double preload_mixed(void);
double preload_datagram(void);
double preload_datagram_plain(void);
double preload_accept(void);
double preload_accept_remote(void);
double preload_trap(void);
double preload_name(void);
double preload_accept_plain(void);

/* files.c */
double files_read_rump(void);
double files_read_loop(void);
double files_write_rump(void);
double files_write_loop(void);
double files_create_rump(void);
double files_create_loop(void);
double files_create_fuse2fs(void);
double files_untar_rump(void);
double files_untar_remote(void);
double files_untar_loop(void);

/* remote.c */
double remote_null_1cpu(void);
double remote_null_2cpu(void);
double remote_pong_futex(void);
double remote_pong_spin(void);
double remote_small(void);
double remote_read_rump(void);
double remote_read_host(void);
double remote_tcp_rump(void);
double remote_tcp_host(void);
double remote_nginx_rump(void);
double remote_nginx_host(void);
double remote_connect(void);
/* rows.c: ns a call, after a warm-up */
double null_calls(bench_call c);

#define CALL6(c, n, a, b, d, e, f, g, ...) (c)(SYS_##n, (long)(a), (long)(b), (long)(d), (long)(e), \
	(long)(f), (long)(g))
/* CALL(c, read, fd, buf, n) */
#define CALL(c, ...)	CALL6(c, __VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define CHECK(c, n, ...) bench_check(CALL(c, n, __VA_ARGS__), #n)

#endif
