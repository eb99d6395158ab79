/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * init.c - the library's start.
 *
 * At the constructor, or before it when another library's constructor makes a
 * call first.  A program with more rights than its user (AT_SECURE) is left
 * alone.  What is wrong in the environment ends the process before main(): to
 * go on without the rump kernel would send its traffic to the host.  What is seen only
 * when an embedded kernel boots ends it then.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "links.h"
#include "wrap.h"

int hijack_state;
int hijack_patched;
int hijack_verbose;

static void line(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));
static void line(const char *fmt, va_list ap)
{
	char buf[1024];
	int n, m;

	hijack_enter();
	n = snprintf(buf, sizeof(buf), "librumphijack: ");
	m = vsnprintf(buf + n, sizeof(buf) - n - 1, fmt, ap);
	n += m < (int)sizeof(buf) - n - 2 ? m : (int)sizeof(buf) - n - 2;
	buf[n++] = '\n';
	host(SYS_write, 2, buf, n);
	hijack_leave();
}

void hijack_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(fmt, ap);
	va_end(ap);
}

void hijack_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(fmt, ap);
	va_end(ap);
	for (;;)
		host(SYS_exit_group, 1);
}

static void read_scope(void)
{
	static char store[2 * PATH_BUF];
	const char *words = getenv("RUMPHIJACK");
	char err[512];

	if (!words)
		words = SCOPE_DEFAULT;
	if (scope_parse(words, &scope, store, sizeof(store), err, sizeof(err)) < 0)
		hijack_die("%s", err);
	words = getenv("RUMPHIJACK_VERBOSE");
	if (words && *words)
		hijack_verbose = words[0] >= '0' && words[0] <= '9' ? atoi(words) : 1;
}

/* What is done when the server is gone: RUMPHIJACK_RETRYCONNECT. */
static void read_retry(void)
{
	const char *word = getenv("RUMPHIJACK_RETRYCONNECT");
	int64_t seconds;
	char *end;

	if (!word || !*word)
		return;
	errno = 0;
	seconds = strtol(word, &end, 10);
	if (strcmp(word, "inftime") == 0)
		seconds = RUMPCLIENT_RETRYCONN_INFTIME;
	else if (strcmp(word, "once") == 0)
		seconds = RUMPCLIENT_RETRYCONN_ONCE;
	else if (strcmp(word, "die") == 0)
		seconds = RUMPCLIENT_RETRYCONN_DIE;
	else if (errno || *end || seconds < 0)
		seconds = RUMPCLIENT_RETRYCONN_DIE - 1;
	if (rumpclient_setconnretry(seconds) < 0)
		hijack_die("RUMPHIJACK_RETRYCONNECT: \"%s\": inftime, once, die or a number of "
		    "seconds is wanted", word);
}

/* The directory that an exec left the process in. */
static void enter_cwd(void)
{
	const char *dir = getenv("RUMPHIJACK_CWD");
	struct where w;
	long err;

	epoll_exec_init();
	if (getenv("RUMPHIJACK_ROOT") && rumpclient_is_remote() == 1)
		path_root_rump();
	if (!dir)
		return;
	w.side = SIDE_RUMP;
	err = *dir ? path_where(AT_FDCWD, dir, &w) : 0;
	if (*dir && err == 0 && w.side == SIDE_RUMP)
		err = rump(SYS_chdir, (long)w.path);
	/* One that is gone, or closed to us by now: a process of ours is in it still. */
	if (err < 0 && rumpclient_is_remote() != 1)
		hijack_die("RUMPHIJACK_CWD: \"%s\" cannot be entered: %s%s", dir, strerror(-err),
		    rumpclient_is_remote() ? "" : " (a kernel in a process is that process's alone)");
	if (w.side == SIDE_RUMP)
		path_cwd_rump();
}

/* The library below has said why. */
static void no_kernel(void)
{
	host(SYS_exit_group, 1);
}

static void start(void)
{
	static const char *const how[] = {
		[FOUND_HERE] = " (found in memory, without rump_sites)",
		[FOUND_HELPER] = " (found by rump_sites)",
		[FOUND_KEPT] = " (known from the cache)",
	};
	struct patch_stats st;
	int err;

	/* First: a sanitizer may begin inside of any function of libc that we call, and calls ours. */
	wrap_resolve();
	read_scope();
	links_init();
	read_retry();
	rumpclient_on_lost(fdmap_lost);
	rumpclient_on_own_fd(fdmap_set_unknown);
	rumpclient_on_no_kernel(no_kernel);
	proc_init();
	hijack_classify();
	if (rumpclient_init() < 0)
		host(SYS_exit_group, 1);
	err = getenv("RUMPHIJACK_NOPATCH") ? -ECANCELED : patch_libc(&st);
	hijack_patched = err == 0;
	if (hijack_patched)
		wrap_bypass();
	door_init();
	hijack_state = 1;
	if (hijack_verbose) {
		if (err < 0)
			hijack_say("libc was not patched (%s): wrappers only", strerror(-err));
		else
			hijack_say("libc: %d system call sites, %d patched, %d of no interest, "
			    "%d not understood%s", st.sites, st.patched, st.skipped, st.unknown,
			    how[st.found]);
	}
}

void hijack_init(void)
{
	static int early;

	if (hijack_state || hijack_depth)
		return;
	/* A sanitizer in the program begins before libc does: nothing is known yet of how
	 * the program was started, and its calls are the host's. */
	if (!environ) {
		if (!early)
			wrap_resolve();
		early = 1;
		return;
	}
	if (getauxval(AT_SECURE)) {
		wrap_resolve();
		hijack_state = -1;
		return;
	}
	hijack_enter();
	start();
	hijack_leave();
	enter_cwd();
}

/* Earlier, there may be no malloc() yet, which looking at a kernel's environment needs. */
static void __attribute__((constructor(101))) constructor(void)
{
	hijack_init();
	if (hijack_state <= 0)
		return;
	hijack_enter();
	if (rumpclient_check() < 0)
		no_kernel();
	hijack_leave();
}
