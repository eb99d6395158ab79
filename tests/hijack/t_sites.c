/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_sites.c - the system calls that rump_sites finds in libc's file, and in what such a file is
 * not.
 */
#include <atf-c.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../hijack/hijack.h"
#include "../../hijack/sites/elfsites.h"
#include "../fuzz.h"

static char path[4096];

static int is_libc(struct dl_phdr_info *info, size_t size, void *unused)
{
	const char *name = strrchr(info->dlpi_name, '/');

	(void)size, (void)unused;
	if (!name || strncmp(name, "/libc.so", 8))
		return 0;
	snprintf(path, sizeof(path), "%s", info->dlpi_name);
	return 1;
}

static unsigned char *libc_file(size_t *size)
{
	unsigned char *image;
	struct stat st;
	int fd;

	if (!dl_iterate_phdr(is_libc, NULL))
		atf_tc_skip("this C library is in no file libc.so.*");
	fd = open(path, O_RDONLY);
	ATF_REQUIRE(fd >= 0 && fstat(fd, &st) == 0);
	image = malloc(st.st_size);
	ATF_REQUIRE(image && read(fd, image, st.st_size) == st.st_size);
	close(fd);
	*size = st.st_size;
	return image;
}

/* libelf's sections have all that is to be found in the whole segment. */
ATF_TC_WITHOUT_HEAD(libc);
ATF_TC_BODY(libc, tc)
{
	static struct site by_elf[SITES_MAX], all[SITES_MAX];
	const char *why = NULL;
	unsigned int n, m;
	struct text t;
	size_t size;
	unsigned char *image = libc_file(&size);

	memset(hijack_class, CLASS_ASK, sizeof(hijack_class));
	n = elfsites_find((char *)image, size, &t, by_elf, SITES_MAX, &why);
	ATF_REQUIRE_MSG(n > 100, "%s: %u system calls: %s", path, n, why);
	m = site_scan(&t, t.start, t.end, all, SITES_MAX);
	ATF_CHECK_EQ(n, m);
	ATF_CHECK_EQ(memcmp(by_elf, all, n * sizeof(all[0])), 0);
	ATF_CHECK(sites_right(&t, by_elf, n));
	free(image);
}

/* Headers and tables with wrong numbers, files that end early, and code that is none. */
ATF_TC_WITHOUT_HEAD(bent);
ATF_TC_BODY(bent, tc)
{
	static const unsigned char any[] = { 0, 1, 2, 7, 0x0f, 0x05, 0x40, 0x7f, 0x80, 0xff };
	unsigned char *image, *copy;
	size_t size, at, len;
	int i, k, found = 0;

	image = libc_file(&size);
	copy = malloc(size);
	ATF_REQUIRE(copy);
	srandom(1);
	for (i = 0; i < 150; i++) {
		memcpy(copy, image, size);
		for (k = random() % 8 + 1; k > 0; k--) {
			/* the ELF header, program headers, section headers, anything */
			at = random();
			at = i % 4 == 0 ? at % 64 : i % 4 == 1 ? at % 1024 :
			    i % 4 == 2 ? size - 1 - at % 4096 : at % size;
			copy[at] = any[random() % sizeof(any)];
		}
		len = i % 5 ? size : (size_t)random() % size;
		found += fuzz(copy, len);
	}
	ATF_CHECK(found > 0);
	for (len = 0; len < 64; len++)
		ATF_CHECK_EQ(fuzz(image, len), 0);
	free(copy);
	free(image);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, libc);
	ATF_TP_ADD_TC(tp, bent);
	return atf_no_error();
}
