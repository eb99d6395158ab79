/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * beside.h - where our programs are, as seen from one of our libraries: in PREFIX/bin, if it is in
 * PREFIX/lib or a directory below.
 */
#ifndef RUMPCLIENT_BESIDE_H
#define RUMPCLIENT_BESIDE_H

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "../hypercall/hostcall.h"

/* Program name beside the library that has the object "in" into buf: 0, or -ENOENT. */
static inline int beside(const void *in, const char *name, char *buf, size_t size)
{
	static const char *const places[] = { "../bin/", "../../bin/" };
	const char *slash;
	Dl_info us;
	size_t i, n;

	if (!dladdr(in, &us) || !(slash = strrchr(us.dli_fname, '/')))
		return -ENOENT;
	n = slash + 1 - us.dli_fname;
	for (i = 0; i < 2 && n + strlen(places[i]) + strlen(name) < size; i++) {
		memcpy(buf, us.dli_fname, n);
		strcpy(buf + n, places[i]);
		strcat(buf + n, name);
		if (host(SYS_access, buf, X_OK) == 0)
			return 0;
	}
	return -ENOENT;
}

#endif
