/* SPDX-License-Identifier: BSD-2-Clause */
/* DHCP's answers, and port forwardings (hypercall/dhcp.c, hostfwd.c). */
#include <arpa/inet.h>
#include <atf-c.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../hypercall/dhcp.h"
#include "../../hypercall/hostfwd.h"
#include "../../hypercall/netspec.h"
#include "../fuzz.h"

/* Where things are in a frame: Ethernet 14, IP 20, UDP 8, BOOTP 240, options. */
#define BOOTP	42
#define YOURS	(BOOTP + 16)
#define OPTIONS	(BOOTP + 240)

static const struct dhcp asked = { .mac = { 2, 0, 0, 0, 0, 9 }, .xid = 0x12345678 };

/* An answer to a request of ours, made from it. */
static size_t answer(uint8_t *frame, int type, const uint8_t *options, size_t len)
{
	dhcp_make(&asked, DHCP_DISCOVER, frame);
	frame[BOOTP] = 2;
	memcpy(frame + YOURS, "\x0a\0\2\x0f", 4);
	memcpy(frame + 36, "\0\x44", 2);	/* UDP: to port 68 */
	memcpy(frame + OPTIONS, (uint8_t[]){ 53, 1, type }, 3);
	memcpy(frame + OPTIONS + 3, options, len);
	return OPTIONS + 3 + len;
}

ATF_TC_WITHOUT_HEAD(dhcp);
ATF_TC_BODY(dhcp, tc)
{
	static const uint8_t good[] = { 0, 1, 4, 255, 255, 255, 0, 3, 4, 10, 0, 2, 2, 6, 8, 10, 0, 2, 3, 1, 1, 1,
		1, 54, 4, 10, 0, 2, 2, 255 };
	uint8_t frame[1024] = { 0 };
	struct dhcp d = asked;
	size_t len, i;

	ATF_CHECK(dhcp_make(&d, DHCP_REQUEST, frame) <= DHCP_FRAME);
	ATF_CHECK_EQ(dhcp_read(&d, frame, dhcp_make(&d, DHCP_REQUEST, frame)), 0);
	len = answer(frame, DHCP_OFFER, good, sizeof(good));
	ATF_REQUIRE_EQ(dhcp_read(&d, frame, len), DHCP_OFFER);
	ATF_CHECK_EQ(ntohl(d.addr), 0x0a00020f);
	ATF_CHECK_EQ(ntohl(d.mask), 0xffffff00);
	ATF_CHECK_EQ(ntohl(d.gateway), 0x0a000202);
	ATF_CHECK_EQ(ntohl(d.nameserver), 0x0a000203);
	ATF_CHECK_EQ(ntohl(d.server), 0x0a000202);
	/* Cut anywhere: read without a step too far (ASan would tell), or not at all. */
	for (i = 0; i < len; i++) {
		uint8_t *cut = malloc(i + 1);

		memcpy(cut, frame, i);
		d = asked;
		dhcp_read(&d, cut, i);
		free(cut);
	}
	for (i = 0; i < OPTIONS; i++) {
		d = asked;
		frame[i] ^= 0x55;
		dhcp_read(&d, frame, len);
		frame[i] ^= 0x55;
	}
	d = asked;
	d.xid++;
	ATF_CHECK_EQ(dhcp_read(&d, frame, len), 0);
	srandom(1);
	for (i = 0; i < 200000; i++) {
		d = asked;
		frame[OPTIONS + 3 + random() % sizeof(good)] = random();
		dhcp_read(&d, frame, len);
	}
}

ATF_TC_WITHOUT_HEAD(hostfwd);
ATF_TC_BODY(hostfwd, tc)
{
	static const char *const bad[] = { "", "tcp", "tcp:", "tcp::-:", "tcp::1", "tcp::1-", "tcp::1-2",
		"tcp:1-2:3", "sctp::1-:2", "tcp::0-:1", "tcp::1-:65536", "tcp:1.2.3:4-:5", "tcp:host:1-:2",
		"tcp:11111111111111111111111111111111111:1-:2" };
	static const char *const parts[] = { "tcp:", "udp:", ":", "-", "1", "80", "127.0.0.1", "99999", "\xff" };
	char why[RUMPUSER_NET_WHY], text[256];
	struct hostfwd f;

	ATF_REQUIRE_EQ(hostfwd_parse("tcp::8080-:80", &f, why), 0);
	ATF_CHECK(!f.udp && f.host_port == 8080 && f.guest_port == 80 && !f.guest.s_addr);
	ATF_CHECK_EQ(ntohl(f.host.s_addr), INADDR_LOOPBACK);
	ATF_REQUIRE_EQ(hostfwd_parse("udp:0.0.0.0:53-10.0.2.20:5353", &f, why), 0);
	ATF_CHECK(f.udp && f.host.s_addr == 0 && ntohl(f.guest.s_addr) == 0x0a000214);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why[0] = '\0';
		ATF_CHECK_EQ_MSG(hostfwd_parse(bad[i], &f, why), -EINVAL, "%s", bad[i]);
		ATF_CHECK(strstr(why, "want tcp|udp:"));
	}
	srandom(1);
	for (int i = 0; i < 200000; i++) {
		fuzz_words(text, parts, sizeof(parts) / sizeof(parts[0]), 11, "");
		if (hostfwd_parse(text, &f, why) == 0)
			ATF_REQUIRE(f.host_port > 0 && f.host_port < 65536 && f.guest_port > 0 &&
			    f.guest_port < 65536);
	}
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, dhcp);
	ATF_TP_ADD_TC(tp, hostfwd);
	return atf_no_error();
}
