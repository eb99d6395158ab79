/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spec.c - the parser of the names of images; spec.h has the grammar.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rump/ukfs.h>

#include "spec.h"

/* The end of a field: the first of the characters in stops that has no backslash. */
static const char *field_end(const char *s, const char *stops)
{
	for (; *s && !strchr(stops, *s); s++)
		if (*s == '\\' && s[1])
			s++;
	return s;
}

/* Copies s up to end without its backslashes, with a NUL; behind what was written. */
static char *unquote(char *out, const char *s, const char *end)
{
	for (; s < end; s++) {
		if (*s == '\\' && s + 1 < end)
			s++;
		*out++ = *s;
	}
	*out++ = '\0';
	return out;
}

static const char *parse_part(struct spec *s, const char *v)
{
	unsigned int n = 0;

	for (; *v >= '0' && *v <= '9' && n <= SPEC_PART_MAX; v++)
		n = n * 10 + (*v - '0');
	s->part = n;
	return *v || n < 1 || n > SPEC_PART_MAX ? "part= wants a number from 1 to 255" : NULL;
}

static const char *parse_with(struct spec *s, char *v)
{
	if (s->nwith == SPEC_WITH_MAX)
		return "with= is there more than 31 times";
	if (!*v)
		return "with= names no image";
	s->with[s->nwith++] = v;
	return NULL;
}

static const char *set(char **to, char *v, const char *wrong)
{
	*to = v;
	return *v ? NULL : wrong;
}

/* A word behind the image's name: raw as it is written, word without its backslashes. */
static const char *parse_word(struct spec *s, char *word, const char *raw, size_t rawlen)
{
	static const char crypt[] = "crypt=", with[] = "with=", type[] = "type=", part[] = "part=",
	    lv[] = "lv=";

	if (!*word)
		return "an option is empty";
	if (!strncmp(word, part, sizeof(part) - 1))
		return parse_part(s, word + sizeof(part) - 1);
	if (!strncmp(word, type, sizeof(type) - 1))
		return set(&s->type, word + sizeof(type) - 1, "type= names no file system");
	if (!strncmp(word, crypt, sizeof(crypt) - 1))
		return set(&s->crypt, word + sizeof(crypt) - 1, "crypt= names no file");
	if (!strncmp(word, lv, sizeof(lv) - 1))
		return set(&s->lv, word + sizeof(lv) - 1, "lv= names no volume");
	if (!strncmp(word, with, sizeof(with) - 1))
		return parse_with(s, word + sizeof(with) - 1);
	if (!strcmp(word, "ro")) {
		s->rdonly = true;
		return NULL;
	}
	strcat(s->options, ",");
	strncat(s->options, raw, rawlen);
	return NULL;
}

static const char *parse(struct spec *s, const char *text, char *out)
{
	const char *end = field_end(text, ",:"), *wrong;
	char *word;

	s->image = out;
	out = unquote(out, text, end);
	if (!*s->image)
		return "the image's name is empty";
	while (*end == ',') {
		text = end + 1;
		end = field_end(text, ",:");
		word = out;
		out = unquote(out, text, end);
		wrong = parse_word(s, word, text, end - text);
		if (wrong)
			return wrong;
	}
	return *end ? "a colon: write \\: where it belongs to a name" : NULL;
}

int spec_parse(struct spec *s, const char *text, char *why, size_t whylen)
{
	size_t len = strlen(text) + 1;
	const char *wrong;
	char *memory = malloc(2 * len + 1);

	if (!memory)
		return -ENOMEM;
	/* The options, then all fields: neither is longer than the text. */
	*s = (struct spec){ .options = memory };
	*memory = '\0';
	wrong = parse(s, text, memory + len);
	if (wrong) {
		snprintf(why, whylen, "%s", wrong);
		spec_free(s);
		return -EINVAL;
	}
	return 0;
}

void spec_free(struct spec *s)
{
	free(s->options);
	*s = (struct spec){ 0 };
}

int ukfs_split(const char *text, char **spec, char **path)
{
	const char *colon = field_end(text, ":");

	if (colon[0] != ':' || colon[1] != '/' || colon == text)
		return 0;
	*spec = strdup(text);
	if (!*spec)
		return -ENOMEM;
	(*spec)[colon - text] = '\0';
	*path = *spec + (colon - text) + 1;
	return 1;
}
