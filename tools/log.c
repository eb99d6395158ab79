/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.c - rump log: a kernel's messages, from its /dev/kmsg: a record at a time,
 * "PRIORITY,NUMBER,MICROSECONDS,FLAGS;TEXT" and a newline, then lines that begin with a
 * blank and say more of it, which are not shown.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rump/rumpclient.h>

#include "rump.h"

enum { FOLLOW };

const struct rump_option log_options[] = {
	[FOLLOW] = { 'f', "follow", NULL, "go on with new ones, until the server ends" },
	{ 0 }
};

#define RECORD_MAX	8192
#define SEVERITY	7		/* of a priority: these bits */

static void show(char *record)
{
	unsigned long long us;
	unsigned int priority;
	char *text = strchr(record, ';');
	enum rump_colour colour = PLAIN;

	if (!text || sscanf(record, "%u,%*u,%llu", &priority, &us) != 2)
		return;
	text[strcspn(text, "\n")] = '\0';
	if ((priority & SEVERITY) <= 3)
		colour = RED;
	else if ((priority & SEVERITY) == 4)
		colour = YELLOW;
	printf("%s[%5llu.%06llu]%s %s%s%s\n", rump_colour(GREEN), us / 1000000, us % 1000000,
	    rump_colour(PLAIN), rump_colour(colour), text + 1, rump_colour(PLAIN));
}

int cmd_log(int argc, char **argv)
{
	char record[RECORD_MAX];
	const char *url;
	int follow = 0;
	long fd, n;

	while (rump_next_option(argc, argv) == FOLLOW)
		follow = 1;
	rump_operands(argc, argv, 0, 1);
	url = rump_url_operand(argc, argv);
	if (!url || optind < argc)
		die(EXIT_USAGE, "log: %s%sthe URL of a server is wanted, or RUMP_SERVER",
		    optind < argc ? argv[optind] : "", optind < argc ? ": " : "");
	rump_connect(url);
	fd = RUMP_CALL(SYS_open, "/dev/kmsg", O_RDONLY | O_CLOEXEC | (follow ? 0 : O_NONBLOCK), 0);
	if (fd < 0)
		die(1, "log: %s: /dev/kmsg: %s", url, strerror(-fd));
	for (;;) {
		n = RUMP_CALL(SYS_read, fd, record, sizeof(record) - 1);
		if (n == -EPIPE)
			printf("(some were overwritten before they could be read)\n");
		else if (n <= 0)
			break;
		else {
			record[n] = '\0';
			show(record);
		}
		if (follow)
			fflush(stdout);
	}
	/* EAGAIN: these were all. */
	if (follow && n == -ENOTCONN)
		fprintf(stderr, "rump: %s: the server has ended\n", url);
	else if (n != -EAGAIN)
		die(1, "log: %s: %s", url, strerror(-n));
	return 0;
}
