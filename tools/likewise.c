/* SPDX-License-Identifier: BSD-2-Clause */
/* likewise.c - the end of a process that stands for another one. */
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "rump.h"

void end_likewise(int st)
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
