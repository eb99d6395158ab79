/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_drivespec.c - any bytes as a drivespec.  t_drivespec runs it on random
 * strings; with libFuzzer:
 *
 *	clang -g -fsanitize=fuzzer,address,undefined -DLIBFUZZER \
 *	    tests/server/fuzz_drivespec.c server/drivespec.c
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../../server/drivespec.h"
#include "../fuzz.h"

int fuzz(const unsigned char *bytes, size_t len)
{
	char *text = malloc(len + 1), again[8192], why[DRIVESPEC_WHY] = "", size[32] = "host";
	struct drivespec a, b;
	int err;

	memcpy(text, bytes, len);
	text[len] = '\0';
	err = drivespec_parse(text, &a, why);
	free(text);
	if (err) {
		check(err == -EINVAL && why[0] && memchr(why, '\0', sizeof(why)));
		return 0;
	}
	check(!strncmp(a.key, "/dev/", 5) && a.key[5] && !strchr(a.key + 5, '/'));
	check(a.hostpath[0] && a.size <= INT64_MAX && a.offset <= INT64_MAX);

	/* Written down and read again it is the same. */
	if (a.size)
		snprintf(size, sizeof(size), "%" PRIu64, a.size);
	snprintf(again, sizeof(again), "offset=%" PRIu64 ",size=%s,hostpath=%s,key=%s%s", a.offset,
	    size, a.hostpath, a.key, a.ro ? ",ro" : "");
	check(drivespec_parse(again, &b, why) == 0);
	check(!strcmp(a.key, b.key) && !strcmp(a.hostpath, b.hostpath));
	check(a.size == b.size && a.offset == b.offset && a.ro == b.ro);
	return 1;
}
