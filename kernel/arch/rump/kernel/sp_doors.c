// SPDX-License-Identifier: GPL-2.0-only
/*
 * sp_doors.c - what a client of a server cannot do.
 *
 * A client's process is root in the rump kernel, but a guest of the host process
 * that carries it.  Four things keep it one:
 *
 *  - Calls that would follow a pointer of the client's outside of uaccess.c, or that
 *    speak of the memory or the end of a process that is elsewhere, do not exist
 *    (elsewhere).  That includes mmap(): as a client's mm has no areas, what pins user
 *    pages finds none (/proc/PID/mem: EFAULT) or gets copies, which uaccess.c makes
 *    (direct.c, userpages.c).
 *  - Calls that load code into the kernel, look into other processes or end the
 *    machine do not exist either, and their capabilities are gone: only those for
 *    networks, mounts and files stay.  A client cannot exec here, so they never
 *    come back.
 *  - Files of /proc/sys, which ask for user 0 and not for a capability, become
 *    read-only for all, but for those of the network: the others are the server's
 *    (panic_on_warn, threads-max).
 *
 *  - Network links reach the host, its networks and (pcap=, shm:) its files: only a client
 *    whose user is the server's, on this host, makes and removes them.
 *
 * With --trust-clients, only the first of these holds.
 *
 * Limits: clients of one server are one user inside: they may signal each other, and
 * write to block devices that are mounted.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/init.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sysctl.h>
#include <linux/uaccess.h>
#include <asm/unistd.h>
#include "sp.h"

static bool trusted;

/* ---- system calls ------------------------------------------------------- */

static bool elsewhere(long nr)
{
	switch (nr) {
	case __NR_mmap: case __NR_mremap: case __NR_shmat:
	case __NR_io_setup: case __NR_io_submit: case __NR_io_uring_setup:
	case __NR_process_vm_readv: case __NR_process_vm_writev:
	case __NR_userfaultfd: case __NR_set_tid_address: case __NR_rseq:
	case __NR_exit: case __NR_exit_group:
		return true;
	}
	return false;
}

static bool for_trusted_only(long nr)
{
	switch (nr) {
	case __NR_init_module: case __NR_finit_module: case __NR_delete_module:
	case __NR_bpf: case __NR_perf_event_open:
	case __NR_ptrace: case __NR_pidfd_getfd: case __NR_kcmp:
	case __NR_kexec_load: case __NR_kexec_file_load: case __NR_reboot:
		return true;
	}
	return false;
}

bool sp_refused(long nr)
{
	return elsewhere(nr) || (!trusted && for_trusted_only(nr));
}

bool rump_is_stranger(void)
{
	struct sp_task *st = current->thread.remote;

	return st && !trusted && !rumpuser_sp_is_owner(st->chan);
}

/* ---- capabilities --------------------------------------------------------- */

#define KEPT ((kernel_cap_t){						\
	BIT_ULL(CAP_CHOWN) | BIT_ULL(CAP_DAC_OVERRIDE) |		\
	BIT_ULL(CAP_DAC_READ_SEARCH) | BIT_ULL(CAP_FOWNER) |		\
	BIT_ULL(CAP_FSETID) | BIT_ULL(CAP_KILL) | BIT_ULL(CAP_SETGID) |	\
	BIT_ULL(CAP_SETUID) | BIT_ULL(CAP_SETPCAP) |			\
	BIT_ULL(CAP_LINUX_IMMUTABLE) | BIT_ULL(CAP_NET_BIND_SERVICE) |	\
	BIT_ULL(CAP_NET_BROADCAST) | BIT_ULL(CAP_NET_ADMIN) |		\
	BIT_ULL(CAP_NET_RAW) | BIT_ULL(CAP_IPC_LOCK) |			\
	BIT_ULL(CAP_IPC_OWNER) | BIT_ULL(CAP_SYS_CHROOT) |		\
	BIT_ULL(CAP_SYS_ADMIN) | BIT_ULL(CAP_MKNOD) |			\
	BIT_ULL(CAP_LEASE) | BIT_ULL(CAP_SETFCAP) })

int sp_become_guest(void)
{
	struct cred *new;

	if (trusted)
		return 0;
	new = prepare_creds();
	if (!new)
		return -ENOMEM;
	new->cap_permitted = new->cap_effective = new->cap_bset = KEPT;
	new->cap_inheritable = new->cap_ambient = CAP_EMPTY_SET;
	return commit_creds(new);
}

/* ---- /proc/sys ------------------------------------------------------------- */

/* A registered table.  (The linker puts the two functions below in front of those of
 * fs/proc/proc_sysctl.c: --wrap.) */
struct knobs {
	struct knobs		*next;
	struct ctl_table	*table;
	size_t			n;
};
static struct knobs *all_knobs;		/* complete when booting is */

struct ctl_table_header *__real_register_sysctl_sz(const char *path, struct ctl_table *table,
						   size_t n);
struct ctl_table_header *__wrap_register_sysctl_sz(const char *path, struct ctl_table *table,
						   size_t n);
void __real___register_sysctl_init(const char *path, struct ctl_table *table, const char *name,
				   size_t n);
void __wrap___register_sysctl_init(const char *path, struct ctl_table *table, const char *name,
				   size_t n);

static void remember(const char *path, struct ctl_table *table, size_t n)
{
	struct knobs *k;

	if (!n || system_state >= SYSTEM_RUNNING || !strcmp(path, "net") ||
	    !strncmp(path, "net/", 4))
		return;
	k = kmalloc(sizeof(*k), GFP_KERNEL);
	if (!k)
		return;
	*k = (struct knobs){ .next = all_knobs, .table = table, .n = n };
	all_knobs = k;
}

struct ctl_table_header *__wrap_register_sysctl_sz(const char *path, struct ctl_table *table,
						   size_t n)
{
	remember(path, table, n);
	return __real_register_sysctl_sz(path, table, n);
}

void __init __wrap___register_sysctl_init(const char *path, struct ctl_table *table,
					  const char *name, size_t n)
{
	remember(path, table, n);
	__real___register_sysctl_init(path, table, name, n);
}

static void lock_knobs(void)
{
	const struct knobs *k;
	size_t i;

	for (k = all_knobs; k; k = k->next)
		for (i = 0; i < k->n; i++)
			k->table[i].mode &= ~0222;
}

void sp_doors(bool trust)
{
	trusted = trust;
	if (!trust)
		lock_knobs();
}
