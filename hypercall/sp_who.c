/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sp_who.c - who may be a client: this process's user, and whom the program around
 * the kernel has named.  The host says who a peer is (SO_PEERCRED, SO_PEERGROUPS),
 * and before that the mode of the socket's file says who can reach it.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

#include <rump/rumpuser_sp.h>

#include "hostcall.h"
#include "sp_who.h"

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS	59
#endif

#define NAMED_MAX	64
#define GROUPS_MAX	1024	/* of a peer that are looked at; who has more has none */

static struct {
	uint32_t uid[NAMED_MAX], gid[NAMED_MAX];
	unsigned int nuids, ngids;
	int trusted;
} who;

static int add(uint32_t *list, unsigned int *n, uint32_t id)
{
	if (*n == NAMED_MAX)
		return -ENOSPC;
	list[(*n)++] = id;
	return 0;
}

int rumpuser_sp_allow_uid(uint32_t uid)
{
	return add(who.uid, &who.nuids, uid);
}

int rumpuser_sp_allow_gid(uint32_t gid)
{
	return add(who.gid, &who.ngids, gid);
}

void rumpuser_sp_trust(void)
{
	who.trusted = 1;
}

int rumpuser_sp_trusted(void)
{
	return who.trusted;
}

static int in(const uint32_t *list, unsigned int n, uint32_t id)
{
	while (n--)
		if (list[n] == id)
			return 1;
	return 0;
}

static int group_allowed(int fd, uint32_t gid)
{
	uint32_t groups[GROUPS_MAX];
	socklen_t len = sizeof(groups);
	unsigned int i;

	if (!who.ngids)
		return 0;
	if (in(who.gid, who.ngids, gid))
		return 1;
	if (host(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len))
		return 0;
	for (i = 0; i < len / sizeof(groups[0]); i++)
		if (in(who.gid, who.ngids, groups[i]))
			return 1;
	return 0;
}

int sp_peer(int fd, struct ucred *cred)
{
	socklen_t len = sizeof(*cred);

	*cred = (struct ucred){ .pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	if (host(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, cred, &len))
		return -EACCES;
	if (cred->uid == (uid_t)host(SYS_geteuid, 0) || in(who.uid, who.nuids, cred->uid) ||
	    group_allowed(fd, cred->gid))
		return 0;
	return -EACCES;
}

int sp_peer_is_owner(const struct ucred *cred)
{
	return cred->uid == 0 || cred->uid == (uid_t)host(SYS_geteuid, 0);
}

unsigned int sp_socket_mode(void)
{
	return who.nuids || who.ngids ? 0666 : 0600;
}
