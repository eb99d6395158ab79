/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory.c - what of a rump file becomes the target itself: mmap(2), and execve(2).
 *
 * As in the library (hijack/map.c), a shared mapping is one of the memfd whose pages are those
 * of the rump kernel's page cache (RUMP_CALL_MAP), a private one a copy made now, and a
 * program is executed from a copy.  Each is a file of the host: the target gets a descriptor
 * of it for a moment, and is made to make the call on that (inject.c).
 *
 * Limits: a shared mapping that mremap(2) makes longer has no pages of the file there.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "trap.h"

#define PAGE	4096L

/* A memfd with size bytes of the rump file from off on, or -errno. */
static long copy_of(int rfd, size_t size, long off, unsigned int flags)
{
	long fd = memfd_create("rump", flags), n = 1;
	size_t done = 0;
	char *mem;

	if (fd < 0)
		return -errno;
	mem = size == 0 ? NULL : ftruncate(fd, size) < 0 ? MAP_FAILED :
	    mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED) {
		n = -errno;
		close(fd);
		return n;
	}
	while (done < size && n > 0) {
		n = own(SYS_pread64, rfd, (long)(mem + done), size - done, off + (long)done);
		if (n > 0)
			done += n;
	}
	if (mem)
		munmap(mem, size);
	if (n < 0) {
		close(fd);
		return n;
	}
	return fd;
}

/* The target gets the host's fd, which is closed here: its number, or -errno. */
static long lend(const struct call *c, long fd, int flags)
{
	struct seccomp_notif_addfd add = { .id = c->id, .srcfd = fd, .newfd_flags = flags };
	long ret;

	if (fd < 0)
		return fd;
	ret = ioctl(c->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
	ret = ret < 0 ? -errno : ret;
	close(fd);
	return ret;
}

static long private_copy(int rfd, const struct stat *st, const long a[6])
{
	struct statfs fs;
	long len = (a[1] + PAGE - 1) & -PAGE, left = st->st_size - a[5], fd;

	if (a[2] & PROT_EXEC && own(SYS_fstatfs, rfd, (long)&fs) == 0 && fs.f_flags & ST_NOEXEC)
		return -EPERM;
	if (left < 0)
		left = 0;
	fd = copy_of(rfd, left < len ? left : len, a[5], MFD_CLOEXEC);
	return fd == -EBADF ? -EACCES : fd;		/* not open for reading */
}

long do_mmap(struct call *c, struct object *o)
{
	const long *a = c->a;
	int rfd = object_rfd(o), private = (a[3] & MAP_TYPE) == MAP_PRIVATE;
	struct injection in = { .n = 2 };
	struct stat st;
	long fd;

	serve_lasts();
	fd = own(SYS_fstat, rfd, (long)&st);
	if (fd < 0)
		return fd;
	if (a[3] & MAP_ANONYMOUS)
		return CALL_CONTINUE;
	if (a[5] & (PAGE - 1) || a[5] < 0 || a[1] <= 0)
		return -EINVAL;
	if (!S_ISREG(st.st_mode) && (private || !S_ISSOCK(st.st_mode)))
		return -ENODEV;
	if (private)
		fd = private_copy(rfd, &st, a);
	else
		fd = own(RUMP_CALL_MAP, rfd, a[5], a[1], (a[2] & PROT_WRITE ? RUMP_MAP_WRITE : 0) |
		    (a[2] & PROT_EXEC ? RUMP_MAP_EXEC : 0));
	fd = lend(c, fd == -ENOENT ? -ENODEV : fd, O_CLOEXEC);
	if (fd < 0)
		return fd;
	in.call[0].nr = SYS_mmap;
	memcpy(in.call[0].a, a, sizeof(in.call[0].a));
	in.call[0].a[4] = fd;
	in.call[0].a[5] = private ? 0 : a[5];
	in.call[1].nr = SYS_close;
	in.call[1].a[0] = fd;
	return inject(c, &in);
}

/* A piece of a shared mapping, [from, to) of the target's memory, to be written back. */
static long sync_line(const char *line, unsigned long from, unsigned long to, int op)
{
	unsigned long start, end, off;
	uint64_t id;
	long ret;

	if (sscanf(line, "%lx-%lx %*2cxs %lx", &start, &end, &off) != 3 &&
	    sscanf(line, "%lx-%lx %*3cs %lx", &start, &end, &off) != 3)
		return 0;
	line = strstr(line, "/memfd:rump-map-");
	if (!line || sscanf(line, "/memfd:rump-map-%" SCNu64, &id) != 1 || end <= from || start >= to)
		return 0;
	if (start < from) {
		off += from - start;
		start = from;
	}
	ret = own(RUMP_CALL_MAPPED, op, id, off, (end < to ? end : to) - start);
	return ret == -ENOENT ? 0 : ret;	/* of a kernel that is gone */
}

long do_msync(struct call *c)
{
	unsigned long to = (c->a[0] + c->a[1] + PAGE - 1) & -PAGE;
	char path[64], line[PATH_BUF + 128];
	long ret = 0;
	FILE *f;

	if (!(c->a[2] & (MS_SYNC | MS_ASYNC)))
		return CALL_CONTINUE;
	serve_lasts();
	snprintf(path, sizeof(path), "/proc/%d/maps", c->tid);
	f = fopen(path, "re");
	while (f && ret == 0 && fgets(line, sizeof(line), f))
		ret = sync_line(line, c->a[0], to, c->a[2] & MS_SYNC ? RUMP_MAPPED_SYNC :
		    RUMP_MAPPED_ASYNC);
	if (f)
		fclose(f);
	return ret < 0 ? ret : CALL_CONTINUE;
}

long do_exec_rump(struct call *c, long rfd)
{
	int at = c->nr == SYS_execveat, script;
	struct injection in = { .n = 1, .text = { [1] = "" } };
	struct stat st;
	char head[2];
	long fd;

	serve_lasts();
	fd = own(SYS_fstat, rfd, (long)&st);
	if (fd == 0 && (!S_ISREG(st.st_mode) || !(st.st_mode & 0111)))
		fd = -EACCES;
	if (fd == 0) {
		/* Who reads a script opens it by the descriptor's name. */
		script = own(SYS_pread64, rfd, (long)head, 2, 0) == 2 && memcmp(head, "#!", 2) == 0;
		fd = lend(c, copy_of(rfd, st.st_size, 0, MFD_CLOEXEC), script ? 0 : O_CLOEXEC);
	}
	own(SYS_close, rfd);
	if (fd < 0)
		return fd;
	in.call[0].nr = SYS_execveat;
	in.call[0].a[0] = fd;
	in.call[0].a[2] = c->a[at + 1];
	in.call[0].a[3] = c->a[at + 2];
	in.call[0].a[4] = AT_EMPTY_PATH;
	return inject(c, &in);
}
