/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * run.c - rump run: a program with librumphijack.so in front of its libc.
 *
 * With --server unix://..., the program simply takes this process over.  With one on
 * another host, a relay is started like a server of its own.  Else a rump_server
 * of its own is started first, at a socket in a directory of its own, and stays
 * as long as this command, or any client, needs it (--hold-fd).  This process then
 * waits for the program, as unnoticeably as it can: signals go on to the program,
 * its end becomes ours.  If no client is left, the end of the server is waited
 * for too, so that an image is unmounted when the command returns.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../hijack/outsider.h"
#include "../hypercall/sp_url.h"
#include "rump.h"

#define SERVER_ARGS_MAX	256
#define QUIT_MS		1000	/* for the server to see that it is not needed */

static struct {
	const char *server;
	const char *args[SERVER_ARGS_MAX];	/* for a server of our own */
	int nargs;
	char **program;
} opt;

static char dir[PATH_MAX];		/* of the private server's socket */
static char url[RUMP_URL_MAX];
static int hold[2], status[2];
static pid_t server_pid;

static void server_arg(const char *a)
{
	if (opt.nargs == SERVER_ARGS_MAX - 16)
		die(1, "run: too many options for the server");
	opt.args[opt.nargs++] = a;
}

/* The program's file as execvp(3) finds it, or its name. */
static const char *find_program(const char *name)
{
	static char path[PATH_MAX];
	const char *dirs = getenv("PATH"), *end;

	for (; dirs && !strchr(name, '/'); dirs = *end ? end + 1 : NULL) {
		end = strchrnul(dirs, ':');
		if (snprintf(path, sizeof(path), "%.*s/%s", (int)(end - dirs), dirs, name) <
		    (int)sizeof(path) && access(path, X_OK) == 0)
			return path;
	}
	return name;
}

/* One that the library does not reach would use the host's network unnoticed. */
static void refuse_outsider(void)
{
	const char *scope = getenv("RUMPHIJACK"), *why = outsider(AT_FDCWD, find_program(opt.program[0]));

	if (why && !(scope && strstr(scope, "static=host")))
		die(127, "\"%s\" %s: it cannot load librumphijack.so, and is refused "
		    "(RUMPHIJACK=...,static=host runs it on the host)", opt.program[0], why);
}

static void parse_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "server", required_argument, NULL, 's' },
		{ "mount", required_argument, NULL, 'm' },
		{ "if", required_argument, NULL, 'i' },
		{ "net", no_argument, NULL, 'n' },
		{ "ncpu", required_argument, NULL, 'c' },
		{ "mem", required_argument, NULL, 'r' },
		{ "verbose", no_argument, NULL, 'v' },
		{ 0 }
	};
	int c;

	server_arg("rump_server");
	opterr = 0;
	while ((c = getopt_long(argc, argv, "+", longs, NULL)) >= 0) {
		switch (c) {
		case 's':
			opt.server = optarg;
			break;
		case 'm':
			server_arg("-M");
			server_arg(optarg);
			break;
		case 'n':
			server_arg("-i");
			server_arg("virt0,link=slirp");
			break;
		case 'i':
			server_arg("-i");
			server_arg(optarg);
			break;
		case 'c':
			server_arg("-c");
			server_arg(optarg);
			break;
		case 'r':
			server_arg("-r");
			server_arg(optarg);
			break;
		case 'v':
			server_arg("-v");
			break;
		default:
			die(1, "run: %s: not an option, or without its value; known are --server, "
			    "--mount, --if, --net, --ncpu, --mem and --verbose", argv[optind - 1]);
		}
	}
	if (optind == argc)
		die(1, "run: the program to run is missing");
	if (opt.server && opt.nargs > 1)
		die(1, "run: %s is for a kernel of its own, and not possible with --server",
		    opt.args[1][1] == 'M' ? "--mount" : opt.args[1][1] == 'i' ? "--if" :
		    "an option of the kernel");
	opt.program = argv + optind;
	refuse_outsider();
}

/* ---- the program -------------------------------------------------------------------- */

static void __attribute__((noreturn)) exec_program(const char *server)
{
	rump_environment(server);
	execvp(opt.program[0], opt.program);
	die(errno == ENOENT ? 127 : 126, "%s: %s", opt.program[0], strerror(errno));
}

/* ---- a server of our own --------------------------------------------------------------- */

/* The server has hold[0] and status[1]; nobody else does. */
static void __attribute__((noreturn)) exec_server(void)
{
	char path[PATH_MAX], fds[2][16];

	if (opt.server) {
		rump_relay_path(path);
		opt.args[0] = "relay";
	} else {
		rump_server_path(path);
		server_arg("-s");
	}
	unsetenv("LD_PRELOAD");
	/* Ctrl-C is for the program. */
	setsid();
	fcntl(hold[0], F_SETFD, 0);
	fcntl(status[1], F_SETFD, 0);
	snprintf(fds[0], sizeof(fds[0]), "%d", hold[0]);
	snprintf(fds[1], sizeof(fds[1]), "%d", status[1]);
	server_arg("--hold-fd");
	server_arg(fds[0]);
	server_arg("--status-fd");
	server_arg(fds[1]);
	server_arg("--rmdir");
	server_arg(dir);
	server_arg(url);
	server_arg(opt.server);		/* for a relay; else the end */
	server_arg(NULL);
	execv(path, (char **)opt.args);
	die(127, "%s: %s", path, strerror(errno));
}

/* The next letter from the server; 0: it has ended; -1: nothing within ms. */
static int server_says(int ms)
{
	struct pollfd p = { .fd = status[0], .events = POLLIN };
	char c;
	int n;

	while ((n = poll(&p, 1, ms)) < 0 && errno == EINTR)
		;
	if (n == 0)
		return -1;
	return read(status[0], &c, 1) == 1 ? c : 0;
}

static void start_server(void)
{
	rump_socket_directory(dir, url);
	if (pipe2(hold, O_CLOEXEC) || pipe2(status, O_CLOEXEC))
		die(127, "pipe: %s", strerror(errno));
	server_pid = fork();
	if (server_pid < 0)
		die(127, "fork: %s", strerror(errno));
	if (server_pid == 0)
		exec_server();
	close(hold[0]);
	close(status[1]);
	if (server_says(-1) != 'R') {
		/* It has said why. */
		rmdir(dir);
		exit(127);
	}
}

/* Returns when the server has ended, or is kept by clients that live on. */
static void leave_server(void)
{
	close(hold[1]);
	if (server_says(QUIT_MS) != 'Q')
		return;
	while (server_says(-1) > 0)
		;
	if (server_pid)
		waitpid(server_pid, NULL, 0);
}

/* ---- waiting ------------------------------------------------------------------------------ */

/* Ends this process in the way in which the program's ended. */
static void __attribute__((noreturn)) end_likewise(int st)
{
	struct rlimit none = { 0, 0 };
	sigset_t set;

	if (WIFSIGNALED(st)) {
		setrlimit(RLIMIT_CORE, &none);	/* there is one, of the program */
		signal(WTERMSIG(st), SIG_DFL);
		sigemptyset(&set);
		sigaddset(&set, WTERMSIG(st));
		raise(WTERMSIG(st));
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		exit(128 + WTERMSIG(st));
	}
	exit(WEXITSTATUS(st));
}

static void wait_for(pid_t pid, const sigset_t *set)
{
	siginfo_t si;
	int sig, st;
	pid_t p;

	for (;;) {
		sig = sigwaitinfo(set, &si);
		if (sig < 0)
			continue;
		if (sig != SIGCHLD) {
			/* What the terminal sends, the program gets by itself. */
			if (si.si_code <= 0 && si.si_pid != pid)
				kill(pid, sig);
			continue;
		}
		while ((p = waitpid(-1, &st, WNOHANG | WUNTRACED)) > 0) {
			if (p == server_pid && (WIFEXITED(st) || WIFSIGNALED(st)))
				server_pid = 0;
			if (p != pid)
				continue;
			if (WIFSTOPPED(st)) {
				/* So that the shell sees it; we go on when it does. */
				raise(SIGSTOP);
				kill(pid, SIGCONT);
				continue;
			}
			leave_server();
			end_likewise(st);
		}
	}
}

/* A server on another host: a relay of our own is the server for this one. */
static int is_remote(const char *server)
{
	return strncmp(server, "tls://", 6) == 0 || strncmp(server, "tcp://", 6) == 0 ||
	    strncmp(server, "tcp+insecure://", 15) == 0;
}

int cmd_run(int argc, char **argv)
{
	struct sockaddr_un sun;
	sigset_t set, old;
	const char *why;
	socklen_t len;
	pid_t pid;

	parse_options(argc, argv);
	if (opt.server && !is_remote(opt.server)) {
		why = sp_url_parse(opt.server, &sun, &len);
		if (why)
			die(127, "--server %s: %s", opt.server, why);
		exec_program(opt.server);
	}
	start_server();
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, &old);
	pid = fork();
	if (pid < 0)
		die(127, "fork: %s", strerror(errno));
	if (pid == 0) {
		sigprocmask(SIG_SETMASK, &old, NULL);
		exec_program(url);
	}
	wait_for(pid, &set);
	return 0;
}
