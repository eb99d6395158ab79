/* SPDX-License-Identifier: BSD-2-Clause */
/* The network's configuration by netlink: dumps, and one interface of each kind. */
#include "sys.h"

#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/veth.h>
#include <sys/socket.h>

struct request {
	struct nlmsghdr h;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg addr;
		struct rtmsg route;
		struct inet_diag_req_v2 diag;
	};
	char attrs[512];
};

static void
begin(struct request *r, int type, int flags, size_t body)
{
	memset(r, 0, sizeof(*r));
	r->h.nlmsg_type = type;
	r->h.nlmsg_flags = NLM_F_REQUEST | flags;
	r->h.nlmsg_len = NLMSG_LENGTH(body);
}

static struct rtattr *
put(struct request *r, int type, const void *data, size_t len)
{
	struct rtattr *a = (struct rtattr *)((char *)r + NLMSG_ALIGN(r->h.nlmsg_len));

	ATF_REQUIRE(NLMSG_ALIGN(r->h.nlmsg_len) + RTA_SPACE(len) <= sizeof(*r));
	a->rta_type = type;
	a->rta_len = RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), data, len);
	r->h.nlmsg_len = NLMSG_ALIGN(r->h.nlmsg_len) + RTA_ALIGN(a->rta_len);
	return a;
}

/* Everything put since begins inside attribute a. */
static void
nest_end(struct request *r, struct rtattr *a)
{
	a->rta_len = (char *)r + r->h.nlmsg_len - (char *)a;
}

/* The error code of the answer; a dump: its number of messages. */
static int
talk(int proto, struct request *r)
{
	static __thread char buf[65536];
	int s = MUST(socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, proto), count = 0;
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	long n;

	MUST(sendto, s, r, r->h.nlmsg_len, 0, &to, sizeof(to));
	for (;;) {
		n = MUST(recvfrom, s, buf, sizeof(buf), 0, NULL, NULL);
		for (struct nlmsghdr *h = (void *)buf; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_type == NLMSG_ERROR) {
				MUST(close, s);
				return ((struct nlmsgerr *)NLMSG_DATA(h))->error;
			}
			if (h->nlmsg_type == NLMSG_DONE) {
				MUST(close, s);
				return count;
			}
			count++;
		}
	}
}

static int
dump(int type)
{
	struct request r;

	begin(&r, type, NLM_F_DUMP, sizeof(struct ifinfomsg));
	return talk(NETLINK_ROUTE, &r);
}

static int
ifindex(const char *name)
{
	struct ifreq ifr = { 0 };
	int s = MUST(socket, AF_INET, SOCK_DGRAM, 0);

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	MUST(ioctl, s, 0x8933 /* SIOCGIFINDEX */, &ifr);
	MUST(close, s);
	return ifr.ifr_ifindex;
}

/* ip link add NAME type KIND */
static int
link_add(const char *name, const char *kind, int lower)
{
	struct rtattr *info, *data;
	struct request r;
	uint32_t id = 5;
	/* As IPv4, 32.1.13.184. */
	struct in6_addr remote = { .s6_addr = { 0x20, 1, 0xd, 0xb8, [15] = 1 } };

	begin(&r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, sizeof(r.link));
	put(&r, IFLA_IFNAME, name, strlen(name) + 1);
	if (lower)
		put(&r, IFLA_LINK, &lower, 4);
	info = put(&r, IFLA_LINKINFO, NULL, 0);
	put(&r, IFLA_INFO_KIND, kind, strlen(kind));
	data = put(&r, IFLA_INFO_DATA, NULL, 0);
	if (strcmp(kind, "vlan") == 0)
		put(&r, IFLA_VLAN_ID, &(uint16_t){ 7 }, 2);
	else if (strcmp(kind, "vxlan") == 0)
		put(&r, IFLA_VXLAN_ID, &id, 4);
	else if (strcmp(kind, "vrf") == 0)
		put(&r, IFLA_VRF_TABLE, &id, 4);
	else if (strcmp(kind, "gre") == 0)
		put(&r, IFLA_GRE_REMOTE, &remote, 4);
	else if (strcmp(kind, "ip6gre") == 0)
		put(&r, IFLA_GRE_REMOTE, &remote, 16);
	else if (strcmp(kind, "ipip") == 0 || strcmp(kind, "sit") == 0)
		put(&r, IFLA_IPTUN_REMOTE, &remote, 4);
	nest_end(&r, data);
	nest_end(&r, info);
	return talk(NETLINK_ROUTE, &r);
}

ATF_TC_WITHOUT_HEAD(dumps);
ATF_TC_BODY(dumps, tc)
{
	sys_ifup("lo");
	ATF_CHECK(dump(RTM_GETLINK) >= 1);
	ATF_CHECK(dump(RTM_GETADDR) >= 1);
	ATF_CHECK(dump(RTM_GETROUTE) >= 1);
	ATF_CHECK(dump(RTM_GETNEIGH) >= 0);
	ATF_CHECK(dump(RTM_GETRULE) >= 1);
}

ATF_TC_WITHOUT_HEAD(links);
ATF_TC_BODY(links, tc)
{
	static const char *const kinds[] = { "dummy", "bridge", "veth", "vlan", "vxlan", "wireguard", "macvlan",
		"bond", "vrf", "ifb", "ipvlan", "gre", "ipip", "sit", "geneve", "ip6gre", "team" };
	int lower;

	if (sys_where() == SYS_HOST)
		atf_tc_skip("not on the host");
	ATF_REQUIRE_EQ(link_add("lower", "dummy", 0), 0);
	lower = ifindex("lower");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		bool on_top = strstr(kinds[i], "vlan") != NULL;
		char name[IFNAMSIZ];
		int e;

		snprintf(name, sizeof(name), "t%s", kinds[i]);
		e = link_add(name, kinds[i], on_top ? lower : 0);
		ATF_CHECK_MSG(e == 0, "ip link add %s type %s: %s", name, kinds[i], strerror(-e));
		if (e == 0) {
			struct request r;

			begin(&r, RTM_DELLINK, NLM_F_ACK, sizeof(r.link));
			r.link.ifi_index = ifindex(name);
			e = talk(NETLINK_ROUTE, &r);
			ATF_CHECK_MSG(e == 0, "ip link del %s: %s", name, strerror(-e));
		}
	}
	ATF_CHECK_EQ(link_add("lower", "dummy", 0), -EEXIST);
	ATF_CHECK_EQ(link_add("x", "nosuchkind", 0), -EOPNOTSUPP);
}

static void
addr_add(const char *ifname, const char *ip)
{
	struct request r;
	struct in_addr a;
	int e;

	inet_pton(AF_INET, ip, &a);
	begin(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_ACK, sizeof(r.addr));
	r.addr.ifa_family = AF_INET;
	r.addr.ifa_prefixlen = 24;
	r.addr.ifa_index = ifindex(ifname);
	put(&r, IFA_LOCAL, &a, 4);
	put(&r, IFA_ADDRESS, &a, 4);
	e = talk(NETLINK_ROUTE, &r);
	ATF_REQUIRE_MSG(e == 0, "ip addr add %s dev %s: %s", ip, ifname, strerror(-e));
}

/* An address of our own on a dummy interface: what is sent there arrives. */
ATF_TC_WITHOUT_HEAD(address);
ATF_TC_BODY(address, tc)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(5000) };
	int r, s;
	char c;

	if (sys_where() == SYS_HOST)
		atf_tc_skip("not on the host");
	ATF_REQUIRE_EQ(link_add("d0", "dummy", 0), 0);
	addr_add("d0", "10.9.8.7");
	sys_ifup("d0");
	sys_ifup("lo");
	inet_pton(AF_INET, "10.9.8.7", &a.sin_addr);
	r = MUST(socket, AF_INET, SOCK_DGRAM, 0);
	MUST(bind, r, &a, sizeof(a));
	s = MUST(socket, AF_INET, SOCK_DGRAM, 0);
	MUST(sendto, s, "!", 1, 0, &a, sizeof(a));
	ATF_CHECK_EQ(MUST(recvfrom, r, &c, 1, 0, NULL, NULL), 1);
}

/* What ss(8) asks. */
ATF_TC_WITHOUT_HEAD(sock_diag);
ATF_TC_BODY(sock_diag, tc)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(8123) };
	int s = MUST(socket, AF_INET, SOCK_STREAM, 0);
	struct request r;

	MUST(bind, s, &a, sizeof(a));
	MUST(listen, s, 1);
	begin(&r, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, sizeof(r.diag));
	r.diag.sdiag_family = AF_INET;
	r.diag.sdiag_protocol = IPPROTO_TCP;
	r.diag.idiag_states = -1;
	ATF_CHECK(talk(NETLINK_SOCK_DIAG, &r) >= 1);
}

/* Lesson 88: interfaces come and go while others look. */
static volatile bool stop;

static long
look(void *arg)
{
	(void)arg;
	while (!stop)
		dump(RTM_GETLINK);
	return 0;
}

ATF_TC_WITHOUT_HEAD(link_churn);
ATF_TC_BODY(link_churn, tc)
{
	struct sys_thread *t;

	if (sys_where() == SYS_HOST)
		atf_tc_skip("not on the host");
	t = sys_spawn(look, NULL);
	for (int i = 0; i < 50; i++) {
		struct request r;
		int e;

		ATF_REQUIRE_EQ(link_add("c0", i % 2 ? "dummy" : "bridge", 0), 0);
		sys_ifup("c0");
		begin(&r, RTM_DELLINK, NLM_F_ACK, sizeof(r.link));
		r.link.ifi_index = ifindex("c0");
		e = talk(NETLINK_ROUTE, &r);
		ATF_REQUIRE_MSG(e == 0, "ip link del c0: %s", strerror(-e));
	}
	stop = true;
	sys_join(t);
}

/* Lesson 80: two interfaces, two kernels: never the same address. */
ATF_TC_WITHOUT_HEAD(hardware_addresses);
ATF_TC_BODY(hardware_addresses, tc)
{
	char mac[3][32] = { "", "", "" };

	if (sys_where() == SYS_HOST)
		atf_tc_skip("not on the host");
	for (int i = 0; i < 3; i++) {
		char name[8], path[64];
		int fd;

		snprintf(name, sizeof(name), "d%d", i);
		ATF_REQUIRE_EQ(link_add(name, "dummy", 0), 0);
		snprintf(path, sizeof(path), "/sys/class/net/%s/address", name);
		fd = MUST(openat, AT_FDCWD, path, O_RDONLY);
		ATF_CHECK_EQ(MUST(read, fd, mac[i], 31), 18);
		MUST(close, fd);
		for (int j = 0; j < i; j++)
			ATF_CHECK(strcmp(mac[i], mac[j]) != 0);
	}
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, dumps);
	ATF_TP_ADD_TC(tp, links);
	ATF_TP_ADD_TC(tp, address);
	ATF_TP_ADD_TC(tp, sock_diag);
	ATF_TP_ADD_TC(tp, link_churn);
	ATF_TP_ADD_TC(tp, hardware_addresses);
	return atf_no_error();
}
