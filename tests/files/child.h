/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests that boot kernels one after the other: each in a child process. */
#ifndef TESTS_FILES_CHILD_H
#define TESTS_FILES_CHILD_H

#include <atf-c.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * Runs fn(arg) in a child, whose standard output is the pipe *outp (or ours, without outp)
 * and whose standard error goes to the file log.  The child exits with what fn returns.
 */
pid_t child_start(int (*fn)(void *arg), void *arg, const char *log, int *outp);
/* Its status as wait(2) has it; after that many seconds it is killed, and the test fails. */
int child_end(pid_t pid, int seconds);

/* Runs a command; fails the test unless it exits with 0. */
void sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Whether a program is installed. */
bool have(const char *program);

/* Pseudo-random numbers from a seed that is written down with each failure. */
unsigned int rnd(unsigned long *state);

#endif
