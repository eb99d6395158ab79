/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rump_sites.c - where the system calls of a library are: rump_sites FILE <>MEMORY >&0
 *
 * librumphijack starts it when it knows nothing of the libc that a program has, and keeps
 * what it says (hijack/sitehelper.c).  MEMORY begins with a byte for each system call, whether
 * it is of interest; struct sites_answer follows when this has ended well.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rump/sysargs.h>

#include "elfsites.h"

#define SECONDS	10		/* after which nobody waits any more */

uint8_t hijack_class[RUMP_NSYSROWS];

static int bad(const char *file, const char *why)
{
	fprintf(stderr, "rump_sites: %s: %s\n", file, why);
	return 1;
}

int main(int argc, char **argv)
{
	static struct sites_answer answer;
	const char *why = NULL;
	struct stat st;
	struct text t;
	char *image;
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: rump_sites FILE <>MEMORY >&0\n");
		return 2;
	}
	alarm(SECONDS);
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return bad(argv[1], strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return bad(argv[1], "it is no file with anything in it");
	if (pread(0, hijack_class, sizeof(hijack_class), 0) != sizeof(hijack_class))
		return bad("standard input", "it does not have the table of system calls");
	image = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (image == MAP_FAILED)
		return bad(argv[1], strerror(errno));
	answer.n = elfsites_find(image, st.st_size, &t, answer.sites, SITES_MAX, &why);
	if (!answer.n)
		return bad(argv[1], why);
	answer.size = t.end - t.start;
	if (pwrite(1, &answer, sizeof(answer), sizeof(hijack_class)) != sizeof(answer))
		return bad("standard output", strerror(errno));
	return 0;
}
