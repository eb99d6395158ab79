/* SPDX-License-Identifier: BSD-2-Clause */
/* Host files as block devices (hypercall/blk.c, blkio.c). */
#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rump/rumpuser.h>

#define MB	(1 << 20)
#define N	1000
#define QUEUES	3

struct ticket {
	uint32_t done;
	int error;
	struct rumpuser_blk_req req;
};

static void on_done(void *cookie, int error)
{
	struct ticket *t = cookie;

	t->error = error;
	__atomic_store_n(&t->done, 1, __ATOMIC_RELEASE);
	rumpuser_wake(&t->done);
}

static const struct rumpuser_upcalls upcalls = { .blk_done = on_done };

static int finish(struct ticket *t)
{
	while (!__atomic_load_n(&t->done, __ATOMIC_ACQUIRE))
		rumpuser_wait(&t->done, 0, RUMPUSER_FOREVER, 0);
	return t->error;
}

/* 1: done at once, its error in *err. */
static int submit(void *h, unsigned int queue, struct ticket *t, unsigned int op, uint64_t offset,
    struct rumpuser_iovec *iov, unsigned int niov, uint64_t len, int *err)
{
	*t = (struct ticket){ .req = { .op = op, .offset = offset, .len = len, .iov = iov,
	    .niov = niov, .cookie = t } };
	return rumpuser_blk_submit(h, queue, &t->req, err);
}

static int io(void *h, unsigned int op, uint64_t offset, void *buf, uint64_t len)
{
	struct rumpuser_iovec iov = { buf, len };
	struct ticket t;
	int err;

	return submit(h, 0, &t, op, offset, &iov, buf ? 1 : 0, len, &err) ? err : finish(&t);
}

static void make_file(const char *name, off_t size)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

	ATF_REQUIRE(fd >= 0);
	ATF_REQUIRE_EQ(0, ftruncate(fd, size));
	close(fd);
}

static void *open_blk(const char *name, uint32_t flags)
{
	struct rumpuser_blk_info info;
	void *h;

	ATF_REQUIRE_EQ(0, rumpuser_blk_open(name, flags, 0, 0, &h, &info));
	ATF_REQUIRE_EQ(0, rumpuser_blk_start(h, QUEUES));
	return h;
}

static void init(void)
{
	ATF_REQUIRE_EQ(0, rumpuser_init(RUMPUSER_VERSION, &upcalls));
}

ATF_TC_WITHOUT_HEAD(open_sizes);
ATF_TC_BODY(open_sizes, tc)
{
	struct rumpuser_blk_info info;
	void *h;

	init();
	make_file("f", MB + 700);
	ATF_REQUIRE_EQ(0, rumpuser_blk_open("f", 0, 0, 0, &h, &info));
	ATF_CHECK_EQ(MB + 512, info.size);
	ATF_CHECK_EQ(0, info.flags);
	rumpuser_blk_close(h);
	ATF_REQUIRE_EQ(0, rumpuser_blk_open("f", RUMPUSER_BLK_RDONLY, 1024, 4096, &h, &info));
	ATF_CHECK_EQ(4096, info.size);
	ATF_CHECK_EQ(RUMPUSER_BLK_RDONLY, info.flags);
	rumpuser_blk_close(h);
	ATF_CHECK_EQ(-EINVAL, rumpuser_blk_open("f", 0, 100, 0, &h, &info));
	ATF_CHECK_EQ(-EINVAL, rumpuser_blk_open("f", 0, 0, 100, &h, &info));
	ATF_CHECK_EQ(-EINVAL, rumpuser_blk_open("f", 0, 0, 2 * MB, &h, &info));
	ATF_CHECK_EQ(-EINVAL, rumpuser_blk_open("f", 0, 1ULL << 62, 1ULL << 63, &h, &info));
	ATF_CHECK_EQ(-ENOENT, rumpuser_blk_open("none", 0, 0, 0, &h, &info));
	ATF_CHECK_EQ(-EISDIR, rumpuser_blk_open(".", RUMPUSER_BLK_RDONLY, 0, 0, &h, &info));
	ATF_CHECK_EQ(-ENOTBLK, rumpuser_blk_open("/dev/null", 0, 0, 0, &h, &info));
	ATF_REQUIRE_EQ(0, mkfifo("fifo", 0600));
	ATF_CHECK_EQ(-ENOTBLK, rumpuser_blk_open("fifo", 0, 0, 0, &h, &info));
}

ATF_TC_WITHOUT_HEAD(formats);
ATF_TC_BODY(formats, tc)
{
	static const struct {
		const char *magic, *name, *qemu;
		int at;
	} t[] = {
		{ "QFI\xfb", "qcow2", "qcow2", 0 }, { "KDMV", "VMDK", "vmdk", 0 },
		{ "vhdxfile", "VHDX", "vhdx", 0 }, { "\x7f\x10\xda\xbe", "VDI", "vdi", 64 },
	};
	struct rumpuser_blk_info info;
	char line[512], want[512];
	int fds[2], saved, fd;
	unsigned int i;
	ssize_t n;
	void *h;

	init();
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		make_file("disk", MB);
		fd = open("disk", O_WRONLY);
		n = strlen(t[i].magic);
		ATF_REQUIRE_EQ(n, pwrite(fd, t[i].magic, n, t[i].at));
		close(fd);
		ATF_REQUIRE_EQ(0, pipe(fds));
		saved = dup(2);
		dup2(fds[1], 2);
		ATF_CHECK_EQ(-EMEDIUMTYPE, rumpuser_blk_open("disk", 0, 0, 0, &h, &info));
		dup2(saved, 2);
		n = read(fds[0], line, sizeof(line) - 1);
		line[n > 0 ? n : 0] = '\0';
		snprintf(want, sizeof(want), "rump: disk is a %s image, not a raw one; convert it "
		    "with: qemu-img convert -f %s -O raw disk disk.raw\n", t[i].name, t[i].qemu);
		ATF_CHECK_STREQ(want, line);
	}
}

ATF_TC_WITHOUT_HEAD(locks);
ATF_TC_BODY(locks, tc)
{
	struct rumpuser_blk_info info;
	void *h, *r1, *r2;

	init();
	make_file("f", MB);
	h = open_blk("f", 0);
	ATF_CHECK_EQ(-EBUSY, rumpuser_blk_open("f", 0, 0, 0, &r1, &info));
	ATF_CHECK_EQ(-EBUSY, rumpuser_blk_open("f", RUMPUSER_BLK_RDONLY, 0, 0, &r1, &info));
	rumpuser_blk_close(h);
	r1 = open_blk("f", RUMPUSER_BLK_RDONLY);
	r2 = open_blk("f", RUMPUSER_BLK_RDONLY);
	ATF_CHECK_EQ(-EBUSY, rumpuser_blk_open("f", 0, 0, 0, &h, &info));
	rumpuser_blk_close(r1);
	rumpuser_blk_close(r2);
	h = open_blk("f", 0);
	rumpuser_blk_close(h);
}

static void do_operations(void)
{
	static char in[MB], out[MB];
	void *h;

	init();
	make_file("f", 4 * MB);
	h = open_blk("f", 0);
	rumpuser_getrandom(out, sizeof(out));
	ATF_CHECK_EQ(0, io(h, RUMPUSER_BLK_WRITE, MB, out, MB));
	ATF_CHECK_EQ(0, io(h, RUMPUSER_BLK_FLUSH, 0, NULL, 0));
	ATF_CHECK_EQ(0, io(h, RUMPUSER_BLK_FLUSH, -512, NULL, 0));
	ATF_CHECK_EQ(0, io(h, RUMPUSER_BLK_READ, MB, in, MB));
	ATF_CHECK_EQ(0, memcmp(in, out, MB));
	ATF_CHECK_EQ(0, io(h, RUMPUSER_BLK_WRITE | RUMPUSER_BLK_FUA, 0, out, 4096));
	ATF_CHECK_EQ(0, io(h, RUMPUSER_BLK_ZEROES, MB + 512, NULL, 65536));
	ATF_CHECK_EQ(0, io(h, RUMPUSER_BLK_READ, MB, in, MB));
	memset(out + 512, 0, 65536);
	ATF_CHECK_EQ(0, memcmp(in, out, MB));
	ATF_CHECK_EQ(0, io(h, RUMPUSER_BLK_DISCARD, 0, NULL, 4096));
	ATF_CHECK_EQ(-EOPNOTSUPP, io(h, 99, 0, NULL, 0));
	ATF_CHECK_EQ(-EIO, io(h, RUMPUSER_BLK_READ, 4 * MB - 512, in, 1024));
	ATF_CHECK_EQ(-EIO, io(h, RUMPUSER_BLK_READ, ~0ULL - 511, in, 1024));
	rumpuser_blk_close(h);
	h = open_blk("f", RUMPUSER_BLK_RDONLY);
	ATF_CHECK_EQ(-EROFS, io(h, RUMPUSER_BLK_WRITE, 0, out, 512));
	ATF_CHECK_EQ(-EROFS, io(h, RUMPUSER_BLK_DISCARD, 0, NULL, 512));
	rumpuser_blk_close(h);
}

/* More at once than rings and workers have room for, in pieces, uncached. */
static void do_many(void)
{
	static struct ticket tickets[N];
	static struct rumpuser_iovec iov[N][100];
	char *out = malloc(N * 6400), *in = calloc(N, 6400);
	int i, j, fd, err, now = 0;
	void *h;

	init();
	make_file("f", N * 6656);
	h = open_blk("f", 0);
	rumpuser_getrandom(out, N * 6400);
	for (i = 0; i < N; i++) {
		for (j = 0; j < 100; j++)
			iov[i][j] = (struct rumpuser_iovec){ out + i * 6400 + j * 64, 64 };
		if (submit(h, i, &tickets[i], RUMPUSER_BLK_WRITE | (i % 10 ? RUMPUSER_BLK_MORE : 0),
		    i * 6656, iov[i], 100, 6400, &err)) {
			ATF_REQUIRE_EQ(0, err);
			tickets[i].done = 1;
		}
	}
	for (i = 0; i < QUEUES; i++)
		rumpuser_blk_kick(h, i);
	for (i = 0; i < N; i++)
		ATF_REQUIRE_EQ(0, finish(&tickets[i]));
	ATF_CHECK_EQ(0, io(h, RUMPUSER_BLK_FLUSH, 0, NULL, 0));
	fd = open("f", O_RDONLY);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	for (i = N - 1; i >= 0; i--) {
		for (j = 0; j < 100; j++)
			iov[i][j] = (struct rumpuser_iovec){ in + i * 6400 + j * 64, 64 };
		if (submit(h, i, &tickets[i], RUMPUSER_BLK_READ | (i % 10 ? RUMPUSER_BLK_MORE : 0),
		    i * 6656, iov[i], 100, 6400, &err)) {
			ATF_REQUIRE_EQ(0, err);
			tickets[i].done = 1;
			now++;
		}
	}
	for (i = 0; i < QUEUES; i++)
		rumpuser_blk_kick(h, i);
	for (i = 0; i < N; i++)
		ATF_REQUIRE_EQ(0, finish(&tickets[i]));
	ATF_CHECK_EQ(0, memcmp(in, out, N * 6400));
	printf("%d of %d at once\n", now, N);
	rumpuser_blk_close(h);
}

ATF_TC_WITHOUT_HEAD(shrunken);
ATF_TC_BODY(shrunken, tc)
{
	static char buf[8192];
	void *h;

	init();
	make_file("f", MB);
	h = open_blk("f", 0);
	ATF_REQUIRE_EQ(0, truncate("f", 4096));
	ATF_CHECK_EQ(0, io(h, RUMPUSER_BLK_READ, 0, buf, 4096));
	ATF_CHECK_EQ(-EIO, io(h, RUMPUSER_BLK_READ, 0, buf, 8192));
	ATF_CHECK_EQ(-EIO, io(h, RUMPUSER_BLK_READ, 65536, buf, 512));
	rumpuser_blk_close(h);
}

/* A program that closes everything does not stop a device. */
static void do_closed_by_the_program(void)
{
	static char in[4096], out[4096];
	int ours = dup(2);	/* what is below is the test program's, its result file too */
	void *h;

	init();
	make_file("f", MB);
	h = open_blk("f", 0);
	rumpuser_getrandom(out, sizeof(out));
	ATF_CHECK_EQ(0, io(h, RUMPUSER_BLK_WRITE, 0, out, 4096));
	ATF_REQUIRE_EQ(0, close_range(ours, ~0U, 0));
	ATF_CHECK_EQ(0, io(h, RUMPUSER_BLK_READ, 0, in, 4096));
	ATF_CHECK_EQ(0, memcmp(in, out, 4096));
	ATF_CHECK_EQ(0, io(h, RUMPUSER_BLK_WRITE, 8192, out, 4096));
	ATF_CHECK_EQ(0, io(h, RUMPUSER_BLK_FLUSH, 0, NULL, 0));
	rumpuser_blk_close(h);
}

/* On both engines; io_uring may be forbidden here. */
#define ENGINES(what) \
	ATF_TC_WITHOUT_HEAD(what##_io_uring); \
	ATF_TC_BODY(what##_io_uring, tc) { engine("io_uring"); do_##what(); } \
	ATF_TC_WITHOUT_HEAD(what##_threads); \
	ATF_TC_BODY(what##_threads, tc) { engine("threads"); do_##what(); }

static void engine(const char *name)
{
	if (!strcmp(name, "io_uring") && syscall(SYS_io_uring_setup, 0, NULL) == -1 &&
	    errno != EINVAL && errno != EFAULT)
		atf_tc_skip("no io_uring here: %s", strerror(errno));
	setenv("RUMP_BLKIO", name, 1);
}

ENGINES(operations)
ENGINES(many)
ENGINES(closed_by_the_program)

ATF_TC_WITHOUT_HEAD(engine_names);
ATF_TC_BODY(engine_names, tc)
{
	struct rumpuser_blk_info info;
	char line[256] = "";
	int fds[2], saved;
	void *h;

	init();
	make_file("f", MB);
	setenv("RUMP_BLKIO", "magic", 1);
	ATF_REQUIRE_EQ(0, rumpuser_blk_open("f", 0, 0, 0, &h, &info));
	ATF_REQUIRE_EQ(0, pipe(fds));
	saved = dup(2);
	dup2(fds[1], 2);
	ATF_CHECK_EQ(-EINVAL, rumpuser_blk_start(h, 1));
	dup2(saved, 2);
	ATF_REQUIRE(read(fds[0], line, sizeof(line) - 1) > 0);
	ATF_CHECK_STREQ("rump: RUMP_BLKIO=magic: io_uring or threads is wanted\n", line);
	rumpuser_blk_close(h);
}

/* What one flush has lost, no later one may confirm: the host tells such an error once. */
static void do_lost(void)
{
	const struct rlimit half = { MB / 2, MB };
	static char buf[4096];
	void *h;

	init();
	make_file("f", MB);
	h = open_blk("f", 0);
	signal(SIGXFSZ, SIG_IGN);
	ATF_CHECK_EQ(0, io(h, RUMPUSER_BLK_WRITE | RUMPUSER_BLK_FUA, MB - 4096, buf, 4096));
	ATF_CHECK_EQ(0, io(h, RUMPUSER_BLK_FLUSH, 0, NULL, 0));
	ATF_REQUIRE_EQ(0, setrlimit(RLIMIT_FSIZE, &half));
	/* An ordinary write may fail; whoever asked knows, and the rest is not in doubt. */
	ATF_CHECK_EQ(-EFBIG, io(h, RUMPUSER_BLK_WRITE, MB - 4096, buf, 4096));
	ATF_CHECK_EQ(0, io(h, RUMPUSER_BLK_FLUSH, 0, NULL, 0));
	ATF_CHECK_EQ(-EFBIG, io(h, RUMPUSER_BLK_WRITE | RUMPUSER_BLK_FUA, MB - 4096, buf, 4096));
	ATF_CHECK_EQ(-EIO, io(h, RUMPUSER_BLK_FLUSH, 0, NULL, 0));
	ATF_CHECK_EQ(-EIO, io(h, RUMPUSER_BLK_WRITE | RUMPUSER_BLK_FUA, 0, buf, 4096));
	ATF_CHECK_EQ(0, io(h, RUMPUSER_BLK_READ, 0, buf, 4096));
	rumpuser_blk_close(h);
}

ENGINES(lost)

/* A child of the program has nothing of the device, and its end takes nothing away. */
static void do_forked(void)
{
	static char in[4096], out[4096];
	int i, status;
	pid_t pid;
	void *h;

	init();
	make_file("f", MB);
	h = open_blk("f", 0);
	for (i = 0; i < 5; i++) {
		rumpuser_getrandom(out, sizeof(out));
		pid = fork();
		if (pid == 0)
			exit(0);
		ATF_CHECK_EQ(0, io(h, RUMPUSER_BLK_WRITE | RUMPUSER_BLK_FUA, i * 4096, out, 4096));
		ATF_REQUIRE_EQ(pid, waitpid(pid, &status, 0));
		ATF_CHECK_EQ(0, status);
		ATF_CHECK_EQ(0, io(h, RUMPUSER_BLK_FLUSH, 0, NULL, 0));
		ATF_CHECK_EQ(0, io(h, RUMPUSER_BLK_READ, i * 4096, in, 4096));
		ATF_CHECK_EQ(0, memcmp(in, out, 4096));
	}
	rumpuser_blk_close(h);
	/* No copy of the lock is left anywhere. */
	h = open_blk("f", 0);
	rumpuser_blk_close(h);
}

ENGINES(forked)

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, open_sizes);
	ATF_TP_ADD_TC(tp, formats);
	ATF_TP_ADD_TC(tp, locks);
	ATF_TP_ADD_TC(tp, operations_io_uring);
	ATF_TP_ADD_TC(tp, operations_threads);
	ATF_TP_ADD_TC(tp, many_io_uring);
	ATF_TP_ADD_TC(tp, many_threads);
	ATF_TP_ADD_TC(tp, shrunken);
	ATF_TP_ADD_TC(tp, closed_by_the_program_io_uring);
	ATF_TP_ADD_TC(tp, closed_by_the_program_threads);
	ATF_TP_ADD_TC(tp, engine_names);
	ATF_TP_ADD_TC(tp, lost_io_uring);
	ATF_TP_ADD_TC(tp, forked_io_uring);
	ATF_TP_ADD_TC(tp, forked_threads);
	ATF_TP_ADD_TC(tp, lost_threads);
	return atf_no_error();
}
