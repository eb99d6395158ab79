/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_memory.c - a client's memory: what calls read and write there arrives whole, by shared
 * memory and by the socket alone, and bad addresses are errors.
 */
#include "sp.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

/* From the next call on, whether by a ring: a thread has one after some calls. */
static void make_calls(void)
{
	for (int i = 0; i < 10; i++)
		MUST(getppid);
}

/* Sizes around every limit, aligned and not. */
static void check_sizes(void)
{
	static const size_t sizes[] = { 1, 7, 8, 4095, 4096, 4097, 65535, 100000, 262144 + 1,
		(1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 20 };
	unsigned char *a = malloc(6 << 20), *b = malloc(6 << 20);
	int fd;

	fd = MUST(open, "/tmp/sizes", O_RDWR | O_CREAT, 0600);
	for (size_t i = 0; i < 6 << 20; i++)
		a[i] = i * 2654435761u >> 13;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (int off = 0; off < 4; off += 3) {
			size_t n = sizes[i];

			MUST(ftruncate, fd, 0);
			ATF_REQUIRE_EQ(MUST(pwrite64, fd, a + off, n, 0), (long)n);
			memset(b, 0xee, 6 << 20);
			ATF_REQUIRE_EQ(MUST(pread64, fd, b + off, n + 100, 0), (long)n);
			ATF_REQUIRE(memcmp(a + off, b + off, n) == 0);
			/* and not a byte around it */
			ATF_REQUIRE(b[off + n] == 0xee && (!off || b[off - 1] == 0xee));
		}
	}
	MUST(close, fd);
	free(a);
	free(b);
}

/* Memory that is half there, of small and large calls: as much as is there, or EFAULT. */
static void check_half_mapped(void)
{
	const size_t n = 3 << 20;
	char *m = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd;
	long r;

	fd = MUST(open, "/tmp/half", O_RDWR | O_CREAT, 0600);
	for (size_t good = 4096; good < n; good = good * 3 & ~4095ul) {
		mprotect(m, n, PROT_READ | PROT_WRITE);
		memset(m, 'a', n);
		mprotect(m + good, n - good, PROT_NONE);
		r = S(pwrite64, fd, m, n, 0);
		ATF_CHECK_MSG(r == -EFAULT || (r > 0 && r <= (long)good), "%zu: %ld", good, r);
		r = S(pwrite64, fd, m + good - 10, 20, 0);
		ATF_CHECK_MSG(r == -EFAULT || r == 10, "write %ld", r);
		ATF_CHECK_EQ(MUST(pwrite64, fd, m + good - 10, 10, 0), 10);
		r = S(pread64, fd, m + good - 5, 10, 0);
		ATF_CHECK_MSG(r == -EFAULT || r == 5, "read %ld", r);
		ATF_CHECK_EQ(MUST(pread64, fd, m + good - 10, 10, 0), 10);
		/* a string that ends where the memory does, and one that does not */
		strcpy(m + good - 10, "/tmp/half");
		MUST(access, m + good - 10, F_OK);
		memset(m + good - 10, 'x', 10);
		ATF_CHECK_EQ(S(access, m + good - 10, F_OK), -EFAULT);
		MUST(getpid);
	}
	ATF_CHECK_EQ(S(write, fd, NULL, 1), -EFAULT);
	ATF_CHECK_EQ(S(write, fd, NULL, 0), 0);
	ATF_CHECK_EQ(S(read, fd, 1, 1), -EFAULT);
	ATF_CHECK_EQ(S(write, 999, NULL, 1), -EBADF);
	ATF_CHECK_EQ(S(open, NULL, 0), -EFAULT);
	ATF_CHECK_EQ(S(open, "", 0), -ENOENT);
	MUST(close, fd);
	munmap(m, n);
}

/*
 * More pieces than go with a request: the last ones are stored while the first ones wait in
 * the answer.  And the other way round.
 */
static void check_pieces(void)
{
	enum { N = 60 };
	static const size_t lengths[] = { 4000, 1000, 17, 2100, 8000 };
	unsigned char *a = malloc(1 << 20), *b = malloc(1 << 20), *p;
	struct iovec iov[N];
	size_t total;
	long fd, r;

	fd = MUST(open, "/tmp/pieces", O_RDWR | O_CREAT, 0600);
	for (size_t i = 0; i < 1 << 20; i++)
		a[i] = i * 2654435761u >> 13;
	for (size_t k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++) {
		for (int n = 10; n <= N; n += 25) {
			memset(b, 0xee, 1 << 20);
			p = b;
			total = 0;
			for (int i = 0; i < n; i++) {
				iov[i] = (struct iovec){ p, lengths[k] };
				p += lengths[k] + 1 + i % 9;
				total += lengths[k];
			}
			MUST(ftruncate, fd, 0);
			ATF_REQUIRE_EQ(MUST(pwrite64, fd, a, total, 0), (long)total);
			r = MUST(preadv, fd, iov, n, 0, 0);
			ATF_REQUIRE_EQ(r, (long)total);
			p = a;
			for (int i = 0; i < n; i++) {
				ATF_REQUIRE_MSG(memcmp(iov[i].iov_base, p, lengths[k]) == 0,
				    "piece %d of %d, %zu bytes each", i, n, lengths[k]);
				ATF_REQUIRE_EQ(((unsigned char *)iov[i].iov_base)[lengths[k]], 0xee);
				p += lengths[k];
			}
			MUST(ftruncate, fd, 0);
			ATF_REQUIRE_EQ(MUST(pwritev, fd, iov, n, 0, 0), (long)total);
			ATF_REQUIRE_EQ(MUST(pread64, fd, b, total, 0), (long)total);
			ATF_REQUIRE(memcmp(a, b, total) == 0);
		}
	}
	MUST(close, fd);
	free(a);
	free(b);
}

/* Long directories: the kernel leaves bytes out between two names, and goes back to fill in. */
static void check_directory(void)
{
	char name[300], buf[40000];
	struct dirent64 *d;
	int seen = 0;
	long fd, n;

	MUST(mkdir, "/tmp/names", 0700);
	for (int i = 0; i < 200; i++) {
		sprintf(name, "/tmp/names/%03d-%0*d", i, 1 + i * 7 % 200, i);
		MUST(close, MUST(open, name, O_WRONLY | O_CREAT, 0600));
	}
	fd = MUST(open, "/tmp/names", O_RDONLY | O_DIRECTORY);
	while ((n = MUST(getdents64, fd, buf, sizeof(buf))) > 0)
		for (d = (void *)buf; (char *)d < buf + n; d = (void *)((char *)d + d->d_reclen)) {
			int i = atoi(d->d_name);

			if (d->d_name[0] == '.')
				continue;
			sprintf(name, "%03d-%0*d", i, 1 + i * 7 % 200, i);
			ATF_CHECK_STREQ(d->d_name, name);
			seen++;
			sprintf(name, "/tmp/names/%s", d->d_name);
			MUST(unlink, name);
		}
	ATF_CHECK_EQ(seen, 200);
	MUST(close, fd);
	MUST(rmdir, "/tmp/names");
}

static void check_all(void)
{
	make_calls();
	check_sizes();
	check_half_mapped();
	check_pieces();
	check_directory();
}

ATF_TC_WITHOUT_HEAD(ring);
ATF_TC_BODY(ring, tc)
{
	client_start();
	check_all();
}

static void on_signal(int sig)
{
	(void)sig;
}

/*
 * A client without a descriptor to spare gets no shared memory, and goes on by its socket:
 * the same memory, signals, forks.
 */
ATF_TC_WITHOUT_HEAD(socket_only);
ATF_TC_BODY(socket_only, tc)
{
	struct itimerval often = { { 0, 20000 }, { 0, 20000 } };
	struct sigaction sa = { .sa_handler = on_signal };
	struct rumpclient_fork f;
	int n = 0, p[2], fd;
	struct rlimit rl;
	pid_t pid;
	char c;

	server_start();
	pid = fork();
	if (pid == 0) {
		CHILD_CHECK(rumpclient_init() == 0);
		getrlimit(RLIMIT_NOFILE, &rl);
		rl.rlim_cur = rl.rlim_max = 3;
		CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &rl) == 0);
		check_all();
		sigaction(SIGALRM, &sa, NULL);
		MUST(pipe2, p, 0);
		setitimer(ITIMER_REAL, &often, NULL);
		for (int i = 0; i < 20; i++)
			CHILD_CHECK(S(read, p[0], &c, 1) == -EINTR);
		setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
		/* prefork is asked by the socket; the child can open no connection */
		CHILD_CHECK(rumpclient_prefork(&f) == 0);
		rumpclient_fork_cancel(&f);
		for (fd = 0; fd < 100000; fd++)
			n += rumpclient_owns_fd(fd);
		CHILD_CHECK(n == 1);
		_exit(0);
	}
	reap(pid);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, ring);
	ATF_TP_ADD_TC(tp, socket_only);
	return atf_no_error();
}
