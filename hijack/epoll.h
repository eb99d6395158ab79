/* SPDX-License-Identifier: BSD-2-Clause */
/* epoll.h - what is noted on the fast path, and the rump side of epoll descriptors. */
#ifndef HIJACK_EPOLL_H
#define HIJACK_EPOLL_H

#include <stdint.h>

#include "fdmap.h"

/* Of a host descriptor, by its number. */
#define EPOLL_IS_NEW	1	/* an epoll that was made at this number */
#define EPOLL_IS_INNER	2	/* was given to an epoll */
extern uint8_t epoll_notes[FDMAP_MAX];

/* The host's descriptor fd is given to an epoll of the host. */
static inline void epoll_note_inner(long fd)
{
	if ((unsigned long)fd < FDMAP_MAX && !(epoll_notes[fd] & EPOLL_IS_INNER))
		epoll_notes[fd] |= EPOLL_IS_INNER;
}

/* The rump side of an epoll descriptor and its copies. */
struct rside {
	int refs;		/* 0: free */
	int rfd;		/* R */
	int near;		/* R's placeholder, the library's own descriptor */
	int host_too;		/* there may be host members */
	int inner;		/* is a member of another epoll, for which somebody may wait */
	int forked;		/* other processes may wait for it */
	int sleepers;		/* threads that wait for the host's E */
	int inside;		/* threads that wait for R */
	int kick;		/* rump descriptor + 1 that makes those come back, 0: none */
	int turn;		/* which kernel is asked first when room is short */
	int busy;		/* R had events the last time: it is likely to have some now */
	int host_last;		/* the last wait ended by events of the host alone */
	/* epolllost.c */
	int lost;		/* the kernel of R is gone */
	int told;		/* the program knows it of members below */
	int top;		/* above the highest that ever was a member */
	struct epoll_member *members;	/* by rump descriptor; kept for R's successors */
};

/* The data of R's placeholder in E, and of kick in R: no program's. */
#define EPOLL_SIDES	4096
extern struct rside epoll_sides[EPOLL_SIDES];
#define EPOLL_MARK	((uint64_t)(uintptr_t)epoll_sides)

/* NULL: fd is no epoll descriptor with a rump side. */
struct rside *epoll_side_of(long fd);
/* R has its first member of the host: threads that wait for R alone shall return. */
void epoll_kick(struct rside *r);

/* R is made: it has no members.  0 or -errno. */
long epoll_members(struct rside *r);
/* A change of R, of its member rfd, has succeeded. */
struct epoll_event;
void epoll_note_member(struct rside *r, int op, int rfd, const struct epoll_event *ev);
/* Rump descriptor rfd is closed. */
void epoll_note_closed(int rfd);
/* R is lost, and its placeholder goes out of E, which is fd. */
void epoll_silence(struct rside *r, int fd);
/* Events for members of a lost R, of each once; how many. */
int epoll_tell(struct rside *r, int fd, struct epoll_event *ev, int max);
/* Forgets which copies are members. */
void epoll_drop_copies(const struct rside *r);
#endif
