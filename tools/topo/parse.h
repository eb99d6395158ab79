/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * parse.h - what the two halves of the reader of rump_topo(5) share.
 */
#ifndef TOOLS_TOPO_PARSE_H
#define TOOLS_TOPO_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "file.h"

#define WORDS_MAX	1100	/* in one line */
#define MS_MAX		(3600 * 1000L)

struct parser {
	struct topo *t;
	char *why;
	char *word[WORDS_MAX];	/* of the present line, behind the keyword */
	unsigned int nwords;
	char *command;		/* what is behind the colon, or NULL */
	unsigned int line;
};

/* Says what is wrong; -EINVAL, always. */
int topo_wrong(struct parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* *to becomes a copy of s, instead of what it was; 0 or -ENOMEM. */
int topo_keep(char **to, const char *s);
/* "500ms", "10s" */
int topo_duration(struct parser *p, const char *s, long *ms);
/* "10.0.0.1/24", "fd00::1/64" */
int topo_address_ok(struct parser *p, const char *s);

struct topo_key {
	const char *name;
	unsigned int form;
	size_t offset;		/* in the object: of a char *, or of the int of a flag */
};

/* for a struct topo_kernel, a struct topo_link and a struct topo_step */
extern const struct topo_key topo_kernel_keys[], topo_link_keys[], topo_change_keys[];

/* Is word one of keys, KEY=VALUE or a flag?  1: yes, and it is in *object; 0: no; or -errno. */
int topo_key_value(struct parser *p, const struct topo_key *keys, const char *word,
    void *object);
/* netem(8) makes reordering out of a delay, and jitter is a delay's. */
int topo_netem_ok(struct parser *p, const struct topo_netem *n);

#endif
