/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ls.c - rump ls: what is in a directory, one name a line, sorted.  Owners are
 * numbers: their names are in the image's own files, if anywhere.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "image.h"

static struct {
	int all, details, itself, recursive;
} opt;

struct entries {
	struct entry {
		char *name;
		struct stat st;
	} *e;
	size_t n;
};

static int add_name(void *arg, const char *name)
{
	struct entries *es = arg;

	if (name[0] == '.' && !opt.all)
		return 0;
	/* By powers of two. */
	if (!(es->n & (es->n - 1)))
		es->e = reallocarray(es->e, es->n ? 2 * es->n : 1, sizeof(*es->e));
	if (!es->e)
		die(1, "out of memory");
	es->e[es->n].name = strdup(name);
	if (!es->e[es->n].name)
		die(1, "out of memory");
	es->n++;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static void mode_text(mode_t m, char text[11])
{
	static const char rwx[] = "rwxrwxrwx";
	int i;

	text[0] = S_ISDIR(m) ? 'd' : S_ISLNK(m) ? 'l' : S_ISCHR(m) ? 'c' : S_ISBLK(m) ? 'b' :
	    S_ISFIFO(m) ? 'p' : S_ISSOCK(m) ? 's' : '-';
	for (i = 0; i < 9; i++)
		text[1 + i] = m & 0400 >> i ? rwx[i] : '-';
	if (m & S_ISUID)
		text[3] = m & S_IXUSR ? 's' : 'S';
	if (m & S_ISGID)
		text[6] = m & S_IXGRP ? 's' : 'S';
	if (m & S_ISVTX)
		text[9] = m & S_IXOTH ? 't' : 'T';
	text[10] = '\0';
}

static char *join(const char *dir, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", strcmp(dir, "/") ? dir : "", name) < 0)
		die(1, "out of memory");
	return path;
}

static void print_details(const struct stat *st)
{
	char mode[11], when[32], size[32];
	struct tm tm;

	mode_text(st->st_mode, mode);
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		snprintf(size, sizeof(size), "%u, %u", major(st->st_rdev), minor(st->st_rdev));
	else
		snprintf(size, sizeof(size), "%lld", (long long)st->st_size);
	if (!localtime_r(&st->st_mtime, &tm) || !strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm))
		strcpy(when, "?");
	printf("%s %3lu %5u %5u %10s %s ", mode, (unsigned long)st->st_nlink, st->st_uid, st->st_gid,
	    size, when);
}

static void print_entry(struct ukfs *fs, const char *path, const char *name, const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t n = -1;

	if (opt.details) {
		print_details(st);
		if (S_ISLNK(st->st_mode))
			n = ukfs_readlink(fs, path, target, sizeof(target));
	}
	fputs(name, stdout);
	if (n >= 0)
		printf(" -> %.*s", (int)n, target);
	putchar('\n');
}

static void list_dir(struct ukfs *fs, const char *path)
{
	struct entries es = { 0 };
	size_t i;
	char *p;
	int r;

	r = ukfs_list(fs, path, add_name, &es);
	if (r)
		image_fail("%s: %s", path, strerror(-r));
	if (es.n)
		qsort(es.e, es.n, sizeof(*es.e), by_name);
	for (i = 0; i < es.n && !image_stop(); i++) {
		p = join(path, es.e[i].name);
		es.e[i].st.st_mode = 0;
		r = opt.details || opt.recursive ? ukfs_lstat(fs, p, &es.e[i].st) : 0;
		if (r)
			image_fail("%s: %s", p, strerror(-r));
		else
			print_entry(fs, p, es.e[i].name, &es.e[i].st);
		free(p);
	}
	for (i = 0; i < es.n; i++) {
		if (opt.recursive && S_ISDIR(es.e[i].st.st_mode) && !image_stop()) {
			p = join(path, es.e[i].name);
			printf("\n%s:\n", p);
			list_dir(fs, p);
			free(p);
		}
		free(es.e[i].name);
	}
	free(es.e);
}

static void list(const struct ukfs_place *p, const char *arg, int headings)
{
	struct stat st;
	int r;

	r = opt.itself || opt.details ? ukfs_lstat(p->fs, p->path, &st) : ukfs_stat(p->fs, p->path, &st);
	/* A link with a slash behind it is the directory. */
	if (!r && S_ISLNK(st.st_mode) && p->path[strlen(p->path) - 1] == '/')
		r = ukfs_stat(p->fs, p->path, &st);
	if (r) {
		image_fail("%s: %s", arg, strerror(-r));
	} else if (S_ISDIR(st.st_mode) && !opt.itself) {
		if (headings || opt.recursive)
			printf("%s:\n", arg);
		list_dir(p->fs, p->path);
	} else {
		print_entry(p->fs, p->path, p->path, &st);
	}
}

int image_ls(int argc, char **argv)
{
	struct ukfs_place p;
	int c, i;

	opterr = 0;
	while ((c = getopt(argc, argv, "+aAld1R")) >= 0) {
		switch (c) {
		case 'a':
		case 'A':
			opt.all = 1;
			break;
		case 'l':
			opt.details = 1;
			break;
		case 'd':
			opt.itself = 1;
			break;
		case 'R':
			opt.recursive = 1;
			break;
		case '1':
			break;
		default:
			die(1, "ls: -%c: not an option; known are -a, -l, -d, -R and -1", optopt);
		}
	}
	if (optind == argc)
		die(1, "ls: IMAGE:/PATH is wanted");
	for (i = optind; i < argc && !image_stop(); i++) {
		if (i > optind && argc - optind > 1)
			putchar('\n');
		p = image_place(argv[i], UKFS_RDONLY, 0);
		if (p.fs)
			list(&p, argv[i], argc - optind > 1);
	}
	return 0;
}
