/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RUMPLIB_NETIF_H
#define RUMPLIB_NETIF_H

/* Makes each interface of a list of specifications (as in mountspec.h), up to the first
 * that fails: -errno, after one line that quotes it and begins with who. */
int netif_list(const char *who, const char *list);
/* The same, but for making them: what is wrong with their text. */
int netif_check(const char *who, const char *list);

#endif
