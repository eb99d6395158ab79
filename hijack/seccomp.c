/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * seccomp.c - a program that puts itself under a seccomp filter.
 *
 * Such a program (sshd before the login, a browser's children) allows itself the
 * calls that it knows of.  What this library makes of a read() on a rump
 * descriptor is not among them: the first one would end the process.  Whatever
 * filter is installed therefore gets a beginning which allows a call that is
 * made by an instruction of our libraries and is on the list below: messages on
 * connections that exist, waiting, memory without PROT_EXEC.  Calls that are the
 * program's, handed on by us, are not on the list: its filter decides.
 *
 * New threads get their connections by what rumpclient_keep_access() has opened before.
 *
 * Limits: strict mode leaves no room for rump descriptors; an embedded kernel
 * must have been booted before.
 */
#include <errno.h>
#include <link.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "hijack.h"

static const short allowed[] = {
	SYS_sendmsg, SYS_recvmsg, SYS_sendto, SYS_recvfrom, SYS_pread64, SYS_pwrite64, SYS_futex,
	SYS_futex_waitv, SYS_poll, SYS_ppoll, SYS_geteuid, SYS_getegid, SYS_sched_getaffinity,
	SYS_madvise, SYS_prlimit64, SYS_getcpu,
	SYS_getpid, SYS_gettid, SYS_getsockopt, SYS_getsockname, SYS_getpeername, SYS_socketpair,
	SYS_fcntl, SYS_close, SYS_munmap, SYS_rt_sigprocmask, SYS_rt_tgsigqueueinfo,
	SYS_sigaltstack, SYS_sched_yield, SYS_nanosleep, SYS_clock_gettime,
};
#define NALLOWED	(sizeof(allowed) / sizeof(allowed[0]))
#define MAX_TEXTS	4
#define MAX_BEGINNING	(2 + 5 * MAX_TEXTS + 1 + NALLOWED + 9)

struct texts {
	struct { uint64_t start, end; } t[MAX_TEXTS];
	int n;
};

static int is_ours(const char *path)
{
	static const char *const names[] = {
		"librumphijack.so", "librumpclient.so", "librump.so", "librumpuser.so"
	};
	const char *base = strrchr(path, '/');
	size_t i;

	base = base ? base + 1 : path;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(base, names[i], strlen(names[i])) == 0)
			return 1;
	return 0;
}

static int add_text(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct texts *ts = arg;
	const ElfW(Phdr) *ph;
	uint64_t start;
	int i;

	(void)size;
	for (i = 0; is_ours(info->dlpi_name) && i < info->dlpi_phnum; i++) {
		ph = &info->dlpi_phdr[i];
		start = info->dlpi_addr + ph->p_vaddr;
		/* The filter compares the lower halves of addresses. */
		if (ph->p_type == PT_LOAD && (ph->p_flags & PF_X) && ts->n < MAX_TEXTS &&
		    start >> 32 == (start + ph->p_memsz) >> 32) {
			ts->t[ts->n].start = start;
			ts->t[ts->n++].end = start + ph->p_memsz;
		}
	}
	return 0;
}

#define LOAD(field) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define JUMP(op, k, yes, no)	BPF_JUMP(BPF_JMP | (op) | BPF_K, k, yes, no)

/* The beginning of a filter, into f: instructions. */
static unsigned int begin(struct sock_filter *f, const struct texts *ts)
{
	const uint16_t ip = offsetof(struct seccomp_data, instruction_pointer);
	unsigned int n = 0, i, ours, left;

	/* From here to "is it on the list", and to the program's own filter. */
	ours = 2 + 5 * ts->n + 1;
#define TO(where)	((where) - n - 1)
	left = ours + NALLOWED + 8;
	f[n] = (struct sock_filter)LOAD(arch);
	n++;
	f[n] = (struct sock_filter)JUMP(BPF_JEQ, AUDIT_ARCH_X86_64, 0, TO(left));
	n++;
	for (i = 0; i < (unsigned int)ts->n; i++) {
		unsigned int next = n + 5;

		f[n] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ip + 4);
		n++;
		f[n] = (struct sock_filter)JUMP(BPF_JEQ, ts->t[i].start >> 32, 0, TO(next));
		n++;
		f[n] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ip);
		n++;
		f[n] = (struct sock_filter)JUMP(BPF_JGE, (uint32_t)ts->t[i].start, 0, TO(next));
		n++;
		f[n] = (struct sock_filter)JUMP(BPF_JGE, (uint32_t)ts->t[i].end, TO(next), TO(ours));
		n++;
	}
	f[n] = (struct sock_filter)JUMP(BPF_JA, TO(left), 0, 0);
	n++;
	f[n] = (struct sock_filter)LOAD(nr);
	n++;
	for (i = 0; i < NALLOWED; i++, n++)
		f[n] = (struct sock_filter)JUMP(BPF_JEQ, allowed[i], TO(left - 1), 0);
	f[n] = (struct sock_filter)JUMP(BPF_JEQ, SYS_prctl, 0, 2);
	n++;
	f[n] = (struct sock_filter)LOAD(args[0]);
	n++;
	f[n] = (struct sock_filter)JUMP(BPF_JEQ, PR_GET_NAME, TO(left - 1), TO(left));
	n++;
	f[n] = (struct sock_filter)JUMP(BPF_JEQ, SYS_mmap, 0, TO(left));
	n++;
	f[n] = (struct sock_filter)LOAD(args[2]);
	n++;
	f[n] = (struct sock_filter)JUMP(BPF_JSET, PROT_EXEC, TO(left), 0);
	n++;
	f[n] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	n++;
#undef TO
	/* The program's filter starts as if it were the first. */
	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_IMM, 0);
	return n;
}

long hijack_seccomp(long nr, const long a[6])
{
	const struct sock_fprog *theirs = (const struct sock_fprog *)a[2];
	struct texts ts = { .n = 0 };
	struct sock_fprog ours;
	size_t size;
	long mem, ret;

	rumpclient_keep_access();
	proc_filtered = 1;
	if ((unsigned long)theirs < 4096 || (unsigned long)theirs->filter < 4096)
		return host_pass(nr, a);
	size = (theirs->len + MAX_BEGINNING) * sizeof(*ours.filter);
	mem = host(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (host_failed(mem))
		return mem;
	ours.filter = (struct sock_filter *)mem;
	hijack_enter();
	dl_iterate_phdr(add_text, &ts);
	hijack_leave();
	ours.len = begin(ours.filter, &ts);
	memcpy(ours.filter + ours.len, theirs->filter, theirs->len * sizeof(*ours.filter));
	ours.len += theirs->len;
	ret = ours.len > BPF_MAXINSNS ? host_pass(nr, a) :
	    host(nr, a[0], a[1], &ours, a[3], a[4]);
	host(SYS_munmap, mem, size);
	return ret;
}
