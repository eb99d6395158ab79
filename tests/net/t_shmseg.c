/* SPDX-License-Identifier: BSD-2-Clause */
/* The shared-memory segment and its rings (hypercall/shmseg.c, shmring.c). */
#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../hypercall/shmseg.h"
#include "fuzz_shmseg.h"

#define SEG	"segment"

static char data[RUMPUSER_NET_FRAME_MAX];

static struct shmseg *join(void)
{
	char why[RUMPUSER_NET_WHY] = "";
	struct shmseg *s;
	int err = shmseg_join(SEG, 1, &s, why);

	ATF_REQUIRE_MSG(err == 0, "%s", why);
	shmseg_up(s, true);
	return s;
}

static struct rumpuser_net_frame frame(struct rumpuser_iovec *iov, char *mem, uint32_t len)
{
	*iov = (struct rumpuser_iovec){ mem, len };
	return (struct rumpuser_net_frame){ .iov = iov, .niov = 1, .len = len };
}

static int put(struct shmseg *from, struct shmseg *to, uint32_t len, char fill)
{
	struct shmring r = shmseg_ring(from->map, to->port, 0);
	struct rumpuser_iovec iov;
	struct rumpuser_net_frame f = frame(&iov, data, len);

	memset(data, fill, len);
	return shmring_put(&r, &f, from->me);
}

/* The length, with every byte compared; or shmring_get()'s other results. */
static int get(struct shmseg *s, char fill)
{
	static char in[RUMPUSER_NET_FRAME_MAX];
	struct shmring r = shmseg_ring(s->map, s->port, 0);
	struct rumpuser_iovec iov;
	struct rumpuser_net_frame f = frame(&iov, in, sizeof(in));
	struct shmring_owner owner;
	int ret = shmring_get(&r, &f, &owner), i;

	if (ret == -EBUSY && !shmseg_alive(s, owner))
		shmring_skip(&r);
	for (i = 0; i < ret; i++)
		ATF_REQUIRE_EQ(in[i], fill);
	return ret;
}

ATF_TC_WITHOUT_HEAD(frames);
ATF_TC_BODY(frames, tc)
{
	struct shmseg *a = join(), *b = join();
	unsigned int i, n, lens[] = { SHMRING_FRAME_MIN, 255, 256, 257, 1514, 9000, RUMPUSER_NET_FRAME_MAX };

	/* Around the end of the ring many times, in all sizes. */
	for (i = 0; i < 7000; i++) {
		uint32_t len = lens[i % 7];

		ATF_REQUIRE_EQ(put(a, b, len, i), 0);
		ATF_REQUIRE_EQ(get(b, i), (int)len);
	}
	ATF_CHECK_EQ(get(b, 0), 0);
	/* Full, and not a byte more; emptied, in order. */
	for (n = 0; put(a, b, 1514, n) == 0; n++)
		;
	ATF_CHECK_EQ(n, SHMRING_CHUNKS / 6);
	ATF_CHECK_EQ(put(a, b, 1514, n), -ENOBUFS);
	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(get(b, i), 1514);
	ATF_CHECK_EQ(get(b, 0), 0);
	shmseg_leave(b);
	ATF_CHECK_EQ(access(SEG, F_OK), 0);
	shmseg_leave(a);
	ATF_CHECK_EQ(access(SEG, F_OK), -1);
}

ATF_TC_WITHOUT_HEAD(learning);
ATF_TC_BODY(learning, tc)
{
	struct shmseg *a = join(), *b = join();
	unsigned int port;

	ATF_CHECK_EQ(shmseg_lookup(a->map, 0x020000000001), -1);
	shmseg_learn(a->map, 0x020000000001, b->port);
	shmseg_learn(a->map, 0x020000000002, a->port);
	ATF_CHECK_EQ(shmseg_lookup(a->map, 0x020000000001), (int)b->port);
	ATF_CHECK_EQ(shmseg_lookup(b->map, 0x020000000002), (int)a->port);
	shmseg_learn(b->map, 0x020000000002, b->port);		/* it has moved */
	ATF_CHECK_EQ(shmseg_lookup(a->map, 0x020000000002), (int)b->port);
	/* Who comes to the port later is somebody else. */
	port = b->port;
	shmseg_leave(b);
	ATF_CHECK_EQ(shmseg_lookup(a->map, 0x020000000001), -1);
	b = join();
	ATF_CHECK_EQ(b->port, port);
	ATF_CHECK_EQ(shmseg_lookup(a->map, 0x020000000001), -1);
	shmseg_leave(b);
	shmseg_leave(a);
}

/* Killed between claiming a slot and saying that it is ready. */
ATF_TC_WITHOUT_HEAD(half_written);
ATF_TC_BODY(half_written, tc)
{
	struct shmseg *a = join(), *b;
	struct shmring r = shmseg_ring(a->map, a->port, 0);
	_Atomic uint64_t *slot;
	uint32_t pos;
	int i;

	for (i = 0; i < 3; i++) {
		if (fork() == 0) {
			b = join();
			/* A frame as it is for a moment: bit 1 ready, bit 0 claimed. */
			pos = atomic_load(&r.ctl->head);
			put(b, a, 3000, 1);
			slot = &r.slots[pos % SHMRING_CHUNKS];
			atomic_store(slot, (atomic_load(slot) & ~3ULL) | 1);
			if (i == 1)		/* and head not moved yet */
				atomic_store(&r.ctl->head, pos);
			kill(getpid(), SIGKILL);
		}
		wait(NULL);
		b = join();
		ATF_CHECK_EQ(put(b, a, 1000, 2), 0);
		ATF_CHECK_EQ(get(a, 1), -EBUSY);	/* and skips it */
		ATF_CHECK_EQ(get(a, 2), 1000);
		ATF_CHECK_EQ(get(a, 2), 0);
		shmseg_leave(b);
	}
	shmseg_leave(a);
}

/* Killed anywhere, while several send at once. */
ATF_TC_WITHOUT_HEAD(killed);
ATF_TC_BODY(killed, tc)
{
	struct shmseg *a = join(), *b;
	int round, i, got = 0, ret;
	pid_t pid[3];

	srandom(1);
	for (round = 0; round < 40; round++) {
		for (i = 0; i < 3; i++) {
			if ((pid[i] = fork()) == 0) {
				b = join();
				for (;;)
					put(b, a, 100 + random() % 60000, 5);
			}
		}
		for (i = 0; i < 2000; i++)
			got += (ret = get(a, 5)) > 0;
		usleep(random() % 3000);
		for (i = 0; i < 3; i++)
			kill(pid[i], SIGKILL);
		for (i = 0; i < 3; i++)
			wait(NULL);
		/* What is left is taken or skipped, and that is all. */
		for (i = 0; i < 2 * SHMRING_CHUNKS && get(a, 5) != 0; i++)
			;
		ATF_REQUIRE(i < 2 * SHMRING_CHUNKS);
		b = join();
		ATF_REQUIRE_EQ(put(b, a, 60000, 7), 0);
		ATF_REQUIRE_EQ(get(a, 7), 60000);
		shmseg_leave(b);
	}
	ATF_CHECK(got > 0);
	shmseg_leave(a);
}

ATF_TC_WITHOUT_HEAD(ports);
ATF_TC_BODY(ports, tc)
{
	struct shmseg *s[SHMSEG_PORTS], *more;
	char why[RUMPUSER_NET_WHY];
	int i;

	for (i = 0; i < SHMSEG_PORTS / 8; i++)
		s[i] = join();
	for (i = 0; i < SHMSEG_PORTS / 8; i++)
		ATF_CHECK_EQ(s[i]->port, (unsigned int)i);
	/* A segment that says that it is full of ports is none of ours. */
	s[0]->map->header.ports = 7;
	why[0] = '\0';
	ATF_CHECK_EQ(shmseg_join(SEG, 1, &more, why), -EINVAL);
	ATF_CHECK_MSG(strstr(why, "header is damaged"), "%s", why);
	for (i = 0; i < SHMSEG_PORTS / 8; i++)
		shmseg_leave(s[i]);
}

ATF_TC_WITHOUT_HEAD(truncated);
ATF_TC_BODY(truncated, tc)
{
	struct shmseg *a = join(), *b = join();

	ATF_CHECK_EQ(put(a, b, 1000, 1), 0);
	ATF_REQUIRE_EQ(truncate(SEG, 0), 0);
	put(a, b, 1000, 1);
	get(b, 0);
	ATF_CHECK(a->broken || b->broken);
	shmseg_leave(b);
	shmseg_leave(a);
}

ATF_TC_WITHOUT_HEAD(fuzz);
ATF_TC_BODY(fuzz, tc)
{
	unsigned char bytes[12 * 400];

	srandom(1);
	for (int i = 0; i < 50; i++) {
		for (size_t k = 0; k < sizeof(bytes); k++)
			bytes[k] = random() >> 8;
		fuzz_shmseg("fuzzed", bytes, sizeof(bytes));
	}
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, frames);
	ATF_TP_ADD_TC(tp, learning);
	ATF_TP_ADD_TC(tp, half_written);
	ATF_TP_ADD_TC(tp, killed);
	ATF_TP_ADD_TC(tp, ports);
	ATF_TP_ADD_TC(tp, truncated);
	ATF_TP_ADD_TC(tp, fuzz);
	return atf_no_error();
}
