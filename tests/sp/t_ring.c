/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared memory: clients that misuse it, die in it, and a server that does. */
#include "sp.h"
#include "../kdebug.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

/* ---- a raw client's ring ----------------------------------------------------------------- */

struct raw {
	int fd, memfd, bell;
	struct rump_sp_ring *shm;
	uint32_t asked;
};

static void raw_ring(struct raw *c)
{
	struct rump_sp_hdr q = { .len = sizeof(q), .type = RUMP_SP_RING, .reqno = 5 };
	char ctl[CMSG_SPACE(2 * sizeof(int))];
	struct rump_sp_hello_reply h;
	struct rump_sp_reply r;
	struct iovec iov = { &r, sizeof(r) };
	struct msghdr mh = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof(ctl),
	};
	int fds[2];

	c->fd = raw_client(RUMP_SP_GUEST, NULL, &h);
	ATF_REQUIRE_EQ(send(c->fd, &q, sizeof(q), MSG_NOSIGNAL), (ssize_t)sizeof(q));
	ATF_REQUIRE_EQ(recvmsg(c->fd, &mh, MSG_WAITALL | MSG_CMSG_CLOEXEC), (ssize_t)sizeof(r));
	ATF_REQUIRE_EQ(r.ret, 0);
	ATF_REQUIRE_EQ(r.hdr.nfds, 2);
	ATF_REQUIRE_EQ(r.hdr.reqno, 5);
	ATF_REQUIRE(CMSG_FIRSTHDR(&mh) != NULL);
	memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&mh)), sizeof(fds));
	c->memfd = fds[0];
	c->bell = fds[1];
	c->asked = 0;
	c->shm = mmap(NULL, RUMP_SP_RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, c->memfd, 0);
	ATF_REQUIRE(c->shm != MAP_FAILED);
}

static void raw_close(struct raw *c)
{
	munmap(c->shm, RUMP_SP_RING_SIZE);
	close(c->memfd);
	close(c->bell);
	close(c->fd);
}

static void raw_ask(struct raw *c)
{
	uint64_t one = 1;

	__atomic_store_n(&c->shm->asked, ++c->asked, __ATOMIC_SEQ_CST);
	ATF_REQUIRE_EQ(write(c->bell, &one, sizeof(one)), (ssize_t)sizeof(one));
}

/* Waits for the n-th answer; 0: the server has hung up instead. */
static int raw_answered(struct raw *c, uint32_t n)
{
	struct pollfd p = { .fd = c->fd, .events = POLLRDHUP };

	for (int i = 0; i < 10000; i++) {
		if (__atomic_load_n(&c->shm->answered, __ATOMIC_SEQ_CST) == n)
			return 1;
		if (poll(&p, 1, 1) > 0 && p.revents & (POLLHUP | POLLRDHUP))
			return 0;
	}
	atf_tc_fail("neither an answer nor an end after 10 s");
}

static long raw_result(struct raw *c)
{
	return ((struct rump_sp_reply *)c->shm->answer)->ret;
}

/* ---- ------------------------------------------------------------------------------------------ */

/* A client can't take the memory away under the server. */
ATF_TC_WITHOUT_HEAD(sealed);
ATF_TC_BODY(sealed, tc)
{
	struct raw c;

	server_start();
	raw_ring(&c);
	ATF_CHECK(ftruncate(c.memfd, 0) != 0 && errno == EPERM);
	ATF_CHECK(ftruncate(c.memfd, RUMP_SP_RING_SIZE / 2) != 0 && errno == EPERM);
	ATF_CHECK(ftruncate(c.memfd, 2 * RUMP_SP_RING_SIZE) != 0);
	ATF_CHECK(fcntl(c.memfd, F_ADD_SEALS, F_SEAL_WRITE) != 0);
	/* holes are allowed, and read as zeroes: no message */
	ATF_CHECK_EQ(fallocate(c.memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
	    RUMP_SP_RING_SIZE), 0);
	raw_ask(&c);
	ATF_CHECK(!raw_answered(&c, 1));
	raw_close(&c);
	check_server();
}

/* What does not belong there, or is wrong, ends the client and nobody else. */
ATF_TC_WITHOUT_HEAD(bad_messages);
ATF_TC_BODY(bad_messages, tc)
{
	struct rump_sp_syscall *req;
	struct raw c, good;
	long before;

	server_start();
	raw_ring(&good);
	before = processes();
	for (int how = 0; how < 12; how++) {
		raw_ring(&c);
		req = (void *)c.shm->request;
		raw_request(req, SYS_getppid, NULL);
		switch (how) {
		case 0: req->hdr.len = 0; break;
		case 1: req->hdr.len = RUMP_SP_RING_REQUEST + 8; break;
		case 2: req->hdr.len = ~7u; break;
		case 3: req->hdr.type = RUMP_SP_HELLO; break;
		case 4: req->hdr.type = RUMP_SP_RING; req->hdr.len = 16; break;
		case 5: req->hdr.type = RUMP_SP_HALT; req->hdr.len = 16; break;
		case 6: req->hdr.nfds = 1; break;
		case 7: req->hdr.flags = RUMP_SP_F_ATTACH; break;
		case 8: req->nsegs = 1; break;
		case 9: req->hdr.type = 99; break;
		case 10: req->hdr.type = RUMP_SP_COPY_REPLY; req->hdr.len = 32; break;
		case 11: req->hdr.type = RUMP_SP_GOODBYE; req->hdr.len = 16; break;
		}
		raw_ask(&c);
		ATF_CHECK_MSG(!raw_answered(&c, 1), "case %d was answered", how);
		raw_close(&c);
	}
	raw_request(good.shm->request, SYS_getppid, NULL);
	raw_ask(&good);
	ATF_CHECK(raw_answered(&good, 1));
	ATF_CHECK(raw_result(&good) >= 0);
	wait_processes(before);
	raw_close(&good);
}

static atomic_int stop;

/* Writes anything anywhere, or mostly into headers and words, until told to stop. */
static void *scribble(void *arg)
{
	struct raw *c = arg;
	unsigned int seed = 1, r;
	char *base = (char *)c->shm;
	uint64_t one = 1;

	while (!stop) {
		r = rand_r(&seed);
		switch (r % 4) {
		case 0: base[rand_r(&seed) % RUMP_SP_RING_SIZE] = r >> 8; break;
		case 1: base[rand_r(&seed) % 256] = r >> 8; break;
		case 2: base[RUMP_SP_RING_PART + rand_r(&seed) % 1200] = r >> 8; break;
		case 3: (void)!write(c->bell, &one, sizeof(one)); break;
		}
	}
	return NULL;
}

/*
 * A client whose memory changes while the server reads it, and who takes its bell's count
 * away; it asks well, too.  Others go on, and what it had comes back.
 */
ATF_TC_WITHOUT_HEAD(scribbled);
ATF_TC_BODY(scribbled, tc)
{
	long before, fd;
	char data[5000], back[5000];
	struct raw c;
	pthread_t t;

	skip_in_tsan("it races on purpose");
	client_start();
	for (int i = 0; i < 10; i++)
		MUST(getppid);
	fd = MUST(open, "/tmp/f", O_RDWR | O_CREAT, 0600);
	before = processes();
	for (int round = 0; round < 60; round++) {
		raw_ring(&c);
		stop = 0;
		ATF_REQUIRE_EQ(pthread_create(&t, NULL, scribble, &c), 0);
		for (int i = 0; i < 200; i++) {
			uint64_t count;

			raw_request(c.shm->request, i % 3 ? SYS_getppid : SYS_write,
			    (long[6]){ i % 7, 0x1000, 100 });
			raw_ask(&c);
			if (i % 5 == 0)
				(void)!read(c.bell, &count, sizeof(count));
			if (i % 20 == 0) {
				memset(data, round + i, sizeof(data));
				ATF_REQUIRE_EQ(MUST(pwrite64, fd, data, sizeof(data), 0), sizeof(data));
				ATF_REQUIRE_EQ(MUST(pread64, fd, back, sizeof(back), 0), sizeof(back));
				ATF_REQUIRE(memcmp(data, back, sizeof(data)) == 0);
			}
		}
		stop = 1;
		pthread_join(t, NULL);
		raw_close(&c);
	}
	wait_processes(before);
	check_server();
}

/* Killed with half a message, a whole one, in a call, asleep, while its answer comes. */
ATF_TC_WITHOUT_HEAD(killed);
ATF_TC_BODY(killed, tc)
{
	long before;
	pid_t pid;
	int p[2];
	char ch;

	server_start();
	before = processes();
	for (int how = 0; how < 20; how++) {
		ATF_REQUIRE_EQ(pipe(p), 0);
		pid = fork();
		if (pid == 0) {
			struct raw c;

			raw_ring(&c);
			switch (how % 4) {
			case 0:
				memset(c.shm->request, 0xff, 20);
				break;
			case 1:
				raw_request(c.shm->request, SYS_pause, NULL);
				raw_ask(&c);
				break;
			case 2:
				raw_request(c.shm->request, SYS_getppid, NULL);
				raw_ask(&c);
				break;
			case 3:		/* a question about its memory is not answered */
				raw_request(c.shm->request, SYS_mkdir, (long[6]){ 0x1000, 0755 });
				raw_ask(&c);
				break;
			}
			(void)!write(p[1], "x", 1);
			pause();
			_exit(0);
		}
		ATF_REQUIRE_EQ(read(p[0], &ch, 1), 1);
		close(p[0]);
		close(p[1]);
		if (how < 10)
			usleep(5000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	wait_processes(before);
}

/* ---- many ---------------------------------------------------------------------------------------- */

static int wake_pipe[2];
static atomic_int blocked;

static void *call_and_block(void *arg)
{
	char c;

	(void)arg;
	for (int i = 0; i < 10; i++)
		if (S(getppid) < 0)
			return NULL;
	blocked++;
	return (void *)S(read, wake_pipe[0], &c, 1);
}

/* Threads that all have a ring, and block: others are as fast, and an idle one is small. */
ATF_TC_WITHOUT_HEAD(many);
ATF_TC_BODY(many, tc)
{
	enum { N = 500 };
	static pthread_t t[N];
	pthread_attr_t attr;
	long before;
	void *r;

	skip_in_tsan("the sanitizer's own memory is more than what is measured");
	client_start();
	for (int i = 0; i < 10; i++)
		MUST(getppid);
	MUST(pipe2, wake_pipe, 0);
	before = server_rss();
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	for (int i = 0; i < N; i++)
		ATF_REQUIRE_EQ(pthread_create(&t[i], &attr, call_and_block, NULL), 0);
	while (blocked < N)
		usleep(1000);
	for (int i = 0; i < 1000; i++)
		MUST(getppid);
	printf("%ld bytes for each idle channel\n", (server_rss() - before) * 1024 / N);
#ifndef __SANITIZE_ADDRESS__	/* which keeps notes of its own */
	ATF_CHECK_MSG(server_rss() - before < N * (kdebug() ? 160 : 64), "%ld KB for %d channels",
	    server_rss() - before, N);
#endif
	for (int i = 0; i < N; i++)
		ATF_REQUIRE_EQ(MUST(write, wake_pipe[1], "x", 1), 1);
	for (int i = 0; i < N; i++) {
		pthread_join(t[i], &r);
		ATF_CHECK_EQ((long)r, 1);
	}
}

/* CPU time of the server so far, in clock ticks. */
static long server_ticks(void)
{
	char path[64], line[1024], *p;
	unsigned long u, s;
	FILE *f;

	sprintf(path, "/proc/%d/stat", server_pid());
	f = fopen(path, "r");
	ATF_REQUIRE(f != NULL && fgets(line, sizeof(line), f));
	fclose(f);
	p = strrchr(line, ')');
	ATF_REQUIRE_EQ(sscanf(p, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &u, &s), 2);
	return u + s;
}

/* Whoever has nothing to do for anybody sleeps, whatever was there a moment ago. */
ATF_TC_WITHOUT_HEAD(idle);
ATF_TC_BODY(idle, tc)
{
	struct rusage a, b;
	pthread_t t;
	long before;

	skip_in_tsan("the sanitizer has a thread that wakes up by itself");
	client_start();
	MUST(pipe2, wake_pipe, 0);
	for (int i = 0; i < 100000; i++)
		MUST(getppid);
	pthread_create(&t, NULL, call_and_block, NULL);
	sleep(1);
	before = server_ticks();
	getrusage(RUSAGE_SELF, &a);
	sleep(5);
	getrusage(RUSAGE_SELF, &b);
	/* a clock tick is 10 ms: 0.4 % */
	ATF_CHECK_MSG(server_ticks() - before <= 2, "%ld ticks in 5 s", server_ticks() - before);
	ATF_CHECK_MSG(b.ru_nvcsw - a.ru_nvcsw <= 10, "the client woke up %ld times",
	    b.ru_nvcsw - a.ru_nvcsw);
	MUST(write, wake_pipe[1], "x", 1);
	pthread_join(t, NULL);
}

/* Killed while its client is in the middle of call after call: each ends with an error. */
ATF_TC_WITHOUT_HEAD(server_dies);
ATF_TC_BODY(server_dies, tc)
{
	int status;
	pid_t pid;
	long r;

	for (int round = 0; round < 10; round++) {
		pid = fork();
		if (pid == 0) {
			server_start();
			if (rumpclient_init())
				_exit(1);
			alarm(10);
			pid = fork();
			if (pid == 0) {
				usleep(20000 + round * 1000);
				kill(server_pid(), SIGKILL);
				_exit(0);
			}
			while ((r = S(getppid)) >= 0)
				;
			_exit(r == -ENOTCONN ? 0 : 2);
		}
		ATF_REQUIRE_EQ(waitpid(pid, &status, 0), pid);
		ATF_CHECK_MSG(status == 0, "round %d: %#x", round, status);
		unlink("sock");
	}
}

/* ---- a server that lies --------------------------------------------------------------------------- */

static char target[4096];	/* what the client lets be written */

/* An answer to the client's call, bent in one place. */
static void lie(struct rump_sp_ring *shm, uint64_t reqno, unsigned int *seed)
{
	struct rump_sp_reply *r = (void *)shm->answer;
	unsigned int n = rand_r(seed) % 3;

	memset(shm->answer, 0, 512);
	*r = (struct rump_sp_reply){
		.hdr = { .type = RUMP_SP_REPLY, .reqno = reqno }, .ret = 7, .nouts = n,
	};
	r->hdr.len = sizeof(*r) + n * (sizeof(r->outs[0]) + 64);
	for (unsigned int i = 0; i < n; i++)
		r->outs[i] = (struct rump_sp_out){
			.addr = (uintptr_t)target + 64 * i, .len = 64,
			.off = sizeof(*r) + n * sizeof(r->outs[0]) + 64 * i,
		};
	switch (rand_r(seed) % 8) {
	case 0: r->hdr.len = rand_r(seed); break;
	case 1: r->hdr.type = rand_r(seed); break;
	case 2: r->nouts = rand_r(seed); break;
	case 3: r->nsigs = rand_r(seed) | 32; break;
	case 4: r->outs[rand_r(seed) % 2].len = rand_r(seed) % 2 ? (uint32_t)rand_r(seed) : ~0u; break;
	case 5: r->outs[rand_r(seed) % 2].off = rand_r(seed); break;
	case 6: r->hdr.reqno = rand_r(seed); break;
	case 7: break;
	}
}

static void lying_server(int l)
{
	struct rump_sp_hello_reply h = {
		.hdr = { .len = sizeof(h), .type = RUMP_SP_HELLO_REPLY }, .version = RUMP_SP_VERSION,
		.machine = RUMP_SP_MACHINE, .pid = 1, .tid = 1, .cookie = { 1, 2 },
	};
	struct rump_sp_reply a = { .hdr = { .len = sizeof(a), .type = RUMP_SP_REPLY, .nfds = 2 } };
	char ctl[CMSG_SPACE(2 * sizeof(int))] = "", buf[512];
	struct rump_sp_hdr *q = (void *)buf;
	struct iovec iov = { &a, sizeof(a) };
	struct cmsghdr *cm = (void *)ctl;
	unsigned int seed = 3;
	int s, fds[2];

	memcpy(h.magic, RUMP_SP_MAGIC, 8);
	fds[0] = memfd_create("lies", MFD_CLOEXEC);
	fds[1] = eventfd(0, EFD_CLOEXEC);
	if (ftruncate(fds[0], RUMP_SP_RING_SIZE))
		_exit(1);
	struct rump_sp_ring *shm = mmap(NULL, RUMP_SP_RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
	    fds[0], 0);
	while ((s = accept(l, NULL, NULL)) >= 0) {
		while (recv(s, buf, sizeof(*q), MSG_WAITALL) == sizeof(*q)) {
			if (q->len > sizeof(*q))
				recv(s, buf + sizeof(*q), q->len - sizeof(*q), MSG_WAITALL);
			if (q->type == RUMP_SP_HELLO) {
				h.hdr.reqno = q->reqno;
				send(s, &h, sizeof(h), MSG_NOSIGNAL);
			} else if (q->type == RUMP_SP_SYSCALL) {
				struct rump_sp_reply r = a;

				r.hdr.nfds = 0;
				r.hdr.reqno = q->reqno;
				send(s, &r, sizeof(r), MSG_NOSIGNAL);
			} else if (q->type == RUMP_SP_RING) {
				struct msghdr mh = {
					.msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl,
					.msg_controllen = sizeof(ctl),
				};
				uint32_t n = 0;

				memset(shm, 0, 4096);
				memset(&shm->answered, 0, 4096);
				a.hdr.reqno = q->reqno;
				cm->cmsg_level = SOL_SOCKET;
				cm->cmsg_type = SCM_RIGHTS;
				cm->cmsg_len = CMSG_LEN(sizeof(fds));
				memcpy(CMSG_DATA(cm), fds, sizeof(fds));
				sendmsg(s, &mh, MSG_NOSIGNAL);
				/* until the client has had enough of us */
				while (recv(s, buf, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN) {
					if (__atomic_load_n(&shm->asked, __ATOMIC_ACQUIRE) == n)
						continue;
					n++;
					lie(shm, ((struct rump_sp_hdr *)shm->request)->reqno, &seed);
					shm->answer_where = 0;
					__atomic_store_n(&shm->answered, n, __ATOMIC_SEQ_CST);
					/* it listens at the socket by now: that is its answer */
					if ((__atomic_exchange_n(&shm->sleep, RUMP_SP_AWAKE,
					    __ATOMIC_SEQ_CST) & 3) == RUMP_SP_ELSEWHERE)
						shutdown(s, SHUT_RDWR);
					syscall(SYS_futex, &shm->sleep, FUTEX_WAKE, 1, NULL, NULL, 0);
				}
			}
		}
		close(s);
	}
}

/* Lengths, numbers and offsets in a server's answers are believed no more than a client's. */
ATF_TC_WITHOUT_HEAD(lies);
ATF_TC_BODY(lies, tc)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "lies" };
	int l = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), null = open("/dev/null", O_WRONLY);
	int honest = 0, refused = 0;
	long r;
	pid_t pid;

	ATF_REQUIRE_EQ(bind(l, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ATF_REQUIRE_EQ(listen(l, 10), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		lying_server(l);
		_exit(0);
	}
	close(l);
	setenv("RUMP_SERVER", "unix://lies", 1);
	ATF_REQUIRE_EQ(rumpclient_init(), 0);
	dup2(null, 2);
	for (int i = 0; i < 5000; i++) {
		memset(target, 0xee, sizeof(target));
		r = S(read, 3, target, 128);
		honest += r == 7;
		refused += r == -ENOTCONN;
		ATF_REQUIRE_MSG(r == 7 || r == 0 || r == -ENOTCONN || r == -EFAULT, "%ld", r);
		for (size_t k = 128; k < sizeof(target); k++)
			ATF_REQUIRE_EQ(target[k], (char)0xee);
	}
	ATF_CHECK_MSG(honest > 100 && refused > 100, "%d honest, %d refused", honest, refused);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, sealed);
	ATF_TP_ADD_TC(tp, bad_messages);
	ATF_TP_ADD_TC(tp, scribbled);
	ATF_TP_ADD_TC(tp, killed);
	ATF_TP_ADD_TC(tp, many);
	ATF_TP_ADD_TC(tp, idle);
	ATF_TP_ADD_TC(tp, server_dies);
	ATF_TP_ADD_TC(tp, lies);
	return atf_no_error();
}
