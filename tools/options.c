/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.c - what is read from the table of sub-commands: options, help, completion.
 *
 * Of what is called wrongly, one line quotes what is wrong; the exit status is 2.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rump.h"

#define OPTIONS_MAX	24
#define LONG_ONLY	256		/* added to the index: an option without a letter */
#define HELP		'h'
#define HELP_COLUMN	24

const struct rump_command *rump_command_find(const char *name)
{
	const struct rump_command *c;

	for (c = rump_commands; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

static int is_end(const struct rump_option *o)
{
	return !o->letter && !o->name;
}

/* ---- help ------------------------------------------------------------------------------ */

static void option_text(const struct rump_option *o, char *text, size_t size)
{
	char letter[3] = { '-', o->letter, '\0' };

	snprintf(text, size, "%s%s%s%s%s%s", o->letter ? letter : "    ", !o->letter || !o->name ? "" : ", ",
	    o->name ? "--" : "", o->name ? o->name : "", o->value ? " " : "", o->value ? o->value : "");
}

void rump_help(const struct rump_command *c, FILE *to)
{
	const struct rump_option *o;
	char text[80];

	fprintf(to, "usage: rump %s%s%s%s\n%s\n", c->name, is_end(c->options) ? "" : " [OPTION]...",
	    *c->operands ? " " : "", c->operands, c->what);
	if (!is_end(c->options))
		fputc('\n', to);
	for (o = c->options; !is_end(o); o++) {
		option_text(o, text, sizeof(text));
		if (strlen(text) > HELP_COLUMN) {	/* a line of its own */
			fprintf(to, "  %s\n", text);
			*text = '\0';
		}
		fprintf(to, "  %-*s %s\n", HELP_COLUMN, text, o->what);
	}
	fprintf(to, "\nexample: %s\n", c->example);
}

/* ---- options ----------------------------------------------------------------------------- */

/* What getopt_long(3) wants to know. */
static void for_getopt(const struct rump_option *options, struct option *longs, char *letters)
{
	unsigned int i;

	*letters++ = '+';
	*letters++ = ':';
	for (i = 0; !is_end(&options[i]); i++) {
		const struct rump_option *o = &options[i];

		if (o->letter) {
			*letters++ = o->letter;
			if (o->value)
				*letters++ = ':';
		}
		if (o->name)
			*longs++ = (struct option){ o->name, o->value ? required_argument : no_argument,
				NULL, LONG_ONLY + i };
	}
	*letters = '\0';
	*longs++ = (struct option){ "help", no_argument, NULL, HELP };
	*longs = (struct option){ 0 };
}

int rump_next_option(int argc, char **argv)
{
	const struct rump_command *cmd = rump_command_find(argv[0]);
	const struct rump_option *o;
	struct option longs[OPTIONS_MAX + 2];
	char letters[2 * OPTIONS_MAX + 3];
	const char *word = argv[optind < argc ? optind : argc - 1];
	char letter[3] = { '-', '\0', '\0' };
	int c;

	for_getopt(cmd->options, longs, letters);
	opterr = 0;
	c = getopt_long(argc, argv, letters, longs, NULL);
	if (c == -1)
		return -1;
	if (c >= LONG_ONLY)
		return c - LONG_ONLY;
	if (c == HELP) {
		rump_help(cmd, stdout);
		exit(0);
	}
	for (o = cmd->options; c != '?' && c != ':' && !is_end(o); o++)
		if (o->letter == c)
			return o - cmd->options;
	if (word[0] == '-' && word[1] != '-' && optopt) {
		letter[1] = optopt;
		word = letter;
	}
	if (c == ':')
		die(EXIT_USAGE, "%s: %s: its value is missing; see rump %s --help", argv[0], word, argv[0]);
	die(EXIT_USAGE, "%s: %s: not an option; see rump %s --help", argv[0], word, argv[0]);
}

void rump_operands(int argc, char **argv, int min, int max)
{
	const char *wanted = rump_command_find(argv[0])->operands;

	if (strncmp(wanted, "[--] ", 5) == 0)
		wanted += 5;
	if (argc - optind < min)
		die(EXIT_USAGE, "%s: %s is wanted; see rump %s --help", argv[0], wanted, argv[0]);
	if (max >= 0 && argc - optind > max)
		die(EXIT_USAGE, "%s: %s: one operand too many; see rump %s --help", argv[0],
		    argv[optind + max], argv[0]);
}

/* ---- completion ---------------------------------------------------------------------------- */

static void offer(const char *word, const char *start)
{
	if (strncmp(word, start, strlen(start)) == 0)
		puts(word);
}

static const char *url_start;

static void offer_server(const struct rump_found *server)
{
	offer(server->url, url_start);
}

/*
 * Words of a kind: "a|b" are themselves; of FILE, DIR and PROGRAM the shell knows more,
 * and is told so by a line "@file", "@program"; anything else cannot be guessed.
 */
static void offer_kind(const char *kind, size_t n, const char *start)
{
	char text[128], *next = text, *word;

	snprintf(text, sizeof(text), "%.*s", (int)n, kind);
	if (strcmp(text, "URL") == 0) {
		url_start = start;
		rump_find_servers(offer_server);
	} else if (strcmp(text, "FILE") == 0 || strcmp(text, "DIR") == 0 || strcmp(text, "SPEC") == 0) {
		puts("@file");
	} else if (strcmp(text, "PROGRAM") == 0) {
		puts("@program");
	} else if (strpbrk(text, "abcdefghijklmnopqrstuvwxyz")) {
		while ((word = strsep(&next, "|")))
			offer(word, start);
	}
}

/* The k'th operand. */
static void offer_operand(const struct rump_command *c, int k, const char *start)
{
	const char *kind = c->kinds;
	size_t n = strcspn(kind, " ");

	for (; k && kind[n]; k--) {
		kind += n + 1;
		n = strcspn(kind, " ");
	}
	offer_kind(kind, n, start);
}

static void offer_options(const struct rump_command *c, const char *start)
{
	const struct rump_option *o;
	char text[40];

	for (o = c->options; !is_end(o); o++) {
		if (o->name)
			snprintf(text, sizeof(text), "--%s", o->name);
		else
			snprintf(text, sizeof(text), "-%c", o->letter);
		offer(text, start);
	}
	offer("--help", start);
}

/* The option that a word is, if its value is the next word. */
static const struct rump_option *wants_value(const struct rump_command *c, const char *word)
{
	const struct rump_option *o;

	for (o = c->options; !is_end(o); o++)
		if (o->value && ((o->name && !strncmp(word, "--", 2) && !strcmp(word + 2, o->name)) ||
		    (word[0] == '-' && word[1] && word[1] == o->letter && !word[2])))
			return o;
	return NULL;
}

int rump_complete(int argc, char **argv)
{
	const struct rump_command *c;
	const struct rump_option *o = NULL;
	const char *last = argv[argc - 1];
	int i, operands = 0, only_operands = 0;

	if (argc == 2) {
		for (c = rump_commands; c->name; c++)
			offer(c->name, last);
		offer("help", last);
		offer("--help", last);
	}
	c = argc > 2 ? rump_command_find(argv[1]) : NULL;
	for (i = 2; c && i < argc - 1; i++) {
		if (o) {
			o = NULL;
		} else if (!only_operands && strcmp(argv[i], "--") == 0) {
			only_operands = 1;
		} else if (!only_operands && argv[i][0] == '-') {
			o = wants_value(c, argv[i]);
		} else {
			operands++;
			only_operands |= strcmp(c->kinds, "PROGRAM") == 0;
		}
	}
	if (c && o)
		offer_kind(o->value, strlen(o->value), last);
	else if (c && last[0] == '-' && !only_operands)
		offer_options(c, last);
	else if (c)
		offer_operand(c, operands, last);
	if (argc == 3 && strcmp(argv[1], "help") == 0)
		for (c = rump_commands; c->name; c++)
			offer(c->name, last);
	return 0;
}
