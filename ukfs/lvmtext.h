/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lvmtext.h - the text that LVM keeps its metadata in: sections { }, and names with
 * numbers, "strings" or [lists] of them.
 *
 * The parser is pure; it takes any bytes.
 */
#ifndef UKFS_LVMTEXT_H
#define UKFS_LVMTEXT_H

#include <stdbool.h>
#include <stdint.h>

struct lvm_node {
	struct lvm_node *next;		/* in the same section or list */
	struct lvm_node *child;		/* a section's contents, or a name's values */
	bool section;
	const char *text;		/* a name; a value: a number or string as it is written */
};

/* text, which is changed, must live as long as the tree.  NULL: it is no such text, or
 * there is no memory for it. */
struct lvm_node *lvm_parse(char *text);
void lvm_free(struct lvm_node *root);

/* What is called name in a section (NULL: in none); NULL: nothing. */
struct lvm_node *lvm_find(const struct lvm_node *section, const char *name);
/* Its first value: a string, "" if there is none; a number, or missing. */
const char *lvm_string(const struct lvm_node *section, const char *name);
uint64_t lvm_number(const struct lvm_node *section, const char *name, uint64_t missing);
/* A value as a number; false: it is none. */
bool lvm_value(const struct lvm_node *value, uint64_t *n);

#endif
