/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hostdir.c - directories of the host for the rump kernel: a FUSE server.
 *
 * The rump kernel's FUSE keeps the page cache and is told to trust nothing else: names and
 * attributes are asked for at each use and pages are dropped when the file's time or size
 * has changed, so that both kernels see each other's changes at once.
 *
 * Threads of our own serve (jobs.h).  They have descriptors, working directory and umask
 * apart from the program's: nothing that it closes or changes reaches us.
 *
 * Confinement: the one way in is openat2(2) from the directory's own descriptor, beneath it
 * and through no symbolic link; the rump kernel follows links itself, in its own tree.  An
 * entry's name is checked to be one.  What was opened is then used by its descriptor.
 *
 * Owners are the host's numbers, and what this process may not do on the host fails: an
 * ordinary user's files are his own.  Where it is root, new files go to who makes them.
 *
 * Limits: locks of files are the rump kernel's and not seen by the host's programs; paths
 * are at most PATH_MAX long; names of one file are several inodes there, of one number.
 */
#include "hostdir.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "hostcall.h"
#include "internal.h"
#include "jobs.h"

#define SPIN_NS		20000

/* struct rumpuser_dir_req, while it is ours. */
struct request {
	const struct rumpuser_iovec *in, *out;
	unsigned int nin, nout;
	void *cookie;
	struct job job;
};
_Static_assert(sizeof(struct request) <= sizeof(struct rumpuser_dir_req), "priv has room");

/* ---- messages ------------------------------------------------------------------------ */

size_t stream_left(const struct stream *s)
{
	size_t left = 0;
	unsigned int i;

	for (i = 0; i < s->n; i++)
		left += s->iov[i].len;
	return left - s->at;
}

/* Moves n bytes between s and buf, which may be NULL; false: there are not so many. */
static bool move(struct stream *s, char *buf, size_t n, bool to_stream)
{
	size_t part;
	char *base;

	for (; n; n -= part) {
		while (s->n && s->at == s->iov->len) {
			s->iov++;
			s->n--;
			s->at = 0;
		}
		if (!s->n)
			return false;
		base = (char *)s->iov->base + s->at;
		part = s->iov->len - s->at < n ? s->iov->len - s->at : n;
		if (to_stream)
			memcpy(base, buf, part);
		else if (buf)
			memcpy(buf, base, part);
		if (buf)
			buf += part;
		s->at += part;
	}
	return true;
}

unsigned int stream_iov(const struct stream *s, size_t len, struct iovec *iov, unsigned int max)
{
	size_t at = s->at, part;
	unsigned int i, n = 0;

	for (i = 0; i < s->n && n < max && len; i++, at = 0) {
		part = s->iov[i].len - at < len ? s->iov[i].len - at : len;
		if (part)
			iov[n++] = (struct iovec){ (char *)s->iov[i].base + at, part };
		len -= part;
	}
	return n;
}

int op_take(struct op *o, void *buf, size_t n)
{
	return move(&o->in, buf, n, false) ? 0 : -EINVAL;
}

int op_take_text(struct op *o, char *buf, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++) {
		if (!move(&o->in, buf + i, 1, false))
			return -EINVAL;
		if (!buf[i])
			return 0;
	}
	return -ENAMETOOLONG;
}

int op_take_name(struct op *o, char name[NAME_MAX + 1])
{
	int err = op_take_text(o, name, NAME_MAX + 1);

	if (err)
		return err;
	if (!*name || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
		return -EINVAL;
	return 0;
}

int op_put(struct op *o, const void *buf, size_t n)
{
	if (!move(&o->out, (char *)buf, n, true))
		return -EIO;
	o->answer += n;
	return 0;
}

static int carry_out(struct op *o)
{
	const struct op_kind *kind;
	int err;

	if (o->h.opcode >= hostdir_nops || !hostdir_ops[o->h.opcode].fn)
		return -ENOSYS;
	kind = &hostdir_ops[o->h.opcode];
	if (kind->writes && o->d->rdonly)
		return -EROFS;
	if (kind->nodeless)
		return kind->fn(o);
	o->node = node_get(o->d, o->h.nodeid);
	if (!o->node)
		return -ESTALE;
	err = kind->fn(o);
	node_put(o->d, o->node);
	return err;
}

static void serve(struct job *job, void *arg)
{
	struct request *r = (struct request *)((char *)job - offsetof(struct request, job));
	struct op o = { .d = arg, .in = { r->in, r->nin, 0 }, .out = { r->out, r->nout, 0 } };
	struct stream head = o.out;
	struct fuse_out_header out;
	int err = -EINVAL;

	if (op_take(&o, &o.h, sizeof(o.h)) == 0) {
		move(&o.out, NULL, sizeof(out), false);
		err = carry_out(&o);
	}
	out = (struct fuse_out_header){
		.len = sizeof(out) + (err ? 0 : o.answer), .error = err, .unique = o.h.unique,
	};
	move(&head, (char *)&out, sizeof(out), true);
	rumpuser_up->dir_done(r->cookie);
}

void rumpuser_dir_submit(void *handle, struct rumpuser_dir_req *req)
{
	struct request *r = (struct request *)req;
	struct hostdir *d = handle;

	r->job.run = serve;
	jobs_add(d->jobs, &r->job);
}

/* ---- start and stop ---------------------------------------------------------------------- */

/* The first thread takes the directory with it. */
static int enter(void *arg)
{
	struct hostdir *d = arg;
	int fds[2] = { d->root };
	int err;

	err = host(SYS_unshare, CLONE_FS);
	if (err)
		return err;
	host(SYS_umask, 0);
	return hostfd_keep_only(fds, 1);
}

int rumpuser_dir_open(const char *path, uint32_t flags, void **handlep)
{
	struct open_how { uint64_t flags, mode, resolve; } how = { .flags = O_PATH };
	struct hostdir *d = calloc(1, sizeof(*d));
	int fd, err;

	if (!d)
		return -ENOMEM;
	d->rdonly = flags & RUMPUSER_DIR_RDONLY;
	d->is_root = host(SYS_geteuid, 0) == 0;
	err = fd = host(SYS_open, path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd >= 0)
		err = d->root = hostfd_take(fd);
	if (err >= 0) {
		fd = host(SYS_openat2, d->root, ".", &how, sizeof(how));
		err = fd < 0 ? fd : nodes_init(d);
		if (fd >= 0)
			host(SYS_close, fd);
		if (!err) {
			err = jobs_start(&d->jobs, enter, d, SPIN_NS);
			if (err)
				nodes_destroy(d);
		}
		hostfd_release(d->root);
	}
	if (err < 0) {
		free(d);
		return err;
	}
	*handlep = d;
	return 0;
}

/* With the last thread, the descriptors go. */
void rumpuser_dir_close(void *handle)
{
	struct hostdir *d = handle;

	jobs_stop(d->jobs);
	nodes_destroy(d);
	free(d);
}
