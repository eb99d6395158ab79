/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h_direct.c - O_DIRECT: h_direct TEST FILE [MEGABYTES].  FILE is made, or is a block device of
 * at least 2 MB.  On the host alone the same holds.
 */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "h.h"

#ifndef SYS_cachestat
#define SYS_cachestat	451
#endif
#define SIZE	(1L << 20)

static const char *path;
static char *a, *b;		/* SIZE of each, at a boundary of pages */

static int open_with(int flags)
{
	int fd = open(path, O_RDWR | O_CREAT | flags, 0644);

	need(fd >= 0);
	return fd;
}

static void fill(char *p, size_t n, unsigned int seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (i * 7 + i / 509 + seed * 31) >> (seed % 3);
}

/* Pages that the kernel has of the file; -1: it does not say. */
static long cached(int fd)
{
	struct { uint64_t off, len; } range = { 0, 0 };
	struct { uint64_t cache, dirty, writeback, evicted, recently; } st;

	if (syscall(SYS_cachestat, fd, &range, &st, 0) == 0)
		return st.cache;
	need(errno == ENOSYS);
	return -1;
}

/* Nothing stays in the cache, and what is there is neither missed nor left behind. */
static void test_cache(void)
{
	int d = open_with(O_DIRECT), f = open_with(0);
	char *m;

	fill(a, SIZE, 1);
	need(pwrite(d, a, SIZE, 0) == SIZE && pread(d, b, SIZE, 0) == SIZE && !memcmp(a, b, SIZE));
	need(cached(d) <= 0);
	need(pread(f, b, SIZE, 0) == SIZE && !memcmp(a, b, SIZE) && cached(f) != 0);
	/* what the cache has is out of date, or ahead of the disk */
	fill(a, 65536, 2);
	need(pwrite(d, a, 65536, 131072) == 65536);
	need(pread(f, b, 65536, 131072) == 65536 && !memcmp(a, b, 65536));
	need(pwrite(f, "cached", 6, 131072 + 100) == 6 && pread(d, b, 4096, 131072) == 4096);
	need(!memcmp(b + 100, "cached", 6) && !memcmp(a, b, 100));
	/* a mapping */
	m = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, f, 131072);
	need(m != MAP_FAILED && !memcmp(m + 100, "cached", 6));
	memcpy(m + 5000, "stored", 6);
	need(pread(d, b, 8192, 131072) == 8192 && !memcmp(b + 5000, "stored", 6));
	fill(a, 4096, 3);
	memcpy(m + 9000, "beside", 6);
	need(pwrite(d, a, 4096, 131072) == 4096 && !memcmp(m, a, 4096));
	need(!memcmp(m + 5000, "stored", 6) && !memcmp(m + 9000, "beside", 6));
	need(munmap(m, 65536) == 0 && pread(f, b, 6, 131072 + 9000) == 6 && !memcmp(b, "beside", 6));
	close(d), close(f);
}

/* Either refused, or right. */
static void misaligned(int fd, size_t mem, size_t len, off_t off, int refused)
{
	ssize_t n;

	memset(b, 0, 16384);
	n = pread(fd, b + mem, len, off);
	need(n == -1 ? errno == EINVAL : !refused && n == (ssize_t)len && !memcmp(b + mem, a + off, len));
}

/* What statx() says of alignment is so. */
static void test_rules(void)
{
	int d = open_with(O_DIRECT);
	long mem = 0, off = 0;

	fill(a, SIZE, 4);
	need(pwrite(d, a, SIZE, 0) == SIZE);
#ifdef STATX_DIOALIGN
	struct statx st;

	need(statx(AT_FDCWD, path, 0, STATX_DIOALIGN, &st) == 0);
	if (st.stx_mask & STATX_DIOALIGN) {
		mem = st.stx_dio_mem_align;
		off = st.stx_dio_offset_align;
		need(mem && off && mem <= 4096 && off <= 4096);
		need(pread(d, b + mem, off, off) == off && !memcmp(b + mem, a + off, off));
		need(pwrite(d, b + mem, off, off) == off);
	}
#endif
	misaligned(d, 0, 100, 0, off);
	misaligned(d, 0, 4096, 100, off);
	misaligned(d, 1, 4096, 0, mem > 1);
	misaligned(d, mem / 2, 4096, 0, mem > 1);
	misaligned(d, 0, 4096, off / 2, off);
	misaligned(d, 0, 4096 + off / 2, 0, off);
	if (off) {		/* nothing of it, however long it is */
		fill(b, SIZE, 5);
		fails(EINVAL, pwrite(d, b, SIZE - off / 2, 0));
		need(pread(d, b, SIZE, 0) == SIZE && !memcmp(a, b, SIZE));
	}
	close(d);
}

static long in_aio(int fd, int op, void *buf, size_t len, off_t off)
{
	struct iocb cb = { .aio_lio_opcode = op, .aio_fildes = fd, .aio_buf = (uintptr_t)buf,
		.aio_nbytes = len, .aio_offset = off, .aio_data = 77 }, *list = &cb;
	aio_context_t ctx = 0;
	struct io_event e;

	need(syscall(SYS_io_setup, 1, &ctx) == 0 && syscall(SYS_io_submit, ctx, 1, &list) == 1);
	need(syscall(SYS_io_getevents, ctx, 1, 1, &e, NULL) == 1 && e.data == 77);
	need(syscall(SYS_io_destroy, ctx) == 0);
	return e.res;
}

/* Every call that reads or writes; small parts, too. */
static void test_calls(void)
{
	int d = open_with(O_DIRECT), f = open_with(0), i, p[2];
	struct iovec v[40];
	struct stat st;
	off_t off = 8192;
	long n;

	need(fstat(d, &st) == 0);
	fill(a, SIZE, 6);
	need(write(d, a, 8192) == 8192 && write(d, a + 8192, 4096) == 4096);
	need(lseek(d, 0, SEEK_CUR) == 12288 && lseek(d, 4096, SEEK_SET) == 4096);
	need(read(d, b, 8192) == 8192 && !memcmp(b, a + 4096, 8192));
	for (i = 0; i < 40; i++)
		v[i] = (struct iovec){ a + i * 8192L + (i % 8) * 512, 4096 };
	need(pwritev(d, v, 40, 65536) == 40 * 4096);
	for (i = 0; i < 40; i++)
		v[i] = (struct iovec){ b + i * 8192L + (i % 4) * 1024, 4096 };
	v[20].iov_len = 0;
	need(preadv(d, v, 40, 65536) == 39 * 4096);
	for (i = 0; i < 39; i++)
		need(!memcmp(v[i < 20 ? i : i + 1].iov_base, a + i * 8192L + (i % 8) * 512, 4096));
	need(lseek(d, 65536, SEEK_SET) == 65536 && readv(d, v, 2) == 8192);
	need(preadv2(d, v, 2, 65536, 0) == 8192 && pwritev2(d, v, 2, 0, RWF_DSYNC) == 8192);
	need(!memcmp(v[0].iov_base, a, 4096) && pread(f, b, 8192, 0) == 8192 && !memcmp(b, a, 4096));
	/* the kernel's own, which is no thread of libc */
	need(in_aio(d, IOCB_CMD_PWRITE, a + 4096, 8192, 16384) == 8192);
	need(in_aio(d, IOCB_CMD_PREAD, b, 16384, 12288) == 16384 && !memcmp(b + 4096, a + 4096, 8192));
	need(pread(f, b, 8192, 16384) == 8192 && !memcmp(b, a + 4096, 8192));
	need(in_aio(d, IOCB_CMD_PREAD, NULL, 4096, 0) == -EFAULT);
	need((n = in_aio(d, IOCB_CMD_PREAD, b, 100, 0)) == -EINVAL || n == 100);
	/* from a pipe's point of view it is a file as any other */
	need(pipe(p) == 0 && pwrite(d, a, 16384, 0) == 16384);
	need(sendfile(p[1], d, &off, 4096) == 4096 && read(p[0], b, 4096) == 4096);
	need(off == 12288 && !memcmp(b, a + 8192, 4096));
	/* on, off, and on again */
	need(!(fcntl(f, F_GETFL) & O_DIRECT));
	need(fcntl(f, F_SETFL, O_DIRECT) == 0 && fcntl(f, F_GETFL) & O_DIRECT);
	need(pwrite(f, a + 4096, 4096, 0) == 4096 && pread(d, b, 4096, 0) == 4096);
	need(!memcmp(b, a + 4096, 4096) && fcntl(f, F_SETFL, 0) == 0);
	need(pwrite(f, "x", 1, 1) == 1 && pread(f, b, 3, 0) == 3 && b[1] == 'x');
	/* past the end, the end in the middle, and at the end */
	if (S_ISREG(st.st_mode)) {
		need(ftruncate(d, 10000) == 0 && pread(d, b, 4096, 12288) == 0);
		need(pread(d, b, 16384, 4096) == 5904 && !memcmp(b, a + 4096, 4096));
		need(ftruncate(d, 8192) == 0 && fcntl(d, F_SETFL, O_DIRECT | O_APPEND) == 0);
		need(pwrite(d, a, 4096, 0) == 4096 && fstat(d, &st) == 0 && st.st_size == 12288);
		need(pread(d, b, 4096, 8192) == 4096 && !memcmp(a, b, 4096));
	}
	if (S_ISBLK(st.st_mode)) {
		need((off = lseek(d, 0, SEEK_END)) > SIZE && pwrite(d, a, 4096, off - 4096) == 4096);
		fails(ENOSPC, pwrite(d, a, 4096, off));
	}
	close(d), close(f), close(p[0]), close(p[1]);
}

/* A disk that has lost its second megabyte. */
static void test_lost(void)
{
	int d = open_with(O_DIRECT), terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY);

	fails(EIO, pread(d, a, 4096, SIZE));
	/* the library needs one for that */
	need(terminal < 0 || in_aio(d, IOCB_CMD_PREAD, a, 4096, SIZE) == -EIO);
	need(pread(d, a, 4096, 0) == 4096);
	close(d);
}

/* Memory that is not there, from the start or after a part. */
static void test_faults(void)
{
	int d = open_with(O_DIRECT);
	char *m = mmap(NULL, 2 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *volatile nowhere = NULL;
	ssize_t n;

	fill(a, SIZE, 7);
	need(m != MAP_FAILED && pwrite(d, a, SIZE, 0) == SIZE);
	need(munmap(m + 65536, SIZE) == 0);
	fails(EFAULT, pread(d, m + 65536, 8192, 0));
	fails(EFAULT, pwrite(d, m + 65536, 8192, 0));
	fails(EFAULT, pread(d, nowhere, 8192, 0));
	fails(EFAULT, pwrite(d, (void *)0x7ffffffff000, 4096, 0));
	n = pread(d, m + 61440, 8192, 0);
	need(n == -1 ? errno == EFAULT : n == 4096 && !memcmp(m + 61440, a, 4096));
	n = pwrite(d, m + 61440, 8192, 0);
	need(n == -1 ? errno == EFAULT : n == 4096);
	need(pread(d, b, SIZE, 0) == SIZE && !memcmp(b + 8192, a + 8192, SIZE - 8192));
	need(mprotect(m, 65536, PROT_READ) == 0 && pwrite(d, m, 65536, 0) == 65536);
	fails(EFAULT, pread(d, m, 65536, 0));
	need(pread(d, b, 65536, 0) == 65536 && !memcmp(b, m, 65536));
	close(d);
}

/* Every way to the same file, in any order: what the last one wrote is there. */
static void test_mixed(void)
{
	int d = open_with(O_DIRECT), f = open_with(0);
	unsigned int seed = 1, i;
	char *model, *m;

	need(posix_memalign((void **)&model, 4096, SIZE) == 0);
	fill(model, SIZE, 8);
	need(pwrite(d, model, SIZE, 0) == SIZE);
	m = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
	need(m != MAP_FAILED);
	for (i = 0; i < 500; i++) {
		int how = rand_r(&seed) % 6, fd = how % 2 ? d : f;
		size_t off = rand_r(&seed) % SIZE, len = 1 + rand_r(&seed) % (how < 4 ? 65536 : 100);

		if (fd == d && how < 4) {
			off &= ~511UL;
			len = (len + 511) & ~511UL;
		}
		if (len > SIZE - off)
			len = SIZE - off;
		if (how == 0 || how == 1) {
			need(pread(fd, b, len, off) == (ssize_t)len && !memcmp(b, model + off, len));
		} else if (how == 2 || how == 3) {
			fill(model + off, len, i);
			memcpy(a, model + off, len);
			need(pwrite(fd, a, len, off) == (ssize_t)len);
		} else if (how == 4) {
			fill(model + off, len, i);
			memcpy(m + off, model + off, len);
		} else {
			need(!memcmp(m + off, model + off, len));
		}
	}
	need(!memcmp(m, model, SIZE) && munmap(m, SIZE) == 0);
	need(pread(d, b, SIZE, 0) == SIZE && !memcmp(b, model, SIZE));
	need(pread(f, b, SIZE, 0) == SIZE && !memcmp(b, model, SIZE));
	close(d), close(f), free(model);
}

/* More than the kernel has memory, at once. */
static void test_big(long size)
{
	int d = open_with(O_DIRECT);
	char *p = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec v[2] = { { p + size, 4096 }, { p + size + 4096, size - 4096 } };

	need(p != MAP_FAILED);
	fill(p, size, 9);
	need(pwrite(d, p, size, 0) == size && preadv(d, v, 2, 0) == size && !memcmp(p, p + size, size));
	need(cached(d) <= 0);
	close(d);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} tests[] = {
		{ "cache", test_cache }, { "rules", test_rules }, { "calls", test_calls },
		{ "faults", test_faults }, { "lost", test_lost }, { "mixed", test_mixed },
	};
	size_t i;
	int fd;

	alarm(100);
	path = argc > 2 ? argv[2] : "";
	need(posix_memalign((void **)&a, 4096, SIZE) == 0 && posix_memalign((void **)&b, 4096, SIZE) == 0);
	fd = argc > 2 ? open(path, O_RDWR | O_CREAT | O_DIRECT, 0644) : -1;
	if (fd < 0 && errno == EINVAL) {
		fprintf(stderr, "%s: O_DIRECT is not known there\n", path);
		return 77;
	}
	close(fd);
	if (argc > 3 && !strcmp(argv[1], "big")) {
		test_big(atol(argv[3]) << 20);
		return 0;
	}
	for (i = 0; argc > 2 && i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (!strcmp(argv[1], tests[i].name)) {
			tests[i].fn();
			return 0;
		}
	}
	fprintf(stderr, "usage: h_direct TEST FILE [MEGABYTES]\n");
	return 2;
}
