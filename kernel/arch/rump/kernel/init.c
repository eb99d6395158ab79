// SPDX-License-Identifier: GPL-2.0-only
/*
 * init.c - the world that a rump kernel starts with: process 1, a root with /dev,
 * /proc and /sys, a loopback interface that is up.
 *
 * Process 1 comes about as on any Linux, by executing /init; only that /init is an
 * empty file made here, and the format that recognises it goes on in
 * rump_init_process().
 */
#include <linux/binfmts.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/init_syscalls.h>
#include <linux/mount.h>
#include <linux/netdevice.h>
#include <linux/pid.h>
#include <linux/rtnetlink.h>
#include <linux/threads.h>
#include <linux/vmstat.h>
#include <net/net_namespace.h>
#include "rump.h"

static int load_init(struct linux_binprm *bprm);

static struct linux_binfmt init_format = { .load_binary = load_init };

static int load_init(struct linux_binprm *bprm)
{
	int r;

	if (!is_global_init(current) || strcmp(bprm->filename, "/init"))
		return -ENOEXEC;
	r = begin_new_exec(bprm);
	if (r)
		return r;
	setup_new_exec(bprm);
	set_binfmt(&init_format);
	finalize_exec(bprm);
	return 0;
}

static int __init make_init(void)
{
	struct file *f = filp_open("/init", O_CREAT | O_WRONLY, 0700);

	if (IS_ERR(f))
		return PTR_ERR(f);
	__fput_sync(f);
	register_binfmt(&init_format);
	return 0;
}

static void __init mount_on(const char *type, const char *dir, umode_t mode)
{
	int r = init_mkdir(dir, mode);

	if (!r || r == -EEXIST)
		r = init_mount((char *)type, (char *)dir, type, 0, NULL);
	if (r && r != -EBUSY)
		pr_warn("rump: %s on %s: error %d\n", type, dir, r);
}

static void __init loopback_up(void)
{
	rtnl_lock();
	if (dev_change_flags(init_net.loopback_dev, init_net.loopback_dev->flags | IFF_UP, NULL))
		pr_warn("rump: lo does not come up\n");
	rtnl_unlock();
}

static int __init rump_world(void)
{
	/* an idle kernel should not wake up each second to add up its statistics */
	sysctl_stat_interval = 20 * HZ;
	/* so that a client can have the pid that it has on the host */
	pid_max = PID_MAX_LIMIT;
	mount_on("devtmpfs", "/dev", 0755);
	mount_on("proc", "/proc", 0555);
	mount_on("sysfs", "/sys", 0555);
	init_mkdir("/tmp", 01777);
	init_chmod("/tmp", 01777);
	init_mkdir("/dev/shm", 01777);
	init_chmod("/dev/shm", 01777);
	init_mkdir("/etc", 0755);
	init_mkdir("/run", 0755);
	init_mkdir("/mnt", 0755);
	loopback_up();
	return make_init();
}
late_initcall_sync(rump_world);
