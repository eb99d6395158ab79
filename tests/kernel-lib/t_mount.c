/* SPDX-License-Identifier: BSD-2-Clause */
/* RUMP_MOUNT, rump_pub_mount(), rump_pub_etfs_*() and shutdown, with the kernel. */
#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rump/rump.h>
#include <rump/rump_syscalls.h>


static void sh(const char *command)
{
	ATF_REQUIRE_EQ_MSG(0, system(command), "%s", command);
}

static void make_ext4(const char *image)
{
	char command[256];

	snprintf(command, sizeof(command), "mkdir -p tree/sub && echo text >tree/sub/file && "
	    "truncate -s 16M '%s' && mkfs.ext4 -q -F -d tree '%s'", image, image);
	sh(command);
}

static int saved_stderr, stderr_fds[2];

static void listen_in(void)
{
	saved_stderr = dup(2);
	ATF_REQUIRE_EQ(0, pipe(stderr_fds));
	dup2(stderr_fds[1], 2);
}

static void check_said(const char *line)
{
	char said[1024];
	ssize_t n;

	dup2(saved_stderr, 2);
	close(stderr_fds[1]);
	n = read(stderr_fds[0], said, sizeof(said) - 1);
	said[n > 0 ? n : 0] = '\0';
	close(stderr_fds[0]);
	ATF_CHECK_STREQ(line, said);
}

static void check_file(const char *path)
{
	char buf[16] = "";
	int fd = rump_sys_open(path, O_RDONLY, 0);

	ATF_REQUIRE_MSG(fd >= 0, "%s: %s", path, strerror(errno));
	ATF_CHECK_EQ(5, rump_sys_read(fd, buf, sizeof(buf)));
	ATF_CHECK_STREQ("text\n", buf);
	rump_sys_close(fd);
}

static int can_write(const char *path)
{
	int fd = rump_sys_open(path, O_WRONLY | O_CREAT, 0644);

	if (fd < 0)
		return -errno;
	rump_sys_close(fd);
	return 0;
}

ATF_TC(environment);
ATF_TC_HEAD(environment, tc)
{
	atf_tc_set_md_var(tc, "descr", "RUMP_MOUNT is there at the first call; shutdown leaves it clean");
	atf_tc_set_md_var(tc, "require.progs", "mkfs.ext4 e2fsck");
}
ATF_TC_BODY(environment, tc)
{
	struct stat st;

	make_ext4("a b.img");
	sh("cp 'a b.img' ro.img");
	setenv("RUMP_MOUNT", "a\\ b.img:/deep/er/mnt,noatime\n ro.img:/ro,ro,type=ext4"
	    " none:/tmp2,type=ramfs", 1);
	ATF_REQUIRE_EQ(0, rump_init());
	check_file("/deep/er/mnt/sub/file");
	check_file("/ro/sub/file");
	ATF_CHECK_EQ(0, can_write("/deep/er/mnt/new"));
	ATF_CHECK_EQ(-EROFS, can_write("/ro/new"));
	ATF_CHECK_EQ(0, can_write("/tmp2/new"));
	ATF_REQUIRE_EQ(0, rump_sys_stat("/dev/img0", &st));
	ATF_CHECK(S_ISBLK(st.st_mode));
	ATF_CHECK(rump_sys_open("/deep/er/mnt/left-open", O_RDWR | O_CREAT, 0600) >= 0);
	ATF_REQUIRE_EQ(0, rump_pub_shutdown());
	ATF_CHECK_EQ(-ESHUTDOWN, rump_pub_shutdown());
	ATF_CHECK_EQ(-1, rump_sys_getpid());
	ATF_CHECK_EQ(ESHUTDOWN, errno);
	sh("e2fsck -f -n 'a b.img' >fsck.log 2>&1 || { cat fsck.log; false; }");
	sh("grep -q clean fsck.log || ! grep -q 'recovering journal' fsck.log");
}

/* A DOS partition table with two entries. */
static void make_table(const char *disk, uint32_t start1, uint32_t len1, uint32_t start2,
    uint32_t len2)
{
	struct {
		uint8_t boot, chs1[3], type, chs2[3];
		uint32_t start, len;
	} __attribute__((packed)) entries[4] = {
		{ .type = 0x83, .start = start1, .len = len1 },
		{ .type = 0x83, .start = start2, .len = len2 },
	};
	int fd = open(disk, O_WRONLY);

	ATF_REQUIRE_EQ(64, pwrite(fd, entries, sizeof(entries), 446));
	ATF_REQUIRE_EQ(2, pwrite(fd, "\x55\xaa", 2, 510));
	close(fd);
}

ATF_TC(partitions);
ATF_TC_HEAD(partitions, tc)
{
	atf_tc_set_md_var(tc, "require.progs", "mkfs.ext4");
}
ATF_TC_BODY(partitions, tc)
{
	make_ext4("fs");
	sh("truncate -s 40M disk && dd if=fs of=disk bs=512 seek=6144 conv=notrunc status=none");
	make_table("disk", 2048, 4096, 6144, 32768);
	ATF_REQUIRE_EQ(0, rump_pub_mount("disk:/mnt,part=2,ro"));
	check_file("/mnt/sub/file");
	listen_in();
	ATF_CHECK_EQ(-ENOENT, rump_pub_mount("disk:/m3,part=3,ro"));
	check_said("rump: mount \"disk:/m3,part=3,ro\": SOURCE has no such partition: "
	    "No such file or directory\n");
	/* The same as a device of the rump kernel. */
	ATF_CHECK_EQ(0, rump_pub_mount("/dev/img0:/again,part=2,ro"));
	check_file("/again/sub/file");
}

ATF_TC(failures);
ATF_TC_HEAD(failures, tc)
{
	atf_tc_set_md_var(tc, "descr", "each gives one line that quotes the specification");
	atf_tc_set_md_var(tc, "require.progs", "mkfs.ext4");
}
ATF_TC_BODY(failures, tc)
{
	sh("truncate -s 1M zeroes");
	ATF_REQUIRE_EQ(0, rump_init());
	listen_in();
	ATF_CHECK_EQ(-EINVAL, rump_pub_mount("zeroes"));
	check_said("rump: mount \"zeroes\": no colon: SOURCE:DIR[,type=T][,ro][,part=N][,isolate] is wanted\n");
	listen_in();
	ATF_CHECK_EQ(-ENOENT, rump_pub_mount("/none:/m"));
	check_said("rump: mount \"/none:/m\": SOURCE is neither a file of the host nor a device of "
	    "the rump kernel: No such file or directory\n");
	listen_in();
	ATF_CHECK_EQ(-EINVAL, rump_pub_mount("zeroes:/m"));
	check_said("rump: mount \"zeroes:/m\": no file system of a known type is there: "
	    "Invalid argument\n");
	listen_in();
	ATF_CHECK_EQ(-ENODEV, rump_pub_mount("zeroes:/m,type=nonesuch"));
	check_said("rump: mount \"zeroes:/m,type=nonesuch\": this kernel has no file system of that type: No such device\n");
	listen_in();
	ATF_CHECK_EQ(-ENOTDIR, rump_pub_mount("zeroes:/proc/version/x"));
	check_said("rump: mount \"zeroes:/proc/version/x\": DIR cannot be made: Not a directory\n");
	/* None of them keeps the image. */
	make_ext4("zeroes");
	ATF_CHECK_EQ(0, rump_pub_mount("zeroes:/m"));
	check_file("/m/sub/file");
}

ATF_TC(etfs);
ATF_TC_HEAD(etfs, tc)
{
	atf_tc_set_md_var(tc, "require.progs", "mkfs.ext4");
}
ATF_TC_BODY(etfs, tc)
{
	static const char *const keys[] = { "", "disk", "/dev/", "/dev/a/b", "/dev/.", "/dev/..",
		"/dev/a-name-that-is-longer-than-the-kernel-has-room-for" };
	char buf[512];
	struct stat st;
	unsigned int i;
	int fd;

	make_ext4("image");
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		ATF_CHECK_EQ_MSG(-EINVAL, rump_pub_etfs_register(keys[i], "image", RUMP_ETFS_BLK),
		    "%s", keys[i]);
	ATF_CHECK_EQ(-ENOENT, rump_pub_etfs_register("/dev/d", "none", RUMP_ETFS_BLK));
	ATF_CHECK_EQ(-EINVAL, rump_pub_etfs_register("/dev/d", "image", 7));
	ATF_REQUIRE_EQ(0, rump_pub_etfs_register("/dev/d", "image", RUMP_ETFS_BLK_RO));
	ATF_CHECK_EQ(-EEXIST, rump_pub_etfs_register("/dev/d", "image", RUMP_ETFS_BLK_RO));
	fd = rump_sys_open("/dev/d", O_RDONLY, 0);
	ATF_REQUIRE(fd >= 0);
	ATF_CHECK_EQ(16 << 20, rump_sys_lseek(fd, 0, SEEK_END));
	ATF_CHECK_EQ(512, rump_sys_pread64(fd, buf, 512, 1024));
	ATF_CHECK_EQ(0x53, buf[56]);
	ATF_CHECK_EQ(-EBUSY, rump_pub_etfs_remove("/dev/d"));
	rump_sys_close(fd);
	ATF_CHECK_EQ(0, rump_pub_etfs_remove("/dev/d"));
	ATF_CHECK_EQ(-ENOENT, rump_pub_etfs_remove("/dev/d"));
	ATF_CHECK_EQ(-1, rump_sys_stat("/dev/d", &st));

	/* A part of the file: the superblock is at its start then. */
	ATF_REQUIRE_EQ(0, rump_pub_etfs_register_withsize("/dev/d", "image", RUMP_ETFS_BLK, 1024,
	    4096));
	fd = rump_sys_open("/dev/d", O_RDWR, 0);
	ATF_REQUIRE(fd >= 0);
	ATF_CHECK_EQ(4096, rump_sys_lseek(fd, 0, SEEK_END));
	ATF_CHECK_EQ(512, rump_sys_pread64(fd, buf, 512, 0));
	ATF_CHECK_EQ(0x53, buf[56]);
	ATF_CHECK_EQ(-1, rump_sys_pwrite64(fd, buf, 512, 4096));
	ATF_CHECK_EQ(ENOSPC, errno);
	rump_sys_close(fd);
	ATF_CHECK_EQ(0, rump_pub_etfs_remove("/dev/d"));
}

ATF_TC_WITHOUT_HEAD(errors);
ATF_TC_BODY(errors, tc)
{
	ATF_CHECK_EQ(-1, rump_sys_close(12345));
	ATF_CHECK_EQ(EBADF, errno);
	errno = 0;
	ATF_CHECK(rump_sys_getpid() > 0);
	ATF_CHECK_EQ(0, errno);
	ATF_CHECK_EQ(-ENOSYS, rump_syscall(100000, 0, 0, 0, 0, 0, 0));
	ATF_CHECK_EQ(-ENOSYS, rump_syscall(-1, 0, 0, 0, 0, 0, 0));
}

static void *boot(void *arg)
{
	(void)arg;
	return (void *)(long)(rump_init() || rump_sys_access("/t", F_OK));
}

ATF_TC(boot_race);
ATF_TC_HEAD(boot_race, tc)
{
	atf_tc_set_md_var(tc, "descr", "threads that boot at once get one kernel, with its mounts");
}
ATF_TC_BODY(boot_race, tc)
{
	pthread_t threads[8];
	unsigned int i;
	void *failed;

	setenv("RUMP_MOUNT", "none:/t,type=ramfs", 1);
	for (i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, boot, NULL);
	for (i = 0; i < 8; i++) {
		pthread_join(threads[i], &failed);
		ATF_CHECK_EQ(NULL, failed);
	}
}

static void *open_null(void *arg)
{
	*(int *)arg = rump_sys_open("/dev/null", O_RDONLY, 0);
	return NULL;
}

ATF_TC(fds_outlive_threads);
ATF_TC_HEAD(fds_outlive_threads, tc)
{
	atf_tc_set_md_var(tc, "descr", "the default process stays when the last of its threads ends");
}
ATF_TC_BODY(fds_outlive_threads, tc)
{
	pthread_t thread;
	int fd, i;
	char c;

	for (i = 0; i < 20; i++) {
		pthread_create(&thread, NULL, open_null, &fd);
		pthread_join(thread, NULL);
		ATF_REQUIRE_EQ(i, fd);
	}
	ATF_CHECK_EQ(0, rump_sys_read(fd, &c, 1));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, environment);
	ATF_TP_ADD_TC(tp, partitions);
	ATF_TP_ADD_TC(tp, failures);
	ATF_TP_ADD_TC(tp, etfs);
	ATF_TP_ADD_TC(tp, errors);
	ATF_TP_ADD_TC(tp, boot_race);
	ATF_TP_ADD_TC(tp, fds_outlive_threads);
	return atf_no_error();
}
