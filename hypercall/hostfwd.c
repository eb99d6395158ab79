/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hostfwd.h"
#include "netspec.h"

/* [ADDRESS]:PORT from text up to end. */
static int parse_end(const char *text, size_t len, struct in_addr *addr, int *port)
{
	const char *colon = memchr(text, ':', len);
	char buf[32];
	unsigned long n;

	if (!colon || len >= sizeof(buf))
		return -EINVAL;
	snprintf(buf, sizeof(buf), "%.*s", (int)(colon - text), text);
	if (buf[0] && inet_pton(AF_INET, buf, addr) != 1)
		return -EINVAL;
	snprintf(buf, sizeof(buf), "%.*s", (int)(text + len - colon - 1), colon + 1);
	if (netspec_number(buf, 1, 65535, &n))
		return -EINVAL;
	*port = n;
	return 0;
}

int hostfwd_parse(const char *text, struct hostfwd *f, char *why)
{
	const char *host = text + 4, *dash;

	*f = (struct hostfwd){ .host.s_addr = htonl(INADDR_LOOPBACK) };
	f->udp = !strncmp(text, "udp:", 4);
	if ((f->udp || !strncmp(text, "tcp:", 4)) && (dash = strchr(host, '-')) &&
	    !parse_end(host, dash - host, &f->host, &f->host_port) &&
	    !parse_end(dash + 1, strlen(dash + 1), &f->guest, &f->guest_port))
		return 0;
	return netspec_wrong(why, "hostfwd=%.80s: want tcp|udp:[HOSTADDR]:PORT-[GUESTADDR]:PORT", text);
}
