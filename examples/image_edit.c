/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * image_edit.c - changes a file in a file system image: writes a text into it, and
 * keeps the old one beside it with ".old" behind its name.
 *
 *	cc image_edit.c -lukfs -lrump && ./a.out disk.img,part=2:/etc/hostname newname
 */
#define _GNU_SOURCE 1	/* asprintf */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rump/rump_syscalls.h>
#include <rump/ukfs.h>

static void check(int r, const char *what)
{
	if (r < 0) {
		errno = -r;
		err(1, "%s", what);
	}
}

static void write_line(struct ukfs *fs, const char *path, mode_t mode, const char *text)
{
	int fd = ukfs_open(fs, path, O_WRONLY | O_CREAT | O_EXCL, mode);
	size_t len = strlen(text);

	check(fd, path);
	if (rump_sys_write(fd, text, len) != (ssize_t)len || rump_sys_write(fd, "\n", 1) != 1)
		err(1, "%s", path);
	rump_sys_close(fd);
}

int main(int argc, char **argv)
{
	char *spec, *path, *old;
	struct ukfs *fs;
	struct stat st;

	if (argc != 3 || ukfs_split(argv[1], &spec, &path) != 1)
		errx(2, "usage: %s IMAGE:/PATH TEXT", argv[0]);
	if (ukfs_mount(spec, 0, &fs))
		return 1;		/* it has said why */
	check(ukfs_stat(fs, path, &st), path);
	if (asprintf(&old, "%s.old", path) < 0)
		err(1, "asprintf");
	check(ukfs_rename(fs, path, old), old);
	write_line(fs, path, st.st_mode, argv[2]);
	check(ukfs_chown(fs, path, st.st_uid, st.st_gid), path);
	check(ukfs_release(fs), spec);
	free(old);
	free(spec);
	return 0;
}
