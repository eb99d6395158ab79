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
	SITE_OVER,			/* ... those, the instruction and ntail bytes after it */
};

#define SITE_FRONT	32		/* bytes that are looked at before a site, ... */
#define SITE_BACK	16		/* ... and from it on */
#define SITE_BYTES	(SITE_FRONT + SITE_BACK)

struct site {
	uint32_t offset;		/* of the instruction from the text's start */
	uint32_t bytes;			/* a hash of what is around it */
	int16_t nr;			/* the call's number, -1: any */
	uint8_t form;
	uint8_t nlead, ntail;
};

/* A hash of the bytes around offset. */
uint32_t site_bytes(const struct text *t, uint32_t offset);
/* All system call instructions in [from, to) of the text; how many, at most max. */
unsigned int site_scan(const struct text *t, const uint8_t *from, const uint8_t *to,
    struct site *sites, unsigned int max);

#define SITES_MAX	2048		/* in one text; Debian's libc has about 530 */

/* What rump_sites(1) says of a file. */
struct sites_answer {
	uint32_t size, n;		/* of the text, in bytes; of sites */
	struct site sites[SITES_MAX];
};

/* sitehelper.c: has rump_sites(1) look.  How many; 0: it could not, or what it says is wrong. */
unsigned int sitehelper_find(const struct text *t, struct site *sites, unsigned int max);

/*
 * sitecache.c: what a scan has found, by the text's build-id.  load: how many, each
 * with the bytes around it that it had; 0: nothing that can be used.
 */
unsigned int sitecache_load(const struct text *t, struct site *sites, unsigned int max);
/* What was found can be kept: for sitecache_end(), which n == 0 has keep nothing. */
struct sitecache {
	long fd;			/* -errno: it cannot */
	char path[4096], new[4096 + 16];
};
void sitecache_begin(struct sitecache *c, const struct text *t);
void sitecache_end(struct sitecache *c, const struct text *t, const struct site *sites,
    unsigned int n);
/* Whether n sites, from wherever, are the text's, in their order. */
int sites_right(const struct text *t, const struct site *sites, unsigned int n);
#endif
