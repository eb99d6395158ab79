/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rump_disk.c - the process of an isolated block device (hypercall/blkshare.h): carries out
 * what it finds in the slots, by threads that make blocking calls.
 *
 * It is started by librumpuser, and killed with it.  A signal that a terminal sends to all
 * is not for it: the kernel that it serves has something left to write.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../hypercall/blk.h"
#include "../hypercall/blkshare.h"

#define THREADS		8
#define STACK_SIZE	(64 * 1024)

static struct blkshare *share;

/* Takes one of the slots that are pending; -1: there is none. */
static int take(void)
{
	uint64_t bits;
	int i;

	while ((bits = atomic_load(&share->pending.bits))) {
		i = __builtin_ctzll(bits);
		if (atomic_fetch_and(&share->pending.bits, ~(1ULL << i)) >> i & 1)
			return i;
	}
	return -1;
}

static void carry_out(int i)
{
	struct blkshare_slot *slot = &share->slots[i];
	struct rumpuser_iovec iov = { share->data[i], slot->len };
	const struct blk b = { .fd = BLKSHARE_FILE };
	struct blk_request r = {
		.op = slot->op, .offset = slot->offset, .len = slot->len, .iov = &iov, .niov = 1,
	};

	slot->error = blkdo(&b, &r);
	blkshare_ring(&share->done, 1ULL << i);
}

static void *work(void *unused)
{
	int i;

	for (;;) {
		i = take();
		if (i < 0)
			blkshare_wait(&share->pending);
		else
			carry_out(i);
	}
	return unused;
}

int main(void)
{
	static const int all[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP };
	pthread_attr_t attr;
	pthread_t thread;
	unsigned int i;

	share = mmap(NULL, sizeof(*share), PROT_READ | PROT_WRITE, MAP_SHARED, BLKSHARE_MEMORY, 0);
	if (share == MAP_FAILED) {
		fputs("rump_disk: it is started by a rump kernel, for an isolated block device\n",
		    stderr);
		return 1;
	}
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		signal(all[i], SIG_IGN);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	for (i = 1; i < THREADS; i++)
		if (pthread_create(&thread, &attr, work, NULL))
			break;
	atomic_store(&share->hello, 1);
	blkshare_wake(&share->hello, INT_MAX);
	work(NULL);
}
