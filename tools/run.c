/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * run.c - rump run and rump exec: a program with librumphijack.so in front of its libc, on
 * the kernel of a server, one of its own (own.c), or one that is in its process.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../hijack/hijack.h"
#include "../hijack/outsider.h"
#include "own.h"
#include "rump.h"
#include "scope.h"

#define SCOPE_OPTIONS	\
	[PATH] = { 'p', "path", "DIR", "the rump kernel's files are below this path (/rump)" },	\
	[SOCKET] = { 0, "socket", "KINDS", "its sockets: all, inet, nolocal ..., as in rumphijack(3)" },	\
	[STATIC] = { 0, "static", "refuse|trap|host", "programs that cannot load the library" }

enum {
	PATH, SOCKET, STATIC,
	SERVER, EMBEDDED, IF, NET, MOUNT, NCPU, MEM, VERBOSE
};

const struct rump_option run_options[] = {
	SCOPE_OPTIONS,
	[SERVER] = { 's', "server", "URL", "the kernel of this server: unix://PATH, tls://HOST:PORT" },
	[EMBEDDED] = { 'e', "embedded", NULL, "a kernel in the program's process, booted when it is needed" },
	[IF] = { 'i', "if", "SPEC", "a network interface, rump_netif(5): virt0,link=tap:tap0" },
	[NET] = { 'n', "net", NULL, "the way out for an ordinary user: --if virt0,link=slirp" },
	[MOUNT] = { 'M', "mount", "SPEC", "SOURCE:DIR[,type=T][,ro][,part=N], rump_server(1)" },
	[NCPU] = { 'c', "ncpu", "N", "virtual CPUs of the kernel (1)" },
	[MEM] = { 'r', "mem", "SIZE", "its memory: 64m, 1g" },
	[VERBOSE] = { 'v', "verbose", NULL, "its messages go to stderr" },
	{ 0 }
}, exec_options[] = {
	SCOPE_OPTIONS,
	{ 0 }
};

#define MADE_MAX	100

/* What makes a kernel, and where it goes: an option of rump_server, or a variable. */
static const struct {
	const char *server, *variable;
	int is_list;
	int stay;		/* the command returns when the host has got back what this takes */
} makes[] = {
	[IF] = { "-i", "RUMP_IF", 1, 1 },
	[NET] = { "-i", "RUMP_IF", 1, 0 },
	[MOUNT] = { "-M", "RUMP_MOUNT", 1, 1 },
	[NCPU] = { "-c", "RUMP_NCPU", 0, 0 },
	[MEM] = { "-r", "RUMP_MEMLIMIT", 0, 0 },
	[VERBOSE] = { "-v", "RUMP_VERBOSE", 0, 0 },
};

static struct {
	const char *server;
	int embedded;
	struct { int option; const char *value; } made[MADE_MAX];
	int nmade;
	char **program;
} opt;

/* ---- the environment of an embedded kernel ---------------------------------------------- */

/* Behind what is there already; blanks divide, and have a backslash before them. */
static void add_to_list(const char *variable, const char *spec)
{
	const char *old = getenv(variable);
	char *new = malloc((old ? strlen(old) : 0) + 2 * strlen(spec) + 2), *to;

	if (!new)
		die(EXIT_LAUNCH, "out of memory");
	to = stpcpy(new, old ? old : "");
	if (to > new)
		*to++ = '\n';
	for (; *spec; spec++) {
		if (strchr(" \t\n", *spec))
			*to++ = '\\';
		*to++ = *spec;
	}
	*to = '\0';
	if (setenv(variable, new, 1))
		die(EXIT_LAUNCH, "out of memory");
	free(new);
}

/* ---- options --------------------------------------------------------------------------------- */

static void make(int option, const char *value)
{
	if (opt.nmade == MADE_MAX)
		die(EXIT_USAGE, "run: --%s: more than %d of these", run_options[option].name, MADE_MAX);
	opt.made[opt.nmade].option = option;
	opt.made[opt.nmade++].value = value;
}

static void take_option(int o)
{
	switch (o) {
	case PATH:
		if (optarg[0] != '/')
			die(EXIT_USAGE, "--path %s: a path must begin with /", optarg);
		scope_option("path", optarg, 1);
		break;
	case SOCKET:
	case STATIC:
		scope_option(run_options[o].name, optarg, 0);
		break;
	case SERVER:
		opt.server = optarg;
		break;
	case EMBEDDED:
		opt.embedded = 1;
		break;
	case NET:
		make(NET, "virt0,link=slirp");
		break;
	default:
		make(o, run_options[o].value ? optarg : NULL);
	}
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
static void prepare(char **program)
{
	int way = scope_set();
	const char *file = find_program(program[0]), *why = outsider(AT_FDCWD, file);

	opt.program = program;
	if (!why || way == STATIC_HOST)
		return;
	if (way != STATIC_TRAP)
		die(EXIT_LAUNCH, "\"%s\" %s: it cannot load librumphijack.so, and is refused "
		    "(--static=trap takes its system calls one by one, --static=host runs it on the "
		    "host)", program[0], why);
	if (opt.embedded)
		die(EXIT_LAUNCH, "\"%s\" %s: the kernel cannot be in its process (--embedded)",
		    program[0], why);
	own_trap(file);
}

/* A server on another host: a relay of our own is the server for this one. */
static int is_remote(const char *server)
{
	return strncmp(server, "tls://", 6) == 0 || strncmp(server, "tcp://", 6) == 0 ||
	    strncmp(server, "tcp+insecure://", 15) == 0;
}

static void __attribute__((noreturn)) run_on(const char *server)
{
	if (is_remote(server))
		own_run(server, 0, opt.program);
	close(rump_reach(server, EXIT_LAUNCH));
	exec_program(server, opt.program);
}

static void __attribute__((noreturn)) run_embedded(void)
{
	int i, o;

	for (i = 0; i < opt.nmade; i++) {
		o = opt.made[i].option;
		if (makes[o].is_list)
			add_to_list(makes[o].variable, opt.made[i].value);
		else
			setenv(makes[o].variable, opt.made[i].value ? opt.made[i].value : "1", 1);
	}
	exec_program(NULL, opt.program);
}

static void __attribute__((noreturn)) run_own(void)
{
	int i, stay = 0;

	for (i = 0; i < opt.nmade; i++) {
		own_option(makes[opt.made[i].option].server, opt.made[i].value);
		stay |= makes[opt.made[i].option].stay;
	}
	own_run(NULL, stay, opt.program);
}

int cmd_run(int argc, char **argv)
{
	int o;

	while ((o = rump_next_option(argc, argv)) >= 0)
		take_option(o);
	rump_operands(argc, argv, 1, -1);
	if (opt.server && opt.embedded)
		die(EXIT_USAGE, "run: --server %s and --embedded: one of the two is wanted", opt.server);
	if (opt.server && opt.nmade)
		die(EXIT_USAGE, "run: --%s is for a kernel of its own, and not possible with --server %s",
		    run_options[opt.made[0].option].name, opt.server);
	prepare(argv + optind);
	if (opt.server)
		run_on(opt.server);
	if (opt.embedded)
		run_embedded();
	run_own();
}

int cmd_exec(int argc, char **argv)
{
	const char *url;
	int o;

	while ((o = rump_next_option(argc, argv)) >= 0)
		take_option(o);
	rump_operands(argc, argv, 2, -1);
	url = argv[optind++];
	/* rump exec URL -- PROGRAM */
	while ((o = rump_next_option(argc, argv)) >= 0)
		take_option(o);
	rump_operands(argc, argv, 1, -1);
	prepare(argv + optind);
	run_on(url);
}
