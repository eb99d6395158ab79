/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls for which Linux takes the pages of the caller's memory, instead of copying: O_DIRECT,
 * vmsplice, MSG_ZEROCOPY, kernel TLS, AF_ALG.
 */
#include "sys.h"

#include <linux/errqueue.h>
#include <linux/if_alg.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define SIZE	(256 << 10)
static char out[SIZE] __attribute__((aligned(4096))), in[SIZE] __attribute__((aligned(4096)));

static void
fill(unsigned int seed)
{
	for (int i = 0; i < SIZE; i++)
		out[i] = (i * 11 + i / 4093 + seed * 17) >> (seed % 3);
	memset(in, 0, SIZE);
}

static void
tcp_pair(int s[2])
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int len = sizeof(sin), l = MUST(socket, AF_INET, SOCK_STREAM, 0);

	if (sys_where() != SYS_HOST)
		sys_ifup("lo");
	MUST(bind, l, &sin, len);
	MUST(listen, l, 1);
	MUST(getsockname, l, &sin, &len);
	s[0] = MUST(socket, AF_INET, SOCK_STREAM, 0);
	MUST(connect, s[0], &sin, len);
	s[1] = MUST(accept, l, NULL, NULL);
	MUST(close, l);
}

static void
read_all(int fd, char *to, size_t n)
{
	for (size_t done = 0; done < n;)
		done += MUST(read, fd, to + done, n - done);
}

ATF_TC_WITHOUT_HEAD(vmsplice);
ATF_TC_BODY(vmsplice, tc)
{
	int p[2], fd = MUST(openat, AT_FDCWD, "/tmp/vmsplice", O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct iovec v[3] = { { out + 100, 5000 }, { out + 10000, 1 }, { out + 20001, 20000 } };
	size_t n = 25001;
	char want[25001];

	fill(1);
	memcpy(want, out + 100, 5000);
	want[5000] = out[10000];
	memcpy(want + 5001, out + 20001, 20000);
	MUST(pipe2, p, O_NONBLOCK);
	ATF_CHECK_EQ(MUST(vmsplice, p[1], v, 3, 0), (long)n);
	read_all(p[0], in, n);
	ATF_CHECK(!memcmp(in, want, n));
	/* on to a file, as those do who want no copy */
	ATF_CHECK_EQ(MUST(vmsplice, p[1], v, 3, SPLICE_F_GIFT), (long)n);
	ATF_CHECK_EQ(MUST(splice, p[0], NULL, fd, NULL, n, SPLICE_F_MOVE), (long)n);
	ATF_CHECK_EQ(MUST(pread64, fd, in, n, 0), (long)n);
	ATF_CHECK(!memcmp(in, want, n));
	/* out of a pipe, into memory */
	memset(in, 0, n);
	ATF_CHECK_EQ(MUST(write, p[1], want, 4096), 4096);
	v[0] = (struct iovec){ in + 77, 5000 };
	ATF_CHECK_EQ(MUST(vmsplice, p[0], v, 1, 0), 4096);
	ATF_CHECK(!memcmp(in + 77, want, 4096) && !in[76] && !in[77 + 4096]);
	/* as much as there is room for */
	v[0] = (struct iovec){ out, SIZE };
	n = MUST(vmsplice, p[1], v, 1, SPLICE_F_NONBLOCK);
	ATF_CHECK(n >= 65536 && n < SIZE);
	MUSTFAIL(EAGAIN, vmsplice, p[1], v, 1, SPLICE_F_NONBLOCK);
	read_all(p[0], in, n);
	ATF_CHECK(!memcmp(in, out, n));
	v[0] = (struct iovec){ (void *)8, 4096 };
	MUSTFAIL(EFAULT, vmsplice, p[1], v, 1, 0);
	MUST(unlink, "/tmp/vmsplice");
}

/* The notifications that say that sends up to the n-th are through. */
static void
zerocopy_done(int s, unsigned int n)
{
	char ctl[200];
	struct msghdr mh = { .msg_control = ctl };
	struct sock_extended_err ee;
	struct cmsghdr *cm;
	unsigned int done = 0;

	while (done < n) {
		struct pollfd p = { .fd = s };

		ATF_REQUIRE_EQ(MUST(poll, &p, 1, 10000), 1);
		ATF_REQUIRE(p.revents & POLLERR);
		mh.msg_controllen = sizeof(ctl);
		MUST(recvmsg, s, &mh, MSG_ERRQUEUE);
		ATF_REQUIRE((cm = CMSG_FIRSTHDR(&mh)) != NULL);
		memcpy(&ee, CMSG_DATA(cm), sizeof(ee));
		ATF_CHECK_EQ(ee.ee_origin, SO_EE_ORIGIN_ZEROCOPY);
		ATF_CHECK_EQ(ee.ee_errno, 0);
		ATF_CHECK_EQ(ee.ee_info, done);
		done = ee.ee_data + 1;
	}
	ATF_CHECK_EQ(done, n);
	MUSTFAIL(EAGAIN, recvmsg, s, &mh, MSG_ERRQUEUE | MSG_DONTWAIT);
}

ATF_TC_WITHOUT_HEAD(zerocopy);
ATF_TC_BODY(zerocopy, tc)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct iovec v[2] = { { out + 1, 3000 }, { out + 8191, 5000 } };
	struct msghdr mh = { .msg_iov = v, .msg_iovlen = 2 };
	int s[2], one = 1, len = sizeof(sin), u, r;

	tcp_pair(s);
	/* who has not asked for it gets no notification */
	ATF_CHECK_EQ(MUST(sendto, s[0], "x", 1, MSG_ZEROCOPY, NULL, 0), 1);
	MUSTFAIL(EAGAIN, recvmsg, s[0], &(struct msghdr){ 0 }, MSG_ERRQUEUE | MSG_DONTWAIT);
	read_all(s[1], in, 1);
	MUST(setsockopt, s[0], SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one));
	for (int i = 0; i < 5; i++) {
		fill(i);
		for (long n, done = 0; done < 65536; done += n)
			n = MUST(sendto, s[0], out + done, 65536 - done, MSG_ZEROCOPY, NULL, 0);
		read_all(s[1], in, 65536);
		ATF_CHECK(!memcmp(in, out, 65536));
	}
	zerocopy_done(s[0], 5);
	/* a datagram of parts */
	u = MUST(socket, AF_INET, SOCK_DGRAM, 0);
	r = MUST(socket, AF_INET, SOCK_DGRAM, 0);
	MUST(bind, r, &sin, len);
	MUST(getsockname, r, &sin, &len);
	MUST(connect, u, &sin, len);
	MUST(setsockopt, u, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one));
	ATF_CHECK_EQ(MUST(sendmsg, u, &mh, MSG_ZEROCOPY), 8000);
	ATF_CHECK_EQ(MUST(recvfrom, r, in, SIZE, 0, NULL, NULL), 8000);
	ATF_CHECK(!memcmp(in, out + 1, 3000) && !memcmp(in + 3000, out + 8191, 5000));
	zerocopy_done(u, 1);
}

static void
tls_pair(int s[2], int version)
{
	struct tls12_crypto_info_aes_gcm_128 key = {
		.info = { .version = version, .cipher_type = TLS_CIPHER_AES_GCM_128 },
		.key = "0123456789abcde", .iv = "1234567", .salt = "abc",
	};

	tcp_pair(s);
	for (int i = 0; i < 2; i++) {
		if (S(setsockopt, s[i], SOL_TCP, TCP_ULP, "tls", 4) == -ENOENT)
			atf_tc_skip("no kernel TLS");
		MUST(setsockopt, s[i], SOL_TLS, i ? TLS_RX : TLS_TX, &key, sizeof(key));
	}
}

/* Records of any size, sent and received whole and in parts, from memory and a file. */
static void
tls(int version)
{
	int s[2], fd = MUST(openat, AT_FDCWD, "/tmp/tls", O_RDWR | O_CREAT | O_TRUNC, 0600);
	static const int sizes[] = { 1, 100, 4096, 16000, 16384, 20000, 60000 };
	size_t i, n, part;

	tls_pair(s, version);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (part = 1; part < 4; part++) {
			n = sizes[i];
			fill(i + part);
			ATF_CHECK_EQ(MUST(write, s[0], out + part, n), (long)n);
			if (part == 1)
				read_all(s[1], in + 3, n);
			else if (part == 2)	/* more room than there is data */
				for (size_t done = 0; done < n;)
					done += MUST(read, s[1], in + 3 + done, 100000);
			else			/* less */
				for (size_t done = 0; done < n;)
					done += MUST(read, s[1], in + 3 + done, n - done < 999 ? n - done : 999);
			ATF_CHECK_MSG(!memcmp(in + 3, out + part, n), "%zu, %zu", n, part);
			ATF_CHECK(!in[2] && !in[3 + n]);
		}
	}
	fill(9);
	MUST(write, fd, out, 60000);
	for (off_t off = 0; off < 60000;)
		MUST(sendfile, s[0], fd, &off, 60000 - off);
	read_all(s[1], in, 60000);
	ATF_CHECK(!memcmp(in, out, 60000));
	MUST(unlink, "/tmp/tls");
}

static long
write_much(void *fd)
{
	for (int i = 0; i < 64; i++)
		for (long done = 0; done < SIZE;)
			done += MUST(write, *(int *)fd, out + done, SIZE - done);
	return 0;
}

/* One call that gets more than may be kept until its end. */
ATF_TC_WITHOUT_HEAD(tls_much);
ATF_TC_BODY(tls_much, tc)
{
	const size_t size = 64L * SIZE;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sys_thread *t;
	int s[2];

	tls_pair(s, TLS_1_2_VERSION);
	fill(4);
	t = sys_spawn(write_much, &s[0]);
	for (size_t done = 0; done < size;)
		done += MUST(recvfrom, s[1], p + done, size - done, MSG_WAITALL, NULL, 0);
	sys_join(t);
	for (int i = 0; i < 64; i++)
		ATF_REQUIRE(!memcmp(p + (size_t)i * SIZE, out, SIZE));
}

ATF_TC_WITHOUT_HEAD(tls12);
ATF_TC_BODY(tls12, tc) { tls(TLS_1_2_VERSION); }
ATF_TC_WITHOUT_HEAD(tls13);
ATF_TC_BODY(tls13, tc) { tls(TLS_1_3_VERSION); }

ATF_TC_WITHOUT_HEAD(alg);
ATF_TC_BODY(alg, tc)
{
	struct sockaddr_alg sa = { .salg_family = AF_ALG, .salg_type = "hash", .salg_name = "sha256" };
	static const unsigned char abc[] = { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea };
	union { char buf[CMSG_SPACE(4) + CMSG_SPACE(20)]; struct cmsghdr align; } ctl = { 0 };
	struct iovec v = { out, 65536 };
	struct msghdr mh = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &ctl,
		.msg_controllen = sizeof(ctl) };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);
	int fd, op;
	char all[32], parts[32];

	if ((fd = S(socket, AF_ALG, SOCK_SEQPACKET, 0)) == -EAFNOSUPPORT)
		atf_tc_skip("no AF_ALG");
	MUST(bind, fd, &sa, sizeof(sa));
	op = MUST(accept, fd, NULL, NULL);
	ATF_CHECK_EQ(MUST(sendto, op, "abc", 3, 0, NULL, 0), 3);
	ATF_CHECK_EQ(MUST(read, op, all, 32), 32);
	ATF_CHECK(!memcmp(all, abc, 8));
	fill(2);
	ATF_CHECK_EQ(MUST(sendto, op, out + 5, 100000, 0, NULL, 0), 100000);
	ATF_CHECK_EQ(MUST(read, op, all, 32), 32);
	ATF_CHECK_EQ(MUST(sendto, op, out + 5, 40001, MSG_MORE, NULL, 0), 40001);
	ATF_CHECK_EQ(MUST(sendto, op, out + 40006, 59999, 0, NULL, 0), 59999);
	ATF_CHECK_EQ(MUST(read, op, parts, 32), 32);
	ATF_CHECK(!memcmp(all, parts, 32));
	MUSTFAIL(EFAULT, sendto, op, (void *)8, 5000, 0, NULL, 0);
	/* there and back */
	strcpy((char *)sa.salg_type, "skcipher");
	strcpy((char *)sa.salg_name, "ctr(aes)");
	fd = MUST(socket, AF_ALG, SOCK_SEQPACKET, 0);
	MUST(bind, fd, &sa, sizeof(sa));
	MUST(setsockopt, fd, SOL_ALG, ALG_SET_KEY, "0123456789abcdef", 16);
	op = MUST(accept, fd, NULL, NULL);
	for (int i = 0; i < 2; i++) {
		*cm = (struct cmsghdr){ CMSG_LEN(4), SOL_ALG, ALG_SET_OP };
		*(int *)CMSG_DATA(cm) = ALG_OP_ENCRYPT;		/* is its own inverse */
		*CMSG_NXTHDR(&mh, cm) = (struct cmsghdr){ CMSG_LEN(20), SOL_ALG, ALG_SET_IV };
		*(int *)CMSG_DATA(CMSG_NXTHDR(&mh, cm)) = 16;
		v = (struct iovec){ i ? in + 1 : out, 8192 };
		ATF_CHECK_EQ(MUST(sendmsg, op, &mh, 0), 8192);
		ATF_CHECK_EQ(MUST(read, op, i ? in + 20000 : in + 1, 8192), 8192);
		ATF_CHECK(memcmp(in + 1, out, 8192));
	}
	ATF_CHECK(!memcmp(in + 20000, out, 8192) && !in[19999] && !in[28192] && !in[0] && !in[8193]);
}

static long
read_direct(void *fd)
{
	return S(pread64, *(int *)fd, in, SIZE, 0);
}

ATF_TC_WITHOUT_HEAD(direct);
ATF_TC_BODY(direct, tc)
{
	struct iovec v[2] = { { in + 512, 512 }, { in + 8192, 65536 } };
	int fd, f;

	sys_sh("truncate -s 64m img && mkfs.ext4 -q img");
	sys_etfs("/dev/img", "img");
	MUST(mkdir, "/m", 0700);
	MUST(mount, "/dev/img", "/m", "ext4", 0, NULL);
	fd = MUST(openat, AT_FDCWD, "/m/f", O_RDWR | O_CREAT | O_DIRECT, 0600);
	f = MUST(openat, AT_FDCWD, "/m/f", O_RDWR);
	fill(3);
	ATF_CHECK_EQ(MUST(pwrite64, fd, out, SIZE, 0), SIZE);
	ATF_CHECK_EQ(MUST(preadv, fd, v, 2, 4096, 0), 66048);
	ATF_CHECK(!memcmp(in + 512, out + 4096, 512) && !memcmp(in + 8192, out + 4608, 65536));
	ATF_CHECK_EQ(MUST(pread64, f, in, 100, 1000), 100);
	ATF_CHECK(!memcmp(in, out + 1000, 100));
	MUSTFAIL(EINVAL, pread64, fd, in, 100, 0);
	MUSTFAIL(EINVAL, pread64, fd, in + 1, 4096, 0);
	MUSTFAIL(EINVAL, pwrite64, fd, in, 4096, 1);
	MUSTFAIL(EFAULT, pread64, fd, 4096, 4096, 0);
	MUSTFAIL(EFAULT, pwrite64, fd, 4096, 4096, 0);
	ATF_CHECK_EQ(sys_join(sys_spawn(read_direct, &fd)), SIZE);
	ATF_CHECK(!memcmp(in, out, SIZE));
	MUST(close, fd);
	MUST(close, f);
	MUST(umount2, "/m", 0);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, vmsplice);
	ATF_TP_ADD_TC(tp, zerocopy);
	ATF_TP_ADD_TC(tp, tls12);
	ATF_TP_ADD_TC(tp, tls13);
	ATF_TP_ADD_TC(tp, tls_much);
	ATF_TP_ADD_TC(tp, alg);
	ATF_TP_ADD_TC(tp, direct);
	return atf_no_error();
}
