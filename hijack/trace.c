/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trace.c - RUMPHIJACK_VERBOSE=2: a line for each call that the rump kernel got.
 */
#include <stdio.h>
#include <string.h>

#include "hijack.h"

static const char *name_of(long nr)
{
	switch (nr) {
#define S(name, ret, how, ...)	case SYS_##name: return #name;
#include <rump/syscalls.def>
	case RUMP_CALL_FD_ATTACH:
		return "fd_attach";
	case RUMP_CALL_FD_ADOPT:
		return "fd_adopt";
	case RUMP_CALL_POLL_ARM:
		return "poll_arm";
	case RUMP_CALL_MAP:
		return "map";
	case RUMP_CALL_MAPPED:
		return "mapped";
	case RUMP_CALL_HOST_PUT:
		return "host_put";
	case RUMP_CALL_HOST_GET:
		return "host_get";
	}
	return "call";
}

static const char *error_name(long err)
{
#ifdef __GLIBC__
	return strerrorname_np(err);
#else
	return strerror(err);
#endif
}

void hijack_trace(long nr, const long a[6], long ret)
{
	const struct rump_sysrow *row = nr >= 0 && nr < RUMP_NSYSROWS ? &hijack_rows[nr] : NULL;
	char line[700];
	int n, i;

	n = snprintf(line, sizeof(line), "%d %s(", (int)host(SYS_gettid, 0), name_of(nr));
	for (i = 0; i < 6 && n < (int)sizeof(line) - 100; i++) {
		const char *sep = i ? ", " : "";
		int kind = row ? row->a[i].kind : RUMP_A_VAL;

		if (a[i] && (kind == RUMP_A_PATH || kind == RUMP_A_STR))
			n += snprintf(line + n, 200, "%s\"%.180s\"", sep, (const char *)a[i]);
		else
			n += snprintf(line + n, 40, a[i] > -1000 && a[i] < 100000 ? "%s%ld" : "%s%#lx",
			    sep, a[i]);
	}
	if (ret < 0)
		snprintf(line + n, sizeof(line) - n, ") = %ld %s", ret, error_name(-ret));
	else
		snprintf(line + n, sizeof(line) - n, ") = %ld", ret);
	hijack_say("%s", line);
}
