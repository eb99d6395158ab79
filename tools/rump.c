/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rump.c - the command that people use: a table of sub-commands.
 *
 * Adding one is adding a row, from which its help, the errors of its options and the
 * shell's completion follow (options.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../hypercall/hostcall.h"
#include "rump.h"

/* What another program does, once the options are known to be right. */
static int hand_over(void (*find)(char path[PATH_MAX]), int argc, char **argv)
{
	char path[PATH_MAX];

	while (rump_next_option(argc, argv) >= 0)
		;
	find(path);
	execv(path, argv);
	die(EXIT_LAUNCH, "%s: %s", path, strerror(errno));
}

/* What is done with images: it has the kernel in it. */
static int cmd_image(int argc, char **argv)
{
	return hand_over(rump_image_path, argc, argv);
}

/* Its own program, because of OpenSSL. */
static int cmd_relay(int argc, char **argv)
{
	return hand_over(rump_relay_path, argc, argv);
}

static const struct rump_option server_option[] = {
	{ 's', "server", "URL", "the server; else that of RUMP_SERVER" },
	{ 0 }
}, ls_options[] = {
	{ 'a', NULL, NULL, "also names that begin with a dot" },
	{ 'A', NULL, NULL, "the same" },
	{ 'l', NULL, NULL, "in detail" },
	{ 'd', NULL, NULL, "directories themselves, not what is in them" },
	{ 'R', NULL, NULL, "and all that is below" },
	{ '1', NULL, NULL, "one name a line, as always" },
	{ 0 }
}, cp_options[] = {
	{ 'r', NULL, NULL, "directories, with all that is in them" },
	{ 'R', NULL, NULL, "the same" },
	{ 'a', NULL, NULL, "the same: all attributes are kept in any case" },
	{ 0 }
}, relay_options[] = {
	{ 0, "psk", "FILE", "one line IDENTITY:KEY, the key in hexadecimal digits (RUMP_TLS_PSK)" },
	{ 0, "cert", "FILE", "our certificate, PEM (RUMP_TLS_CERT)" },
	{ 0, "key", "FILE", "its key (RUMP_TLS_KEY)" },
	{ 0, "ca", "FILE", "who signs certificates of the other side (RUMP_TLS_CA)" },
	{ 0 }
}, topo_options[] = {
	{ 'o', NULL, "DIR", "where `up' and `run' put logs and captures (FILE.out)" },
	{ 0 }
}, none[] = {
	{ 0 }
};

const struct rump_command rump_commands[] = {
	{ "run", cmd_run, "[--] PROGRAM [ARG]...",
	  "run a program, and all that it starts, on a rump kernel",
	  "rump run --net -- curl http://10.0.2.2:8000/", run_options, "PROGRAM" },
	{ "exec", cmd_exec, "URL [--] PROGRAM [ARG]...",
	  "run a program on the kernel of a rump_server",
	  "rump exec unix:///tmp/net -- ip addr", exec_options, "URL PROGRAM" },
	{ "ps", cmd_ps, "[URL]",
	  "list this user's servers; or a server's clients, and what they use",
	  "rump ps unix:///tmp/net", ps_options, "URL" },
	{ "log", cmd_log, "[URL]",
	  "print the messages of a server's kernel",
	  "rump log -f unix:///tmp/net", log_options, "URL" },
	{ "trace", cmd_trace, "[URL] [PID]",
	  "print the system calls of a server's clients as they happen",
	  "rump trace unix:///tmp/net", trace_options, "URL" },
	{ "sysctl", cmd_sysctl, "[URL] NAME[=VALUE]...",
	  "read or set parameters of a server's kernel",
	  "rump sysctl unix:///tmp/net net.ipv4.ip_forward=1", sysctl_options, "URL" },
	{ "if", cmd_if, "add SPEC | del NAME | list",
	  "network interfaces of a server that runs (SPEC: see rump_netif(5))",
	  "rump if --server unix:///tmp/net add virt1,link=slirp", server_option, "add|del|list" },
	{ "insmod", cmd_insmod, "URL FILE.ko [NAME=VALUE]...",
	  "load a kernel module into a server that trusts its clients",
	  "rump insmod unix:///tmp/net dummy.ko numdummies=2", none, "URL FILE" },
	{ "rmmod", cmd_rmmod, "URL NAME",
	  "unload a kernel module",
	  "rump rmmod unix:///tmp/net dummy", none, "URL" },
	{ "halt", cmd_halt, "URL",
	  "end a server; returns when its file systems are unmounted",
	  "rump halt unix:///tmp/net", none, "URL" },
	{ "relay", cmd_relay, "LISTEN CONNECT",
	  "let clients on other hosts use a server, by tls:// or tcp://",
	  "rump relay --psk key tls://0.0.0.0:4443 unix:///tmp/net", relay_options, "URL" },
	{ "topo", cmd_topo, "run|up [-o DIR] FILE | down FILE | exec FILE KERNEL COMMAND...",
	  "a network of rump kernels from a file, rump_topo(5)",
	  "rump topo run two.topo", topo_options, "run|up|down|exec FILE KERNEL PROGRAM" },
	{ "ls", cmd_image, "IMAGE:/PATH...",
	  "list what is in a file system image",
	  "rump ls -l disk.img,part=2:/etc", ls_options, "FILE" },
	{ "cat", cmd_image, "IMAGE:/PATH...",
	  "print files of an image",
	  "rump cat disk.img:/etc/hostname", none, "FILE" },
	{ "cp", cmd_image, "SOURCE... DESTINATION",
	  "copy files between images (IMAGE:/PATH) and the host, with all that belongs to them",
	  "rump cp -r disk.img:/etc old.img,part=2:/backup", cp_options, "FILE" },
	{ "sh", cmd_image, "IMAGE[:/PATH] [-c COMMAND | PROGRAM [ARG]...]",
	  "run a shell, or a program, in an image",
	  "rump sh rootfs.img -c 'tar xf ~/app.tar.gz -C opt'", none, "FILE PROGRAM" },
	{ "doctor", cmd_doctor, "",
	  "say what this host offers, what will not work here, and what would help",
	  "rump doctor", none, "" },
	{ 0 }
};

static void usage(FILE *to)
{
	const struct rump_command *c;

	fputs("usage: rump COMMAND [OPTION]... [OPERAND]...\n\n", to);
	for (c = rump_commands; c->name; c++)
		fprintf(to, "  %-8s %s\n", c->name, c->what);
	fputs("\n`rump COMMAND --help' has the options; rump(1) has it all.\n", to);
}

static int is_help(const char *s)
{
	return strcmp(s, "--help") == 0 || strcmp(s, "-h") == 0;
}

/*
 * Called by a program that is on a rump kernel: rump itself is not, or it could not
 * become a client of another one.  The library would see execve(3), and come along.
 */
static void leave_library(char **argv)
{
	extern char **environ;
	const char *list = getenv("LD_PRELOAD");
	char *rest, *copy, *next, *word;

	if (!list || !strstr(list, "librumphijack.so"))
		return;
	copy = next = strdup(list);
	rest = calloc(1, strlen(list) + 2);
	if (!copy || !rest)
		die(1, "out of memory");
	while ((word = strsep(&next, ": ")))
		if (*word && !strstr(word, "librumphijack.so"))
			strcat(strcat(rest, *rest ? ":" : ""), word);
	if (*rest)
		setenv("LD_PRELOAD", rest, 1);
	else
		unsetenv("LD_PRELOAD");
	free(copy);
	free(rest);
	host(SYS_execve, "/proc/self/exe", argv, environ);
}

int main(int argc, char **argv)
{
	const struct rump_command *c;

	leave_library(argv);
	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--complete") == 0)
		return rump_complete(argc - 1, argv + 1);
	if (is_help(argv[1]) || (strcmp(argv[1], "help") == 0 && argc == 2)) {
		usage(stdout);
		return 0;
	}
	c = rump_command_find(argv[strcmp(argv[1], "help") ? 1 : 2]);
	if (!c)
		die(EXIT_USAGE, "%s: no such command; rump --help lists them",
		    argv[strcmp(argv[1], "help") ? 1 : 2]);
	if (strcmp(argv[1], "help") == 0) {
		rump_help(c, stdout);
		return 0;
	}
	return c->fn(argc - 1, argv + 1);
}
