/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sysctl.c - rump sysctl: parameters of a server's kernel, which are files below its
 * /proc/sys.  A name has dots between its parts, or slashes: then dots belong to it
 * (net/ipv4/conf/eth0.1/forwarding).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rump/rumpclient.h>

#include "rump.h"

enum { SERVER, WRITE, BARE };

const struct rump_option sysctl_options[] = {
	[SERVER] = { 's', "server", "URL", "the server, if it is not the first operand, or RUMP_SERVER's" },
	[WRITE] = { 'w', NULL, NULL, "what follows is set: NAME=VALUE (as it is without)" },
	[BARE] = { 'n', NULL, NULL, "print values without names" },
	{ 0 }
};

#define VALUE_MAX	(64 * 1024)

static int bare, writing;

/* The file of a parameter, whose name has n bytes. */
static void make_path(char path[PATH_MAX], const char *name, size_t n)
{
	const char *first = strpbrk(name, "./=");
	char *s;

	if (!n || n > NAME_MAX || memchr(name, '\0', n) || memmem(name, n, "..", 2) || name[0] == '/')
		die(EXIT_USAGE, "sysctl: \"%s\": not the name of a parameter", name);
	snprintf(path, PATH_MAX, "/proc/sys/%.*s", (int)n, name);
	if (first && *first == '.')
		for (s = path; *s; s++)
			if (*s == '.')
				*s = '/';
}

static int set(const char *name, size_t n, const char *value)
{
	char path[PATH_MAX];
	long fd, r;

	make_path(path, name, n);
	fd = r = RUMP_CALL(SYS_open, path, O_WRONLY | O_CLOEXEC, 0);
	if (fd >= 0) {
		r = RUMP_CALL(SYS_write, fd, value, strlen(value));
		RUMP_CALL(SYS_close, fd, 0, 0);
	}
	if (r >= 0)
		return 0;
	fprintf(stderr, "rump: sysctl: %s: %s\n", name,
	    r == -ENOENT ? "the kernel has no such parameter" :
	    r == -EACCES || r == -EPERM ? "clients cannot set it (but net.*), unless the server "
	    "was started with --trust-clients" :
	    r == -EINVAL ? "the kernel does not accept this value" : strerror(-r));
	return 1;
}

/* A value of several lines is printed with the name before each. */
static int get(const char *name)
{
	static char value[VALUE_MAX];
	char path[PATH_MAX], *next = value, *line;
	long n;

	make_path(path, name, strlen(name));
	n = rump_read_file(path, value, sizeof(value));
	if (n < 0) {
		fprintf(stderr, "rump: sysctl: %s: %s\n", name,
		    n == -ENOENT ? "the kernel has no such parameter" :
		    n == -EISDIR ? "a group of parameters, not one" : strerror(-n));
		return 1;
	}
	if (n && value[n - 1] == '\n')
		value[n - 1] = '\0';
	while ((line = strsep(&next, "\n")))
		printf(bare ? "%.0s%s\n" : "%s = %s\n", name, line);
	return 0;
}

int cmd_sysctl(int argc, char **argv)
{
	const char *url = NULL, *equal;
	int o, err = 0;

	while ((o = rump_next_option(argc, argv)) >= 0) {
		if (o == SERVER)
			url = optarg;
		else if (o == WRITE)
			writing = 1;
		else
			bare = 1;
	}
	if (!url)
		url = rump_url_operand(argc, argv);
	/* sysctl(8) has options behind, and so may a URL. */
	while ((o = rump_next_option(argc, argv)) >= 0)
		*(o == WRITE ? &writing : &bare) = 1;
	rump_operands(argc, argv, 1, -1);
	if (!url)
		die(EXIT_USAGE, "sysctl: %s: the URL of a server is wanted before, or RUMP_SERVER",
		    argv[optind]);
	rump_connect(url);
	for (; optind < argc; optind++) {
		equal = strchr(argv[optind], '=');
		if (writing && !equal)
			die(EXIT_USAGE, "sysctl: -w %s: NAME=VALUE is wanted", argv[optind]);
		err |= equal ? set(argv[optind], equal - argv[optind], equal + 1) : get(argv[optind]);
	}
	return err;
}
