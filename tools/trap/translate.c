/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * translate.c - whose is a call, and how does the rump kernel get it?
 *
 * The table of <rump/syscalls.def> says which arguments are descriptors and names.  Where they
 * are the rump kernel's, they are translated.  Names are read once: the rump kernel finds our
 * copy at an address where no program has memory.  If a name of the host has to be another than
 * the target's, the call is one that the target is made to make (inject.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trap.h"

struct object *object_at(const struct call *c, long fd)
{
	return trap_watched(fd) ? object_get(c->tid, fd) : NULL;
}

void *room_in(struct call *c, size_t n, uint64_t *at)
{
	size_t pos = (c->used + 15) & ~15UL;

	if (n > OWN_SIZE || pos > OWN_SIZE - n)
		return NULL;
	c->used = pos + n;
	*at = OWN_AT + pos;
	return c->own + pos;
}

static void add_used(struct there *t, struct object *o, int fd)
{
	t->fd[t->n] = fd;
	t->used[t->n++] = o;
}

static void add_fd(const struct call *c, struct there *t, int i)
{
	struct object *o = object_at(c, c->a[i]);

	if (!o) {
		t->host++;
		return;
	}
	t->a[i] = object_rfd(o);
	add_used(t, o, c->a[i]);
}

/* The name that is argument i becomes this text. */
static int replace(struct call *c, struct there *t, int i, const char *text)
{
	size_t n = strlen(text) + 1;

	if (c->used + n > OWN_SIZE)
		return -ENAMETOOLONG;
	memmove(c->own + c->used, text, n);
	t->text[i] = c->own + c->used;
	t->a[i] = OWN_AT + c->used;
	c->used += n;
	return 0;
}

/* The name, in the rump kernel, as argument i: below dirfd there, which is argument i - 1, if dir. */
static int replace_there(struct call *c, struct there *t, int i, int dir, const struct where *w)
{
	char *path;
	int err;

	if (dir)
		t->a[i - 1] = w->dirfd;
	if (dir || w->dirfd == AT_FDCWD || !*w->path)
		return replace(c, t, i, w->path);
	if (asprintf(&path, "/proc/self/fd/%d/%s", w->dirfd, w->path) < 0)
		return -ENOMEM;
	err = replace(c, t, i, path);
	free(path);
	return err;
}

/* 1: the name is that of a descriptor of the rump kernel's, or of the directory that it is in. */
static int is_link(const struct call *c, struct there *t, const char *name, struct where *w)
{
	const char *rest;
	long pid;
	int fd = path_self(name, &pid, &rest), rfd;
	struct object *o = fd < 0 ? NULL : object_at(c, fd);

	rfd = o ? object_rfd(o) : fd == AT_FDCWD ? dir_of(c->tid) : -1;
	if (rfd < 0 || (pid && pid != c->tid) ||
	    snprintf(w->buf, sizeof(w->buf), "/proc/self/fd/%d%s", rfd, rest) >= (int)sizeof(w->buf)) {
		if (o)
			object_put(o);
		return 0;
	}
	w->side = SIDE_RUMP;
	w->dirfd = AT_FDCWD;
	w->path = w->buf;
	if (!*rest)
		t->link = rfd;
	add_used(t, o, fd);
	return 1;
}

/*
 * The name that is argument i, and the descriptor of its directory in front of it, if dir.
 * -errno.
 */
static int add_name(struct call *c, struct there *t, int i, int dir)
{
	int fd = dir ? (int)c->a[i - 1] : AT_FDCWD, rfd = -1, err;
	struct object *o = NULL;
	char name[PATH_BUF];
	struct where w;
	long len;

	len = c->a[i] ? target_string(c, c->a[i], name, sizeof(name)) : -EFAULT;
	if (len == -ENAMETOOLONG)
		return len;
	t->last = 0;
	if (len < 0) {
		/* NULL is the descriptor itself, for some; the rest is the kernel's to refuse. */
		if (dir)
			add_fd(c, t, i - 1);
		else
			t->host++;
		return 0;
	}
	if (!is_link(c, t, name, &w)) {
		if (name[0] != '/' && fd == AT_FDCWD)
			rfd = dir_of(c->tid);
		else if (name[0] != '/' && (o = object_at(c, fd)))
			rfd = object_rfd(o);
		err = name_where(c->tid, fd, rfd, name, &w);
		if (err == 0 && w.side == SIDE_RUMP)
			add_used(t, o, fd);
		else if (o)
			object_put(o);
		if (err < 0)
			return err;
	}
	t->last = w.side == SIDE_RUMP;
	if (t->last)
		return replace_there(c, t, i, dir, &w);
	t->host++;
	if (w.path == name)
		return 0;
	t->moved = 1;
	if (dir)
		t->a[i - 1] = AT_FDCWD;
	return replace(c, t, i, w.path);
}

/* What is of both kernels: no error if it can be. */
static int refuse_mixed(const struct call *c, const struct there *t)
{
	switch (trap_how[c->nr]) {
	case HOW_mount:
		return t->last ? 1 : -EXDEV;	/* what is mounted may be anything */
	case HOW_sendfile:
		return -EINVAL;
	case HOW_splice:
		return c->nr == SYS_copy_file_range ? -EXDEV : -EINVAL;
	}
	return -EXDEV;
}

int translate(struct call *c, struct there *t)
{
	const struct rump_sysrow *row = &trap_rows[c->nr];
	int i, err = 0;

	memset(t, 0, sizeof(*t));
	memcpy(t->a, c->a, sizeof(t->a));
	t->link = -1;
	for (i = 0; i < 6 && err == 0; i++) {
		if (row->a[i].kind == RUMP_A_FD)
			add_fd(c, t, i);
		else if (row->a[i].kind == RUMP_A_PATH)
			err = add_name(c, t, i, 0);
		else if (row->a[i].kind == RUMP_A_DIR)
			err = add_name(c, t, ++i, 1);
	}
	if (err < 0)
		return err;
	return t->n && t->host ? refuse_mixed(c, t) : t->n != 0;
}

void there_put(struct there *t)
{
	while (t->n)
		if (t->used[--t->n])
			object_put(t->used[t->n]);
}

long host_call(struct call *c, const struct there *t)
{
	struct injection in = { .n = 1 };

	if (!t->moved)
		return CALL_CONTINUE;
	in.call[0].nr = c->nr;
	memcpy(in.call[0].a, t->a, sizeof(t->a));
	memcpy(in.text, t->text, sizeof(in.text));
	return inject(c, &in);
}
