/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What clients can do with the memory of files that they have mapped (RUMP_CALL_MAP): lie about
 * it, take it away under the server, and keep it.
 */
#include "sp.h"
#include "../kdebug.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <rump/rump_calls.h>

#define PAGE	4096
#define MAP(fd, off, len, flags)	client_call(RUMP_CALL_MAP, fd, off, len, flags, 0, 0)
#define MAPPED(op, id, off, len)	client_call(RUMP_CALL_MAPPED, op, id, off, len, 0, 0)

static long file_of(const char *name, size_t size)
{
	long fd = MUST(open, name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	char page[PAGE];
	size_t n;

	memset(page, 'f', sizeof(page));
	for (n = 0; n < size; n += PAGE)
		MUST(write, fd, page, PAGE);
	return fd;
}

static char *mapped(int fd, size_t len)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	ATF_REQUIRE_MSG(p != MAP_FAILED, "mmap of descriptor %d: %s", fd, strerror(errno));
	return p;
}

/* The number in the name of the memory. */
static long id_of(int fd)
{
	char path[40], name[100] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ATF_REQUIRE(readlink(path, name, sizeof(name) - 1) > 0);
	ATF_REQUIRE_EQ(strncmp(name, "/memfd:rump-map-", 16), 0);
	return atol(name + 16);
}

/* Offsets, lengths, descriptors and numbers of all kinds. */
ATF_TC_WITHOUT_HEAD(lies);
ATF_TC_BODY(lies, tc)
{
	static const long any[] = {
		0, 1, 2, 3, 4, 5, 7, 4095, 4096, 4097, 8192, 12288, 1L << 20, 1L << 31, 1L << 40, 1L << 52,
		INT64_MAX, INT64_MAX - 4095, INT64_MIN, -1, -4096, -8192, 0x7fffffff, -100,
	};
	unsigned int seed = 1, i;
	long fd, id, r, a[4];
	int host;

	client_start();
	fd = file_of("/tmp/f", 3 * PAGE);
	ATF_CHECK_EQ(MAP(fd, 1, PAGE, 0), -EINVAL);
	ATF_CHECK_EQ(MAP(fd, 0, 0, 0), -EINVAL);
	ATF_CHECK_EQ(MAP(fd, 1L << 62, 1L << 62, 0), -EOVERFLOW);
	ATF_CHECK_EQ(MAP(fd, -PAGE, PAGE, 0), -EOVERFLOW);
	ATF_CHECK_EQ(MAP(99, 0, PAGE, 0), -EBADF);
	ATF_CHECK_EQ(MAP(MUST(open, "/tmp/f", O_WRONLY), 0, PAGE, 0), -EACCES);
	ATF_CHECK_EQ(MAP(MUST(open, "/tmp/f", O_RDONLY), 0, PAGE, RUMP_MAP_WRITE), -EACCES);
	ATF_CHECK_EQ(MAP(MUST(open, "/tmp/f", O_PATH), 0, PAGE, 0), -EBADF);
	ATF_CHECK_EQ(MAP(MUST(open, "/tmp", O_RDONLY), 0, PAGE, 0), -ENODEV);
	ATF_CHECK_EQ(MAP(MUST(socket, 1, 1, 0), 0, PAGE, 0), -ENODEV);
	ATF_CHECK_EQ(MAP(MUST(open, "/dev/zero", O_RDWR), 0, PAGE, 0), -ENODEV);
	ATF_CHECK_EQ(MAPPED(RUMP_MAPPED_SYNC, 1, 0, PAGE), -ENOENT);
	host = MAP(fd, 0, 1L << 40, RUMP_MAP_WRITE);
	ATF_REQUIRE(host >= 0);
	id = id_of(host);
	ATF_CHECK_EQ(MAPPED(RUMP_MAPPED_SYNC, id, 0, PAGE), 0);
	ATF_CHECK_EQ(MAPPED(RUMP_MAPPED_SYNC, id, PAGE + 7, 1L << 40), 0);
	ATF_CHECK_EQ(MAPPED(RUMP_MAPPED_SYNC, id, 0, 0), -EINVAL);
	ATF_CHECK_EQ(MAPPED(RUMP_MAPPED_SYNC, id, -1, 5), -EINVAL);
	ATF_CHECK_EQ(MAPPED(77, id, 0, PAGE), -EINVAL);
	ATF_CHECK_EQ(MAPPED(RUMP_MAPPED_WANT, id + 1, 0, PAGE), -ENOENT);
	for (i = 0; i < 3000; i++) {
		for (unsigned int k = 0; k < 4; k++)
			a[k] = any[rand_r(&seed) % (sizeof(any) / sizeof(any[0]))];
		if (i % 2) {
			r = MAP(rand_r(&seed) % 4 ? fd : a[0], a[1], a[2], a[3]);
			if (r >= 0)
				close(r);
		} else {
			MAPPED(a[0] & 3, rand_r(&seed) % 4 ? id : a[1], a[2], a[3]);
		}
	}
	/* more pieces than are kept apart */
	for (i = 0; i < 1500; i++)
		close(MAP(fd, i * 3L * PAGE, PAGE, 0));
	ATF_CHECK_EQ(mapped(host, PAGE)[0], 'f');
	check_server();
}

/* The memory is taken away while the server works on it. */
ATF_TC_WITHOUT_HEAD(shrinks);
ATF_TC_BODY(shrinks, tc)
{
	static char buf[64 * PAGE];
	struct stat st;
	char *p, *q;
	long fd;
	int host, again, i;

	client_start();
	fd = file_of("/tmp/f", sizeof(buf));
	host = MAP(fd, 0, sizeof(buf), RUMP_MAP_WRITE);
	ATF_REQUIRE(host >= 0 && fstat(host, &st) == 0 && st.st_size == sizeof(buf));
	p = mapped(host, sizeof(buf));
	for (i = 0; i < 5; i++) {
		ATF_REQUIRE_EQ(ftruncate(host, i * PAGE), 0);
		MUST(pread64, fd, buf, sizeof(buf), 0);
		MUST(pwrite64, fd, buf, sizeof(buf), 0);
		S(fsync, fd);
		MAPPED(RUMP_MAPPED_SYNC, id_of(host), 0, sizeof(buf));
		ATF_REQUIRE_EQ(ftruncate(host, sizeof(buf)), 0);
		ATF_REQUIRE_EQ(fallocate(host, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, sizeof(buf)), 0);
		p[i * PAGE] = 'p';
		MUST(pread64, fd, buf, sizeof(buf), 0);
		ATF_REQUIRE_EQ(ftruncate(host, 1L << 40), 0);
		MUST(ftruncate, fd, (64 - i) * PAGE);
		MUST(ftruncate, fd, sizeof(buf));
	}
	ATF_REQUIRE_EQ(ftruncate(host, 0), 0);
	/* what others map is whole */
	close(host);
	ATF_REQUIRE_EQ(munmap(p, sizeof(buf)), 0);
	fd = file_of("/tmp/g", 4 * PAGE);
	again = MAP(fd, 0, 4 * PAGE, RUMP_MAP_WRITE);
	q = mapped(again, 4 * PAGE);
	q[5] = 'q';
	MUST(pread64, fd, buf, 6, 0);
	ATF_CHECK_EQ(memcmp(buf, "fffffq", 6), 0);
	check_server();
}

/* What may only be read cannot be written, and who lets go of the lock harms himself. */
ATF_TC_WITHOUT_HEAD(descriptors);
ATF_TC_BODY(descriptors, tc)
{
	struct stat st;
	char *p, *q, c;
	long fd, ro;
	int host, other;

	client_start();
	fd = file_of("/tmp/f", 2 * PAGE);
	ro = MUST(open, "/tmp/f", O_RDONLY);
	host = MAP(ro, 0, 2 * PAGE, 0);
	ATF_REQUIRE(host >= 0);
	ATF_CHECK_EQ(fcntl(host, F_GETFL) & O_ACCMODE, O_RDONLY);
	ATF_CHECK(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, host, 0) == MAP_FAILED);
	ATF_CHECK(ftruncate(host, 0) < 0 && write(host, "x", 1) < 0);
	ATF_CHECK(fstat(host, &st) == 0 && (st.st_mode & 077) == 0);
	ATF_CHECK(fcntl(host, F_GETFD) & FD_CLOEXEC);
	other = MAP(fd, 0, 2 * PAGE, RUMP_MAP_WRITE);
	p = mapped(other, PAGE);
	p[0] = 'w';
	ATF_REQUIRE_EQ(pread(host, &c, 1, 0), 1);
	ATF_CHECK_EQ(c, 'w');
	/* nobody has it, the server is to think */
	ATF_REQUIRE(flock(host, LOCK_UN) == 0 && flock(other, LOCK_UN) == 0);
	S(umount2, "/nowhere", 0);
	p[1] = 'w';
	MUST(pwrite64, fd, "server", 6, 0);
	MUST(ftruncate, fd, 0);
	MUST(pwrite64, fd, "once more", 9, 0);
	ATF_REQUIRE((host = MAP(fd, 0, PAGE, 0)) >= 0);
	q = mapped(host, PAGE);
	ATF_CHECK_EQ(memcmp(q, "once more", 9), 0);
	/* the others' lock, too, is no way in */
	ATF_CHECK(flock(host, LOCK_EX | LOCK_NB) == 0);
	ATF_CHECK(MAP(fd, 0, PAGE, 0) < 0);
	ATF_CHECK(flock(host, LOCK_SH | LOCK_NB) == 0);
	check_server();
}

/* Half of the memory, which comes back when the client is gone. */
ATF_TC_WITHOUT_HEAD(memory);
ATF_TC_BODY(memory, tc)
{
	size_t size = 24UL << 20;
	int i, host, status;
	pid_t pid;
	long fd;

	ATF_REQUIRE_EQ(system("truncate -s 300m img && mkfs.ext4 -q img >/dev/null"), 0);
	server_start_with((const char *const[]){ "-r", kdebug() ? "256m" : "96m", "-M", "img:/mnt", NULL });
	for (i = 0; i < 3; i++) {
		pid = fork();
		ATF_REQUIRE(pid >= 0);
		if (pid == 0) {
			if (kdebug())
				size *= 2;
			CHILD_CHECK(rumpclient_init() == 0);
			fd = S(open, "/mnt/large", O_RDWR | O_CREAT, 0600);
			CHILD_CHECK(fd >= 0 && S(ftruncate, fd, 4 * size) == 0);
			/* it may take a moment until what the last one had is free */
			for (int k = 0; (host = MAP(fd, 0, size, RUMP_MAP_WRITE)) == -ENOMEM && k < 100; k++)
				usleep(100000);
			CHILD_CHECK(host >= 0 && MAP(fd, 0, 4 * size, 0) == -ENOMEM);
			char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, host, 0);
			CHILD_CHECK(p != MAP_FAILED);
			for (size_t at = 0; at < size; at += PAGE)
				p[at] = 'm';
			kill(getpid(), SIGKILL);
		}
		ATF_REQUIRE_EQ(waitpid(pid, &status, 0), pid);
		ATF_REQUIRE(WIFSIGNALED(status));
	}
	check_server();
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, lies);
	ATF_TP_ADD_TC(tp, shrinks);
	ATF_TP_ADD_TC(tp, descriptors);
	ATF_TP_ADD_TC(tp, memory);
	return atf_no_error();
}
