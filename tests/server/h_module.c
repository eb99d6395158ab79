/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h_module.c - rump_module_load() in a program of its own kernel: FILE.ko is loaded twice, and
 * /proc/counter printed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <rump/rump.h>
#include <rump/rump_syscalls.h>

int main(int argc, char **argv)
{
	char line[64], args[32];
	long n;
	int i, fd, err;

	for (i = 0; argc == 2 && i < 2; i++) {
		snprintf(args, sizeof(args), "start=%d", 10 * (i + 1));
		err = rump_module_load(argv[1], args);
		if (err) {
			printf("%s\n", strerror(-err));
			return 1;
		}
		fd = rump_sys_open("/proc/counter", O_RDONLY, 0);
		n = rump_sys_read(fd, line, sizeof(line));
		if (n > 0)
			printf("%.*s", (int)n, line);
		err = rump_module_unload("counter");
		printf("unload: %s\n", err ? strerror(-err) : "ok");
		rump_sys_close(fd);
		err = rump_module_unload("counter");
		printf("unload: %s\n", err ? strerror(-err) : "ok");
	}
	return 0;
}
