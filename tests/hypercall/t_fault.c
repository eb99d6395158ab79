/* SPDX-License-Identifier: BSD-2-Clause */
/* The fault fix-up and what it hands on (hypercall/fault.c). */
#include <atf-c.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rump/rumpuser.h>

/* 0, or -14 if p cannot be read. */
long peek(const void *p);
extern const char peek_start[], peek_end[], peek_fixup[];
__asm__(
"	.text\n"
"	.globl	peek, peek_start, peek_end, peek_fixup\n"
"peek:\n"
"peek_start:\n"
"	movzbl	(%rdi), %eax\n"
"peek_end:\n"
"	xor	%eax, %eax\n"
"	ret\n"
"peek_fixup:\n"
"	mov	$-14, %rax\n"
"	ret\n");

static void install(void)
{
	ATF_REQUIRE_EQ(0, rumpuser_fault_fixup(peek_start, peek_end, peek_fixup));
}

ATF_TC_WITHOUT_HEAD(fixup);
ATF_TC_BODY(fixup, tc)
{
	char template[] = "fault.XXXXXX", *map;
	int fd = mkstemp(template), i;

	install();
	ATF_REQUIRE_EQ(0, ftruncate(fd, 4096));
	map = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
	for (i = 0; i < 1000; i++) {
		ATF_CHECK_EQ(0, peek(map));
		ATF_CHECK_EQ(-EFAULT, peek(NULL));
		ATF_CHECK_EQ(-EFAULT, peek((void *)0x8000000000000000));
		ATF_CHECK_EQ(-EFAULT, peek(map + 4096));	/* SIGBUS */
	}
}

static sigjmp_buf env;
static volatile int got_sig, got_code, got_blocked;
static void *volatile got_addr;

static void program_handler(int sig, siginfo_t *info, void *uc)
{
	sigset_t now;

	(void)uc;
	sigprocmask(SIG_BLOCK, NULL, &now);
	got_sig = sig;
	got_code = info->si_code;
	got_addr = info->si_addr;
	got_blocked = sigismember(&now, SIGUSR1) * 2 + sigismember(&now, SIGSEGV);
	siglongjmp(env, 1);
}

static void fault_here(void *addr)
{
	if (sigsetjmp(env, 1) == 0)
		*(volatile char *)addr = 1;
}

ATF_TC(handler_before);
ATF_TC_HEAD(handler_before, tc)
{
	atf_tc_set_md_var(tc, "descr", "a handler that was there gets what is its own, as it would have");
}
ATF_TC_BODY(handler_before, tc)
{
	struct sigaction sa = { .sa_sigaction = program_handler, .sa_flags = SA_SIGINFO };

	sigaddset(&sa.sa_mask, SIGUSR1);
	sigaction(SIGSEGV, &sa, NULL);
	install();
	fault_here((void *)16);
	ATF_CHECK_EQ(SIGSEGV, got_sig);
	ATF_CHECK_EQ(SEGV_MAPERR, got_code);
	ATF_CHECK_EQ((void *)16, got_addr);
	ATF_CHECK_EQ(3, got_blocked);
	ATF_CHECK_EQ(-EFAULT, peek(NULL));
	fault_here((void *)32);
	ATF_CHECK_EQ((void *)32, got_addr);
}

/* As a preload library does it: the kernel's own structure. */
struct kernel_action {
	void *handler;
	unsigned long flags;
	void *restorer;
	uint64_t mask;
};

ATF_TC_WITHOUT_HEAD(handler_later);
ATF_TC_BODY(handler_later, tc)
{
	struct kernel_action new = { program_handler, SA_SIGINFO | SA_NODEFER, NULL, 0 }, old;

	ATF_CHECK_EQ(-ENOENT, rumpuser_sigaction(SIGSEGV, &new, &old));
	install();
	ATF_CHECK_EQ(-ENOENT, rumpuser_sigaction(SIGUSR1, &new, &old));
	ATF_REQUIRE_EQ(0, rumpuser_sigaction(SIGSEGV, &new, &old));
	ATF_CHECK_EQ(NULL, old.handler);
	fault_here((void *)48);
	ATF_CHECK_EQ((void *)48, got_addr);
	ATF_CHECK_EQ(0, got_blocked);
	ATF_CHECK_EQ(-EFAULT, peek(NULL));
	ATF_REQUIRE_EQ(0, rumpuser_sigaction(SIGSEGV, NULL, &old));
	ATF_CHECK_EQ((void *)program_handler, old.handler);
	ATF_CHECK_EQ(SA_SIGINFO | SA_NODEFER, old.flags);
}

static int die_of(void (*how)(void))
{
	int status;

	if (fork() == 0) {
		install();
		how();
		_exit(0);
	}
	wait(&status);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static volatile char *volatile fault_at;

static void by_fault(void)
{
	fault_at = (char *)8;
	*fault_at = 1;
}

static void by_kill(void)
{
	kill(getpid(), SIGSEGV);
}

static void by_ignored_fault(void)
{
	struct kernel_action ignore = { SIG_IGN, 0, NULL, 0 };

	rumpuser_sigaction(SIGSEGV, &ignore, NULL);
	by_kill();			/* survived */
	by_fault();
}

static void by_second_of_resethand(void)
{
	struct kernel_action once = { program_handler, SA_SIGINFO | SA_RESETHAND, NULL, 0 };

	rumpuser_sigaction(SIGSEGV, &once, NULL);
	fault_here((void *)16);
	if (got_addr != (void *)16)
		_exit(1);
	by_fault();
}

ATF_TC_WITHOUT_HEAD(defaults);
ATF_TC_BODY(defaults, tc)
{
	ATF_CHECK_EQ(SIGSEGV, die_of(by_fault));
	ATF_CHECK_EQ(SIGSEGV, die_of(by_kill));
	ATF_CHECK_EQ(SIGSEGV, die_of(by_ignored_fault));
	ATF_CHECK_EQ(SIGSEGV, die_of(by_second_of_resethand));
}

static volatile int raised_code;
static volatile uint64_t raised_value;
static volatile pid_t raised_pid;

static void on_raise(int sig, siginfo_t *info, void *uc)
{
	(void)sig;
	(void)uc;
	raised_code = info->si_code;
	raised_pid = info->si_pid;
	raised_value = (uintptr_t)info->si_value.sival_ptr;
}

ATF_TC_WITHOUT_HEAD(raise_with_info);
ATF_TC_BODY(raise_with_info, tc)
{
	struct sigaction sa = { .sa_sigaction = on_raise, .sa_flags = SA_SIGINFO };

	sigaction(SIGPIPE, &sa, NULL);
	rumpuser_raise(gettid(), SIGPIPE, SI_QUEUE, 0, 0x123456789abcdefULL);
	ATF_CHECK_EQ(SI_QUEUE, raised_code);
	ATF_CHECK_EQ(getpid(), raised_pid);
	ATF_CHECK_EQ(0x123456789abcdefULL, raised_value);
	rumpuser_raise(gettid(), SIGPIPE, SI_USER, 0, 0);
	ATF_CHECK_EQ(SI_USER, raised_code);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, fixup);
	ATF_TP_ADD_TC(tp, handler_before);
	ATF_TP_ADD_TC(tp, handler_later);
	ATF_TP_ADD_TC(tp, defaults);
	ATF_TP_ADD_TC(tp, raise_with_info);
	return atf_no_error();
}
