/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sp.h - a rump_server of its own for each test case, and two kinds of clients:
 * librumpclient, and bytes on a socket.
 */
#ifndef TESTS_SP_H
#define TESTS_SP_H

#include <atf-c.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rump/rump_sp.h>
#include <rump/rumpclient.h>

/* Starts the server in the work directory; it ends with the calling process. */
void server_start(void);
/* with these further arguments (NULL at the end) */
void server_start_with(const char *const more[]);
pid_t server_pid(void);
/* Memory that is its alone, KB: not the text of libraries. */
long server_rss(void);

/* The same, and makes this process its client. */
void client_start(void);
void client_start_with(const char *const more[]);

/* A thread's: readers goes up by one, and a byte of reader_pipe is waited for; what the call gives. */
extern int reader_pipe[2];
extern atomic_int readers;
void *reader(void *unused);

/* S(write, fd, buf, n): a call by librumpclient; result or -errno. */
#define S(...)		S_6(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define S_6(n, a, b, c, d, e, f, ...) client_call(SYS_##n, (long)(a), (long)(b), (long)(c), \
	(long)(d), (long)(e), (long)(f))
long client_call(long nr, long a0, long a1, long a2, long a3, long a4, long a5);
/* The same, which must succeed. */
#define MUST(...) must(S(__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)
long must(long r, const char *what, const char *file, int line);

/* A child's exit status must be 0. */
void reap(pid_t pid);
/* In a child, which must not go back to ATF. */
#define CHILD_CHECK(cond) do {							\
	if (!(cond)) {								\
		fprintf(stderr, "child: %s:%d: %s\n", __FILE__, __LINE__, #cond);	\
		_exit(1);							\
	}									\
} while (0)
/* Skips what a thread sanitizer itself would change, and says what that is. */
void skip_in_tsan(const char *why);
/* A TCP socket of ours that listens on the port; or -errno. */
long listen_on(int port);

/* Tasks of the rump kernel but its own, as a fresh client sees them. */
long processes(void);
/* Waits, up to 10 s, until there are at most n. */
void wait_processes(long n);

/* ---- raw ---------------------------------------------------------------------------- */

/* A connection that has said nothing yet. */
int raw_connect(void);
void raw_hello(struct rump_sp_hello *h, enum rump_sp_kind kind);
/* Connects and says HELLO; the answer in *r.  The descriptor. */
int raw_client(enum rump_sp_kind kind, const struct rump_sp_cookie *cookie,
    struct rump_sp_hello_reply *r);
/* A request without segments; returns its length. */
size_t raw_request(void *buf, long nr, const long args[6]);
/* All n bytes, or 0 if the connection ended. */
int raw_read(int fd, void *buf, size_t n);
/* Whether the server has hung up (within 10 s), whatever it sent before. */
int raw_ended(int fd);
/* The server still does what it should, for others. */
void check_server(void);

#endif
