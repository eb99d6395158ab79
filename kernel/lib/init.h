/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RUMPLIB_INIT_H
#define RUMPLIB_INIT_H

#include <stdbool.h>

/* true: some thread has called rump_init(). */
bool init_begun(void);

#endif
