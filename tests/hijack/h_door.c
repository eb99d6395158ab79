/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h_door.c - signals of a program whose calls are the rump kernel's: h_door CASE.  It knows
 * nothing of rump kernels; the same cases pass on the host alone.  Nothing depends on when a
 * signal comes: one that is to end a call is sent until it has.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "h.h"

extern char **environ;

static int64_t cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

static void nap(long us)
{
	struct timespec ts = { us / 1000000, us % 1000000 * 1000 };

	nanosleep(&ts, NULL);
}

static void handle(int sig, void (*fn)(int), int flags)
{
	struct sigaction sa = { .sa_handler = fn, .sa_flags = flags };

	need(sigaction(sig, &sa, NULL) == 0);
}

static atomic_int handled;

static void count(int sig)
{
	(void)sig;
	handled++;
}

/* ---- who sends signals, until it is told to stop ------------------------------------------- */

static struct sender {
	pthread_t thread, to;
	int sig;
	atomic_bool stop;
} sender;

static void *send_signals(void *arg)
{
	struct sender *s = arg;

	while (!s->stop) {
		pthread_kill(s->to, s->sig);
		nap(50);
	}
	return NULL;
}

static void send_begin(int sig)
{
	sigset_t all, old;

	sender.to = pthread_self();
	sender.sig = sig;
	sender.stop = false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	need(pthread_create(&sender.thread, NULL, send_signals, &sender) == 0);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void send_end(void)
{
	sender.stop = true;
	pthread_join(sender.thread, NULL);
}

/* ---- calls that block, until a byte is written to `wake' --------------------------------------- */

static int pair[2], host_pipe[2], ep, lis;
static struct sockaddr_in lis_sin;

static long b_recv(void)
{
	char c;

	return recv(pair[1], &c, 1, 0);
}

static long b_read(void)
{
	char c;

	return read(pair[1], &c, 1);
}

static long b_recvmsg(void)
{
	char c;
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	return recvmsg(pair[1], &m, 0);
}

static long b_accept(void)
{
	int fd = accept(lis, NULL, NULL);

	return fd < 0 ? -1 : close(fd) + 1;
}

static long b_poll(void)
{
	struct pollfd p = { .fd = pair[1], .events = POLLIN };

	return poll(&p, 1, -1);
}

static long b_poll_mixed(void)
{
	struct pollfd p[2] = { { .fd = pair[1], .events = POLLIN },
	    { .fd = host_pipe[0], .events = POLLIN } };

	return poll(p, 2, -1);
}

static long b_select(void)
{
	fd_set in;

	FD_ZERO(&in);
	FD_SET(pair[1], &in);
	FD_SET(host_pipe[0], &in);
	return select(FD_SETSIZE, &in, NULL, NULL, NULL);
}

static long b_epoll(void)
{
	struct epoll_event ev;

	return epoll_wait(ep, &ev, 1, -1);
}

static const struct blocking {
	const char *name;
	long (*fn)(void);
	bool restarts;
} calls[] = {
	{ "recv", b_recv, true }, { "read", b_read, true }, { "recvmsg", b_recvmsg, true },
	{ "accept", b_accept, true }, { "poll", b_poll, false },
	{ "poll_mixed", b_poll_mixed, false }, { "select", b_select, false },
	{ "epoll_wait", b_epoll, false },
};
#define NCALLS	(sizeof(calls) / sizeof(calls[0]))

static void setup(void)
{
	struct epoll_event ev = { .events = EPOLLIN };

	tcp_pair(pair);
	lis = tcp_listener(&lis_sin);
	need(pipe(host_pipe) == 0);
	ep = epoll_create1(0);
	need(epoll_ctl(ep, EPOLL_CTL_ADD, pair[1], &ev) == 0);
	need(epoll_ctl(ep, EPOLL_CTL_ADD, host_pipe[0], &ev) == 0);
}

/* What makes them return 1; and what was left by that. */
static void wake(const struct blocking *b)
{
	int s;

	if (b->fn != b_accept) {
		need(write(pair[0], "x", 1) == 1);
		return;
	}
	s = socket(AF_INET, SOCK_STREAM, 0);
	need(connect(s, (void *)&lis_sin, sizeof(lis_sin)) == 0 && close(s) == 0);
}

static void clean(const struct blocking *b)
{
	if (!b->restarts)
		need(b_read() == 1);
}

/* ---- cases --------------------------------------------------------------------------------------- */

static sigjmp_buf away;
static volatile sig_atomic_t armed;

static void jump(int sig)
{
	(void)sig;
	if (armed) {
		armed = 0;
		siglongjmp(away, 1);
	}
}

/* A handler that leaves a call for good, 10,000 times, and the kernel is none the worse for it. */
static void c_jump(void)
{
	volatile int i;
	int fd;

	setup();
	fd = dup(0);
	close(fd);
	handle(SIGUSR1, jump, 0);
	send_begin(SIGUSR1);
	for (i = 0; i < 10000; i++) {
		if (sigsetjmp(away, 1) == 0) {
			armed = 1;
			calls[i % NCALLS].fn();
			need(!"the call returned");
		}
	}
	send_end();
	for (i = 0; i < (int)NCALLS; i++) {
		wake(&calls[i]);
		need(calls[i].fn() == 1);
		clean(&calls[i]);
	}
	need(dup(0) == fd);		/* none was lost */
}

static void *wake_after(void *arg)
{
	int from = handled;

	while (handled < from + 20)
		nap(100);
	wake(arg);
	return NULL;
}

/* EINTR without SA_RESTART; with it, 20 handlers later, what came in the end. */
static void c_restart(void)
{
	pthread_t t;
	sigset_t usr1;
	size_t i;
	int r;

	setup();
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	for (i = 0; i < NCALLS; i++) {
		for (r = 0; r < 2; r++) {
			handle(SIGUSR1, count, r ? SA_RESTART : 0);
			handled = 0;
			if (r && calls[i].restarts) {
				pthread_sigmask(SIG_BLOCK, &usr1, NULL);
				need(pthread_create(&t, NULL, wake_after, (void *)&calls[i]) == 0);
				pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
			}
			send_begin(SIGUSR1);
			errno = 0;
			if (r && calls[i].restarts) {
				need(calls[i].fn() == 1 && handled >= 20);
				pthread_join(t, NULL);
			} else {
				need(calls[i].fn() == -1 && errno == EINTR && handled > 0);
			}
			send_end();
		}
	}
}

/* 64 MB through a connection while both ends get signals at any moment. */
static void *send_data(void *arg)
{
	static uint32_t buf[4096];
	uint32_t n = 0;
	size_t i, done;
	ssize_t k;

	(void)arg;
	while (n < 16u << 20) {
		for (i = 0; i < 4096; i++)
			buf[i] = n++;
		for (done = 0; done < sizeof(buf); done += k > 0 ? k : 0) {
			k = send(pair[0], (char *)buf + done, sizeof(buf) - done, 0);
			need(k > 0 || errno == EINTR);
		}
	}
	shutdown(pair[0], SHUT_WR);
	return NULL;
}

static void c_storm(void)
{
	struct itimerval it = { { 0, 1000 }, { 0, 1000 } }, off = { { 0, 0 }, { 0, 0 } };
	static uint32_t buf[4096];
	size_t have = 0, i;
	uint32_t n = 0;
	pthread_t t;
	ssize_t k;

	tcp_pair(pair);
	handle(SIGUSR1, count, 0);
	handle(SIGALRM, count, SA_RESTART);
	setitimer(ITIMER_REAL, &it, NULL);
	need(pthread_create(&t, NULL, send_data, NULL) == 0);
	send_begin(SIGUSR1);
	for (;;) {
		k = recv(pair[1], (char *)buf + have, sizeof(buf) - have, 0);
		need(k >= 0 || errno == EINTR);
		if (k == 0)
			break;
		have += k > 0 ? k : 0;
		for (i = 0; i < have / 4; i++)
			need(buf[i] == n++);
		memmove(buf, buf + have / 4, have % 4);
		have %= 4;
	}
	send_end();
	setitimer(ITIMER_REAL, &off, NULL);
	pthread_join(t, NULL);
	need(n == 16u << 20 && have == 0 && handled > 0);
}

/* ---- cancellation */

static atomic_int cleaned, entered;

static void note(void *arg)
{
	(*(atomic_int *)arg)++;
}

#ifdef __GLIBC__
#define UNWOUND		1	/* frames that a cancelled thread leaves are */

static void note_frame(char *unused)
{
	(void)unused;
	cleaned++;
}
#define FRAME	char frame __attribute__((cleanup(note_frame))) = 0
#else
#define UNWOUND		0
#define FRAME	char frame = 0
#endif

static void *blocked(void *arg)
{
	const struct blocking *b = arg;

	pthread_cleanup_push(note, &cleaned);
	entered++;
	for (;;)
		b->fn();
	pthread_cleanup_pop(0);
	return NULL;
}

/* The frames in between are unwound, too. */
static void *blocked_frame(void *arg)
{
	FRAME;

	(void)frame;
	return blocked(arg);
}

static void c_cancel(void)
{
	pthread_t t;
	void *ret;
	int i;

	setup();
	for (i = 0; i < 200; i++) {
		entered = cleaned = 0;
		need(pthread_create(&t, NULL, blocked_frame, (void *)&calls[i % NCALLS]) == 0);
		while (!entered)
			nap(100);
		nap(i % 7 * 300);
		need(pthread_cancel(t) == 0);
		need(pthread_join(t, &ret) == 0 && ret == PTHREAD_CANCELED);
		need(cleaned == 1 + UNWOUND);
	}
	wake(&calls[0]);
	need(b_read() == 1);
}

static void *not_now(void *arg)
{
	char c;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	entered++;
	need(recv(pair[1], &c, 1, 0) == 1);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	entered++;
	pthread_testcancel();
	return arg;
}

/* A thread that does not want to be cancelled goes on. */
static void c_cancel_later(void)
{
	pthread_t t;
	void *ret;

	tcp_pair(pair);
	need(pthread_create(&t, NULL, not_now, NULL) == 0);
	while (!entered)
		nap(100);
	nap(20000);
	need(pthread_cancel(t) == 0);
	nap(20000);
	need(write(pair[0], "x", 1) == 1);
	need(pthread_join(t, &ret) == 0 && ret == PTHREAD_CANCELED && entered == 2);
}

static void leave_thread(int sig)
{
	(void)sig;
	pthread_exit("gone");
}

static void c_exit(void)
{
	pthread_t t;
	void *ret;
	int i;

	setup();
	handle(SIGUSR1, leave_thread, 0);
	for (i = 0; i < 100; i++) {
		entered = cleaned = 0;
		need(pthread_create(&t, NULL, blocked, (void *)&calls[i % NCALLS]) == 0);
		while (!entered)
			nap(100);
		nap(i % 7 * 200);
		need(pthread_kill(t, SIGUSR1) == 0);
		need(pthread_join(t, &ret) == 0 && !strcmp(ret, "gone") && cleaned == 1);
	}
	wake(&calls[0]);
	need(b_read() == 1);
}

/* ---- the program's view */

static siginfo_t seen;
static char stack[65536];
static bool on_stack;
static sigset_t in_handler;

static void look(int sig, siginfo_t *si, void *uc)
{
	char here;

	(void)uc;
	seen = *si;
	on_stack = (uintptr_t)&here - (uintptr_t)stack < sizeof(stack);
	pthread_sigmask(SIG_BLOCK, NULL, &in_handler);
	need(sig == si->si_signo);
	handled++;
}

static void *queue_one(void *arg)
{
	siginfo_t si = { .si_signo = SIGUSR2, .si_code = SI_QUEUE, .si_value.sival_int = 4711 };

	si.si_pid = getpid();
	si.si_uid = getuid();
	nap(30000);
	need(syscall(SYS_rt_tgsigqueueinfo, getpid(), *(pid_t *)arg, SIGUSR2, &si) == 0);
	nap(300000);		/* one that came before the call */
	if (!handled || entered)
		pthread_kill(sender.to, SIGALRM);
	return NULL;
}

/* Actions, masks, information and stacks are those that the program has asked for. */
static void c_view(void)
{
	struct sigaction sa = { .sa_flags = SA_SIGINFO | SA_ONSTACK }, old;
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	pid_t me = gettid();
	int status;
	pthread_t t;
	char c;

	tcp_pair(pair);
	sa.sa_sigaction = look;
	sigaddset(&sa.sa_mask, SIGHUP);
	need(sigaltstack(&ss, NULL) == 0 && sigaction(SIGUSR2, &sa, NULL) == 0);
	need(sigaction(SIGUSR2, NULL, &old) == 0 && old.sa_sigaction == look);
	need((old.sa_flags & 0xffffffff & ~0x04000000) == (SA_SIGINFO | SA_ONSTACK));
	need(sigismember(&old.sa_mask, SIGHUP) == 1 && !sigismember(&old.sa_mask, SIGINT));
	need(signal(SIGUSR1, count) == SIG_DFL && signal(SIGUSR1, SIG_IGN) == count);
	need(signal(SIGUSR1, SIG_DFL) == SIG_IGN);
	handle(SIGALRM, count, 0);
	sender.to = pthread_self();
	need(pthread_create(&t, NULL, queue_one, &me) == 0);
	need(recv(pair[1], &c, 1, 0) == -1 && errno == EINTR && handled == 1);
	need(seen.si_code == SI_QUEUE && seen.si_value.sival_int == 4711 && seen.si_pid == getpid());
	need(on_stack);
	need(sigismember(&in_handler, SIGHUP) == 1 && sigismember(&in_handler, SIGUSR2) == 1 &&
	    !sigismember(&in_handler, SIGINT));
	pthread_sigmask(SIG_BLOCK, NULL, &in_handler);
	need(!sigismember(&in_handler, SIGHUP) && !sigismember(&in_handler, SIGUSR2));
	pthread_join(t, NULL);

	/* once only */
	handle(SIGUSR1, count, SA_RESETHAND | SA_NODEFER);
	need(sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_handler == count);
	need((old.sa_flags & SA_RESETHAND) && (old.sa_flags & SA_NODEFER));
	handled = 0;
	raise(SIGUSR1);
	need(handled == 1);
	need(sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_handler == SIG_DFL);

	/* not over exec */
	handle(SIGUSR1, count, 0);
	if (fork() == 0) {
		execl("/bin/sh", "sh", "-c", "kill -USR1 $$", NULL);
		_exit(99);
	}
	need(wait(&status) > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
}

/* The mask of a wait holds for the wait, and no longer. */
static void c_masks(void)
{
	struct timespec ts = { 10, 0 };
	struct pollfd p[2];
	struct epoll_event ev;
	sigset_t usr1, none, now;
	fd_set in;
	int i;

	setup();
	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	handle(SIGUSR1, count, SA_RESTART);
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	p[0] = (struct pollfd){ .fd = pair[1], .events = POLLIN };
	p[1] = (struct pollfd){ .fd = host_pipe[0], .events = POLLIN };
	for (i = 0; i < 5; i++) {
		handled = 0;
		raise(SIGUSR1);
		need(handled == 0);
		switch (i) {
		case 0:
			need(ppoll(p, 2, &ts, &none) == -1);
			break;
		case 1:
			need(ppoll(p, 1, &ts, &none) == -1);
			break;
		case 2:
			FD_ZERO(&in);
			FD_SET(pair[1], &in);
			need(pselect(pair[1] + 1, &in, NULL, NULL, &ts, &none) == -1);
			break;
		case 3:
			need(epoll_pwait(ep, &ev, 1, 10000, &none) == -1);
			break;
		case 4:
			need(sigsuspend(&none) == -1);
			break;
		}
		need(errno == EINTR && handled == 1);
		pthread_sigmask(SIG_BLOCK, NULL, &now);
		need(sigismember(&now, SIGUSR1) == 1);
		need(sigpending(&now) == 0 && !sigismember(&now, SIGUSR1));
	}
}

/* One that is blocked, and pending, ends nothing, and costs nothing. */
static void c_pending(void)
{
	struct timeval tv = { 0, 300000 };
	struct signalfd_siginfo si;
	struct pollfd p[2];
	sigset_t usr1;
	int64_t cpu;
	int sfd, sig;
	char c;

	tcp_pair(pair);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	handle(SIGUSR1, count, 0);
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	raise(SIGUSR1);
	need(setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	cpu = cpu_ms();
	need(recv(pair[1], &c, 1, 0) == -1 && errno == EAGAIN);
	p[0] = (struct pollfd){ .fd = pair[1], .events = POLLIN };
	need(poll(p, 1, 300) == 0);
	need(cpu_ms() - cpu < 150 && handled == 0);
	/* it can be had by other ways */
	sfd = signalfd(-1, &usr1, SFD_CLOEXEC);
	p[1] = (struct pollfd){ .fd = sfd, .events = POLLIN };
	need(poll(p, 2, 10000) == 1 && p[1].revents == POLLIN);
	need(read(sfd, &si, sizeof(si)) == sizeof(si) && si.ssi_signo == SIGUSR1);
	raise(SIGUSR1);
	need(sigwait(&usr1, &sig) == 0 && sig == SIGUSR1 && handled == 0);
}

static void speak(int sig)
{
	int e = errno;

	(void)sig;
	if (!handled++)
		need(write(pair[0], "h", 1) == 1);
	errno = e;
}

/* A handler that makes calls itself, and is what the one below it waits for. */
static void c_within(void)
{
	int i;
	char c;

	tcp_pair(pair);
	handle(SIGUSR1, speak, SA_RESTART);
	for (i = 0; i < 50; i++) {
		handled = 0;
		send_begin(SIGUSR1);
		need(recv(pair[1], &c, 1, 0) == 1 && c == 'h');
		send_end();
	}
}

/* setuid(2) of one thread is all threads', wherever they are. */
static void *sit(void *arg)
{
	char c;

	entered++;
	need(recv(pair[1], &c, 1, 0) == 1);
	need((long)geteuid() == (long)arg);
	return NULL;
}

static void c_setuid(void)
{
	pthread_t t[8];
	long other = geteuid() ? geteuid() : 65534;
	int i;

	tcp_pair(pair);
	for (i = 0; i < 8; i++)
		need(pthread_create(&t[i], NULL, sit, (void *)other) == 0);
	while (entered < 8)
		nap(100);
	nap(20000);
	for (i = 0; i < 50; i++)
		need(seteuid(getuid()) == 0 && seteuid(other) == 0);
	need(write(pair[0], "12345678", 8) == 8);
	for (i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
}

static void out(int sig)
{
	(void)sig;
	siglongjmp(away, 1);
}

/* Bad pointers are errors, also with a handler for faults; the program's own faults are its own. */
static void c_fault(void)
{
	char hit;
	int i;
	char *hole = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sigaction old;

	tcp_pair(pair);
	handle(SIGSEGV, out, 0);
	handle(SIGBUS, out, 0);
	for (i = 0; i < 100; i++) {
		need(send(pair[0], hole, 10, 0) == -1 && errno == EFAULT);
		need(write(pair[0], "x", 1) == 1);
		need(recv(pair[1], hole, 1, 0) == -1 && errno == EFAULT);
		recv(pair[1], &hit, 1, MSG_DONTWAIT);
		if (sigsetjmp(away, 1) == 0) {
			*(volatile char *)hole = 1;
			need(!"no fault");
		}
	}
	need(sigaction(SIGSEGV, NULL, &old) == 0 && old.sa_handler == out);
	/* one that is sent is a signal like others */
	if (sigsetjmp(away, 1) == 0) {
		send_begin(SIGSEGV);
		b_recv();
		need(!"recv returned");
	}
	handle(SIGSEGV, SIG_IGN, 0);
	send_end();
	need(write(pair[0], "x", 1) == 1 && b_recv() == 1);
}

/* Children by vfork come and go, with actions of their own, in the midst of signals. */
static void c_children(void)
{
	char *args[] = { "true", NULL };
	posix_spawnattr_t attr;
	struct sigaction old;
	sigset_t usr1;
	int i, status;
	pid_t pid;

	tcp_pair(pair);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &usr1);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
	handle(SIGUSR1, count, SA_RESTART);
	send_begin(SIGUSR1);
	for (i = 0; i < 30; i++) {
		need(posix_spawn(&pid, "/bin/true", NULL, &attr, args, environ) == 0);
		need(waitpid(pid, &status, 0) == pid && status == 0);
		need(sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_handler == count);
		need(write(pair[0], "x", 1) == 1 && b_read() == 1);
	}
	send_end();
	handled = 0;
	raise(SIGUSR1);
	need(handled == 1);
}

/* ---- signals that the rump kernel raises */

static void *write_late(void *arg)
{
	nap(100000);
	need(write(pair[0], "x", 1) == 1);
	return arg;
}

/* SIGIO at a thread that makes no call. */
static void c_idle(void)
{
	struct f_owner_ex own = { F_OWNER_TID, gettid() };
	sigset_t io, old;
	pthread_t t;

	tcp_pair(pair);
	handle(SIGIO, count, 0);
	sigemptyset(&io);
	sigaddset(&io, SIGIO);
	pthread_sigmask(SIG_BLOCK, &io, &old);
	need(fcntl(pair[1], F_SETOWN_EX, &own) == 0);
	need(fcntl(pair[1], F_SETFL, O_ASYNC) == 0);
	need(pthread_create(&t, NULL, write_late, NULL) == 0);
	while (!handled)
		sigsuspend(&old);
	pthread_join(t, NULL);
	need(b_recv() == 1);
}

static void c_pipe(void)
{
	int i;

	handle(SIGPIPE, count, SA_RESTART);
	for (i = 0; i < 20; i++) {
		tcp_pair(pair);
		need(shutdown(pair[0], SHUT_WR) == 0);
		handled = 0;
		need(send(pair[0], "x", 1, 0) == -1 && errno == EPIPE && handled == 1);
		need(send(pair[0], "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE && handled == 1);
		close(pair[0]);
		close(pair[1]);
	}
}

int main(int argc, char **argv)
{
	static const struct { const char *name; void (*fn)(void); } cases[] = {
		{ "jump", c_jump }, { "restart", c_restart }, { "storm", c_storm },
		{ "cancel", c_cancel }, { "cancel_later", c_cancel_later }, { "exit", c_exit },
		{ "view", c_view }, { "masks", c_masks }, { "pending", c_pending },
		{ "within", c_within }, { "setuid", c_setuid }, { "fault", c_fault },
		{ "children", c_children }, { "idle", c_idle }, { "pipe", c_pipe },
	};
	size_t i;

	for (i = 0; argc > 1 && i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(argv[1], cases[i].name) != 0)
			continue;
		cases[i].fn();
		return 0;
	}
	fprintf(stderr, "usage: h_door CASE\n");
	return 2;
}
