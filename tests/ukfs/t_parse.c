/* SPDX-License-Identifier: BSD-2-Clause */
/* The parsers of libukfs: names of images (ukfs/spec.c), LVM's metadata (ukfs/lvmtext.c). */
#include <atf-c.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rump/ukfs.h>

#include "../../ukfs/lvmtext.h"
#include "../../ukfs/spec.h"
#include "../fuzz.h"

ATF_TC_WITHOUT_HEAD(names);
ATF_TC_BODY(names, tc)
{
	static const struct {
		const char *text, *image, *type, *crypt, *lv, *with, *options;
		unsigned int part;
		bool rdonly;
	} t[] = {
		{ "disk.img", "disk.img", NULL, NULL, NULL, NULL, "", 0, false },
		{ "/a b,part=2,type=ext4,ro", "/a b", "ext4", NULL, NULL, NULL, "", 2, true },
		{ "x,crypt=/k\\,ey,noatime", "x", NULL, "/k,ey", NULL, NULL, ",noatime", 0, false },
		{ "x,lv=vg/root,with=b\\:c", "x", NULL, NULL, "vg/root", "b:c", "", 0, false },
		{ "a\\:b\\\\c,o=\\,p,q", "a:b\\c", NULL, NULL, NULL, NULL, ",o=\\,p,q", 0, false },
	};
	struct spec s;
	char why[128];
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ATF_REQUIRE_EQ_MSG(0, spec_parse(&s, t[i].text, why, sizeof(why)), "%s: %s", t[i].text,
		    why);
		ATF_CHECK_STREQ(t[i].image, s.image);
		ATF_CHECK_STREQ(t[i].options, s.options);
		ATF_CHECK(!t[i].type ? !s.type : !strcmp(t[i].type, s.type));
		ATF_CHECK(!t[i].crypt ? !s.crypt : !strcmp(t[i].crypt, s.crypt));
		ATF_CHECK(!t[i].lv ? !s.lv : !strcmp(t[i].lv, s.lv));
		ATF_CHECK(!t[i].with ? !s.nwith : s.nwith == 1 && !strcmp(t[i].with, s.with[0]));
		ATF_CHECK_EQ(t[i].part, s.part);
		ATF_CHECK_EQ(t[i].rdonly, s.rdonly);
		spec_free(&s);
	}
}

ATF_TC_WITHOUT_HEAD(bad_names);
ATF_TC_BODY(bad_names, tc)
{
	static const struct { const char *text, *why; } t[] = {
		{ "", "the image's name is empty" },
		{ ",ro", "the image's name is empty" },
		{ "x,", "an option is empty" },
		{ "x,part=0", "part= wants a number from 1 to 255" },
		{ "x,part=256", "part= wants a number from 1 to 255" },
		{ "x,part=99999999999999999999", "part= wants a number from 1 to 255" },
		{ "x,type=", "type= names no file system" },
		{ "x,crypt=", "crypt= names no file" },
		{ "x,with=", "with= names no image" },
		{ "x:y", "a colon: write \\: where it belongs to a name" },
	};
	struct spec s;
	char why[128];
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ATF_CHECK_EQ_MSG(-EINVAL, spec_parse(&s, t[i].text, why, sizeof(why)), "%s", t[i].text);
		ATF_CHECK_STREQ(t[i].why, why);
	}
}

ATF_TC_WITHOUT_HEAD(split);
ATF_TC_BODY(split, tc)
{
	static const char *const host[] = { "", "file", "dir/file", "a:b", "a\\:/b", ":/x", "c:" };
	char *spec, *path;
	size_t i;

	for (i = 0; i < sizeof(host) / sizeof(host[0]); i++)
		ATF_CHECK_EQ_MSG(0, ukfs_split(host[i], &spec, &path), "%s", host[i]);
	ATF_REQUIRE_EQ(1, ukfs_split("d\\:x.img,part=1:/etc/a:b", &spec, &path));
	ATF_CHECK_STREQ("d\\:x.img,part=1", spec);
	ATF_CHECK_STREQ("/etc/a:b", path);
	free(spec);
}

static const char metadata[] =
    "# a comment\n"
    "vg0 {\n\tid = \"a\\\"b\"\n\tseqno=17 # another\n\tflags = []\n"
    "\tstatus = [\"READ\", \"WRITE\"]\n"
    "\tlogical_volumes {\n\t\troot { segment1 { stripes = [ \"pv0\", 12 ] } }\n\t}\n}\n"
    "version = 1\n";

ATF_TC_WITHOUT_HEAD(lvm);
ATF_TC_BODY(lvm, tc)
{
	char *text = strdup(metadata);
	struct lvm_node *root = lvm_parse(text), *vg, *n;
	uint64_t v;

	ATF_REQUIRE(root);
	vg = lvm_find(root, "vg0");
	ATF_REQUIRE(vg && vg->section);
	ATF_CHECK_STREQ("a\"b", lvm_string(vg, "id"));
	ATF_CHECK_EQ(17, lvm_number(vg, "seqno", 0));
	ATF_CHECK_EQ(5, lvm_number(vg, "none", 5));
	ATF_CHECK_EQ(5, lvm_number(vg, "id", 5));
	n = lvm_find(vg, "flags");
	ATF_CHECK(n && !n->child);
	n = lvm_find(lvm_find(lvm_find(lvm_find(vg, "logical_volumes"), "root"), "segment1"), "stripes");
	ATF_REQUIRE(n && n->child && n->child->next);
	ATF_CHECK_STREQ("pv0", n->child->text);
	ATF_CHECK(lvm_value(n->child->next, &v) && v == 12);
	ATF_CHECK_EQ(1, lvm_number(root, "version", 0));
	lvm_free(root);
	free(text);
}

ATF_TC_WITHOUT_HEAD(bent);
ATF_TC_BODY(bent, tc)
{
	static const char spec[] = "a\\:b.img,part=3,type=ext4,crypt=k,with=c,lv=v,ro,x=y:/z";
	static const char *const seeds[] = { metadata, spec };
	char buf[sizeof(metadata)];
	unsigned int rnd = 1, accepted = 0;
	size_t len;
	int i, k;

	for (i = 0; i < 200000; i++) {
		len = strlen(seeds[i % 2]);
		memcpy(buf, seeds[i % 2], len);
		for (k = i % 7; k > 0; k--) {
			rnd = rnd * 1664525 + 1013904223;
			buf[(rnd >> 8) % len] = rnd & 0x40 ? "{}[]\"#,=:\\\n"[rnd % 11] : (char)(rnd >> 20);
		}
		accepted += fuzz((unsigned char *)buf, i % 3 ? len : (rnd >> 8) % len);
	}
	ATF_CHECK(accepted > 1000);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, names);
	ATF_TP_ADD_TC(tp, bad_names);
	ATF_TP_ADD_TC(tp, split);
	ATF_TP_ADD_TC(tp, lvm);
	ATF_TP_ADD_TC(tp, bent);
	return atf_no_error();
}
