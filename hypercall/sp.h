/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sp.h - between sp.c (connections) and sp_wait.c (where they are waited for).
 */
#ifndef HYPERCALL_SP_H
#define HYPERCALL_SP_H

#include <stdint.h>

/* What an event of the epoll set is about: the two highest bits say. */
#define SP_TAG_CHAN	(0ull << 62)	/* | generation << 32 | slot */
#define SP_TAG_PH	(1ull << 62)	/* | generation << 32 | descriptor */
#define SP_TAG_MISC	(2ull << 62)
#define SP_TAG_LISTEN	(SP_TAG_MISC | 0)
#define SP_TAG_TIMER	(SP_TAG_MISC | 1)
#define SP_TAG_KICK	(SP_TAG_MISC | 2)
#define SP_TAG_CLOCK	(SP_TAG_MISC | 3)
#define SP_TAG_BELL	(3ull << 62)	/* as SP_TAG_CHAN */
#define SP_TAG_KIND(t)	((t) & 3ull << 62)
#define SP_GEN_MASK	0x3fffffffu

extern int sp_epoll_fd;

/* Makes the epoll set, and the helpers wait in it.  -errno. */
int sp_wait_start(void);
int sp_wait_add(int fd, uint32_t events, uint64_t tag);

/* Events of these tags; any thread, several at a time. */
void sp_chan_ready(uint64_t tag, uint32_t events);
void sp_bell_ready(uint64_t tag);
void sp_misc_ready(uint64_t tag);

#endif
