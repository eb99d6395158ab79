/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RUMP_TRIM_H
#define RUMP_TRIM_H

/* After booting, for those that stay long and idle (servers). */
void rump_trim(void);

#endif
