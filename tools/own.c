/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * own.c - rump run without --server: a rump_server (or, to a server on another host, a
 * relay) of the program's own, at a socket in a directory of its own.
 *
 * This process starts it and then becomes the program, so that there is nothing between
 * the program and who has called it: no signal to hand on, no terminal to share, no exit
 * status to translate.  The server is nobody's child.  It has a descriptor of this process
 * (a pidfd), and ends when the process has ended and no client is left.
 *
 * With mounts and links, though, the command is to return when an image is unmounted, a
 * port free, a capture written (stay).  Then the program is a child, and this process waits
 * for it as unnoticeably as it can: in the same process group, so that the terminal's
 * signals and job control are the program's, too; it stops when the program does; what is
 * sent to it goes on to the program; its end is the program's.  It is also where orphans of
 * the program go, so that it knows when nobody is left who could still become a client.
 * Limit: a signal that is sent to the whole group, and not by the terminal, comes twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "own.h"
#include "rump.h"

#define ARGS_MAX	256
#define QUIT_MS		1000	/* for the server to see that it is not needed */

static const char *args[ARGS_MAX];
static int nargs = 1;			/* args[0] is the program's name */

static char dir[PATH_MAX];		/* of the socket */
static char url[RUMP_URL_MAX];
static int hold, status;		/* ends of pipes, or for hold a pidfd */

static void add_arg(const char *a)
{
	if (nargs == ARGS_MAX)
		die(EXIT_USAGE, "run: %s: too many options for the server", a);
	args[nargs++] = a;
}

void own_option(const char *option, const char *value)
{
	add_arg(option);
	if (value)
		add_arg(value);
}

static const char *trapped;		/* the program's file, if it cannot load the library */

void own_trap(const char *file)
{
	trapped = file;
}

static void __attribute__((noreturn)) exec_trap(const char *server, char **argv)
{
	char path[PATH_MAX], **new;
	size_t n = 0;

	while (argv[n])
		n++;
	rump_trap_path(path);
	new = calloc(n + 3, sizeof(*new));
	if (!new || setenv("RUMP_SERVER", server, 1))
		die(EXIT_LAUNCH, "out of memory");
	new[0] = path;
	new[1] = (char *)trapped;
	memcpy(new + 2, argv, n * sizeof(*new));
	execv(path, new);
	die(EXIT_LAUNCH, "%s: %s", path, strerror(errno));
}

void exec_program(const char *server, char **argv)
{
	if (trapped)
		exec_trap(server, argv);
	rump_environment(server);
	execvp(argv[0], argv);
	die(errno == ENOENT ? EXIT_LAUNCH : 126, "%s: %s", argv[0], strerror(errno));
}

/* ---- the server --------------------------------------------------------------------------- */

/* Other descriptors than these two are the program's alone, unless a link may be one. */
static void arrange_descriptors(int hold_fd, int status_fd, int all)
{
	static char text[2][16];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	dup2(null, 0);
	dup2(null, 1);
	if (!all)
		syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
	fcntl(hold_fd, F_SETFD, 0);
	fcntl(status_fd, F_SETFD, 0);
	snprintf(text[0], sizeof(text[0]), "%d", hold_fd);
	snprintf(text[1], sizeof(text[1]), "%d", status_fd);
	own_option("--hold-fd", text[0]);
	own_option("--status-fd", text[1]);
}

static void __attribute__((noreturn)) exec_server(const char *remote, int stay, int hold_fd, int status_fd)
{
	char path[PATH_MAX];

	if (remote)
		rump_relay_path(path);
	else
		rump_server_path(path);
	args[0] = remote ? "relay" : "rump_server";
	if (!remote)
		own_option("-s", NULL);
	unsetenv("LD_PRELOAD");
	/* Ctrl-C is for the program. */
	setsid();
	if (fork())
		_exit(0);
	arrange_descriptors(hold_fd, status_fd, stay);
	own_option("--rmdir", dir);
	own_option(url, remote);
	add_arg(NULL);
	execv(path, (char **)args);
	die(EXIT_LAUNCH, "%s: %s", path, strerror(errno));
}

/* The next letter from the server; 0: it has ended; -1: nothing within ms. */
static int server_says(int ms)
{
	struct pollfd p = { .fd = status, .events = POLLIN };
	char c;
	int n;

	while ((n = poll(&p, 1, ms)) < 0 && errno == EINTR)
		;
	if (n == 0)
		return -1;
	return read(status, &c, 1) == 1 ? c : 0;
}

static void start_server(const char *remote, int stay)
{
	int held[2] = { -1, -1 }, told[2];
	pid_t pid;

	rump_socket_directory(dir, url);
	if (!stay)
		held[0] = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if ((stay ? pipe2(held, O_CLOEXEC) : held[0] < 0) || pipe2(told, O_CLOEXEC))
		die(EXIT_LAUNCH, "%s: %s", stay ? "pipe" : "pidfd_open", strerror(errno));
	pid = fork();
	if (pid < 0)
		die(EXIT_LAUNCH, "fork: %s", strerror(errno));
	if (pid == 0)
		exec_server(remote, stay, held[0], told[1]);
	close(held[0]);
	close(told[1]);
	hold = held[1];
	status = told[0];
	waitpid(pid, NULL, 0);		/* it leaves the server behind */
	if (server_says(-1) != 'R') {
		/* It has said why. */
		rmdir(dir);
		exit(EXIT_LAUNCH);
	}
}

/* Returns when the server has ended, or is kept by clients that live on. */
static void leave_server(int alone)
{
	/* Nobody is left: it need not wait for one who would come. */
	if (alone)
		(void)!write(hold, "N", 1);
	close(hold);
	if (server_says(QUIT_MS) != 'Q')
		return;
	while (server_says(-1) > 0)
		;
}

/* ---- waiting ------------------------------------------------------------------------------ */

/* Takes what has ended or stopped.  1: the program has ended, *st says how. */
static int reap(pid_t program, int *st)
{
	int ended = 0, s;
	pid_t p;

	while ((p = waitpid(-1, &s, WNOHANG | WUNTRACED)) > 0) {
		if (p != program)
			continue;
		*st = s;
		if (!WIFSTOPPED(s)) {
			ended = 1;
		} else {
			/* So that the shell sees it; we go on when it does. */
			raise(SIGSTOP);
			kill(program, SIGCONT);
		}
	}
	return ended;
}

/* 1: all that the program has started has ended, too. */
static int is_alone(void)
{
	siginfo_t si;

	return waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

/* What the terminal sends, the program gets by itself; but a hang-up is for who leads the session. */
static int is_for_us(int sig, const siginfo_t *si, pid_t program)
{
	if (si->si_code > 0)
		return sig == SIGHUP && getsid(0) == getpid();
	return si->si_pid != program;
}

static void __attribute__((noreturn)) wait_for(pid_t program, const sigset_t *set)
{
	siginfo_t si;
	int sig, st = 0;

	for (;;) {
		sig = sigwaitinfo(set, &si);
		if (sig < 0)
			continue;
		if (sig != SIGCHLD) {
			if (is_for_us(sig, &si, program))
				kill(program, sig);
		} else if (reap(program, &st)) {
			leave_server(is_alone());
			end_likewise(st);
		}
	}
}

void own_run(const char *remote, int stay, char **argv)
{
	sigset_t set, old;
	pid_t pid;

	start_server(remote, stay);
	if (!stay)
		exec_program(url, argv);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, &old);
	pid = fork();
	if (pid < 0)
		die(EXIT_LAUNCH, "fork: %s", strerror(errno));
	if (pid == 0) {
		sigprocmask(SIG_SETMASK, &old, NULL);
		exec_program(url, argv);
	}
	wait_for(pid, &set);
}
