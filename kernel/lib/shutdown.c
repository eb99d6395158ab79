/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shutdown.c - the end: everything written back and unmounted, so that images
 * are clean, its network interfaces gone, and the host's files given back.
 *
 * Files that processes of the rump kernel hold open would keep file systems busy.
 * A server's clients are ended, so that they lose theirs; so do the calling
 * thread's process and the default process.
 */
#include <errno.h>
#include <sys/syscall.h>

#include <rump/rump.h>
#include <rump/rumpuser.h>

#include "etfs.h"
#include "hostdir.h"
#include "init.h"
#include "mount.h"
#include "rumpk.h"
#include "shutdown.h"

static void drop_files(void)
{
	rump_syscall(SYS_chdir, (long)"/", 0, 0, 0, 0, 0);
	rump_syscall(SYS_close_range, 0, ~0U, 0, 0, 0, 0);
}

enum { RUNNING, ENDING, ENDED };

static uint32_t state = RUNNING;

static int shut_down(void)
{
	int err;

	err = rump_init();
	if (err)
		return err;
	rumpk_sp_stop();
	drop_files();
	err = rump_pub_lwproc_switch(NULL);
	if (!err)
		drop_files();
	rumpk_let_go();
	rumpk_net_del_all();
	mount_undo_all();
	rump_syscall(SYS_sync, 0, 0, 0, 0, 0, 0);
	err = rumpk_shutdown();
	if (!err) {
		etfs_close_all();
		hostdir_close_all();
	}
	return err;
}

int rump_pub_shutdown(void)
{
	uint32_t running = RUNNING;
	int err;

	if (!init_begun())
		return 0;		/* nothing to end, and nothing to boot for it */
	if (__atomic_compare_exchange_n(&state, &running, ENDING, 0, __ATOMIC_SEQ_CST,
	    __ATOMIC_SEQ_CST)) {
		err = shut_down();
		__atomic_store_n(&state, ENDED, __ATOMIC_SEQ_CST);
		rumpuser_wake(&state);
		return err;
	}
	/* Who comes second may be about to end the process: not before it is done. */
	while (__atomic_load_n(&state, __ATOMIC_SEQ_CST) == ENDING)
		rumpuser_wait(&state, ENDING, RUMPUSER_FOREVER, 0);
	return -ESHUTDOWN;
}

void shutdown_elsewhere(void)
{
	__atomic_store_n(&state, ENDED, __ATOMIC_SEQ_CST);
}

static void last_work(void)
{
	rump_pub_shutdown();
}

int rump_pub_shutdown_on_signals(void)
{
	return rumpuser_end_on_signals(last_work);
}
