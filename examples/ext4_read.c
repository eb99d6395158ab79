/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ext4_read.c - looks into a file system image with no privilege and no mount on
 * the host: lists a directory and prints a file.
 *
 *	cc ext4_read.c -lrump && ./a.out IMAGE [DIRECTORY [FILE]]
 */
#define _GNU_SOURCE 1	/* asprintf */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <rump/rump.h>
#include <rump/rump_syscalls.h>

/* What getdents64(2) fills the buffer with. */
struct entry {
	uint64_t ino;
	int64_t off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

static void list(const char *dir)
{
	char buf[4096] __attribute__((aligned(8)));
	const struct entry *e;
	struct stat st;
	ssize_t n, at;
	int fd;

	fd = rump_sys_open(dir, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		err(1, "%s", dir);
	while ((n = rump_sys_getdents64(fd, buf, sizeof(buf))) > 0) {
		for (at = 0; at < n; at += e->reclen) {
			e = (const struct entry *)(buf + at);
			if (rump_sys_newfstatat(fd, e->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
				err(1, "%s/%s", dir, e->name);
			printf("%6o %10lld  %s\n", st.st_mode, (long long)st.st_size, e->name);
		}
	}
	if (n < 0)
		err(1, "%s", dir);
	rump_sys_close(fd);
}

static void print(const char *file)
{
	char buf[65536];
	ssize_t n;
	int fd;

	fd = rump_sys_open(file, O_RDONLY, 0);
	if (fd < 0)
		err(1, "%s", file);
	while ((n = rump_sys_read(fd, buf, sizeof(buf))) > 0)
		fwrite(buf, 1, n, stdout);
	if (n < 0)
		err(1, "%s", file);
	rump_sys_close(fd);
}

/* path in the image, as a path in the rump kernel; to be freed. */
static char *under_mnt(const char *path)
{
	char *full;

	if (asprintf(&full, "/mnt/%s", path) < 0)
		err(1, "asprintf");
	return full;
}

static void check(int error, const char *what)
{
	if (error) {
		errno = -error;
		err(1, "%s", what);
	}
}

int main(int argc, char **argv)
{
	char *path;

	if (argc < 2 || argc > 4)
		errx(2, "usage: %s IMAGE [DIRECTORY [FILE]]", argv[0]);

	/* The host's file becomes a block device, and that a file system. */
	check(rump_init(), "rump_init");
	check(rump_pub_etfs_register("/dev/image", argv[1], RUMP_ETFS_BLK_RO), argv[1]);
	if (rump_sys_mkdir("/mnt", 0755) < 0 && errno != EEXIST)
		err(1, "mkdir /mnt");
	if (rump_sys_mount("/dev/image", "/mnt", "ext4", MS_RDONLY, NULL) < 0)
		err(1, "mount %s", argv[1]);

	path = under_mnt(argc > 2 ? argv[2] : "");
	list(path);
	free(path);
	if (argc > 3) {
		path = under_mnt(argv[3]);
		print(path);
		free(path);
	}
	check(rump_pub_shutdown(), "shutdown");
	return 0;
}
