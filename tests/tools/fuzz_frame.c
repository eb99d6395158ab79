/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_frame.c - any bytes as frames of the other relay, from either side.  t_frame runs it
 * on bent good ones; with libFuzzer:
 *
 *	clang -g -fsanitize=fuzzer,address,undefined -DLIBFUZZER -Iinclude \
 *	    tests/tools/fuzz_frame.c tools/relay/frame.c
 */
#include <string.h>

#include "../../tools/relay/relay.h"
#include "../fuzz.h"

int fuzz(const unsigned char *bytes, size_t len)
{
	struct rump_relay_hdr h;
	const struct rump_relay_link *l;
	int near = len && bytes[len - 1] & 1, ok;
	size_t i, data;
	char *copy;

	if (len < sizeof(h))
		return 0;
	memcpy(&h, bytes, sizeof(h));
	if (frame_header_check(&h, near))
		return 0;
	check(h.len >= sizeof(h) && h.len <= sizeof(((struct wire *)0)->in));
	if (len < h.len)
		return 0;
	/* in a copy that has no byte to spare */
	copy = malloc(h.len);
	memcpy(copy, bytes, h.len);
	ok = !frame_check((struct rump_relay_hdr *)copy);
	if (ok && h.type == RUMP_RELAY_DATA) {
		check(h.arg <= RUMP_RELAY_LINKS_MAX && (near || h.arg == 0));
		l = (void *)(copy + sizeof(h));
		data = h.len - sizeof(h) - h.arg * sizeof(*l);
		check(data > 0 && data <= RUMP_RELAY_DATA_MAX);
		for (i = 0; i < h.arg; i++)
			check(l[i].kind >= RUMP_RELAY_NEW && l[i].kind <= RUMP_RELAY_OTHER);
		copy[h.len - 1] ^= 1;
	} else if (ok) {
		check(h.len == sizeof(h));
	}
	free(copy);
	return ok;
}
