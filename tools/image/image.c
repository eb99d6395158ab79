/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * image.c - rump_image: the sub-commands of rump that work on images, with the kernel
 * in this process.  Each is a front of libukfs.
 *
 * Images are released when a command is done, also when SIGINT, SIGTERM or SIGHUP
 * ends it: then they are clean.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rump/rump.h>

#include "image.h"

#define IMAGES_MAX	64

static const struct command {
	const char *name;
	int (*fn)(int argc, char **argv);
} commands[] = {
	{ "ls", image_ls },
	{ "cat", image_cat },
	{ "cp", image_cp },
	{ "sh", image_sh },
};

static struct {
	const char *spec;
	struct ukfs *fs;
	int flags;
} images[IMAGES_MAX];
static unsigned int nimages;

static int status;
static volatile sig_atomic_t stop;

int image_stop(void)
{
	return stop;
}

void image_fail(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "rump: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	status = 1;
}

struct ukfs *image_open(const char *spec, int flags)
{
	struct ukfs *fs;
	unsigned int i;

	for (i = 0; i < nimages; i++)
		if (!strcmp(images[i].spec, spec))
			return images[i].fs;
	if (nimages == IMAGES_MAX) {
		image_fail("%s: more than %d images", spec, IMAGES_MAX);
		return NULL;
	}
	if (ukfs_mount(spec, flags, &fs)) {
		status = 1;
		return NULL;
	}
	images[nimages].spec = spec;
	images[nimages].flags = flags;
	images[nimages++].fs = fs;
	return fs;
}

/* Newest first.  An image that was only read has nothing to lose. */
static void release_all(void)
{
	int r, i;

	while (nimages) {
		nimages--;
		if (images[nimages].flags & UKFS_RDONLY)
			continue;
		/* A program that has just ended may still be about to give a file up. */
		for (i = 0; (r = ukfs_release(images[nimages].fs)) == -EBUSY && i < 100; i++)
			usleep(10000);
		if (!r)
			continue;
		image_fail("%s: not unmounted: %s", images[nimages].spec, strerror(-r));
		/* What is written to it is not lost. */
		rump_pub_shutdown();
		return;
	}
}

struct ukfs_place image_place(const char *arg, int flags, int host_too)
{
	struct ukfs_place p = { .path = arg };
	char *spec, *path;
	int r;

	r = ukfs_split(arg, &spec, &path);
	if (r < 0)
		die(1, "out of memory");
	if (r == 0 && host_too)
		return p;
	if (r == 0) {
		image_fail("\"%s\": IMAGE:/PATH is wanted", arg);
		p.path = NULL;
		return p;
	}
	p.path = path;
	p.fs = image_open(spec, flags);
	if (!p.fs)
		p.path = NULL;
	return p;
}

static void on_signal(int sig)
{
	stop = sig;
}

static void catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = on_signal }, old;
	unsigned int i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (!sigaction(signals[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(signals[i], &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
	const struct command *c = commands;
	int r;

	while (c < commands + sizeof(commands) / sizeof(commands[0]) &&
	    (argc < 1 || strcmp(argv[0], c->name)))
		c++;
	if (c == commands + sizeof(commands) / sizeof(commands[0]))
		die(1, "rump_image is for rump ls, cat, cp and sh: call these");
	/* Enough for most; the kernel that is to be quick has little to set up. */
	setenv("RUMP_MEMLIMIT", "64m", 0);
	unsetenv("RUMP_MOUNT");
	catch_signals();
	r = c->fn(argc, argv);
	release_all();
	if (fflush(stdout) || ferror(stdout))
		image_fail("writing: %s", strerror(errno));
	if (stop) {
		signal(stop, SIG_DFL);
		raise(stop);
	}
	/* The kernel's threads are still there: no destructors under them. */
	_exit(r ? r : status);
}
