/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shutdown.h - the end, for the rest of kernel/lib.
 */
#ifndef RUMPLIB_SHUTDOWN_H
#define RUMPLIB_SHUTDOWN_H

/* The kernel is another process's: there is nothing to end here. */
void shutdown_elsewhere(void);

#endif
