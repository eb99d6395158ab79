/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rump.h - a Linux kernel in this process: start it, be a process of it, give
 * it devices.  The system calls are in <rump/rump_syscalls.h>.
 *
 * All functions are thread-safe.  Those that return int return 0 or a negative
 * errno unless said otherwise.  A thread that makes its first call becomes a
 * thread of the rump kernel's default process by itself.
 */
#ifndef RUMP_RUMP_H
#define RUMP_RUMP_H

#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/*
 * Boots the kernel; the second and later calls do nothing.  Every other call
 * below boots the kernel if it must.  The environment says how:
 *	RUMP_NCPU	virtual CPUs, 1 to 64 (default 1)
 *	RUMP_MEMLIMIT	bytes of RAM, or a number with k, m or g; at least 12m
 *			(default 256m)
 *	RUMP_VERBOSE	1: kernel messages go to stderr
 *	RUMP_MOUNT	mount specifications, see rump_pub_mount(), separated by
 *			blanks or newlines
 *	RUMP_IF		network interfaces, see rump_pub_netif_create(), separated in
 *			the same way
 * A value that cannot be used is -EINVAL, after one line on stderr that quotes it.
 */
int rump_init(void);
/*
 * What can be known of these values without booting: their syntax, and that the host's files
 * are there.  As rump_init() otherwise.
 */
int rump_pub_check(void);
/* Also serves clients on url (see rump_server(1)).  -EADDRINUSE etc. */
int rump_init_server(const char *url);
/*
 * A daemon that forks before it is ready: begin forks, the parent waits and
 * exits with the status that the child hands to done (0: success); call begin
 * before rump_init().
 */
int rump_daemonize_begin(void);
int rump_daemonize_done(int error);

/* Makes system call nr (or a private one, rump_calls.h).  Result or -errno. */
long rump_syscall(long nr, long a0, long a1, long a2, long a3, long a4, long a5);

/*
 * lwproc.  An lwp is a task of the rump kernel that a host thread can be.
 * rfork: makes a new process and switches to it: RUMP_RFFD_COPY (default)
 * copies the descriptors of the current one, RUMP_RFFD_SHARE shares them,
 * RUMP_RFFD_CLEAR starts with none.  newlwp: a further lwp of process pid,
 * switched to.  switch: from now on the calling thread is lwp (NULL: none);
 * -EBUSY if another thread is.  releaselwp: ends the current lwp, and the
 * process with its last one.
 */
struct rump_lwp;
#define RUMP_RFFD_COPY	0x0
#define RUMP_RFFD_SHARE	0x1
#define RUMP_RFFD_CLEAR	0x2
int rump_pub_lwproc_rfork(int flags);
int rump_pub_lwproc_newlwp(pid_t pid);
int rump_pub_lwproc_switch(struct rump_lwp *lwp);
int rump_pub_lwproc_releaselwp(void);
struct rump_lwp *rump_pub_lwproc_curlwp(void);

/*
 * A host file or device as a block device of the rump kernel: key is its name
 * ("/dev/NAME").  offset and size in bytes; RUMP_ETFS_SIZE_ENDOFF: to the end.
 */
#define RUMP_ETFS_SIZE_ENDOFF	0
enum rump_etfs_type { RUMP_ETFS_BLK, RUMP_ETFS_BLK_RO };
int rump_pub_etfs_register(const char *key, const char *hostpath,
    enum rump_etfs_type type);
int rump_pub_etfs_register_withsize(const char *key, const char *hostpath,
    enum rump_etfs_type type, uint64_t offset, uint64_t size);
int rump_pub_etfs_remove(const char *key);

/*
 * Mounts by the mount specification SOURCE:DIR[,type=T][,ro][,part=N][,isolate][,OPTION]...;
 * on failure one line on stderr quotes what is wrong.  SOURCE is a host file, a
 * block device of the rump kernel, with type=hostdir a directory of the host, or any
 * word for a file system without a device;
 * DIR is made if it is not there.  Without type=, all types are tried.  With isolate, the
 * host's file is met by a process of its own only, which may die.  OPTIONs
 * are mount(8)'s.  A backslash takes the meaning from the character behind it: a
 * colon, a comma, a backslash, and a blank in RUMP_MOUNT.
 */
int rump_pub_mount(const char *spec);
/* The same; messages begin with name, which means more to people than spec. */
int rump_pub_mount_named(const char *name, const char *spec);

/*
 * A network interface by the specification NAME,link=KIND[:WHERE][,mac=XX:XX:XX:XX:XX:XX]
 * [,mtu=N][,queues=N][,pcap=FILE][,noconfig][,isolate][,WORD[=VALUE]]...; on failure
 * one line on stderr quotes what is wrong.  Links, and the words of their own, are in
 * rump_netif(5).  A comma or backslash in a value has a backslash before it, and in
 * RUMP_IF a blank, too.  -EEXIST: there is one of that name.
 */
int rump_pub_netif_create(const char *spec);
int rump_pub_netif_destroy(const char *name);	/* -ENODEV */

/*
 * Loads the kernel module in the host's file path, built against this kernel (examples/module),
 * with the parameters args ("NAME=VALUE ...", or NULL); and unloads it by its name.
 * Why a module is refused, the kernel says on stderr.  Errors are those of init_module(2) and
 * delete_module(2): -ENOEXEC, -EEXIST; -EBUSY: it is in use.
 */
int rump_module_load(const char *path, const char *args);
int rump_module_unload(const char *name);

/*
 * Hands the kernel to a keeper, a process of its own, where it goes on as a server, and
 * the calling process's process in it as that of the client who shows id and secret on
 * url as a THREAD (<rump/rump_sp.h>).  From then on all calls here give -RUMP_EMOVED
 * (<rump/rump_calls.h>), also those of other threads that were blocked, which are to
 * be made again there.  joined: a channel is open.  librumpclient does all of this
 * before a program forks or executes another.  -ENODEV: nothing was booted; -EBUSY: a
 * call does not end, or the kernel is a server; -EPIPE: the kernel is lost; or fork(2)'s.
 */
struct rump_keeper {
	char url[64];
	uint64_t id, secret;
	int hold;
};
int rump_pub_keeper(struct rump_keeper *k);
void rump_pub_keeper_joined(struct rump_keeper *k);

/*
 * For whoever keeps the program's signal handlers back while a thread is in a call:
 * rumpclient_signal_door() and its companions (<rump/rumpclient.h>).  A handler on top of a
 * call makes none itself: -EBUSY.
 */
void rump_pub_signal_door(void);
void rump_pub_interrupt(void);
void rump_pub_interrupt_end(void);

/* Unmounts all file systems, writes everything back, ends the kernel's work;
 * later calls return -ESHUTDOWN.  Does nothing where no kernel has been booted. */
int rump_pub_shutdown(void);
/*
 * Has a signal that would end the process (SIGTERM, SIGINT and the like, where the action is
 * the default) call rump_pub_shutdown() first.  From then on until the end, calls wait.
 */
int rump_pub_shutdown_on_signals(void);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
