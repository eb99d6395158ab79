/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * links.c - a hash table of files by their inodes' numbers.
 */
#include <stdlib.h>
#include <string.h>

#include "links.h"

#define BUCKETS	4096

struct links {
	struct link {
		struct link *next;
		dev_t dev;
		ino_t ino;
		char name[];
	} *buckets[BUCKETS];
};

static unsigned int bucket_of(const struct stat *st)
{
	return (st->st_ino ^ st->st_ino >> 12) % BUCKETS;
}

struct links *links_new(void)
{
	return calloc(1, sizeof(struct links));
}

void links_free(struct links *links)
{
	struct link *l;
	int i;

	for (i = 0; links && i < BUCKETS; i++)
		while ((l = links->buckets[i])) {
			links->buckets[i] = l->next;
			free(l);
		}
	free(links);
}

const char *links_find(const struct links *links, const struct stat *st)
{
	const struct link *l;

	for (l = links->buckets[bucket_of(st)]; l; l = l->next)
		if (l->ino == st->st_ino && l->dev == st->st_dev)
			return l->name;
	return NULL;
}

void links_add(struct links *links, const struct stat *st, const char *name)
{
	struct link *l = malloc(sizeof(*l) + strlen(name) + 1), **bucket;

	if (!l)
		return;
	bucket = &links->buckets[bucket_of(st)];
	l->dev = st->st_dev;
	l->ino = st->st_ino;
	strcpy(l->name, name);
	l->next = *bucket;
	*bucket = l;
}
