/* SPDX-License-Identifier: BSD-2-Clause */
/* rump_pub_netif_create() and _destroy(), and what is there without them, with the kernel. */
#include <arpa/inet.h>
#include <atf-c.h>
#include <dlfcn.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <rump/rump.h>
#include <rump/rump_syscalls.h>

#define ETHERTYPE	0x88b5		/* for experiments */

/* An ioctl of a device; -errno */
static int
ask(unsigned long request, struct ifreq *ifr, const char *name)
{
	int s = rump_sys_socket(AF_INET, SOCK_DGRAM, 0), ret;

	ATF_REQUIRE(s >= 0);
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
	ret = rump_sys_ioctl(s, request, (unsigned long)ifr) ? -errno : 0;
	ATF_REQUIRE_EQ(0, rump_sys_close(s));
	return ret;
}

static void
up(const char *name)
{
	struct ifreq ifr;

	ATF_REQUIRE_EQ(0, ask(SIOCGIFFLAGS, &ifr, name));
	ifr.ifr_flags |= IFF_UP;
	ATF_REQUIRE_EQ(0, ask(SIOCSIFFLAGS, &ifr, name));
}

static int
packet_socket(const char *name, struct sockaddr_ll *sll)
{
	int s = rump_sys_socket(AF_PACKET, SOCK_RAW, htons(ETHERTYPE));
	struct ifreq ifr;

	ATF_REQUIRE(s >= 0);
	ATF_REQUIRE_EQ(0, ask(SIOCGIFINDEX, &ifr, name));
	*sll = (struct sockaddr_ll){ .sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE),
	    .sll_ifindex = ifr.ifr_ifindex };
	ATF_REQUIRE_EQ(0, rump_sys_bind(s, (struct sockaddr *)sll, sizeof(*sll)));
	return s;
}

ATF_TC_WITHOUT_HEAD(alone);
ATF_TC_BODY(alone, tc)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	unsigned int len = sizeof(sin);
	struct ifreq ifr;
	char c = 0;
	int s, i;

	/* One interface, up from the start. */
	ATF_REQUIRE_EQ(0, rump_init());
	ATF_REQUIRE_EQ(0, ask(SIOCGIFFLAGS, &ifr, "lo"));
	ATF_CHECK_EQ(IFF_UP | IFF_RUNNING, ifr.ifr_flags & (IFF_UP | IFF_RUNNING));
	s = rump_sys_socket(AF_INET, SOCK_DGRAM, 0);
	ATF_REQUIRE(s >= 0);
	for (i = 1; i < 64; i++) {
		ifr.ifr_ifindex = i;
		if (rump_sys_ioctl(s, SIOCGIFNAME, (unsigned long)&ifr) == 0)
			ATF_CHECK_STREQ("lo", ifr.ifr_name);
	}
	ATF_REQUIRE_EQ(0, rump_sys_bind(s, (struct sockaddr *)&sin, len));
	ATF_REQUIRE_EQ(0, rump_sys_getsockname(s, (struct sockaddr *)&sin, &len));
	ATF_REQUIRE_EQ(1, rump_sys_sendto(s, "x", 1, 0, (struct sockaddr *)&sin, len));
	ATF_CHECK_EQ(1, rump_sys_read(s, &c, 1));
	ATF_CHECK_EQ('x', c);
	/* The way out is a word, and nobody has said it. */
	sin.sin_addr.s_addr = inet_addr("192.0.2.1");
	ATF_CHECK_EQ(-1, rump_sys_sendto(s, "x", 1, 0, (struct sockaddr *)&sin, len));
	ATF_CHECK_EQ(ENETUNREACH, errno);
}

ATF_TC_WITHOUT_HEAD(create);
ATF_TC_BODY(create, tc)
{
	static const unsigned char frame[60] = { 255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1,
	    ETHERTYPE >> 8, ETHERTYPE & 255, 'h', 'i' };
	unsigned char got[64] = { 0 };
	struct sockaddr_ll to, at;
	struct ifreq ifr;
	struct stat st;
	int s, r;

	/* It boots the kernel, which nobody has yet. */
	ATF_REQUIRE_EQ(0, rump_pub_netif_create("v0,link=shm:seg,mac=02:00:00:00:00:77,mtu=1400"));
	ATF_REQUIRE_EQ(0, rump_pub_netif_create("v1,link=shm:seg,queues=2"));
	ATF_REQUIRE_EQ(0, ask(SIOCGIFMTU, &ifr, "v0"));
	ATF_CHECK_EQ(1400, ifr.ifr_mtu);
	ATF_REQUIRE_EQ(0, ask(SIOCGIFHWADDR, &ifr, "v0"));
	ATF_CHECK_EQ(0, memcmp("\2\0\0\0\0\x77", ifr.ifr_hwaddr.sa_data, 6));
	ATF_REQUIRE_EQ(0, ask(SIOCGIFFLAGS, &ifr, "v1"));
	ATF_CHECK_EQ(0, ifr.ifr_flags & IFF_UP);
	up("v0");
	up("v1");
	r = packet_socket("v1", &at);
	s = packet_socket("v0", &to);
	ATF_REQUIRE_EQ(sizeof(frame), rump_sys_sendto(s, frame, sizeof(frame), 0,
	    (struct sockaddr *)&to, sizeof(to)));
	ATF_REQUIRE_EQ(sizeof(frame), rump_sys_read(r, got, sizeof(got)));
	ATF_CHECK_EQ(0, memcmp(frame, got, sizeof(frame)));

	/* What is wrong changes nothing. */
	ATF_CHECK_EQ(-EEXIST, rump_pub_netif_create("v0,link=shm:seg"));
	ATF_CHECK_EQ(-EINVAL, rump_pub_netif_create("v2,link=ham:seg"));
	ATF_CHECK_EQ(-EINVAL, rump_pub_netif_create("v2"));
	ATF_CHECK_EQ(-EINVAL, rump_pub_netif_create(""));
	ATF_CHECK_EQ(-ENODEV, ask(SIOCGIFMTU, &ifr, "v2"));
	ATF_CHECK_EQ(-ENODEV, rump_pub_netif_destroy("v2"));
	ATF_CHECK_EQ(-ENODEV, rump_pub_netif_destroy(""));
	ATF_CHECK(rump_pub_netif_destroy("lo") < 0);

	/* Who waits for a frame of an interface that goes learns of it. */
	ATF_CHECK_EQ(0, rump_pub_netif_destroy("v1"));
	ATF_CHECK_EQ(-1, rump_sys_read(r, got, sizeof(got)));
	ATF_CHECK_EQ(ENETDOWN, errno);
	ATF_CHECK_EQ(0, stat("seg", &st));
	ATF_CHECK_EQ(0, rump_pub_netif_destroy("v0"));
	ATF_CHECK_EQ(-1, stat("seg", &st));
	ATF_CHECK_EQ(-ENODEV, ask(SIOCGIFMTU, &ifr, "v0"));
}

/* ---- a thread of the library that gets around to run late --------------------------------- */

static atomic_bool hold, held;		/* what a link makes, and waits for frames; there was one */

struct start {
	void *(*fn)(void *);
	void *arg;
};

static void *
run_late(void *arg)
{
	struct start s = *(struct start *)arg;

	free(arg);
	held = true;
	while (hold)
		usleep(1000);
	return s.fn(s.arg);
}

/* In the place of libc's, for the library, too. */
__attribute__((visibility("default"))) int
pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	int (*libc)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	char maker[16] = "";
	struct start *s;

	libc = dlsym(RTLD_NEXT, "pthread_create");
	prctl(PR_GET_NAME, maker);
	if (!hold || strcmp(maker, "rump-netctl"))
		return libc(t, attr, fn, arg);
	s = malloc(sizeof(*s));
	ATF_REQUIRE(s != NULL);
	*s = (struct start){ fn, arg };
	return libc(t, attr, run_late, s);
}

ATF_TC_WITHOUT_HEAD(late_thread);
ATF_TC_BODY(late_thread, tc)
{
	static const unsigned char frame[60] = { 255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1,
	    ETHERTYPE >> 8, ETHERTYPE & 255, 'h', 'o' };
	struct timeval patience = { .tv_sec = 10 };
	unsigned char got[64] = { 0 };
	struct sockaddr_ll to, at;
	int s, r;

	ATF_REQUIRE_EQ(0, rump_pub_netif_create("v0,link=shm:seg"));
	up("v0");
	hold = true;
	ATF_REQUIRE_EQ(0, rump_pub_netif_create("v1,link=shm:seg"));
	up("v1");
	r = packet_socket("v1", &at);
	s = packet_socket("v0", &to);
	ATF_REQUIRE_EQ(0, rump_sys_setsockopt(r, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)));
	/* The frame rings, and nobody is there yet to hear it. */
	ATF_REQUIRE_EQ(sizeof(frame), rump_sys_sendto(s, frame, sizeof(frame), 0,
	    (struct sockaddr *)&to, sizeof(to)));
	hold = false;
	ATF_REQUIRE_EQ(sizeof(frame), rump_sys_read(r, got, sizeof(got)));
	ATF_CHECK_EQ(0, memcmp(frame, got, sizeof(frame)));
	ATF_CHECK(held);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, alone);
	ATF_TP_ADD_TC(tp, create);
	ATF_TP_ADD_TC(tp, late_thread);
	return atf_no_error();
}
