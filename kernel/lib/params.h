/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * params.h - what the environment says about the kernel to boot.
 */
#ifndef RUMPLIB_PARAMS_H
#define RUMPLIB_PARAMS_H

#include "rumpk.h"

/*
 * Reads RUMP_NCPU, RUMP_MEMLIMIT and RUMP_VERBOSE.  -EINVAL after one line that
 * quotes a value that cannot be used, and says what can.
 */
int params_read(struct rumpk_params *params);

#endif
