/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * module.c - rump insmod and rump rmmod: kernel modules of a rump_server that runs, as its
 * client.  Only a server that trusts its clients has these calls for them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rump/rumpclient.h>

#include "rump.h"

static const char *why(long err)
{
	switch (-err) {
	case ENOSYS:
		return "the server was not started with --trust-clients; rump_server -m loads modules, too";
	case ENOEXEC:
		return "it was not built for this kernel: rump log says what differs";
	}
	return strerror(-err);
}

static char *arguments(char **argv)
{
	size_t len = 1;
	char **a, *s;

	for (a = argv; *a; a++)
		len += strlen(*a) + 1;
	s = calloc(1, len);
	if (!s)
		die(1, "out of memory");
	for (a = argv; *a; a++) {
		strcat(s, *a);
		if (a[1])
			strcat(s, " ");
	}
	return s;
}

int cmd_insmod(int argc, char **argv)
{
	struct stat st;
	void *image;
	long ret;
	int fd;

	while (rump_next_option(argc, argv) >= 0)
		;
	rump_operands(argc, argv, 2, -1);
	argv += optind;
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		die(1, "insmod: %s: %s", argv[1], strerror(errno));
	image = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (image == MAP_FAILED)
		die(1, "insmod: %s: %s", argv[1], strerror(errno));
	rump_connect(argv[0]);
	ret = RUMP_CALL(SYS_init_module, image, st.st_size, arguments(argv + 2));
	if (ret < 0)
		die(1, "insmod: %s: %s", argv[1], why(ret));
	return 0;
}

int cmd_rmmod(int argc, char **argv)
{
	long ret;

	while (rump_next_option(argc, argv) >= 0)
		;
	rump_operands(argc, argv, 2, 2);
	argv += optind;
	rump_connect(argv[0]);
	ret = RUMP_CALL(SYS_delete_module, argv[1], O_NONBLOCK, 0);
	if (ret < 0)
		die(1, "rmmod: %s: %s", argv[1], ret == -ENOENT ? "no such module is loaded" : why(ret));
	return 0;
}
