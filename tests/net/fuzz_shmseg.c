/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_shmseg.c - what others may do to a segment, while we use it.  t_shmseg runs it on
 * random bytes; with libFuzzer:
 *
 *	clang -g -fsanitize=fuzzer,address,undefined -DLIBFUZZER -D_GNU_SOURCE -Iinclude \
 *	    tests/net/fuzz_shmseg.c $(find hypercall -name '*.c') -l:liburing.a
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../hypercall/shmseg.h"
#include "fuzz_shmseg.h"

#define check(cond)	do { if (!(cond)) abort(); } while (0)
#define STEP	12		/* bytes of one step: what, where, a value */

static uint64_t value_of(const unsigned char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	/* Small numbers, and near the powers of two, are what goes wrong. */
	return p[0] & 1 ? v >> 56 : p[0] & 2 ? ~(v >> 60) : v;
}

/* A word of what both sides write. */
static void poke(struct shmseg_map *m, unsigned int where, uint64_t v)
{
	struct shmring_ctl *c = &m->ports[where % 2].ctl[0];

	switch (where >> 1 & 7) {
	case 0: c->head = v; break;
	case 1: c->tail = v; break;
	case 2: c->armed = v; break;
	case 3: c->any_waits = v; c->waits[v % (SHMRING_WAITERS / 64)] = v; break;
	case 4: m->ports[where >> 4 & 1].state = v; break;
	case 5: m->macs[v % SHMSEG_MACS] = v; break;
	case 6: m->header.high = v; break;
	case 7: m->slots[where % 2][0][(where >> 4) % SHMRING_CHUNKS] = v; break;
	}
}

static void step(struct shmseg *s[2], const unsigned char *p)
{
	static char data[RUMPUSER_NET_FRAME_MAX];
	struct rumpuser_iovec iov[2] = { { data, 100 }, { data + 100, sizeof(data) - 100 } };
	struct rumpuser_net_frame f = { .iov = iov, .niov = 2, .len = sizeof(data) };
	struct shmseg *me = s[p[0] & 1], *other = s[~p[0] & 1];
	struct shmring in = shmseg_ring(me->map, me->port, 0), out = shmseg_ring(me->map, other->port, 0);
	uint64_t v = value_of(p + 4);
	struct shmring_owner owner;
	int ret, port;

	switch (p[1] & 7) {
	case 0:
		f.len = SHMRING_FRAME_MIN + v % (sizeof(data) - SHMRING_FRAME_MIN);
		ret = shmring_put(&out, &f, me->me);
		check(ret == 0 || ret == -ENOBUFS);
		shmseg_ring_bell(&out);
		break;
	case 1:
		ret = shmring_get(&in, &f, &owner);
		check(ret == 0 || ret == -EBUSY || ret == -EBADMSG ||
		    (ret >= SHMRING_FRAME_MIN && ret <= (int)sizeof(data) && f.len == (uint32_t)ret));
		if (ret == -EBUSY && !shmseg_alive(me, owner))
			shmring_skip(&in);
		break;
	case 2:
		shmring_has_work(&in);
		shmring_has_room(&out, v % sizeof(data));
		break;
	case 3:
		port = shmseg_lookup(me->map, v & 0xffffffffffff);
		check(port >= -1 && port < SHMSEG_PORTS);
		check(shmseg_high(me->map) <= SHMSEG_PORTS);
		break;
	case 4:
		shmseg_learn(me->map, v & 0xffffffffffff, me->port);
		break;
	case 5:
		shmseg_await_room(&out, v);
		shmseg_wake_waiters(me->map, &in);
		break;
	default:
		poke(me->map, p[2] | p[3] << 8, v);
	}
}

void fuzz_shmseg(const char *path, const unsigned char *bytes, size_t len)
{
	char why[RUMPUSER_NET_WHY] = "";
	struct shmseg *s[2];
	size_t i;

	check(shmseg_join(path, 1, &s[0], why) == 0);
	check(shmseg_join(path, 1, &s[1], why) == 0);
	check(s[0]->port != s[1]->port);
	for (i = 0; i < 2; i++)
		shmseg_up(s[i], true);
	for (i = 0; i + STEP <= len; i += STEP)
		step(s, bytes + i);
	/* Who comes up again makes sense of it, whatever was there. */
	for (i = 0; i < 2; i++)
		shmseg_up(s[i], true);
	shmseg_leave(s[1]);
	shmseg_leave(s[0]);
}

#ifdef LIBFUZZER
int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);
int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len)
{
	fuzz_shmseg("/tmp/fuzz_shmseg", bytes, len);
	return 0;
}
#endif
