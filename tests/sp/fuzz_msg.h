/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_FUZZ_MSG_H
#define TESTS_FUZZ_MSG_H

#include <stddef.h>

/*
 * Checks any bytes as a client's message; aborts if one is accepted that would
 * lead its reader out of the message.  Returns whether it was accepted.
 */
int fuzz_msg(const unsigned char *bytes, size_t len);

#endif
