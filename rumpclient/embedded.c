/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * embedded.c - a rump kernel in this process: librump.so, loaded by the first
 * call that needs it, so that a program which makes none pays nothing.  A signal that ends
 * the program has it unmount its file systems first.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

#define KERNEL	"librump.so.1"

enum { NONE, LOADING, LOADED, FAILED, LEFT_BEHIND };

typedef long syscall_fn(long nr, long a0, long a1, long a2, long a3, long a4, long a5);

static atomic_int state;
static atomic_int loader;		/* thread that loads */
static syscall_fn *rump_syscall_fn;
static int (*owns_fd_fn)(int fd);
static int (*shutdown_fn)(void);
static const volatile uint32_t *ending;	/* a signal is ending the process */
static int (*keeper_fn)(struct rump_keeper *k);
static void (*joined_fn)(struct rump_keeper *k);
static void (*signal_door_fn)(void), (*interrupt_fn)(void), (*interrupt_end_fn)(void);
static int (*sigaction_fn)(int sig, const void *act, void *oact);
static void (*no_kernel_fn)(void);

/*
 * By our own run path; or beside us, for programs in which somebody else's dlopen()
 * (a sanitizer's) stands before libc's, and it is his run path that counts.
 */
static void *open_kernel(void)
{
	static const char *const places[] = { KERNEL, "../lib/" KERNEL };
	void *lib = dlopen(KERNEL, RTLD_NOW | RTLD_LOCAL);
	char path[4096];
	const char *slash;
	unsigned int i;
	Dl_info us;

	if (lib || !dladdr((void *)(uintptr_t)open_kernel, &us) || !(slash = strrchr(us.dli_fname, '/')))
		return lib;
	for (i = 0; i < sizeof(places) / sizeof(places[0]) && !lib; i++)
		if (snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - us.dli_fname), us.dli_fname,
		    places[i]) < (int)sizeof(path))
			lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	return lib;
}

static int cannot_load(const char *why)
{
	client_warn("the rump kernel cannot be loaded: %s", why);
	return -ENOSYS;
}

/* The umask that the process has by now; before, nobody told the kernel. */
static void take_umask(void)
{
	char buf[1024];
	const char *s;
	long fd, n;

	fd = host(SYS_open, "/proc/self/status", O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return;
	n = host(SYS_read, fd, buf, sizeof(buf) - 1);
	host(SYS_close, fd);
	buf[n > 0 ? n : 0] = '\0';
	s = strstr(buf, "\nUmask:");
	if (s)
		rump_syscall_fn(SYS_umask, strtol(s + 7, NULL, 8), 0, 0, 0, 0, 0);
}

/* Finds the functions, and boots; -errno, after a line on stderr. */
static int start(void)
{
	int (*init)(void), (*on_signals)(void);
	void *lib = open_kernel();
	int err;

	if (!lib)
		return cannot_load(dlerror());
	rump_syscall_fn = (syscall_fn *)dlsym(lib, "rump_syscall");
	init = (int (*)(void))dlsym(lib, "rump_init");
	owns_fd_fn = (int (*)(int))dlsym(lib, "rumpuser_owns_fd");
	shutdown_fn = (int (*)(void))dlsym(lib, "rump_pub_shutdown");
	keeper_fn = (int (*)(struct rump_keeper *))dlsym(lib, "rump_pub_keeper");
	joined_fn = (void (*)(struct rump_keeper *))dlsym(lib, "rump_pub_keeper_joined");
	on_signals = (int (*)(void))dlsym(lib, "rump_pub_shutdown_on_signals");
	ending = dlsym(lib, "rumpuser_ending");
	signal_door_fn = (void (*)(void))dlsym(lib, "rump_pub_signal_door");
	interrupt_end_fn = (void (*)(void))dlsym(lib, "rump_pub_interrupt_end");
	interrupt_fn = (void (*)(void))dlsym(lib, "rump_pub_interrupt");
	sigaction_fn = (int (*)(int, const void *, void *))dlsym(lib, "rumpuser_sigaction");
	if (!rump_syscall_fn || !init || !on_signals || !ending || !signal_door_fn ||
	    !interrupt_fn || !interrupt_end_fn || !sigaction_fn)
		return cannot_load("it is another version");
	err = init();
	if (err)
		return err;
	if (client_door)
		signal_door_fn();
	if (client_signal)	/* since it began */
		interrupt_fn();
	take_umask();
	err = on_signals();
	if (err)
		client_warn("signals cannot end the rump kernel: %s", strerror(-err));
	return err;
}

void embedded_none(void)
{
	if (no_kernel_fn)
		no_kernel_fn();
}

static int load(void)
{
	int none = NONE, err;

	if (atomic_compare_exchange_strong(&state, &none, LOADING)) {
		atomic_store(&loader, host(SYS_gettid, 0));
		err = start();
		atomic_store(&state, err ? FAILED : LOADED);
		if (err)
			embedded_none();
		return err;
	}
	while (atomic_load(&state) == LOADING) {
		if (atomic_load(&loader) == host(SYS_gettid, 0))
			return -ENOSYS;		/* from within its own start */
		host(SYS_sched_yield, 0);
	}
	return atomic_load(&state) == LOADED ? 0 : -ENOSYS;
}

void embedded_on_no_kernel(void (*fn)(void))
{
	no_kernel_fn = fn;
}

int embedded_check(void)
{
	static const char *const words[] = {
		"RUMP_MOUNT", "RUMP_IF", "RUMP_MEMLIMIT", "RUMP_NCPU", "RUMP_VERBOSE"
	};
	unsigned int i;
	int (*check)(void);
	void *lib;

	for (i = 0; i < sizeof(words) / sizeof(words[0]) && !getenv(words[i]); i++)
		;
	if (i == sizeof(words) / sizeof(words[0]))
		return 0;
	lib = open_kernel();
	if (!lib)
		return cannot_load(dlerror());
	check = (int (*)(void))dlsym(lib, "rump_pub_check");
	return check ? check() : cannot_load("it is another version");
}

/* The process is about to end, by another thread: the program need not know why. */
static void __attribute__((noreturn)) wait_for_end(void)
{
	for (;;)
		host(SYS_pause, 0);
}

long embedded_syscall(long nr, const long args[6])
{
	int s = atomic_load_explicit(&state, memory_order_acquire);
	long ret;
	int err;

	if (s != LOADED) {
		/* A vfork child's end would be the end of its threads in the parent's memory. */
		if (s == LEFT_BEHIND || client_is_shared())
			return -ENOTCONN;
		err = load();
		if (err)
			return err;
	}
	ret = rump_syscall_fn(nr, args[0], args[1], args[2], args[3], args[4], args[5]);
	if (__builtin_expect(*ending, 0))
		wait_for_end();
	return ret;
}

void embedded_signal_door(void)
{
	if (atomic_load(&state) == LOADED)
		signal_door_fn();
}

void embedded_interrupt(void)
{
	if (interrupt_fn)
		interrupt_fn();
}

void embedded_interrupt_end(void)
{
	if (interrupt_end_fn)
		interrupt_end_fn();
}

long embedded_sigaction(int sig, const void *act, void *oact)
{
	return sigaction_fn ? sigaction_fn(sig, act, oact) : -ENOENT;
}

int embedded_owns_fd(int fd)
{
	return owns_fd_fn && owns_fd_fn(fd);
}

void embedded_shutdown(void)
{
	if (atomic_load(&state) == LOADED && shutdown_fn)
		shutdown_fn();
	if (ending && *ending)
		wait_for_end();
}

int embedded_up(void)
{
	while (atomic_load(&state) == LOADING && atomic_load(&loader) != host(SYS_gettid, 0))
		host(SYS_sched_yield, 0);
	return atomic_load(&state) == LOADED;
}

int embedded_keeper(struct rump_keeper *k)
{
	return keeper_fn && joined_fn ? keeper_fn(k) : -ENOSYS;
}

void embedded_joined(struct rump_keeper *k)
{
	joined_fn(k);
}

void embedded_forget(void)
{
	if (atomic_load(&state) != NONE)
		atomic_store(&state, LEFT_BEHIND);
}
