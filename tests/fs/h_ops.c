/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h_ops.c - uses a file system, and says what it has seen:
 *
 *	h_ops DIR OPERATION [ARGUMENT]...
 *
 * An ordinary program of ordinary calls.  What it prints is the same on each file
 * system that does what it should: tests run it on the host's and on a rump kernel's,
 * and compare.  "seen" lines are for comparing; whatever must hold in itself ends it.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define NEED(cond)	do { if (!(cond)) err(1, "%s:%d: %s", __func__, __LINE__, #cond); } while (0)

static int narg;
static char **args;

static long arg(int i, long missing)
{
	return i < narg ? strtol(args[i], NULL, 10) : missing;
}

/* A call's result as text: its value, or its error's name. */
static void seen(const char *what, long r)
{
	printf("%s: ", what);
	if (r < 0)
		puts(strerrorname_np(errno));
	else
		printf("%ld\n", r);
}
#define SEEN(call)	seen(#call, call)

/* Bytes that differ from file to file and place to place. */
static void fill_pattern(unsigned char *buf, size_t n, uint64_t seed)
{
	for (; n; n--, seed = seed * 6364136223846793005u + 1442695040888963407u)
		*buf++ = seed >> 56;
}

static void put(const char *name, uint64_t seed, size_t n)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	unsigned char buf[8192];

	fill_pattern(buf, n, seed);
	NEED(fd >= 0 && write(fd, buf, n) == (ssize_t)n && close(fd) == 0);
}

static void holds(const char *name, uint64_t seed, size_t n)
{
	unsigned char want[8192], have[8192 + 1];
	int fd = open(name, O_RDONLY);

	fill_pattern(want, n, seed);
	NEED(fd >= 0 && read(fd, have, n + 1) == (ssize_t)n && !memcmp(want, have, n) && !close(fd));
}

static long count(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	long n = 0;

	NEED(d);
	for (errno = 0; (e = readdir(d)); n++)
		NEED(*e->d_name);
	NEED(!errno && !closedir(d));
	return n - 2;
}

/* ---- operations ---------------------------------------------------------------------- */

/* Many small files, COUNT of them, a thousand in a directory. */
static void op_many(void)
{
	long n = arg(0, 1000), i;
	char name[64];

	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "d%ld", i / 1000);
		if (i % 1000 == 0)
			NEED(mkdir(name, 0755) == 0);
		snprintf(name, sizeof(name), "d%ld/file-%ld", i / 1000, i);
		put(name, i, i % 97 * 13);
	}
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "d%ld/file-%ld", i / 1000, i);
		holds(name, i, i % 97 * 13);
		if (i % 2)
			NEED(unlink(name) == 0);
	}
	for (i = 0; i < n; i += 1000) {
		snprintf(name, sizeof(name), "d%ld", i / 1000);
		printf("%s: %ld\n", name, count(name));
	}
}

/* Until there is no room; what was written before is there, and room comes back. */
static void op_fill(void)
{
	static unsigned char buf[256 << 10], back[sizeof(buf)];
	int fd = open("full", O_RDWR | O_CREAT | O_EXCL, 0600);
	long done = 0, i, r;

	NEED(fd >= 0);
	do {
		fill_pattern(buf, sizeof(buf), done);
		r = write(fd, buf, sizeof(buf));
		done += r > 0 ? r : 0;
	} while (r == (long)sizeof(buf));
	seen("fill", write(fd, buf, sizeof(buf)) < 0 ? -1 : 0);
	r = fsync(fd);
	printf("fsync: %s\n", r ? strerrorname_np(errno) : "0");
	for (i = 0; i + (long)sizeof(buf) <= done; i += sizeof(buf)) {
		fill_pattern(buf, sizeof(buf), i);
		NEED(pread(fd, back, sizeof(back), i) == sizeof(back) && !memcmp(buf, back, sizeof(buf)));
	}
	NEED(close(fd) == 0 && unlink("full") == 0);
	for (i = 0; i < 50; i++, usleep(100000)) {		/* some give it back later */
		fd = open("again", O_WRONLY | O_CREAT | O_TRUNC, 0600);
		if (fd >= 0 && write(fd, buf, sizeof(buf)) == sizeof(buf) && fsync(fd) == 0)
			break;
		if (fd >= 0)
			close(fd);
	}
	NEED(i < 50);
	NEED(close(fd) == 0 && unlink("again") == 0);
	puts("again: 0");
}

/* A file of GIGABYTES with next to nothing in it; sparse: if holes take no room. */
static void op_large(void)
{
	const int64_t size = arg(0, 8) << 30, places[] = { 0, 1, 4095, (1LL << 32) - 3, size - 5 };
	int sparse = arg(1, 1), fd = open("large", O_RDWR | O_CREAT | O_EXCL, 0600), i;
	unsigned char want[5], have[5], zeroes[4096] = { 0 }, back[4096];
	struct stat st;

	NEED(fd >= 0);
	for (i = 0; i < 5; i++) {
		fill_pattern(want, sizeof(want), i);
		if (places[i] + 5 <= size)
			NEED(pwrite(fd, want, sizeof(want), places[i]) == sizeof(want));
	}
	for (i = 2; i < 5; i++) {
		fill_pattern(want, sizeof(want), i);
		NEED(pread(fd, have, sizeof(have), places[i]) == 5 && !memcmp(want, have, 5));
	}
	NEED(pread(fd, back, sizeof(back), 1 << 30) == sizeof(back) && !memcmp(back, zeroes, sizeof(back)));
	NEED(fstat(fd, &st) == 0);
	printf("size: %lld\n", (long long)st.st_size);
	if (sparse) {
		NEED(st.st_blocks < 4096);
		NEED(lseek(fd, 1 << 20, SEEK_DATA) > 1 << 30 && lseek(fd, 0, SEEK_HOLE) <= 1 << 20);
	}
	NEED(ftruncate(fd, 5) == 0 && pread(fd, have, 5, 0) == 5);
	NEED(lseek(fd, 0, SEEK_END) == 5);
	NEED(close(fd) == 0 && unlink("large") == 0);
}

static void op_links(void)
{
	struct stat st;

	put("one", 1, 10);
	SEEN(link("one", "two"));
	SEEN(link("one", "two"));
	NEED(mkdir("dir", 0755) == 0);
	SEEN(link("dir", "dir2"));
	SEEN(link("two", "dir/three"));
	SEEN((stat("one", &st), (long)st.st_nlink));
	SEEN(unlink("one"));
	holds("dir/three", 1, 10);
	SEEN((stat("two", &st), (long)st.st_nlink));
	SEEN(symlink("two", "soft"));
	holds("soft", 1, 10);
	SEEN(symlink("loop", "loop"));
	SEEN(open("loop", O_RDONLY));
	SEEN(readlink("soft", (char[16]){ 0 }, 16));
	SEEN(rmdir("dir"));
	SEEN(rename("dir", "soft"));
	SEEN(mkfifo("fifo", 0600));
	SEEN(chmod("two", 04711));
	SEEN((stat("two", &st), (long)st.st_mode));
}

static void op_xattrs(void)
{
	char value[3000], name[300] = "user.", list[1024];

	memset(value, 'v', sizeof(value));
	put("x", 1, 1);
	SEEN(setxattr("x", "user.a", "1", 1, 0));
	SEEN(setxattr("x", "user.a", "22", 2, XATTR_CREATE));
	SEEN(setxattr("x", "user.b", "", 0, XATTR_REPLACE));
	SEEN(setxattr("x", "user.b", "", 0, 0));
	SEEN(setxattr("x", "user.big", value, sizeof(value), 0));
	SEEN(getxattr("x", "user.big", value, sizeof(value)));
	SEEN(getxattr("x", "user.big", value, 10));
	SEEN(getxattr("x", "user.none", value, 10));
	SEEN(listxattr("x", list, sizeof(list)));
	SEEN(removexattr("x", "user.a"));
	SEEN(removexattr("x", "user.a"));
	memset(name + 5, 'n', 250);
	SEEN(setxattr("x", name, "n", 1, 0));
	name[255] = 'n';
	SEEN(setxattr("x", name, "n", 1, 0));
	SEEN(setxattr("x", "nowhere.a", "n", 1, 0));
}

/* user::rw-, user:1234:ID, group::r--, mask::ID, other::--- as the kernel has it. */
static const unsigned char acl[] = {
	2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 7, 0, 0xd2, 4, 0, 0, 4, 0, 4, 0, 255, 255, 255,
	255, 16, 0, 5, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255,
};

static void op_acls(void)
{
	char back[sizeof(acl)];
	struct stat st;

	put("a", 1, 1);
	NEED(mkdir("ad", 0755) == 0);
	SEEN(setxattr("a", "system.posix_acl_access", acl, sizeof(acl), 0));
	SEEN((stat("a", &st), (long)(st.st_mode & 0777)));
	SEEN(getxattr("a", "system.posix_acl_access", back, sizeof(back)));
	NEED(memcmp(acl, back, sizeof(acl)) == 0);
	SEEN(chmod("a", 0640));
	SEEN(getxattr("a", "system.posix_acl_access", back, sizeof(back)));
	printf("mask: %d\n", back[30]);
	SEEN(setxattr("ad", "system.posix_acl_default", acl, sizeof(acl), 0));
	put("ad/child", 1, 1);
	SEEN(getxattr("ad/child", "system.posix_acl_access", back, sizeof(back)));
	SEEN(setxattr("a", "system.posix_acl_default", acl, sizeof(acl), 0));
	SEEN(setxattr("a", "system.posix_acl_access", acl, 7, 0));
}

static void op_locks(void)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10 };
	int fd, fd2, status, other;
	pid_t pid;

	put("l", 1, 100);
	fd = open("l", O_RDWR);
	fd2 = open("l", O_RDWR);
	NEED(fd >= 0 && fd2 >= 0);
	SEEN(fcntl(fd, F_SETLK, &l));
	SEEN(flock(fd, LOCK_EX | LOCK_NB));
	SEEN(flock(fd2, LOCK_EX | LOCK_NB));
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		SEEN(fcntl(fd2, F_SETLK, &l));
		SEEN(fcntl(fd2, F_GETLK, &l));
		printf("held: %d %ld %ld\n", l.l_type, (long)l.l_start, (long)l.l_len);
		l = (struct flock){ .l_type = F_RDLCK, .l_start = 20, .l_len = 5 };
		SEEN(fcntl(fd2, F_SETLK, &l));
		fflush(stdout);
		_exit(0);
	}
	NEED(waitpid(pid, &status, 0) == pid && status == 0);
	l = (struct flock){ .l_type = F_WRLCK, .l_start = 20, .l_len = 5 };
	SEEN(fcntl(fd, F_SETLK, &l));			/* the child's went with it */
	other = open("l", O_RDWR);
	NEED(close(other) == 0);				/* and so have ours now */
	l.l_pid = 0;
	SEEN(fcntl(fd2, F_OFD_SETLK, &l));
}

/* Times to the nanosecond, or to GRANULE ns where a file system has less. */
static void op_times(void)
{
	const long granule = arg(0, 1);
	static const struct timespec set[] = {
		{ 981173106, 123456789 }, { 1700000001, 999999999 }, { 315619200, 0 }, { 2000000000, 1 },
	};
	struct timespec ts[2], now;
	struct stat st;
	size_t i;
	int64_t ns;

	for (i = 0; i < sizeof(set) / sizeof(set[0]); i++) {
		put("t", i, 1);
		ts[0] = ts[1] = set[i];
		NEED(utimensat(AT_FDCWD, "t", ts, 0) == 0 && stat("t", &st) == 0);
		ns = st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec;
		printf("mtime: %lld\n", (long long)(ns / granule * granule -
		    (set[i].tv_sec * 1000000000LL + set[i].tv_nsec) / granule * granule));
	}
	put("t", i, 1);
	clock_gettime(CLOCK_REALTIME, &now);
	NEED(stat("t", &st) == 0);
	ns = (now.tv_sec - st.st_mtim.tv_sec) * 1000000000LL + now.tv_nsec - st.st_mtim.tv_nsec;
	NEED(ns > -20000000 && ns < 3 * granule + 5000000000LL);
	NEED(mkdir("td", 0755) == 0 && rename("t", "td/t") == 0 && unlink("td/t") == 0);
}

static void op_names(void)
{
	char name[300];
	long i;

	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	put(name, 255, 5);
	holds(name, 255, 5);
	SEEN(rename(name, "shorter"));
	SEEN(rename("shorter", name));
	NEED(count(".") >= 1);
	SEEN(unlink(name));
	name[255] = 'n';
	name[256] = '\0';
	SEEN(open(name, O_WRONLY | O_CREAT, 0600));
	SEEN(mkdir(name, 0700));
	SEEN(mkdir("\xc3\xa4\xe2\x82\xac \xf0\x9f\x98\x80", 0755));
	SEEN(rmdir("\xc3\xa4\xe2\x82\xac \xf0\x9f\x98\x80"));
	SEEN(open("", O_RDONLY));
	SEEN(open("none/x", O_RDONLY));
	put("f", 1, 1);
	SEEN(open("f/x", O_RDONLY));
	for (i = 0; i < 40; i++) {
		SEEN(mkdir("deep", 0755) | chdir("deep"));
	}
}

/* COUNT files with a number in each; "storm ME CLIENTS COUNT ROUNDS" renames them about. */
static void op_storm_begin(void)
{
	char name[64];
	long i;

	NEED(mkdir("storm", 0755) == 0 && mkdir("storm/a", 0755) == 0 && mkdir("storm/b", 0755) == 0);
	for (i = 0; i < arg(0, 20); i++) {
		snprintf(name, sizeof(name), "storm/%s/s%ld", i % 2 ? "a" : "b", i);
		put(name, i, 100);
	}
}

static void op_storm(void)
{
	long me = arg(0, 0), n = arg(1, 20), rounds = arg(2, 100), i;
	char from[64], to[64];
	uint32_t rnd = me * 2654435761u + 1;

	for (i = 0; i < rounds; i++) {
		rnd = rnd * 1664525 + 1013904223;
		snprintf(from, sizeof(from), "storm/%s/s%ld", rnd >> 9 & 1 ? "a" : "b", (rnd >> 10) % (2 * n));
		snprintf(to, sizeof(to), "storm/%s/s%ld", rnd >> 8 & 1 ? "a" : "b", (rnd >> 20) % (2 * n));
		/* One of the others may have been there first. */
		NEED(renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0 || errno == ENOENT ||
		    errno == EEXIST);
	}
}

/* None is lost, none is double. */
static void op_storm_end(void)
{
	long n = arg(0, 20), i, found = 0;
	unsigned char want[100], have[101];
	char name[64], hit[1024] = "";
	int fd, k;

	for (i = 0; i < 4 * n; i++) {
		snprintf(name, sizeof(name), "storm/%s/s%ld", i % 2 ? "a" : "b", i / 2);
		fd = open(name, O_RDONLY);
		if (fd < 0)
			continue;
		NEED(read(fd, have, sizeof(have)) == 100 && close(fd) == 0);
		for (k = 0; k < n; k++) {
			fill_pattern(want, 100, k);
			if (!memcmp(want, have, 100))
				break;
		}
		NEED(k < n && !hit[k]);
		hit[k] = 1;
		found++;
	}
	printf("storm: %ld, %ld\n", found, count("storm/a") + count("storm/b"));
}

static const struct {
	const char *name;
	void (*fn)(void);
} ops[] = {
	{ "many", op_many }, { "fill", op_fill }, { "large", op_large }, { "links", op_links },
	{ "xattrs", op_xattrs }, { "acls", op_acls }, { "locks", op_locks }, { "times", op_times },
	{ "names", op_names }, { "storm_begin", op_storm_begin }, { "storm", op_storm },
	{ "storm_end", op_storm_end },
};

int main(int argc, char **argv)
{
	size_t i;

	if (argc < 3 || chdir(argv[1]))
		err(2, "usage: h_ops DIR OPERATION");
	umask(022);
	narg = argc - 3;
	args = argv + 3;
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (strcmp(argv[2], ops[i].name))
			continue;
		ops[i].fn();
		NEED(fflush(stdout) == 0);
		return 0;
	}
	errx(2, "%s: no such operation", argv[2]);
}
