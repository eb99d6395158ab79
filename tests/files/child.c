/* SPDX-License-Identifier: BSD-2-Clause */
#include "child.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

pid_t child_start(int (*fn)(void *arg), void *arg, const char *log, int *outp)
{
	const struct rlimit no_core = { 0, 0 };
	int out[2] = { -1, -1 }, fd;
	pid_t pid;

	fflush(NULL);
	ATF_REQUIRE(!outp || pipe(out) == 0);
	pid = fork();
	ATF_REQUIRE(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setrlimit(RLIMIT_CORE, &no_core);
		if (outp) {
			dup2(out[1], 1);
			close(out[0]);
			close(out[1]);
		}
		fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0644);
		dup2(fd, 2);
		close(fd);
		_exit(fn(arg));
	}
	if (outp) {
		close(out[1]);
		*outp = out[0];
	}
	return pid;
}

int child_end(pid_t pid, int seconds)
{
	const struct timespec pause = { .tv_nsec = 2000000 };
	int status;
	time_t end = time(NULL) + seconds + 1;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (time(NULL) > end) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			atf_tc_fail("a kernel hung for %d s", seconds);
		}
		nanosleep(&pause, NULL);
	}
	return status;
}

void sh(const char *fmt, ...)
{
	char cmd[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	ATF_REQUIRE_EQ_MSG(0, system(cmd), "%s", cmd);
}

bool have(const char *program)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "command -v %s >/dev/null", program);
	return system(cmd) == 0;
}

unsigned int rnd(unsigned long *state)
{
	*state = *state * 6364136223846793005UL + 1442695040888963407UL;
	return *state >> 33;
}
