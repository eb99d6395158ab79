/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * netif.c - network interfaces: rump_pub_netif_*(), and RUMP_IF.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rump/rump.h>
#include <rump/rumpuser_net.h>

#include "mountspec.h"
#include "netif.h"
#include "rumpk.h"

static int create(const char *who, const char *spec)
{
	char why[RUMPUSER_NET_WHY] = "";
	int err;

	err = rumpk_net_add(spec, why);
	if (err)
		rumpuser_warn("%s \"%s\": %s", who, spec, why[0] ? why : strerror(-err));
	return err;
}

int rump_pub_netif_create(const char *spec)
{
	int err = rump_init();

	return err ? err : create("interface", spec);
}

int rump_pub_netif_destroy(const char *name)
{
	int err = rump_init();

	return err ? err : rumpk_net_del(name);
}

static int check(const char *who, const char *spec)
{
	char why[RUMPUSER_NET_WHY] = "";
	int err = rumpuser_net_check(spec, why);

	if (err)
		rumpuser_warn("%s \"%s\": %s", who, spec, why);
	return err;
}

int netif_check(const char *who, const char *list)
{
	return mountspec_each(list, check, who);
}

int netif_list(const char *who, const char *list)
{
	return mountspec_each(list, create, who);
}
