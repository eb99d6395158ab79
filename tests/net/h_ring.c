/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h_ring - the rings of a packet socket, mapped: frames are sent on lo by one and received by
 * another, which children share; what cannot be mapped says so.  Runs on any Linux, as root.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK	(64 * 1024)
#define BLOCKS	32
#define FRAME	2048
#define PER	(BLOCK / FRAME)
#define ETHER	0x88b5			/* for experiments */
#define FRAMES	500			/* several times around the ring that sends */

#define MUST(call)	((call) < 0 ? (err(1, "line %d: %s", __LINE__, #call), 0) : 0)

static int packet_socket(int version)
{
	struct sockaddr_ll sll = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETHER), .sll_ifindex = if_nametoindex("lo"),
	};
	int s = socket(AF_PACKET, SOCK_RAW, htons(ETHER));

	if (s < 0)
		err(1, "socket");
	MUST(bind(s, (struct sockaddr *)&sll, sizeof(sll)));
	MUST(setsockopt(s, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)));
	return s;
}

static void set_ring(int s, int which, int version, unsigned int blocks)
{
	struct tpacket_req3 r = {
		.tp_block_size = BLOCK, .tp_block_nr = blocks, .tp_frame_size = FRAME,
		.tp_frame_nr = blocks * PER, .tp_retire_blk_tov = version == TPACKET_V3 ? 20 : 0,
	};

	MUST(setsockopt(s, SOL_PACKET, which, &r,
	    version == TPACKET_V3 ? sizeof(r) : sizeof(struct tpacket_req)));
}

static void wait_for(int s)
{
	struct pollfd p = { .fd = s, .events = POLLIN };

	if (poll(&p, 1, 20000) != 1)
		errx(1, "nothing comes");
}

/* Frame n, from its Ethernet header on, must be this one. */
static void check(const char *frame, unsigned int len, int n)
{
	char want[64];

	if (snprintf(want, sizeof(want), "frame %d", n) < 0 || len < 14 + sizeof(want) ||
	    strcmp(frame + 14, want))
		errx(1, "frame %d: %u bytes, \"%.20s\"", n, len, frame + 14);
}

static int fill(char *frame, int n)
{
	const struct ethhdr lo = { .h_proto = htons(ETHER) };

	memset(frame, 0, 14 + 64);
	memcpy(frame, &lo, sizeof(lo));
	sprintf(frame + 14, "frame %d", n);
	return 14 + 64;
}

/* By the ring from tx on, or by calls. */
static void send_frame(int s, char *tx, int n)
{
	struct tpacket2_hdr *h;
	char buf[128];

	if (!tx) {
		MUST(send(s, buf, fill(buf, n), 0));
		return;
	}
	h = (struct tpacket2_hdr *)(tx + n % (2 * PER) * FRAME);
	if (__atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE) != TP_STATUS_AVAILABLE)
		errx(1, "frame %d: the ring is full", n);
	h->tp_len = fill((char *)h + TPACKET2_HDRLEN - sizeof(struct sockaddr_ll), n);
	__atomic_store_n(&h->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
	MUST(send(s, NULL, 0, 0));
}

static void version2(void)
{
	size_t rx_len = (size_t)BLOCKS * BLOCK, len = rx_len + 2 * BLOCK;
	int s = packet_socket(TPACKET_V2), n, status;
	struct tpacket2_hdr *h;
	struct tpacket_stats st;
	socklen_t stlen = sizeof(st);
	pid_t child;
	char *rx;

	set_ring(s, PACKET_RX_RING, TPACKET_V2, BLOCKS);
	set_ring(s, PACKET_TX_RING, TPACKET_V2, 2);
	if (mmap(NULL, rx_len, PROT_READ, MAP_SHARED, s, 0) != MAP_FAILED || errno != EINVAL)
		err(1, "half of it was mapped");
	rx = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, s, 0);
	if (rx == MAP_FAILED)
		err(1, "mmap");
	for (n = 0; n < FRAMES; n++) {
		h = (struct tpacket2_hdr *)(rx + n % (BLOCKS * PER) * FRAME);
		send_frame(s, rx + rx_len, n);
		while (!(__atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
			wait_for(s);
		check((char *)h + h->tp_mac, h->tp_snaplen, n);
		__atomic_store_n(&h->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	}
	MUST(getsockopt(s, SOL_PACKET, PACKET_STATISTICS, &st, &stlen));
	if (st.tp_packets != FRAMES || st.tp_drops)
		errx(1, "%u packets, %u dropped", st.tp_packets, st.tp_drops);

	/* A child sees the same memory, and how it ends is its own matter. */
	child = fork();
	if (child == 0) {
		h = (struct tpacket2_hdr *)(rx + FRAMES % (BLOCKS * PER) * FRAME);
		send_frame(s, rx + rx_len, FRAMES);
		while (!(__atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
			wait_for(s);
		kill(getpid(), SIGKILL);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFSIGNALED(status))
		errx(1, "the child: status %#x", status);
	h = (struct tpacket2_hdr *)(rx + FRAMES % (BLOCKS * PER) * FRAME);
	check((char *)h + h->tp_mac, h->tp_snaplen, FRAMES);

	/* As long as it is mapped the ring stays; then it can go. */
	if (setsockopt(s, SOL_PACKET, PACKET_RX_RING, &(struct tpacket_req){ 0 },
	    sizeof(struct tpacket_req)) == 0 || errno != EBUSY)
		err(1, "a ring in use has gone");
	MUST(munmap(rx, BLOCK));
	MUST(munmap(rx + BLOCK, len - BLOCK));
	set_ring(s, PACKET_RX_RING, TPACKET_V2, 0);
	MUST(close(s));
}

static void version3(void)
{
	int s = packet_socket(TPACKET_V3), n = 0, sent = 0, block = 0;
	struct tpacket_block_desc *b;
	struct tpacket3_hdr *h;
	unsigned int i;
	char *rx;

	set_ring(s, PACKET_RX_RING, TPACKET_V3, BLOCKS);
	rx = mmap(NULL, BLOCKS * BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, s, 0);
	if (rx == MAP_FAILED)
		err(1, "mmap");
	for (; n < FRAMES; block = (block + 1) % BLOCKS) {
		for (; sent < FRAMES && sent < n + 100; sent++)
			send_frame(s, NULL, sent);
		b = (struct tpacket_block_desc *)(rx + block * BLOCK);
		while (!(__atomic_load_n(&b->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
			wait_for(s);
		h = (struct tpacket3_hdr *)((char *)b + b->hdr.bh1.offset_to_first_pkt);
		for (i = 0; i < b->hdr.bh1.num_pkts; i++, n++) {
			check((char *)h + h->tp_mac, h->tp_snaplen, n);
			h = (struct tpacket3_hdr *)((char *)h + h->tp_next_offset);
		}
		__atomic_store_n(&b->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	}
	/* The descriptor goes first: the mapping keeps the ring. */
	MUST(close(s));
	if (!b->hdr.bh1.num_pkts)
		errx(1, "the last block is empty");
	MUST(munmap(rx, BLOCKS * BLOCK));
}

static void refused(void)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0), p = packet_socket(TPACKET_V2);

	if (mmap(NULL, 4096, PROT_READ, MAP_SHARED, s, 0) != MAP_FAILED || errno != ENODEV)
		err(1, "a UDP socket was mapped");
	if (mmap(NULL, 4096, PROT_READ, MAP_SHARED, p, 0) != MAP_FAILED || errno != EINVAL)
		err(1, "a socket without a ring was mapped");
	close(s);
	close(p);
}

int main(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int i, s = socket(AF_INET, SOCK_DGRAM, 0);

	MUST(ioctl(s, SIOCGIFFLAGS, &ifr));
	ifr.ifr_flags |= IFF_UP;
	MUST(ioctl(s, SIOCSIFFLAGS, &ifr));
	close(s);
	for (i = 0; i < 3; i++) {
		version2();
		version3();
	}
	refused();
	puts("ok");
	return 0;
}
