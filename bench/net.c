/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net.c - the wire: traffic between two ends, each a process with a kernel of its own, or
 * with the host's in a network namespace (which needs root).
 *
 * An end is brought up by a function, which gets its number: 0 receives or answers, at
 * 10.9.0.1; 1 sends, from 10.9.0.2.  The receiver measures.
 */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT	5201
#define SMALL	22	/* bytes of UDP in a frame of 64, with its checksum */

static void
sh(const char *fmt, ...)
{
	char cmd[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	if (system(cmd) != 0)
		bench_fail("%s", cmd);
}

/* ---- traffic ---------------------------------------------------------------------------- */

static struct sockaddr_in
address(const char *ip)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(PORT) };

	inet_pton(AF_INET, ip, &sin.sin_addr);
	return sin;
}

static int
socket_at(bench_call c, int type, const char *ip)
{
	struct sockaddr_in sin = address(ip);
	int s = CHECK(c, socket, AF_INET, type), one = 1;

	CHECK(c, setsockopt, s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	CHECK(c, bind, s, &sin, sizeof(sin));
	if (type == SOCK_STREAM)
		CHECK(c, listen, s, 1);
	return s;
}

static int
socket_to(bench_call c, int type, const char *ip)
{
	struct sockaddr_in sin = address(ip);
	int s = -1, one = 1;
	long r = -1;

	for (int i = 0; i < 500 && r < 0; i++) {
		s = CHECK(c, socket, AF_INET, type);
		r = CALL(c, connect, s, &sin, sizeof(sin));
		if (r < 0) {
			CHECK(c, close, s);
			usleep(10000);
		}
	}
	bench_check(r, "connect");
	if (type == SOCK_STREAM)
		CHECK(c, setsockopt, s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return s;
}

static char buf[256 * 1024];

/* Gbit/s that arrive until the sender closes. */
static double
tcp_receive(bench_call c, const char *ip)
{
	int s = CHECK(c, accept4, socket_at(c, SOCK_STREAM, ip));
	int64_t bytes = CHECK(c, read, s, buf, sizeof(buf)), t0 = bench_now(), first = bytes;
	long n;

	while ((n = CHECK(c, read, s, buf, sizeof(buf))) > 0)
		bytes += n;
	return (bytes - first) * 8.0 / (bench_now() - t0);
}

static void
tcp_send(bench_call c, const char *ip)
{
	int s = socket_to(c, SOCK_STREAM, ip);
	int64_t end = bench_now() + bench_duration;

	while (bench_now() < end)
		CHECK(c, write, s, buf, 65536);
	CHECK(c, close, s);
}

#define PIECE	(20 * 1000000LL)
#define PIECES	1000

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/*
 * The same, as the median of pieces of 20 ms, without the first five.  passt drops frames at times,
 * and nothing but the sender's timeout of 200 ms tells of it: how many of these fall into a
 * measurement is luck, of either side.
 */
static double
tcp_receive_steadily(bench_call c, const char *ip)
{
	static double rate[PIECES];
	int s = CHECK(c, accept4, socket_at(c, SOCK_STREAM, ip)), pieces = -5;
	int64_t bytes = 0, start = bench_now(), now;
	long n;

	while ((n = CHECK(c, read, s, buf, sizeof(buf))) > 0) {
		bytes += n;
		now = bench_now();
		if (now - start < PIECE)
			continue;
		if (pieces >= 0 && pieces < PIECES)
			rate[pieces] = bytes * 8.0 / (now - start);
		pieces++;
		bytes = 0;
		start = now;
	}
	if (pieces > PIECES)
		pieces = PIECES;
	if (pieces < 1)
		return -1;
	qsort(rate, pieces, sizeof(*rate), compare);
	return rate[pieces / 2];
}

static void
tcp_send_long(bench_call c, const char *ip)
{
	bench_duration *= 4;
	tcp_send(c, ip);
}

/* Million packets a second; the last one is empty, and comes many times. */
static double
udp_receive(bench_call c, const char *ip)
{
	int s = socket_at(c, SOCK_DGRAM, ip), size = 4 << 20;
	int64_t t0, packets = 0;

	CALL(c, setsockopt, s, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	CHECK(c, read, s, buf, sizeof(buf));
	t0 = bench_now();
	while (CHECK(c, read, s, buf, sizeof(buf)) > 1)
		packets++;
	return packets * 1e3 / (bench_now() - t0);
}

static void
udp_send(bench_call c, const char *ip)
{
	int s = socket_to(c, SOCK_DGRAM, ip);
	int64_t end;

	usleep(100000);		/* the receiver is there; one to learn where it is */
	CALL(c, write, s, buf, SMALL);
	usleep(100000);
	end = bench_now() + bench_duration;
	while (bench_now() < end)
		for (int i = 0; i < 64; i++)
			CALL(c, write, s, buf, SMALL);
	for (int i = 0; i < 50; i++) {
		CALL(c, write, s, buf, 1);
		usleep(2000);
	}
}

/* One byte to and fro; the sender measures, us. */
static double
echo(bench_call c, const char *ip)
{
	int s = CHECK(c, accept4, socket_at(c, SOCK_STREAM, ip)), one = 1;
	int64_t t0 = bench_now();
	long rounds = 0;

	CHECK(c, setsockopt, s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	while (CHECK(c, read, s, buf, 1) == 1) {
		CHECK(c, write, s, buf, 1);
		if (++rounds == 100)
			t0 = bench_now();
	}
	return (bench_now() - t0) / 1e3 / (rounds - 100);
}

static void
ask(bench_call c, const char *ip)
{
	int s = socket_to(c, SOCK_STREAM, ip);
	int64_t end = bench_now() + bench_duration;

	while (bench_now() < end) {
		CHECK(c, write, s, buf, 1);
		CHECK(c, read, s, buf, 1);
	}
	CHECK(c, close, s);
}

struct traffic {
	double (*receive)(bench_call c, const char *ip);
	void (*send)(bench_call c, const char *ip);
};
static const struct traffic tcp = { tcp_receive, tcp_send };
static const struct traffic steady_tcp = { tcp_receive_steadily, tcp_send_long };
static const struct traffic udp = { udp_receive, udp_send };
static const struct traffic rtt = { echo, ask };

/* ---- ends ----------------------------------------------------------------------------------- */

static char dir[64];		/* of a measurement; removed afterwards */

static void
configure(bench_call c, const char *ip)
{
	struct ifreq ifr = { .ifr_name = "virt0" };
	struct sockaddr_in sin = address(ip);
	int s = CHECK(c, socket, AF_INET, SOCK_DGRAM);

	sin.sin_port = 0;
	memcpy(&ifr.ifr_addr, &sin, sizeof(sin));
	CHECK(c, ioctl, s, SIOCSIFADDR, &ifr);
	inet_pton(AF_INET, "255.255.255.0", &((struct sockaddr_in *)&ifr.ifr_netmask)->sin_addr);
	CHECK(c, ioctl, s, SIOCSIFNETMASK, &ifr);
	ifr.ifr_flags = IFF_UP;
	CHECK(c, ioctl, s, SIOCSIFFLAGS, &ifr);
	CHECK(c, close, s);
}

static bench_call
shm_end(int i)
{
	char spec[128];
	bench_call c;

	snprintf(spec, sizeof(spec), "virt0,link=shm:%s/segment", dir);
	setenv("RUMP_IF", spec, 1);
	c = bench_boot(2);
	configure(c, i ? "10.9.0.2" : "10.9.0.1");
	return c;
}

/* The host's kernel, in network namespace rumpbI. */
static bench_call
ns_end(int i)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/rumpb%d", i);
	fd = open(path, O_RDONLY);
	if (fd < 0 || setns(fd, CLONE_NEWNET) != 0)
		bench_fail("%s: %s", path, strerror(errno));
	return bench_host;
}

static bench_call
here(int i)
{
	(void)i;
	return bench_host;
}

/* A kernel beside namespace rumpb0, on a tap there. */
static bench_call
tap_end(int i)
{
	bench_call c;

	ns_end(0);
	if (i == 0)
		return bench_host;
	setenv("RUMP_IF", "virt0,link=tap:tap0", 1);
	c = bench_boot(2);
	configure(c, "10.9.0.2");
	return c;
}

static bench_call
slirp_end(int i)
{
	if (i == 0)
		return bench_host;
	setenv("RUMP_IF", "virt0,link=slirp", 1);
	return bench_boot(2);
}

static bench_call
passt_end(int i)
{
	char spec[128];

	if (i == 0)
		return ns_end(0);
	snprintf(spec, sizeof(spec), "virt0,link=passt:%s/passt", dir);
	setenv("RUMP_IF", spec, 1);
	return bench_boot(2);
}

/* ---- measuring ---------------------------------------------------------------------------------- */

/*
 * Traffic from end 1, at the address to, to end 0, which has the address at.  The result
 * comes by a pipe; both processes are gone then.
 */
static double
between(const struct traffic *t, bench_call (*end)(int), const char *at, const char *to)
{
	double result;
	pid_t pid[2];
	int p[2];

	if (pipe(p) != 0)
		bench_fail("pipe");
	for (int i = 0; i < 2; i++) {
		if ((pid[i] = fork()) != 0)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (i == 0) {
			result = t->receive(end(0), at);
			_exit(write(p[1], &result, sizeof(result)) != sizeof(result));
		}
		t->send(end(1), to);
		/* Its kernel has the last bytes yet, and ends with it. */
		for (;;)
			pause();
	}
	close(p[1]);
	if (read(p[0], &result, sizeof(result)) != sizeof(result))
		result = -1;
	if (result < 0)
		kill(pid[0], SIGKILL);
	kill(pid[1], SIGKILL);
	for (int i = 0; i < 2; i++)
		waitpid(pid[i], NULL, 0);
	return result;
}

static void
make_dir(void)
{
	strcpy(dir, "/tmp/rump-bench.XXXXXX");
	if (!mkdtemp(dir))
		bench_fail("mkdtemp: %s", strerror(errno));
}

static void
remove_namespaces(void)
{
	(void)!system("for n in rumpb0 rumpb1; do ip netns del $n; done 2>/dev/null");
}

static void
make_namespaces(const char *then)
{
	if (geteuid() != 0)
		bench_fail("network namespaces need root");
	remove_namespaces();
	sh("for n in rumpb0 rumpb1; do ip netns add $n && ip -n $n link set lo up || exit 1; done; %s",
	    then);
}

static double
done(double result, const char *what)
{
	remove_namespaces();
	if (dir[0])
		sh("rm -rf %s", dir);
	if (result < 0)
		bench_fail("%s: no figure", what);
	return result;
}

static double
shm(const struct traffic *t)
{
	make_dir();
	return done(between(t, shm_end, "10.9.0.1", "10.9.0.1"), "link=shm");
}

static double
veth(const struct traffic *t)
{
	make_namespaces("ip -n rumpb0 link add v0 type veth peer name v1 netns rumpb1 && "
	    "ip -n rumpb0 addr add 10.9.0.1/24 dev v0 && ip -n rumpb0 link set v0 up && "
	    "ip -n rumpb1 addr add 10.9.0.2/24 dev v1 && ip -n rumpb1 link set v1 up");
	return done(between(t, ns_end, "10.9.0.1", "10.9.0.1"), "veth");
}

double net_shm_tcp(void) { return shm(&tcp); }
double net_shm_udp(void) { return shm(&udp); }
double net_shm_rtt(void) { return shm(&rtt); }
double net_veth_tcp(void) { return veth(&tcp); }
double net_veth_udp(void) { return veth(&udp); }
double net_veth_rtt(void) { return veth(&rtt); }

double
net_tap_rump(void)
{
	make_namespaces("ip -n rumpb0 tuntap add tap0 mode tap && "
	    "ip -n rumpb0 addr add 10.9.0.1/24 dev tap0 && ip -n rumpb0 link set tap0 up");
	return done(between(&tcp, tap_end, "10.9.0.1", "10.9.0.1"), "link=tap");
}

/* Frames of one tap go to the other. */
static void *
pump(void *arg)
{
	static __thread char frame[70000];
	int *fds = arg;
	ssize_t n;

	while ((n = read(fds[0], frame, sizeof(frame))) > 0)
		(void)!write(fds[1], frame, n);
	return NULL;
}

static int
open_tap(int i)
{
	struct ifreq ifr = { .ifr_name = "tap0", .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd;

	ns_end(i);
	fd = open("/dev/net/tun", O_RDWR);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) != 0 ||
	    ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) != 0)
		bench_fail("/dev/net/tun: %s", strerror(errno));
	return fd;
}

double
net_tap_host(void)
{
	int fds[2], back[2];
	double result;
	pthread_t t;
	pid_t pid;

	make_namespaces("for i in 0 1; do ip -n rumpb$i tuntap add tap0 mode tap && "
	    "ip -n rumpb$i addr add 10.9.0.$((i+1))/24 dev tap0 && ip -n rumpb$i link set tap0 up || "
	    "exit 1; done");
	if ((pid = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fds[0] = back[1] = open_tap(0);
		fds[1] = back[0] = open_tap(1);
		pthread_create(&t, NULL, pump, back);
		pump(fds);
		_exit(0);
	}
	result = between(&tcp, ns_end, "10.9.0.1", "10.9.0.1");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return done(result, "two taps");
}

double
net_slirp_rump(void)
{
	return done(between(&tcp, slirp_end, "127.0.0.1", "10.0.2.2"), "link=slirp");
}

/* A program in the background; it is there when the shell condition holds. */
static pid_t
background(const char *condition, const char *file, char *const argv[])
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)!freopen("/dev/null", "w", stdout);
		(void)!freopen("/dev/null", "w", stderr);
		execvp(file, argv);
		_exit(127);
	}
	for (int i = 0; system(condition) != 0; i++) {
		if (i == 300 || waitpid(pid, NULL, WNOHANG) == pid)
			bench_fail("%s does not start", file);
		usleep(10000);
	}
	return pid;
}

static bench_call
here_to_ns(int i)
{
	return i == 0 ? here(0) : ns_end(1);
}

double
net_slirp_host(void)
{
	double result;
	pid_t pid;

	make_namespaces(":");
	pid = background("ip -n rumpb1 addr show dev tap0 2>/dev/null | grep -q 10.0.2.100", "slirp4netns",
	    (char *[]){ "slirp4netns", "--configure", "--mtu=65520", "--netns-type=path",
	    "/run/netns/rumpb1", "tap0", NULL });
	result = between(&tcp, here_to_ns, "127.0.0.1", "10.0.2.2");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return done(result, "slirp4netns");
}

/* passt wants a namespace that looks as if it were connected. */
#define CONNECTED	"ip -n rumpb0 link add d0 type veth peer name d1 && " \
	"ip -n rumpb0 addr add 192.0.2.7/24 dev d0 && ip -n rumpb0 link set d0 up && " \
	"ip -n rumpb0 link set d1 up && ip -n rumpb0 route add default via 192.0.2.1"

double
net_passt_rump(void)
{
	char path[80], condition[100];
	double result;
	pid_t pid;

	make_namespaces(CONNECTED);
	make_dir();
	snprintf(path, sizeof(path), "%s/passt", dir);
	snprintf(condition, sizeof(condition), "test -S %s", path);
	pid = background(condition, "ip", (char *[]){ "ip", "netns", "exec", "rumpb0", "passt",
	    "--runas", "0", "-f", "-s", path, NULL });
	result = between(&steady_tcp, passt_end, "127.0.0.1", "192.0.2.1");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return done(result, "link=passt");
}

double
net_passt_host(void)
{
	double result;
	pid_t pid;

	make_namespaces(CONNECTED);
	pid = background("ip -n rumpb1 route 2>/dev/null | grep -q default", "ip", (char *[]){ "ip", "netns",
	    "exec", "rumpb0", "pasta", "--runas", "0", "-f", "--config-net", "-t", "none", "-T", "none", "-u",
	    "none", "-U", "none", "--netns", "/run/netns/rumpb1", NULL });
	result = between(&steady_tcp, ns_end, "127.0.0.1", "192.0.2.1");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return done(result, "pasta");
}

/* ---- many idle kernels ----------------------------------------------------------------------------- */

#define KERNELS	100

static pid_t kernels[KERNELS];

static void
start_kernels(void)
{
	char path[4096], spec[128], url[128];

	make_dir();
	snprintf(path, sizeof(path), "%s/server/rump_server", bench_dir);
	snprintf(spec, sizeof(spec), "virt0,link=shm:%s/segment", dir);
	for (int i = 0; i < KERNELS; i++) {
		snprintf(url, sizeof(url), "unix://%s/%d", dir, i);
		if ((kernels[i] = fork()) == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			execl(path, path, "-s", "-r", "32m", "-i", spec, url, (char *)NULL);
			_exit(127);
		}
		for (int n = 0; access(url + 7, F_OK) != 0; n++) {
			if (n == 500)
				bench_fail("rump_server %d does not start", i);
			usleep(10000);
		}
	}
	sleep(15);		/* what a kernel does in its first seconds is over */
}

static double
end_kernels(double result)
{
	for (int i = 0; i < KERNELS; i++)
		kill(kernels[i], SIGKILL);
	for (int i = 0; i < KERNELS; i++)
		waitpid(kernels[i], NULL, 0);
	return done(result, "kernels");
}

/* Of all of them so far, in ticks. */
static long
cpu_ticks(void)
{
	unsigned long user, system, total = 0;
	char path[64];
	FILE *f;

	for (int i = 0; i < KERNELS; i++) {
		snprintf(path, sizeof(path), "/proc/%d/stat", kernels[i]);
		f = fopen(path, "r");
		if (!f || fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
		    &system) != 2)
			bench_fail("%s", path);
		fclose(f);
		total += user + system;
	}
	return total;
}

double
net_idle_cpu(void)
{
	long before;

	start_kernels();
	before = cpu_ticks();
	sleep(10);
	return end_kernels((cpu_ticks() - before) * 100.0 / sysconf(_SC_CLK_TCK) / 10);
}

double
net_idle_memory(void)
{
	double kb, total = 0;
	char path[64], line[256];
	FILE *f;

	start_kernels();
	for (int i = 0; i < KERNELS; i++) {
		snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", kernels[i]);
		f = fopen(path, "r");
		while (f && fgets(line, sizeof(line), f))
			if (sscanf(line, "Pss: %lf", &kb) == 1)
				total += kb;
		if (f)
			fclose(f);
	}
	return end_kernels(total / 1024 / KERNELS);
}
