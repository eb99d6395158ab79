/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hostdir_node.c - the numbers that the rump kernel has for files (nodes) and open files
 * (handles).
 *
 * A node is a name in a node, and remembers which file was there: so a million known files
 * cost no descriptor, and renaming a directory moves all that is below.  If another file
 * has come to be there without our doing, the node is stale and the next lookup makes a new
 * one.  What was unlinked while it is open is reached by one of its handles.
 *
 * Every number comes from outside and is looked up.  A node lives while the kernel, a child,
 * a handle or an operation holds it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "hostcall.h"
#include "hostdir.h"

#ifndef RESOLVE_BENEATH
#define RESOLVE_NO_MAGICLINKS	0x02
#define RESOLVE_NO_SYMLINKS	0x04
#define RESOLVE_BENEATH		0x08
#endif
#define FIRST_SLOTS	64

struct node {
	struct node *next;		/* in d->names */
	struct node *parent;		/* held; NULL: the root */
	char *name;			/* NULL: the root, or no name is left */
	uint32_t id;
	uint64_t generation;
	uint64_t lookups;		/* the kernel's references */
	unsigned int held;
	uint64_t dev, ino;
	struct handle *handles;
};

struct handle {
	struct handle *next;		/* of the node */
	struct node *node;		/* held */
	uint32_t id;
	int fd;
};

/* ---- numbers ------------------------------------------------------------------------------ */

/* Unused slots hold the number of the next one, shifted by one and odd. */
static uint32_t id_new(struct idtab *t, void *p)
{
	uint32_t id, i, size;
	void **slot;

	if (!t->free) {
		size = t->size ? 2 * t->size : FIRST_SLOTS;
		slot = size > t->size ? reallocarray(t->slot, size, sizeof(*slot)) : NULL;
		if (!slot)
			return 0;
		t->slot = slot;
		for (i = size; i-- > t->size && i;) {
			slot[i] = (void *)((uintptr_t)t->free << 1 | 1);
			t->free = i;
		}
		t->size = size;
	}
	id = t->free;
	t->free = (uintptr_t)t->slot[id] >> 1;
	t->slot[id] = p;
	return id;
}

static void *id_find(const struct idtab *t, uint64_t id)
{
	return id && id < t->size && !((uintptr_t)t->slot[id] & 1) ? t->slot[id] : NULL;
}

static void id_free(struct idtab *t, uint32_t id)
{
	t->slot[id] = (void *)((uintptr_t)t->free << 1 | 1);
	t->free = id;
}

/* ---- names: all with the lock held ------------------------------------------------------------ */

static struct node **bucket(struct hostdir *d, const struct node *parent, const char *name)
{
	uint32_t h = parent->id * 2654435761u;

	while (*name)
		h = (h ^ (unsigned char)*name++) * 16777619u;
	return &d->names[h % NAME_BUCKETS];
}

static struct node *find_name(struct hostdir *d, const struct node *parent, const char *name)
{
	struct node *n;

	for (n = *bucket(d, parent, name); n; n = n->next)
		if (n->parent == parent && !strcmp(n->name, name))
			return n;
	return NULL;
}

static void unhold(struct hostdir *d, struct node *n);

static void lose_name(struct hostdir *d, struct node *n)
{
	struct node **np, *parent = n->parent;

	if (!n->name)
		return;
	for (np = bucket(d, parent, n->name); *np != n; np = &(*np)->next)
		;
	*np = n->next;
	free(n->name);
	n->name = NULL;
	n->parent = NULL;
	unhold(d, parent);
}

/* Takes name over. */
static void gain_name(struct hostdir *d, struct node *n, struct node *parent, char *name)
{
	struct node **np = bucket(d, parent, name);

	parent->held++;
	n->parent = parent;
	n->name = name;
	n->next = *np;
	*np = n;
}

static void drop_if_unused(struct hostdir *d, struct node *n)
{
	if (n->held || n->lookups || n->id == FUSE_ROOT_ID)
		return;
	lose_name(d, n);
	id_free(&d->nodes, n->id);
	free(n);
}

static void unhold(struct hostdir *d, struct node *n)
{
	n->held--;
	drop_if_unused(d, n);
}

/* ---- nodes -------------------------------------------------------------------------------------- */

static struct node *new_node(struct hostdir *d)
{
	struct node *n = calloc(1, sizeof(*n));

	if (n)
		n->id = id_new(&d->nodes, n);
	if (n && !n->id) {
		free(n);
		return NULL;
	}
	if (n)
		n->generation = ++d->generation;
	return n;
}

int nodes_init(struct hostdir *d)
{
	pthread_mutex_init(&d->lock, NULL);
	/* Of an empty table, the first number is 1: FUSE_ROOT_ID. */
	return new_node(d) ? 0 : -ENOMEM;
}

void nodes_destroy(struct hostdir *d)
{
	struct handle *h;
	struct node *n;
	uint32_t i;

	for (i = 1; i < d->handles.size; i++) {
		h = id_find(&d->handles, i);
		free(h);
	}
	for (i = 1; i < d->nodes.size; i++) {
		n = id_find(&d->nodes, i);
		if (n)
			free(n->name);
		free(n);
	}
	free(d->nodes.slot);
	free(d->handles.slot);
}

struct node *node_get(struct hostdir *d, uint64_t id)
{
	struct node *n;

	pthread_mutex_lock(&d->lock);
	n = id_find(&d->nodes, id);
	if (n)
		n->held++;
	pthread_mutex_unlock(&d->lock);
	return n;
}

void node_put(struct hostdir *d, struct node *n)
{
	pthread_mutex_lock(&d->lock);
	unhold(d, n);
	pthread_mutex_unlock(&d->lock);
}

void attr_fill(struct fuse_attr *a, const struct stat *st)
{
	unsigned int major = major(st->st_rdev), minor = minor(st->st_rdev);

	*a = (struct fuse_attr){
		.ino = st->st_ino, .size = st->st_size, .blocks = st->st_blocks,
		.atime = st->st_atim.tv_sec, .atimensec = st->st_atim.tv_nsec,
		.mtime = st->st_mtim.tv_sec, .mtimensec = st->st_mtim.tv_nsec,
		.ctime = st->st_ctim.tv_sec, .ctimensec = st->st_ctim.tv_nsec,
		.mode = st->st_mode, .nlink = st->st_nlink, .uid = st->st_uid, .gid = st->st_gid,
		.rdev = (minor & 0xff) | major << 8 | (minor & ~0xffU) << 12,
		.blksize = st->st_blksize,
	};
}

int node_entry(struct hostdir *d, struct node *parent, const char *name, const struct stat *st,
    struct fuse_entry_out *entry)
{
	struct node *n;
	int err = 0;
	char *copy;

	pthread_mutex_lock(&d->lock);
	n = find_name(d, parent, name);
	if (n && (n->dev != st->st_dev || n->ino != st->st_ino)) {
		n->held++;
		lose_name(d, n);
		unhold(d, n);
		n = NULL;
	}
	if (!n) {
		copy = strdup(name);
		n = copy ? new_node(d) : NULL;
		if (n) {
			n->dev = st->st_dev;
			n->ino = st->st_ino;
			gain_name(d, n, parent, copy);
		} else {
			free(copy);
			err = -ENOMEM;
		}
	}
	if (n) {
		n->lookups++;
		*entry = (struct fuse_entry_out){ .nodeid = n->id, .generation = n->generation };
		attr_fill(&entry->attr, st);
	}
	pthread_mutex_unlock(&d->lock);
	return err;
}

void node_forget(struct hostdir *d, uint64_t id, uint64_t times)
{
	struct node *n;

	pthread_mutex_lock(&d->lock);
	n = id_find(&d->nodes, id);
	if (n) {
		n->lookups -= times < n->lookups ? times : n->lookups;
		drop_if_unused(d, n);
	}
	pthread_mutex_unlock(&d->lock);
}

void node_unlinked(struct hostdir *d, struct node *parent, const char *name)
{
	struct node *n;

	pthread_mutex_lock(&d->lock);
	n = find_name(d, parent, name);
	if (n) {
		n->held++;
		lose_name(d, n);
		unhold(d, n);
	}
	pthread_mutex_unlock(&d->lock);
}

void node_renamed(struct hostdir *d, struct node *from, const char *name, struct node *to,
    const char *newname, bool exchanged)
{
	char *copy = strdup(name), *newcopy = strdup(newname);
	struct node *a, *b;

	pthread_mutex_lock(&d->lock);
	a = find_name(d, from, name);
	b = find_name(d, to, newname);
	if (a)
		a->held++;
	if (b && b != a) {
		b->held++;
		lose_name(d, b);
	}
	if (a) {
		lose_name(d, a);
		/* Without memory it has no name: stale, and looked up anew. */
		if (newcopy) {
			gain_name(d, a, to, newcopy);
			newcopy = NULL;
		}
	}
	if (b && b != a && exchanged && copy) {
		gain_name(d, b, from, copy);
		copy = NULL;
	}
	if (b && b != a)
		unhold(d, b);
	if (a)
		unhold(d, a);
	pthread_mutex_unlock(&d->lock);
	free(copy);
	free(newcopy);
}

/* ---- descriptors ------------------------------------------------------------------------------------ */

/* Writes the node's path from the root to the end of buf; *pathp is its start. */
static int path_of(const struct node *n, char buf[PATH_MAX], char **pathp)
{
	char *s = buf + PATH_MAX;
	size_t len;

	*--s = '\0';
	for (; n->id != FUSE_ROOT_ID; n = n->parent) {
		if (!n->name)
			return -ESTALE;
		len = strlen(n->name);
		if ((size_t)(s - buf) < len + 2)
			return -ENAMETOOLONG;
		if (*s)
			*--s = '/';
		s -= len;
		memcpy(s, n->name, len);
	}
	if (!*s)
		*--s = '.';
	*pathp = s;
	return 0;
}

static int open_beneath(const struct hostdir *d, const char *path)
{
	struct { uint64_t flags, mode, resolve; } how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};

	return host(SYS_openat2, d->root, path, &how, sizeof(how));
}

/* Of an open file; the table is ours, and no number in it means anything to others. */
static int again(int fd)
{
	return host(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
}

int node_fd(struct op *o, struct node *n, struct stat *st)
{
	struct hostdir *d = o->d;
	char *path = NULL;
	int fd = -1, err;

	pthread_mutex_lock(&d->lock);
	err = 0;
	if (n->handles)
		fd = again(n->handles->fd);
	else
		err = path_of(n, o->path, &path);
	pthread_mutex_unlock(&d->lock);
	if (err)
		return err;
	if (path)
		fd = open_beneath(d, path);
	if (fd == -ELOOP || fd == -ENOTDIR || fd == -EXDEV)
		return -ESTALE;		/* a link has taken a directory's place */
	if (fd < 0)
		return fd;
	err = host(SYS_fstat, fd, st);
	if (!err && n->id != FUSE_ROOT_ID && (st->st_dev != n->dev || st->st_ino != n->ino))
		err = -ESTALE;
	if (err) {
		host(SYS_close, fd);
		return err;
	}
	return fd;
}

int node_dir(struct op *o, struct node *n)
{
	struct stat st;
	int fd = node_fd(o, n, &st);

	if (fd >= 0 && !S_ISDIR(st.st_mode)) {
		host(SYS_close, fd);
		return -ENOTDIR;
	}
	return fd;
}

/* ---- handles ---------------------------------------------------------------------------------------- */

int handle_new(struct hostdir *d, struct node *n, int fd, uint64_t *id)
{
	struct handle *h = calloc(1, sizeof(*h));

	pthread_mutex_lock(&d->lock);
	if (h)
		h->id = id_new(&d->handles, h);
	if (h && h->id) {
		h->fd = fd;
		h->node = n;
		n->held++;
		h->next = n->handles;
		n->handles = h;
		*id = h->id;
	} else {
		free(h);
		h = NULL;
	}
	pthread_mutex_unlock(&d->lock);
	if (!h)
		host(SYS_close, fd);
	return h ? 0 : -ENOMEM;
}

int handle_fd(struct hostdir *d, struct node *n, uint64_t id)
{
	struct handle *h;
	int fd = -EBADF;

	pthread_mutex_lock(&d->lock);
	h = id_find(&d->handles, id);
	if (h && h->node == n)
		fd = again(h->fd);
	pthread_mutex_unlock(&d->lock);
	return fd;
}

void handle_release(struct hostdir *d, struct node *n, uint64_t id)
{
	struct handle *h, **hp;

	pthread_mutex_lock(&d->lock);
	h = id_find(&d->handles, id);
	if (h && h->node == n) {
		for (hp = &n->handles; *hp != h; hp = &(*hp)->next)
			;
		*hp = h->next;
		id_free(&d->handles, h->id);
		host(SYS_close, h->fd);
		free(h);
		unhold(d, n);
	}
	pthread_mutex_unlock(&d->lock);
}
