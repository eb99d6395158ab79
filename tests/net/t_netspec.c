/* SPDX-License-Identifier: BSD-2-Clause */
/* The parser of link specifications (hypercall/netspec.c). */
#include <atf-c.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../hypercall/netspec.h"
#include "../fuzz.h"
#include "fuzz_netspec.h"

static struct netspec spec;
static char why[RUMPUSER_NET_WHY];
static bool again;

ATF_TC_WITHOUT_HEAD(good);
ATF_TC_BODY(good, tc)
{
	ATF_REQUIRE_EQ_MSG(netspec_parse(&spec, "virt0,link=shm:/tmp/a:b\\,c\\\\d,mtu=9000,"
	    "mac=02:00:00:aB:cd:0f,queues=2,pcap=x.pcapng,noconfig,isolate", why), 0, "%s", why);
	ATF_CHECK_STREQ(spec.name, "virt0");
	ATF_CHECK_STREQ(spec.kind, "shm");
	ATF_CHECK_STREQ(spec.where, "/tmp/a:b,c\\d");
	ATF_CHECK_EQ(spec.mtu, 9000);
	ATF_CHECK_EQ(spec.queues, 2);
	ATF_CHECK(spec.has_mac && !memcmp(spec.mac, "\x02\0\0\xab\xcd\x0f", 6));
	ATF_CHECK_STREQ(spec.pcap, "x.pcapng");
	ATF_CHECK(spec.noconfig && spec.isolate);
	ATF_CHECK_EQ(netspec_unasked(&spec, &again), NULL);

	ATF_REQUIRE_EQ(netspec_parse(&spec, "a,link=slirp,hostfwd=tcp::1-:2,x,hostfwd=", why), 0);
	ATF_CHECK_EQ(spec.where, NULL);
	ATF_CHECK(!spec.has_mac && !spec.mtu && !spec.queues && !spec.pcap && !spec.noconfig);
	ATF_CHECK_STREQ(netspec_word(&spec, "hostfwd", 0), "tcp::1-:2");
	ATF_CHECK_STREQ(netspec_word(&spec, "hostfwd", 1), "");
	ATF_CHECK_EQ(netspec_word(&spec, "hostfwd", 2), NULL);
	ATF_CHECK_EQ(netspec_word(&spec, "vnet", 0), NULL);
	ATF_CHECK_STREQ(netspec_unasked(&spec, &again), "x");
	ATF_CHECK(!again);
	ATF_REQUIRE_EQ(netspec_parse(&spec, "a,link=fd:3,vnet,vnet", why), 0);
	ATF_CHECK_STREQ(netspec_word(&spec, "vnet", 0), "");
	ATF_CHECK_STREQ(netspec_unasked(&spec, &again), "vnet");
	ATF_CHECK(again);
}

ATF_TC_WITHOUT_HEAD(bad);
ATF_TC_BODY(bad, tc)
{
	static const struct { const char *text, *why; } t[] = {
		{ "", "begins with the name" },
		{ ",link=slirp", "begins with the name" },
		{ "abcdefghijklmnop,link=slirp", "longer than 15" },
		{ "a/b,link=slirp", "a/b cannot be the name" },
		{ "..,link=slirp", ".. cannot be the name" },
		{ "link=slirp", "link=slirp cannot be the name" },
		{ "a", "link= is missing" },
		{ "a,link", "link needs a value" },
		{ "a,link=", "link= has no value" },
		{ "a,link=:x", "link= has no value" },
		{ "a,link=shm:", "nothing is behind the colon of link=shm:" },
		{ "a,link=b,link=c", "link is given twice" },
		{ "a,link=b,", "nothing between two commas" },
		{ "a,link=b,,c", "nothing between two commas" },
		{ "a,link=b,mtu=67", "mtu=67: a number from 68 to 65521" },
		{ "a,link=b,mtu=65522", "mtu=65522: a number" },
		{ "a,link=b,mtu=99999999999999999999", "a number" },
		{ "a,link=b,mtu=", "mtu=: a number" },
		{ "a,link=b,mtu=1k", "mtu=1k: a number" },
		{ "a,link=b,queues=0", "queues=0: a number from 1 to 4" },
		{ "a,link=b,queues=5", "queues=5: a number" },
		{ "a,link=b,mac=02:00:00:12:34", "mac=02:00:00:12:34: not of the form" },
		{ "a,link=b,mac=02:00:00:12:34:567", "not of the form" },
		{ "a,link=b,mac=02-00-00-12-34-56", "not of the form" },
		{ "a,link=b,mac=01:00:00:12:34:56", "multicast" },
		{ "a,link=b,mac=00:00:00:00:00:00", "no address" },
		{ "a,link=b,pcap=", "pcap= has no value" },
		{ "a,link=b,isolate=1", "isolate has no value" },
	};
	char text[2 * NETSPEC_LEN];
	size_t i, n;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		why[0] = '\0';
		ATF_CHECK_EQ_MSG(netspec_parse(&spec, t[i].text, why), -EINVAL, "%s", t[i].text);
		ATF_CHECK_MSG(strstr(why, t[i].why), "%s: %s", t[i].text, why);
	}
	n = sprintf(text, "a,link=b");
	for (i = 0; i <= NETSPEC_WORDS; i++)
		n += sprintf(text + n, ",w%zu", i);
	ATF_CHECK_EQ(netspec_parse(&spec, text, why), -EINVAL);
	ATF_CHECK_MSG(strstr(why, "more than 32 words"), "%s", why);
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ATF_CHECK_EQ(netspec_parse(&spec, text, why), -EINVAL);
	ATF_CHECK_MSG(strstr(why, "longer than 4095"), "%s", why);
}

ATF_TC_WITHOUT_HEAD(fuzz);
ATF_TC_BODY(fuzz, tc)
{
	static const char *const parts[] = {
		"link=", "mac=", "02:00:00:00:00:01", "mtu=", "queues=", "pcap=", "noconfig", "isolate",
		"hostfwd=", ",", "=", ":", "\\", "1", "1500", "shm", "a", "\xff", " ", "99999999999",
	};
	char text[512];

	srandom(1);
	for (int i = 0; i < 300000; i++) {
		size_t n = 0;

		if (random() % 4)
			n = sprintf(text, "virt0,link=shm:x,");
		n += fuzz_words(text + n, parts, sizeof(parts) / sizeof(parts[0]), 23, "");
		fuzz_netspec((unsigned char *)text, n);
	}
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, good);
	ATF_TP_ADD_TC(tp, bad);
	ATF_TP_ADD_TC(tp, fuzz);
	return atf_no_error();
}
