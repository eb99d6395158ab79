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

#include <rump/rumpclient.h>

#include "rump.h"

static void join(const char *url)
{
	if (setenv("RUMP_SERVER", url, 1))
		die(1, "out of memory");
	if (rumpclient_init())
		exit(1);		/* it has said why */
}

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

	if (argc < 3)
		die(1, "insmod: the URL of a server and a file are wanted, then NAME=VALUE...");
	fd = open(argv[2], O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		die(1, "insmod: %s: %s", argv[2], strerror(errno));
	image = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (image == MAP_FAILED)
		die(1, "insmod: %s: %s", argv[2], strerror(errno));
	join(argv[1]);
	ret = rumpclient_syscall(SYS_init_module, (long[6]){ (long)image, st.st_size,
	    (long)arguments(argv + 3) });
	if (ret < 0)
		die(1, "insmod: %s: %s", argv[2], why(ret));
	return 0;
}

int cmd_rmmod(int argc, char **argv)
{
	long ret;

	if (argc != 3)
		die(1, "rmmod: the URL of a server and the name of a module are wanted");
	join(argv[1]);
	ret = rumpclient_syscall(SYS_delete_module, (long[6]){ (long)argv[2], O_NONBLOCK });
	if (ret < 0)
		die(1, "rmmod: %s: %s", argv[2], ret == -ENOENT ? "no such module is loaded" : why(ret));
	return 0;
}
