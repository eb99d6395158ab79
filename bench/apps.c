/* SPDX-License-Identifier: BSD-2-Clause */
/* apps.c - rows about real programs: what bench/apps.sh says, and `rump cp` in little memory. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- servers and their load ---------------------------------------------------------------- */

static double
app(const char *name, const char *how)
{
	char cmd[4096];
	double v;
	FILE *f;

	snprintf(cmd, sizeof(cmd), "bench/apps.sh %s %s %s %d", bench_dir, name, how,
	    (int)(bench_duration / 1000000000) + 2);
	if ((f = popen(cmd, "r")) == NULL || fscanf(f, "%lf", &v) != 1)
		bench_fail("%s: no figure", cmd);
	pclose(f);
	return v;
}

double apps_nginx(void) { return app("nginx", "embedded"); }
double apps_nginx_remote(void) { return app("nginx", "remote"); }
double apps_nginx_native(void) { return app("nginx", "native"); }
double apps_redis(void) { return app("redis", "embedded"); }
double apps_redis_remote(void) { return app("redis", "remote"); }
double apps_redis_native(void) { return app("redis", "native"); }
double apps_pgbench(void) { return app("pgbench", "keeper"); }
double apps_pgbench_remote(void) { return app("pgbench", "remote"); }
double apps_pgbench_native(void) { return app("pgbench", "native"); }
double apps_iperf3(void) { return app("iperf3", "embedded"); }
double apps_iperf3_remote(void) { return app("iperf3", "remote"); }
double apps_iperf3_native(void) { return app("iperf3", "native"); }

/* ---- little memory ---------------------------------------------------------------------------- */

/* Seconds for a file of 64 MB to be copied into an image, and out again; best of three. */
static double
copy_with(const char *memory)
{
	char cmd[8192];
	double best = 0;
	int64_t t0;

	setenv("RUMP_MEMLIMIT", memory, 1);
	snprintf(cmd, sizeof(cmd), "cd %s/bench && head -c 64M /dev/urandom >in.%d && truncate -s 256M img.%d && "
	    "mkfs.ext4 -qF -E lazy_itable_init=0,lazy_journal_init=0 img.%d && sync -f .", bench_dir, getpid(),
	    getpid(), getpid());
	if (system(cmd) != 0)
		bench_fail("%s: failed", cmd);
	snprintf(cmd, sizeof(cmd), "cd %s/bench && ../bin/rump cp in.%d img.%d:/f && ../bin/rump cp img.%d:/f out.%d",
	    bench_dir, getpid(), getpid(), getpid(), getpid());
	for (int i = 0; i < 3; i++) {
		t0 = bench_now();
		if (system(cmd) != 0)
			bench_fail("%s: failed with RUMP_MEMLIMIT=%s", cmd, memory);
		t0 = bench_now() - t0;
		if (i == 0 || t0 / 1e9 < best)
			best = t0 / 1e9;
	}
	snprintf(cmd, sizeof(cmd), "cd %s/bench && cmp in.%d out.%d && rm in.%d out.%d img.%d", bench_dir, getpid(),
	    getpid(), getpid(), getpid(), getpid());
	if (system(cmd) != 0)
		bench_fail("%s: failed", cmd);
	return best;
}

double apps_copy_64m(void) { return copy_with("64m"); }
double apps_copy_16m(void) { return copy_with("16m"); }
double apps_copy_12m(void) { return copy_with("12m"); }
double apps_copy_plenty(void) { return copy_with("1g"); }
