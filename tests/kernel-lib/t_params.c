/* SPDX-License-Identifier: BSD-2-Clause */
/* RUMP_NCPU, RUMP_MEMLIMIT, RUMP_VERBOSE (kernel/lib/params.c). */
#include <atf-c.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../kernel/lib/params.h"

/* Reads with NAME=value in the environment; what it says goes to said. */
static int with(const char *name, const char *value, struct rumpk_params *p, char said[256])
{
	int fds[2], saved = dup(2), err;
	ssize_t n;

	unsetenv("RUMP_NCPU");
	unsetenv("RUMP_MEMLIMIT");
	unsetenv("RUMP_VERBOSE");
	if (name)
		setenv(name, value, 1);
	ATF_REQUIRE_EQ(0, pipe(fds));
	dup2(fds[1], 2);
	err = params_read(p);
	dup2(saved, 2);
	close(saved);
	close(fds[1]);
	n = read(fds[0], said, 255);
	said[n > 0 ? n : 0] = '\0';
	close(fds[0]);
	return err;
}

ATF_TC_WITHOUT_HEAD(good);
ATF_TC_BODY(good, tc)
{
	static const struct {
		const char *text;
		uint64_t mem;
	} t[] = {
		{ "12m", 12 << 20 }, { "64M", 64 << 20 }, { "1g", 1 << 30 }, { "2G", 2ULL << 30 },
		{ "65536k", 64 << 20 }, { "16777216", 16 << 20 }, { "13m", 12 << 20 },
		{ "67108863", 60 << 20 }, { "100g", 100ULL << 30 },
	};
	struct rumpk_params p;
	char said[256];
	unsigned int i;

	ATF_CHECK_EQ(0, with(NULL, NULL, &p, said));
	ATF_CHECK_EQ(1, p.ncpu);
	ATF_CHECK_EQ(256 << 20, p.mem);
	ATF_CHECK_EQ(0, p.verbose);
	ATF_CHECK_EQ(0, with("RUMP_NCPU", "64", &p, said));
	ATF_CHECK_EQ(64, p.ncpu);
	ATF_CHECK_EQ(0, with("RUMP_VERBOSE", "1", &p, said));
	ATF_CHECK_EQ(1, p.verbose);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ATF_CHECK_EQ_MSG(0, with("RUMP_MEMLIMIT", t[i].text, &p, said), "%s", t[i].text);
		ATF_CHECK_EQ_MSG(t[i].mem, p.mem, "%s: %lu", t[i].text, (long)p.mem);
		ATF_CHECK_STREQ("", said);
	}
}

static void refused(const char *name, const char *value, const char *wanted)
{
	struct rumpk_params p;
	char said[256], line[256];

	snprintf(line, sizeof(line), "rump: %s=%s: %s\n", name, value, wanted);
	ATF_CHECK_EQ_MSG(-EINVAL, with(name, value, &p, said), "%s=%s", name, value);
	ATF_CHECK_STREQ(line, said);
}

ATF_TC_WITHOUT_HEAD(bad);
ATF_TC_BODY(bad, tc)
{
	static const char cpus[] = "a number of virtual CPUs from 1 to 64 is wanted";
	static const char bytes[] = "bytes, or a number with k, m or g are wanted";
	static const char few[] = "at least 12m are needed";
	static const char *const ncpu[] = { "", "0", "65", "10000", "-1", "+1", " 1", "1 ", "1x",
		"18446744073709551617", "0x2", "two" };
	static const char *const mem[] = { "", "m", "64mb", "64 m", "-64m", "64t", "1.5g",
		"18446744073709551616", "17179869184g", "0x10000000" };
	static const char *const small[] = { "0", "12", "11m", "12287k", "12582911" };
	static const char *const verbose[] = { "", "2", "yes", "01" };
	struct rumpk_params p;
	char said[256];
	unsigned int i;

	for (i = 0; i < sizeof(ncpu) / sizeof(ncpu[0]); i++)
		refused("RUMP_NCPU", ncpu[i], cpus);
	for (i = 0; i < sizeof(mem) / sizeof(mem[0]); i++)
		refused("RUMP_MEMLIMIT", mem[i], bytes);
	for (i = 0; i < sizeof(small) / sizeof(small[0]); i++)
		refused("RUMP_MEMLIMIT", small[i], few);
	for (i = 0; i < sizeof(verbose) / sizeof(verbose[0]); i++)
		refused("RUMP_VERBOSE", verbose[i], "0 or 1 is wanted");
	ATF_CHECK_EQ(-E2BIG, with("RUMP_NCPU",
	    "1111111111111111111111111111111111111111111111111111111111111111", &p, said));
	ATF_CHECK_STREQ("rump: RUMP_NCPU: its value is longer than 63 bytes\n", said);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, good);
	ATF_TP_ADD_TC(tp, bad);
	return atf_no_error();
}
