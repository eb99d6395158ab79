/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * filter.c - which system calls of a target are handed to us (SECCOMP_RET_USER_NOTIF).
 *
 * Those that may make a descriptor of the rump kernel, those with a name if names are in
 * the scope, and those on a descriptor of trap_base and above, where ours are put, or on
 * 0, 1 and 2, to which shells copy them.  What a program does on its own files is not looked
 * at: the filter compares numbers.
 *
 * What would get by unseen, io_uring and the calls of other machines, does not exist.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "trap.h"

unsigned int trap_base = 512;
int trap_low[TRAP_LOW_MAX], trap_nlow;

const struct rump_sysrow trap_rows[RUMP_NSYSROWS] = {
#define S(name, ret, how, ...)	[SYS_##name] = RUMP_SYSROW(ret, __VA_ARGS__),
#include <rump/syscalls.def>
};

const uint8_t trap_how[RUMP_NSYSROWS] = {
#define S(name, ret, how, ...)	[SYS_##name] = HOW_##how,
#include <rump/syscalls.def>
};

/* Why a call is handed to us: a bit for each argument that may be one of our descriptors. */
#define ARGS		0x3f
#define ALWAYS		0x40
#define SOCKET		0x80
#define NO_SUCH		0x100
#define REASONS		0x200

static unsigned int by_arguments(long nr)
{
	const struct rump_sysrow *row = &trap_rows[nr];
	unsigned int i, why = 0;

	for (i = 0; i < 6; i++) {
		if (row->a[i].kind == RUMP_A_FD || row->a[i].kind == RUMP_A_DIR)
			why |= 1U << i;
		if (scope.nprefix && (row->a[i].kind == RUMP_A_PATH || row->a[i].kind == RUMP_A_DIR))
			why |= ALWAYS;
	}
	return why & ALWAYS ? ALWAYS : why;
}

/*
 * Left to the host: waiting, which looks at placeholders; closing, which we are told of
 * by them; what concerns the process, whose root is the host's.
 */
static unsigned int reason(long nr)
{
	switch (nr) {
	case SYS_pivot_root:
	case SYS_setns:
	case SYS_uselib:
		return 0;
	}
	switch (trap_how[nr]) {
	case HOW_absent:
		return NO_SUCH;
	case HOW_socket:
	case HOW_socketpair:
		return SOCKET;
	case HOW_chdir:
	case HOW_getcwd:
	case HOW_exec:
	case HOW_mount:
	case HOW_msync:
		return scope.nprefix ? ALWAYS : 0;
	case HOW_epoll_ctl:
		return 1U << 2;
	case HOW_dup:
		return 1U << 0;
	case HOW_open:
	case HOW_newfd:
	case HOW_route:
	case HOW_fcntl:
	case HOW_ioctl:
	case HOW_mmap:
	case HOW_accept:
	case HOW_sendmsg:
	case HOW_recvmsg:
	case HOW_address:
	case HOW_sendto:
	case HOW_named:
	case HOW_sendfile:
	case HOW_splice:
	case HOW_readlink:
		return by_arguments(nr);
	}
	return 0;
}

/* ---- the program ------------------------------------------------------------------------ */

#define ARG(i)		(offsetof(struct seccomp_data, args) + (i) * sizeof(uint64_t))
#define X32		0x40000000U

struct program {
	struct sock_filter code[BPF_MAXINSNS];
	unsigned int n;
};

static void emit(struct program *p, unsigned int code, unsigned int k, int jt, int jf)
{
	p->code[p->n++] = (struct sock_filter){ code, jt, jf, k };
}
#define LOAD(p, off)		emit(p, BPF_LD | BPF_W | BPF_ABS, off, 0, 0)
#define RETURN(p, what)		emit(p, BPF_RET | BPF_K, what, 0, 0)
#define NOTIFY(p)		RETURN(p, SECCOMP_RET_USER_NOTIF)
#define ALLOW(p)		RETURN(p, SECCOMP_RET_ALLOW)
#define REFUSE(p)		RETURN(p, SECCOMP_RET_ERRNO | ENOSYS)

/* Is one of the arguments one of ours? */
static void emit_arguments(struct program *p, unsigned int why)
{
	unsigned int each = 4 + trap_nlow, notify, i;
	int k;

	notify = p->n + each * __builtin_popcount(why) + 1;
	for (i = 0; i < 6; i++) {
		if (!(why >> i & 1))
			continue;
		LOAD(p, ARG(i));
		emit(p, BPF_JMP | BPF_JGE | BPF_K, TRAP_TOP, each - 2, 0);
		emit(p, BPF_JMP | BPF_JGE | BPF_K, trap_base, notify - p->n - 1, 0);
		emit(p, BPF_JMP | BPF_JGE | BPF_K, TRAP_STDIO, 0, notify - p->n - 1);
		for (k = 0; k < trap_nlow; k++)
			emit(p, BPF_JMP | BPF_JEQ | BPF_K, trap_low[k], notify - p->n - 1, 0);
	}
	ALLOW(p);
	NOTIFY(p);
}

/* May a local socket be the rump kernel's? */
static int scope_local(void)
{
	return scope_socket(&scope, AF_UNIX, SOCK_STREAM, 0) || scope_socket(&scope, AF_UNIX, SOCK_DGRAM, 0);
}

static void emit_reason(struct program *p, unsigned int why)
{
	if (why == ALWAYS) {
		NOTIFY(p);
	} else if (why == NO_SUCH) {
		REFUSE(p);
	} else if (why == SOCKET && scope_local()) {
		NOTIFY(p);
	} else if (why == SOCKET) {
		LOAD(p, ARG(0));
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 0, 1);
		ALLOW(p);
		NOTIFY(p);
	} else {
		emit_arguments(p, why);
	}
}

static void build(struct program *p)
{
	static unsigned int jumps[RUMP_NSYSROWS];	/* where the jump of a call is, + 1 */
	unsigned int why;
	int done;
	long nr;

	p->n = 0;
	LOAD(p, offsetof(struct seccomp_data, arch));
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	REFUSE(p);
	LOAD(p, offsetof(struct seccomp_data, nr));
	emit(p, BPF_JMP | BPF_JGE | BPF_K, X32, 0, 1);
	REFUSE(p);
	for (nr = 0; nr < RUMP_NSYSROWS; nr++) {
		jumps[nr] = 0;
		if (!reason(nr))
			continue;
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1);
		jumps[nr] = p->n + 1;
		emit(p, BPF_JMP | BPF_JA, 0, 0, 0);
	}
	ALLOW(p);
	for (why = 1; why < REASONS; why++) {
		for (nr = 0, done = 0; nr < RUMP_NSYSROWS; nr++) {
			if (!jumps[nr] || reason(nr) != why)
				continue;
			p->code[jumps[nr] - 1].k = p->n - jumps[nr];
			done = 1;
		}
		if (done)
			emit_reason(p, why);
	}
}

int filter_install(void)
{
	static struct program p;
	struct sock_fprog prog;
	long fd;

	build(&p);
	prog = (struct sock_fprog){ p.n, p.code };
	fd = host(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	    SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &prog);
	return fd;
}
