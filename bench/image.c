/* SPDX-License-Identifier: BSD-2-Clause */
/* The sub-commands of rump: from their start to their exit. */
#include "bench.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static double
run_ms(char *const *argv)
{
	int64_t t0 = bench_now();
	int status;
	pid_t pid;

	if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) != 0 ||
	    waitpid(pid, &status, 0) != pid || status != 0)
		bench_fail("%s %s %s: failed", argv[0], argv[1], argv[2]);
	return (bench_now() - t0) / 1e6;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

#define RUNS	9

static double
median_ms(char *const *argv)
{
	double ms[RUNS];
	int i;

	for (i = 0; i < RUNS; i++)
		ms[i] = run_ms(argv);
	qsort(ms, RUNS, sizeof(ms[0]), by_value);
	return ms[RUNS / 2];
}

double
image_ls(void)
{
	char image[4096], place[4200], rump[4096], cmd[8300];
	char *argv[] = { rump, "ls", place, NULL };
	double ms;

	snprintf(image, sizeof(image), "%s/bench/ls.%d", bench_dir, getpid());
	snprintf(place, sizeof(place), "%s:/", image);
	snprintf(rump, sizeof(rump), "%s/tools/rump", bench_dir);
	snprintf(cmd, sizeof(cmd), "truncate -s 256M %s && mkfs.ext4 -qF %s", image, image);
	if (system(cmd) != 0 || freopen("/dev/null", "w", stdout) == NULL)
		bench_fail("%s: failed", cmd);
	ms = median_ms(argv);
	unlink(image);
	return ms;
}

double
run_true(void)
{
	char rump[4096];
	char *argv[] = { rump, "run", "--", "/bin/true", NULL };

	snprintf(rump, sizeof(rump), "%s/tools/rump", bench_dir);
	return median_ms(argv);
}
