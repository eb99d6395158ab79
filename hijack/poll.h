/* SPDX-License-Identifier: BSD-2-Clause */
/* poll.h - deadlines and placeholders, for whoever waits on both kernels. */
#ifndef HIJACK_POLL_H
#define HIJACK_POLL_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds on CLOCK_MONOTONIC; 0 is "at once", below 0 is "never". */
int64_t deadline_in(int64_t ns);
int64_t deadline_left(int64_t deadline);
int64_t timespec_ns(const struct timespec *ts);
/* NULL for "never". */
struct timespec *ns_timespec(int64_t ns, struct timespec *ts);
/* Takes the bytes that have rung; 1: there were some. */
int placeholder_drain(int near);

#endif
