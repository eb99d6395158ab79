/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Images in which bits are wrong, or the end is missing: the program gets an error or what
 * the file system makes of it, the kernel says so, at worst that kernel ends.  It never
 * hangs, and nothing outside of the image is written: the image is a part of a larger file
 * here, and the rest must stay as it is.
 */
#include "child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rump/rump.h>
#include <rump/rump_syscalls.h>

#define GUARD		65536
#define SEED		7919UL
#define ROUNDS		6	/* a type; RUMP_FUZZ_ROUNDS says how many for longer runs */
#define DEPTH_MAX	8
#define SECONDS		60

struct fs {
	const char *type, *mkfs;	/* the image's name is added, or %s */
	int megabytes;
};

struct round {
	const struct fs *fs;
	long size;			/* of the device */
};

static void read_all(const char *path)
{
	static char buf[65536];
	int fd = rump_sys_open(path, O_RDONLY | O_NONBLOCK, 0), n;

	if (fd < 0)
		return;
	for (n = 0; n < 64 && rump_sys_read(fd, buf, sizeof(buf)) > 0; n++)
		;
	rump_sys_close(fd);
}

/* All that is there is looked at, with its data and attributes; loops end by depth. */
static void walk(const char *dir, int depth)
{
	char buf[4096] __attribute__((aligned(8))), path[4096], list[1024];
	struct dirent64 *de;
	int fd, rounds = 0;
	struct stat st;
	long n, at;

	fd = rump_sys_open(dir, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return;
	while ((n = rump_syscall(SYS_getdents64, fd, (long)buf, sizeof(buf), 0, 0, 0)) > 0 &&
	    rounds++ < 64) {
		for (at = 0; at < n; at += de->d_reclen) {
			de = (struct dirent64 *)(buf + at);
			if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
				continue;
			if (snprintf(path, sizeof(path), "%s/%s", dir, de->d_name) >= 4096 ||
			    rump_syscall(SYS_lstat, (long)path, (long)&st, 0, 0, 0, 0))
				continue;
			rump_syscall(SYS_llistxattr, (long)path, (long)list, sizeof(list), 0, 0, 0);
			if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
				walk(path, depth + 1);
			else if (S_ISREG(st.st_mode))
				read_all(path);
			else if (S_ISLNK(st.st_mode))
				rump_syscall(SYS_readlink, (long)path, (long)list, sizeof(list),
				    0, 0, 0);
		}
	}
	rump_sys_close(fd);
}

static void change(void)
{
	char buf[5000];
	int fd;

	memset(buf, 'x', sizeof(buf));
	fd = rump_sys_open("/mnt/new", O_WRONLY | O_CREAT, 0644);
	if (fd >= 0) {
		rump_sys_write(fd, buf, sizeof(buf));
		rump_sys_fsync(fd);
		rump_sys_close(fd);
	}
	rump_sys_mkdir("/mnt/newdir", 0755);
	rump_sys_rename("/mnt/sub/a", "/mnt/newdir/b");
	rump_sys_unlink("/mnt/sub/c");
}

/* Boots and mounts a part of a file: 0, or what mount said, as a positive number. */
static int mount_part(const struct round *r, const char *file, long offset)
{
	long err;

	setenv("RUMP_MEMLIMIT", "96m", 1);
	setenv("RUMP_VERBOSE", "1", 1);
	if (rump_init() || rump_pub_etfs_register_withsize("/dev/d", file, RUMP_ETFS_BLK, offset,
	    r->size))
		exit(100);
	err = rump_syscall(SYS_mount, (long)"/dev/d", (long)"/mnt", (long)r->fs->type, 0, 0, 0);
	if (err == -EACCES)
		err = rump_syscall(SYS_mount, (long)"/dev/d", (long)"/mnt", (long)r->fs->type,
		    MS_RDONLY, 0, 0);
	if (err)
		fprintf(stderr, "mount: %s\n", strerror(-err));
	return -err;
}

/* The image as it should be: gets the files that its mkfs could not put there. */
static int populate(void *arg)
{
	static char buf[70000];
	char name[32];
	int i, fd;

	if (mount_part(arg, "img", 0))
		return 1;
	if (rump_sys_access("/mnt/sub/a", F_OK)) {
		rump_sys_mkdir("/mnt/sub", 0755);
		for (i = 0; i < 5; i++) {
			sprintf(name, "/mnt/sub/%c", 'a' + i);
			fd = rump_sys_open(name, O_WRONLY | O_CREAT, 0644);
			if (fd < 0 || rump_sys_write(fd, buf, sizeof(buf)) != sizeof(buf))
				return 2;
			rump_sys_close(fd);
		}
	}
	return rump_pub_shutdown() ? 3 : 0;
}

static int use(void *arg)
{
	if (!mount_part(arg, "big", GUARD)) {
		walk("/mnt", 0);
		change();
		walk("/mnt", 0);
	}
	rump_pub_shutdown();
	return 0;
}

static void guard(int fd, long at, bool check)
{
	unsigned char want[GUARD], have_[GUARD];

	memset(want, 0xa5, GUARD);
	if (check) {
		ATF_REQUIRE_EQ(GUARD, pread(fd, have_, GUARD, at));
		ATF_REQUIRE_MSG(!memcmp(want, have_, GUARD), "bytes outside of the image changed");
	} else {
		ATF_REQUIRE_EQ(GUARD, pwrite(fd, want, GUARD, at));
	}
}

static long size_of(const char *file)
{
	struct stat st;

	ATF_REQUIRE_EQ(0, stat(file, &st));
	return st.st_size;
}

/* Where there is something other than zeroes: bits there have a meaning. */
static void damage(int fd, long size, unsigned long *state)
{
	int flips = 1 << rnd(state) % 8, tries = 0;
	unsigned char block[512];
	long at;

	while (flips && tries++ < 200000) {
		at = (rnd(state) % 4 ? rnd(state) % (1 << 20) : (long)rnd(state)) % size / 512 * 512;
		if (pread(fd, block, 512, GUARD + at) != 512 ||
		    (block[0] == 0 && !memcmp(block, block + 1, 511)))
			continue;
		block[rnd(state) % 512] ^= 1 << rnd(state) % 8;
		ATF_REQUIRE_EQ(512, pwrite(fd, block, 512, GUARD + at));
		flips--;
	}
}

static void corrupt(const struct fs *fs)
{
	const char *rounds = getenv("RUMP_FUZZ_ROUNDS");
	int n = rounds ? atoi(rounds) : ROUNDS, i, fd, status, ended = 0;
	unsigned long state = SEED;
	struct round r = { .fs = fs };
	long whole;
	char tool[32];

	sscanf(fs->mkfs, "%31s", tool);
	if (!have(tool))
		atf_tc_skip("%s is not installed", tool);
	sh("mkdir -p tree/sub && for i in a b c d e; do head -c 70000 /dev/urandom >tree/sub/$i; "
	    "done && ln -s sub/a tree/link && ln tree/sub/b tree/hard");
	sh("rm -f img; [ %d = 0 ] || truncate -s %dM img", fs->megabytes, fs->megabytes);
	sh(fs->mkfs, "img");
	r.size = whole = size_of("img");
	status = child_end(child_start(populate, &r, "log", NULL), SECONDS);
	if (status) {
		sh("cat log");
		atf_tc_fail("the image does not work even before it is damaged: %#x", status);
	}
	for (i = 0; i < n; i++) {
		sh("truncate -s 0 big && truncate -s %d big && cat img >>big && "
		    "truncate -s %ld big", GUARD, whole + 2L * GUARD);
		fd = open("big", O_RDWR);
		guard(fd, 0, false);
		guard(fd, GUARD + whole, false);
		r.size = whole;
		if (i % 3 == 2)		/* truncated */
			r.size = (long)(rnd(&state) % (whole / 4096)) * 4096 + 4096;
		damage(fd, r.size, &state);
		status = child_end(child_start(use, &r, "log", NULL), SECONDS);
		if (WIFSIGNALED(status)) {
			int sig = WTERMSIG(status);

			ended++;
			if (sig != SIGABRT && sig != SIGSEGV && sig != SIGBUS) {
				sh("cat log");
				atf_tc_fail("round %d: signal %d", i, sig);
			}
			sh("grep -q . log");	/* it has said why */
		} else {
			ATF_CHECK_EQ_MSG(0, WEXITSTATUS(status), "round %d", i);
		}
		guard(fd, 0, true);
		guard(fd, GUARD + whole, true);
		ATF_REQUIRE_EQ(whole + 2L * GUARD, size_of("big"));
		close(fd);
	}
	printf("%d of %d kernels ended\n", ended, n);
}

#define CORRUPT(name, megabytes, mkfs) \
	static const struct fs fs_##name = { #name, mkfs, megabytes }; \
	ATF_TC_WITHOUT_HEAD(name); \
	ATF_TC_BODY(name, tc) { corrupt(&fs_##name); }

CORRUPT(ext2, 8, "mkfs.ext2 -q -F -d tree %s")
CORRUPT(ext4, 16, "mkfs.ext4 -q -F -d tree %s")
CORRUPT(xfs, 320, "mkfs.xfs -q -f %s")
CORRUPT(btrfs, 128, "mkfs.btrfs -q -f -r tree %s")
CORRUPT(vfat, 16, "mkfs.vfat %s >/dev/null")
CORRUPT(exfat, 16, "mkfs.exfat %s >/dev/null")
CORRUPT(iso9660, 0, "xorrisofs -quiet -R -J -o %s tree 2>/dev/null")
CORRUPT(squashfs, 0, "mksquashfs tree %s -quiet -no-progress >/dev/null")

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, ext2);
	ATF_TP_ADD_TC(tp, ext4);
	ATF_TP_ADD_TC(tp, xfs);
	ATF_TP_ADD_TC(tp, btrfs);
	ATF_TP_ADD_TC(tp, vfat);
	ATF_TP_ADD_TC(tp, exfat);
	ATF_TP_ADD_TC(tp, iso9660);
	ATF_TP_ADD_TC(tp, squashfs);
	return atf_no_error();
}
