/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scope.h - what of a program goes to the rump kernel (RUMPHIJACK).
 */
#ifndef TOOLS_SCOPE_H
#define TOOLS_SCOPE_H

/* A word NAME=VALUE, instead of those in the environment; is_path: commas belong to it. */
void scope_option(const char *name, const char *value, int is_path);
/* Puts it all into the environment, or ends the program with what is wrong in it.  What becomes of
 * programs that the library does not reach: enum outsiders. */
int scope_set(void);

#endif
