/* SPDX-License-Identifier: BSD-2-Clause */
/* epoll.h - the one thing about epoll that is noted on the fast path. */
#ifndef HIJACK_EPOLL_H
#define HIJACK_EPOLL_H

#include <stdint.h>

#include "fdmap.h"

extern uint8_t epoll_has_host[FDMAP_MAX];

/* Epoll descriptor fd was given a host descriptor: waiting has to ask the host too. */
static inline void epoll_note_host(long fd)
{
	if ((unsigned long)fd < FDMAP_MAX && !epoll_has_host[fd])
		epoll_has_host[fd] = 1;
}
#endif
