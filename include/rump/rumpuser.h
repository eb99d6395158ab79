/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rumpuser.h - hypercalls: everything that a rump kernel asks of its host.
 *
 * The kernel object (kernel/) calls these functions and nothing else of the
 * host; librumpuser.so (hypercall/) implements them.  Conventions:
 *
 *  - Functions that can fail return 0 or a negative errno; none sets errno.
 *  - Times are int64_t nanoseconds.  A deadline is absolute on
 *    CLOCK_MONOTONIC; RUMPUSER_FOREVER is "no deadline".
 *  - Every function may be called from any thread, and from a kernel stack
 *    (at least 8 KB are left), unless its comment says otherwise.
 *  - A hypercall never calls back into the kernel, except where "upcall" is
 *    written, and upcalls only post work: they never sleep.
 *  - This header includes no libc header but <stdint.h>/<stddef.h> types, so
 *    that the kernel, which is built without libc, can include it too.
 */
#ifndef RUMP_RUMPUSER_H
#define RUMP_RUMPUSER_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stddef.h>
#include <stdint.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define RUMPUSER_VERSION	1
#define RUMPUSER_FOREVER	INT64_MAX
#ifndef INT64_MAX
#define INT64_MAX		((int64_t)0x7fffffffffffffffLL)
#endif

struct rumpuser_net_request;

/*
 * What the kernel offers to the hypercall library.  The table lives as long
 * as the kernel.  All of these may run on any host thread and only post:
 * they mark an interrupt pending and wake a vCPU, they take no lock.
 */
struct rumpuser_upcalls {
	/* A block request that rumpuser_blk_submit() accepted has ended;
	 * error is 0 or a negative errno.  cookie is the submitter's. */
	void (*blk_done)(void *cookie, int error);
	/* A request that rumpuser_dir_submit() took has been answered. */
	void (*dir_done)(void *cookie);
	/* A host thread that has called the kernel is ending; host is what
	 * rumpuser_thread_register() was given.  Runs on that thread, in its
	 * TLS destructors; the one upcall that may sleep. */
	void (*thread_exit)(void *host);
	/* The last copy of a placeholder was closed (rumpuser_ph_watch). */
	void (*ph_gone)(void *cookie);
	/* A queue of a network link wants to be looked at (rumpuser_net.h). */
	void (*net_ready)(void *cookie);
	/* A request that rumpuser_net_submit() took was carried out. */
	void (*net_done)(struct rumpuser_net_request *req);
	/* 1: the calling thread is in the kernel, and pc not in a handler of the program's
	 * that runs on top of that.  In a signal handler. */
	int (*is_ours)(uintptr_t pc);
};

/*
 * First hypercall of a kernel: checks that both sides were built from the
 * same header (-EINVAL otherwise, after a message that prints both versions).
 */
int rumpuser_init(int version, const struct rumpuser_upcalls *up);

/* ---- parameters, console, end ------------------------------------------ */

/*
 * Value of a parameter: the environment variable of that name, or what
 * rumpuser_setparam() set last (it wins).  At most len bytes with the NUL are
 * written.  -ENOENT: not set; -E2BIG: it does not fit.
 */
int rumpuser_getparam(const char *name, char *buf, size_t len);
int rumpuser_setparam(const char *name, const char *value);

/* Kernel console: n bytes to stderr (or the log of a server), unbuffered. */
void rumpuser_putchars(const char *s, size_t n);

/*
 * A formatted complaint to stderr, one write(2) a call, for host-side code:
 * "rump: " is put in front, a newline is appended.
 */
void rumpuser_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Ends the process: status 0..255 by _exit(2), RUMPUSER_PANIC by abort(3). */
#define RUMPUSER_PANIC	(-1)
void rumpuser_exit(int status) __attribute__((noreturn));

/*
 * A daemon: begin forks; the parent stays until the child calls done, and exits
 * with the status given there (0..255); with 0 the child loses its terminal.
 * Call begin before the process has threads.
 */
int rumpuser_daemonize_begin(void);
int rumpuser_daemonize_done(int status);

/* Fills buf with random bytes; any length.  Never short. */
void rumpuser_getrandom(void *buf, size_t len);

/* ---- memory ------------------------------------------------------------ */

/*
 * The kernel's RAM: size bytes (a multiple of 4 MB), zeroed, aligned to 4 MB,
 * backed by a memfd, not inherited by fork(2) (MADV_DONTFORK).  -ENOMEM.
 */
int rumpuser_ram_alloc(size_t size, void **basep);
/* A second mapping of npages pages of RAM (offsets in bytes from the base, in
 * the order given), contiguous at *vap; and its end. */
int rumpuser_ram_map(const uint64_t *offsets, size_t npages, void **vap);
void rumpuser_ram_unmap(void *va, size_t npages);

/*
 * Memory that pages of a file share with the programs which have mapped it (hypercall/
 * mapfile.c).  create: a handle, or -errno; id is part of its name in /proc/PID/maps.  open:
 * a descriptor for a program to map, which is the caller's; -EACCES, -ENOENT: no /proc.
 * used: 1 while there is such a descriptor, or a mapping of one.  bind: the page of RAM
 * becomes that of the memory at off, with what is in the page (fill), or there; nobody may
 * write to it meanwhile.  unbind: it is RAM again, a copy; failure leaves it as it was.
 */
#define RUMPUSER_MAP_NAME	"rump-map-"
int rumpuser_map_create(uint64_t id);
int rumpuser_map_open(int map, int writable);
int rumpuser_map_resize(int map, uint64_t size);
int rumpuser_map_used(int map);
int rumpuser_map_bind(int map, uint64_t off, void *page, int fill);
int rumpuser_map_unbind(void *page);
void rumpuser_map_close(int map);

/*
 * Memory for code and data that is linked to the kernel (its modules): size bytes, whole
 * pages, zeroed, writable, within 2 GB of near on either side.  -ENOMEM: there is no room.
 * seal: from now on it can be executed, and no longer written.
 */
int rumpuser_code_alloc(const void *near, size_t size, void **p);
int rumpuser_code_seal(void *p, size_t size);
void rumpuser_code_free(void *p, size_t size);

/*
 * Fault fix-up.  A SIGSEGV or SIGBUS whose program counter lies in
 * [start, end) resumes at fixup with all other registers kept; one that upcalls->is_ours()
 * says is the kernel's own ends the process, with a line about it; every other fault,
 * also SIGILL and SIGFPE, goes to the handler that the program had before.
 */
int rumpuser_fault_fixup(const void *start, const void *end, const void *fixup);
/*
 * sigaction(2) for whoever interposes it in the program: what a fault that is none of ours
 * goes to, the fix-up being left in place; and the signals of rumpuser_end_on_signals(),
 * whose handlers are not to be seen.  act and oact are the host's struct kernel_sigaction, or
 * NULL.  -ENOENT: sig concerns nothing here, use the host's own call.
 */
int rumpuser_sigaction(int sig, const void *act, void *oact);

/* 1: host descriptor fd is one of ours; the program must not close it. */
int rumpuser_owns_fd(int fd);

/* ---- CPUs, threads, waiting --------------------------------------------- */

/* Number of host CPUs this process may run on (sched_getaffinity). */
unsigned int rumpuser_ncpu(void);

/*
 * A detached helper thread: all signals blocked.  It shares the descriptors of
 * the process, because every thread that runs the kernel must reach those that
 * were handed to it.  name: at most 15 bytes.
 */
int rumpuser_thread_create(void (*fn)(void *), void *arg, const char *name);

/* How many of them are at work, but for vCPUs' helpers: threads that a keeper would lack. */
unsigned int rumpuser_thread_workers(void);

/* Ties host to the calling thread: upcalls->thread_exit(host) when it ends.
 * NULL unties. */
void rumpuser_thread_register(void *host);
/* Host thread id (gettid) of the caller, and process id. */
int rumpuser_gettid(void);
int rumpuser_getpid(void);
/* Program name of the process: at most len bytes with the NUL. */
void rumpuser_getcomm(char *buf, size_t len);

/*
 * Sleeps while *word == expected, at most until deadline.  spin_ns: how long
 * to look at the word before sleeping (0: not at all); the library spins less
 * or not at all when there is no core to spin on.  Returns 0 (look again),
 * -ETIMEDOUT or -EINTR (a signal handler ran; without a deadline, one with
 * SA_RESTART does not end the wait).
 */
int rumpuser_wait(uint32_t *word, uint32_t expected, int64_t deadline,
    unsigned int spin_ns);
void rumpuser_wake(uint32_t *word);
/*
 * The first half of rumpuser_wait() only: looks, does not sleep.  Every every_ns it also calls
 * look(arg).  1: *word changed; 2: look() returned nonzero; 0: neither, or no core to spin on.
 */
int rumpuser_spin(uint32_t *word, uint32_t expected, unsigned int ns, unsigned int every_ns,
    int (*look)(void *), void *arg);

/*
 * The same for vCPU cpu's own helper thread, which also serves what the host
 * has for the kernel: in a server it waits for the sockets of the clients
 * (upcalls run from here).  Woken by rumpuser_cpu_kick() after *word changed.
 */
int rumpuser_cpu_wait(unsigned int cpu, uint32_t *word, uint32_t expected,
    int64_t deadline);
void rumpuser_cpu_kick(unsigned int cpu, uint32_t *word);
/* Looks for I/O without waiting; called from a busy vCPU's clock tick. */
void rumpuser_cpu_poll(unsigned int cpu);

/* A full barrier in every thread of this process. */
void rumpuser_barrier(void);

/* Pause in a spin loop; now and then gives the core to who else wants it. */
void rumpuser_relax(unsigned int *spins);

/* ---- clocks ------------------------------------------------------------- */

int64_t rumpuser_clock_mono(void);
int64_t rumpuser_clock_real(void);

/* ---- signals of the embedded kernel's own process ------------------------ */

/*
 * Raises sig at thread tid of this process (0: at any, as the host chooses); si_code, si_errno
 * and value (si_value, or si_addr where si_code > 0) as given, but for codes from 0 on where
 * tid is not the caller: then it is one of kill(2) or tgkill(2).
 */
void rumpuser_raise(int tid, int sig, int si_code, int si_errno, uint64_t value);
/*
 * From now on a signal that would end the process (SIGTERM, SIGINT and others whose action
 * is the default) sets rumpuser_ending to its number, has fn called, on a thread made for
 * it, and ends the process then; at once if fn has not returned after a minute, or if a
 * second signal comes when it was at work for three seconds.  Once.
 */
int rumpuser_end_on_signals(void (*fn)(void));
extern uint32_t rumpuser_ending;
/* 1 if a handler for sig is installed with SA_RESTART (or none is). */
int rumpuser_sig_restarts(int sig);

/* ---- symbols ------------------------------------------------------------- */

/*
 * "name+0x12/0x40" of the function at addr in any loaded object, from its full
 * symbol table, else from the dynamic one.  Allocates nothing.  -ENOENT, -E2BIG.
 */
int rumpuser_symbol(const void *addr, char *buf, size_t len);

/* ---- block devices --------------------------------------------------------- */

#define RUMPUSER_BLK_RDONLY	0x1
#define RUMPUSER_BLK_ISOLATED	0x2	/* all I/O in a process, which may die and is replaced */
struct rumpuser_blk_info {
	uint64_t size;		/* bytes */
	uint32_t flags;		/* RUMPUSER_BLK_RDONLY as granted */
	uint32_t blksize;	/* preferred I/O size, bytes */
};
enum rumpuser_blk_op {
	RUMPUSER_BLK_READ, RUMPUSER_BLK_WRITE, RUMPUSER_BLK_FLUSH,
	RUMPUSER_BLK_DISCARD, RUMPUSER_BLK_ZEROES
};
#define RUMPUSER_BLK_FUA	0x100	/* or'ed to the op */
#define RUMPUSER_BLK_MORE	0x200	/* or'ed to the op: a kick will follow */
struct rumpuser_iovec { void *base; size_t len; };

/* A request: plain data, so that who carries it out may be another process. */
struct rumpuser_blk_req {
	unsigned int op;
	unsigned int niov;
	uint64_t offset, len;		/* bytes */
	struct rumpuser_iovec *iov;	/* for reads and writes; in the kernel's RAM */
	void *cookie;
	uint64_t priv[3];		/* the library's */
};

/*
 * Opens a host file or block device.  offset: where the device begins in it;
 * size: its bytes, 0 for "to the end".  There is one writer of a file, or any
 * number of readers; -EBUSY: somebody else uses it in a way that excludes ours.
 * -EMEDIUMTYPE, after one line: an image format that is not raw.
 */
int rumpuser_blk_open(const char *path, uint32_t flags, uint64_t offset,
    uint64_t size, void **handlep, struct rumpuser_blk_info *info);
/* Makes it ready for requests from queues 0 to nqueues - 1.  Once. */
int rumpuser_blk_start(void *handle, unsigned int nqueues);
/* When no request is under way. */
void rumpuser_blk_close(void *handle);
/* pause: waits for what was submitted, and leaves no thread; until resume.  0 or -errno. */
void rumpuser_blk_pause(void *handle);
int rumpuser_blk_resume(void *handle);
/*
 * Starts a request.  1: it is done already (error in *errorp, no upcall);
 * 0: upcalls->blk_done(cookie, error) will tell.  *req, its iov (also to change it)
 * and their memory belong to the library until then.  A flush is of the whole device,
 * whatever offset and len say; after one that failed, no flush succeeds.  Requests are
 * carried out in any order.  Reads past a file that shrank are -EIO.
 */
int rumpuser_blk_submit(void *handle, unsigned int queue, struct rumpuser_blk_req *req,
    int *errorp);
/* What was submitted with RUMPUSER_BLK_MORE need not wait any longer. */
void rumpuser_blk_kick(void *handle, unsigned int queue);

/* ---- directories of the host ------------------------------------------------- */

#define RUMPUSER_DIR_RDONLY	0x1

/*
 * A message of the FUSE protocol (<linux/fuse.h>): in is struct fuse_in_header and what
 * follows it, out has room for struct fuse_out_header and the rest of the answer, which
 * says its length itself.  nout is 0 for messages that have none.  Plain data, too.
 */
struct rumpuser_dir_req {
	const struct rumpuser_iovec *in, *out;
	unsigned int nin, nout;
	void *cookie;
	uint64_t priv[2];		/* the library's */
};

/*
 * Serves the directory path.  Nothing outside of it can be reached: not by "..", not by a
 * symbolic link, whoever changes what in it meanwhile.  -ENOTDIR and other errors of
 * open(2); -ENOSYS: the host has no openat2(2).
 */
int rumpuser_dir_open(const char *path, uint32_t flags, void **handlep);
/* When no request is under way. */
void rumpuser_dir_close(void *handle);
/* upcalls->dir_done(cookie) tells when *req and all that it points to is free again. */
void rumpuser_dir_submit(void *handle, struct rumpuser_dir_req *req);

/* ---- placeholders (see hijack/): far ends of AF_UNIX socketpairs ----------- */

/* Takes host descriptor fd over for the kernel (moved out of the way of the
 * program's numbers); returns the number to use here, or -errno; -EINVAL: a client of
 * this server has sent it, and it is no Unix stream socket. */
int rumpuser_ph_take(int fd);
/* Writes one readiness byte; a full socket is no error. */
void rumpuser_ph_ring(int far);
/* 1: no copy of the near end is left in any process. */
int rumpuser_ph_hungup(int far);
/* 1: near is the other end of far (proven by the host, not by the caller). */
int rumpuser_ph_is_pair(int near, int far);
/* The host's cookie of a socket: the number by which a near end is found. */
int rumpuser_ph_cookie(int fd, uint64_t *cookie);
/* upcalls->ph_gone(cookie) once the near end is gone; only a server watches, an
 * embedded kernel sees its program's closes (0 and nothing done). */
int rumpuser_ph_watch(int far, void *cookie);
void rumpuser_ph_close(int far);

/* ---- descriptors of programs that travel through the kernel ------------------ */

/* A copy of host descriptor fd, the kernel's; -errno.  Nothing is asked of the file. */
int rumpuser_hostfile_keep(int fd);
/* A copy of that for the program around the kernel, close-on-exec; -errno. */
int rumpuser_hostfile_give(int file);
/* Closes it; nobody waits for what the last close of a client's file may do. */
void rumpuser_hostfile_drop(int file);

/* ---- the keeper (hypercall/keeper.c) ------------------------------------------- */

/*
 * Copies this process, in which everything stands still, and in the copy, which has given
 * back all that is the program's, calls fn(arg, fd); the copy ends when that returns.  The
 * result is the other end of fd, a descriptor of the caller's; -errno.
 */
int rumpuser_keeper_fork(void (*fn)(void *arg, int fd), void *arg);
/* The kernel is the copy's now: RAM and all descriptors of ours are gone from here. */
void rumpuser_keeper_left(void);
/* n bytes over that connection; -EPIPE: the other side is gone. */
int rumpuser_keeper_send(int fd, const void *p, size_t n);
int rumpuser_keeper_recv(int fd, void *p, size_t n);
/* Moves it out of the program's way. */
int rumpuser_keeper_hold(int fd);
void rumpuser_keeper_close(int fd);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
