/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sitecache.c - where the system call instructions of a library are, kept for the
 * next program: looking for them through all of libc takes as long as the rest of
 * our start.
 *
 *	${XDG_CACHE_HOME:-$HOME/.cache}/rumphijack/BUILD-ID
 *
 * holds struct sites, each with a hash of the bytes around it, which must be there.
 * A file that is not the user's own, that others may write, or in which anything is
 * wrong, is as none.  Whatever fails in writing one is no error.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hijack.h"
#include "site.h"

#define MAGIC	0x54504d55		/* "UMPT"; what is found otherwise than before changes it */

struct head {
	uint32_t magic, size, n, sum;	/* size of the text, number of sites */
};

/* Of the sites, and of the table that decided what is of interest. */
static uint32_t checksum(const struct site *sites, unsigned int n)
{
	uint32_t sum = 2166136261U, v[4];
	unsigned int i, k;

	for (i = 0; i < RUMP_NSYSROWS; i++)
		sum = (sum ^ hijack_class[i]) * 16777619U;
	for (i = 0; i < n; i++) {
		memcpy(v, &sites[i], sizeof(v));
		for (k = 0; k < 4; k++)
			sum = (sum ^ v[k]) * 16777619U;
	}
	return sum;
}
_Static_assert(sizeof(struct site) == 4 * sizeof(uint32_t), "no byte of a site is left out");

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

unsigned int sitecache_load(const struct text *t, struct site *sites, unsigned int max)
{
	char path[PATH_BUF];
	struct head h;
	struct stat st;
	unsigned int n = 0;
	size_t size;
	long fd;

	if (!name_file(t, path, 0))
		return 0;
	fd = host(SYS_open, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return 0;
	if (host(SYS_fstat, fd, &st) == 0 && S_ISREG(st.st_mode) && !(st.st_mode & 022) &&
	    st.st_uid == host(SYS_geteuid, 0) &&
	    host(SYS_read, fd, &h, sizeof(h)) == sizeof(h) && h.magic == MAGIC &&
	    h.size == t->end - t->start && h.n <= max) {
		size = h.n * sizeof(*sites);
		if (st.st_size == (off_t)(sizeof(h) + size) &&
		    host(SYS_read, fd, sites, size) == (long)size && checksum(sites, h.n) == h.sum)
			n = h.n;
	}
	host(SYS_close, fd);
	return sites_right(t, sites, n) ? n : 0;
}

void sitecache_begin(struct sitecache *c, const struct text *t)
{
	c->fd = -ENOENT;
	if (!name_file(t, c->path, 1))
		return;
	snprintf(c->new, sizeof(c->new), "%s.%d", c->path, (int)host(SYS_getpid, 0));
	c->fd = host(SYS_open, c->new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
}

void sitecache_end(struct sitecache *c, const struct text *t, const struct site *sites,
    unsigned int n)
{
	struct head h = { MAGIC, t->end - t->start, n, checksum(sites, n) };
	long size = n * sizeof(*sites);
	int ok;

	if (c->fd < 0)
		return;
	ok = n && host(SYS_write, c->fd, &h, sizeof(h)) == sizeof(h) &&
	    host(SYS_write, c->fd, sites, size) == size;
	host(SYS_close, c->fd);
	if (!ok || host(SYS_rename, c->new, c->path) < 0)
		host(SYS_unlink, c->new);
}
