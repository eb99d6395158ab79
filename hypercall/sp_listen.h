/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sp_listen.h - a server's name in the host: making it, and taking it away.
 */
#ifndef HYPERCALL_SP_LISTEN_H
#define HYPERCALL_SP_LISTEN_H

/* A non-blocking listening socket at url, which only those may connect to who may be
 * clients.
 * On failure -errno, after one line on stderr that quotes url. */
int sp_listen(const char *url);
/* Removes the socket's file, if it is still the one that sp_listen() made. */
void sp_unlisten(void);

#endif
