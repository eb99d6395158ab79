/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * own.h - a server of a program's own, which ends with it.
 */
#ifndef TOOLS_OWN_H
#define TOOLS_OWN_H

/* An option of the server, and its value (NULL: none). */
void own_option(const char *option, const char *value);
/*
 * Starts the server, or (remote not NULL) a relay to that one, and runs argv on it.  Does
 * not return: this process becomes the program, or (stay) ends as the program does, when
 * the server has given back what it had of the host.
 */
void own_run(const char *remote, int stay, char **argv) __attribute__((noreturn));
/* The program, in this file, cannot load the library: it is to be trapped. */
void own_trap(const char *file);
/* Becomes the program; server NULL: with an embedded kernel. */
void exec_program(const char *server, char **argv) __attribute__((noreturn));

#endif
