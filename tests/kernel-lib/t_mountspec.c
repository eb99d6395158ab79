/* SPDX-License-Identifier: BSD-2-Clause */
/* The parser of mount specifications (kernel/lib/mountspec.c). */
#include <atf-c.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "../../kernel/lib/mountspec.h"
#include "../fuzz.h"

ATF_TC_WITHOUT_HEAD(good);
ATF_TC_BODY(good, tc)
{
	static const struct {
		const char *text, *source, *dir, *type, *data;
		unsigned int part;
		unsigned long flags;
	} t[] = {
		{ "disk.img:/mnt", "disk.img", "/mnt", NULL, "", 0, 0 },
		{ "/a b:/c d", "/a b", "/c d", NULL, "", 0, 0 },
		{ "x:/,type=ext4", "x", "/", "ext4", "", 0, 0 },
		{ "x:/m,ro", "x", "/m", NULL, "", 0, MS_RDONLY },
		{ "x:/m,ro,rw", "x", "/m", NULL, "", 0, 0 },
		{ "x:/m,part=1,type=vfat", "x", "/m", "vfat", "", 1, 0 },
		{ "x:/m,part=255", "x", "/m", NULL, "", 255, 0 },
		{ "x:/m,part=007", "x", "/m", NULL, "", 7, 0 },
		{ "x:/m,noatime,uid=5,nosuid,data=journal", "x", "/m", NULL,
		    "uid=5,data=journal", 0, MS_NOATIME | MS_NOSUID },
		{ "none:/o,type=overlay,lowerdir=/a:/b,upperdir=/c", "none", "/o", "overlay",
		    "lowerdir=/a:/b,upperdir=/c", 0, 0 },
		{ "a\\:b\\,c\\\\d:/e\\:f\\,g,opt=\\x", "a:b,c\\d", "/e:f,g", NULL, "opt=x", 0, 0 },
		{ "a,b:/c", "a,b", "/c", NULL, "", 0, 0 },
		{ "x:/m,ro=1", "x", "/m", NULL, "ro=1", 0, 0 },
		{ "srv\\:/export:/n,type=nfs", "srv:/export", "/n", "nfs", "", 0, 0 },
		{ "\xc3\xa4\n:/\xff", "\xc3\xa4\n", "/\xff", NULL, "", 0, 0 },
	};
	struct mountspec s;
	char why[128];
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		why[0] = '\0';
		ATF_REQUIRE_EQ_MSG(0, mountspec_parse(&s, t[i].text, why, sizeof(why)), "%s: %s",
		    t[i].text, why);
		ATF_CHECK_STREQ(t[i].source, s.source);
		ATF_CHECK_STREQ(t[i].dir, s.dir);
		ATF_CHECK_EQ(!t[i].type, !s.type);
		if (t[i].type && s.type)
			ATF_CHECK_STREQ(t[i].type, s.type);
		ATF_CHECK_STREQ(t[i].data, s.data);
		ATF_CHECK_EQ(t[i].part, s.part);
		ATF_CHECK_EQ(t[i].flags, s.flags);
		mountspec_free(&s);
		mountspec_free(&s);
	}
}

ATF_TC_WITHOUT_HEAD(bad);
ATF_TC_BODY(bad, tc)
{
	static const char *const t[][2] = {
		{ "", "no colon: SOURCE:DIR[,type=T][,ro][,part=N][,isolate] is wanted" },
		{ "disk.img", "no colon: SOURCE:DIR[,type=T][,ro][,part=N][,isolate] is wanted" },
		{ "a\\:/b", "no colon: SOURCE:DIR[,type=T][,ro][,part=N][,isolate] is wanted" },
		{ ":/mnt", "SOURCE is empty" },
		{ "x:", "DIR does not begin with a slash" },
		{ "x:mnt", "DIR does not begin with a slash" },
		{ "x:,ro", "DIR does not begin with a slash" },
		{ "x:/a:/b", "a second colon: write \\: where it belongs to a name" },
		{ "x:/a,", "an option is empty" },
		{ "x:/a,,ro", "an option is empty" },
		{ "x:/a,type=", "type= names no file system" },
		{ "x:/a,part=", "part= wants a number from 1 to 255" },
		{ "x:/a,part=0", "part= wants a number from 1 to 255" },
		{ "x:/a,part=256", "part= wants a number from 1 to 255" },
		{ "x:/a,part=1x", "part= wants a number from 1 to 255" },
		{ "x:/a,part=-1", "part= wants a number from 1 to 255" },
		{ "x:/a,part=99999999999999999999", "part= wants a number from 1 to 255" },
		{ "x\\", "it ends in a backslash" },
		{ "x:/a\\", "it ends in a backslash" },
		{ "x:/a,b\\", "it ends in a backslash" },
	};
	struct mountspec s;
	char why[128], small[8];
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ATF_CHECK_EQ_MSG(-EINVAL, mountspec_parse(&s, t[i][0], why, sizeof(why)), "%s",
		    t[i][0]);
		ATF_CHECK_STREQ(t[i][1], why);
	}
	ATF_CHECK_EQ(-EINVAL, mountspec_parse(&s, "", small, sizeof(small)));
	ATF_CHECK_STREQ("no colo", small);
}

ATF_TC_WITHOUT_HEAD(list);
ATF_TC_BODY(list, tc)
{
	const char *list = "  a:/x\tb\\ c:/y\n\n d:/z\\", *item;
	static const char *const want[] = { "a:/x", "b\\ c:/y", "d:/z\\" };
	unsigned int i = 0;
	size_t len;

	while ((item = mountspec_next(&list, &len))) {
		ATF_REQUIRE(i < 3);
		ATF_CHECK_EQ(strlen(want[i]), len);
		ATF_CHECK_EQ(0, strncmp(want[i], item, len));
		i++;
	}
	ATF_CHECK_EQ(3, i);
	list = " \n";
	ATF_CHECK_EQ(NULL, mountspec_next(&list, &len));
}

ATF_TC(random);
ATF_TC_HEAD(random, tc)
{
	atf_tc_set_md_var(tc, "descr", "the fuzzer's function on random strings of the grammar's letters");
}
ATF_TC_BODY(random, tc)
{
	static const char letters[] = "/:,\\ =abtypeartio1029\n";
	unsigned char text[64];
	unsigned int i;
	size_t n, j;

	srand(1);
	for (i = 0; i < 300000; i++) {
		n = rand() % sizeof(text);
		for (j = 0; j < n; j++)
			text[j] = letters[rand() % (sizeof(letters) - 1)];
		if (n > 8 && i % 2)
			memcpy(text, "a:/b,type=", n < 10 ? n : 10);
		fuzz(text, n);
	}
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, good);
	ATF_TP_ADD_TC(tp, bad);
	ATF_TP_ADD_TC(tp, list);
	ATF_TP_ADD_TC(tp, random);
	return atf_no_error();
}
