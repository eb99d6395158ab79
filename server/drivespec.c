/* SPDX-License-Identifier: BSD-2-Clause */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivespec.h"

#define SECTOR	512

int drivespec_bytes(const char *s, uint64_t *bytes)
{
	static const char suffixes[] = "kmgt";
	const char *suffix;
	char *end;
	unsigned int shift = 0;
	uint64_t n;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	errno = 0;
	n = strtoull(s, &end, 10);
	if (errno)
		return -EINVAL;
	if (*end) {
		suffix = strchr(suffixes, tolower((unsigned char)*end));
		if (!suffix || end[1])
			return -EINVAL;
		shift = 10 * (suffix - suffixes + 1);
	}
	if (n << shift >> shift != n || n << shift > INT64_MAX)
		return -EINVAL;
	*bytes = n << shift;
	return 0;
}

static int __attribute__((format(printf, 2, 3))) wrong(char *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, DRIVESPEC_WHY, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

enum { KEY, HOSTPATH, SIZE, OFFSET, RO, NWORDS };

static const char *const words[NWORDS] = { "key=", "hostpath=", "size=", "offset=", "ro" };

static int parse_key(const char *v, struct drivespec *d, char *why)
{
	const char *name = v + strlen("/dev/");

	if (strncmp(v, "/dev/", strlen("/dev/")) || !*name || strchr(name, '/') ||
	    name[0] == '.')
		return wrong(why, "key=%.80s: a device is called /dev/NAME", v);
	/* The kernel's limit for a disk's name is 31, and partitions add to it. */
	if (strlen(name) > 24)
		return wrong(why, "key=%.80s: the name is longer than 24 characters", v);
	strcpy(d->key, v);
	return 0;
}

static const char not_sectors[] = "%s=%.80s: not a multiple of 512";

static int parse_word(int word, const char *v, struct drivespec *d, char *why)
{
	switch (word) {
	case KEY:
		return parse_key(v, d, why);
	case HOSTPATH:
		if (!*v)
			return wrong(why, "hostpath= has no value");
		if (strlen(v) >= sizeof(d->hostpath))
			return wrong(why, "hostpath=%.60s...: longer than a path can be", v);
		strcpy(d->hostpath, v);
		return 0;
	case SIZE:
		d->size = 0;
		if (strcmp(v, "host") == 0)
			return 0;
		if (drivespec_bytes(v, &d->size) || d->size == 0)
			return wrong(why, "size=%.80s: neither \"host\" nor a number of bytes", v);
		return d->size % SECTOR ? wrong(why, not_sectors, "size", v) : 0;
	case OFFSET:
		if (drivespec_bytes(v, &d->offset))
			return wrong(why, "offset=%.80s: not a number of bytes", v);
		return d->offset % SECTOR ? wrong(why, not_sectors, "offset", v) : 0;
	}
	d->ro = 1;
	return 0;
}

int drivespec_parse(const char *spec, struct drivespec *d, char *why)
{
	unsigned int seen = 0;
	char *copy, *rest, *w;
	size_t len;
	int i, err = 0;

	memset(d, 0, sizeof(*d));
	copy = rest = strdup(spec);
	if (!copy)
		return wrong(why, "out of memory");
	while (!err && (w = strsep(&rest, ","))) {
		for (i = 0; i < NWORDS; i++) {
			len = strlen(words[i]);
			if (i == RO ? strcmp(w, words[i]) == 0 : strncmp(w, words[i], len) == 0)
				break;
		}
		if (i == NWORDS)
			err = wrong(why, "\"%.80s\" is none of key=, hostpath=, size=, offset= and ro",
			    w);
		else if (seen & 1U << i)
			err = wrong(why, "%s is given twice", words[i]);
		else
			err = parse_word(i, w + strlen(words[i]), d, why);
		seen |= 1U << i;
	}
	free(copy);
	for (i = KEY; !err && i <= SIZE; i++)
		if (!(seen & 1U << i))
			err = wrong(why, "%s is missing", words[i]);
	return err;
}
