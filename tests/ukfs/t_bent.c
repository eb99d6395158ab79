/* SPDX-License-Identifier: BSD-2-Clause */
/* Volumes of LVM and members of MD that are broken (fuzz_layers.c). */
#include <atf-c.h>
#include <stdio.h>
#include <string.h>

#include "../fuzz.h"

#define PATCHES_LEN	24
#define ROUNDS		20000

static const char metadata[] =
    "vg {\n\tid = \"x\"\n\tseqno = 3\n\textent_size = 8\n"
    "\tphysical_volumes {\n\t\tpv0 { id = \"012345-6789-abcd-efgh-ijkl-mnop-qrstuv\" pe_start = 1024 }\n\t}\n"
    "\tlogical_volumes {\n\t\tlv {\n\t\t\tstatus = [\"READ\", \"VISIBLE\"]\n\t\t\tsegment_count = 2\n"
    "\t\t\tsegment1 { start_extent = 0 extent_count = 4 type = \"striped\" stripe_count = 1 stripes = [\"pv0\", 0] }\n"
    "\t\t\tsegment2 { start_extent = 4 extent_count = 4 type = \"striped\" stripe_count = 2 stripe_size = 16 "
    "stripes = [\"pv0\", 4, \"pv0\", 6] }\n\t\t}\n\t}\n}\n";

static char buf[PATCHES_LEN + sizeof(metadata)];

static size_t intact(void)
{
	memset(buf, 0, PATCHES_LEN);
	memcpy(buf + PATCHES_LEN, metadata, sizeof(metadata));
	return PATCHES_LEN + strlen(metadata);
}

ATF_TC_WITHOUT_HEAD(whole);
ATF_TC_BODY(whole, tc)
{
	size_t len = intact();

	ATF_CHECK_EQ(1, fuzz((unsigned char *)buf, len));
}

ATF_TC_WITHOUT_HEAD(bent);
ATF_TC_BODY(bent, tc)
{
	/* where the headers lie: label, physical volume, superblock, metadata area */
	static const unsigned short headers[] = { 512, 544, 576, 600, 616, 4096, 8192, 8216, 8232 };
	unsigned int rnd = 1, opened = 0, at;
	size_t len;
	int i, k;

	for (i = 0; i < ROUNDS; i++) {
		len = intact();
		for (k = i % 5; k > 0; k--) {
			rnd = rnd * 1664525 + 1013904223;
			buf[PATCHES_LEN + (rnd >> 8) % (len - PATCHES_LEN)] =
			    rnd & 0x40 ? "{}[]\"#,=0987"[rnd % 12] : (char)(rnd >> 20);
		}
		for (k = i % 3; k > 0; k--) {
			rnd = rnd * 1664525 + 1013904223;
			at = headers[(rnd >> 8) % 9] + (rnd >> 16) % 32;
			buf[3 * k] = at >> 8;
			buf[3 * k + 1] = at;
			buf[3 * k + 2] = rnd & 0x20 ? 0xff : rnd >> 24;
		}
		opened += fuzz((unsigned char *)buf, i % 11 ? len : PATCHES_LEN + (rnd >> 8) % 100);
	}
	ATF_CHECK_MSG(opened > ROUNDS / 20, "%u were opened", opened);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, whole);
	ATF_TP_ADD_TC(tp, bent);
	return atf_no_error();
}
