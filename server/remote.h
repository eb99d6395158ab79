/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * remote.h - a server's URL for clients on other hosts.
 */
#ifndef SERVER_REMOTE_H
#define SERVER_REMOTE_H

/* 1: url is for clients on other hosts. */
int remote_url(const char *url);
/* Serves those at url; server is our own URL.  -errno after one line on stderr. */
int remote_start(const char *url, const char *server);

#endif
