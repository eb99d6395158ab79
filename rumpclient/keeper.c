/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keeper.c - from an embedded kernel to a server's client, before a fork or an exec.
 *
 * The library that is the kernel hands it to a keeper process (<rump/rump.h>); then this
 * process, which is the same to the kernel as before, goes on with channels.  Calls of
 * other threads come back meanwhile as not made (RUMP_EMOVED), wait here, and are made
 * again: nobody sees more than a delay.
 *
 * A kernel that was not booted has nothing to hand over: a child boots one of its own
 * when it needs it.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stddef.h>

#include <rump/rump.h>

#include "client.h"

static atomic_uint moving;		/* 1: a thread is at it, the others sleep on this */

void keeper_await(void)
{
	while (atomic_load(&moving))
		host(SYS_futex, &moving, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, NULL);
}

static void done(void)
{
	atomic_store(&moving, 0);
	host(SYS_futex, &moving, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX);
}

int keeper_move(void)
{
	struct rump_keeper k;
	unsigned int nobody = 0;
	int err;

	while (!atomic_compare_exchange_strong(&moving, &nobody, 1)) {
		keeper_await();
		nobody = 0;
	}
	err = embedded_up() ? embedded_keeper(&k) : -ENODEV;
	if (!err)
		err = remote_take(k.url, &(struct rump_sp_cookie){ k.id, k.secret });
	if (err != -ENODEV && err != -EBUSY && err != -EAGAIN && err != -ENOMEM)
		client_moved(err);
	if (!err)
		embedded_joined(&k);
	done();
	return err == -ENODEV ? 0 : err;
}
