/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * if.c - rump if: network interfaces of a rump_server that runs, by a private call
 * (rump_calls.h) as its client.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rump/rump_calls.h>
#include <rump/rumpclient.h>

#include "rump.h"

#define LIST_LEN	65536
#define WHY_LEN		256

static long call(int op, const char *text, char *buf, size_t len)
{
	return rumpclient_syscall(RUMP_CALL_NETIF, (const long[6]){ op, (long)text, (long)buf, len });
}

static int add(const char *spec)
{
	char why[WHY_LEN] = "";
	long ret = call(RUMP_NETIF_ADD, spec, why, sizeof(why));

	if (ret < 0)
		die(1, "if add %s: %s", spec, why[0] ? why : strerror(-ret));
	return 0;
}

static int del(const char *name)
{
	long ret = call(RUMP_NETIF_DEL, name, NULL, 0);

	if (ret < 0)
		die(1, "if del %s: %s", name, ret == -ENODEV ?
		    "there is no such interface, or it is not on a link" : strerror(-ret));
	return 0;
}

static int list(const char *unused)
{
	char *buf = malloc(LIST_LEN);
	long ret;

	(void)unused;
	if (!buf)
		die(1, "out of memory");
	ret = call(RUMP_NETIF_LIST, NULL, buf, LIST_LEN);
	if (ret < 0)
		die(1, "if list: %s", strerror(-ret));
	fwrite(buf, 1, ret < LIST_LEN ? ret : LIST_LEN, stdout);
	free(buf);
	return 0;
}

static const struct {
	const char *name;
	int args;
	int (*fn)(const char *arg);
} ops[] = {
	{ "add", 1, add }, { "del", 1, del }, { "list", 0, list },
};

int cmd_if(int argc, char **argv)
{
	const char *url = getenv("RUMP_SERVER");
	unsigned int i;
	char **op;

	while (rump_next_option(argc, argv) >= 0)
		url = optarg;
	rump_operands(argc, argv, 1, 2);
	op = argv + optind;
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (!strcmp(op[0], ops[i].name) && argc == optind + 1 + ops[i].args)
			break;
	if (i == sizeof(ops) / sizeof(ops[0]))
		die(EXIT_USAGE, "if: %s: add SPEC, del NAME or list is wanted", op[0]);
	if (!url || !*url)
		die(EXIT_USAGE, "if: --server URL is missing, and RUMP_SERVER is not set");
	rump_connect(url);
	return ops[i].fn(op[1]);
}
