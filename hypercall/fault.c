/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fault.c - bad pointers of a system call.
 *
 * The kernel copies from and to the program in a few instructions whose faults
 * it can answer (EFAULT).  A handler for SIGSEGV and SIGBUS sends those on to the
 * fix-up; all other faults belong to the program and go on to what it had
 * installed: its handler, called with the mask, flags and registers that it would
 * have seen, or the default action, at the faulting instruction, so that a core
 * file shows what went wrong.  But for the kernel's own mistakes, which no program's
 * handler could make good: a line about where, then the default action.
 *
 * A program that installs a handler later would take ours away.  Whoever stands
 * between the program and sigaction(2) (hijack/) calls rumpuser_sigaction()
 * instead, which changes what ours goes on to; nobody can tell the difference.
 *
 * Limits: a fault while the signal is blocked kills, as the host has it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "fault.h"
#include "hostsig.h"
#include "internal.h"

#define RANGES	64		/* two of each kernel that was ever loaded */

struct range {
	uintptr_t start, end, fixup;
};

static struct range ranges[RANGES];
static atomic_uint nranges;		/* those below are complete */
static atomic_bool installed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const int sigs[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE };
#define NSIGS	(sizeof(sigs) / sizeof(sigs[0]))

/* What the program has for each of them.  A handler reads it without a lock: seq is odd
 * while it is written, with all signals blocked. */
static struct {
	struct hostsig_action act;
	atomic_uint seq;
} program[NSIGS];

/* What fault.h promises.  start is set last, and cleared first. */
#define REPLACED	64
static struct {
	_Atomic uintptr_t start;
	size_t len;
	atomic_uint *flag;
} replaced[REPLACED];

/* Known to debuggers and unwinders by its very bytes. */
__asm__(
"	.text\n"
"	.align	16\n"
"	.globl	rumpuser_sigreturn\n"
"	.hidden	rumpuser_sigreturn\n"
"	.type	rumpuser_sigreturn, @function\n"
"	nop\n"				/* unwinders look one byte before it */
"rumpuser_sigreturn:\n"
"	mov	$15, %rax\n"
"	syscall\n"
"	.size	rumpuser_sigreturn, . - rumpuser_sigreturn\n");

/* Where sig, which is one of sigs, has its place. */
static unsigned int slot(int sig)
{
	unsigned int i;

	for (i = 0; i < NSIGS - 1 && sigs[i] != sig; i++)
		;
	return i;
}

static struct hostsig_action get_program(int sig)
{
	struct hostsig_action act;
	unsigned int seq;

	do {
		while ((seq = atomic_load(&program[slot(sig)].seq)) & 1)
			host(SYS_sched_yield, 0);
		act = program[slot(sig)].act;
		atomic_thread_fence(memory_order_acquire);
	} while (atomic_load(&program[slot(sig)].seq) != seq);
	return act;
}

/* Under the lock, or by the only thread. */
static void set_program(int sig, const struct hostsig_action *act)
{
	uint64_t mask;

	sigmask_block(&mask);
	atomic_fetch_add(&program[slot(sig)].seq, 1);
	program[slot(sig)].act = *act;
	atomic_fetch_add(&program[slot(sig)].seq, 1);
	sigmask_restore(&mask);
}

static bool is_function(const struct hostsig_action *act)
{
	return act->handler != SIG_DFL && act->handler != SIG_IGN;
}

/* The default action for a signal that we are handling now. */
static void take_default(int sig, siginfo_t *info)
{
	struct hostsig_action dfl = { .handler = SIG_DFL };

	hostsig_action(sig, &dfl, NULL);
	if (info->si_code > 0)
		return;			/* the instruction faults once more */
	/* Somebody sent it: once more to ourselves, as it was. */
	host(SYS_rt_tgsigqueueinfo, rumpuser_getpid(), rumpuser_gettid(), sig, info);
}

static void pass_on(int sig, siginfo_t *info, ucontext_t *uc)
{
	struct hostsig_action act = get_program(sig);
	struct hostsig_action reset = { .handler = SIG_DFL };
	uint64_t mask;

	if (!is_function(&act)) {
		/* Ignoring a fault would be an endless loop: the host kills, too. */
		if (act.handler == SIG_DFL || info->si_code > 0)
			take_default(sig, info);
		return;
	}
	if (act.flags & SA_RESETHAND)
		set_program(sig, &reset);
	memcpy(&mask, &uc->uc_sigmask, sizeof(mask));
	mask |= act.mask;
	if (!(act.flags & SA_NODEFER))
		mask |= 1ULL << (sig - 1);
	host(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
	if (act.flags & SA_SIGINFO)
		act.action(sig, info, uc);
	else
		act.handler(sig);
	/* Returning restores the mask in uc. */
}

static bool replace(const siginfo_t *info)
{
	uintptr_t at = (uintptr_t)info->si_addr, start;
	unsigned int i;
	long ret;

	for (i = 0; i < REPLACED; i++) {
		start = atomic_load(&replaced[i].start);
		if (!start || at < start || at - start >= replaced[i].len)
			continue;
		ret = host(SYS_mmap, start, replaced[i].len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
		atomic_store(replaced[i].flag, 1);
		return !host_failed(ret);
	}
	return false;
}

/* The kernel itself: RUMP_VERBOSE=1 and a core file tell more. */
static void crash(int sig, siginfo_t *info, uintptr_t pc)
{
	char where[256];

	if (rumpuser_symbol((const void *)pc, where, sizeof(where)))
		where[0] = '\0';
	rumpuser_warn("the kernel has crashed: SIG%s at address %p, in %s [%#lx]",
	    sigabbrev_np(sig), info->si_addr, where[0] ? where : "unknown code", (long)pc);
	take_default(sig, info);
}

static void handler(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	uintptr_t pc = uc->uc_mcontext.gregs[REG_RIP];
	unsigned int i, n = atomic_load(&nranges);

	if (info->si_code > 0) {
		if (sig == SIGBUS && (replace(info) || ram_repair(info->si_addr)))
			return;
		for (i = 0; i < n; i++) {
			if (pc >= ranges[i].start && pc < ranges[i].end) {
				uc->uc_mcontext.gregs[REG_RIP] = ranges[i].fixup;
				return;
			}
		}
		if (rumpuser_up && rumpuser_up->is_ours && rumpuser_up->is_ours(pc)) {
			crash(sig, info, pc);
			return;
		}
	}
	pass_on(sig, info, uc);
}

/* Installs ours; the stack is the one that the program's handler wants. */
static long install(int sig, const struct hostsig_action *prog, struct hostsig_action *old)
{
	struct hostsig_action act = {
		.action = handler,
		.flags = SA_SIGINFO | SA_NODEFER | SA_RESTORER,
		.restorer = rumpuser_sigreturn,
	};

	if (!prog || !is_function(prog))
		act.flags |= SA_ONSTACK;
	else
		act.flags |= prog->flags & (SA_ONSTACK | SA_RESTART);
	return hostsig_action(sig, &act, old);
}

/* Ours, in front of the program's; once.  With the lock held. */
static int install_all(void)
{
	struct hostsig_action old;
	unsigned int i;
	int err = 0;

	if (atomic_load(&installed))
		return 0;
	for (i = 0; i < NSIGS && !err; i++) {
		err = hostsig_action(sigs[i], NULL, &old);
		if (err)
			break;
		set_program(sigs[i], &old);
		err = install(sigs[i], &old, NULL);
	}
	atomic_store(&installed, !err);
	return err;
}

int rumpuser_fault_fixup(const void *start, const void *end, const void *fixup)
{
	int err = -ENOSPC;
	unsigned int n;

	pthread_mutex_lock(&lock);
	n = atomic_load(&nranges);
	if (n < RANGES) {
		ranges[n] = (struct range){ (uintptr_t)start, (uintptr_t)end, (uintptr_t)fixup };
		atomic_store(&nranges, n + 1);
		err = install_all();
	}
	pthread_mutex_unlock(&lock);
	return err;
}

int fault_replace(void *start, size_t len, atomic_uint *flag)
{
	unsigned int i;
	int err = -ENOSPC;

	pthread_mutex_lock(&lock);
	for (i = 0; i < REPLACED && err == -ENOSPC; i++) {
		if (atomic_load(&replaced[i].start))
			continue;
		replaced[i].len = len;
		replaced[i].flag = flag;
		atomic_store(&replaced[i].start, (uintptr_t)start);
		err = install_all();
	}
	pthread_mutex_unlock(&lock);
	return err;
}

void fault_replace_end(void *start)
{
	unsigned int i;

	for (i = 0; i < REPLACED; i++)
		if (atomic_load(&replaced[i].start) == (uintptr_t)start)
			atomic_store(&replaced[i].start, 0);
}

int fault_action(int sig, const struct hostsig_action *new, struct hostsig_action *old)
{
	struct hostsig_action prev;
	uint64_t mask;
	int err = 0;

	if (sigs[slot(sig)] != sig || !atomic_load(&installed))
		return -ENOENT;
	sigmask_block(&mask);		/* sigaction(2) may be called in handlers */
	pthread_mutex_lock(&lock);
	prev = get_program(sig);
	if (new) {
		set_program(sig, new);
		err = install(sig, new, NULL);
	}
	if (old)
		*old = prev;
	pthread_mutex_unlock(&lock);
	sigmask_restore(&mask);
	return err;
}
