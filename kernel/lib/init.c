/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * init.c - booting, once, by whichever thread comes first; the others wait.
 *
 * The mounts of RUMP_MOUNT and the interfaces of RUMP_IF are a part of it: nobody sees
 * the kernel without them, but the thread that makes them, which comes through here again.  What went
 * wrong stays wrong: a kernel cannot be booted twice in one process.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <rump/rump.h>
#include <rump/rumpuser.h>

#include "init.h"
#include "mount.h"
#include "netif.h"
#include "params.h"
#include "rumpk.h"
#include "trim.h"

enum { NONE, BOOTING, DONE };

static uint32_t state = NONE;
static int booter;		/* host thread id */
static int result;		/* once DONE */

/* What the variable lists is carried out; nothing if it is not set. */
static int do_list(const char *variable, int (*carry_out)(const char *who, const char *list))
{
	const size_t len = 64 * 1024;
	char *specs = malloc(len);
	int err;

	if (!specs)
		return -ENOMEM;
	err = rumpuser_getparam(variable, specs, len);
	if (err == -E2BIG)
		rumpuser_warn("%s: its value is longer than %zu bytes", variable, len - 1);
	if (!err)
		err = carry_out(variable, specs);
	else if (err == -ENOENT)
		err = 0;
	free(specs);
	return err;
}

static int boot(void)
{
	struct rumpk_params params;
	int err;

	err = params_read(&params);
	if (err)
		return err;
	err = rumpk_boot(&params);
	if (err == -ENOMEM)
		rumpuser_warn("RUMP_MEMLIMIT: the host has no %llu MB for the kernel",
		    (unsigned long long)params.mem >> 20);
	else if (err)
		rumpuser_warn("the kernel does not boot: %s", strerror(-err));
	if (!err)
		err = do_list("RUMP_MOUNT", mount_list);
	if (!err)
		err = do_list("RUMP_IF", netif_list);
	return err;
}

int rump_pub_check(void)
{
	struct rumpk_params params;
	int err;

	err = params_read(&params);
	if (!err)
		err = do_list("RUMP_MOUNT", mount_check);
	if (!err)
		err = do_list("RUMP_IF", netif_check);
	return err;
}

int rump_init(void)
{
	uint32_t expected = NONE;

	if (__atomic_load_n(&state, __ATOMIC_ACQUIRE) == DONE)
		return result;
	if (__atomic_compare_exchange_n(&state, &expected, BOOTING, 0, __ATOMIC_ACQUIRE,
	    __ATOMIC_ACQUIRE)) {
		__atomic_store_n(&booter, rumpuser_gettid(), __ATOMIC_RELAXED);
		result = boot();
		__atomic_store_n(&state, DONE, __ATOMIC_RELEASE);
		rumpuser_wake(&state);
		return result;
	}
	if (expected == BOOTING &&
	    __atomic_load_n(&booter, __ATOMIC_RELAXED) == rumpuser_gettid())
		return 0;
	while (__atomic_load_n(&state, __ATOMIC_ACQUIRE) != DONE)
		rumpuser_wait(&state, BOOTING, RUMPUSER_FOREVER, 0);
	return result;
}

bool init_begun(void)
{
	return __atomic_load_n(&state, __ATOMIC_ACQUIRE) != NONE;
}

int rump_init_server(const char *url)
{
	int err = rump_init();

	if (!err)
		err = rumpk_sp_start(url);
	if (!err)
		rump_trim();
	return err;
}

int rump_daemonize_begin(void)
{
	return rumpuser_daemonize_begin();
}

int rump_daemonize_done(int error)
{
	return rumpuser_daemonize_done(error);
}
