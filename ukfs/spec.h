/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spec.h - names of images and of what is in them:
 *
 *	IMAGE[,part=N][,type=T][,ro][,crypt=KEYFILE][,lv=NAME][,with=IMAGE]...[,OPTION]...[:/PATH]
 *
 * A backslash takes its meaning from the comma, colon or backslash behind it.  The
 * parser is pure: it knows no kernel and no host.
 */
#ifndef UKFS_SPEC_H
#define UKFS_SPEC_H

#include <stdbool.h>
#include <stddef.h>

#define SPEC_PART_MAX	255
#define SPEC_WITH_MAX	31

struct spec {
	char *image;
	unsigned int part;		/* 0: not said */
	char *type, *crypt, *lv;	/* NULL: not said */
	bool rdonly;
	char *with[SPEC_WITH_MAX];
	unsigned int nwith;
	char *options;			/* ",noatime,..." as in a mount specification, or "" */
};

/*
 * Parses an image's name (without :/PATH).  -EINVAL: why[] says what is wrong, in
 * words that go behind the quoted name; -ENOMEM.  The strings lie in one piece of
 * memory, which spec_free() frees.
 */
int spec_parse(struct spec *s, const char *text, char *why, size_t whylen);
void spec_free(struct spec *s);

#endif
