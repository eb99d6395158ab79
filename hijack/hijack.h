/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hijack.h - inside librumphijack: whose kernel is a system call for?
 *
 * A call comes in at a patched site of libc (patch.c, entry.S) or at a wrapper
 * (wrap.S).  hijack_want() says at little cost whether it could concern the
 * rump kernel; if so, hijack_call() carries it out, on either kernel.  All
 * results are values or negative errnos, as a system call instruction gives.
 *
 * Rules for everything here: host calls are made by host(), never by libc's
 * functions; nothing is allocated by malloc(3); no lock is held over a call.
 */
#ifndef HIJACK_HIJACK_H
#define HIJACK_HIJACK_H

#include <errno.h>
#include <stddef.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <rump/rump_calls.h>
#include <rump/rumpclient.h>
#include <rump/sysargs.h>

#include "../hypercall/hostcall.h"
#include "door.h"
#include "fdmap.h"

/* ---- route.c, want.c: the way of a call ------------------------------------ */

/* What hijack does with each call: the "how" column of the table. */
enum hijack_how {
	HOW_none, HOW_host, HOW_route, HOW_open, HOW_newfd, HOW_close, HOW_close_range,
	HOW_dup, HOW_fcntl, HOW_ioctl, HOW_mmap, HOW_mremap, HOW_msync, HOW_aio, HOW_inotify, HOW_socket, HOW_socketpair, HOW_accept,
	HOW_sendmsg, HOW_recvmsg, HOW_address, HOW_sendto, HOW_named,
	HOW_sendfile, HOW_splice, HOW_poll, HOW_select, HOW_epoll_create,
	HOW_epoll_ctl, HOW_epoll_wait, HOW_chdir, HOW_getcwd, HOW_readlink, HOW_mount,
	HOW_umask, HOW_chroot, HOW_sync, HOW_clone, HOW_exec, HOW_exit, HOW_seccomp, HOW_absent,
	HOW_sigaction, HOW_rlimit, HOW_rights, HOW_taken, HOW_COUNT
};

extern const struct rump_sysrow hijack_rows[RUMP_NSYSROWS];
extern const uint8_t hijack_how[RUMP_NSYSROWS];
/*
 * For the fast check in front of each call: 0 the host's without a look,
 * 1 decided by the descriptor in the first argument alone, 2 ask hijack_want().
 */
#define CLASS_HOST	0
#define CLASS_FD	1
#define CLASS_ASK	2
extern uint8_t hijack_class[RUMP_NSYSROWS];
void hijack_classify(void);	/* fills hijack_class from the table */

/*
 * WANT_HOST: the call is the host's, as it is.  WANT_LOOK: so it is, but if it fails
 * hijack_failed() is to look at it.  WANT_CALL: it is hijack_call()'s (as WANT_LOOK may be, too).
 * Touches general registers only.
 */
#define WANT_HOST	0
#define WANT_CALL	1
#define WANT_LOOK	2
int hijack_want(long nr, const long a[6]);
/* 0: that the call has failed is the host's last word; else hijack_slow()'s turn.  The same. */
int hijack_failed(long nr, const long a[6], long err);
/*
 * Carries out a call that hijack_want() wanted.  What does so is inside all the time, and may
 * return -RUMP_ERESTARTSYS if nothing has happened yet: it is done again, or was EINTR.
 */
long hijack_call(long nr, const long a[6]);
/* The same where err is not below 0; else the host's call has failed with it. */
long hijack_slow(long nr, const long a[6], long err);

/* Above 0: the thread is inside our own libraries, whose calls are the host's. */
extern __thread volatile int hijack_depth __attribute__((tls_model("initial-exec")));

static inline void hijack_enter(void)
{
	hijack_depth++;
}

static inline void hijack_leave(void)
{
	hijack_depth--;
	if (__builtin_expect(door_waiting != 0, 0) && !hijack_depth)
		door_open(-1);
}

/* RUMPHIJACK_VERBOSE; from 2 on each call of the rump kernel is shown with its result. */
extern int hijack_verbose;
void hijack_trace(long nr, const long a[6], long ret);

static inline long rump_call(long nr, const long a[6])
{
	long ret;

	hijack_enter();
	ret = rumpclient_syscall(nr, a);
	if (__builtin_expect(ret <= -RUMP_ERESTARTSYS && ret >= -RUMP_ERESTARTBLOCK, 0))
		ret = door_again(nr, a, ret);
	hijack_leave();
	if (__builtin_expect(hijack_verbose >= 2, 0))
		hijack_trace(nr, a, ret);
	return ret;
}

/*
 * The same for a call that returns a descriptor; far is its placeholder's far end, and gone
 * after -RUMP_ERESTARTSYS, too.
 */
static inline long rump_call_fd(long nr, const long a[6], int far)
{
	long ret;

	hijack_enter();
	ret = rumpclient_syscall_fd(nr, a, far);
	hijack_leave();
	if (__builtin_expect(hijack_verbose >= 2, 0))
		hijack_trace(nr, a, ret);
	return ret;
}
#define rump(nr, ...)	rump_call(nr, (const long[6]){ __VA_ARGS__ })

/*
 * A call that waits, beside descriptors of the host (rumpclient_syscall_beside()); ended early,
 * by them or by a signal: -EINTR.
 */
struct pollfd;
static inline long rump_beside(long nr, const long a[6], struct pollfd *fds, unsigned int n,
    int *ready)
{
	long ret;

	hijack_enter();
	ret = rumpclient_syscall_beside(nr, a, fds, n, ready);
	hijack_leave();
	if (__builtin_expect(hijack_verbose >= 2, 0))
		hijack_trace(nr, a, ret);
	return ret <= -RUMP_ERESTARTSYS && ret >= -RUMP_ERESTARTBLOCK ? -EINTR : ret;
}

/* The call is the host's, after all: for its time the thread is outside. */
static inline long host_pass(long nr, const long a[6])
{
	int depth = hijack_depth;
	long ret;

	hijack_depth = 0;
	if (__builtin_expect(door_waiting != 0, 0))
		door_open(nr);
	ret = host_call6(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	hijack_depth = depth;
	return ret;
}

/* ---- init.c ------------------------------------------------------------------- */

/* 0: not yet, 1: at work, -1: does nothing (AT_SECURE). */
extern int hijack_state;
extern int hijack_patched;	/* libc's own calls are seen, too */
void hijack_init(void);
/* One line on stderr, "librumphijack: " in front; die ends the process too. */
void hijack_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void hijack_die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* ---- config.c: the scope -------------------------------------------------------- */

#define SCOPE_PREFIXES	32
#define SCOPE_RULES	16
struct sockrule {
	uint64_t families;	/* bit AF_xxx */
	uint16_t types;		/* bit SOCK_xxx; 0: any */
	uint16_t protocol;	/* 0: any */
	int on;			/* the rump kernel's, or the host's */
};

struct scope {
	struct prefix {
		const char *s;		/* no slash at the end */
		const char *as;		/* what a blanket= is inside, if not s */
		size_t len;
		uint8_t cut;		/* path=: cut off; blanket=: stays */
		uint8_t implied;	/* not the user's word: links to it are not looked for */
	} prefix[SCOPE_PREFIXES];
	int nprefix;
	/* What links_init() has found: */
	uint8_t links;			/* there are prefixes that links are followed to */
	uint8_t shadow;			/* the host has such a name itself: look before a call */
	uint8_t creatable;		/* it could be made there */
	uint8_t names;			/* WANT_..., of a call with names that look like the host's */
	struct sockrule rules[SCOPE_RULES];	/* whose sockets; the last that fits counts */
	int nrules;
	int fdoff;			/* lowest number of a rump descriptor, 0: any */
	int vfs_sync;			/* sync(2) reaches the rump kernel too */
	enum outsiders { STATIC_REFUSE, STATIC_HOST, STATIC_TRAP } outsiders;	/* who cannot load us */
};
extern struct scope scope;

static inline int sockrule_fits(const struct sockrule *r, unsigned int family, int type,
    int protocol)
{
	if (family >= 64 || !(r->families >> family & 1) || (r->types && !(r->types >> type & 1)))
		return 0;
	if (!protocol)
		protocol = type == SOCK_STREAM ? IPPROTO_TCP : type == SOCK_DGRAM ? IPPROTO_UDP : 0;
	if (protocol == IPPROTO_ICMPV6)
		protocol = IPPROTO_ICMP;
	return !r->protocol || r->protocol == protocol;
}

/* Is socket(family, type, protocol) the rump kernel's? */
static inline int scope_socket(const struct scope *sc, unsigned int family, int type, int protocol)
{
	int i, on = 0;

	type &= 0xf;		/* without SOCK_NONBLOCK and SOCK_CLOEXEC */
	for (i = 0; i < sc->nrules; i++)
		if (sockrule_fits(&sc->rules[i], family, type, protocol))
			on = sc->rules[i].on;
	return on;
}

/* Where RUMPHIJACK is not set. */
#define SCOPE_DEFAULT	"path=/rump,socket=all:nolocal"

/*
 * Reads a RUMPHIJACK value into *sc; strings are kept in store (size bytes).
 * 0, or -1 with a message in err that quotes the word.
 */
int scope_parse(const char *words, struct scope *sc, char *store, size_t size, char *err,
    size_t errsize);

/* ---- pathtext.c: names as they are written -------------------------------------------- */

#define PATH_BUF	4096
#define PATH_END(c)	((c) == '/' || (c) == '\0')	/* of a component */

/* The prefix of the scope that an absolute name lies under, or NULL; and its name in the rump kernel. */
const struct prefix *path_prefix_of(const char *path);
const char *path_inside(const char *path, const struct prefix *p);
/* It has a component "..". */
int path_has_dotdot(const char *s);
/* Is written in a way that hides what it begins with: "//", "/./", "/../". */
int path_is_odd(const char *s);
/*
 * Could this relative name lead from some directory of the host into a prefix?
 * Then it has a "..", or begins with a component that a prefix has, too.
 */
int path_may_enter(const char *path);
/*
 * The number N of "/dev/fd/N", "/proc/self/fd/N", "/dev/stdin" ..., AT_FDCWD for
 * "/proc/self/cwd", and *rest, what is behind it; *pid is the process's, if it is in the name,
 * or 0.  -1: it is no such name.
 */
int path_self(const char *path, long *pid, const char **rest);
/*
 * Appends path to the absolute name of len bytes in out (PATH_BUF; no slash at its end,
 * so "" is the root), following "." and "..".  The new length; a slash at the
 * end of path is kept.  -ENAMETOOLONG.
 */
long path_append(char *out, size_t len, const char *path);
/* The rump kernel's absolute name in buf (room for size) becomes the program's; len
 * and the result count the NUL.  -ENOENT: it is none; -ERANGE: there is no room. */
long path_text_outside(char *buf, long len, size_t size);
/*
 * Does the name lead out of the directory that is depth components above where
 * it starts?  (In the text: links may lead anywhere in either kernel.)
 */
int path_escapes(const char *s, int depth);
int path_components(const char *s);

/* ---- path.c, pathname.c: names ---------------------------------------------------- */

enum side { SIDE_HOST, SIDE_RUMP };
struct where {
	enum side side;
	int dirfd;		/* for that kernel */
	const char *path;	/* as that kernel must be asked; may point into buf */
	char buf[PATH_BUF];
};

/* 0: (dirfd, path) is, as it is written, the host's, to be used as it is. */
int path_maybe(int dirfd, const char *path);
/* Whose name is it, as it is written?  -errno: neither's (ENAMETOOLONG). */
int path_where(int dirfd, const char *path, struct where *w);
/* As path_inside(), in *name, for which buf is used where p is an alias (links.c). */
long path_name_inside(const char *path, const struct prefix *p, char buf[PATH_BUF],
    const char **name);
/*
 * The program's name of the directory that a relative name starts at, without a slash at the
 * end ("" is the root); length or -errno.  *side is whose it is.
 */
long path_base(int dirfd, char buf[PATH_BUF], enum side *side);
/* path_self() of this process. */
int path_own(const char *path, const char **rest);
/* A kernel's "/proc/self/fd/N", below 0 "/proc/self/cwd"; its length. */
#define PATH_PROC	32
size_t path_proc(int fd, char buf[PATH_PROC]);
/* As path_text_outside(), for this process, whose root may be there, too. */
long path_outside(char *buf, long len, size_t size);
/* The program's name of what rump descriptor rfd has open (size PATH_BUF): length
 * without the NUL, or -errno. */
long path_of_fd(int rfd, char buf[PATH_BUF]);
/* As path_base(), of AT_FDCWD or a number of that kernel. */
long path_dir(enum side side, int fd, char buf[PATH_BUF]);
/* Tells that the process has changed its host directory, or gone into the rump kernel. */
void path_cwd_host(void);
void path_cwd_rump(void);
int path_cwd_is_rump(void);
extern int path_child_cwds;	/* a vfork child may be elsewhere (proc_child_cwd()) */
/* It has made a directory of the rump kernel its root: all absolute names are there. */
void path_root_rump(void);
int path_root_is_rump(void);
/* The working directory in the rump kernel as the program sees it; length with
 * the NUL, or -errno. */
long path_getcwd(char *buf, size_t size);

/* ---- the calls that need more than routing ------------------------------------------ */

typedef long hijack_fn(long nr, const long a[6]);
hijack_fn hijack_open, hijack_newfd, hijack_close, hijack_close_range, hijack_dup, hijack_fcntl,
    hijack_ioctl, hijack_mmap, hijack_mremap, hijack_msync, hijack_aio, hijack_inotify, hijack_socket, hijack_socketpair, hijack_accept, hijack_sendmsg, hijack_recvmsg,
    hijack_address, hijack_sendto, hijack_named,
    hijack_sendfile, hijack_splice, hijack_poll, hijack_select, hijack_epoll_create,
    hijack_epoll_ctl, hijack_epoll_wait, hijack_chdir, hijack_getcwd, hijack_readlink,
    hijack_mount, hijack_umask, hijack_chroot, hijack_sync, hijack_clone, hijack_exec, hijack_exit,
    hijack_seccomp, hijack_absent, hijack_sigaction, hijack_rlimit, hijack_rights, hijack_taken,
    hijack_route;

/* Makes the rump call, which returns a descriptor, and its placeholder: the
 * host's number, or -errno. */
long hijack_make_fd(long nr, const long a[6], int cloexec);
/*
 * Gives rump descriptor rfd a placeholder: the host's number, or -errno, and rfd is closed.  If
 * it stands for a file of the host's (RUMP_CALL_HOST_PUT), that gets a number.
 */
long hijack_attach_fd(long rfd, int cloexec);
/* (fdlist.c) Calls each for all descriptors but the library's.  0 or -errno. */
long fd_list(void (*each)(int fd, void *arg), void *arg);
/* The library's descriptor fd goes to where none of the program's is: its new number. */
long fd_move_up(int fd);
/* RLIMIT_NOFILE, which the host is asked for once. */
unsigned int fd_limit(void);

/* ---- map.c: memory of rump files -------------------------------------------------- */

/* Where there may be some. */
extern struct map_bounds {
	uintptr_t from, to;
} map_bounds;

static inline int map_maybe(uintptr_t addr, size_t len)
{
	return addr < __atomic_load_n(&map_bounds.to, __ATOMIC_RELAXED) &&
	    addr + len > __atomic_load_n(&map_bounds.from, __ATOMIC_RELAXED);
}

/* ---- ifioctl.c: interfaces --------------------------------------------------------- */

#define IFIOCTL_FIRST	0x8910		/* SIOCGIFNAME */
#define IFIOCTL_LAST	0x8bff		/* of the wireless extensions */

/* May ioctl(2) with this request name an interface?  General registers only. */
static inline int ifioctl_maybe(unsigned long request)
{
	return request >= IFIOCTL_FIRST && request <= IFIOCTL_LAST;
}

/* ---- unixname.c: names of AF_UNIX sockets ----------------------------------------- */

/* Is this the address of an AF_UNIX socket in the rump kernel?  WANT_...; general registers only. */
int unixname_maybe(const void *addr, unsigned int len);
/*
 * The address at addr as the rump kernel must be given it: addr itself, or un, filled;
 * *len becomes its size.  *side: whose name it is, if it is one; else unchanged.
 */
struct sockaddr_un;
const void *unixname_in(const void *addr, unsigned int *len, struct sockaddr_un *un,
    enum side *side);
/* An address that the rump kernel has written, of *len bytes, into memory of room. */
void unixname_out(void *addr, unsigned int *len, unsigned int room);

/* ---- proc.c ------------------------------------------------------------------------ */

/* At start; remembers the environment that an exec must hand on, too. */
void proc_init(void);
/*
 * 1: this process shares its memory with the parent that made it (vfork,
 * posix_spawn): it must leave the fd map and the rump process alone.
 */
int proc_is_vfork_child(void);
/*
 * Around a fork: before it, in the parent (-EAGAIN: there can be none), and after
 * it, in parent and child, with what it returned (below 0: it failed).
 */
struct fork_state {
	struct rumpclient_fork cookie;
	int err;
};
int proc_prefork(struct fork_state *st);
/* Before that: an embedded kernel goes to where a child can reach it. */
void proc_handover(void);
/* 1: the program has installed a seccomp filter, which may kill for what it does not know. */
extern int proc_filtered;
void proc_forked(const struct fork_state *st, long pid);
/* chdir and fchdir of such a child: remembered for its exec. */
long proc_child_chdir(long nr, const long a[6]);
/* Where such a child is that has called them, "" for the host; NULL: it has not, or is none. */
const char *proc_child_cwd(void);

/* ---- epoll.c: for the fd map and poll ------------------------------------------------ */

/* A copy of an epoll descriptor with a rump side was made, or is gone. */
void epoll_ref(int index);
void epoll_unref(int index);
/* The rump kernel is gone. */
void epoll_lost(void);
/* 1: the rump side of epoll descriptor fd has events now; 0: not, and (arm) its
 * placeholder in fd will become readable when it has. */
int epoll_check(int fd, int arm);
/* 1: there was a ring in fd, which is taken now. */
int epoll_rung(int fd);
/* Rump descriptor rfd is about to be closed. */
void epoll_forget(int rfd);
/* A fork succeeded: parent and child. */
void epoll_forked(void);
/* (epollexec.c) What an exec must hand on of sets that stay open, in buf, or NULL; what is undone
 * if it fails; and the new program's part. */
#define epoll_variable	"RUMPHIJACK_EPOLL="
char *epoll_exec(char *buf, size_t size);
void epoll_exec_cancel(void);
void epoll_exec_init(void);

/* ---- patch.c -------------------------------------------------------------------------- */

struct patch_stats {
	int sites;		/* system call instructions */
	int patched;
	int skipped;		/* cannot concern the rump kernel */
	int unknown;		/* neither: a form that is not understood */
	enum { FOUND_HERE, FOUND_HELPER, FOUND_KEPT } found;	/* libc's: how */
};
/* Redirects libc's own system call instructions.  0 or -errno. */
int patch_libc(struct patch_stats *st);
/* Where trampolines go; rcx is the address of the system call instruction, r11 where it was. */
void hijack_entry(void);
/* Which vector state to save, and how: 0: by fxsave. */
extern uint32_t hijack_xsave_mask;

#endif
