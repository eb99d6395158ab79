/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rump.c - the command that people use: a table of sub-commands.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rump.h"

static const struct command {
	const char *name;
	int (*fn)(int argc, char **argv);
	const char *synopsis, *what;
} commands[] = {
	{ "run", cmd_run,
	  "[--server URL] [--mount SPEC]... [--if SPEC]... [--net] [--ncpu N] [--mem M] [--] PROGRAM [ARG]...",
	  "run a program on a rump kernel: the one of a rump_server, or one of its own" },
	{ "halt", cmd_halt, "URL",
	  "end a rump_server; returns when its file systems are unmounted" },
};
#define NCOMMANDS	(sizeof(commands) / sizeof(commands[0]))

void die(int status, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "rump: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(status);
}

static void usage(FILE *to)
{
	size_t i;

	for (i = 0; i < NCOMMANDS; i++)
		fprintf(to, "%s rump %s %s\n           %s\n", i ? "      " : "usage:",
		    commands[i].name, commands[i].synopsis, commands[i].what);
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc < 2) {
		usage(stderr);
		return 1;
	}
	for (i = 0; i < NCOMMANDS; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].fn(argc - 1, argv + 1);
	if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
	    strcmp(argv[1], "-h") == 0) {
		usage(stdout);
		return 0;
	}
	fprintf(stderr, "rump: %s: no such command\n", argv[1]);
	usage(stderr);
	return 1;
}
