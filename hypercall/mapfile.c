/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mapfile.c - memory that is both a file's of the rump kernel and its programs'.
 *
 * It is a memfd, which we keep, and programs map.  Each mapping's descriptor is an open file
 * of its own, with a lock (flock) on it, which the host gives back when the last descriptor
 * and the last mapping of it are gone, in whatever process they were inherited to.  So who
 * asks whether a file is still mapped asks for a lock, and believes no program.
 *
 * A program with a descriptor for writing can shorten the memfd: who of us touches a page of
 * it then finds zeroes (ram_repair()).
 *
 * Limit: it takes /proc.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>

#include <rump/rumpuser_sp.h>

#include "hostcall.h"
#include "internal.h"

#define PAGE	4096UL

int rumpuser_map_create(uint64_t id)
{
	char name[40];
	long fd;

	snprintf(name, sizeof(name), RUMPUSER_MAP_NAME "%llu", (unsigned long long)id);
	fd = host(SYS_memfd_create, name, MFD_CLOEXEC);
	if (fd < 0)
		return fd;
	/* Who may only read it is not to open it once more for writing.  In our own process
	 * nothing could keep the program from that, and it may have become another user. */
	host(SYS_fchmod, fd, rumpuser_sp_eventfd() >= 0 ? 0600 : 0666);
	return hostfd_take(fd);
}

int rumpuser_map_open(int map, int writable)
{
	char path[40];
	long fd, err;

	snprintf(path, sizeof(path), "/proc/thread-self/fd/%d", map);
	fd = host(SYS_open, path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	err = host(SYS_flock, fd, LOCK_SH | LOCK_NB);
	if (err < 0) {
		host(SYS_close, fd);
		return err;
	}
	return fd;
}

int rumpuser_map_resize(int map, uint64_t size)
{
	return host(SYS_ftruncate, map, size);
}

int rumpuser_map_used(int map)
{
	if (host(SYS_flock, map, LOCK_EX | LOCK_NB))
		return 1;
	host(SYS_flock, map, LOCK_UN);
	return 0;
}

int rumpuser_map_bind(int map, uint64_t off, void *page, int fill)
{
	long n = fill ? host(SYS_pwrite64, map, page, PAGE, off) : (long)PAGE;

	return n < 0 ? n : n != (long)PAGE ? -EIO : ram_replace(page, map, off);
}

int rumpuser_map_unbind(void *page)
{
	return ram_restore(page);
}

void rumpuser_map_close(int map)
{
	hostfd_release(map);
}

/* A line of /proc/self/maps. */
static void forget_line(const char *line)
{
	unsigned long from, to;

	if (strstr(line, "/memfd:" RUMPUSER_MAP_NAME) && sscanf(line, "%lx-%lx", &from, &to) == 2 &&
	    !ram_has((const void *)from))
		host(SYS_munmap, from, to - from);
}

void mapfile_forget(void)
{
	char buf[4096], line[256];
	size_t len = 0;
	long fd, n, i;

	fd = host(SYS_open, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return;			/* then nothing was ever mapped */
	while ((n = host(SYS_read, fd, buf, sizeof(buf))) > 0) {
		for (i = 0; i < n; i++) {
			if (buf[i] != '\n' && len < sizeof(line) - 1)
				line[len++] = buf[i];
			if (buf[i] != '\n')
				continue;
			line[len] = '\0';
			len = 0;
			forget_line(line);
		}
	}
	host(SYS_close, fd);
}
