/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sitecache.c - where the system call instructions of a library are, kept for the
 * next program: looking for them through all of libc takes as long as the rest of
 * our start.
 *
 *	${XDG_CACHE_HOME:-$HOME/.cache}/rumphijack/BUILD-ID
 *
 * holds offsets, nothing else: what is done at each is decided by the bytes that are
 * there.  A file that is not the user's own, that others may write, or in which
 * anything is wrong, is as none.  Whatever fails in writing one is no error.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hijack.h"
#include "site.h"

#define MAGIC	0x53504d55		/* "UMPS"; a change of format changes it */

struct head {
	uint32_t magic, size, n, sum;	/* size of the text, number of offsets */
};

static uint32_t checksum(const uint32_t *v, unsigned int n)
{
	uint32_t sum = 2166136261U;
	unsigned int i;

	for (i = 0; i < n; i++)
		sum = (sum ^ v[i]) * 16777619U;
	return sum;
}

/* The directory, made if make is 1, then the file, into path; 0: there is none. */
static int name_file(const struct text *t, char path[PATH_BUF], int make)
{
	const char *base = getenv("XDG_CACHE_HOME"), *under = "";
	unsigned int i;
	int n;

	if (!base || base[0] != '/') {
		base = getenv("HOME");
		under = "/.cache";
	}
	if (!t->idlen || !base || base[0] != '/')
		return 0;
	n = snprintf(path, PATH_BUF - 64, "%s%s", base, under);
	if (n < 0 || n >= PATH_BUF - 64)
		return 0;
	if (make)
		host(SYS_mkdir, path, 0700);
	n += sprintf(path + n, "/rumphijack");
	if (make)
		host(SYS_mkdir, path, 0700);
	path[n++] = '/';
	for (i = 0; i < t->idlen; i++)
		n += sprintf(path + n, "%02x", t->id[i]);
	return 1;
}

static int is_syscall(const struct text *t, uint32_t offset)
{
	return offset >= 16 && t->start + offset < t->end - 32 && t->start[offset] == 0x0f &&
	    t->start[offset + 1] == 0x05;
}

unsigned int sitecache_load(const struct text *t, uint32_t *offsets, unsigned int max)
{
	char path[PATH_BUF];
	struct head h;
	struct stat st;
	unsigned int i, n = 0;
	long fd;

	if (!name_file(t, path, 0))
		return 0;
	fd = host(SYS_open, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return 0;
	if (host(SYS_fstat, fd, &st) == 0 && S_ISREG(st.st_mode) && !(st.st_mode & 022) &&
	    st.st_uid == host(SYS_geteuid, 0) &&
	    host(SYS_read, fd, &h, sizeof(h)) == sizeof(h) && h.magic == MAGIC &&
	    h.size == t->end - t->start && h.n <= max && st.st_size == (off_t)(sizeof(h) + 4 * h.n) &&
	    host(SYS_read, fd, offsets, 4UL * h.n) == 4L * h.n && checksum(offsets, h.n) == h.sum)
		n = h.n;
	host(SYS_close, fd);
	for (i = 0; i < n; i++)
		if (!is_syscall(t, offsets[i]) || (i && offsets[i] <= offsets[i - 1]))
			return 0;
	return n;
}

void sitecache_store(const struct text *t, const uint32_t *offsets, unsigned int n)
{
	struct head h = { MAGIC, t->end - t->start, n, checksum(offsets, n) };
	char path[PATH_BUF], new[PATH_BUF + 16];
	long fd;
	int ok;

	if (!name_file(t, path, 1))
		return;
	snprintf(new, sizeof(new), "%s.%d", path, (int)host(SYS_getpid, 0));
	fd = host(SYS_open, new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	ok = host(SYS_write, fd, &h, sizeof(h)) == sizeof(h) &&
	    host(SYS_write, fd, offsets, 4UL * n) == 4L * n;
	host(SYS_close, fd);
	if (!ok || host(SYS_rename, new, path) < 0)
		host(SYS_unlink, new);
}
