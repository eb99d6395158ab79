/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netlib.h - optional libraries: loaded when a link asks for them.
 */
#ifndef HYPERCALL_NETLIB_H
#define HYPERCALL_NETLIB_H

struct netlib_function {
	const char *name;
	void *address;		/* of a pointer to the function */
};

/*
 * Loads the library and finds its functions (up to one without a name); it stays.  On
 * failure -ENOENT, and why names the Debian package.
 */
int netlib_load(const char *library, const char *package, const struct netlib_function *functions,
    char *why);

#endif
