/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * module.c - loading kernel modules from the host's files.
 *
 * Why Linux does not take one it only writes to its log: that goes to the console
 * meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rump/rump.h>
#include <rump/rumpuser.h>

#define CONSOLE_LEVEL		8	/* syslog(2) */
#define LEVEL_ERRORS		4	/* KERN_ERR and what is worse */
#define LEVEL_QUIET		3

static int give(const void *image, size_t len, const char *args)
{
	int err, level = LEVEL_QUIET;
	char verbose[2];

	if (rumpuser_getparam("RUMP_VERBOSE", verbose, sizeof(verbose)) == 0 && verbose[0] == '1')
		level = 0;
	if (level)
		rump_syscall(SYS_syslog, CONSOLE_LEVEL, 0, LEVEL_ERRORS, 0, 0, 0);
	err = rump_syscall(SYS_init_module, (long)image, len, (long)args, 0, 0, 0);
	if (level)
		rump_syscall(SYS_syslog, CONSOLE_LEVEL, 0, level, 0, 0, 0);
	return err;
}

int rump_module_load(const char *path, const char *args)
{
	struct stat st;
	void *image;
	int fd, err;

	err = rump_init();
	if (err)
		return err;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = fstat(fd, &st) ? -errno : S_ISREG(st.st_mode) && st.st_size > 0 ? 0 : -ENOEXEC;
	if (!err) {
		image = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		err = image == MAP_FAILED ? -errno : give(image, st.st_size, args ? args : "");
		if (image != MAP_FAILED)
			munmap(image, st.st_size);
	}
	close(fd);
	return err;
}

int rump_module_unload(const char *name)
{
	int err = rump_init();

	return err ? err : rump_syscall(SYS_delete_module, (long)name, O_NONBLOCK, 0, 0, 0, 0);
}
