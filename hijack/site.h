/* SPDX-License-Identifier: BSD-2-Clause */
/* site.h - the system call instructions in an executable segment. */
#ifndef HIJACK_SITE_H
#define HIJACK_SITE_H

#include <stddef.h>
#include <stdint.h>

#define SITE_JMP	5		/* bytes that a jump over a site takes */

struct text {
	uint8_t *start, *end;		/* one executable segment */
	const uint8_t *base;		/* where address 0 of its file is */
	const char *name;		/* of its file */
	uint8_t id[20];			/* its build-id */
	unsigned int idlen;		/* 0: it has none */
};

enum site_form {
	SITE_UNKNOWN,			/* none that can be redirected */
	SITE_LEAVE,			/* cannot concern the rump kernel */
	SITE_BEFORE,			/* the jump replaces nlead bytes that end before the instruction */
	SITE_OVER,			/* ... the instruction and ntail bytes after it */
};

struct site {
	uint8_t *p;			/* the instruction */
	enum site_form form;
	int nr;				/* the call's number, -1: any */
	size_t nlead, ntail;
};

/* What there is at p, two bytes "syscall" in the text. */
void site_look(const struct text *t, uint8_t *p, struct site *site);
/* All system call instructions: offsets from the text's start; how many, at most max. */
unsigned int site_scan(const struct text *t, uint32_t *offsets, unsigned int max);

/*
 * sitecache.c: what a scan has found, by the text's build-id.  load: how many, all
 * of which are system call instructions; 0: nothing that can be used.
 */
unsigned int sitecache_load(const struct text *t, uint32_t *offsets, unsigned int max);
void sitecache_store(const struct text *t, const uint32_t *offsets, unsigned int n);
#endif
