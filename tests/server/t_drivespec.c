/* SPDX-License-Identifier: BSD-2-Clause */
/* The parser of rump_server's -d (server/drivespec.c). */
#include <atf-c.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../server/drivespec.h"
#include "../fuzz.h"

ATF_TC_WITHOUT_HEAD(good);
ATF_TC_BODY(good, tc)
{
	static const struct {
		const char *text, *key, *path;
		uint64_t size, offset;
		int ro;
	} t[] = {
		{ "key=/dev/a,hostpath=f,size=host", "/dev/a", "f", 0, 0, 0 },
		{ "size=512,hostpath=/x y/z=1,key=/dev/sda", "/dev/sda", "/x y/z=1", 512, 0, 0 },
		{ "key=/dev/a,hostpath=f,size=4k,offset=2M,ro", "/dev/a", "f", 4096, 2 << 20, 1 },
		{ "ro,key=/dev/a,hostpath=ro,size=1g,offset=0", "/dev/a", "ro", 1 << 30, 0, 1 },
		{ "key=/dev/a,hostpath=f,size=7t", "/dev/a", "f", 7ull << 40, 0, 0 },
	};
	struct drivespec d;
	char why[DRIVESPEC_WHY];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		if (drivespec_parse(t[i].text, &d, why))
			atf_tc_fail("%s: %s", t[i].text, why);
		ATF_CHECK_STREQ(t[i].key, d.key);
		ATF_CHECK_STREQ(t[i].path, d.hostpath);
		ATF_CHECK_EQ(t[i].size, d.size);
		ATF_CHECK_EQ(t[i].offset, d.offset);
		ATF_CHECK_EQ(t[i].ro, d.ro);
	}
}

ATF_TC_WITHOUT_HEAD(bad);
ATF_TC_BODY(bad, tc)
{
	static const struct { const char *text, *why; } t[] = {
		{ "", "\"\" is none of key=, hostpath=, size=, offset= and ro" },
		{ "key=/dev/a", "hostpath= is missing" },
		{ "hostpath=f,size=host", "key= is missing" },
		{ "key=/dev/a,hostpath=f", "size= is missing" },
		{ "key=/dev/a,hostpath=f,size=host,", "\"\" is none of" },
		{ "key=/dev/a,hostpath=f,size=host,rw", "\"rw\" is none of" },
		{ "key=/dev/a,hostpath=f,size=host,ro,ro", "ro is given twice" },
		{ "key=/dev/a,key=/dev/b,hostpath=f,size=host", "key= is given twice" },
		{ "key=a,hostpath=f,size=host", "key=a: a device is called /dev/NAME" },
		{ "key=/dev/,hostpath=f,size=host", "key=/dev/: a device is called /dev/NAME" },
		{ "key=/dev/a/b,hostpath=f,size=host", "key=/dev/a/b: a device is called" },
		{ "key=/dev/..,hostpath=f,size=host", "key=/dev/..: a device is called" },
		{ "key=/dev/abcdefghijklmnopqrstuvwxyz,hostpath=f,size=host", "longer than 24" },
		{ "key=/dev/a,hostpath=,size=host", "hostpath= has no value" },
		{ "key=/dev/a,hostpath=f,size=513", "size=513: not a multiple of 512" },
		{ "key=/dev/a,hostpath=f,size=host,offset=3", "offset=3: not a multiple of 512" },
		{ "key=/dev/a,hostpath=f,size=big", "size=big: neither \"host\" nor a number" },
		{ "key=/dev/a,hostpath=f,size=", "size=: neither" },
		{ "key=/dev/a,hostpath=f,size=0", "size=0: neither" },
		{ "key=/dev/a,hostpath=f,size=-1", "size=-1: neither" },
		{ "key=/dev/a,hostpath=f,size=1kk", "size=1kk: neither" },
		{ "key=/dev/a,hostpath=f,size=0x10", "size=0x10: neither" },
		{ "key=/dev/a,hostpath=f,size=99999999t", "size=99999999t: neither" },
		{ "key=/dev/a,hostpath=f,size=18446744073709551616", "neither" },
		{ "key=/dev/a,hostpath=f,size=host,offset=x", "offset=x: not a number of bytes" },
	};
	struct drivespec d;
	char why[DRIVESPEC_WHY];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		why[0] = '\0';
		ATF_CHECK_EQ_MSG(drivespec_parse(t[i].text, &d, why), -EINVAL, "%s", t[i].text);
		ATF_CHECK_MSG(strstr(why, t[i].why), "%s: %s", t[i].text, why);
	}
}

ATF_TC(fuzz);
ATF_TC_HEAD(fuzz, tc)
{
	atf_tc_set_md_var(tc, "descr", "the fuzzer's function on random strings of words");
}
ATF_TC_BODY(fuzz, tc)
{
	static const char *const parts[] = {
		"key=", "/dev/", "a", "hostpath=", "size=", "host", "offset=", "ro", ",", "=",
		"k", "1", "99999", "t", "\xff", " ",
	};
	char text[256];

	srandom(1);
	for (int i = 0; i < 200000; i++) {
		size_t n = 0;

		if (random() % 2)
			n = sprintf(text, "key=/dev/a,hostpath=f,size=1,");
		n += fuzz_words(text + n, parts, sizeof(parts) / sizeof(parts[0]), 19, "");
		fuzz((unsigned char *)text, n);
	}
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, good);
	ATF_TP_ADD_TC(tp, bad);
	ATF_TP_ADD_TC(tp, fuzz);
	return atf_no_error();
}
