/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * map.c - memory of rump descriptors: mmap(2), mremap(2), msync(2).
 *
 * What a mapping is depends on what the descriptor is open on: one row of kinds[]
 * each, by the type of its inode; what has no row cannot be mapped (ENODEV).
 *
 * A shared mapping of a file is one of a memfd of the host, whose pages are those of the rump
 * kernel's page cache (RUMP_CALL_MAP).  From then on it is the host's: munmap(2), mprotect(2),
 * fork(2) and exec need nothing of us, and the rump kernel finds out by itself what has been
 * written, and when nobody has it mapped any more.  What it must be told, or asked for (msync,
 * a mapping that grows), concerns the file whose memory lies there: the host knows
 * (/proc/self/maps), so we keep no list that could be wrong; only between which addresses
 * there ever was any.
 *
 * That of a packet socket is the memory of its rings, in the same way: libpcap, so tcpdump
 * and tshark, reads packets from one.
 *
 * A private mapping of a file is a copy, made now.  What lies beyond the file's last
 * page is a mapping of a file of the host that is empty, so that an access there is a
 * SIGBUS, as the host has it.
 *
 * Limits: a private mapping does not see what is written to the file later (POSIX leaves
 * that open), and takes memory for all of it at once.  A shared one, of a kernel on another
 * host or without /proc here: ENODEV.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "hijack.h"

#define PAGE	4096L

/* Maps what rump descriptor rfd has open; a is what mmap(2) was called with. */
typedef long map_fn(int rfd, const struct stat *st, const long a[6]);

/* ---- private mappings ---------------------------------------------------------------- */

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
	struct statfs fs;

	if (a[5] & (PAGE - 1) || a[5] < 0)
		return -EINVAL;
	if (a[2] & PROT_EXEC && rump(SYS_fstatfs, rfd, (long)&fs) == 0 && fs.f_flags & ST_NOEXEC)
		return -EPERM;
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

/* ---- shared mappings --------------------------------------------------------------- */

struct map_bounds map_bounds = { UINTPTR_MAX, 0 };

static void widen_bounds(uintptr_t from, uintptr_t to)
{
	uintptr_t v = map_bounds.from;

	while (from < v && !__atomic_compare_exchange_n(&map_bounds.from, &v, from, 0,
	    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	v = map_bounds.to;
	while (to > v && !__atomic_compare_exchange_n(&map_bounds.to, &v, to, 0,
	    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

static long map_shared(int rfd, const long a[6])
{
	long fd, mem;

	fd = rump(RUMP_CALL_MAP, rfd, a[5], a[1], (a[2] & PROT_WRITE ? RUMP_MAP_WRITE : 0) |
	    (a[2] & PROT_EXEC ? RUMP_MAP_EXEC : 0));
	if (fd < 0)
		return fd == -ENOENT ? -ENODEV : fd;
	mem = host(SYS_mmap, a[0], a[1], a[2], a[3], fd, a[5]);
	host(SYS_close, fd);
	if (!host_failed(mem))
		widen_bounds(mem, mem + a[1]);
	return mem;
}

/* A piece of this process's memory that is a rump file's. */
struct piece {
	uintptr_t from, to;
	uint64_t id, off;
};

static const char *number(const char *s, unsigned int base, uint64_t *n)
{
	unsigned int digit;

	for (*n = 0;; s++) {
		digit = *s >= '0' && *s <= '9' ? *s - '0' : *s >= 'a' && *s <= 'f' ? *s - 'a' + 10 : 99;
		if (digit >= base)
			return s;
		*n = *n * base + digit;
	}
}

/* A line of /proc/self/maps: FROM-TO rw-s OFFSET DEVICE INODE NAME.  1: it is such a piece. */
static int read_piece(const char *s, struct piece *p)
{
	static const char prefix[] = "/memfd:rump-map-";
	unsigned int i;
	uint64_t n;

	s = number(s, 16, &n);
	p->from = n;
	s = number(s + (*s == '-'), 16, &n);
	p->to = n;
	for (i = 0; i < 4 && s[i]; i++)
		;
	if (i < 4 || s[0] != ' ' || !s[4] || s[4] != 's')
		return 0;
	s = number(s + 6, 16, &p->off);
	while (*s && *s != '/')
		s++;
	for (i = 0; prefix[i]; i++)
		if (s[i] != prefix[i])
			return 0;
	number(s + i, 10, &p->id);
	return 1;
}

/* Calls fn for each piece in [from, to), cut to it, until one does not return 0: its result. */
static long each_piece(uintptr_t from, uintptr_t to, long (*fn)(const struct piece *p, long arg),
    long arg)
{
	char buf[4096], line[256];
	size_t len = 0;
	struct piece p;
	long fd, n, i, ret = 0;

	fd = host(SYS_open, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return -EIO;
	while (ret == 0 && (n = host(SYS_read, fd, buf, sizeof(buf))) > 0) {
		for (i = 0; i < n && ret == 0; i++) {
			if (buf[i] != '\n') {
				if (len < sizeof(line) - 1)
					line[len++] = buf[i];
				continue;
			}
			line[len] = '\0';
			len = 0;
			if (!read_piece(line, &p) || p.to <= from || p.from >= to)
				continue;
			if (p.from < from) {
				p.off += from - p.from;
				p.from = from;
			}
			if (p.to > to)
				p.to = to;
			ret = fn(&p, arg);
		}
	}
	host(SYS_close, fd);
	return ret;
}

static long sync_piece(const struct piece *p, long op)
{
	long ret = rump(RUMP_CALL_MAPPED, op, p->id, p->off, p->to - p->from);

	return ret == -ENOENT ? 0 : ret;	/* of a kernel that is gone */
}

long hijack_msync(long nr, const long a[6])
{
	uintptr_t to = (a[0] + a[1] + PAGE - 1) & -PAGE;
	long ret = host_pass(nr, a);

	if (ret < 0 || !(a[2] & (MS_SYNC | MS_ASYNC)))
		return ret;
	return each_piece(a[0], to, sync_piece, a[2] & MS_SYNC ? RUMP_MAPPED_SYNC :
	    RUMP_MAPPED_ASYNC);
}

static long want_piece(const struct piece *p, long len)
{
	return rump(RUMP_CALL_MAPPED, RUMP_MAPPED_WANT, p->id, p->off, len);
}

long hijack_mremap(long nr, const long a[6])
{
	long ret = 0;

	if (a[2] > a[1])
		ret = each_piece(a[0], a[0] + 1, want_piece, a[2]);
	if (ret < 0)
		return ret;
	ret = host_pass(nr, a);
	if (!host_failed(ret))
		widen_bounds(ret, ret + a[2]);
	return ret;
}

/* ---- kinds ---------------------------------------------------------------------------- */

static long map_file(int rfd, const struct stat *st, const long a[6])
{
	return (a[3] & MAP_TYPE) == MAP_PRIVATE ? map_private(rfd, st, a) : map_shared(rfd, a);
}

/* /dev/zero is memory of nobody. */
static long map_char(int rfd, const struct stat *st, const long a[6])
{
	(void)rfd;
	if (st->st_rdev != makedev(1, 5))
		return -ENODEV;
	return host(SYS_mmap, a[0], a[1], a[2], a[3] | MAP_ANONYMOUS, -1, 0);
}

static long map_socket(int rfd, const struct stat *st, const long a[6])
{
	(void)st;
	return (a[3] & MAP_TYPE) == MAP_PRIVATE ? -ENODEV : map_shared(rfd, a);
}

static const struct {
	mode_t type;
	map_fn *fn;
} kinds[] = {
	{ S_IFREG, map_file },
	{ S_IFBLK, map_file },
	{ S_IFCHR, map_char },
	{ S_IFSOCK, map_socket },
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
