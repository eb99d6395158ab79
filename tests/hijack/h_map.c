/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h_map.c - files in memory: h_map TEST DIR [ARGUMENT].  DIR is on the kernel under test; on
 * the host's the same holds.  Exits with 0, or says which line was wrong.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE	4096
#define need(x) do { if (!(x)) failed(__LINE__, #x); } while (0)

static void failed(int line, const char *what)
{
	fprintf(stderr, "h_map.c:%d: %s (errno %d, %s)\n", line, what, errno, strerror(errno));
	exit(1);
}

static sigjmp_buf env;

static void on_signal(int sig)
{
	siglongjmp(env, sig);
}

/* The signal that reading, or writing, at p raises; 0: none. */
static int touch(volatile char *p, int write)
{
	int sig;

	signal(SIGBUS, on_signal);
	signal(SIGSEGV, on_signal);
	sig = sigsetjmp(env, 1);
	if (sig == 0 && write)
		*p = 'w';
	else if (sig == 0)
		(void)*p;
	signal(SIGBUS, SIG_DFL);
	signal(SIGSEGV, SIG_DFL);
	return sig;
}

static int open_in(const char *dir, const char *name, int flags)
{
	char path[500];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return open(path, flags, 0644);
}

/* A new file with n bytes, each of them its number in pages from 'a' on. */
static int make(const char *dir, const char *name, size_t n)
{
	int fd = open_in(dir, name, O_RDWR | O_CREAT | O_TRUNC);
	char page[PAGE];
	size_t done;

	need(fd >= 0);
	for (done = 0; done < n; done += PAGE) {
		memset(page, 'a' + done / PAGE % 26, PAGE);
		need(write(fd, page, n - done < PAGE ? n - done : PAGE) > 0);
	}
	return fd;
}

static char byte_at(int fd, off_t off)
{
	char c = 0;

	need(pread(fd, &c, 1, off) == 1);
	return c;
}

static char *map(int fd, size_t len, int prot, int flags, off_t off)
{
	char *p = mmap(NULL, len, prot, flags, fd, off);

	need(p != MAP_FAILED);
	return p;
}

#define RW	(PROT_READ | PROT_WRITE)
#define mapfails(e, ...)	need(mmap(NULL, __VA_ARGS__) == MAP_FAILED && errno == (e))

/* What one mapping and the calls on the file see of each other. */
static void test_shared(const char *dir, const char *arg)
{
	int fd = make(dir, "shared", 2 * PAGE + 100), other;
	struct iovec iov[2];
	struct stat st, after;
	char buf[200], *p;

	(void)arg;
	p = map(fd, 10 * PAGE, RW, MAP_SHARED, 0);
	need(p[0] == 'a' && p[PAGE] == 'b' && p[2 * PAGE + 99] == 'c' && p[2 * PAGE + 100] == 0);
	need(fstat(fd, &st) == 0 && st.st_size == 2 * PAGE + 100);
	/* from memory to calls, of this and other descriptors */
	p[7] = 'X';
	need(byte_at(fd, 7) == 'X');
	other = open_in(dir, "shared", O_RDWR);
	need(other >= 0 && read(other, buf, 8) == 8 && buf[7] == 'X');
	iov[0] = (struct iovec){ buf, 100 };
	iov[1] = (struct iovec){ buf + 100, 100 };
	p[PAGE - 1] = 'Y';
	need(preadv(other, iov, 2, PAGE - 100) == 200 && buf[99] == 'Y' && buf[100] == 'b');
	
	/* from calls to memory */
	need(pwrite(other, "12", 2, PAGE - 1) == 2 && p[PAGE - 1] == '1' && p[PAGE] == '2');
	need(lseek(other, 0, SEEK_END) == 2 * PAGE + 100 && write(other, "end", 3) == 3);
	need(!memcmp(p + 2 * PAGE + 100, "end", 4));
	/* past the end */
	need(touch(p + 3 * PAGE, 0) == SIGBUS && touch(p + 9 * PAGE, 1) == SIGBUS);
	need(pwrite(fd, "far", 3, 5 * PAGE) == 3);
	need(p[3 * PAGE] == 0 && p[4 * PAGE] == 0 && !memcmp(p + 5 * PAGE, "far", 4));
	need(touch(p + 6 * PAGE, 0) == SIGBUS);
	p[4 * PAGE + 1] = 'h';				/* in what was a hole */
	need(byte_at(other, 4 * PAGE + 1) == 'h');
	need(ftruncate(other, PAGE + 1) == 0);
	need(p[PAGE] == '2' && p[PAGE + 1] == 0 && touch(p + 2 * PAGE, 0) == SIGBUS);
	need(ftruncate(other, 4 * PAGE) == 0 && p[PAGE + 1] == 0 && p[3 * PAGE] == 0);
	need(ftruncate(other, 0) == 0 && touch(p, 0) == SIGBUS);
	need(pwrite(fd, "again", 5, 0) == 5 && !memcmp(p, "again", 5));
	if (fallocate(fd, 0, 0, 4 * PAGE) == 0) {
		memset(p, 'f', 4 * PAGE);
		need(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, PAGE) == 0);
		need(p[PAGE - 1] == 'f' && p[PAGE] == 0 && p[2 * PAGE - 1] == 0 && p[2 * PAGE] == 'f');
		p[PAGE] = 'i';
		need(byte_at(fd, PAGE) == 'i');
	}
	/* written back, and noticed as a write */
	need(msync(p, 4 * PAGE, MS_SYNC) == 0 && fstat(fd, &st) == 0 && usleep(20000) == 0);
	p[1] = 'm';
	need(msync(p, PAGE, MS_ASYNC) == 0 && msync(p, 4 * PAGE, MS_SYNC) == 0);
	need(msync(p, PAGE, MS_SYNC | MS_INVALIDATE) == 0);
	need(msync(p + 1, PAGE, MS_SYNC) == -1 && errno == EINVAL);
	need(fstat(fd, &after) == 0 && (after.st_mtim.tv_sec != st.st_mtim.tv_sec ||
	    after.st_mtim.tv_nsec != st.st_mtim.tv_nsec));
	/* the memory outlives the descriptor, and the name */
	need(close(fd) == 0);
	p[2] = 'n';
	need(byte_at(other, 2) == 'n' && munmap(p, 10 * PAGE) == 0 && byte_at(other, 2) == 'n');
}

/* Parts of mappings, and mappings over others. */
static void test_parts(const char *dir, const char *arg)
{
	int fd = make(dir, "parts", 16 * PAGE), fd2 = make(dir, "parts2", PAGE), ro, i;
	char *p, *q, *r;

	(void)arg;
	p = map(fd, 8 * PAGE, RW, MAP_SHARED, 4 * PAGE);
	need(p[0] == 'e' && p[7 * PAGE] == 'l');
	q = map(fd, 16 * PAGE, PROT_READ, MAP_SHARED, 0);
	p[PAGE] = '!';
	need(q[5 * PAGE] == '!');
	need(munmap(p + 2 * PAGE, PAGE) == 0 && touch(p + 2 * PAGE, 0) == SIGSEGV);
	need(p[PAGE] == '!' && p[3 * PAGE] == 'h');
	need(mprotect(p + 3 * PAGE, PAGE, PROT_READ) == 0 && touch(p + 3 * PAGE, 1) == SIGSEGV);
	need(mprotect(p + 3 * PAGE, PAGE, RW) == 0 && touch(p + 3 * PAGE, 1) == 0);
	need(q[7 * PAGE] == 'w' && touch(q, 1) == SIGSEGV);
	need(mprotect(q, PAGE, RW) == 0 && touch(q, 1) == 0 && byte_at(fd, 0) == 'w');
	/* another file over it, and private memory over that */
	r = mmap(p + 4 * PAGE, PAGE, RW, MAP_SHARED | MAP_FIXED, fd2, 0);
	need(r == p + 4 * PAGE && *r == 'a' && p[3 * PAGE] == 'w' && p[5 * PAGE] == 'j');
	*r = 'o';
	need(byte_at(fd2, 0) == 'o' && byte_at(fd, 8 * PAGE) == 'i');
	r = mmap(r, PAGE, RW, MAP_PRIVATE | MAP_FIXED, fd, 9 * PAGE);
	need(*r == 'j');
	*r = 'p';
	need(byte_at(fd, 9 * PAGE) == 'j' && byte_at(fd2, 0) == 'o');
	/* one that grows in place or elsewhere, and into what was not mapped before */
	r = map(fd, 2 * PAGE, RW, MAP_SHARED, 12 * PAGE);
	need(r[0] == 'm' && r[PAGE] == 'n');
	r[0] = 'M';
	r = mremap(r, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE);
	need(r != MAP_FAILED && r[0] == 'M' && r[2 * PAGE] == 'o' && r[3 * PAGE] == 'p');
	r[3 * PAGE] = 'P';
	need(byte_at(fd, 15 * PAGE) == 'P');
	need(msync(r, 4 * PAGE, MS_SYNC) == 0);
	r = mremap(r, 4 * PAGE, PAGE, 0);
	need(r != MAP_FAILED && r[0] == 'M');
	for (i = 0; i < 50; i++) {
		char *s = map(fd, PAGE, RW, MAP_SHARED, (i % 16) * PAGE);

		s[i] = '0' + i % 10;
		need(munmap(s, PAGE) == 0 && byte_at(fd, (i % 16) * PAGE + i) == '0' + i % 10);
	}
	/* what may be mapped how */
	ro = open_in(dir, "parts", O_RDONLY);
	r = map(ro, PAGE, PROT_READ, MAP_SHARED, 0);
	need(r[0] == 'w' || r[0] == '0');
	need(mprotect(r, PAGE, RW) == -1 && errno == EACCES);
	mapfails(EACCES, PAGE, RW, MAP_SHARED, ro, 0);
	q[1] = 'v';
	need(r[1] == 'v');
	need(close(ro) == 0 && (ro = open_in(dir, "parts", O_WRONLY)) >= 0);
	mapfails(EACCES, PAGE, PROT_READ, MAP_SHARED, ro, 0);
	mapfails(EACCES, PAGE, PROT_READ, MAP_PRIVATE, ro, 0);
	mapfails(EINVAL, 0, PROT_READ, MAP_SHARED, fd, 0);
	mapfails(EINVAL, PAGE, PROT_READ, MAP_SHARED, fd, 100);
	mapfails(EINVAL, PAGE, PROT_READ, MAP_PRIVATE, fd, 100);
	mapfails(EBADF, PAGE, PROT_READ, MAP_SHARED, 900, 0);
	need((ro = open_in(dir, ".", O_RDONLY | O_DIRECTORY)) >= 0);
	mapfails(ENODEV, PAGE, PROT_READ, MAP_SHARED, ro, 0);
	need((ro = socket(AF_INET, SOCK_DGRAM, 0)) >= 0);
	mapfails(ENODEV, PAGE, PROT_READ, MAP_SHARED, ro, 0);
}

/* Private mappings: copies, which others do not see. */
static void test_private(const char *dir, const char *arg)
{
	int fd = make(dir, "private", PAGE + 10), ro = open_in(dir, "private", O_RDONLY), status;
	char *p = map(ro, 4 * PAGE, RW, MAP_PRIVATE, 0), *s = map(fd, PAGE, RW, MAP_SHARED, 0);
	double (*fn)(double);
	void *lib;
	pid_t pid;

	need(ro >= 0 && p[PAGE + 9] == 'b' && p[PAGE + 10] == 0);
	p[0] = 'P';
	need(s[0] == 'a' && byte_at(fd, 0) == 'a');
	need(touch(p + 2 * PAGE, 0) == SIGBUS && touch(p + 3 * PAGE, 1) == SIGBUS);
	pid = fork();
	if (pid == 0) {
		/* what a child does to it is its own; what is shared is the same */
		p[1] = 'C';
		s[1] = 'C';
		_exit(p[0] != 'P');
	}
	need(waitpid(pid, &status, 0) == pid && status == 0);
	need(p[1] == 'a' && s[1] == 'C' && byte_at(fd, 1) == 'C');
	/* code */
	if (arg) {
		need((lib = dlopen(arg, RTLD_NOW | RTLD_LOCAL)) != NULL);
		fn = (double (*)(double))dlsym(lib, "floor");
		need(fn && fn(2.5) == 2.0 && dlclose(lib) == 0);
	}
}

/* Processes that share it, and one that is killed; the parent has it mapped only for reading. */
static void test_sharers(const char *dir, const char *arg)
{
	int fd = make(dir, "sharers", 4 * PAGE), i, k, status;
	_Atomic unsigned int *word;
	char *p, c;
	pid_t pid[3];

	(void)arg;
	for (k = 0; k < 3; k++) {
		pid[k] = fork();
		if (pid[k])
			continue;
		/* each by an open file of its own */
		need((fd = open_in(dir, "sharers", O_RDWR)) >= 0);
		p = map(fd, 4 * PAGE, RW, MAP_SHARED, 0);
		word = (void *)(p + PAGE);
		for (i = 0; i < 5000; i++)
			atomic_fetch_add(word, 1);
		c = 'A' + k;
		need(pwrite(fd, &c, 1, k) == 1);
		while (p[0] != 'A' || p[1] != 'B' || p[2] != 'C')
			sched_yield();
		if (k == 2) {
			p[3 * PAGE] = 'K';
			kill(getpid(), SIGKILL);
		}
		p[2 * PAGE + k] = 'x';
		_exit(0);
	}
	for (k = 0; k < 3; k++)
		need(waitpid(pid[k], &status, 0) == pid[k] &&
		    (k == 2 ? WIFSIGNALED(status) : status == 0));
	p = map(fd, 4 * PAGE, PROT_READ, MAP_SHARED, 0);
	word = (void *)(p + PAGE);
	need(*word - 0x62626262u == 15000);
	need(byte_at(fd, 2 * PAGE) == 'x' && byte_at(fd, 2 * PAGE + 1) == 'x');
	need(byte_at(fd, 3 * PAGE) == 'K' && p[3 * PAGE] == 'K');
}

/* Leaves memory that was not written back by any call: "left" is to be all 'L', 8 pages. */
static void test_leave(const char *dir, const char *arg)
{
	int fd = make(dir, "left", 8 * PAGE);
	char *p = map(fd, 8 * PAGE, RW, MAP_SHARED, 0);

	memset(p, 'L', 8 * PAGE);
	if (arg && !strcmp(arg, "kill"))
		kill(getpid(), SIGKILL);
	if (arg && !strcmp(arg, "exec"))
		execlp("true", "true", (char *)NULL);
}

/* What has it mapped keeps the file system from being unmounted: DIR is where it is mounted. */
static void test_busy(const char *dir, const char *arg)
{
	int fd = make(dir, "busy", PAGE);
	char *p = map(fd, PAGE, RW, MAP_SHARED, 0);

	(void)arg;
	need(close(fd) == 0 && umount(dir) == -1 && errno == EBUSY);
	p[0] = 'b';
	need(munmap(p, PAGE) == 0 && (fd = open_in(dir, "busy", O_RDWR)) >= 0);
	need(byte_at(fd, 0) == 'b');
}

/* Written back all the time, while somebody stores. */
static void test_storm(const char *dir, const char *arg)
{
	int fd = make(dir, "storm", 64 * PAGE), status, i, k;
	unsigned int *p = (void *)map(fd, 64 * PAGE, RW, MAP_SHARED, 0);
	pid_t pid = fork();

	(void)arg;
	if (pid == 0) {
		for (i = 1; i < 20000; i++)
			for (k = 0; k < 64; k++)
				p[k * PAGE / 4 + i % 1024] = i;
		_exit(0);
	}
	for (i = 0; waitpid(pid, &status, WNOHANG) == 0 || i < 20; i++)
		need(i % 2 ? fsync(fd) == 0 : msync(p, 64 * PAGE, MS_SYNC) == 0);
	need(status == 0);
	for (k = 0; k < 64; k++)
		for (i = 19999; i > 19999 - 1024; i--)
			need(p[k * PAGE / 4 + i % 1024] == (unsigned int)i);
}

/* No room on the disk for what was stored into a hole: who asks hears of it. */
static void test_full(const char *dir, const char *arg)
{
	int fd = make(dir, "hole", PAGE), hog = open_in(dir, "hog", O_RDWR | O_CREAT);
	static char block[64 * PAGE];
	char *p;

	(void)arg;
	need(ftruncate(fd, 64 * PAGE) == 0);
	p = map(fd, 64 * PAGE, RW, MAP_SHARED, 0);
	need(msync(p, 64 * PAGE, MS_SYNC) == 0);
	while (write(hog, block, sizeof(block)) > 0)
		;
	while (write(hog, block, 512) > 0)
		;
	need(errno == ENOSPC && fsync(hog) == 0);
	memset(p, 'f', 64 * PAGE);
	need(msync(p, 64 * PAGE, MS_SYNC) == -1 && (errno == ENOSPC || errno == EIO));
	need(p[63 * PAGE] == 'f' && byte_at(fd, 63 * PAGE) == 'f');
	need(ftruncate(hog, 0) == 0 && msync(p, 64 * PAGE, MS_SYNC) == 0);
}

/* Many files, and one large one, at once; arg: its size in MB. */
static void test_many(const char *dir, const char *arg)
{
	size_t n = (arg ? strtoul(arg, NULL, 10) : 16) << 20, at;
	char name[20], *p, *all[40];
	int fd, i;

	for (i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "many%d", i);
		fd = make(dir, name, 3 * PAGE);
		all[i] = map(fd, 3 * PAGE, RW, MAP_SHARED, 0);
		all[i][PAGE] = 'A' + i % 26;
		close(fd);
	}
	fd = open_in(dir, "large", O_RDWR | O_CREAT | O_TRUNC);
	need(fd >= 0 && ftruncate(fd, n) == 0);
	p = map(fd, n, RW, MAP_SHARED, 0);
	for (at = 0; at < n; at += PAGE)
		p[at] = 'a' + at / PAGE % 26;
	need(msync(p, n, MS_SYNC) == 0);
	for (at = 0; at < n; at += 7 * PAGE)
		need(byte_at(fd, at) == (char)('a' + at / PAGE % 26));
	need(munmap(p, n) == 0 && close(fd) == 0);
	for (i = 0; i < 40; i++)
		need(all[i][PAGE] == 'A' + i % 26 && munmap(all[i], 3 * PAGE) == 0);
}

/* More than the kernel's memory is refused; and what was mapped before stays right. */
static void test_toomuch(const char *dir, const char *arg)
{
	int fd = make(dir, "small", PAGE), big = open_in(dir, "big", O_RDWR | O_CREAT | O_TRUNC);
	char *p = map(fd, PAGE, RW, MAP_SHARED, 0), *q;

	(void)arg;
	need(ftruncate(big, 1L << 30) == 0);
	mapfails(ENOMEM, 1UL << 30, PROT_READ, MAP_SHARED, big, 0);
	/* a part of it, of which more than there is may be asked for */
	q = map(big, 16 * PAGE, RW, MAP_SHARED, 512 << 20);
	q[5] = 'q';
	p[5] = 'p';
	need(byte_at(big, (512 << 20) + 5) == 'q' && byte_at(fd, 5) == 'p');
	need(ftruncate(big, 0) == 0 && touch(q, 0) == SIGBUS);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(const char *dir, const char *arg);
	} tests[] = {
		{ "shared", test_shared }, { "parts", test_parts }, { "private", test_private },
		{ "sharers", test_sharers }, { "leave", test_leave }, { "many", test_many },
		{ "toomuch", test_toomuch }, { "busy", test_busy }, { "storm", test_storm },
		{ "full", test_full },
	};
	unsigned int i;

	for (i = 0; argc > 2 && i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (!strcmp(argv[1], tests[i].name)) {
			tests[i].fn(argv[2], argv[3]);
			return 0;
		}
	}
	fprintf(stderr, "usage: h_map TEST DIR [ARGUMENT]\n");
	return 2;
}
