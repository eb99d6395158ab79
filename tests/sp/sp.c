/* SPDX-License-Identifier: BSD-2-Clause */
#include "sp.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static pid_t server;

void server_start_with(const char *const more[])
{
	const char *argv[32] = { "rump_server", "-s" };
	char path[PATH_MAX], url[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);
	int i, status, argc = 2;

	ATF_REQUIRE(n > 0);
	path[n] = '\0';
	for (i = 0; i < 3; i++)
		*strrchr(path, '/') = '\0';
	strcat(path, "/server/rump_server");
	strcpy(url, "unix://");
	ATF_REQUIRE(getcwd(url + strlen(url), sizeof(url) - 32) != NULL);
	strcat(url, "/sock");
	setenv("RUMP_SERVER", url, 1);
	while (more && *more)
		argv[argc++] = *more++;
	argv[argc] = url;
	server = fork();
	if (server == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execv(path, (char **)argv);
		_exit(127);
	}
	for (i = 0; access("sock", F_OK) != 0; i++) {
		if (waitpid(server, &status, WNOHANG) == server)
			atf_tc_fail("rump_server ended with status %#x", status);
		if (i == 1000)
			atf_tc_fail("rump_server does not listen after 10 s");
		usleep(10000);
	}
}

void server_start(void)
{
	server_start_with(NULL);
}

pid_t server_pid(void)
{
	return server;
}

long server_rss(void)
{
	char path[64], line[128];
	long kb, sum = 0;
	FILE *f;

	sprintf(path, "/proc/%d/status", server);
	f = fopen(path, "r");
	ATF_REQUIRE(f != NULL);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "RssAnon: %ld", &kb) == 1 || sscanf(line, "RssShmem: %ld", &kb) == 1)
			sum += kb;
	fclose(f);
	ATF_REQUIRE(sum > 0);
	return sum;
}

void client_start_with(const char *const more[])
{
	server_start_with(more);
	ATF_REQUIRE_EQ(rumpclient_init(), 0);
	ATF_REQUIRE_EQ(rumpclient_is_remote(), 1);
}

void client_start(void)
{
	client_start_with(NULL);
}

long client_call(long nr, long a0, long a1, long a2, long a3, long a4, long a5)
{
	return rumpclient_syscall(nr, (long[]){ a0, a1, a2, a3, a4, a5 });
}

long must(long r, const char *what, const char *file, int line)
{
	if (r < 0)
		atf_tc_fail("%s:%d: %s: %s", file, line, what, strerror(-r));
	return r;
}

void reap(pid_t pid)
{
	int status;

	ATF_REQUIRE_EQ(waitpid(pid, &status, 0), pid);
	ATF_REQUIRE_MSG(status == 0, "the child's status is %#x", status);
}

void skip_in_tsan(const char *why)
{
#ifdef __SANITIZE_THREAD__
	atf_tc_skip("%s", why);
#else
	(void)why;
#endif
}

long listen_on(int port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	long fd = S(socket, AF_INET, SOCK_STREAM, 0);
	long r;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	r = fd < 0 ? fd : S(bind, fd, &sin, sizeof(sin));
	if (r == 0)
		r = S(listen, fd, 5);
	return r < 0 ? r : fd;
}

/* ---- raw ---------------------------------------------------------------------------------- */

int raw_connect(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "sock" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ATF_REQUIRE(fd >= 0);
	while (connect(fd, (struct sockaddr *)&sun, sizeof(sun))) {
		ATF_REQUIRE_EQ_MSG(errno, EAGAIN, "connect: %s", strerror(errno));
		usleep(1000);
	}
	return fd;
}

void raw_hello(struct rump_sp_hello *h, enum rump_sp_kind kind)
{
	*h = (struct rump_sp_hello){
		.hdr = { .len = sizeof(*h), .type = RUMP_SP_HELLO, .reqno = 17 },
		.version = RUMP_SP_VERSION, .kind = kind, .machine = RUMP_SP_MACHINE,
		.pid = getpid(), .tid = gettid(), .uid = getuid(), .comm = "hostile",
	};
	memcpy(h->magic, RUMP_SP_MAGIC, sizeof(h->magic));
}

int reader_pipe[2];
atomic_int readers;

void *reader(void *arg)
{
	char c;

	(void)arg;
	readers++;
	return (void *)S(read, reader_pipe[0], &c, 1);
}

int raw_client(enum rump_sp_kind kind, const struct rump_sp_cookie *cookie,
    struct rump_sp_hello_reply *r)
{
	struct rump_sp_hello h;
	int fd = raw_connect();

	raw_hello(&h, kind);
	if (cookie)
		h.cookie = *cookie;
	ATF_REQUIRE_EQ(send(fd, &h, sizeof(h), MSG_NOSIGNAL), (ssize_t)sizeof(h));
	ATF_REQUIRE(raw_read(fd, r, sizeof(*r)));
	ATF_REQUIRE_EQ(r->hdr.type, RUMP_SP_HELLO_REPLY);
	ATF_REQUIRE_EQ(r->hdr.len, sizeof(*r));
	ATF_REQUIRE_EQ(r->hdr.reqno, 17);
	return fd;
}

size_t raw_request(void *buf, long nr, const long args[6])
{
	struct rump_sp_syscall *req = buf;
	uint64_t end = RUMP_SP_END_OK;

	memset(req, 0, sizeof(*req));
	req->hdr.len = sizeof(*req) + sizeof(end);
	req->hdr.type = RUMP_SP_SYSCALL;
	req->hdr.reqno = 1;
	req->nr = nr;
	if (args)
		memcpy(req->args, args, sizeof(req->args));
	memcpy(req + 1, &end, sizeof(end));
	return req->hdr.len;
}

int raw_read(int fd, void *buf, size_t n)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t done = 0;
	ssize_t r;

	while (done < n) {
		if (poll(&p, 1, 10000) == 0)
			atf_tc_fail("the server does not answer");
		r = recv(fd, (char *)buf + done, n - done, 0);
		if (r <= 0)
			return 0;
		done += r;
	}
	return 1;
}

int raw_ended(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char sink[4096];
	ssize_t r;

	do {
		if (poll(&p, 1, 10000) == 0)
			return 0;
		r = recv(fd, sink, sizeof(sink), 0);
	} while (r > 0);
	return 1;
}

static long raw_call(int fd, long nr, const long args[6])
{
	char buf[sizeof(struct rump_sp_syscall) + 8];
	struct rump_sp_reply r;
	size_t n = raw_request(buf, nr, args);

	ATF_REQUIRE_EQ(send(fd, buf, n, MSG_NOSIGNAL), (ssize_t)n);
	ATF_REQUIRE(raw_read(fd, &r, sizeof(r)));
	ATF_REQUIRE_EQ(r.hdr.type, RUMP_SP_REPLY);
	return r.ret;
}

void check_server(void)
{
	struct rump_sp_hello_reply r;
	int fd = raw_client(RUMP_SP_GUEST, NULL, &r);

	ATF_REQUIRE_EQ(r.error, 0);
	ATF_REQUIRE_EQ(raw_call(fd, SYS_getpid, NULL), r.pid);
	close(fd);
}

/* A call of raw client fd that reads a string and writes a buffer; either may be NULL. */
static long raw_call_with(int fd, long nr, const long args[6], const char *in, char *out, size_t size)
{
	struct {
		struct rump_sp_syscall req;
		struct rump_sp_seg seg;
		char data[64];
	} q;
	struct {
		struct rump_sp_reply r;
		struct rump_sp_out out;
	} a;
	const uint64_t end = RUMP_SP_END_OK;
	size_t n = in ? RUMP_SP_ALIGN(strlen(in) + 1) : 0;
	char sink[8];

	memset(&q, 0, sizeof(q));
	raw_request(&q, nr, args);
	q.req.hdr.len = offsetof(__typeof__(q), data) + n + sizeof(end);
	q.req.nsegs = 1;
	q.seg = (struct rump_sp_seg){ .addr = 0x1000, .len = in ? n : size,
	    .flags = in ? RUMP_SP_IN : RUMP_SP_OUT, .off = in ? offsetof(__typeof__(q), data) : 0 };
	if (in)
		strcpy(q.data, in);
	memcpy(q.data + n, &end, sizeof(end));
	ATF_REQUIRE_EQ(send(fd, &q, q.req.hdr.len, MSG_NOSIGNAL), (ssize_t)q.req.hdr.len);
	ATF_REQUIRE(raw_read(fd, &a.r, sizeof(a.r)));
	ATF_REQUIRE(a.r.nouts <= 1);
	if (a.r.nouts) {
		ATF_REQUIRE(raw_read(fd, &a.out, sizeof(a.out)));
		ATF_REQUIRE(a.out.addr == 0x1000 && a.out.len <= size && a.out.off == sizeof(a));
		ATF_REQUIRE(raw_read(fd, out, a.out.len));
		ATF_REQUIRE(raw_read(fd, sink, RUMP_SP_ALIGN(a.out.len) - a.out.len));
	}
	return a.r.ret;
}

/* The threads of a process, by its stat; 0: it is the kernel's own, or gone. */
static long threads_of(int fd, int pid)
{
	char path[64], stat[1024] = "", *p;
	unsigned long flags;
	long f, n = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = raw_call_with(fd, SYS_open, (long[6]){ 0x1000 }, path, NULL, 0);
	if (f < 0)
		return 0;
	if (raw_call_with(fd, SYS_read, (long[6]){ f, 0x1000, sizeof(stat) - 1 }, NULL, stat,
	    sizeof(stat) - 1) <= 0 || !(p = strrchr(stat, ')')) ||
	    sscanf(p, ") %*c %*d %*d %*d %*d %*d %lu %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld",
	    &flags, &n) != 2 || flags & 0x200000 /* PF_KTHREAD */)
		n = 0;
	raw_call(fd, SYS_close, (long[6]){ f });
	return n;
}

/* By raw requests: independent of librumpclient. */
long processes(void)
{
	static char buf[16384];
	struct rump_sp_hello_reply hr;
	struct dirent64 *d;
	int fd = raw_client(RUMP_SP_GUEST, NULL, &hr);
	long dir, n, sum = 0;

	dir = raw_call_with(fd, SYS_open, (long[6]){ 0x1000, O_DIRECTORY }, "/proc", NULL, 0);
	ATF_REQUIRE(dir >= 0);
	while ((n = raw_call_with(fd, SYS_getdents64, (long[6]){ dir, 0x1000, sizeof(buf) }, NULL,
	    buf, sizeof(buf))) > 0)
		for (d = (void *)buf; (char *)d < buf + n; d = (void *)((char *)d + d->d_reclen))
			if (atoi(d->d_name) > 0)
				sum += threads_of(fd, atoi(d->d_name));
	ATF_REQUIRE_EQ(n, 0);
	close(fd);
	return sum;
}

void wait_processes(long n)
{
	int i;

	for (i = 0; processes() > n; i++) {
		if (i == 1000)
			atf_tc_fail("%ld tasks, %ld expected", processes(), n);
		usleep(10000);
	}
}
