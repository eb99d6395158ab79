/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rights.c - a program that becomes another user.
 *
 * A server's socket is its user's: afterwards the program cannot connect any more, for its
 * threads and children.  So the client library is told before (rumpclient_keep_access()).
 * That is so in the system call, and in libc's function, which lets all threads make the call,
 * in a signal handler and by an instruction that serves for any call and is not redirected.
 */
#include <dlfcn.h>
#include <grp.h>
#include <unistd.h>

#include "hijack.h"

#define EXPORT	__attribute__((visibility("default")))

long hijack_rights(long nr, const long a[6])
{
	rumpclient_keep_access();
	return host_pass(nr, a);
}

/* params and args: of the function, in parentheses. */
#define RIGHTS(name, params, args)						\
EXPORT int name params								\
{										\
	static int (*next) params;						\
										\
	if (!next)								\
		next = (int (*) params)dlsym(RTLD_NEXT, #name);			\
	if (hijack_state > 0 && !hijack_depth)					\
		rumpclient_keep_access();					\
	return next args;							\
}

RIGHTS(setuid, (uid_t u), (u))
RIGHTS(seteuid, (uid_t u), (u))
RIGHTS(setreuid, (uid_t r, uid_t e), (r, e))
RIGHTS(setresuid, (uid_t r, uid_t e, uid_t s), (r, e, s))
RIGHTS(setgid, (gid_t g), (g))
RIGHTS(setegid, (gid_t g), (g))
RIGHTS(setregid, (gid_t r, gid_t e), (r, e))
RIGHTS(setresgid, (gid_t r, gid_t e, gid_t s), (r, e, s))
RIGHTS(setgroups, (size_t n, const gid_t *list), (n, list))
RIGHTS(initgroups, (const char *user, gid_t g), (user, g))
