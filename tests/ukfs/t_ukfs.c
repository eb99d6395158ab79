/* SPDX-License-Identifier: BSD-2-Clause */
/* libukfs as a program uses it: each function, and that no name leads out of the image. */
#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <rump/rump_syscalls.h>
#include <rump/ukfs.h>

#define OK(expr) do {							\
	long r_ = (expr);						\
	ATF_REQUIRE_MSG(r_ >= 0, #expr ": %s", strerror(-r_));		\
} while (0)
#define FAILS(err, expr) do {						\
	long r_ = (expr);						\
	ATF_CHECK_MSG(r_ == -(err), #expr ": %ld, want %d", r_, -(err));	\
} while (0)

static struct ukfs *image(void)
{
	struct ukfs *fs;

	ATF_REQUIRE_EQ(0, system("truncate -s 32M disk.img && mkfs.ext4 -qF disk.img"));
	OK(ukfs_mount("disk.img", 0, &fs));
	return fs;
}

static void fsck(void)
{
	ATF_CHECK_EQ(0, system("e2fsck -fn disk.img >fsck.out 2>&1"));
}

static void put(struct ukfs *fs, const char *path, const char *text)
{
	int fd = ukfs_open(fs, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	OK(fd);
	ATF_REQUIRE_EQ((ssize_t)strlen(text), rump_sys_write(fd, text, strlen(text)));
	rump_sys_close(fd);
}

static void holds(struct ukfs *fs, const char *path, const char *text)
{
	int fd = ukfs_open(fs, path, O_RDONLY, 0);
	char buf[64] = "";

	ATF_REQUIRE_MSG(fd >= 0, "%s: %s", path, strerror(-fd));
	ATF_REQUIRE(rump_sys_read(fd, buf, sizeof(buf) - 1) >= 0);
	ATF_CHECK_STREQ(text, buf);
	rump_sys_close(fd);
}

static int count(void *arg, const char *name)
{
	(void)name;
	++*(int *)arg;
	return 0;
}

ATF_TC_WITHOUT_HEAD(functions);
ATF_TC_BODY(functions, tc)
{
	const struct timespec times[2] = { { 1000, 123456789 }, { 2000, 987654321 } };
	struct ukfs *fs = image(), *again;
	struct statfs sf;
	struct stat st;
	char buf[256];
	int n = 0;

	OK(ukfs_mkdir(fs, "/d", 0750));
	put(fs, "d/f", "hello");
	OK(ukfs_symlink(fs, "f", "/d/l"));
	OK(ukfs_link(fs, "/d/f", "/d/g"));
	OK(ukfs_mknod(fs, "/d/null", S_IFCHR | 0666, makedev(1, 3)));
	OK(ukfs_list(fs, "/d/", count, &n));
	ATF_CHECK_EQ(4, n);
	OK(ukfs_stat(fs, "/d/l", &st));
	ATF_CHECK(S_ISREG(st.st_mode) && st.st_nlink == 2 && st.st_size == 5);
	OK(ukfs_lstat(fs, "/d/l", &st));
	ATF_CHECK(S_ISLNK(st.st_mode));
	ATF_CHECK_EQ(1, ukfs_readlink(fs, "/d/l", buf, sizeof(buf)));
	OK(ukfs_chmod(fs, "/d/l", 0600));
	OK(ukfs_chown(fs, "/d/l", 12, 34));
	OK(ukfs_lchown(fs, "/d/l", 56, 78));
	OK(ukfs_utimens(fs, "/d/l", times));
	OK(ukfs_stat(fs, "/d/f", &st));
	ATF_CHECK((st.st_mode & 07777) == 0600 && st.st_uid == 12 && st.st_gid == 34);
	ATF_CHECK(st.st_mtim.tv_sec == 2000 && st.st_mtim.tv_nsec == 987654321);
	OK(ukfs_lutimens(fs, "/d/l", times));
	OK(ukfs_lstat(fs, "/d/l", &st));
	ATF_CHECK(st.st_uid == 56 && st.st_mtim.tv_nsec == 987654321);
	OK(ukfs_setxattr(fs, "/d/l", "user.a", "b", 1, 0));
	ATF_CHECK_EQ(1, ukfs_getxattr(fs, "/d/f", "user.a", buf, sizeof(buf)));
	ATF_CHECK_EQ(7, ukfs_listxattr(fs, "/d/f", buf, sizeof(buf)));
	OK(ukfs_removexattr(fs, "/d/f", "user.a"));
	OK(ukfs_truncate(fs, "/d/g", 2));
	holds(fs, "/d/f", "he");
	OK(ukfs_rename(fs, "/d/g", "/moved"));
	holds(fs, "moved", "he");
	OK(ukfs_statfs(fs, "/", &sf));
	ATF_CHECK_EQ(0xef53, sf.f_type);
	OK(ukfs_sync(fs));
	FAILS(ENOTEMPTY, ukfs_rmdir(fs, "/d"));
	FAILS(EISDIR, ukfs_unlink(fs, "/d"));
	FAILS(EINVAL, ukfs_mkdir(fs, "/", 0755));
	FAILS(EINVAL, ukfs_rmdir(fs, "/d/.."));
	FAILS(ENOENT, ukfs_stat(fs, "/none", &st));
	OK(ukfs_unlink(fs, "/d/l"));
	OK(ukfs_unlink(fs, "/d/f"));
	OK(ukfs_unlink(fs, "/d/null"));
	OK(ukfs_rmdir(fs, "/d/"));

	/* One that is open keeps the image. */
	n = ukfs_open(fs, "/moved", O_RDONLY, 0);
	OK(n);
	FAILS(EBUSY, ukfs_release(fs));
	rump_sys_close(n);
	OK(ukfs_release(fs));
	fsck();
	OK(ukfs_mount("disk.img,ro", 0, &again));
	holds(again, "/moved", "he");
	FAILS(EROFS, ukfs_mkdir(again, "/x", 0755));
	OK(ukfs_release(again));
}

ATF_TC_WITHOUT_HEAD(inside);
ATF_TC_BODY(inside, tc)
{
	struct ukfs *fs = image();
	struct stat st, proc;

	OK(ukfs_mkdir(fs, "/a", 0755));
	put(fs, "/in", "in");
	OK(ukfs_symlink(fs, "/in", "/a/absolute"));
	OK(ukfs_symlink(fs, "../../../../in", "/a/up"));
	OK(ukfs_symlink(fs, "/proc/self/root", "/a/magic"));
	OK(ukfs_symlink(fs, "/..", "/a/top"));
	holds(fs, "/a/absolute", "in");
	holds(fs, "/a/up", "in");
	holds(fs, "/../../a/../in", "in");
	holds(fs, "/a/top/in", "in");
	FAILS(ENOENT, ukfs_stat(fs, "/a/magic", &st));
	FAILS(ENOENT, ukfs_stat(fs, "/../proc/version", &st));
	ATF_REQUIRE_EQ(0, rump_sys_stat("/proc/version", &proc));
	FAILS(ENOENT, ukfs_mkdir(fs, "/a/top/proc/x", 0755));
	OK(ukfs_mkdir(fs, "/a/top/made", 0755));
	OK(ukfs_stat(fs, "/made", &st));
	OK(ukfs_release(fs));
	fsck();
}

ATF_TC_WITHOUT_HEAD(copying);
ATF_TC_BODY(copying, tc)
{
	struct ukfs *fs = image();
	struct ukfs_copy how = { .recursive = 1 };
	struct stat st;

	ATF_REQUIRE_EQ(0, system("mkdir -p t/u && echo x >t/u/f && ln t/u/f t/g"));
	OK(ukfs_copy(&(struct ukfs_place){ NULL, "t" }, &(struct ukfs_place){ fs, "/t" }, &how));
	OK(ukfs_copy(&(struct ukfs_place){ fs, "/t" }, &(struct ukfs_place){ fs, "/t2" }, &how));
	OK(ukfs_stat(fs, "/t2/g", &st));
	ATF_CHECK_EQ(2, st.st_nlink);
	FAILS(ELOOP, ukfs_copy(&(struct ukfs_place){ fs, "/t2" }, &(struct ukfs_place){ fs, "/t2/u/c" },
	    &how));
	/* Onto itself, by its name and by a link's: nothing happens to it. */
	FAILS(EEXIST, ukfs_copy(&(struct ukfs_place){ fs, "/t" }, &(struct ukfs_place){ fs, "/t/." },
	    &how));
	FAILS(EEXIST, ukfs_copy(&(struct ukfs_place){ fs, "/t/g" }, &(struct ukfs_place){ fs, "/t/u/f" },
	    &how));
	FAILS(EEXIST, ukfs_copy(&(struct ukfs_place){ NULL, "t/g" }, &(struct ukfs_place){ NULL, "t/g" },
	    &how));
	holds(fs, "/t/g", "x\n");
	how.recursive = 0;
	FAILS(EISDIR, ukfs_copy(&(struct ukfs_place){ fs, "/t2" }, &(struct ukfs_place){ fs, "/t3" },
	    &how));
	FAILS(ENOENT, ukfs_copy(&(struct ukfs_place){ fs, "/no" }, &(struct ukfs_place){ fs, "/t3" },
	    &how));
	/* A link in the way is replaced, not followed. */
	OK(ukfs_symlink(fs, "/t/g", "/way"));
	ATF_REQUIRE_EQ(0, system("echo new >n"));
	OK(ukfs_copy(&(struct ukfs_place){ NULL, "n" }, &(struct ukfs_place){ fs, "/way" }, &how));
	holds(fs, "/way", "new\n");
	holds(fs, "/t/g", "x\n");
	OK(ukfs_release(fs));
	fsck();
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, functions);
	ATF_TP_ADD_TC(tp, inside);
	ATF_TP_ADD_TC(tp, copying);
	return atf_no_error();
}
