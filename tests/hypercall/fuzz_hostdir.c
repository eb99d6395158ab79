/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_hostdir.c - any bytes as FUSE messages to a directory of the host.  The bytes are a
 * list of messages: an opcode, a node, and arguments, with the length of each in front; the
 * headers are made here, or everything would be a wrong length.  t_hostdir runs it on random
 * messages that make sense now and then; with libFuzzer:
 *
 *	clang -g -fsanitize=fuzzer,address,undefined -DLIBFUZZER -Iinclude -D_GNU_SOURCE \
 *	    tests/hypercall/fuzz_hostdir.c hypercall/[a-z]*.c -luring
 */
#include <errno.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rump/rumpuser.h>

#include "../fuzz.h"

#define OUT_MAX		70000

static uint32_t done;

static void on_done(void *cookie)
{
	(void)cookie;
	__atomic_store_n(&done, 1, __ATOMIC_SEQ_CST);
	rumpuser_wake(&done);
}

static const struct rumpuser_upcalls upcalls = { .dir_done = on_done };

static void send(void *dir, const struct fuse_in_header *h, const unsigned char *args, size_t len,
    size_t room)
{
	static unsigned char out[OUT_MAX];
	struct rumpuser_iovec in[3] = {
		{ (void *)h, sizeof(*h) }, { (void *)args, len / 2 },
		{ (void *)(args + len / 2), len - len / 2 },
	}, iov[2] = { { out, 17 < room ? 17 : room }, { out + 17, 17 < room ? room - 17 : 0 } };
	struct rumpuser_dir_req req = { .in = in, .nin = 3, .out = iov, .nout = 2 };
	struct fuse_out_header reply;

	memset(out, 0, sizeof(reply));
	__atomic_store_n(&done, 0, __ATOMIC_SEQ_CST);
	rumpuser_dir_submit(dir, &req);
	while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST))
		rumpuser_wait(&done, 0, RUMPUSER_FOREVER, 0);
	if (room < sizeof(reply))
		return;
	memcpy(&reply, out, sizeof(reply));
	check(reply.unique == h->unique);
	check(reply.len >= sizeof(reply) && reply.len <= room);
	check(reply.error <= 0 && reply.error > -4096);
	check(!reply.error || reply.len == sizeof(reply));
}

int fuzz(const unsigned char *bytes, size_t len)
{
	static void *dir;
	struct fuse_in_header h = { .unique = 42 };
	size_t n;

	if (!dir) {
		mkdir("fuzzdir", 0700);
		check(rumpuser_init(RUMPUSER_VERSION, &upcalls) == 0);
		check(rumpuser_dir_open("fuzzdir", 0, &dir) == 0);
	}
	while (len >= 4) {
		h.opcode = bytes[0] & 63;
		h.nodeid = bytes[1] == 255 ? ~0ULL : bytes[1] & 15;
		n = bytes[2];
		h.len = bytes[0] & 64 ? sizeof(h) + n : (size_t)bytes[3] << 24 | bytes[2];
		bytes += 4;
		len -= 4;
		if (n > len)
			n = len;
		send(dir, &h, bytes, n, bytes[-1] & 1 ? OUT_MAX : bytes[-1]);
		bytes += n;
		len -= n;
	}
	return 0;
}
