/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel that is killed in the middle of writing leaves an image that its journal repairs,
 * with everything in it that fsync confirmed.
 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rump/rump.h>
#include <rump/rump_syscalls.h>

#define ROUNDS		15	/* a file system */
#define SIZE_MAX_FILE	65536
#define SEED		20240607UL

struct fs {
	const char *type, *mkfs, *replay, *fsck;
	int megabytes;
};
static const struct fs ext4 = { "ext4", "mkfs.ext4 -q -F", "e2fsck -p", "e2fsck -f -n", 64 };
/* xfs_repair does not replay; the next mount does. */
static const struct fs xfs = { "xfs", "mkfs.xfs -q -f", NULL, "xfs_repair -n", 320 };

struct round {
	const struct fs *fs;
	int number;
	int confirmed;		/* files that fsync has confirmed */
};

static unsigned char pattern[SIZE_MAX_FILE];

static size_t fill(int round, int file)
{
	unsigned long state = SEED + round * 1000003UL + file;
	size_t size = rnd(&state) % SIZE_MAX_FILE + 1, i;

	for (i = 0; i < size; i++)
		pattern[i] = rnd(&state);
	return size;
}

static void name_of(char *name, const struct round *r, int file)
{
	sprintf(name, "/mnt/r%d/f%d", r->number, file);
}

static int boot(const struct round *r)
{
	char spec[64];

	sprintf(spec, "img:/mnt,type=%s", r->fs->type);
	setenv("RUMP_MEMLIMIT", "64m", 1);
	setenv("RUMP_VERBOSE", "1", 1);
	setenv("RUMP_MOUNT", spec, 1);
	return rump_init();
}

/* Files without end: each is written, synced, and told; others are renamed and removed meanwhile. */
static int write_on(void *arg)
{
	struct round *r = arg;
	char name[64], other[64];
	int fd, dir, i;
	size_t size;

	if (boot(r))
		return 1;
	sprintf(name, "/mnt/r%d", r->number);
	if (rump_sys_mkdir(name, 0755))
		return 2;
	dir = rump_sys_open(name, O_RDONLY | O_DIRECTORY, 0);
	for (i = 0;; i++) {
		sprintf(other, "/mnt/r%d/scratch%d", r->number, i % 50);
		fd = rump_sys_open(other, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		rump_sys_write(fd, pattern, i % SIZE_MAX_FILE);
		rump_sys_close(fd);
		if (i % 3 == 0)
			rump_sys_unlink(other);
		size = fill(r->number, i);
		name_of(other, r, i);
		fd = rump_sys_open(other, O_WRONLY | O_CREAT | O_EXCL, 0600);
		if (fd < 0 || rump_sys_write(fd, pattern, size) != (ssize_t)size ||
		    rump_sys_fsync(fd) || rump_sys_fsync(dir) || rump_sys_close(fd))
			return 3;
		if (write(1, "", 1) != 1)
			return 4;
	}
}

static int verify(void *arg)
{
	struct round *r = arg;
	static unsigned char back[SIZE_MAX_FILE + 1];
	char name[64];
	size_t size;
	int i, fd;

	if (boot(r)) {
		fprintf(stderr, "no mount\n");
		return 1;
	}
	for (i = 0; i < r->confirmed; i++) {
		name_of(name, r, i);
		size = fill(r->number, i);
		fd = rump_sys_open(name, O_RDONLY, 0);
		if (fd < 0 || rump_sys_read(fd, back, sizeof(back)) != (ssize_t)size ||
		    memcmp(back, pattern, size)) {
			fprintf(stderr, "%s is not as it was confirmed\n", name);
			return 2;
		}
		rump_sys_close(fd);
		/* Room for the next round, and work for the next journal. */
		rump_sys_unlink(name);
	}
	return rump_pub_shutdown() ? 3 : 0;
}

static void many_kills(const struct fs *fs)
{
	unsigned long state = SEED;
	struct round r = { .fs = fs };
	int out, status, want;
	pid_t pid;
	char c;

	sh("truncate -s %dM img && %s img", fs->megabytes, fs->mkfs);
	for (r.number = 0; r.number < ROUNDS; r.number++) {
		want = rnd(&state) % 40 + 1;
		pid = child_start(write_on, &r, "write.log", &out);
		for (r.confirmed = 0; r.confirmed < want && read(out, &c, 1) == 1; r.confirmed++)
			;
		/* somewhere in the next few */
		usleep(rnd(&state) % 3000);
		kill(pid, SIGKILL);
		status = child_end(pid, 10);
		while (read(out, &c, 1) == 1)
			r.confirmed++;
		close(out);
		if (!WIFSIGNALED(status) || r.confirmed < want) {
			sh("cat write.log");
			atf_tc_fail("round %d: the writer ended by itself: %#x", r.number, status);
		}
		if (fs->replay)
			sh("%s img >replay.log 2>&1 || [ $? = 1 ] || { cat replay.log; false; }",
			    fs->replay);
		pid = child_start(verify, &r, "verify.log", NULL);
		status = child_end(pid, 30);
		if (status) {
			sh("cat verify.log");
			atf_tc_fail("round %d of %s, %d files: %#x", r.number, fs->type,
			    r.confirmed, status);
		}
		sh("%s img >fsck.log 2>&1 || { cat fsck.log; false; }", fs->fsck);
	}
}

ATF_TC(ext4_killed);
ATF_TC_HEAD(ext4_killed, tc)
{
	atf_tc_set_md_var(tc, "require.progs", "mkfs.ext4 e2fsck");
}
ATF_TC_BODY(ext4_killed, tc)
{
	many_kills(&ext4);
}

ATF_TC(xfs_killed);
ATF_TC_HEAD(xfs_killed, tc)
{
	atf_tc_set_md_var(tc, "require.progs", "mkfs.xfs xfs_repair");
}
ATF_TC_BODY(xfs_killed, tc)
{
	many_kills(&xfs);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, ext4_killed);
	ATF_TP_ADD_TC(tp, xfs_killed);
	return atf_no_error();
}
