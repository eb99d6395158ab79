/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mountspec.c - the parser of mount specifications; mountspec.h has the grammar.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "mountspec.h"

static const struct {
	const char *word;
	unsigned long flag;
	bool clear;
} words[] = {
	{ "ro", MS_RDONLY, false },
	{ "rw", MS_RDONLY, true },
	{ "nosuid", MS_NOSUID, false },
	{ "nodev", MS_NODEV, false },
	{ "noexec", MS_NOEXEC, false },
	{ "sync", MS_SYNCHRONOUS, false },
	{ "dirsync", MS_DIRSYNC, false },
	{ "noatime", MS_NOATIME, false },
	{ "nodiratime", MS_NODIRATIME, false },
	{ "relatime", MS_RELATIME, false },
	{ "strictatime", MS_STRICTATIME, false },
};

/*
 * Takes the field at *textp up to one of the characters in stops, or the end;
 * writes it without its backslashes to *outp, with a NUL.  *textp then stands on
 * the stop.  NULL: the text ends in a backslash.
 */
static char *field(const char **textp, char **outp, const char *stops)
{
	const char *s = *textp;
	char *start = *outp, *out = start;

	for (; *s && !strchr(stops, *s); s++) {
		if (*s == '\\' && !*++s)
			return NULL;
		*out++ = *s;
	}
	*out++ = '\0';
	*textp = s;
	*outp = out;
	return start;
}

static bool parse_part(const char *s, unsigned int *part)
{
	unsigned int n = 0;

	for (; *s >= '0' && *s <= '9' && n <= MOUNTSPEC_PART_MAX; s++)
		n = n * 10 + (*s - '0');
	*part = n;
	return !*s && n >= 1 && n <= MOUNTSPEC_PART_MAX;
}

/* Any other word; false: it is one for the file system. */
static bool parse_word(struct mountspec *spec, const char *word)
{
	unsigned int i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(word, words[i].word))
			continue;
		if (words[i].clear)
			spec->flags &= ~words[i].flag;
		else
			spec->flags |= words[i].flag;
		return true;
	}
	return false;
}

/* One option, which is at the end of what was written to memory. */
static const char *parse_option(struct mountspec *spec, char *option)
{
	if (!*option)
		return "an option is empty";
	if (!strncmp(option, "type=", 5)) {
		if (!option[5])
			return "type= names no file system";
		spec->type = option + 5;
	} else if (!strncmp(option, "part=", 5)) {
		if (!parse_part(option + 5, &spec->part))
			return "part= wants a number from 1 to 255";
	} else if (!strcmp(option, "isolate")) {
		spec->isolate = true;
	} else if (!parse_word(spec, option)) {
		if (*spec->data)
			strcat(spec->data, ",");
		strcat(spec->data, option);
	}
	return NULL;
}

static const char *parse(struct mountspec *spec, const char *s, char *out)
{
	static const char dangling[] = "it ends in a backslash";
	const char *wrong;
	char *option;

	spec->source = field(&s, &out, ":");
	if (!spec->source)
		return dangling;
	if (*s != ':')
		return "no colon: SOURCE:DIR[,type=T][,ro][,part=N][,isolate] is wanted";
	if (!*spec->source)
		return "SOURCE is empty";
	s++;
	spec->dir = field(&s, &out, ":,");
	if (!spec->dir)
		return dangling;
	if (*s == ':')
		return "a second colon: write \\: where it belongs to a name";
	if (spec->dir[0] != '/')
		return "DIR does not begin with a slash";
	while (*s == ',') {
		s++;
		option = field(&s, &out, ",");
		if (!option)
			return dangling;
		wrong = parse_option(spec, option);
		if (wrong)
			return wrong;
	}
	return NULL;
}

int mountspec_parse(struct mountspec *spec, const char *text, char *why, size_t whylen)
{
	size_t len = strlen(text) + 1;
	const char *wrong;
	char *memory;

	/* Data, then all fields: neither is longer than the text. */
	memory = malloc(2 * len);
	if (!memory)
		return -ENOMEM;
	*spec = (struct mountspec){ .data = memory };
	*memory = '\0';
	wrong = parse(spec, text, memory + len);
	if (wrong) {
		snprintf(why, whylen, "%s", wrong);
		mountspec_free(spec);
		return -EINVAL;
	}
	return 0;
}

void mountspec_free(struct mountspec *spec)
{
	free(spec->data);
	*spec = (struct mountspec){ 0 };
}

const char *mountspec_next(const char **listp, size_t *len)
{
	static const char blanks[] = " \t\n";
	const char *start = *listp + strspn(*listp, blanks), *s = start;

	for (; *s && !strchr(blanks, *s); s++)
		if (*s == '\\' && s[1])
			s++;
	*listp = s;
	*len = s - start;
	return *len ? start : NULL;
}

int mountspec_each(const char *list, int (*fn)(const char *who, const char *spec),
    const char *who)
{
	const char *spec;
	char *text;
	size_t len;
	int err = 0;

	while (!err && (spec = mountspec_next(&list, &len))) {
		text = strndup(spec, len);
		err = text ? fn(who, text) : -ENOMEM;
		free(text);
	}
	return err;
}
