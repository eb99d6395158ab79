/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sp_who.h - who may be a client (sp_who.c).
 */
#ifndef HYPERCALL_SP_WHO_H
#define HYPERCALL_SP_WHO_H

#include <sys/socket.h>

/* 0: the peer of fd may be a client; -EACCES.  *cred: who it is. */
int sp_peer(int fd, struct ucred *cred);
/* 1: it may also end the server. */
int sp_peer_is_owner(const struct ucred *cred);
/* Of the socket's file. */
unsigned int sp_socket_mode(void);

#endif
