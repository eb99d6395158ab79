/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unixname.c - AF_UNIX addresses: a name in them is a path like any other.
 *
 * The rump kernel is asked by its own name of the socket, and what it answers is
 * put back.  Abstract names belong to the kernel of the socket.
 *
 * Limit: a name for which the address has no room when it is put back stays as
 * the rump kernel has it.
 *
 * Compiled to use general registers only, as want.c, for unixname_maybe().
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "hijack.h"

#define PATH_AT	offsetof(struct sockaddr_un, sun_path)

/* The name in the address, ended by a NUL, into name; 0: there is none. */
static size_t name_in(const struct sockaddr_un *un, unsigned int len,
    char name[sizeof(un->sun_path) + 1])
{
	size_t n = 0;

	if ((unsigned long)un < 4096 || len <= PATH_AT || len > sizeof(*un) ||
	    un->sun_family != AF_UNIX)
		return 0;
	while (n < len - PATH_AT && un->sun_path[n]) {
		name[n] = un->sun_path[n];
		n++;
	}
	name[n] = '\0';
	return n;
}

int unixname_maybe(const void *addr, unsigned int len)
{
	char name[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];

	return !name_in(addr, len, name) ? WANT_HOST :
	    path_maybe(AT_FDCWD, name) ? WANT_CALL : scope.names;
}

const void *unixname_in(const void *addr, unsigned int *len, struct sockaddr_un *un,
    enum side *side)
{
	char name[sizeof(un->sun_path) + 1];
	struct where w;
	size_t n;

	if (!name_in(addr, *len, name) || path_where(AT_FDCWD, name, &w) < 0)
		return addr;
	*side = w.side;
	if (w.side == SIDE_HOST)
		return addr;
	/*
	 * Without its prefix a name is shorter, but the address is not, or a socket of another
	 * family would refuse it for that; a relative name may have grown.
	 */
	for (n = 0; w.path[n]; n++) {
		if (n == sizeof(un->sun_path))
			return addr;
		un->sun_path[n] = w.path[n];
	}
	do {
		if (n < sizeof(un->sun_path))
			un->sun_path[n++] = '\0';
	} while (PATH_AT + n < *len);
	un->sun_family = AF_UNIX;
	*len = PATH_AT + n;
	return un;
}

void unixname_out(void *addr, unsigned int *len, unsigned int room)
{
	struct sockaddr_un *un = addr;
	char name[PATH_BUF];
	unsigned int n;
	long size, i;

	if (!addr || !len || *len <= PATH_AT || *len > room || un->sun_family != AF_UNIX ||
	    un->sun_path[0] != '/')
		return;
	for (n = 0; n < *len - PATH_AT && un->sun_path[n]; n++)
		name[n] = un->sun_path[n];
	name[n] = '\0';
	size = path_outside(name, n + 1, sizeof(name));
	if (size < 0 || PATH_AT + (size_t)size > sizeof(*un))
		return;
	for (i = 0; i < size && PATH_AT + i < room; i++)
		un->sun_path[i] = name[i];
	*len = PATH_AT + size;
}
