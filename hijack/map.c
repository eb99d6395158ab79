/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * map.c - memory of rump descriptors: mmap(2).
 *
 * What a mapping is depends on what the descriptor is open on: one row of kinds[]
 * each, by the type of its inode; what has no row cannot be mapped (ENODEV).
 *
 * A private mapping of a file is a copy, made now.  What lies beyond the file's last
 * page is a mapping of a file of the host that is empty, so that an access there is a
 * SIGBUS, as the host has it.
 *
 * Limits: a private mapping does not see what is written to the file later (POSIX leaves
 * that open), and takes memory for all of it at once.
 */
#include <errno.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "hijack.h"

#define PAGE	4096L

/* Maps what rump descriptor rfd has open; a is what mmap(2) was called with. */
typedef long map_fn(int rfd, const struct stat *st, const long a[6]);

/* Fills memory from the file; what lies beyond its end stays zero. */
static long fill(char *mem, size_t len, int rfd, long off)
{
	size_t done = 0;
	long n = 1;

	while (done < len && n > 0) {
		n = rump(SYS_pread64, rfd, (long)(mem + done), len - done, off + (long)done);
		if (n > 0)
			done += n;
	}
	return n < 0 ? n : 0;
}

/* [mem, mem + len) becomes memory of an empty file. */
static long map_nothing(char *mem, size_t len, long prot)
{
	long fd = host(SYS_memfd_create, "rump-end", MFD_CLOEXEC), ret;

	if (fd < 0)
		return fd;
	ret = host(SYS_mmap, mem, len, prot, MAP_PRIVATE | MAP_FIXED, fd, 0);
	host(SYS_close, fd);
	return host_failed(ret) ? ret : 0;
}

static long map_private(int rfd, const struct stat *st, const long a[6])
{
	long mem, size = (a[1] + PAGE - 1) & -PAGE, err, have = size;
	int fixed = (a[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0;

	if (a[5] & (PAGE - 1) || a[5] < 0)
		return -EINVAL;
	mem = host(SYS_mmap, a[0], a[1], PROT_READ | PROT_WRITE, a[3] | MAP_ANONYMOUS, -1, 0);
	if (host_failed(mem))
		return mem;
	if (S_ISREG(st->st_mode)) {
		have = ((st->st_size + PAGE - 1) & -PAGE) - a[5];
		have = have < 0 ? 0 : have > size ? size : have;
	}
	err = fill((char *)mem, have, rfd, a[5]);
	if (err == -EBADF)
		err = -EACCES;		/* not open for reading */
	if (err == 0 && have)
		err = host(SYS_mprotect, mem, have, a[2]);
	if (err == 0 && have < size)
		err = map_nothing((char *)mem + have, size - have, a[2]);
	if (err < 0 && !fixed)
		host(SYS_munmap, mem, size);
	return err < 0 ? err : mem;
}

static long map_file(int rfd, const struct stat *st, const long a[6])
{
	return (a[3] & MAP_TYPE) == MAP_PRIVATE ? map_private(rfd, st, a) : -ENODEV;
}

static const struct {
	mode_t type;
	map_fn *fn;
} kinds[] = {
	{ S_IFREG, map_file },
	{ S_IFBLK, map_file },
};

long hijack_mmap(long nr, const long a[6])
{
	int rfd = fdmap_rump(a[4]);
	struct stat st;
	unsigned int i;
	long err;

	if (rfd < 0)
		return host_pass(nr, a);
	err = rump(SYS_fstat, rfd, (long)&st);
	if (err < 0)
		return err;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if ((st.st_mode & S_IFMT) == kinds[i].type)
			return kinds[i].fn(rfd, &st, a);
	return -ENODEV;
}
