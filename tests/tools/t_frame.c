/* SPDX-License-Identifier: BSD-2-Clause */
/* The checks of what a relay gets from the other one (tools/relay/frame.c). */
#include <atf-c.h>
#include <stdlib.h>
#include <string.h>

#include "../../tools/relay/relay.h"
#include "../fuzz.h"

#define DATA	RUMP_RELAY_DATA

#define GOOD(near, ...) \
	ATF_CHECK_EQ(frame_header_check(&(struct rump_relay_hdr){ __VA_ARGS__ }, near), NULL)
#define BAD(why, near, ...) \
	ATF_CHECK_STREQ(why, frame_header_check(&(struct rump_relay_hdr){ __VA_ARGS__ }, near) ?: "")

ATF_TC_WITHOUT_HEAD(headers);
ATF_TC_BODY(headers, tc)
{
	GOOD(1, 16, RUMP_RELAY_BANNER, RUMP_RELAY_MAGIC, 7);
	GOOD(0, 16, RUMP_RELAY_RING, 3, 0);
	GOOD(1, 16, RUMP_RELAY_OPEN, 3, 0);
	GOOD(1, 17, DATA, 1, 0);
	GOOD(1, 16 + 16 * 8 + RUMP_RELAY_DATA_MAX, DATA, 1, 16);
	GOOD(0, 16 + RUMP_RELAY_DATA_MAX, DATA, 1, 0);
	BAD("an unknown frame", 1, 16, 0, 0, 0);
	BAD("an unknown frame", 1, 16, 99, 0, 0);
	BAD("a channel from the far side", 0, 16, RUMP_RELAY_OPEN, 1, 0);
	BAD("a ring from the near side", 1, 16, RUMP_RELAY_RING, 1, 0);
	BAD("too many links", 1, 1000, DATA, 1, 17);
	BAD("too many links", 1, 1000, DATA, 1, ~0u);
	BAD("too many links", 0, 1000, DATA, 1, 1);
	BAD("a bad length", 1, 0, DATA, 1, 0);
	BAD("a bad length", 1, 16, DATA, 1, 0);
	BAD("a bad length", 1, 24, DATA, 1, 1);
	BAD("a bad length", 1, ~0u, DATA, 1, 0);
	BAD("a bad length", 1, 17 + RUMP_RELAY_DATA_MAX, DATA, 1, 0);
	BAD("a bad length", 1, 15, RUMP_RELAY_CLOSE, 1, 0);
	BAD("a bad length", 1, 17, RUMP_RELAY_CLOSE, 1, 0);
	BAD("a bad argument", 1, 16, RUMP_RELAY_CLOSE, 1, 1);
}

ATF_TC_WITHOUT_HEAD(links);
ATF_TC_BODY(links, tc)
{
	struct {
		struct rump_relay_hdr h;
		struct rump_relay_link l[2];
		char data[8];
	} f = { { sizeof(f), DATA, 1, 2 }, { { RUMP_RELAY_NEW, 1 }, { RUMP_RELAY_OTHER, 0 } }, "x" };

	ATF_CHECK_EQ(frame_check(&f.h), NULL);
	f.l[1].id = 1;
	ATF_CHECK_STREQ(frame_check(&f.h), "a bad link");
	f.l[1] = (struct rump_relay_link){ 0, 0 };
	ATF_CHECK_STREQ(frame_check(&f.h), "a bad link");
	f.l[1].kind = 4;
	ATF_CHECK_STREQ(frame_check(&f.h), "a bad link");
}

ATF_TC_WITHOUT_HEAD(bent);
ATF_TC_BODY(bent, tc)
{
	static const uint32_t values[] = { 0, 1, 2, 3, 7, 15, 16, 17, 24, 33, 65552, 65553, ~0u };
	unsigned int accepted = 0;
	uint32_t f[64];

	srandom(1);
	for (int i = 0; i < 1000000; i++) {
		memset(f, 0, sizeof(f));
		f[1] = random() % 8;
		f[0] = f[1] == DATA ? 16 + random() % 200 : 16;
		f[3] = f[1] == DATA ? random() % 4 : 0;
		for (int k = 4; k < 10; k++)
			f[k] = random() % 4;
		f[63] = random();
		for (int n = random() % 3; n > 0; n--)
			f[random() % 8] = values[random() % (sizeof(values) / sizeof(values[0]))];
		accepted += fuzz((unsigned char *)f, sizeof(f));
	}
	ATF_CHECK(accepted > 100000);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, headers);
	ATF_TP_ADD_TC(tp, links);
	ATF_TP_ADD_TC(tp, bent);
	return atf_no_error();
}
