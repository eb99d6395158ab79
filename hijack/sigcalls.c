/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sigcalls.c - libc's functions that install signal handlers, for where the system call
 * inside them is not seen (door.c).  Else they are only passed through.
 *
 * libc makes the call, so that handlers return by its own restorer; the action that the
 * host has then is the one that is arranged as hijack_sigaction() does it.
 *
 * Limit: siginterrupt(3) and sigvec(3) do not come here; the first works all the same.
 */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>

#include "hijack.h"

#define EXPORT	__attribute__((visibility("default")))

typedef int sigaction_fn(int, const struct sigaction *, struct sigaction *);
typedef void (*handler_fn)(int);

static void *next(const char *name, void **at)
{
	if (!*at)
		*at = dlsym(RTLD_NEXT, name);
	return *at;
}

static int seen_inside(void)
{
	return hijack_patched || hijack_state <= 0 || hijack_depth;
}

static void to_libc(struct sigaction *to, const struct hostsig_action *from)
{
	sigemptyset(&to->sa_mask);
	__builtin_memcpy(&to->sa_mask, &from->mask, sizeof(from->mask));
	to->sa_handler = from->handler;
	to->sa_flags = (int)(from->flags & ~(unsigned long)SA_RESTORER);
	to->sa_restorer = NULL;
}

EXPORT int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	static void *fn;
	sigaction_fn *libc = (sigaction_fn *)next("sigaction", &fn);
	struct hostsig_action was, now;
	int ret;

	if (seen_inside() || sig < 1 || sig > 64)
		return libc(sig, act, old);
	door_sigaction(sig, NULL, &was);
	ret = libc(sig, act, NULL);
	if (ret == 0 && act && hostsig_action(sig, NULL, &now) == 0)
		door_sigaction(sig, &now, NULL);
	if (ret == 0 && old)
		to_libc(old, &was);
	return ret;
}

static handler_fn install(int sig, handler_fn fn, int flags)
{
	struct sigaction act = { .sa_handler = fn, .sa_flags = flags }, old;

	if (fn == SIG_ERR) {
		errno = EINVAL;
		return SIG_ERR;
	}
	if (!(flags & SA_NODEFER))
		sigaddset(&act.sa_mask, sig);
	return sigaction(sig, &act, &old) < 0 ? SIG_ERR : old.sa_handler;
}

typedef handler_fn (*signal_fn)(int, handler_fn);

static handler_fn pass_or_install(void *libc, int sig, handler_fn fn, int flags)
{
	signal_fn through = (signal_fn)libc;

	if (seen_inside())
		fn = through(sig, fn);
	else
		fn = install(sig, fn, flags);
	return fn;
}

#define SIGNAL(name, flags)							\
	EXPORT handler_fn name(int sig, handler_fn fn);				\
	EXPORT handler_fn name(int sig, handler_fn fn)				\
	{									\
		static void *libc;						\
										\
		return pass_or_install(next(#name, &libc), sig, fn, flags);	\
	}
SIGNAL(signal, SA_RESTART)
SIGNAL(ssignal, SA_RESTART)
SIGNAL(bsd_signal, SA_RESTART)
SIGNAL(sysv_signal, SA_RESETHAND | SA_NODEFER)
SIGNAL(__sysv_signal, SA_RESETHAND | SA_NODEFER)
