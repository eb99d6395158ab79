/* SPDX-License-Identifier: BSD-2-Clause */
/* File systems on images of the host; its own fsck judges what we leave behind. */
#include "sys.h"

#include <dirent.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

struct fs {
	const char *type, *mkfs, *fsck, *options;
	int megabytes;
	bool links;		/* hard and symbolic links, owners, modes */
};

static const struct fs ext4 = { "ext4", "mkfs.ext4 -q -F", "e2fsck -f -n", "", 64, true };
static const struct fs ext2_on_ext4 = { "ext2", "mkfs.ext2 -q -F", "e2fsck -f -n", "", 32, true };
static const struct fs ext4_1k = { "ext4", "mkfs.ext4 -q -F -b 1024", "e2fsck -f -n", "", 32, true };
static const struct fs xfs = { "xfs", "mkfs.xfs -q -f", "xfs_repair -n", "", 320, true };
static const struct fs btrfs = { "btrfs", "mkfs.btrfs -q -f", "btrfs check", "", 160, true };
static const struct fs vfat = { "vfat", "mkfs.vfat -F 32", "fsck.vfat -n", "", 64, false };

static void
fill(char *buf, size_t n, unsigned int seed)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = (i * 2654435761u + seed * 40503u) >> 11;
}

/* Many small files, one large one, holes, renames, truncation; then it is read back. */
static void
work(const struct fs *fs)
{
	static char buf[1 << 16], back[1 << 16];
	struct stat st;
	char name[64], to[64];
	int fd;

	MUST(mkdir, "/mnt/dir", 0755);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "/mnt/dir/file%d", i);
		fd = MUST(openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_EXCL, 0644);
		fill(buf, 100 * i, i);
		ATF_REQUIRE_EQ(MUST(write, fd, buf, 100 * i), 100 * i);
		MUST(close, fd);
	}
	for (int i = 0; i < 200; i += 2) {
		snprintf(name, sizeof(name), "/mnt/dir/file%d", i);
		snprintf(to, sizeof(to), "/mnt/dir/renamed%d", i);
		MUST(rename, name, to);
	}
	for (int i = 1; i < 200; i += 4) {
		snprintf(name, sizeof(name), "/mnt/dir/file%d", i);
		MUST(unlink, name);
	}
	fd = MUST(openat, AT_FDCWD, "/mnt/large", O_RDWR | O_CREAT, 0600);
	for (int i = 0; i < 128; i++) {
		fill(buf, sizeof(buf), i);
		ATF_REQUIRE_EQ(MUST(write, fd, buf, sizeof(buf)), (long)sizeof(buf));
	}
	MUST(fsync, fd);
	MUST(ftruncate, fd, 5000001);
	MUST(pwrite64, fd, "end", 3, 6000000);
	MUST(close, fd);
	if (fs->links) {
		MUST(link, "/mnt/large", "/mnt/hard");
		MUST(symlink, "large", "/mnt/soft");
		MUST(chown, "/mnt/large", 12, 34);
		MUST(chmod, "/mnt/large", 04711);
		MUST(setxattr, "/mnt/large", "user.rump", "value", 5, 0);
		MUST(mknod, "/mnt/fifo", S_IFIFO | 0600, 0);
	}
	MUST(sync);
	MUST(umount2, "/mnt", 0);
	MUST(mount, "/dev/img", "/mnt", fs->type, 0, fs->options);

	fd = MUST(openat, AT_FDCWD, fs->links ? "/mnt/soft" : "/mnt/large", O_RDONLY);
	MUST(fstat, fd, &st);
	ATF_CHECK_EQ(st.st_size, 6000003);
	if (fs->links) {
		ATF_CHECK_EQ(st.st_mode, (mode_t)(S_IFREG | 04711));
		ATF_CHECK_EQ(st.st_uid, 12);
		ATF_CHECK_EQ(st.st_nlink, 2);
		ATF_CHECK_EQ(MUST(fgetxattr, fd, "user.rump", back, 10), 5);
	}
	for (off_t off = 0; off < st.st_size; off += sizeof(buf)) {
		long n = st.st_size - off < (off_t)sizeof(buf) ? st.st_size - off : (off_t)sizeof(buf);

		fill(buf, sizeof(buf), off / sizeof(buf));
		for (long i = 0; i < n; i++)
			if (off + i >= 5000001)
				buf[i] = off + i >= 6000000 ? "end"[off + i - 6000000] : 0;
		ATF_REQUIRE_EQ(MUST(read, fd, back, sizeof(back)), n);
		ATF_REQUIRE_MSG(memcmp(buf, back, n) == 0, "/mnt/large differs near %ld", (long)off);
	}
	ATF_CHECK_EQ(MUST(read, fd, back, 1), 0);
	MUST(close, fd);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "/mnt/dir/%s%d", i % 2 ? "file" : "renamed", i);
		if (i % 4 == 1) {
			MUSTFAIL(ENOENT, newfstatat, AT_FDCWD, name, &st, 0);
			continue;
		}
		fd = MUST(openat, AT_FDCWD, name, O_RDONLY);
		fill(buf, 100 * i, i);
		ATF_REQUIRE_EQ(MUST(read, fd, back, sizeof(back)), 100 * i);
		ATF_REQUIRE(memcmp(buf, back, 100 * i) == 0);
		MUST(close, fd);
	}
	MUSTFAIL(ENOTEMPTY, rmdir, "/mnt/dir");
	MUSTFAIL(EXDEV, rename, "/mnt/large", "/tmp/large");
}

/* Fills the file system, is told so, and can go on after a removal (lesson 76). */
static void
fill_up(void)
{
	static char buf[1 << 16];
	int fd = MUST(openat, AT_FDCWD, "/mnt/full", O_WRONLY | O_CREAT, 0600);
	long n;

	while ((n = S(write, fd, buf, sizeof(buf))) > 0)
		;
	if (n == 0)
		n = -ENOSPC;
	ATF_CHECK_EQ_MSG(n, -ENOSPC, "a full file system says %ld", n);
	MUST(close, fd);
	MUST(unlink, "/mnt/full");
	MUST(sync);
	fd = MUST(openat, AT_FDCWD, "/mnt/after", O_WRONLY | O_CREAT, 0600);
	ATF_CHECK_EQ(MUST(write, fd, buf, sizeof(buf)), (long)sizeof(buf));
	MUST(fsync, fd);
	MUST(close, fd);
}

static void
on_image(const struct fs *fs)
{
	int tool = strcspn(fs->mkfs, " ");
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "command -v %.*s >/dev/null", tool, fs->mkfs);
	if (system(cmd) != 0)
		atf_tc_skip("%.*s is not installed", tool, fs->mkfs);
	sys_sh("truncate -s %dM img && %s img >mkfs.log 2>&1", fs->megabytes, fs->mkfs);
	sys_etfs("/dev/img", "img");
	S(mkdir, "/mnt", 0755);
	MUST(mount, "/dev/img", "/mnt", fs->type, 0, fs->options);
	work(fs);
	fill_up();
	MUST(umount2, "/mnt", 0);
	sys_shutdown();
	sys_sh("%s img >fsck.log 2>&1 || { cat fsck.log; exit 1; }", fs->fsck);
}

#define IMAGE_TEST(name) \
	ATF_TC_WITHOUT_HEAD(name); \
	ATF_TC_BODY(name, tc) { on_image(&name); }
IMAGE_TEST(ext4)
IMAGE_TEST(ext2_on_ext4)
IMAGE_TEST(ext4_1k)
IMAGE_TEST(xfs)
IMAGE_TEST(btrfs)
IMAGE_TEST(vfat)

/* Shutdown writes back and unmounts what still is mounted and open (lesson 67). */
ATF_TC_WITHOUT_HEAD(shutdown_while_open);
ATF_TC_BODY(shutdown_while_open, tc)
{
	int fd;

	sys_sh("truncate -s 32M img && mkfs.ext4 -q -F img");
	sys_etfs("/dev/img", "img");
	S(mkdir, "/mnt", 0755);
	MUST(mount, "/dev/img", "/mnt", "ext4", 0, "");
	fd = MUST(openat, AT_FDCWD, "/mnt/open", O_WRONLY | O_CREAT, 0644);
	MUST(write, fd, "still here", 10);
	sys_shutdown();
	sys_sh("e2fsck -f -n img >fsck.log 2>&1 || { cat fsck.log; exit 1; }");
	sys_sh("test \"$(debugfs -R 'cat open' img 2>/dev/null)\" = 'still here'");
}

ATF_TC_WITHOUT_HEAD(ramfs);
ATF_TC_BODY(ramfs, tc)
{
	struct statfs st;
	int fd;

	if (sys_where() == SYS_HOST)
		atf_tc_skip("nothing is mounted on the host");
	S(mkdir, "/mnt", 0755);
	MUST(mount, "none", "/mnt", "tmpfs", 0, "");
	MUST(statfs, "/mnt", &st);
	fd = MUST(openat, AT_FDCWD, "/mnt/f", O_RDWR | O_CREAT, 0600);
	MUST(write, fd, "ram", 3);
	MUSTFAIL(EBUSY, umount2, "/mnt", 0);
	MUST(close, fd);
	MUST(umount2, "/mnt", 0);
}

/* An image and a copy-up over it. */
ATF_TC_WITHOUT_HEAD(overlay);
ATF_TC_BODY(overlay, tc)
{
	static const char *const dirs[] = { "/o", "/o/lower", "/o/upper", "/o/work", "/o/merged" };
	char buf[16];
	int fd;

	if (sys_where() == SYS_HOST)
		atf_tc_skip("nothing is mounted on the host");
	for (size_t i = 0; i < 5; i++)
		MUST(mkdir, dirs[i], 0755);
	fd = MUST(openat, AT_FDCWD, "/o/lower/f", O_WRONLY | O_CREAT, 0644);
	MUST(write, fd, "lower", 5);
	MUST(close, fd);
	MUST(mount, "o", "/o/merged", "overlay", 0, "lowerdir=/o/lower,upperdir=/o/upper,workdir=/o/work");
	fd = MUST(openat, AT_FDCWD, "/o/merged/f", O_RDWR);
	ATF_CHECK_EQ(MUST(read, fd, buf, sizeof(buf)), 5);
	MUST(pwrite64, fd, "UPPER", 5, 0);
	MUST(close, fd);
	fd = MUST(openat, AT_FDCWD, "/o/upper/f", O_RDONLY);
	ATF_CHECK_EQ(MUST(read, fd, buf, sizeof(buf)), 5);
	ATF_CHECK(memcmp(buf, "UPPER", 5) == 0);
	MUST(close, fd);
	MUST(umount2, "/o/merged", 0);
}

/* Lesson 94: concurrent renames of one file; lookups meanwhile. */
static long
rename_often(void *arg)
{
	const char *const *pair = arg;

	for (int i = 0; i < 2000; i++) {
		S(rename, pair[0], pair[1]);
		S(rename, pair[1], pair[0]);
	}
	return 0;
}

ATF_TC_WITHOUT_HEAD(concurrent_rename);
ATF_TC_BODY(concurrent_rename, tc)
{
	static const char *const ab[] = { "/tmp/ra", "/tmp/rb" }, *const ba[] = { "/tmp/rb", "/tmp/ra" },
		*const ac[] = { "/tmp/ra", "/tmp/rc" };
	struct sys_thread *t[3];
	int found = 0;

	MUST(close, MUST(openat, AT_FDCWD, "/tmp/ra", O_WRONLY | O_CREAT, 0600));
	t[0] = sys_spawn(rename_often, (void *)ab);
	t[1] = sys_spawn(rename_often, (void *)ba);
	t[2] = sys_spawn(rename_often, (void *)ac);
	for (int i = 0; i < 3; i++)
		sys_join(t[i]);
	for (char c = 'a'; c <= 'c'; c++) {
		char name[] = "/tmp/r?";

		name[6] = c;
		found += S(unlink, name) == 0;
	}
	ATF_CHECK_EQ(found, 1);
}

ATF_TC_WITHOUT_HEAD(device_errors);
ATF_TC_BODY(device_errors, tc)
{
	sys_sh("truncate -s 1M empty");
	sys_etfs("/dev/empty", "empty");
	S(mkdir, "/mnt", 0755);
	MUSTFAIL(EINVAL, mount, "/dev/empty", "/mnt", "ext4", 0, "");
	MUSTFAIL(ENODEV, mount, "/dev/empty", "/mnt", "nosuchfs", 0, "");
	MUSTFAIL(ENOENT, mount, "/dev/nosuch", "/mnt", "ext4", 0, "");
	MUSTFAIL(ENOENT, mount, "/dev/empty", "/nosuch", "ext4", 0, "");
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, ext4);
	ATF_TP_ADD_TC(tp, ext2_on_ext4);
	ATF_TP_ADD_TC(tp, ext4_1k);
	ATF_TP_ADD_TC(tp, xfs);
	ATF_TP_ADD_TC(tp, btrfs);
	ATF_TP_ADD_TC(tp, vfat);
	ATF_TP_ADD_TC(tp, shutdown_while_open);
	ATF_TP_ADD_TC(tp, ramfs);
	ATF_TP_ADD_TC(tp, overlay);
	ATF_TP_ADD_TC(tp, concurrent_rename);
	ATF_TP_ADD_TC(tp, device_errors);
	return atf_no_error();
}
