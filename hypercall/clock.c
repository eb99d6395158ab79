/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * clock.c - the host's clocks, in nanoseconds.  libc reads them from the vDSO:
 * no system call.
 */
#include <time.h>

#include "internal.h"

static int64_t now(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

int64_t rumpuser_clock_mono(void)
{
	return now(CLOCK_MONOTONIC);
}

int64_t rumpuser_clock_real(void)
{
	return now(CLOCK_REALTIME);
}
