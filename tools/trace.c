/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trace.c - rump trace: the system calls of a server's clients, a line for each when it
 * returns.  One that lasts gets a line of its own before, and a second one then, as strace
 * has it.  The records come from the server (<rump/rump_trace.h>); pointers are numbers,
 * because what they point to is in the client.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <rump/rump_calls.h>
#include <rump/rump_trace.h>
#include <rump/rumpclient.h>

#include "rump.h"

enum { TIME };

const struct rump_option trace_options[] = {
	[TIME] = { 't', "time", NULL, "the time of day before each line" },
	{ 0 }
};

#define BATCH		128
#define PENDING_MAX	4096		/* calls that have begun and not returned */
#define LASTS_NS	200000000	/* then it is said that a call has begun */

static const struct name {
	const char *name;
	int nargs;
} names[] = {
#define CALL(nr, text, args) [nr] = { text, args },
#include <tools/calls.def>
#undef CALL
}, private[] = {
	[RUMP_CALL_FD_ATTACH - RUMP_CALL_BASE] = { "rump_fd_attach", 2 },
	[RUMP_CALL_FD_ADOPT - RUMP_CALL_BASE] = { "rump_fd_adopt", 1 },
	[RUMP_CALL_POLL_ARM - RUMP_CALL_BASE] = { "rump_poll_arm", 3 },
	[RUMP_CALL_NETIF - RUMP_CALL_BASE] = { "rump_netif", 4 },
	[RUMP_CALL_MAP - RUMP_CALL_BASE] = { "rump_map", 4 },
	[RUMP_CALL_MAPPED - RUMP_CALL_BASE] = { "rump_mapped", 4 },
	[RUMP_CALL_TRACE - RUMP_CALL_BASE] = { "rump_trace", 1 },
	[RUMP_CALL_HOST_PUT - RUMP_CALL_BASE] = { "rump_host_put", 1 },
	[RUMP_CALL_HOST_GET - RUMP_CALL_BASE] = { "rump_host_get", 1 },
};

static struct pending {
	struct rump_trace_record r;
	int said;
} *pending[PENDING_MAX];		/* by thread id; another one may be in its place */

static int with_time;

static const struct name *name_of(int nr)
{
	static char unknown[24];
	static struct name other = { unknown, 6 };
	unsigned int k = (unsigned int)nr - RUMP_CALL_BASE;

	if (nr >= 0 && (unsigned int)nr < sizeof(names) / sizeof(names[0]) && names[nr].name)
		return &names[nr];
	if (k < sizeof(private) / sizeof(private[0]) && private[k].name)
		return &private[k];
	snprintf(unknown, sizeof(unknown), "call_%d", nr);
	return &other;
}

static void show_head(const struct rump_trace_record *r, uint64_t when)
{
	time_t seconds = when / 1000000000;
	char text[16];
	struct tm tm;

	if (with_time && localtime_r(&seconds, &tm) && strftime(text, sizeof(text), "%H:%M:%S", &tm))
		printf("%s.%06u ", text, (unsigned int)(when % 1000000000 / 1000));
	printf("%s%.16s[%d", rump_colour(CYAN), r->comm, r->pid);
	if (r->tid != r->pid)
		printf("/%d", r->tid);
	printf("]%s ", rump_colour(PLAIN));
}

static void show_call(const struct rump_trace_record *r)
{
	const struct name *n = name_of(r->nr);
	int i;

	printf("%s(", n->name);
	for (i = 0; i < n->nargs; i++) {
		long a = (long)r->args[i];

		printf(a > -1000 && a < 100000 ? "%s%ld" : "%s%#lx", i ? ", " : "", a);
	}
	putchar(')');
}

static void show_result(const struct rump_trace_record *r, const struct rump_trace_record *begun)
{
	const char *error = r->ret < 0 && r->ret >= -4095 ? strerrorname_np((int)-r->ret) : NULL;

	if (error)
		printf(" = %s-1 %s%s (%s)", rump_colour(RED), error, rump_colour(PLAIN), strerror((int)-r->ret));
	else
		printf(r->ret > -1000 && r->ret < 1000000000 ? " = %lld" : " = %#llx", (long long)r->ret);
	if (begun)
		printf(" <%.6f>", (r->when - begun->when) / 1e9);
	putchar('\n');
}

static void say_unfinished(struct pending *p)
{
	if (p->said)
		return;
	show_head(&p->r, p->r.when);
	show_call(&p->r);
	fputs(" <unfinished ...>\n", stdout);
	p->said = 1;
}

/* Calls that began before then, and have not returned. */
static void show_lasting(uint64_t before)
{
	int i;

	for (i = 0; i < PENDING_MAX; i++)
		if (pending[i] && pending[i]->r.when < before)
			say_unfinished(pending[i]);
}

static void forget(struct pending **p)
{
	free(*p);
	*p = NULL;
}

static void show_record(const struct rump_trace_record *r)
{
	struct pending **p = &pending[(unsigned int)r->tid % PENDING_MAX];
	int i;

	if (r->lost) {
		printf("--- %llu records were lost: they came faster than they were read ---\n",
		    (unsigned long long)r->lost);
		for (i = 0; i < PENDING_MAX; i++)
			forget(&pending[i]);
	}
	if (*p && ((*p)->r.tid != r->tid || r->what == RUMP_TRACE_CALL))
		forget(p);
	if (r->what == RUMP_TRACE_CALL) {
		*p = calloc(1, sizeof(**p));
		if (*p)
			(*p)->r = *r;
		return;
	}
	show_head(r, *p && !(*p)->said ? (*p)->r.when : r->when);
	if (*p && (*p)->said)
		printf("<... %s resumed>", name_of(r->nr)->name);
	else
		show_call(r);
	show_result(r, *p ? &(*p)->r : NULL);
	forget(p);
}

/* Until the process, or the server, ends: what read() or poll() gave then. */
static long follow(long fd)
{
	static struct rump_trace_record r[BATCH];
	struct pollfd pfd = { .fd = (int)fd, .events = POLLIN };
	long n, i;

	for (;;) {
		n = RUMP_CALL(SYS_poll, &pfd, 1, LASTS_NS / 1000000);
		if (n == 0) {
			show_lasting(UINT64_MAX);
		} else if (n > 0) {
			n = RUMP_CALL(SYS_read, fd, r, sizeof(r));
			if (n <= 0)
				return n;
			n /= sizeof(r[0]);
			for (i = 0; i < n; i++)
				show_record(&r[i]);
			show_lasting(r[n - 1].when - LASTS_NS);
		} else if (n != -EINTR) {
			return n;
		}
		if (fflush(stdout))
			return -errno;
	}
}

/* The process whose calls are wanted; 0: all. */
static int pid_operand(int argc, char **argv)
{
	char *end;
	long pid;

	if (optind == argc)
		return 0;
	pid = strtol(argv[optind], &end, 10);
	if (*end || pid < 1 || pid > INT_MAX)
		die(EXIT_USAGE, "trace: %s: neither the URL of a server nor the id of a process (rump ps)",
		    argv[optind]);
	optind++;
	return (int)pid;
}

int cmd_trace(int argc, char **argv)
{
	const char *url;
	long fd, n;
	int pid;

	while (rump_next_option(argc, argv) == TIME)
		with_time = 1;
	url = rump_url_operand(argc, argv);
	pid = pid_operand(argc, argv);
	rump_operands(argc, argv, 0, 0);
	if (!url)
		die(EXIT_USAGE, "trace: the URL of a server is wanted, or RUMP_SERVER");
	rump_connect(url);
	fd = RUMP_CALL(RUMP_CALL_TRACE, pid, 0, 0);
	if (fd == -ESRCH)
		die(1, "trace: %s: %d: the server has no client of this id; see rump ps %s", url, pid, url);
	if (fd < 0)
		die(1, "trace: %s: %s", url, fd == -EPERM ?
		    "only the user whose server it is can trace its clients, on the same host" : strerror((int)-fd));
	n = follow(fd);
	if (n == -ENOTCONN)
		fprintf(stderr, "rump: %s: the server has ended\n", url);
	else if (n == 0)
		fprintf(stderr, "rump: %s: process %d has ended\n", url, pid);
	else
		die(1, "trace: %s: %s", url, strerror((int)-n));
	return 0;
}
