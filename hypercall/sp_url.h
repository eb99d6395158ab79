/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sp_url.h - the URL of a rump_server: unix://PATH, or unix://@NAME for a name
 * that is not in the file system.  Used by both ends.
 */
#ifndef HYPERCALL_SP_URL_H
#define HYPERCALL_SP_URL_H

#include <sys/socket.h>
#include <sys/un.h>

/* NULL, or what is wrong with url, in words that follow "URL: ". */
const char *sp_url_parse(const char *url, struct sockaddr_un *sun, socklen_t *len);

#endif
