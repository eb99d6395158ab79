/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rumpclient.h - one way to make a rump system call: a function call into an
 * embedded kernel (librump.so, loaded when it is first needed) or a request to
 * a rump_server (sysproxy), as RUMP_SERVER says.
 *
 * Every function is thread-safe, starts no thread, takes no lock that a fork
 * could leave held, allocates nothing by malloc(3) after rumpclient_init() and
 * makes its host calls by inline system calls, so that a preload library can
 * use it at any moment.  Results are values or negative errnos; errno is left
 * alone.  The exception is the first call of an embedded kernel: dlopen(3).
 */
#ifndef RUMP_RUMPCLIENT_H
#define RUMP_RUMPCLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Chooses the kernel: RUMP_SERVER=URL set: connects to it at once (-errno after
 * one line on stderr: bad URL, nobody there, refused); else an embedded kernel,
 * booted by the first system call.  Further calls do nothing.
 */
int rumpclient_init(void);
/* 1: a server's client; 0: embedded; <0: not initialised. */
int rumpclient_is_remote(void);
/* 1: a call would boot no kernel: it is a server's, or was booted. */
int rumpclient_is_up(void);

/*
 * Makes a system call of the rump kernel, as the calling thread (which becomes
 * a task of this process there at its first call).  Number and arguments are
 * those of the host's ABI; pointers are this process's.  -EINTR: a signal
 * handler ran (but see rumpclient_signal_door()); -ENOTCONN: the server is gone (rumpclient_setconnretry()).
 */
long rumpclient_syscall(long nr, const long args[6]);

/*
 * The same for a call that returns a new descriptor: if it succeeds, farfd
 * becomes the far end of that descriptor's placeholder in the same round trip
 * (RUMP_CALL_FD_ATTACH).  farfd is the callee's in every case.
 */
long rumpclient_syscall_fd(long nr, const long args[6], int farfd);

/*
 * The same for a call that waits, and does so for descriptors of the host beside it: as soon
 * as poll(2) finds one of fds ready, the call is told to end, as if by a signal, and *ready is
 * 1.  fds has room for one more entry, which is the callee's.  A result that is there at once
 * is returned without a look at fds.  -EOPNOTSUPP: it is no server's client.
 */
struct pollfd;
long rumpclient_syscall_beside(long nr, const long args[6], struct pollfd *fds, unsigned int nfds,
    int *ready);

/*
 * The near end of a placeholder that was made ahead, so that the call's round trip need not
 * bring a descriptor: a descriptor of the caller's, the lowest free one from lowest on.  *far
 * stands for its far end in this thread's next rumpclient_syscall_fd(), or RUMP_CALL_FD_ATTACH;
 * if that fails, it is used for nothing, and the caller closes the near end.  -EAGAIN: there
 * is none, the caller is to make a pair of its own; another -errno: nor can that.
 */
int rumpclient_placeholder(int lowest, int cloexec, int *far);

/*
 * For who makes calls on behalf of another process: what this thread's calls point at
 * is read and written by these functions from now on, until m is NULL.  They return how
 * many bytes could be copied, from the start without a gap.  Only of a server's client;
 * *m stays the caller's.
 */
struct rumpclient_memory {
	size_t (*read)(void *arg, void *dst, uint64_t src, size_t n);
	size_t (*write)(void *arg, uint64_t dst, const void *src, size_t n);
	void *arg;
};
void rumpclient_use_memory(const struct rumpclient_memory *m);

/*
 * Fork.  prefork before fork(2), in the parent: makes the child process in the
 * rump kernel, with copies of the descriptors; the cookie is for the child's
 * fork_init, which makes this (child) process be it.  cancel: the fork failed.
 * An embedded kernel is handed over first, if it was booted; if not, -EOPNOTSUPP, and
 * the child will boot one of its own.
 */
struct rumpclient_fork { uint64_t id[2]; };
int rumpclient_prefork(struct rumpclient_fork *cookie);
int rumpclient_fork_init(const struct rumpclient_fork *cookie);
void rumpclient_fork_cancel(const struct rumpclient_fork *cookie);

/*
 * Exec.  preexec before execve(2): leaves the session to the new program, which must
 * find the strings in env (NULL at the end) in its environment; the session's process
 * keeps its pid, descriptors, directory, umask and credentials.  All other threads'
 * calls end with execve(2) itself.  cancel: that has failed, all is as it was.  preexec
 * fails if there is no session: env is empty then, and no cancel needed.  A child that
 * shares the memory of its parent (vfork) becomes a process of the rump kernel by this.
 * rumpclient_exec() is all of it: execve(2) with such an environment; returns -errno.
 */
struct rumpclient_exec {
	const char *env[3];
	int heir, self;			/* descriptors */
	char store[2][192];
};
int rumpclient_preexec(struct rumpclient_exec *x);
void rumpclient_exec_cancel(const struct rumpclient_exec *x);
int rumpclient_exec(const char *path, char *const argv[], char *const envp[]);
/*
 * daemon(3): the child goes on, in a session of its own; the parent exits.  0 or -errno.
 */
int rumpclient_daemon(int nochdir, int noclose);

/*
 * What calls do when the server is gone.  The one under way, and all on descriptors
 * from before, give -ENOTCONN or -EBADF.  Others look for a server at the same URL,
 * and go on there as a new process without descriptors:
 *	n >= 0		for n seconds, then -ENOTCONN (or -EINTR: a handler ran)
 *	INFTIME		until there is one
 *	ONCE		they look once (the default)
 *	DIE		the process ends, with status 1, when the server is missed
 */
#define RUMPCLIENT_RETRYCONN_INFTIME	(-1)
#define RUMPCLIENT_RETRYCONN_ONCE	(-2)
#define RUMPCLIENT_RETRYCONN_DIE	(-3)
int rumpclient_setconnretry(int64_t seconds);
/*
 * fn is called when a session has ended, in the thread that notices, before there is
 * a next one: descriptors of the rump kernel mean nothing any more.
 */
void rumpclient_on_lost(void (*fn)(void));

/*
 * What can be known of an embedded kernel before it boots, at the first call: whether the words
 * in the environment that are for it can be right (rump_pub_check() of <rump/rump.h>).  0, or
 * -errno after one line on stderr.  With a server, or without such words, nothing is looked at.
 */
int rumpclient_check(void);
/*
 * fn is called where an embedded kernel does not boot, after one line on stderr: without it, all
 * calls give errors.  It need not return.
 */
void rumpclient_on_no_kernel(void (*fn)(void));
/*
 * The process is about to limit the size of files that it writes (RLIMIT_FSIZE), or may have: nothing
 * is written to the memory's file of a server any more, which would end it by SIGXFSZ.  A limit that
 * is there when a connection is made is seen.
 */
void rumpclient_limit_files(void);

/*
 * Hands an embedded kernel that was booted to a keeper process, as whose client this
 * process goes on; prefork and preexec do so by themselves.  For whoever sees a vfork,
 * or that is about to call fork(3), in the midst of which it is too late.  0: done, or
 * nothing to do; -errno: it stays here.
 */
int rumpclient_handover(void);

/*
 * For whoever keeps the program's signal handlers back while a thread is in a call (hijack/
 * does).  signal_door, once: a handler that runs all the same ends no call, and a call that
 * a signal has ended returns one of -RUMP_ERESTART... (rump_calls.h) where Linux would have
 * it made again.  interrupt, from a signal handler, in the midst of anything: this thread's
 * call under way, and all until interrupt_end, end early instead of waiting.  sigaction:
 * rt_sigaction(2), with struct kernel_sigaction, past handlers that the kernel has for itself.
 */
void rumpclient_signal_door(void);
void rumpclient_interrupt(void);
void rumpclient_interrupt_end(void);
long rumpclient_sigaction(int sig, const void *act, void *oact);

/* The process is about to exit: an embedded kernel that was booted writes
 * everything back and unmounts.  Nothing for a server's client. */
void rumpclient_shutdown(void);

/* 1: host descriptor fd is one of the library's own (connections): programs
 * must neither see, close nor replace it. */
int rumpclient_owns_fd(int fd);
/* fn is told of each such number when it becomes the library's, and when it ceases to be. */
void rumpclient_on_own_fd(void (*fn)(int fd));
/* Moves the library's own descriptors out of the way of fd (dup2, fdoff). */
int rumpclient_move_fd(int fd);

/*
 * The process is about to give up what it needs to connect to its server: it becomes another
 * user, changes its root or installs a filter for system calls.  Its threads, children and next
 * image remain clients.  Not with a server on another host.
 */
void rumpclient_keep_access(void);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop
#endif
