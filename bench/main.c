/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench DIR TSV JSON [ROW]... - measures the rows of docs/bench.tsv, prints a table and
 * writes it as JSON.  DIR is where the libraries were built.
 *
 * Each row is measured BENCH_RUNS (5) times, ours and the reference in turn, so that both
 * see the same machine; the figure is the median, spread is (largest - smallest) / median
 * of ours.  A row misses its target or not: that is printed, and never a failure.
 */
#include "bench.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAXRUNS	101

struct line {
	char *name, *unit, *better, *target, *reference_is, *definition;
};

int64_t bench_duration = 300 * 1000000LL;
const char *bench_dir;

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Runs fn in a child; NAN if it could not. */
static double
measure(double (*fn)(void))
{
	double value = NAN;
	int p[2], status;
	pid_t pid;

	fflush(NULL);
	if (pipe(p) != 0 || (pid = fork()) < 0) {
		perror("bench");
		exit(1);
	}
	if (pid == 0) {
		close(p[0]);
		alarm(120);
		value = fn();
		_exit(write(p[1], &value, sizeof(value)) != sizeof(value));
	}
	close(p[1]);
	if (read(p[0], &value, sizeof(value)) != sizeof(value))
		value = NAN;
	close(p[0]);
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		fprintf(stderr, "bench: a measurement ended by signal %d\n", WTERMSIG(status));
	return value;
}

struct result {
	double ours, reference, spread;
	int runs;
};

static double
median(double *v, int n)
{
	qsort(v, n, sizeof(*v), compare);
	return n == 0 ? NAN : n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static struct result
run_row(const struct bench_row *row, int runs)
{
	double ours[MAXRUNS], reference[MAXRUNS];
	struct result r = { 0 };
	int nref = 0;

	for (int i = 0; i < runs; i++) {
		double v = measure(row->ours);

		if (isnan(v))
			break;
		ours[r.runs++] = v;
		if (row->reference && !isnan(v = measure(row->reference)))
			reference[nref++] = v;
	}
	r.ours = median(ours, r.runs);
	r.reference = median(reference, nref);
	if (r.runs)
		r.spread = (ours[r.runs - 1] - ours[0]) / r.ours;
	return r;
}

static void
json_string(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', f);
		if ((unsigned char)*s >= ' ')
			fputc(*s, f);
	}
	fputc('"', f);
}

static void
json_number(FILE *f, const char *key, double v)
{
	if (isnan(v))
		fprintf(f, ", \"%s\": null", key);
	else
		fprintf(f, ", \"%s\": %.6g", key, v);
}

static void
json_pair(FILE *f, const char *key, const char *value)
{
	fprintf(f, ", \"%s\": ", key);
	json_string(f, value);
}

static void
cpu_model(char *buf, size_t len)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char line[512], *colon;

	snprintf(buf, len, "unknown");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "model name", 10) == 0 && (colon = strchr(line, ':'))) {
			snprintf(buf, len, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
			break;
		}
	if (f)
		fclose(f);
}

static void
json_machine(FILE *f)
{
	struct utsname u;
	char cpu[256];

	uname(&u);
	cpu_model(cpu, sizeof(cpu));
	fprintf(f, "{\"machine\": {\"cores\": %d", get_nprocs());
	json_pair(f, "cpu", cpu);
	json_pair(f, "kernel", u.release);
	fprintf(f, ", \"memory_mb\": %ld}, \"rows\": [", sysconf(_SC_PHYS_PAGES) / 256);
}

static double
number(const char *s)
{
	return strcmp(s, "-") == 0 ? NAN : strtod(s, NULL);
}

static const char *
verdict(const struct line *l, double value)
{
	double target = number(l->target);

	if (isnan(target) || isnan(value))
		return "";
	return (strcmp(l->better, "lower") == 0 ? value <= target : value >= target) ? "met" : "MISSED";
}

static void
report(const struct line *l, const struct result *r, FILE *json, bool first)
{
	double ratio = r->ours / r->reference, target = number(l->target);
	char ours[32] = "-", bound[32] = "", refs[32] = "", ratios[32] = "";

	if (!isnan(r->ours))
		snprintf(ours, sizeof(ours), "%.4g", r->ours);
	if (!isnan(target))
		snprintf(bound, sizeof(bound), "%s %g", strcmp(l->better, "lower") == 0 ? "<=" : ">=", target);
	if (!isnan(r->reference)) {
		snprintf(refs, sizeof(refs), "%.4g", r->reference);
		snprintf(ratios, sizeof(ratios), "%.3g", ratio);
	}
	printf("%-26s %-11s %9s %9s %7s %8s %-6s %4.0f%%\n", l->name, l->unit, ours, refs, ratios, bound,
	    verdict(l, isnan(ratio) ? r->ours : ratio), 100 * r->spread);

	fprintf(json, "%s\n{\"name\": ", first ? "" : ",");
	json_string(json, l->name);
	json_pair(json, "unit", l->unit);
	json_pair(json, "better", l->better);
	json_number(json, "ours", r->ours);
	json_number(json, "reference", r->reference);
	if (strcmp(l->reference_is, "-") == 0)
		fprintf(json, ", \"reference_is\": null");
	else
		json_pair(json, "reference_is", l->reference_is);
	json_number(json, "ratio", ratio);
	json_number(json, "target", target);
	json_number(json, "runs", r->runs);
	json_number(json, "spread", r->runs ? r->spread : NAN);
	fputc('}', json);
	fflush(json);
}

/* Splits at tabs; false for comments and empty lines.  Anything else that is no row ends us. */
static bool
parse(char *text, struct line *l, const char *file, int nr)
{
	char **field[] = { &l->name, &l->unit, &l->better, &l->target, &l->reference_is, &l->definition };

	text[strcspn(text, "\n")] = '\0';
	if (text[0] == '#' || text[0] == '\0')
		return false;
	for (size_t i = 0; i < sizeof(field) / sizeof(*field); i++)
		if ((*field[i] = strsep(&text, "\t")) == NULL) {
			fprintf(stderr, "%s:%d: %zu columns, want 6\n", file, nr, i);
			exit(1);
		}
	return true;
}

static bool
wanted(const char *name, char **list)
{
	if (*list == NULL)
		return true;
	for (; *list; list++)
		if (strcmp(name, *list) == 0)
			return true;
	return false;
}

int
main(int argc, char **argv)
{
	const char *s;
	int runs = (s = getenv("BENCH_RUNS")) ? atoi(s) : 5, nr = 0;
	char text[1024];
	bool first = true;
	FILE *tsv, *json;

	if (argc < 4) {
		fprintf(stderr, "usage: bench DIR TSV JSON [ROW]...\n");
		return 2;
	}
	if (runs < 1 || runs > MAXRUNS) {
		fprintf(stderr, "bench: BENCH_RUNS=%s: want 1 to %d\n", s, MAXRUNS);
		return 2;
	}
	if ((s = getenv("BENCH_MS")) != NULL)
		bench_duration = atoi(s) * 1000000LL;
	bench_dir = argv[1];
	if ((tsv = fopen(argv[2], "r")) == NULL || (json = fopen(argv[3], "w")) == NULL) {
		fprintf(stderr, "bench: %s: %s\n", tsv ? argv[3] : argv[2], strerror(errno));
		return 1;
	}

	printf("%-26s %-11s %9s %9s %7s %8s %-6s %5s\n", "row", "unit", "ours", "reference", "ratio", "target", "",
	    "spread");
	json_machine(json);
	while (fgets(text, sizeof(text), tsv)) {
		const struct bench_row *row;
		struct result r;
		struct line l;

		if (!parse(text, &l, argv[2], ++nr) || !wanted(l.name, argv + 4))
			continue;
		for (row = bench_rows; row->name && strcmp(row->name, l.name) != 0; row++)
			;
		if (row->name == NULL) {
			fprintf(stderr, "%s:%d: '%s': no such row in bench/rows.c\n", argv[2], nr, l.name);
			return 1;
		}
		r = run_row(row, runs);
		report(&l, &r, json, first);
		first = false;
	}
	fprintf(json, "\n]}\n");
	return fclose(json) != 0;
}
