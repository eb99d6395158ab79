/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench DIR TSV JSON [ROW]... - measures the rows of docs/bench.tsv, prints a table and
 * writes it as JSON.  DIR is where the libraries were built.
 *
 * Each row is measured BENCH_RUNS (5) times, ours and the reference in turn, so that both
 * see the same machine; the figure is the median, spread is (largest - smallest) / median.
 * A row misses its target or not: that is printed, and never a failure.  bench/report.py
 * makes pictures of the JSON, and puts that of another system beside it.
 */
#include "bench.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
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

/* Runs fn in a child, which with all that it starts is gone afterwards; NAN if it could not. */
static double
measure(const char *name, double (*fn)(void))
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
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		alarm(120);
		value = fn();
		_exit(write(p[1], &value, sizeof(value)) != sizeof(value));
	}
	close(p[1]);
	if (read(p[0], &value, sizeof(value)) != sizeof(value))
		value = NAN;
	close(p[0]);
	waitpid(pid, &status, 0);
	kill(-pid, SIGTERM);
	if (WIFSIGNALED(status))
		fprintf(stderr, "bench: %s: ended by signal %d%s\n", name, WTERMSIG(status),
		    WTERMSIG(status) == SIGALRM ? ": not done after 120 seconds" : "");
	return value;
}

/* Figures of one side, in order of size. */
struct series {
	double v[MAXRUNS];
	int n;
};

struct result {
	struct series ours, reference;
};

static double
median(const struct series *s)
{
	int n = s->n;

	return n == 0 ? NAN : n % 2 ? s->v[n / 2] : (s->v[n / 2 - 1] + s->v[n / 2]) / 2;
}

static double
spread(const struct series *s)
{
	return s->n == 0 ? NAN : (s->v[s->n - 1] - s->v[0]) / median(s);
}

static void
run_row(const struct bench_row *row, int runs, struct result *r)
{
	r->ours.n = r->reference.n = 0;
	for (int i = 0; i < runs; i++) {
		double v = measure(row->name, row->ours);

		if (isnan(v))
			break;
		r->ours.v[r->ours.n++] = v;
		if (row->reference && !isnan(v = measure(row->name, row->reference)))
			r->reference.v[r->reference.n++] = v;
	}
	qsort(r->ours.v, r->ours.n, sizeof(double), compare);
	qsort(r->reference.v, r->reference.n, sizeof(double), compare);
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
json_series(FILE *f, const char *key, const struct series *s)
{
	fprintf(f, ", \"%s\": [", key);
	for (int i = 0; i < s->n; i++)
		fprintf(f, "%s%.6g", i ? ", " : "", s->v[i]);
	fputc(']', f);
}

static void
json_pair(FILE *f, const char *key, const char *value)
{
	fprintf(f, ", \"%s\": ", key);
	json_string(f, value);
}

/* What follows key in a file of lines, without quotes; or "unknown". */
static void
value_in(const char *file, const char *key, char *buf, size_t len)
{
	FILE *f = fopen(file, "r");
	char line[512], *p;

	snprintf(buf, len, "unknown");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0) {
			p = line + strlen(key);
			p += strspn(p, " \t:=\"");
			snprintf(buf, len, "%.*s", (int)strcspn(p, "\"\n"), p);
			break;
		}
	if (f)
		fclose(f);
}

/* The machine, to people and into the file. */
static void
describe(FILE *f, int runs)
{
	char cpu[256], system[256], day[32];
	time_t now = time(NULL);
	struct utsname u;
	double load;

	uname(&u);
	value_in("/proc/cpuinfo", "model name", cpu, sizeof(cpu));
	value_in("/etc/os-release", "PRETTY_NAME", system, sizeof(system));
	strftime(day, sizeof(day), "%Y-%m-%d", gmtime(&now));
	if (getloadavg(&load, 1) != 1)
		load = NAN;
	printf("%d cores of %s, %ld MB, Linux %s, %s; load %.1f\n", get_nprocs(), cpu,
	    sysconf(_SC_PHYS_PAGES) / 256, u.release, system, load);
	printf("Medians of %d runs, ours and the reference in turn; spread: (largest - smallest) / median of "
	    "ours and of the reference\n", runs);
	fprintf(f, "{\"machine\": {\"cores\": %d", get_nprocs());
	json_pair(f, "cpu", cpu);
	json_pair(f, "kernel", u.release);
	json_pair(f, "system", system);
	json_pair(f, "date", day);
	json_number(f, "load", load);
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
put(char buf[32], double v)
{
	if (!isnan(v))
		snprintf(buf, 32, v >= 10000 ? "%.0f" : "%.4g", v);
}

static void
report(const struct line *l, const struct result *r, FILE *json, bool first)
{
	double ours = median(&r->ours), reference = median(&r->reference);
	double ratio = ours / reference, target = number(l->target);
	char figure[32] = "-", bound[32] = "", refs[32] = "", ratios[32] = "", spreads[32] = "";

	put(figure, ours);
	put(refs, reference);
	if (!isnan(ours))
		snprintf(spreads, sizeof(spreads), "%.0f%%", 100 * spread(&r->ours));
	if (!isnan(target))
		snprintf(bound, sizeof(bound), "%s %g", strcmp(l->better, "lower") == 0 ? "<=" : ">=", target);
	if (!isnan(reference)) {
		snprintf(ratios, sizeof(ratios), "%.3g", ratio);
		snprintf(spreads, sizeof(spreads), "%.0f%% %.0f%%", 100 * spread(&r->ours),
		    100 * spread(&r->reference));
	}
	printf("%-26s %-14s %9s %9s %7s %8s %-6s %10s\n", l->name, l->unit, figure, refs, ratios, bound,
	    verdict(l, isnan(ratio) ? ours : ratio), spreads);
	fflush(stdout);

	fprintf(json, "%s\n{\"name\": ", first ? "" : ",");
	json_string(json, l->name);
	json_pair(json, "unit", l->unit);
	json_pair(json, "better", l->better);
	json_number(json, "ours", ours);
	json_number(json, "reference", reference);
	if (strcmp(l->reference_is, "-") == 0)
		fprintf(json, ", \"reference_is\": null");
	else
		json_pair(json, "reference_is", l->reference_is);
	json_number(json, "ratio", ratio);
	json_number(json, "target", target);
	json_number(json, "runs", r->ours.n);
	json_number(json, "spread", spread(&r->ours));
	json_series(json, "values", &r->ours);
	json_series(json, "reference_values", &r->reference);
	json_pair(json, "definition", l->definition);
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
	char text[1024], *half;
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
	/* Who is ended before the last row leaves the results of the last whole run. */
	if (asprintf(&half, "%s.half", argv[3]) < 0)
		return 1;
	if ((tsv = fopen(argv[2], "r")) == NULL || (json = fopen(half, "w")) == NULL) {
		fprintf(stderr, "bench: %s: %s\n", tsv ? half : argv[2], strerror(errno));
		return 1;
	}

	describe(json, runs);
	printf("\n%-26s %-14s %9s %9s %7s %8s %-6s %10s\n", "row", "unit", "ours", "reference", "ratio", "target",
	    "", "spread");
	while (fgets(text, sizeof(text), tsv)) {
		static struct result r;
		const struct bench_row *row;
		struct line l;

		if (!parse(text, &l, argv[2], ++nr) || !wanted(l.name, argv + 4))
			continue;
		for (row = bench_rows; row->name && strcmp(row->name, l.name) != 0; row++)
			;
		if (row->name == NULL) {
			fprintf(stderr, "%s:%d: '%s': no such row in bench/rows.c\n", argv[2], nr, l.name);
			return 1;
		}
		run_row(row, runs, &r);
		report(&l, &r, json, first);
		first = false;
	}
	fprintf(json, "\n]}\n");
	if (fclose(json) != 0 || rename(half, argv[3]) != 0) {
		fprintf(stderr, "bench: %s: %s\n", argv[3], strerror(errno));
		return 1;
	}
	return 0;
}
