/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sh.c - rump sh: a shell, or any program, whose working directory is in an image.
 *
 * The kernel of this process serves it and all that it starts (rump_init_server()),
 * by a socket in a directory of its own.  To them the image is under /rump/image;
 * the network is the host's.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rump/rump.h>

#include "image.h"

extern char **environ;

static char dir[PATH_MAX], url[RUMP_URL_MAX];

static void set_environment(const struct ukfs *fs, const char *path)
{
	char *cwd;

	if (asprintf(&cwd, "/rump%s%s", ukfs_directory(fs), strcmp(path, "/") ? path : "") < 0)
		die(127, "out of memory");
	rump_environment(url);
	setenv("RUMPHIJACK", "path=/rump,socket=none", 0);
	setenv("RUMPHIJACK_CWD", cwd, 1);
	setenv("PWD", cwd, 1);
	free(cwd);
}

/*
 * What the terminal sends is for the program, and not for us: we ignore it, and the
 * program has it as it would have had it.
 */
static int start(char **argv, pid_t *pid)
{
	static const int signals[] = { SIGINT, SIGQUIT };
	posix_spawnattr_t attr;
	unsigned int i;
	sigset_t set;
	int r;

	posix_spawnattr_init(&attr);
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (signal(signals[i], SIG_IGN) != SIG_IGN)
			sigaddset(&set, signals[i]);
	posix_spawnattr_setsigdefault(&attr, &set);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
	r = posix_spawnp(pid, argv[0], NULL, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	return r;
}

/* Its exit status.  A signal that is to end us goes to it. */
static int wait_for(pid_t pid)
{
	int st;

	while (waitpid(pid, &st, 0) < 0)
		if (image_stop())
			kill(pid, image_stop());
	return WIFSIGNALED(st) ? 128 + WTERMSIG(st) : WEXITSTATUS(st);
}

/* argv: what to run; "-c COMMAND" and nothing at all mean the user's shell. */
static char **program(int argc, char **argv)
{
	const char *shell = getenv("SHELL");
	char **new = calloc(argc + 2, sizeof(*new));

	if (!new)
		die(127, "out of memory");
	if (argc && argv[0][0] != '-') {
		memcpy(new, argv, argc * sizeof(*new));
		return new;
	}
	new[0] = (char *)(shell && *shell ? shell : "/bin/sh");
	memcpy(new + 1, argv, argc * sizeof(*new));
	return new;
}

int image_sh(int argc, char **argv)
{
	struct ukfs_place p = { .path = "/" };
	char **prog, *spec, *path;
	struct stat st;
	pid_t pid;
	int r;

	if (argc < 2)
		die(127, "sh: IMAGE[:/PATH] is wanted");
	r = ukfs_split(argv[1], &spec, &path);
	if (r == 1)
		p = image_place(argv[1], 0, 0);
	else if (r == 0)
		p.fs = image_open(argv[1], 0);
	if (!p.fs)
		return 127;
	r = ukfs_stat(p.fs, p.path, &st);
	if (!r && !S_ISDIR(st.st_mode))
		r = -ENOTDIR;
	if (r) {
		image_fail("%s: %s", argv[1], strerror(-r));
		return 127;
	}
	prog = program(argc - 2, argv + 2);
	rump_socket_directory(dir, url);
	r = rump_init_server(url);
	if (r) {
		image_fail("%s: %s", url, strerror(-r));
	} else {
		set_environment(p.fs, p.path);
		r = start(prog, &pid);
		if (r)
			image_fail("%s: %s", prog[0], strerror(r));
	}
	r = r ? 127 : wait_for(pid);
	unlink(url + strlen("unix://"));
	rmdir(dir);
	free(prog);
	return r;
}
