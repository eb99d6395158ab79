/* SPDX-License-Identifier: BSD-2-Clause */
/* The checks of what a client sends (hypercall/sp_msg.c). */
#include <atf-c.h>
#include <stdlib.h>
#include <string.h>

#include "../../hypercall/sp_msg.h"
#include "../fuzz.h"

#define SIZE	1024

union msg {
	struct rump_sp_hdr hdr;
	struct rump_sp_syscall req;
	struct rump_sp_hello hello;
	struct rump_sp_copy_reply copy;
	char bytes[SIZE];
};

static void finish(union msg *m, uint64_t end)
{
	memcpy(m->bytes + m->hdr.len - 8, &end, 8);
}

/* An IN, an OUT and an INOUT segment with 16 and 24 bytes of data. */
static void make_request(union msg *m)
{
	uint32_t head = sizeof(m->req) + 3 * sizeof(m->req.segs[0]);

	memset(m, 0, sizeof(*m));
	m->hdr.type = RUMP_SP_SYSCALL;
	m->hdr.reqno = 7;
	m->req.nr = 1;
	m->req.nsegs = 3;
	m->req.segs[0] = (struct rump_sp_seg){ 0x1000, 16, RUMP_SP_IN, head, 0 };
	m->req.segs[1] = (struct rump_sp_seg){ 0x2000, 4096, RUMP_SP_OUT, 0, 0 };
	m->req.segs[2] = (struct rump_sp_seg){ 0x3000, 24, RUMP_SP_IN | RUMP_SP_OUT, head + 16, 0 };
	m->hdr.len = head + 16 + 24 + 8;
	finish(m, RUMP_SP_END_OK);
}

static void make_hello(union msg *m)
{
	memset(m, 0, sizeof(*m));
	m->hdr.type = RUMP_SP_HELLO;
	m->hdr.len = sizeof(m->hello);
	memcpy(m->hello.magic, RUMP_SP_MAGIC, 8);
	m->hello.version = RUMP_SP_VERSION;
	m->hello.kind = RUMP_SP_GUEST;
	strcpy(m->hello.machine, RUMP_SP_MACHINE);
	strcpy(m->hello.comm, "test");
}

static void make_copy(union msg *m)
{
	memset(m, 0, sizeof(*m));
	m->hdr.type = RUMP_SP_COPY_REPLY;
	m->copy.ret = 13;
	m->hdr.len = sizeof(m->copy) + 16;
}

ATF_TC_WITHOUT_HEAD(good);
ATF_TC_BODY(good, tc)
{
	union msg m;

	make_request(&m);
	ATF_CHECK_EQ(sp_message_check(&m.hdr, 0), NULL);
	ATF_CHECK(!sp_aborted(&m.hdr));
	finish(&m, RUMP_SP_END_ABORT);
	ATF_CHECK_EQ(sp_message_check(&m.hdr, 0), NULL);
	ATF_CHECK(sp_aborted(&m.hdr));
	m.hdr.nfds = 1;
	m.hdr.flags = RUMP_SP_F_ATTACH;
	ATF_CHECK_EQ(sp_message_check(&m.hdr, 1), NULL);
	m.hdr.nfds = 0;
	m.hdr.flags = RUMP_SP_F_STOCKED;
	m.req.stock = RUMP_SP_STOCK_MAX - 1;
	ATF_CHECK_EQ(sp_message_check(&m.hdr, 0), NULL);
	m.hdr = (struct rump_sp_hdr){ .len = sizeof(m.hdr), .type = RUMP_SP_STOCK, .nfds = 16 };
	ATF_CHECK_EQ(sp_message_check(&m.hdr, 16), NULL);
	make_hello(&m);
	ATF_CHECK_EQ(sp_message_check(&m.hdr, 0), NULL);
	/* another version's banner is answered, whatever follows its machine */
	m.hello.version++;
	m.hdr.len += 64;
	ATF_CHECK_EQ(sp_message_check(&m.hdr, 0), NULL);
	make_copy(&m);
	ATF_CHECK_EQ(sp_message_check(&m.hdr, 0), NULL);
	m.copy.ret = -14;
	m.hdr.len = sizeof(m.copy);
	ATF_CHECK_EQ(sp_message_check(&m.hdr, 0), NULL);
}

#define BAD(why, make, change) do {						\
	make(&m);								\
	change;									\
	ATF_CHECK_STREQ_MSG(why, sp_message_check(&m.hdr, m.hdr.nfds) ?:		\
	    "accepted", "%s", #change);						\
} while (0)

ATF_TC_WITHOUT_HEAD(bad);
ATF_TC_BODY(bad, tc)
{
	struct rump_sp_seg *s;
	union msg m;

	s = m.req.segs;
	BAD("unknown message type", make_request, m.hdr.type = 0);
	BAD("unknown message type", make_request, m.hdr.type = RUMP_SP_REPLY);
	BAD("bad message length", make_request, m.hdr.len = 0);
	BAD("bad message length", make_request, m.hdr.len = sizeof(m.req));
	BAD("bad message length", make_request, m.hdr.len = ~0u);
	BAD("bad message length", make_request, m.hdr.len = RUMP_SP_MSG_MAX + 8);
	BAD("bad message length", make_request, m.hdr.len -= 4);
	BAD("bad end of a request", make_request, m.hdr.len -= 8);
	BAD("bad end of a request", make_request, finish(&m, 0));
	BAD("unknown flags", make_request, m.hdr.flags = 4);
	BAD("bad number in the stock", make_request, m.req.stock = 1);
	BAD("bad number in the stock", make_request, m.hdr.flags = RUMP_SP_F_STOCKED;
	    m.req.stock = RUMP_SP_STOCK_MAX);
	BAD("bad number of descriptors", make_request, m.hdr.flags = RUMP_SP_F_STOCKED; m.hdr.nfds = 1);
	BAD("a STOCK of nothing", make_request, m.hdr.type = RUMP_SP_STOCK; m.hdr.len = sizeof(m.hdr));
	BAD("unknown flags", make_hello, m.hdr.flags = RUMP_SP_F_ATTACH);
	BAD("too many descriptors announced", make_request, m.hdr.nfds = 17);
	BAD("bad number of descriptors", make_request, m.hdr.nfds = 2);
	BAD("bad number of descriptors", make_request, m.hdr.flags = RUMP_SP_F_ATTACH);
	BAD("descriptors beside a message that takes none", make_hello, m.hdr.nfds = 1);
	BAD("bad number of segments", make_request, m.req.nsegs = 33);
	BAD("bad number of segments", make_request, m.req.nsegs = ~0u);
	BAD("more segments than the message holds", make_request, m.req.nsegs = 32);
	BAD("bad segment flags", make_request, s[0].flags = 0);
	BAD("bad segment flags", make_request, s[0].flags = 4);
	BAD("bad segment flags", make_request, s[1].reserved = 1);
	BAD("bad segment range", make_request, s[1].len = 0);
	BAD("bad segment range", make_request, s[1].addr = ~0ull);
	BAD("bad segment offset", make_request, s[1].off = 8);
	BAD("segment data outside of the message", make_request, s[0].off = 0);
	BAD("segment data outside of the message", make_request, s[0].off -= 1);
	BAD("segment data outside of the message", make_request, s[2].len = 25);
	BAD("segment data outside of the message", make_request, s[2].len = ~0u);
	BAD("segment data outside of the message", make_request, s[2].off = ~0u);
	BAD("segment data outside of the message", make_request, s[2].off = m.hdr.len);
	BAD("overlapping segment data", make_request, s[2].off -= 1);
	BAD("overlapping segments", make_request, s[1].addr = 0x100f);
	BAD("overlapping segments", make_request, s[2].addr = 0x2fff);
	BAD("segments too large for a reply", make_request, s[1].len = RUMP_SP_INLINE_MAX;
	    s[1].addr = 0x100000);
	BAD("no RUMP-SP banner", make_hello, m.hello.magic[0] = 'X');
	BAD("bad message length", make_hello, m.hdr.len = 32);
	BAD("bad length of a HELLO", make_hello, m.hdr.len += 8);
	BAD("unterminated machine name", make_hello, memset(m.hello.machine, 'x', 16));
	BAD("unterminated program name", make_hello, memset(m.hello.comm, 'x', 16));
	BAD("bad result of a copy", make_copy, m.copy.ret = -4096);
	BAD("bad result of a copy", make_copy, m.copy.ret = INT64_MIN);
	BAD("bad result of a copy", make_copy, m.copy.ret = INT64_MAX);
	BAD("bad result of a copy", make_copy, m.copy.reserved = 1);
	BAD("bad length of copied data", make_copy, m.copy.ret = 17);
	BAD("bad length of copied data", make_copy, m.copy.ret = 8);
	BAD("bad length of copied data", make_copy, m.copy.ret = -1);
	make_request(&m);
	ATF_CHECK_STREQ("other descriptors than announced", sp_message_check(&m.hdr, 1));
}

/* A value that tends to be the wrong one. */
static uint64_t nasty(void)
{
	static const uint64_t values[] = {
		0, 1, 7, 8, 15, 16, 32, 33, 4095, 4096, 0x7fffffff, 0x80000000, 0xffffffff,
		RUMP_SP_INLINE_MAX, RUMP_SP_MSG_MAX, 0x7fffffffffffffff, 0x8000000000000000, ~0ull,
	};

	return random() % 4 ? values[random() % (sizeof(values) / sizeof(values[0]))] +
	    random() % 3 - 1 : (uint64_t)random();
}

ATF_TC(fuzz);
ATF_TC_HEAD(fuzz, tc)
{
	atf_tc_set_md_var(tc, "descr", "the fuzzer's function on mutations of good messages");
}
ATF_TC_BODY(fuzz, tc)
{
	static void (*const make[])(union msg *) = { make_request, make_hello, make_copy };
	static const unsigned int widths[] = { 1, 2, 4, 8 };
	unsigned int accepted = 0;
	union msg m;

	srandom(1);
	for (int i = 0; i < 1000000; i++) {
		unsigned int changes = random() % 4;

		make[random() % 8 ? 0 : 1 + random() % 2](&m);
		while (changes--) {
			unsigned int w = widths[random() % 4];
			uint64_t v = nasty();

			memcpy(m.bytes + random() % (256 / w) * w, &v, w);
		}
		accepted += fuzz((unsigned char *)m.bytes, sizeof(m));
	}
	/* else nothing was tested */
	ATF_CHECK(accepted > 100000);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, good);
	ATF_TP_ADD_TC(tp, bad);
	ATF_TP_ADD_TC(tp, fuzz);
	return atf_no_error();
}
