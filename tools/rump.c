/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rump.c - the command that people use: a table of sub-commands.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rump.h"

/* What is done with images: by a program of its own, which has the kernel in it. */
static int cmd_image(int argc, char **argv)
{
	char path[PATH_MAX];

	(void)argc;
	rump_image_path(path);
	execv(path, argv);
	die(127, "%s: %s", path, strerror(errno));
}

/* Its own program, because of OpenSSL. */
static int cmd_relay(int argc, char **argv)
{
	char path[PATH_MAX];

	(void)argc;
	rump_relay_path(path);
	execv(path, argv);
	die(127, "%s: %s", path, strerror(errno));
}

static const struct command {
	const char *name;
	int (*fn)(int argc, char **argv);
	const char *synopsis, *what;
} commands[] = {
	{ "run", cmd_run,
	  "[--server URL] [--mount SPEC]... [--if SPEC]... [--net] [--ncpu N] [--mem M] [--] PROGRAM [ARG]...",
	  "run a program on a rump kernel: the one of a rump_server, or one of its own" },
	{ "if", cmd_if, "[--server URL] add SPEC | del NAME | list",
	  "network interfaces of a rump_server that runs (SPEC: see rump_netif(5))" },
	{ "halt", cmd_halt, "URL",
	  "end a rump_server; returns when its file systems are unmounted" },
	{ "ps", cmd_ps, "[URL]",
	  "list the programs that are a rump_server's clients" },
	{ "insmod", cmd_insmod, "URL FILE.ko [NAME=VALUE]...",
	  "load a kernel module into a rump_server that trusts its clients" },
	{ "rmmod", cmd_rmmod, "URL NAME", "unload it" },
	{ "relay", cmd_relay, "[--psk FILE] LISTEN CONNECT",
	  "lets clients on other hosts use a rump_server, by tls:// or tcp://" },
	{ "ls", cmd_image, "[-aldR] IMAGE:/PATH...",
	  "list what is in a file system image" },
	{ "cat", cmd_image, "IMAGE:/PATH...",
	  "print files of an image" },
	{ "cp", cmd_image, "[-r] SOURCE... DESTINATION",
	  "copy files, with all that belongs to them, between images (IMAGE:/PATH) and the host" },
	{ "sh", cmd_image, "IMAGE[:/PATH] [-c COMMAND | PROGRAM [ARG]...]",
	  "run a shell, or a program, in an image" },
	{ "topo", cmd_topo, "run|up [-o DIRECTORY] FILE | down FILE | exec FILE KERNEL COMMAND...",
	  "a network of rump kernels from a file, rump_topo(5)" },
};
#define NCOMMANDS	(sizeof(commands) / sizeof(commands[0]))

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
