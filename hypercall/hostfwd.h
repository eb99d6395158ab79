/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hostfwd.h - port forwarding: tcp|udp:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT, as QEMU
 * has it.  HOSTADDR: 127.0.0.1 if it is not given (QEMU: any); GUESTADDR: the interface's.
 */
#ifndef HYPERCALL_HOSTFWD_H
#define HYPERCALL_HOSTFWD_H

#include <netinet/in.h>

struct hostfwd {
	int udp;
	struct in_addr host, guest;	/* guest 0: not given */
	int host_port, guest_port;
};

/* 0, or -EINVAL with why (RUMPUSER_NET_WHY bytes).  Pure. */
int hostfwd_parse(const char *text, struct hostfwd *f, char *why);

#endif
