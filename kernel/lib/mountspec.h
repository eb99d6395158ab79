/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mountspec.h - mount specifications: SOURCE:DIR[,type=T][,ro][,part=N][,isolate][,OPTION...]
 *
 * The first colon ends SOURCE, the first comma after it DIR, which begins with a
 * slash.  A colon, comma or backslash that belongs to a name has a backslash
 * before it (\:  \,  \\); after any other character, too, a backslash means that
 * character itself.  In a list, specifications are separated by spaces, tabs or
 * newlines, and a space in a name is written "\ ".
 *
 * With type=hostdir, SOURCE is a directory of the host (hostdir.c); else a file or device.
 *
 * OPTIONs are those of mount(8): the general ones (noatime, nosuid, rw, ...)
 * become flags, the rest goes to the file system.
 *
 * The parser is pure: it knows no kernel and no host.
 */
#ifndef RUMPLIB_MOUNTSPEC_H
#define RUMPLIB_MOUNTSPEC_H

#include <stdbool.h>
#include <stddef.h>

#define MOUNTSPEC_PART_MAX	255

struct mountspec {
	char *source;
	char *dir;
	char *type;		/* NULL: to be found out */
	unsigned int part;	/* 0: the whole device */
	bool isolate;		/* I/O to SOURCE is made in a process of its own */
	unsigned long flags;	/* MS_RDONLY etc. */
	char *data;		/* options for the file system, by commas; "" if none */
};

/*
 * Parses text; the strings lie in one piece of memory, which mountspec_free()
 * frees.  -EINVAL: why[] says what is wrong, in words that go behind the quoted
 * specification; -ENOMEM.
 */
int mountspec_parse(struct mountspec *spec, const char *text, char *why, size_t whylen);
void mountspec_free(struct mountspec *spec);

/*
 * The next specification of a list, at *listp, which moves on behind it; its
 * length in *len.  NULL: there is none left.
 */
const char *mountspec_next(const char **listp, size_t *len);

/* Calls fn for each, until one fails: its result, or 0; -ENOMEM. */
int mountspec_each(const char *list, int (*fn)(const char *who, const char *spec),
    const char *who);

#endif
