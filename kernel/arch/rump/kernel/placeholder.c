// SPDX-License-Identifier: GPL-2.0-only
#include <linux/errno.h>
#include "rump.h"
long rump_private_call(long nr, const long args[6]) { return -ENOSYS; }
void rump_ph_gone(void *cookie) { }
