/* SPDX-License-Identifier: BSD-2-Clause */
/* Directories of the host, as a FUSE server (hypercall/hostdir*.c), by messages. */
#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <rump/rumpuser.h>

#include "../fuzz.h"


static uint32_t done;
static void *dir;

static void on_done(void *cookie)
{
	(void)cookie;
	__atomic_store_n(&done, 1, __ATOMIC_SEQ_CST);
	rumpuser_wake(&done);
}

static const struct rumpuser_upcalls upcalls = { .dir_done = on_done };

/* One message: its arguments and a name, which may be NULL; the answer's size or -errno. */
static long send(uint32_t opcode, uint64_t node, const void *args, size_t len, const char *name,
    void *out, size_t room)
{
	struct fuse_in_header h = { .opcode = opcode, .nodeid = node, .unique = 7 };
	struct rumpuser_iovec in[3] = { { &h, sizeof(h) }, { (void *)args, len },
		{ (void *)name, name ? strlen(name) + 1 : 0 } };
	struct fuse_out_header reply = { 0 };
	struct rumpuser_iovec iov[2] = { { &reply, sizeof(reply) }, { out, room } };
	struct rumpuser_dir_req req = { .in = in, .nin = 3, .out = iov, .nout = 2 };

	h.len = sizeof(h) + len + in[2].len;
	__atomic_store_n(&done, 0, __ATOMIC_SEQ_CST);
	rumpuser_dir_submit(dir, &req);
	while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST))
		rumpuser_wait(&done, 0, RUMPUSER_FOREVER, 0);
	return reply.error ? reply.error : (long)(reply.len - sizeof(reply));
}

static long lookup(uint64_t parent, const char *name, struct fuse_entry_out *e)
{
	return send(FUSE_LOOKUP, parent, NULL, 0, name, e, sizeof(*e));
}

static void start(const char *path, uint32_t flags)
{
	ATF_REQUIRE_EQ(0, rumpuser_init(RUMPUSER_VERSION, &upcalls));
	ATF_REQUIRE_EQ(0, rumpuser_dir_open(path, flags, &dir));
}

/* What a name must not be: a way. */
ATF_TC_WITHOUT_HEAD(names);
ATF_TC_BODY(names, tc)
{
	static const char *const bad[] = { "..", ".", "", "a/b", "/", "/etc", "../x", "a/" };
	struct fuse_mkdir_in md = { .mode = 0755 };
	struct fuse_entry_out e = { 0 };
	char longest[300];
	size_t i;

	ATF_REQUIRE(!mkdir("top", 0755) && !mkdir("top/a", 0755) && !mkdir("top/a/b", 0755));
	ATF_REQUIRE_EQ(0, symlink("/etc", "top/out"));
	ATF_REQUIRE_EQ(0, symlink("..", "top/up"));
	start("top", 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ATF_CHECK_EQ_MSG(-EINVAL, lookup(FUSE_ROOT_ID, bad[i], &e), "%s", bad[i]);
		ATF_CHECK_EQ(-EINVAL, send(FUSE_MKDIR, FUSE_ROOT_ID, &md, sizeof(md), bad[i], &e,
		    sizeof(e)));
		ATF_CHECK_EQ(-EINVAL, send(FUSE_UNLINK, FUSE_ROOT_ID, NULL, 0, bad[i], NULL, 0));
	}
	memset(longest, 'n', sizeof(longest));
	longest[299] = '\0';
	ATF_CHECK_EQ(-ENAMETOOLONG, lookup(FUSE_ROOT_ID, longest, &e));
	/* A link is a link, and nothing is below it. */
	ATF_REQUIRE_EQ((long)sizeof(e), lookup(FUSE_ROOT_ID, "out", &e));
	ATF_CHECK(S_ISLNK(e.attr.mode));
	ATF_CHECK_EQ(-ENOTDIR, lookup(e.nodeid, "passwd", &e));
	ATF_REQUIRE_EQ((long)sizeof(e), lookup(FUSE_ROOT_ID, "up", &e));
	ATF_CHECK_EQ(-ENOTDIR, lookup(e.nodeid, "top", &e));
	ATF_CHECK_EQ(-ESTALE, lookup(12345, "x", &e));
	ATF_CHECK_EQ(-ESTALE, lookup(~0ULL, "x", &e));
	rumpuser_dir_close(dir);
}

static bool stop_swapping;

/* A directory and a link out of the tree change places all the time. */
static void *swap(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&stop_swapping, __ATOMIC_RELAXED))
		syscall(SYS_renameat2, AT_FDCWD, "top/d", AT_FDCWD, "top/evil", RENAME_EXCHANGE);
	return NULL;
}

ATF_TC(races);
ATF_TC_HEAD(races, tc)
{
	atf_tc_set_md_var(tc, "descr", "no race with a symbolic link leads out of the directory");
}
ATF_TC_BODY(races, tc)
{
	struct fuse_create_in cr = { .flags = O_WRONLY | O_TRUNC, .mode = 0600 };
	struct fuse_open_in op = { .flags = O_RDONLY };
	struct fuse_release_in rel = { 0 };
	struct { struct fuse_entry_out e; struct fuse_open_out o; } both;
	struct fuse_entry_out d = { 0 }, f = { 0 };
	struct fuse_open_out o = { 0 };
	int inside = 0, outside = 0, i, fd;
	char name[32], buf[8];
	pthread_t t;
	time_t end;

	ATF_REQUIRE(!mkdir("top", 0755) && !mkdir("top/d", 0755) && !mkdir("secret", 0755));
	ATF_REQUIRE_EQ(0, symlink("../secret", "top/evil"));
	fd = open("secret/file", O_WRONLY | O_CREAT, 0600);
	ATF_REQUIRE(write(fd, "secret", 6) == 6 && !close(fd));
	fd = open("top/d/file", O_WRONLY | O_CREAT, 0600);
	ATF_REQUIRE(write(fd, "inside", 6) == 6 && !close(fd));
	start("top", 0);
	ATF_REQUIRE_EQ(0, pthread_create(&t, NULL, swap, NULL));
	/* Until both orders were seen often, or a long time is over. */
	for (i = 0, end = time(NULL) + 30; (inside < 300 || outside < 300) && time(NULL) < end; i++) {
		if (lookup(FUSE_ROOT_ID, i % 2 ? "d" : "evil", &d) < 0)
			continue;
		if (lookup(d.nodeid, "file", &f) < 0 ||
		    send(FUSE_OPEN, f.nodeid, &op, sizeof(op), NULL, &o, sizeof(o)) < 0) {
			outside++;
		} else {
			struct fuse_read_in rd = { .fh = o.fh, .size = 6 };

			ATF_REQUIRE_EQ(6, send(FUSE_READ, f.nodeid, &rd, sizeof(rd), NULL, buf, 6));
			ATF_REQUIRE_EQ(0, memcmp(buf, "inside", 6));
			rel.fh = o.fh;
			send(FUSE_RELEASE, f.nodeid, &rel, sizeof(rel), NULL, NULL, 0);
			inside++;
		}
		snprintf(name, sizeof(name), "new%d", i % 10);
		if (send(FUSE_CREATE, d.nodeid, &cr, sizeof(cr), name, &both, sizeof(both)) > 0) {
			rel.fh = both.o.fh;
			send(FUSE_RELEASE, both.e.nodeid, &rel, sizeof(rel), NULL, NULL, 0);
		}
		send(FUSE_UNLINK, d.nodeid, NULL, 0, i % 3 ? name : "nothing", NULL, 0);
	}
	__atomic_store_n(&stop_swapping, true, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
	rumpuser_dir_close(dir);
	printf("%d tries: %d inside, %d refused\n", i, inside, outside);
	ATF_CHECK(inside > 0 && outside > 0);
	ATF_CHECK_EQ_MSG(0, system("test \"$(ls secret)\" = file"), "something was made outside");
}

ATF_TC_WITHOUT_HEAD(read_only);
ATF_TC_BODY(read_only, tc)
{
	struct fuse_create_in cr = { .flags = O_WRONLY, .mode = 0600 };
	struct fuse_open_in op = { .flags = O_RDWR };
	struct fuse_setattr_in sa = { .valid = FATTR_MODE, .mode = 0 };
	struct fuse_entry_out e = { 0 };
	char out[256];

	ATF_REQUIRE(!mkdir("top", 0755) && close(open("top/f", O_WRONLY | O_CREAT, 0644)) == 0);
	start("top", RUMPUSER_DIR_RDONLY);
	ATF_REQUIRE_EQ((long)sizeof(e), lookup(FUSE_ROOT_ID, "f", &e));
	ATF_CHECK_EQ(-EROFS, send(FUSE_CREATE, FUSE_ROOT_ID, &cr, sizeof(cr), "x", out, sizeof(out)));
	ATF_CHECK_EQ(-EROFS, send(FUSE_OPEN, e.nodeid, &op, sizeof(op), NULL, out, sizeof(out)));
	op.flags = O_RDONLY | O_TRUNC;
	ATF_CHECK_EQ(-EROFS, send(FUSE_OPEN, e.nodeid, &op, sizeof(op), NULL, out, sizeof(out)));
	ATF_CHECK_EQ(-EROFS, send(FUSE_SETATTR, e.nodeid, &sa, sizeof(sa), NULL, out, sizeof(out)));
	ATF_CHECK_EQ(-EROFS, send(FUSE_UNLINK, FUSE_ROOT_ID, NULL, 0, "f", NULL, 0));
	rumpuser_dir_close(dir);
}

/* Handles belong to a file, and end. */
ATF_TC_WITHOUT_HEAD(handles);
ATF_TC_BODY(handles, tc)
{
	struct fuse_open_in op = { .flags = O_RDWR };
	struct fuse_release_in rel = { 0 };
	struct fuse_read_in rd = { .size = 8 };
	struct fuse_entry_out a = { 0 }, b = { 0 };
	struct fuse_open_out o = { 0 };
	char buf[8];

	ATF_REQUIRE(!mkdir("top", 0755) && close(open("top/a", O_WRONLY | O_CREAT, 0644)) == 0 &&
	    close(open("top/b", O_WRONLY | O_CREAT, 0644)) == 0 && !mkfifo("top/fifo", 0600));
	start("top", 0);
	lookup(FUSE_ROOT_ID, "a", &a);
	lookup(FUSE_ROOT_ID, "b", &b);
	ATF_REQUIRE_EQ((long)sizeof(o), send(FUSE_OPEN, a.nodeid, &op, sizeof(op), NULL, &o, sizeof(o)));
	rd.fh = rel.fh = o.fh;
	ATF_CHECK_EQ(0, send(FUSE_READ, a.nodeid, &rd, sizeof(rd), NULL, buf, 8));
	ATF_CHECK_EQ(-EBADF, send(FUSE_READ, b.nodeid, &rd, sizeof(rd), NULL, buf, 8));
	send(FUSE_RELEASE, b.nodeid, &rel, sizeof(rel), NULL, NULL, 0);
	ATF_CHECK_EQ(0, send(FUSE_READ, a.nodeid, &rd, sizeof(rd), NULL, buf, 8));
	send(FUSE_RELEASE, a.nodeid, &rel, sizeof(rel), NULL, NULL, 0);
	ATF_CHECK_EQ(-EBADF, send(FUSE_READ, a.nodeid, &rd, sizeof(rd), NULL, buf, 8));
	rd.fh = 1 << 20;
	ATF_CHECK_EQ(-EBADF, send(FUSE_READ, a.nodeid, &rd, sizeof(rd), NULL, buf, 8));
	/* A pipe is nothing to be opened, nor to be waited for. */
	lookup(FUSE_ROOT_ID, "fifo", &b);
	ATF_CHECK_EQ(-EINVAL, send(FUSE_OPEN, b.nodeid, &op, sizeof(op), NULL, &o, sizeof(o)));
	rumpuser_dir_close(dir);
}

ATF_TC_WITHOUT_HEAD(errors);
ATF_TC_BODY(errors, tc)
{
	ATF_REQUIRE_EQ(0, close(open("file", O_WRONLY | O_CREAT, 0644)));
	ATF_REQUIRE_EQ(0, rumpuser_init(RUMPUSER_VERSION, &upcalls));
	ATF_CHECK_EQ(-ENOENT, rumpuser_dir_open("none", 0, &dir));
	ATF_CHECK_EQ(-ENOTDIR, rumpuser_dir_open("file", 0, &dir));
}

/* Messages of bytes as they come, and of operations with small numbers and short names. */
ATF_TC(fuzzed);
ATF_TC_HEAD(fuzzed, tc)
{
	atf_tc_set_md_var(tc, "descr", "no message does harm (RUMP_FUZZ_ROUNDS: how many)");
}
ATF_TC_BODY(fuzzed, tc)
{
	const struct rlimit one_mb = { 1 << 20, 1 << 20 };
	const char *rounds = getenv("RUMP_FUZZ_ROUNDS");
	int n = rounds ? atoi(rounds) : 3000, i;
	unsigned char bytes[2048];
	size_t j, len;

	signal(SIGXFSZ, SIG_IGN);
	ATF_REQUIRE_EQ(0, setrlimit(RLIMIT_FSIZE, &one_mb));
	srandom(1);
	for (i = 0; i < n; i++) {
		len = random() % sizeof(bytes);
		for (j = 0; j < len; j++)
			bytes[j] = random() % 4 ? random() % 8 : random();
		for (j = 0; j + 60 < len; j += 4 + bytes[j + 2]) {
			bytes[j] = 64 | random() % 64;
			bytes[j + 2] = random() % 48;
			bytes[j + 3] = 1;
			if (random() % 2)
				memcpy(bytes + j + 4 + random() % 40, "a\0b\0c", 5);
		}
		fuzz(bytes, len);
	}
	/* Whatever was made was made inside. */
	ATF_CHECK_EQ(0, system("test \"$(ls)\" = fuzzdir"));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, names);
	ATF_TP_ADD_TC(tp, races);
	ATF_TP_ADD_TC(tp, read_only);
	ATF_TP_ADD_TC(tp, handles);
	ATF_TP_ADD_TC(tp, errors);
	ATF_TP_ADD_TC(tp, fuzzed);
	return atf_no_error();
}
