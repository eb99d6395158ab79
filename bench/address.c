/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * address.c - preloaded behind librumphijack.so: gives virt0 of the program's own kernel the
 * address BENCH_ADDRESS, before main(), as a program would that knew it had a kernel.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void
set(struct ifreq *ifr, const char *ip)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };

	inet_pton(AF_INET, ip, &sin.sin_addr);
	memcpy(&ifr->ifr_addr, &sin, sizeof(sin));
}

static void __attribute__((constructor))
up(void)
{
	struct ifreq ifr = { .ifr_name = "virt0" };
	const char *ip = getenv("BENCH_ADDRESS");
	int s = socket(AF_INET, SOCK_DGRAM, 0), err;

	set(&ifr, ip ? ip : "");
	err = ioctl(s, SIOCSIFADDR, &ifr);
	set(&ifr, "255.255.255.0");
	err |= ioctl(s, SIOCSIFNETMASK, &ifr);
	ifr.ifr_flags = IFF_UP;
	err |= ioctl(s, SIOCSIFFLAGS, &ifr);
	if (err) {
		perror("address.so: virt0");
		_exit(1);
	}
	close(s);
}
