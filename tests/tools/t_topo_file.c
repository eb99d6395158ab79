/* SPDX-License-Identifier: BSD-2-Clause */
/* The reader of rump_topo(5) (tools/topo/file.c). */
#include <atf-c.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../tools/topo/file.h"
#include "../fuzz.h"

ATF_TC_WITHOUT_HEAD(good);
ATF_TC_BODY(good, tc)
{
	static const char text[] =
	    "# two hosts\n"
	    "kernel a b mem=32m\n"
	    "kernel c ncpu=2\n"
	    "\n"
	    "link wire a:eth0 b:eth0 delay=10ms loss=1.5% \\\n"
	    "    rate=100mbit pcap\n"
	    "link out c:eth0 on=slirp,hostfwd=tcp:127.0.0.1:8080-:80 mtu=1400\n"
	    "addr a:eth0 10.0.0.1/24 fd00::1/64\t# both\n"
	    "route b default via 10.0.0.1\n"
	    "sysctl a net.ipv4.ip_forward=1\n"
	    "setup a: nft add table ip nat # the shell's\n"
	    "run a b host: echo 'x: y'\n"
	    "until 2s b: ping -c 1 10.0.0.1\n"
	    "start web a: httpd\n"
	    "cut wire\n"
	    "change wire loss=50%\n"
	    "heal wire\n"
	    "sleep 20ms\n"
	    "fail a: false\n"
	    "stop web";
	struct topo t;
	unsigned int line;
	char why[TOPO_WHY];

	ATF_REQUIRE_EQ_MSG(topo_parse(&t, text, &line, why), 0, "%u: %s", line, why);
	ATF_CHECK_EQ(t.nkernels, 3);
	ATF_CHECK_STREQ(t.kernels[1].mem, "32m");
	ATF_CHECK(!t.kernels[2].mem && !strcmp(t.kernels[2].ncpu, "2"));
	ATF_CHECK_EQ(t.nlinks, 2);
	ATF_CHECK_STREQ(t.links[0].netem.delay, "10ms");
	ATF_CHECK_STREQ(t.links[0].netem.loss, "1.5%");
	ATF_CHECK_STREQ(t.links[0].netem.rate, "100mbit");
	ATF_CHECK(t.links[0].pcap && !t.links[1].pcap);
	ATF_CHECK_STREQ(t.links[1].spec, "slirp,hostfwd=tcp:127.0.0.1:8080-:80");
	ATF_CHECK_EQ(t.nifs, 3);
	ATF_CHECK(t.ifs[1].kernel == 1 && t.ifs[1].link == 0);
	ATF_REQUIRE_EQ(t.nsteps, 16);
	ATF_CHECK(t.steps[1].what == TOPO_ADDR && !strcmp(t.steps[1].text, "fd00::1/64"));
	ATF_CHECK(t.steps[2].what == TOPO_ROUTE && t.steps[2].kernel == 1);
	ATF_CHECK_STREQ(t.steps[2].text, "default via 10.0.0.1");
	ATF_CHECK_STREQ(t.steps[4].text, "nft add table ip nat # the shell's");
	ATF_CHECK(t.steps[7].kernel == TOPO_HOST && !strcmp(t.steps[7].text, "echo 'x: y'"));
	ATF_CHECK(t.steps[8].what == TOPO_UNTIL && t.steps[8].ms == 2000);
	ATF_CHECK(t.steps[11].what == TOPO_CHANGE && !strcmp(t.steps[11].netem.loss, "50%"));
	ATF_CHECK_EQ(t.steps[13].ms, 20);
	ATF_CHECK_EQ(t.steps[15].line, 20);
	topo_free(&t);
}

ATF_TC_WITHOUT_HEAD(bad);
ATF_TC_BODY(bad, tc)
{
	static const struct { const char *text, *why; } t[] = {
		{ "", "no kernel" },
		{ "kernel", "kernel NAME" },
		{ "colonel a", "colonel: no such statement" },
		{ "kernel a a", "a: that name is taken" },
		{ "kernel host", "host: that name is taken" },
		{ "kernel a/b", "a/b: the name of a kernel" },
		{ "kernel ../x", "../x: the name of a kernel" },
		{ "kernel abcdefghijklmnopqrstuvwxyz012345", "up to 31 letters" },
		{ "kernel a ncpu=two", "ncpu=two: a value like ncpu=64" },
		{ "kernel a colour=red", "colour=red: no such word" },
		{ "kernel a ncpu=1 b", "b: the names come first" },
		{ "kernel a\nlink", "link NAME" },
		{ "kernel a\nlink l b:eth0", "b: no kernel of that name" },
		{ "kernel a\nlink l eth0", "eth0: KERNEL:INTERFACE" },
		{ "kernel a\nlink l a:", "the name of an interface" },
		{ "kernel a\nlink l a:abcdefghijklmnop", "up to 15 letters" },
		{ "kernel a\nlink l a:lo", "a:lo: that interface is plugged in" },
		{ "kernel a\nlink l a:e a:e", "a:e: that interface is plugged in" },
		{ "kernel a\nlink l delay=1ms", "it has no interface" },
		{ "kernel a b\nlink l a:e b:e on=slirp", "one with on= has one interface" },
		{ "kernel a\nlink l a:e delay=1", "delay=1: a value like delay=10ms" },
		{ "kernel a\nlink l a:e delay=-1ms", "delay=-1ms: a value" },
		{ "kernel a\nlink l a:e loss=101%", "loss=101%: a value" },
		{ "kernel a\nlink l a:e rate=10it", "rate=10it: a value" },
		{ "kernel a\nlink l a:e pcap=x", "pcap=x: pcap has no value" },
		{ "kernel a\nlink l a:e reorder=1%", "reorder= needs a delay=" },
		{ "kernel a\naddr a:e 10.0.0.1/8", "a:e: no link above" },
		{ "kernel a\naddr a:lo 10.0.0.1", "10.0.0.1: an address and the length" },
		{ "kernel a\naddr a:lo 10.0.0.1/33", "10.0.0.1/33: an address and" },
		{ "kernel a\naddr a:lo 10.0.0.1/ 8", "10.0.0.1/: an address and" },
		{ "kernel a\naddr a:lo fd00::1/129", "fd00::1/129: an address and" },
		{ "kernel a\naddr a:lo fd00::g/64", "fd00::g/64: an address and" },
		{ "kernel a\nroute a", "route KERNEL" },
		{ "kernel a\nsysctl a /etc/passwd=x", "a key like" },
		{ "kernel a\nsysctl a ../x=1", "a key like" },
		{ "kernel a\nrun a", "COMMAND is wanted" },
		{ "kernel a\nrun a:", "COMMAND is wanted" },
		{ "kernel a\nrun b: x", "b: no kernel" },
		{ "kernel a\nuntil soon a: x", "soon: a time" },
		{ "kernel a\nuntil 2h a: x", "2h: a time" },
		{ "kernel a\nuntil 9999s a: x", "9999s: a time" },
		{ "kernel a\nstart x a a: x", "for one kernel" },
		{ "kernel a\nstart x a: x\nstart x a: y", "x: that name is taken" },
		{ "kernel a\nstop x", "x: no program of that name" },
		{ "kernel a\ncut l", "l: no link" },
		{ "kernel a\nlink l a:e\nchange l", "change LINK" },
		{ "kernel a\nlink l a:e\nchange l mtu=1", "mtu=1: no such word" },
	};
	struct topo topo;
	unsigned int line;
	char why[TOPO_WHY];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ATF_CHECK_EQ_MSG(topo_parse(&topo, t[i].text, &line, why), -EINVAL, "%s", t[i].text);
		ATF_CHECK_MSG(strstr(why, t[i].why), "%s: %s", t[i].text, why);
		topo_free(&topo);
	}
	ATF_CHECK_EQ(topo_parse(&topo, "kernel a\n\nrun \\\n a:\n\n", &line, why), -EINVAL);
	ATF_CHECK_EQ_MSG(line, 3, "%u", line);
	topo_free(&topo);
}

ATF_TC(fuzz);
ATF_TC_HEAD(fuzz, tc)
{
	atf_tc_set_md_var(tc, "descr", "the fuzzer's function on random lines of words");
}
ATF_TC_BODY(fuzz, tc)
{
	static const char *const parts[] = {
		"kernel", "link", "addr", "route", "sysctl", "setup", "run", "fail", "until",
		"start", "wait", "stop", "change", "cut", "heal", "sleep", "a", "b", "a:e", "b:e",
		"l", "delay=1ms", "loss=1%", "rate=1mbit", "mtu=9000", "pcap", "on=slirp", ":", "=",
		"1s", "10.0.0.1/24", "a.b=c", "\\", "#", "\n", "\n", "\n", "\t", "\xff", "host",
		"reorder=1%", "ncpu=2", "mem=64m",
	};
	char text[1024];

	srandom(1);
	for (int i = 0; i < 100000; i++) {
		size_t n = 0;

		if (random() % 2)
			n = sprintf(text, "kernel a b\nlink l a:e\n");
		n += fuzz_words(text + n, parts, sizeof(parts) / sizeof(parts[0]), 39, " ");
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
