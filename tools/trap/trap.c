/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trap.c - rump_trap: runs a program that librumphijack cannot be loaded into.
 *
 *	rump_trap FILE NAME [ARG]...		NAME is argv[0]; with RUMP_SERVER and RUMPHIJACK
 *
 * A static program, or one of Go, makes its system calls without libc.  The host hands
 * those that concern the rump kernel to a supervisor, which is the rump kernel's client
 * in the place of the program (the target) and of all that the target starts.
 *
 * There are three processes: this one, which stands for the target to whoever waits for
 * it; the supervisor, its child, which lives as long as any target; and the target, the
 * supervisor's child, so that the supervisor may look into it where only ancestors may.
 *
 * A user without CAP_SYS_ADMIN can do this only to a process that gains no more
 * privileges (PR_SET_NO_NEW_PRIVS): set-user-id programs have none then.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../rump.h"
#include "trap.h"

static struct {
	const char *file;
	char **argv;
} opt;
static sigset_t old_mask;

/* ---- the target -------------------------------------------------------------------------- */

/*
 * Where the supervisor finds the listener: a target under the filter can send nothing before
 * there is somebody who takes its calls.
 */
static struct handshake {
	sem_t made, taken;
	int listener;
} *shake;

static void refuse_privileged(void)
{
	struct stat st;

	if (stat(opt.file, &st) == 0 && ((st.st_mode & (S_ISUID | S_ISGID)) ||
	    getxattr(opt.file, "security.capability", NULL, 0) > 0))
		die(127, "\"%s\" has more rights than its user: under --static=trap it would have "
		    "none of them (no_new_privs), and is refused", opt.argv[0]);
}

/* Puts this process under the filter; the listener. */
static int be_trapped(void)
{
	int fd = filter_install();

	if (fd == -EACCES) {
		refuse_privileged();
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		fd = filter_install();
	}
	if (fd == -EBUSY)
		die(127, "\"%s\" cannot be run with --static=trap: another supervisor listens to this "
		    "process's system calls already (a container's, perhaps)", opt.argv[0]);
	if (fd == -EINVAL || fd == -ENOSYS)
		die(127, "--static=trap: this host cannot hand system calls to a supervisor (seccomp "
		    "with SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, Linux 5.19)");
	if (fd < 0)
		die(127, "--static=trap: seccomp: %s", strerror(-fd));
	return fd;
}

static void __attribute__((noreturn)) run_target(void)
{
	sigprocmask(SIG_SETMASK, &old_mask, NULL);
	/* Without the supervisor its calls have nobody who makes them. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	shake->listener = be_trapped();		/* close-on-exec */
	sem_post(&shake->made);
	while (sem_wait(&shake->taken))
		;
	unsetenv("RUMPHIJACK_CWD");
	execv(opt.file, opt.argv);
	die(errno == ENOENT ? 127 : 126, "%s: %s", opt.file, strerror(errno));
}

/* ---- the supervisor ------------------------------------------------------------------------- */

/* The descriptors that were there at the start, but for the one that is keep. */
static int inherited[1024], ninherited;

static void list_inherited(int keep)
{
	int fd;

	for (fd = 0; fd < 1024; fd++)
		if (fd != keep && fcntl(fd, F_GETFD) >= 0)
			inherited[ninherited++] = fd;
}

/* Those of the rump kernel that were inherited become the target's in our way. */
static void adopt_inherited(void)
{
	struct object *o;
	int i, fd, near;
	long rfd;

	for (i = 0; i < ninherited; i++) {
		fd = inherited[i];
		if (rumpclient_owns_fd(fd) || !target_socket(getpid(), fd))
			continue;
		rfd = rumpclient_syscall(RUMP_CALL_FD_ADOPT, (const long[6]){ fd });
		if (rfd < 0)
			continue;
		if (trap_nlow == TRAP_LOW_MAX)
			die(127, "--static=trap: more than %d descriptors of the rump kernel are inherited",
			    TRAP_LOW_MAX);
		o = object_new(rfd, &near);
		if (!o || dup2(near, fd) < 0)
			die(127, "--static=trap: %s", strerror(errno));
		close(near);
		object_put(o);
		trap_low[trap_nlow++] = fd;
	}
}

/* Nobody is to wait for the end of a pipe because we have it. */
static void leave_inherited(void)
{
	int i;

	for (i = 0; i < ninherited; i++)
		if (!rumpclient_owns_fd(inherited[i]))
			close(inherited[i]);
}

/* Where descriptors of the rump kernel begin: below where select(2) ends, or fdoff=. */
static void choose_base(void)
{
	struct rlimit rl;

	if (scope.fdoff)
		trap_base = scope.fdoff;
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur / 2 < trap_base)
		trap_base = rl.rlim_cur / 2;
}

static sem_t told;
static int listener;

static void *serve_all(void *arg)
{
	serve(listener);
	while (sem_wait(&told))
		;
	_exit(0);
	return arg;
}

/*
 * Not by waitpid(2), which would take from inject.c the stops that it waits for.  If who stands
 * for the target is killed, so is the target.
 */
static void await_end(pid_t pid, int report)
{
	struct pollfd p[2] = { { (int)syscall(SYS_pidfd_open, pid, 0), POLLIN, 0 }, { report, 0, 0 } };

	while (p[0].fd >= 0 && !p[0].revents) {
		if (poll(p, 2, -1) < 0 || !p[1].revents)
			continue;
		kill(pid, SIGKILL);
		p[1].fd = -1;
		p[1].revents = 0;
	}
	close(p[0].fd);
}

static void make_handshake(void)
{
	shake = mmap(NULL, sizeof(*shake), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shake == MAP_FAILED)
		die(127, "mmap: %s", strerror(errno));
	sem_init(&shake->made, 1, 0);
	sem_init(&shake->taken, 1, 0);
}

/* The listener of the target; -1: it has ended before. */
static int take_listener(pid_t pid)
{
	struct timespec t;
	siginfo_t si = { 0 };

	for (;;) {
		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_nsec += 50000000;
		t.tv_sec += t.tv_nsec / 1000000000;
		t.tv_nsec %= 1000000000;
		if (sem_timedwait(&shake->made, &t) == 0)
			return target_fd(pid, shake->listener);
		if (waitid(P_PID, pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0 && si.si_pid)
			return -1;
	}
}

static void __attribute__((noreturn)) supervise(int report)
{
	int st = 127 << 8, err;
	pthread_t t;
	pid_t pid;

	list_inherited(report);
	err = rumpclient_init();
	if (err == 0 && rumpclient_is_remote() != 1)
		die(127, "rump_trap: RUMP_SERVER must name a server");
	if (err || object_start() || names_start())
		_exit(127);		/* rumpclient has said why */
	choose_base();
	adopt_inherited();
	make_handshake();
	pid = fork();
	if (pid == 0)
		run_target();
	if (pid < 0 || write(report, &pid, sizeof(pid)) != sizeof(pid))
		_exit(127);
	inject_child = pid;
	listener = take_listener(pid);
	if (listener < -1) {
		kill(pid, SIGKILL);
		die(127, "--static=trap: this host lets nobody look into another process: %s",
		    strerror(-listener));
	}
	leave_inherited();
	prctl(PR_SET_NAME, "rump_trap");
	sem_init(&told, 0, 0);
	if (listener >= 0 && (pthread_create(&t, NULL, serve_all, NULL) || sem_post(&shake->taken)))
		_exit(127);
	await_end(pid, report);
	while (waitpid(pid, &st, 0) != pid)
		;
	if (write(report, &st, sizeof(st)) != sizeof(st) || listener < 0)
		_exit(0);
	close(report);
	sem_post(&told);
	for (;;)
		pause();
}

/* ---- in the place of the target ---------------------------------------------------------------- */

/* Nobody is to wait for the end of a pipe because we have it. */
static void keep_only(int fd)
{
	int null;

	close_range(0, fd - 1, 0);
	close_range(fd + 1, ~0U, 0);
	null = open("/dev/null", O_RDWR);
	while (null >= 0 && null < 2)
		null = dup(null);
}

/* Passes signals on until the target's end, and ends likewise. */
static void __attribute__((noreturn)) stand_for(int report, const sigset_t *set)
{
	struct signalfd_siginfo si;
	struct pollfd p[2] = { { report, POLLIN, 0 }, { -1, POLLIN, 0 } };
	pid_t pid;
	int st;

	if (report < 3)
		report = p[0].fd = fcntl(report, F_DUPFD, 3);
	keep_only(report);
	p[1].fd = signalfd(-1, set, SFD_CLOEXEC);
	if (read(report, &pid, sizeof(pid)) != sizeof(pid))
		exit(127);
	for (;;) {
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents)
			break;
		/* What the terminal sends, the target gets by itself. */
		if (read(p[1].fd, &si, sizeof(si)) == sizeof(si) && si.ssi_signo != SIGCHLD &&
		    si.ssi_code <= 0 && (pid_t)si.ssi_pid != pid)
			kill(pid, si.ssi_signo);
	}
	if (read(report, &st, sizeof(st)) != sizeof(st))
		st = SIGKILL;		/* the supervisor was killed, and the target with it */
	end_likewise(st);
}

static void read_scope(void)
{
	static char store[2 * PATH_BUF];
	const char *words = getenv("RUMPHIJACK");
	char err[512];

	if (scope_parse(words ? words : SCOPE_DEFAULT, &scope, store, sizeof(store), err,
	    sizeof(err)) < 0)
		die(127, "%s", err);
}

int main(int argc, char **argv)
{
	static const int stops[] = { SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT };
	sigset_t set;
	int report[2];
	unsigned int i;
	pid_t pid;

	if (argc < 3)
		die(127, "usage: rump_trap FILE NAME [ARG]..., by rump run --static=trap");
	opt.file = argv[1];
	opt.argv = argv + 2;
	read_scope();
	sigfillset(&set);
	for (i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
		sigdelset(&set, stops[i]);
	sigprocmask(SIG_BLOCK, &set, &old_mask);
	if (pipe2(report, O_CLOEXEC))
		die(127, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		die(127, "fork: %s", strerror(errno));
	if (pid == 0) {
		close(report[0]);
		/* The stops are for the target. */
		sigfillset(&set);
		sigprocmask(SIG_BLOCK, &set, NULL);
		supervise(report[1]);
	}
	stand_for(report[0], &set);
}
