/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_KDEBUG_H
#define TESTS_KDEBUG_H

#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* The kernel checks itself (KDEBUG=1): it needs more memory, keeps some, and is slow. */
static inline bool kdebug(void)
{
	char path[PATH_MAX] = "";

	return readlink("/proc/self/exe", path, sizeof(path) - 1) > 0 && strstr(path, "/kdebug/");
}

#endif
