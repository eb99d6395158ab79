/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hostdir.h - a directory of the host as a FUSE server: hostdir.c takes messages apart,
 * hostdir_ops.c carries them out, hostdir_node.c knows what their numbers mean.
 */
#ifndef HYPERCALL_HOSTDIR_H
#define HYPERCALL_HOSTDIR_H

#include <limits.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <rump/rumpuser.h>

struct jobs;
struct node;
struct handle;

/* A number to a pointer; 0 is no number. */
struct idtab {
	void **slot;
	uint32_t size, free;		/* free: the head of a list through unused slots */
};

#define NAME_BUCKETS	4096

struct hostdir {
	int root;
	bool rdonly;
	bool is_root;			/* may give files away */
	struct jobs *jobs;
	pthread_mutex_t lock;		/* all below */
	struct idtab nodes, handles;
	struct node *names[NAME_BUCKETS];
	uint64_t generation;
};

/* What is left of a message, or of the room for an answer. */
struct stream {
	const struct rumpuser_iovec *iov;
	unsigned int n;
	size_t at;			/* in the first */
};

/* A message on its way. */
struct op {
	struct hostdir *d;
	struct fuse_in_header h;
	struct node *node;		/* h.nodeid's, held */
	struct stream in, out;
	size_t answer;			/* bytes behind the header of the answer */
	char name[2][NAME_MAX + 1];
	char path[PATH_MAX];
};

/* The next n bytes of the message; -EINVAL: there are not so many. */
int op_take(struct op *o, void *buf, size_t n);
/* The next string as the name of a directory's entry, of which it is one. */
int op_take_name(struct op *o, char name[NAME_MAX + 1]);
/* The next string as any text of at most size - 1 bytes. */
int op_take_text(struct op *o, char *buf, size_t size);
/* Adds to the answer; -EIO: no room is left. */
int op_put(struct op *o, const void *buf, size_t n);
/* Bytes that are left of s; and s as host iovecs of at most len bytes, max of them. */
size_t stream_left(const struct stream *s);
struct iovec;
unsigned int stream_iov(const struct stream *s, size_t len, struct iovec *iov, unsigned int max);

/* What a message wants done: 0 or -errno. */
struct op_kind {
	int (*fn)(struct op *o);
	bool writes;			/* not in a directory that can only be read */
	bool nodeless;			/* h.nodeid says nothing */
};
extern const struct op_kind hostdir_ops[];
extern const unsigned int hostdir_nops;

/* ---- hostdir_node.c ------------------------------------------------------------------ */

/* Node 1, the root, with nothing else known. */
int nodes_init(struct hostdir *d);
void nodes_destroy(struct hostdir *d);

/* Holds the node of a number, or NULL. */
struct node *node_get(struct hostdir *d, uint64_t id);
void node_put(struct hostdir *d, struct node *n);
/* The kernel has one more reference to what is at name in parent, and has it described. */
int node_entry(struct hostdir *d, struct node *parent, const char *name, const struct stat *st,
    struct fuse_entry_out *entry);
void node_forget(struct hostdir *d, uint64_t id, uint64_t times);
/* name in parent is gone; has another place, or both have changed places. */
void node_unlinked(struct hostdir *d, struct node *parent, const char *name);
void node_renamed(struct hostdir *d, struct node *from, const char *name, struct node *to,
    const char *newname, bool exchanged);

/*
 * A descriptor of the node that names it but cannot read or write (O_PATH), or an open
 * one; with its status.  To be closed.  -ESTALE: something else is there now.
 */
int node_fd(struct op *o, struct node *n, struct stat *st);
/* The same of a directory, where its entries are to be changed. */
int node_dir(struct op *o, struct node *n);

/* Takes fd over; a number for it.  -ENOMEM: fd is closed. */
int handle_new(struct hostdir *d, struct node *n, int fd, uint64_t *id);
/* A descriptor of it, to be closed; -EBADF: no such handle of node n. */
int handle_fd(struct hostdir *d, struct node *n, uint64_t id);
void handle_release(struct hostdir *d, struct node *n, uint64_t id);

void attr_fill(struct fuse_attr *a, const struct stat *st);

/* ---- what the files of operations share ------------------------------------------------ */

#define TRY(expr)	do { int err_ = (expr); if (err_) return err_; } while (0)

/* Closes a descriptor of ours; a negative one is none. */
void hostdir_close(int fd);
/* A path that leads to what fd is, for calls that take none; in o->path. */
const char *hostdir_link(struct op *o, int fd);

/* hostdir_attr.c */
int op_getattr(struct op *o);
int op_setattr(struct op *o);
int op_readlink(struct op *o);
int op_setxattr(struct op *o);
int op_getxattr(struct op *o);
int op_listxattr(struct op *o);
int op_removexattr(struct op *o);
/* hostdir_file.c */
int op_open(struct op *o);
int op_opendir(struct op *o);
int op_create(struct op *o);
int op_release(struct op *o);
int op_read(struct op *o);
int op_write(struct op *o);
int op_fsync(struct op *o);
int op_fallocate(struct op *o);
int op_lseek(struct op *o);
int op_copy_file_range(struct op *o);
int op_readdir(struct op *o);

#endif
