/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wrapcall.c - what is behind the interposed functions.
 *
 * The stubs in wrap.S send host calls on to libc.  The rest comes here: the
 * function's arguments become a system call's, which is carried out if it
 * concerns the rump kernel, with errno set as libc would.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pty.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "hijack.h"
#include "wrap.h"

/* How a function's arguments become those of its system call. */
enum form {
	same,
	flags5,		/* preadv2: the flags follow an offset in two parts */
	noaddr,		/* send, recv: without an address */
	recvchk,	/* __recv_chk: the buffer's size is the fourth */
	recvfromchk,
	sigset4,	/* ppoll: the size of the signal set is the fifth, the time is not changed */
	sigset5,
	mask_by_pointer,	/* so here; mask and size are behind a pointer */
	version,	/* __xstat: a version comes first */
	futimens,
	noflags,	/* umount */
	empty_path,	/* fexecve */
	number,		/* syscall: its number comes first */
};

enum {
#define F(name, call, form)	WRAP_##name,
#define A(name, call, form)	WRAP_##name,
#include "wrappers.def"
	WRAP_COUNT
};

static const struct entry {
	short nr;
	uint8_t form;
} entries[WRAP_COUNT] = {
#define F(name, call, form)	{ SYS_##call, form },
#define A(name, call, form)	{ SYS_##call, form },
#include "wrappers.def"
};

static const char names[] =
#define F(name, call, form)	#name "\0"
#define A(name, call, form)	#name "\0"
#include "wrappers.def"
;

void *wrap_next[WRAP_COUNT] __attribute__((visibility("hidden")));
extern void *wrap_target[WRAP_COUNT] __attribute__((visibility("hidden")));

void wrap_resolve(void)
{
	const char *name = names;
	int i;

	for (i = 0; i < WRAP_COUNT; i++) {
		wrap_next[i] = dlsym(RTLD_NEXT, name);
		while (*name++)
			;
	}
}

void wrap_bypass(void)
{
	int i;

	for (i = 0; i < WRAP_COUNT; i++)
		wrap_target[i] = wrap_next[i];
}

/* What calls want in memory that functions do not have there. */
struct memory {
	long mask, size;
	struct timespec time;
};

/* A copy, since the call writes there what is left. */
static long copy_time(struct memory *m, long time)
{
	if (!time)
		return 0;
	m->time = *(const struct timespec *)time;
	return (long)&m->time;
}

static void to_syscall(enum form form, long b[6], const long a[7], struct memory *m)
{
	int i;

	for (i = 0; i < 6; i++)
		b[i] = a[i];
	switch (form) {
	case same:
		break;
	case flags5:
		b[4] = 0;
		b[5] = a[4];
		break;
	case noaddr:
		b[4] = b[5] = 0;
		break;
	case recvchk:
		b[3] = a[4];
		b[4] = b[5] = 0;
		break;
	case recvfromchk:
		b[3] = a[4];
		b[4] = a[5];
		b[5] = a[6];
		break;
	case sigset4:
		b[2] = copy_time(m, a[2]);
		b[4] = 8;
		break;
	case sigset5:
		b[5] = 8;
		break;
	case mask_by_pointer:
		m->mask = a[5];
		m->size = 8;
		b[4] = copy_time(m, a[4]);
		b[5] = (long)m;
		break;
	case number:
	case version:
		for (i = 0; i < 6; i++)
			b[i] = a[i + 1];
		break;
	case futimens:
		b[1] = 0;
		b[2] = a[1];
		b[3] = 0;
		break;
	case noflags:
		b[1] = 0;
		break;
	case empty_path:
		b[1] = (long)"";
		b[2] = a[1];
		b[3] = a[2];
		b[4] = AT_EMPTY_PATH;
		break;
	}
}

/* Limit: a thread that is blocked in such a call is cancelled at its next one. */
struct outcome {
	long ret;
	long carried_out;
};

/* As wrap.S goes on into libc: for functions of no more arguments. */
static long libc_call(unsigned int index, const long a[7])
{
	long (*next)(long, long, long, long, long, long, long) =
	    (long (*)(long, long, long, long, long, long, long))wrap_next[index];

	return next(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
}

/* Called by wrap.S with the arguments as they came, and a seventh. */
/* (An exec leaves this frame for good, in a vfork child on its parent's stack.) */
struct outcome wrap_call(unsigned int index, const long a[7])
    __attribute__((visibility("hidden"), no_sanitize("address")));
struct outcome wrap_call(unsigned int index, const long a[7])
{
	const struct entry *e = &entries[index];
	long b[6], nr = e->form == number ? a[0] : e->nr, ret = 0;
	struct memory m;

	to_syscall(e->form, b, a, &m);
	switch (hijack_want(nr, b)) {
	case WANT_HOST:
		return (struct outcome){ 0, 0 };
	case WANT_LOOK:
		ret = libc_call(index, a);
		if ((int)ret != -1 || !hijack_failed(nr, b, -errno))
			return (struct outcome){ ret, 1 };
		ret = -errno;
		break;
	default:
		if (e->form != number && door_may_cancel(nr))
			pthread_testcancel();
	}
	ret = hijack_slow(nr, b, ret);
	if (ret < 0 && ret >= -4095) {
		errno = -ret;
		ret = -1;
	}
	return (struct outcome){ ret, 1 };
}

/* ---- functions that are no system calls ------------------------------------------------ */

#define EXPORT	__attribute__((visibility("default")))

/* _FORTIFY_SOURCE's check in FD_SET: here sets may be larger than FD_SETSIZE. */
EXPORT long __fdelt_chk(long fd);
EXPORT long __fdelt_chk(long fd)
{
	return fd / (long)(8 * sizeof(long));
}

EXPORT long __fdelt_warn(long fd) __attribute__((alias("__fdelt_chk")));

/* Where libc's own system call is not seen.  (_Fork is not, then.) */
EXPORT pid_t fork(void)
{
	static pid_t (*next)(void);
	struct fork_state st;
	pid_t pid;

	if (!next)
		next = (pid_t (*)(void))dlsym(RTLD_NEXT, "fork");
	proc_handover();
	if (hijack_patched || hijack_state <= 0 || hijack_depth)
		return next();
	if (proc_prefork(&st) < 0) {
		errno = EAGAIN;
		return -1;
	}
	pid = next();
	proc_forked(&st, pid);
	return pid;
}

/* These fork inside libc, where it is too late. */
EXPORT int daemon(int nochdir, int noclose)
{
	static int (*next)(int, int);

	if (!next)
		next = (int (*)(int, int))dlsym(RTLD_NEXT, "daemon");
	proc_handover();
	return next(nochdir, noclose);
}

EXPORT int forkpty(int *master, char *name, const struct termios *termp, const struct winsize *winp)
{
	static int (*next)(int *, char *, const struct termios *, const struct winsize *);

	if (!next)
		next = (int (*)(int *, char *, const struct termios *, const struct winsize *))
		    dlsym(RTLD_NEXT, "forkpty");
	proc_handover();
	return next(master, name, termp, winp);
}

/*
 * clone(3): a process on a stack of its own, as which it is a copy of this one, or a thread,
 * or what shares this one's memory until its exec.  Only the first is a fork.
 */
struct cloned {
	int (*fn)(void *);
	void *arg;
	struct fork_state st;
};

static int in_clone(void *arg)
{
	struct cloned *c = arg;

	proc_forked(&c->st, 0);
	return c->fn(c->arg);
}

EXPORT int clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
	static int (*next)(int (*)(void *), void *, int, void *, ...);
	struct cloned c = { fn, arg, { .err = 0 } };
	pid_t *ptid, *ctid;
	va_list ap;
	void *tls;
	int pid;

	va_start(ap, arg);
	ptid = va_arg(ap, pid_t *);
	tls = va_arg(ap, void *);
	ctid = va_arg(ap, pid_t *);
	va_end(ap);
	if (!next)
		next = (int (*)(int (*)(void *), void *, int, void *, ...))dlsym(RTLD_NEXT, "clone");
	if (!(flags & CLONE_THREAD))
		proc_handover();
	if (!fn || !stack || (flags & CLONE_VM) || hijack_state <= 0 || hijack_depth)
		return next(fn, stack, flags, arg, ptid, tls, ctid);
	if (proc_prefork(&c.st) < 0) {
		errno = EAGAIN;
		return -1;
	}
	pid = next(in_clone, stack, flags, &c, ptid, tls, ctid);
	proc_forked(&c.st, pid);
	return pid;
}

EXPORT int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
    __attribute__((alias("clone"), nothrow, leaf));

/*
 * A thread that one of our own libraries starts makes its calls to the host.  One of the program
 * gets room for our frames on its stack, if that is libc's and small: a call of a rump kernel
 * takes 5 to 20 KB more than the host's.
 */
#define STACK_SMALL	(256 * 1024)

static const pthread_attr_t *with_room(const pthread_attr_t *attr, pthread_attr_t *copy)
{
	size_t size, given = 0;
	void *addr = NULL;

	if (!attr || pthread_attr_getstacksize(attr, &size) || size >= STACK_SMALL)
		return attr;
	/* Where the program has given none: an error with musl, an end of 0 with glibc. */
	if (pthread_attr_getstack(attr, &addr, &given) == 0 && (uintptr_t)addr + given != 0)
		return attr;
	*copy = *attr;
	return pthread_attr_setstacksize(copy, size + STACK_SMALL) == 0 ? copy : attr;
}

struct start {
	void *(*fn)(void *);
	void *arg;
};

static void *run_inside(void *arg)
{
	struct start s = *(struct start *)arg;

	hijack_depth = 1;
	host(SYS_munmap, arg, sizeof(s));
	return s.fn(s.arg);
}

EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
    void *arg)
{
	static int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	pthread_attr_t roomy;
	struct start *s;
	long mem;
	int err;

	if (!next)
		next = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))
		    dlsym(RTLD_NEXT, "pthread_create");
	if (!hijack_depth)
		return next(thread, hijack_state > 0 ? with_room(attr, &roomy) : attr, fn, arg);
	mem = host(SYS_mmap, NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	    -1, 0);
	if (host_failed(mem))
		return EAGAIN;
	s = (struct start *)mem;
	*s = (struct start){ fn, arg };
	err = next(thread, attr, run_inside, s);
	if (err)
		host(SYS_munmap, mem, sizeof(*s));
	return err;
}
