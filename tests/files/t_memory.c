/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel with the least memory, all of which is in use: a call that wants more fails with
 * ENOMEM, none waits for ever, what was said to be written is, and when there is memory again
 * all goes on.
 */
#include "child.h"
#include "../kdebug.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <rump/rump.h>
#include <rump/rump_syscalls.h>

#define CHUNK	65536
#define CHUNKS	96		/* of a file: 6 MB, half of the memory */

/* No return but by its end: children are asked for a status only. */
#define MUST(x)	do {									\
	errno = 0;									\
	if (!(x)) {									\
		fprintf(stderr, "%d: %s: errno %d\n", __LINE__, #x, errno);		\
		exit(1);								\
	}										\
} while (0)

static unsigned char chunk[CHUNK], back[CHUNK];

static void boot(const char *memory)
{
	setenv("RUMP_MEMLIMIT", kdebug() ? "96m" : memory, 1);
	setenv("RUMP_VERBOSE", "1", 1);
	MUST(rump_init() == 0);
}

/* Files of the root are memory, and nothing but that.  Its length, in bytes. */
static long use_all_memory(int fd)
{
	static const char page[4096] = "x";
	long n = 0, r;

	while ((r = rump_sys_write(fd, page, sizeof(page))) > 0)
		n += r;
	if (errno != ENOMEM) {
		fprintf(stderr, "the root is full: errno %d\n", errno);
		exit(1);
	}
	return n;
}

static void content(int file, int n)
{
	for (int i = 0; i < CHUNK; i++)
		chunk[i] = i * (n + 1) + file;
}

/* Chunks that were written before memory ran out, or all; the last may be there in part. */
static int write_chunks(int fd, int file)
{
	long r;

	for (int n = 0; n < CHUNKS; n++) {
		content(file, n);
		r = rump_sys_write(fd, chunk, CHUNK);
		if (r < 0 && errno != ENOMEM) {
			fprintf(stderr, "file %d: write: errno %d\n", file, errno);
			exit(1);
		}
		if (r != CHUNK)
			return n;
	}
	return CHUNKS;
}

static void check_chunks(int fd, int file, int chunks)
{
	MUST(rump_sys_lseek(fd, 0, SEEK_SET) == 0);
	for (int i = 0; i < chunks; i++) {
		content(file, i);
		for (long n = 0, r; n < CHUNK; n += r)
			MUST((r = rump_sys_read(fd, back + n, CHUNK - n)) > 0);
		MUST(!memcmp(chunk, back, CHUNK));
	}
}

/* With more and more that is free. */
static int no_memory(void *type)
{
	static const long room[] = { 0, 16384, 65536, 262144, 1 << 20 };
	enum { N = sizeof(room) / sizeof(room[0]) };
	int full, fd[N], written[N];
	char spec[64];
	long size;

	sprintf(spec, "img:/mnt,type=%s", (char *)type);
	setenv("RUMP_MOUNT", spec, 1);
	boot("12m");
	MUST((full = rump_sys_open("/tmp/full", O_RDWR | O_CREAT, 0600)) >= 0);
	for (int i = 0; i < N; i++) {
		sprintf(spec, "/mnt/f%d", i);
		MUST((fd[i] = rump_sys_open(spec, O_RDWR | O_CREAT, 0600)) >= 0);
	}
	size = use_all_memory(full);
	for (int i = 0; i < N; i++) {
		MUST(rump_sys_ftruncate(full, size - room[i]) == 0);
		written[i] = write_chunks(fd[i], i);
	}
	MUST(rump_sys_ftruncate(full, 0) == 0);
	for (int i = 0; i < N; i++) {
		MUST(rump_sys_fsync(fd[i]) == 0);
		check_chunks(fd[i], i, written[i]);
		MUST(rump_sys_lseek(fd[i], 0, SEEK_SET) == 0);
		MUST(write_chunks(fd[i], N + i) == CHUNKS);
		MUST(rump_sys_fsync(fd[i]) == 0);
		check_chunks(fd[i], N + i, CHUNKS);
	}
	return rump_pub_shutdown() ? 2 : 0;
}

static void without_memory(const char *type, const char *mkfs, const char *fsck)
{
	int status;

	sh("truncate -s 320M img && %s img", mkfs);
	status = child_end(child_start(no_memory, (void *)type, "log", NULL), 100);
	if (status)
		sh("tail -n 20 log");
	ATF_REQUIRE_MSG(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", status);
	sh("%s img >fsck.log 2>&1 || { cat fsck.log; false; }", fsck);
}

ATF_TC_WITHOUT_HEAD(ext4);
ATF_TC_BODY(ext4, tc)
{
	without_memory("ext4", "mkfs.ext4 -q -F", "e2fsck -f -n");
}

ATF_TC_WITHOUT_HEAD(xfs);
ATF_TC_BODY(xfs, tc)
{
	if (!have("mkfs.xfs"))
		atf_tc_skip("mkfs.xfs is not installed");
	without_memory("xfs", "mkfs.xfs -q -f", "xfs_repair -n");
}

static long mount_btrfs(void)
{
	return rump_syscall(SYS_mount, (long)"/dev/d", (long)"/mnt", (long)"btrfs", 0,
	    (long)"compress-force=zstd", 0);
}

static int mount_late(void *unused)
{
	int full, fd;

	(void)unused;
	boot("32m");
	MUST(rump_pub_etfs_register("/dev/d", "img", RUMP_ETFS_BLK) == 0);
	MUST((full = rump_sys_open("/tmp/full", O_RDWR | O_CREAT, 0600)) >= 0);
	use_all_memory(full);
	MUST(mount_btrfs() == -ENOMEM);		/* for other things */
	MUST(rump_sys_ftruncate(full, 0) == 0);
	MUST(mount_btrfs() == 0);
	MUST((fd = rump_sys_open("/mnt/f", O_RDWR | O_CREAT, 0600)) >= 0);
	MUST(write_chunks(fd, 0) == CHUNKS);
	MUST(rump_sys_fsync(fd) == 0);
	check_chunks(fd, 0, CHUNKS);
	return rump_pub_shutdown() ? 2 : 0;
}

/* What btrfs wants in large blocks, for compression, is there however long the first mount takes. */
ATF_TC_WITHOUT_HEAD(btrfs);
ATF_TC_BODY(btrfs, tc)
{
	int status;

	if (!have("mkfs.btrfs"))
		atf_tc_skip("mkfs.btrfs is not installed");
	sh("truncate -s 128M img && mkfs.btrfs -q img");
	status = child_end(child_start(mount_late, NULL, "log", NULL), 100);
	if (status)
		sh("tail -n 20 log");
	ATF_REQUIRE_MSG(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", status);
	sh("btrfs check img >fsck.log 2>&1 || { cat fsck.log; false; }");
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, ext4);
	ATF_TP_ADD_TC(tp, xfs);
	ATF_TP_ADD_TC(tp, btrfs);
	return atf_no_error();
}
