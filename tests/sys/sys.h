/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sys.h - system calls of the kernel under test, for test programs.
 *
 * One test program tests several kernels; which one follows from the name that
 * it was started by (tests/Makefile.inc makes the links):
 *
 *	t_socket		embedded, RUMP_NCPU as it is, else one vCPU
 *	t_socket.2cpu		embedded, two vCPUs (any number)
 *	t_socket.remote		a rump_server of its own, which ends with the test
 *	t_socket.host		the host: shows that the test itself is right
 *
 * Linking is by dlopen(3), so that each variant loads what it needs only.  A
 * failure to start the kernel fails the test case.
 */
#ifndef TESTS_SYS_H
#define TESTS_SYS_H

#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum sys_where { SYS_EMBEDDED, SYS_REMOTE, SYS_HOST };
enum sys_where sys_where(void);
/* The kernel checks itself (KDEBUG=1): it needs more memory, keeps some, and is slow. */
bool sys_kdebug(void);

/* The result, or a negative errno. */
long sys_call(long nr, long a0, long a1, long a2, long a3, long a4, long a5);

/* S(openat, AT_FDCWD, "/x", O_RDONLY): one to seven arguments, missing ones are 0. */
#define S(...)		SYS_6(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define SYS_6(n, a, b, c, d, e, f, ...) sys_call(SYS_##n, SYS_L(a), SYS_L(b), SYS_L(c), SYS_L(d), \
	SYS_L(e), SYS_L(f))
#define SYS_L(x)	((long)(x))

/* Calls that must succeed: the value; else the test fails and says which error. */
#define MUST(...)	sys_must(S(__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)
/* Calls that must fail with exactly this error. */
#define MUSTFAIL(err, ...) sys_mustfail(S(__VA_ARGS__), err, #__VA_ARGS__, __FILE__, __LINE__)
long sys_must(long r, const char *what, const char *file, int line);
void sys_mustfail(long r, int err, const char *what, const char *file, int line);

/* A file system image of the host, named in the work directory, as a block
 * device of the kernel; skips the test where that cannot be (host). */
void sys_etfs(const char *dev, const char *image);
/* Ends the kernel, so that the image is whole; the test can make no call after it. */
void sys_shutdown(void);

/* Runs a command of the host; fails the test unless it exits with 0. */
void sys_sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A thread that fn(arg) runs in; join returns its value. */
struct sys_thread;
struct sys_thread *sys_spawn(long (*fn)(void *), void *arg);
long sys_join(struct sys_thread *t);

/* CLOCK_MONOTONIC of the host, in nanoseconds. */
int64_t sys_now(void);
/* Brings an interface up by ioctl. */
void sys_ifup(const char *name);
/* Number on the line of a /proc file (of the kernel under test) that begins with key; -1: none. */
long sys_procnum(const char *path, const char *key);
/* Tasks and free memory (KB) of the kernel under test. */
long sys_ntasks(void);
/* Workers come and go with the load, several a vCPU; what leaks, leaks by the thousand. */
#define WORKERS	16

#endif
