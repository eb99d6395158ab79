/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cp.c - rump cp: files and trees, between images and the host.
 *
 * As cp(1) has it: what goes to a directory that exists gets its own name there.
 * Progress is shown on a terminal.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "image.h"

#define PROGRESS_NS	200000000LL

static int on_terminal, shown;

static long long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void clear_line(void)
{
	if (shown)
		fputs("\r\033[K", stderr);
	shown = 0;
}

static int progress(void *arg, const struct ukfs_progress *p)
{
	static long long last;
	struct winsize ws = { .ws_col = 80 };
	size_t room, len;
	int n;

	(void)arg;
	if (image_stop())
		return 1;
	if (!on_terminal || now() - last < PROGRESS_NS)
		return 0;
	last = now();
	ioctl(2, TIOCGWINSZ, &ws);
	clear_line();
	n = fprintf(stderr, "%llu files, %llu MB  ", p->files, p->bytes >> 20);
	room = ws.ws_col > n + 1 ? ws.ws_col - n - 1 : 0;
	len = strlen(p->name);
	fputs(p->name + (len > room ? len - room : 0), stderr);
	shown = 1;
	return 0;
}

static void say(void *arg, const char *line)
{
	(void)arg;
	clear_line();
	fprintf(stderr, "rump: %s\n", line);
}

static int is_dir(const struct ukfs_place *p)
{
	struct stat st;
	int r = p->fs ? ukfs_stat(p->fs, p->path, &st) : stat(p->path, &st);

	return !r && S_ISDIR(st.st_mode);
}

/* The last component of path, to be freed; "" if it has none that is a name. */
static char *last_name(const char *path)
{
	size_t len = strlen(path), start;
	char *name;

	while (len && path[len - 1] == '/')
		len--;
	for (start = len; start && path[start - 1] != '/'; start--)
		;
	name = strndup(path + start, len - start);
	if (!name)
		die(1, "out of memory");
	if (!strcmp(name, ".") || !strcmp(name, ".."))
		*name = '\0';
	return name;
}

static void copy(const struct ukfs_place *from, const struct ukfs_place *to, int into,
    const struct ukfs_copy *how)
{
	char *name = last_name(from->path), *path = NULL;
	struct ukfs_place target = *to;

	if (into && *name) {
		if (asprintf(&path, "%s/%s", to->path, name) < 0)
			die(1, "out of memory");
		target.path = path;
	}
	if (ukfs_copy(from, &target, how))
		*(int *)how->arg = 1;
	clear_line();
	free(path);
	free(name);
}

int image_cp(int argc, char **argv)
{
	int failed = 0, into, c, i;
	struct ukfs_copy how = { .arg = &failed, .progress = progress, .say = say };
	struct ukfs_place from, to;

	opterr = 0;
	while ((c = getopt(argc, argv, "+raR")) >= 0) {
		if (c == '?')
			die(1, "cp: -%c: not an option; known are -r and -a, which say the same", optopt);
		how.recursive = 1;
	}
	if (argc - optind < 2)
		die(1, "cp: %s", optind == argc ? "SOURCE... DESTINATION are wanted" :
		    "the DESTINATION is missing");
	on_terminal = isatty(2);
	/* First: it is written. */
	to = image_place(argv[argc - 1], 0, 1);
	if (!to.path)
		return 1;
	into = is_dir(&to);
	if (!into && argc - optind > 2) {
		image_fail("cp: %s: is not a directory, and there are several sources", argv[argc - 1]);
		return 1;
	}
	for (i = optind; i < argc - 1 && !image_stop(); i++) {
		from = image_place(argv[i], UKFS_RDONLY, 1);
		if (from.path)
			copy(&from, &to, into, &how);
	}
	return failed;
}
