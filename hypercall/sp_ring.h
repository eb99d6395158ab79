/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sp_ring.h - a channel's shared memory (sp_ring.c), for sp.c and sp_wait.c.
 */
#ifndef HYPERCALL_SP_RING_H
#define HYPERCALL_SP_RING_H

#include <stdint.h>

#include "sp_chan.h"

struct sp_ring;

/*
 * A request that is there, checked.  0, -EAGAIN, or -ECONNRESET: *why says what is
 * wrong with it.
 */
int ring_take(struct rumpuser_sp_chan *c, struct rumpuser_sp_msg **msgp, const char **why);
/* 1: msg was ring_take()'s and is given back. */
int ring_release(struct sp_ring *r, struct rumpuser_sp_msg *msg);

/*
 * Puts a message.  0: it is on its way; -EAGAIN: it must go over the socket, where
 * the client looks.
 */
int ring_put(struct sp_ring *r, const struct rumpuser_iovec *iov, unsigned int niov, int elsewhere);
/* Where the data of an answer may be put in advance; NULL: not here.  0: not any more. */
void *ring_room(struct sp_ring *r, size_t size, uint32_t *off);

/* The bell was rung. */
void ring_rung(struct rumpuser_sp_chan *c);
/* Nobody looks at c's words any more.  Before c's lock is taken. */
void ring_cool(struct rumpuser_sp_chan *c);
void ring_free(struct sp_ring *r);

/*
 * For a helper that is about to sleep: looks at the words of the clients that cpu has
 * served just now, while *word == expected and until deadline.  1: something has
 * happened.  0: they ring from now on.
 */
int ring_watch(unsigned int cpu, const uint32_t *word, uint32_t expected, int64_t deadline);

#endif
