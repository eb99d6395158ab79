/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lvmtext.c - the parser of LVM's metadata; lvmtext.h has what it reads.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lvmtext.h"

#define DEPTH_MAX	16

struct parse {
	char *s;		/* where it goes on */
	char at;		/* the character there, if a NUL was written over it */
};

static char peek(struct parse *p)
{
	if (!p->at)
		p->at = *p->s;
	return p->at;
}

static void advance(struct parse *p)
{
	p->s++;
	p->at = '\0';
}

/* Over blanks and comments, to a character that means something; NUL: the end. */
static char next(struct parse *p)
{
	while (isspace((unsigned char)peek(p)) || peek(p) == '#') {
		if (peek(p) == '#')
			while (peek(p) && peek(p) != '\n')
				advance(p);
		else
			advance(p);
	}
	return peek(p);
}

/* The text from here to what p stands on now, ended by a NUL. */
static const char *end_text(struct parse *p, char *start)
{
	peek(p);
	*p->s = '\0';
	return start;
}

static const char *word(struct parse *p)
{
	char *start = p->s;

	while (isalnum((unsigned char)peek(p)) || (peek(p) && strchr("_-+.", peek(p))))
		advance(p);
	return p->s == start ? NULL : end_text(p, start);
}

static const char *string(struct parse *p)
{
	const char *text;
	char *start, *out;

	advance(p);
	for (start = out = p->s; peek(p) && peek(p) != '"'; advance(p)) {
		if (peek(p) == '\\' && p->s[1])
			advance(p);
		*out++ = peek(p);
	}
	if (!peek(p))
		return NULL;
	text = end_text(p, start);
	*out = '\0';
	advance(p);
	return text;
}

static struct lvm_node *new_node(struct lvm_node ***tail, const char *text)
{
	struct lvm_node *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->text = text;
	**tail = n;
	*tail = &n->next;
	return n;
}

static bool value(struct parse *p, struct lvm_node ***tail)
{
	const char *text = next(p) == '"' ? string(p) : word(p);

	return text && new_node(tail, text);
}

static bool values(struct parse *p, struct lvm_node *name)
{
	struct lvm_node **tail = &name->child;

	if (next(p) != '[')
		return value(p, &tail);
	advance(p);
	while (next(p) != ']') {
		if (!value(p, &tail))
			return false;
		if (next(p) == ',')
			advance(p);
		else if (next(p) != ']')
			return false;
	}
	advance(p);
	return true;
}

/* Up to the brace that ends the section, or the end of the text. */
static bool section(struct parse *p, struct lvm_node *parent, int depth)
{
	struct lvm_node **tail = &parent->child, *n;
	const char *name;
	char c;

	parent->section = true;
	while ((c = next(p)) != '}' && c) {
		name = word(p);
		c = name ? next(p) : '\0';
		if ((c != '=' && c != '{') || !(n = new_node(&tail, name)))
			return false;
		advance(p);
		if (c == '=' ? !values(p, n) : depth == DEPTH_MAX || !section(p, n, depth + 1))
			return false;
	}
	if (!depth)
		return !c;
	advance(p);
	return c == '}';
}

struct lvm_node *lvm_parse(char *text)
{
	struct lvm_node *root = calloc(1, sizeof(*root));
	struct parse p = { .s = text };

	if (!root)
		return NULL;
	root->text = "";
	if (!section(&p, root, 0)) {
		lvm_free(root);
		return NULL;
	}
	return root;
}

void lvm_free(struct lvm_node *n)
{
	struct lvm_node *next;

	for (; n; n = next) {
		next = n->next;
		lvm_free(n->child);
		free(n);
	}
}

struct lvm_node *lvm_find(const struct lvm_node *section, const char *name)
{
	struct lvm_node *n = section && section->section ? section->child : NULL;

	while (n && strcmp(n->text, name))
		n = n->next;
	return n;
}

const char *lvm_string(const struct lvm_node *section, const char *name)
{
	const struct lvm_node *n = lvm_find(section, name);

	return n && !n->section && n->child ? n->child->text : "";
}

bool lvm_value(const struct lvm_node *value, uint64_t *n)
{
	char *end;

	if (!value || !isdigit((unsigned char)value->text[0]))
		return false;
	errno = 0;
	*n = strtoull(value->text, &end, 10);
	return !errno && !*end;
}

uint64_t lvm_number(const struct lvm_node *section, const char *name, uint64_t missing)
{
	const struct lvm_node *n = lvm_find(section, name);
	uint64_t v;

	return n && !n->section && lvm_value(n->child, &v) ? v : missing;
}
