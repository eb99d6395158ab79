/* SPDX-License-Identifier: BSD-2-Clause */
/* Clients that do what they should not: the server goes on for the others. */
#include "sp.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <rump/rump_calls.h>

ATF_TC_WITHOUT_HEAD(versions);
ATF_TC_BODY(versions, tc)
{
	struct rump_sp_hello_reply r;
	struct rump_sp_hello h;
	int fd;

	server_start();
	for (int i = 0; i < 2; i++) {
		fd = raw_connect();
		raw_hello(&h, RUMP_SP_GUEST);
		if (i == 0)
			h.version = 99;
		else
			strcpy(h.machine, "vax");
		ATF_REQUIRE(send(fd, &h, sizeof(h), MSG_NOSIGNAL) > 0);
		ATF_REQUIRE(raw_read(fd, &r, sizeof(r)));
		ATF_CHECK_EQ(r.error, -EPROTO);
		ATF_CHECK_EQ(r.version, RUMP_SP_VERSION);
		ATF_CHECK_STREQ(r.machine, RUMP_SP_MACHINE);
		ATF_CHECK(strncmp(r.release, "6.12.", 5) == 0);
		ATF_CHECK(raw_ended(fd));
		close(fd);
	}
	check_server();
}

/* A cookie that nobody was given opens nothing. */
ATF_TC_WITHOUT_HEAD(guessed_cookies);
ATF_TC_BODY(guessed_cookies, tc)
{
	struct rump_sp_hello_reply mine, r;
	struct rump_sp_cookie c;
	int fd, victim;

	server_start();
	victim = raw_client(RUMP_SP_GUEST, NULL, &mine);
	for (unsigned int i = 0; i < 64; i++) {
		c = mine.cookie;
		c.secret ^= 1ull << i;
		fd = raw_client(RUMP_SP_THREAD + i % 3, &c, &r);
		ATF_CHECK(r.error < 0);
		ATF_CHECK(raw_ended(fd));
		close(fd);
	}
	/* nor does the right one, of the wrong kind */
	fd = raw_client(RUMP_SP_FORK, &mine.cookie, &r);
	ATF_CHECK(r.error < 0);
	close(fd);
	fd = raw_client(RUMP_SP_THREAD, &mine.cookie, &r);
	ATF_CHECK_EQ(r.error, 0);
	ATF_CHECK_EQ(r.pid, mine.pid);
	close(fd);
	close(victim);
}

ATF_TC_WITHOUT_HEAD(no_hello);
ATF_TC_BODY(no_hello, tc)
{
	char buf[256];
	size_t n;
	int fd;

	server_start();
	fd = raw_connect();
	n = raw_request(buf, SYS_getpid, NULL);
	ATF_REQUIRE(send(fd, buf, n, MSG_NOSIGNAL) > 0);
	ATF_CHECK(raw_ended(fd));
	close(fd);
	fd = raw_connect();
	ATF_REQUIRE(send(fd, "GET / HTTP/1.0\r\n\r\n", 18, MSG_NOSIGNAL) > 0);
	ATF_CHECK(raw_ended(fd));
	close(fd);
	fd = raw_connect();		/* an empty one */
	shutdown(fd, SHUT_WR);
	ATF_CHECK(raw_ended(fd));
	close(fd);
	check_server();
}

/* More connections that say nothing than the server keeps. */
ATF_TC_WITHOUT_HEAD(silent);
ATF_TC_BODY(silent, tc)
{
	int fd[600], ended = 0;

	server_start();
	for (int i = 0; i < 600; i++) {
		fd[i] = raw_connect();
		if (i % 100 == 0)
			check_server();
	}
	check_server();
	for (int i = 0; i < 600; i++) {
		struct pollfd p = { .fd = fd[i], .events = POLLIN };

		ended += poll(&p, 1, 0) > 0;
	}
	ATF_CHECK_MSG(ended >= 300, "%d of 600 have ended", ended);
	/* and who is left has 10 seconds */
	ATF_CHECK(raw_ended(fd[599]) || raw_ended(fd[599]));
}

/* It froze NetBSD's whole server. */
ATF_TC_WITHOUT_HEAD(never_reads);
ATF_TC_BODY(never_reads, tc)
{
	struct {
		struct rump_sp_syscall req;
		struct rump_sp_seg seg;
		uint64_t end;
	} q;
	struct rump_sp_hello_reply r;
	int fd[8];

	server_start();
	for (int i = 0; i < 8; i++) {
		fd[i] = raw_client(RUMP_SP_GUEST, NULL, &r);
		raw_request(&q, SYS_getrandom, (long[6]){ 0x10000, 1 << 20, 4 /* GRND_INSECURE */ });
		q.req.hdr.len = sizeof(q);
		q.req.nsegs = 1;
		q.seg = (struct rump_sp_seg){ .addr = 0x10000, .len = 1 << 20, .flags = RUMP_SP_OUT };
		q.end = RUMP_SP_END_OK;
		ATF_REQUIRE(send(fd[i], &q, sizeof(q), MSG_NOSIGNAL) > 0);
	}
	for (int i = 0; i < 100; i++)
		check_server();
	long n = processes();
	for (int i = 0; i < 8; i++)
		close(fd[i]);
	wait_processes(n - 8);
}

/* Answers to questions about its memory: none, wrong ones, ones that nobody asked. */
ATF_TC_WITHOUT_HEAD(lies_about_memory);
ATF_TC_BODY(lies_about_memory, tc)
{
	static char big[sizeof(struct rump_sp_copy_reply) + 65536];
	struct rump_sp_copy_reply *a = (void *)big;
	char buf[256];
	struct rump_sp_hello_reply r;
	struct rump_sp_copy c;
	struct rump_sp_reply reply;
	size_t n;
	int fd;

	server_start();
	for (int how = 0; how < 7; how++) {
		fd = raw_client(RUMP_SP_GUEST, NULL, &r);
		n = raw_request(buf, SYS_mkdir, (long[6]){ 0x1234000, 0755 });
		ATF_REQUIRE(send(fd, buf, n, MSG_NOSIGNAL) > 0);
		ATF_REQUIRE(raw_read(fd, &c, sizeof(c)));
		ATF_REQUIRE(c.hdr.type == RUMP_SP_COPYINSTR || c.hdr.type == RUMP_SP_COPYIN);
		ATF_CHECK_EQ(c.addr, 0x1234000);
		memset(big, 0, sizeof(big));
		a->hdr = (struct rump_sp_hdr){
			.len = sizeof(*a), .type = RUMP_SP_COPY_REPLY, .reqno = c.hdr.reqno
		};
		switch (how) {
		case 0:			/* more than it was asked for */
			a->ret = 65536;
			a->hdr.len += 65536;
			break;
		case 1:			/* bytes that are not there */
			a->ret = 100;
			break;
		case 2:			/* another question */
			a->hdr.reqno++;
			a->ret = -EFAULT;
			break;
		case 3:			/* an address that is bad: that is right */
			a->ret = -EFAULT;
			break;
		case 4:			/* a call instead */
			memcpy(big, buf, n);
			break;
		case 5:			/* the answer twice */
			a->ret = -EFAULT;
			memcpy(big + sizeof(*a), a, sizeof(*a));
			break;
		case 6:			/* nothing */
			close(fd);
			check_server();
			continue;
		}
		n = how == 5 ? 2 * sizeof(*a) : a->hdr.len;
		ATF_REQUIRE(send(fd, big, n, MSG_NOSIGNAL) > 0);
		if (how == 3) {
			ATF_REQUIRE(raw_read(fd, &reply, sizeof(reply)));
			ATF_CHECK_EQ(reply.ret, -EFAULT);
		} else {
			ATF_CHECK_MSG(raw_ended(fd), "way %d of lying", how);
		}
		close(fd);
		check_server();
	}
}

/* Numbers of the server's own descriptors are no descriptors of a client. */
ATF_TC_WITHOUT_HEAD(foreign_descriptors);
ATF_TC_BODY(foreign_descriptors, tc)
{
	client_start();
	for (int fd = 0; fd < 64; fd++) {
		struct rump_sp_hello_reply r;
		struct rump_sp_reply reply;
		char buf[256];
		int raw = raw_client(RUMP_SP_GUEST, NULL, &r);
		size_t n = raw_request(buf, RUMP_CALL_FD_ADOPT, (long[6]){ fd });

		ATF_REQUIRE(send(raw, buf, n, MSG_NOSIGNAL) > 0);
		ATF_REQUIRE(raw_read(raw, &reply, sizeof(reply)));
		ATF_CHECK_EQ(reply.ret, -EBADF);
		n = raw_request(buf, RUMP_CALL_FD_ATTACH, (long[6]){ 0, fd });
		ATF_REQUIRE(send(raw, buf, n, MSG_NOSIGNAL) > 0);
		ATF_REQUIRE(raw_read(raw, &reply, sizeof(reply)));
		ATF_CHECK_EQ(reply.ret, -EBADF);
		n = raw_request(buf, RUMP_CALL_HOST_PUT, (long[6]){ fd });
		ATF_REQUIRE(send(raw, buf, n, MSG_NOSIGNAL) > 0);
		ATF_REQUIRE(raw_read(raw, &reply, sizeof(reply)));
		ATF_CHECK_EQ(reply.ret, -EBADF);
		close(raw);
	}
	/* One of the host's that is no placeholder. */
	int null = open("/dev/null", O_RDWR);
	ATF_CHECK(rumpclient_syscall(RUMP_CALL_FD_ADOPT, (long[6]){ null }) < 0);
	ATF_CHECK_EQ(rumpclient_syscall(RUMP_CALL_FD_ADOPT, (long[6]){ 12345 }), -EBADF);
	ATF_CHECK(fcntl(null, F_GETFD) >= 0);
	MUST(getpid);
}

#define LEN	(64 * 1024)

static long map(int rfd, uint64_t off, uint64_t len)
{
	return rumpclient_syscall(RUMP_CALL_MAP, (long[6]){ rfd, off, len, RUMP_MAP_WRITE });
}

/* The ring of a packet socket, whose memory is cut short and scribbled over by its program. */
ATF_TC_WITHOUT_HEAD(rings);
ATF_TC_BODY(rings, tc)
{
	static const struct tpacket_req ring = {
		.tp_block_size = LEN, .tp_block_nr = 1, .tp_frame_size = 2048, .tp_frame_nr = LEN / 2048,
	};
	struct sockaddr_ll lo = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
	    .sll_ifindex = 1 };
	struct ifreq up = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int s, udp, file, memfd;
	char frame[100] = { 0 };
	void *mem;

	client_start();
	udp = MUST(socket, AF_INET, SOCK_DGRAM, 0);
	MUST(ioctl, udp, SIOCSIFFLAGS, &up);
	file = MUST(open, "/", O_RDONLY);
	for (int i = 0; i < 4; i++) {
		s = MUST(socket, AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
		ATF_CHECK_EQ(map(s, 0, LEN), -EINVAL);
		MUST(setsockopt, s, SOL_PACKET, PACKET_RX_RING, &ring, sizeof(ring));
		MUST(bind, s, &lo, sizeof(lo));
		ATF_CHECK_EQ(map(s, 0, 0), -EINVAL);
		ATF_CHECK_EQ(map(s, 0, LEN - 4096), -EINVAL);
		ATF_CHECK_EQ(map(s, 0, 2 * LEN), -EINVAL);
		ATF_CHECK_EQ(map(s, 4096, LEN), -EINVAL);
		ATF_CHECK_EQ(map(s, 0, 1ULL << 46), -EINVAL);
		ATF_CHECK_EQ(map(s, 0, UINT64_MAX), -EOVERFLOW);
		ATF_CHECK_EQ(map(udp, 0, LEN), -ENODEV);
		ATF_CHECK(map(file, 0, LEN) < 0);
		memfd = map(s, 0, LEN);
		ATF_REQUIRE_MSG(memfd >= 0, "%d", memfd);
		mem = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
		ATF_REQUIRE(mem != MAP_FAILED);
		ATF_CHECK_EQ(S(setsockopt, s, SOL_PACKET, PACKET_RX_RING, &(struct tpacket_req){ 0 },
		    sizeof(struct tpacket_req)), -EBUSY);
		if (i & 1)
			memset(mem, 0xff, LEN);
		else if (i & 2)
			fallocate(memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, LEN);
		else
			ATF_CHECK(ftruncate(memfd, 0) == 0);
		for (int n = 0; n < 100; n++)
			MUST(sendto, s, frame, sizeof(frame), 0, &lo, sizeof(lo));
		munmap(mem, LEN);
		close(memfd);
		MUST(setsockopt, s, SOL_PACKET, PACKET_RX_RING, &(struct tpacket_req){ 0 },
		    sizeof(struct tpacket_req));
		MUST(close, s);
		check_server();
	}
}

/* Calls that would reach memory of the server itself by the client's pointers. */
ATF_TC_WITHOUT_HEAD(dangerous_calls);
ATF_TC_BODY(dangerous_calls, tc)
{
	static char buf[4096];
	struct iovec here = { buf, sizeof(buf) }, there = { buf, sizeof(buf) };

	client_start();
	ATF_CHECK_EQ(S(io_setup, 8, buf), -ENOSYS);
	ATF_CHECK_EQ(S(io_uring_setup, 8, buf), -ENOSYS);
	ATF_CHECK_EQ(S(process_vm_readv, S(getpid), &here, 1, &there, 1, 0), -ENOSYS);
	ATF_CHECK_EQ(S(init_module, buf, 4096, ""), -ENOSYS);
	ATF_CHECK_EQ(S(reboot, 0xfee1dead, 672274793, 0x1234567), -ENOSYS);
	ATF_CHECK_EQ(S(exit_group, 0), -ENOSYS);
	ATF_CHECK(S(vmsplice, 0, &here, 1, 0) < 0);
	/* addresses of the server's own memory are not valid here */
	for (long addr = 0x200000000; addr < 0x210000000; addr += 0x1000000)
		ATF_CHECK_EQ(S(mkdir, addr, 0755), -EFAULT);
	MUST(getpid);
	check_server();
}

/* Any bytes, in all the ways in which t_msg's fuzzer bends good messages. */
ATF_TC(random_bytes);
ATF_TC_HEAD(random_bytes, tc)
{
	atf_tc_set_md_var(tc, "timeout", "120");
}
ATF_TC_BODY(random_bytes, tc)
{
	char msg[512];
	struct rump_sp_hello_reply r;
	long before;

	server_start();
	check_server();
	before = processes();
	srandom(1);
	for (int i = 0; i < 3000; i++) {
		int early = random() % 4 == 0, changes = random() % 5;
		int fd = early ? raw_connect() : raw_client(RUMP_SP_GUEST, NULL, &r);
		size_t n = 512;

		if (random() % 4)
			for (n = 0; n < sizeof(msg); n++)
				msg[n] = random();
		if (early)
			raw_hello((struct rump_sp_hello *)msg, random() % 7);
		else
			/* a blocking, a short and a nonsensical call among them */
			raw_request(msg, random() % 2 ? random() % 460 : SYS_pause,
			    (long[6]){ random() % 10, random(), random() % 10 });
		n = ((struct rump_sp_hdr *)msg)->len;
		while (changes--)
			msg[random() % n] = random() % 3 ? random() : 0;
		if (random() % 3 == 0)
			n = random() % n + 1;
		send(fd, msg, n, MSG_NOSIGNAL);
		if (random() % 8 == 0)
			send(fd, msg, n, MSG_NOSIGNAL);
		close(fd);
		if (i % 500 == 0)
			check_server();
	}
	check_server();
	wait_processes(before + 2);
}

/* Descriptors beside messages that take none, and floods of them. */
ATF_TC_WITHOUT_HEAD(unwanted_descriptors);
ATF_TC_BODY(unwanted_descriptors, tc)
{
	static const int counts[] = { 1, 16, 17, 100, 253 };
	char ctl[CMSG_SPACE(253 * sizeof(int))], buf[256];
	struct iovec iov = { buf, 0 };
	struct rump_sp_hello_reply r;
	struct cmsghdr *cm;
	int null = open("/dev/null", O_RDWR), fds[253];

	server_start();
	for (int i = 0; i < 253; i++)
		fds[i] = null;
	for (int round = 0; round < 100; round++) {
		int n = counts[round % 5], fd = raw_client(RUMP_SP_GUEST, NULL, &r);
		struct msghdr mh = {
			.msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl,
			.msg_controllen = CMSG_SPACE(n * sizeof(int)),
		};

		iov.iov_len = raw_request(buf, SYS_getpid, NULL);
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, n * sizeof(int));
		ATF_REQUIRE(sendmsg(fd, &mh, MSG_NOSIGNAL) > 0);
		ATF_CHECK(raw_ended(fd));
		close(fd);
	}
	check_server();
	/* None of 7740 is left over there. */
	sprintf(buf, "[ $(ls /proc/%d/fd | wc -l) -lt 60 ]", server_pid());
	ATF_CHECK_EQ(system(buf), 0);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, versions);
	ATF_TP_ADD_TC(tp, guessed_cookies);
	ATF_TP_ADD_TC(tp, no_hello);
	ATF_TP_ADD_TC(tp, silent);
	ATF_TP_ADD_TC(tp, never_reads);
	ATF_TP_ADD_TC(tp, lies_about_memory);
	ATF_TP_ADD_TC(tp, foreign_descriptors);
	ATF_TP_ADD_TC(tp, rings);
	ATF_TP_ADD_TC(tp, dangerous_calls);
	ATF_TP_ADD_TC(tp, random_bytes);
	ATF_TP_ADD_TC(tp, unwanted_descriptors);
	return atf_no_error();
}
