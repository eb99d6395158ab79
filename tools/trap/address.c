/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * address.c - names of local sockets, where these are the rump kernel's (socket=all, local).
 *
 * Limit: what the rump kernel tells of such a socket's name (getsockname(2), accept(2)) is the
 * name there, without the prefix.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "trap.h"

#define PATH_AT	offsetof(struct sockaddr_un, sun_path)

void apply_address(struct call *c, struct there *t, int i)
{
	size_t len = (unsigned int)c->a[i + 1], n;
	struct sockaddr_un un, *own_un;
	char name[sizeof(un.sun_path) + 1];
	struct where w;
	uint64_t at;

	memset(&un, 0, sizeof(un));
	if (!c->a[i] || len <= PATH_AT || len > sizeof(un) || target_read(c, &un, c->a[i], len) != len ||
	    un.sun_family != AF_UNIX || !un.sun_path[0])
		return;
	memcpy(name, un.sun_path, sizeof(un.sun_path));
	name[sizeof(un.sun_path)] = '\0';
	if (name_where(c->tid, AT_FDCWD, dir_of(c->tid), name, &w) < 0 || w.side != SIDE_RUMP)
		return;
	own_un = room_in(c, sizeof(un), &at);
	if (!own_un)
		return;
	/* Without its prefix a name is shorter; one that begins at a directory is longer. */
	n = w.dirfd == AT_FDCWD ? snprintf(un.sun_path, sizeof(un.sun_path), "%s", w.path) :
	    snprintf(un.sun_path, sizeof(un.sun_path), "/proc/self/fd/%d/%s", w.dirfd, w.path);
	if (n >= sizeof(un.sun_path))
		return;
	*own_un = un;
	t->a[i] = at;
	t->a[i + 1] = PATH_AT + n + 1;
}
