/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cat.c - rump cat: files of images on standard output.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rump/rump_syscalls.h>

#include "image.h"

static char buf[256 << 10];

static void cat(const struct ukfs_place *p, const char *arg)
{
	int fd = ukfs_open(p->fs, p->path, O_RDONLY, 0);
	ssize_t n = 0;

	if (fd < 0) {
		image_fail("%s: %s", arg, strerror(-fd));
		return;
	}
	while (!image_stop() && (n = rump_sys_read(fd, buf, sizeof(buf))) > 0)
		if (fwrite(buf, 1, n, stdout) < (size_t)n)
			break;
	if (n < 0)
		image_fail("%s: %s", arg, strerror(errno));
	rump_sys_close(fd);
}

int image_cat(int argc, char **argv)
{
	struct ukfs_place p;
	int i;

	if (argc < 2)
		die(1, "cat: IMAGE:/PATH is wanted");
	for (i = 1; i < argc && !image_stop() && !ferror(stdout); i++) {
		p = image_place(argv[i], UKFS_RDONLY, 0);
		if (p.fs)
			cat(&p, argv[i]);
	}
	return 0;
}
