/* SPDX-License-Identifier: BSD-2-Clause */
/* The parser of RUMPHIJACK (hijack/config.c). */
#include <atf-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../../hijack/hijack.h"
#include "../fuzz.h"

static char store[2 * PATH_BUF], err[512];

static struct scope parse(const char *words)
{
	struct scope sc;

	if (scope_parse(words, &sc, store, sizeof(store), err, sizeof(err)) < 0)
		atf_tc_fail("%s: %s", words, err);
	return sc;
}

static int has(const struct scope *sc, int family)
{
	return scope_socket(sc, family, SOCK_STREAM, 0);
}

ATF_TC_WITHOUT_HEAD(families);
ATF_TC_BODY(families, tc)
{
	static const struct {
		const char *words;
		int inet, inet6, local, netlink, packet;
	} t[] = {
		{ "socket=all", 1, 1, 1, 1, 1 },
		{ "socket=none", 0, 0, 0, 0, 0 },
		{ "socket=all:nolocal", 1, 1, 0, 1, 1 },
		{ "socket=all:nounix", 1, 1, 0, 1, 1 },
		{ "socket=inet", 1, 0, 0, 1, 1 },
		{ "socket=inet6", 0, 1, 0, 0, 0 },
		{ "socket=inet:inet6:nonetlink", 1, 1, 0, 0, 1 },
		{ "socket=all:noinet", 0, 1, 1, 0, 0 },
		{ "socket=all,socket=noinet6", 1, 0, 1, 1, 1 },
		{ "socket=local", 0, 0, 1, 0, 0 },
	};
	struct scope sc;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		sc = parse(t[i].words);
		ATF_CHECK_EQ_MSG(has(&sc, AF_INET), t[i].inet, "%s", t[i].words);
		ATF_CHECK_EQ_MSG(has(&sc, AF_INET6), t[i].inet6, "%s", t[i].words);
		ATF_CHECK_EQ_MSG(has(&sc, AF_UNIX), t[i].local, "%s", t[i].words);
		ATF_CHECK_EQ_MSG(has(&sc, AF_NETLINK), t[i].netlink, "%s", t[i].words);
		ATF_CHECK_EQ_MSG(has(&sc, AF_PACKET), t[i].packet, "%s", t[i].words);
	}
}

/* By type and protocol. */
ATF_TC_WITHOUT_HEAD(kinds);
ATF_TC_BODY(kinds, tc)
{
	static const struct { int family, type, protocol; } s[] = {
		{ AF_INET, SOCK_STREAM, 0 }, { AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP },
		{ AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0 }, { AF_INET6, SOCK_DGRAM, IPPROTO_UDP },
		{ AF_INET, SOCK_DGRAM, IPPROTO_ICMP }, { AF_INET6, SOCK_RAW, IPPROTO_ICMPV6 },
		{ AF_INET, SOCK_RAW, IPPROTO_RAW }, { AF_PACKET, SOCK_RAW, 0 },
		{ AF_PACKET, SOCK_DGRAM, 0 }, { AF_UNIX, SOCK_STREAM, 0 },
		{ AF_NETLINK, SOCK_RAW, 0 }, { AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP },
	};
	static const struct { const char *words, *which; } t[] = {
		{ "socket=all", "111111111111" },
		{ "socket=all:none", "000000000000" },
		{ "socket=tcp", "110000000000" },
		{ "socket=udp", "001100000000" },
		{ "socket=icmp", "000011000000" },
		{ "socket=stream", "110000000000" },
		{ "socket=dgram", "001110000000" },
		{ "socket=raw", "000001110000" },
		{ "socket=sctp", "000000000001" },
		{ "socket=inet", "101010111011" },
		{ "socket=inet:noudp", "100010111011" },
		{ "socket=all:nolocal:nodgram", "110001111011" },
		{ "socket=all:noinet6:noraw,socket=icmp", "101011001111" },
		{ "socket=tcp:all:nolocal", "111111111011" },
	};
	struct scope sc;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		sc = parse(t[i].words);
		for (size_t k = 0; k < sizeof(s) / sizeof(s[0]); k++)
			ATF_CHECK_EQ_MSG(scope_socket(&sc, s[k].family, s[k].type, s[k].protocol),
			    t[i].which[k] - '0', "%s, socket %zu", t[i].words, k);
	}
}

ATF_TC_WITHOUT_HEAD(quotes);
ATF_TC_BODY(quotes, tc)
{
	struct scope sc = parse("path=/a\\,b\\\\c:d,blanket=/\\:x y:/\xc3\xa4\\,:/z\\n,fdoff=3");

	ATF_REQUIRE_EQ(sc.nprefix, 4);
	ATF_CHECK_STREQ(sc.prefix[0].s, "/a,b\\c:d");
	ATF_CHECK_EQ(sc.prefix[0].len, strlen(sc.prefix[0].s));
	ATF_CHECK_STREQ(sc.prefix[1].s, "/:x y");
	ATF_CHECK_STREQ(sc.prefix[2].s, "/\xc3\xa4,");
	ATF_CHECK_STREQ(sc.prefix[3].s, "/z\\n");
	ATF_CHECK_EQ(sc.fdoff, 3);
}

ATF_TC_WITHOUT_HEAD(paths);
ATF_TC_BODY(paths, tc)
{
	struct scope sc = parse("path=/rump/,blanket=/etc/hosts:/a b:/c,fdoff=100,sysctl=yes,vfs=all");
	int i, n;

	ATF_REQUIRE_EQ(sc.nprefix, 5);
	ATF_CHECK_STREQ(sc.prefix[0].s, "/rump");
	ATF_CHECK(sc.prefix[0].cut);
	ATF_CHECK_STREQ(sc.prefix[1].s, "/etc/hosts");
	ATF_CHECK(!sc.prefix[1].cut);
	ATF_CHECK_STREQ(sc.prefix[2].s, "/a b");
	ATF_CHECK_STREQ(sc.prefix[3].s, "/c");
	ATF_CHECK_STREQ(sc.prefix[4].s, "/proc/sys");
	ATF_CHECK_EQ(sc.fdoff, 100);
	ATF_CHECK_EQ(sc.vfs_sync, 1);

	/* and what shows the network, makes interfaces, and names its resolver */
	sc = parse("socket=inet");
	n = sc.nprefix;
	ATF_REQUIRE(n >= 2);
	ATF_CHECK_STREQ(sc.prefix[0].s, "/proc/net");
	ATF_CHECK_STREQ(sc.prefix[n - 1].s, "/proc/sys/net");
	for (i = 0; i < n; i++)
		ATF_CHECK(!sc.prefix[i].cut && sc.prefix[i].implied);
	ATF_CHECK_EQ(parse("socket=inet,sysctl=no").nprefix, n - 1);
	sc = parse("sysctl=yes,socket=inet");
	ATF_REQUIRE_EQ(sc.nprefix, n);
	ATF_CHECK_STREQ(sc.prefix[0].s, "/proc/sys");
	ATF_CHECK_EQ(parse("socket=none").nprefix, 0);
}

ATF_TC_WITHOUT_HEAD(bad);
ATF_TC_BODY(bad, tc)
{
	static const struct { const char *words, *why; } t[] = {
		{ "", "\"\": not a word; right are path=DIR" },
		{ "path", "\"path\": not a word" },
		{ "paht=/rump", "\"paht=/rump\": not a word" },
		{ "path=/rump,", "\"\": not a word" },
		{ "path=", "\"path=\": a path must begin with /" },
		{ "path=rump", "\"path=rump\": a path must begin with /" },
		{ "path=/", "\"path=/\": all of / cannot be" },
		{ "path=/a//b", "\"path=/a//b\": a path must be without" },
		{ "path=/a/..", "\"path=/a/..\": a path must be without" },
		{ "blanket=/a:", "\"blanket=\": a path must begin with /" },
		{ "socket=", "\"socket=\": not a kind of socket; right are all, none, inet" },
		{ "socket=ipv4", "\"socket=ipv4\": not a kind of socket" },
		{ "socket=all:no", "\"socket=no\": not a kind of socket" },
		{ "fdoff=-1", "\"fdoff=-1\": must be a number from 0 to 1048575" },
		{ "fdoff=", "\"fdoff=\": must be a number" },
		{ "fdoff=1048576", "\"fdoff=1048576\": must be a number" },
		{ "vfs=some", "\"vfs=some\": right are all, none" },
		{ "sysctl=1", "\"sysctl=1\": right are yes and no" },
		{ "static=", "\"static=\": right are refuse, trap and host" },
	};
	struct scope sc;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ATF_CHECK_EQ_MSG(scope_parse(t[i].words, &sc, store, sizeof(store), err,
		    sizeof(err)), -1, "%s", t[i].words);
		ATF_CHECK_MSG(strstr(err, t[i].why), "%s: %s", t[i].words, err);
	}
}

ATF_TC_WITHOUT_HEAD(fuzz);
ATF_TC_BODY(fuzz, tc)
{
	static const char *const parts[] = {
		"path=", "blanket=", "socket=", "vfs=", "sysctl=", "fdoff=", ",", ":", "=", "/",
		"/rump", "all", "none", "inet", "no", "local", "yes", "1", "tcp", "raw", "\\", "99", "..", ".", "\xff", " ",
	};
	char text[512];

	srandom(1);
	for (int i = 0; i < 200000; i++) {
		size_t n = fuzz_words(text, parts, sizeof(parts) / sizeof(parts[0]), 23, "");

		fuzz((unsigned char *)text, n);
	}
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, families);
	ATF_TP_ADD_TC(tp, kinds);
	ATF_TP_ADD_TC(tp, quotes);
	ATF_TP_ADD_TC(tp, paths);
	ATF_TP_ADD_TC(tp, bad);
	ATF_TP_ADD_TC(tp, fuzz);
	return atf_no_error();
}
