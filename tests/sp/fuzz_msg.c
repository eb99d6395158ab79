/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_msg.c - any bytes as a message to the server, by a socket and in shared memory.  t_msg runs it on mutations
 * of good messages; with libFuzzer:
 *
 *	clang -g -fsanitize=fuzzer,address,undefined -DLIBFUZZER -Iinclude \
 *	    tests/sp/fuzz_msg.c hypercall/sp_msg.c
 */
#include <string.h>

#include "../../hypercall/sp_msg.h"
#include "../fuzz.h"

/* Reads and writes what the kernel would, in a copy that has no byte to spare. */
static void use_request(struct rump_sp_syscall *req)
{
	char *base = (char *)req;
	uint32_t i, j, k;
	size_t out = 0;
	uint64_t end;

	check(req->nsegs <= RUMP_SP_SEGS_MAX);
	memcpy(&end, base + req->hdr.len - 8, 8);
	check(end == RUMP_SP_END_OK || end == RUMP_SP_END_ABORT);
	for (i = 0; i < req->nsegs; i++) {
		const struct rump_sp_seg s = req->segs[i];

		check(s.len > 0 && s.addr + s.len > s.addr);
		if (s.flags & RUMP_SP_OUT)
			out += s.len;
		if (!(s.flags & RUMP_SP_IN))
			continue;
		/* Neither the table nor the end word, nor another piece of data. */
		for (k = 0; k < s.len; k++)
			base[s.off + k] ^= 0x55;
		for (j = 0; j < req->nsegs; j++)
			check(j == i || !(req->segs[j].flags & RUMP_SP_IN) ||
			    s.off + s.len <= req->segs[j].off ||
			    req->segs[j].off + req->segs[j].len <= s.off);
		check(memcmp(&s, &req->segs[i], sizeof(s)) == 0);
	}
	check(memcmp(&end, base + req->hdr.len - 8, 8) == 0);
	check(out <= RUMP_SP_INLINE_MAX);
}

/* A message that was accepted: what is relied on. */
static void use(void *msg, const struct rump_sp_hdr *hdr)
{
	if (hdr->type == RUMP_SP_SYSCALL)
		use_request(msg);
	if (hdr->type == RUMP_SP_COPY_REPLY) {
		const struct rump_sp_copy_reply *r = msg;

		check(hdr->len == sizeof(*r) || hdr->len - sizeof(*r) == RUMP_SP_ALIGN(r->ret));
	}
}

/* The bytes in shared memory, where they change under the server's hands. */
static void fuzz_ring(const unsigned char *bytes, size_t len)
{
	static struct rump_sp_ring shm;
	struct rump_sp_hdr hdr;
	size_t i, room = len < sizeof(shm.request) ? len : sizeof(shm.request);
	void *msg;

	memcpy(shm.request, bytes, room);
	if (sp_ring_header(&shm, &hdr))
		return;
	check(hdr.len >= sizeof(hdr) && hdr.len <= RUMP_SP_RING_REQUEST && hdr.nfds <= 16);
	/* the header above all: a length that was good is not any more */
	for (i = 0; i < len / 4; i++)
		shm.request[bytes[i] % (i % 2 ? 16 : room)] ^= bytes[len - 1 - i];
	msg = malloc(hdr.len);
	if (!sp_ring_message(&shm, &hdr, msg)) {
		check(memcmp(msg, &hdr, sizeof(hdr)) == 0);
		use(msg, &hdr);
	}
	free(msg);
}

int fuzz(const unsigned char *bytes, size_t len)
{
	struct rump_sp_hdr hdr;
	unsigned int nfds = 0;
	void *msg;
	int ok;

	if (len)
		fuzz_ring(bytes, len);
	/* As the server does: the header first, then as many bytes as it says. */
	if (len < sizeof(hdr))
		return 0;
	memcpy(&hdr, bytes, sizeof(hdr));
	if (sp_header_check(&hdr))
		return 0;
	check(hdr.len >= sizeof(hdr) && hdr.len <= RUMP_SP_MSG_MAX && hdr.len % 8 == 0);
	if (len < hdr.len)
		return 0;
	msg = malloc(hdr.len);
	memcpy(msg, bytes, hdr.len);
	if (hdr.type == RUMP_SP_SYSCALL)
		nfds = hdr.nfds;
	ok = !sp_message_check(msg, nfds);
	if (ok)
		use(msg, &hdr);
	free(msg);
	return ok;
}
