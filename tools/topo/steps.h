/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * steps.h - the commands of a topology, in their order.
 */
#ifndef TOOLS_TOPO_STEPS_H
#define TOOLS_TOPO_STEPS_H

#include "net.h"

/* The part that `up' does, and the rest.  0; -1 after one line on stderr. */
int steps_setup(struct net *n);
int steps_run(struct net *n);
/* Ends what runs in the background still. */
void steps_end(struct net *n);

#endif
