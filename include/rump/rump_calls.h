/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rump_calls.h - private calls of a rump kernel, numbered beside the system
 * calls of Linux and made in the same way (rump_syscall(), rumpclient_syscall()).
 * They return >= 0 or a negative errno.
 */
#ifndef RUMP_RUMP_CALLS_H
#define RUMP_RUMP_CALLS_H

#define RUMP_CALL_BASE		0x5200

/*
 * An error of any call: the kernel has left this process for a keeper, or is about to
 * (rump_pub_keeper()).  The call was not made; it is to be made there.
 */
#define RUMP_EMOVED		4000

/*
 * Results of any call for a caller that minds signals itself (rump_pub_signal_door(); each
 * client of a server): a signal has ended it.  If no handler has run, or for the first one
 * if it has SA_RESTART, the same call is to be made again; for the last one,
 * restart_syscall(2) instead.  Else it is EINTR.  The values are Linux's own.
 */
#define RUMP_ERESTARTSYS	512
#define RUMP_ERESTARTNOHAND	514
#define RUMP_ERESTARTBLOCK	516

/*
 * fd_attach(int rfd, int farfd): farfd, one end of an AF_UNIX socketpair of the
 * host, becomes the far end of the placeholder of rump descriptor rfd.  The
 * kernel owns farfd from now on, also when the call fails.  The placeholder
 * holds a reference to the open file until the near end is closed everywhere.
 * -EREMOTE: rfd is a descriptor of the host's (RUMP_CALL_HOST_PUT).
 */
#define RUMP_CALL_FD_ATTACH	(RUMP_CALL_BASE + 0)
/*
 * fd_adopt(int nearfd): the rump descriptor, in the calling process, of the
 * file that placeholder nearfd stands for; a new one if the process has none.
 * -ENXIO: nearfd is no placeholder of this kernel.  nearfd stays the caller's.
 */
#define RUMP_CALL_FD_ADOPT	(RUMP_CALL_BASE + 1)
/*
 * poll_arm(struct pollfd *fds, unsigned n, int arm): as poll(fds, n, 0) with
 * rump descriptors.  If none is ready and arm is not RUMP_POLL_LOOK, each
 * descriptor's placeholder gets one byte when one of its events (or an error)
 * comes up (once; a further poll_arm arms again).  Spurious bytes are possible.
 */
#define RUMP_POLL_LOOK		0
#define RUMP_POLL_ARM		1
#define RUMP_POLL_RING		2	/* arms in any case, and what is ready gets its byte now */
#define RUMP_POLL_OWN		3	/* as ARM; -EBUSY: another process may wait for such a byte */
/* In revents after ARM and RING, not counted: other processes have this file open, too. */
#define RUMP_POLL_SHARED	0x4000
#define RUMP_CALL_POLL_ARM	(RUMP_CALL_BASE + 2)
/*
 * netif(int op, const char *text, char *buf, size_t len): network interfaces.  ADD: text
 * is a specification (rump_pub_netif_create()); one line on what is wrong with it goes to
 * buf.  DEL: text is a name.  LIST: the bytes of a line NAME<tab>SPECIFICATION for each, of
 * which as many as fit are in buf.
 */
#define RUMP_CALL_NETIF		(RUMP_CALL_BASE + 3)
#define RUMP_NETIF_ADD		0
#define RUMP_NETIF_DEL		1
#define RUMP_NETIF_LIST		2
/*
 * map(int rfd, uint64_t off, uint64_t len, int flags): a descriptor of the host, the caller's,
 * whose memory [off, off + len) is that of the file which rfd has open: to be mapped shared,
 * and closed.  flags: what the mapping is to allow besides reading.  It can be mapped for
 * writing if rfd can be written to.  -ENODEV: it cannot be mapped, or the kernel is on another
 * host; -EACCES; -EPERM: EXEC, from a file system mounted noexec; -ENOMEM: more than half of
 * the kernel's memory would be mapped; -EINVAL: rfd is a socket, whose rings have another size.
 */
#define RUMP_CALL_MAP		(RUMP_CALL_BASE + 4)
#define RUMP_MAP_WRITE		1
#define RUMP_MAP_EXEC		2
/*
 * mapped(int op, uint64_t id, uint64_t off, uint64_t len): of the memory whose name is
 * "rump-map-ID" in /proc/PID/maps, [off, off + len) is to be written to the file, waiting for
 * that (SYNC) or not; or is to be there, because a mapping has grown (WANT).  -ENOENT: there is
 * no such memory.
 */
#define RUMP_CALL_MAPPED	(RUMP_CALL_BASE + 5)
#define RUMP_MAPPED_SYNC	0
#define RUMP_MAPPED_ASYNC	1
#define RUMP_MAPPED_WANT	2
/*
 * trace(int pid): a descriptor from which the calls of client process pid, or of all
 * (0), are read (rump_trace.h).  -ESRCH: no such client; -EPERM: the server is another
 * user's; -EOPNOTSUPP: the caller is no client.
 */
#define RUMP_CALL_TRACE		(RUMP_CALL_BASE + 6)
/*
 * host_put(int fd): a rump descriptor, close-on-exec, that stands for the open file which fd is
 * on the host, and keeps it open.  All that can be done with it is to send it in a message,
 * and to get the file back.  fd stays the caller's.  -ETOOMANYREFS: 1024 of this process's
 * are under way already; -EOPNOTSUPP: the caller is on another host.
 */
#define RUMP_CALL_HOST_PUT	(RUMP_CALL_BASE + 7)
/*
 * host_get(int rfd): a descriptor of the host, the caller's and close-on-exec, of the file that
 * rfd stands for.  rfd stays open.  -EINVAL: it stands for none; -EOPNOTSUPP, as above.
 */
#define RUMP_CALL_HOST_GET	(RUMP_CALL_BASE + 8)
#define RUMP_CALL_END		(RUMP_CALL_BASE + 9)

#endif
