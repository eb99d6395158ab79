/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mapfile.h - files that programs have mapped shared: what mapfile.c, where the theory of
 * operation is, and mapfile_pages.c share.
 */
#ifndef RUMP_KERNEL_MAPFILE_H
#define RUMP_KERNEL_MAPFILE_H

#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/xarray.h>

/* A part of a file that programs have mapped: pages. */
struct extent {
	struct list_head	list;		/* in ascending order, with gaps between */
	pgoff_t			first, last;
};

struct mapfile {
	struct list_head	list;
	struct rcu_head		rcu;
	refcount_t		ref;
	u64			id;
	int			map;		/* the host's handle */
	struct address_space	*mapping;
	const struct address_space_operations *aops;	/* the file system's own */
	struct mutex		lock;		/* of what follows */
	struct vm_area_struct	*vma;		/* what the file system is told of; vm_file: ours */
	bool			writable;
	bool			stale;		/* a page was taken out */
	bool			dead;		/* is in no list any more */
	pgoff_t			end;		/* pages that the memfd has */
	struct list_head	wanted;
	unsigned int		nwanted;
	struct xarray		pages;		/* struct bound by index; under a lock of its own */
	struct mutex		writing;	/* pages that must not change meanwhile */
};

/* ---- mapfile_pages.c: with m->lock, unless said otherwise ---- */

/*
 * The file system's operations with ours in front, which stay for ever; NULL: no memory.
 * Under a lock of the caller's.
 */
const struct address_space_operations *map_ops(const struct address_space_operations *orig);
/* The file system's own of a mapping that may have ours. */
const struct address_space_operations *map_own_ops(const struct address_space *mapping);
/* Pages that the file has.  Without m->lock. */
pgoff_t map_pages_of(const struct mapfile *m);
/* Brings in [first, last], as far as the file has it.  *next: the first one that is not there. */
int map_populate(struct mapfile *m, pgoff_t first, pgoff_t last, pgoff_t *next);
/* Ends what is the memfd's in [first, ULONG_MAX]. */
void map_unbind_from(struct mapfile *m, pgoff_t first);
/* Whether the file's size, or pages of it, have changed.  Without m->lock. */
bool map_changed(const struct mapfile *m);
/* Does what is due then. */
void map_settle(struct mapfile *m);
/*
 * Notices what was written to in [first, last], and has it written back.  -ENOSPC, -EDQUOT,
 * -EIO: what could not be, which fsync(2) says, too.
 */
int map_scan(struct mapfile *m, pgoff_t first, pgoff_t last);

/* ---- mapfile.c ---- */

/* The one of this mapping, with a reference (map_put()); NULL: there is none. */
struct mapfile *map_of(const struct address_space *mapping);
void map_put(struct mapfile *m);

#endif
