/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shmseg.h - a shared-memory Ethernet segment: a file that any number of rump kernels map.
 *
 * It is a switch with SHMSEG_PORTS ports.  A member has a port, with one ring of frames
 * (shmring.h) for each of its queues; who has a frame for it puts it there itself.  A table
 * says behind which port a MAC address was seen last; what it does not know, and
 * multicast, goes to all ports.
 *
 * Who is there is the host's to say: the owner of port i has a lock on byte i of the file
 * (an open-file-description lock), which ends with the process in whatever way that
 * does.  A port whose byte can be locked is free.  Joining and leaving is done under a
 * lock on the header.  The last who leaves removes the file; who is killed leaves it,
 * for the next to use.
 *
 * Nothing in the file is trusted: numbers are masked or checked, and memory that goes away
 * (the file was cut) is replaced by zeroes of our own (fault.h), with the carrier lost.
 */
#ifndef HYPERCALL_SHMSEG_H
#define HYPERCALL_SHMSEG_H

#include "shmring.h"

#define SHMSEG_MAGIC	0x6d6873706d7572ULL	/* "rumpshm" */
#define SHMSEG_VERSION	1
#define SHMSEG_PORTS	256
#define SHMSEG_QUEUES	RUMPUSER_NET_QUEUES
#define SHMSEG_MACS	4096

_Static_assert(SHMSEG_PORTS * SHMSEG_QUEUES <= SHMRING_WAITERS, "each ring may wait");

struct shmseg_header {
	uint64_t magic;
	uint32_t version;
	uint32_t ports, queues, macs, chunk, chunks;	/* all as here */
	_Atomic uint32_t high;		/* ports below were ever used */
};

/* state: what follows; the rest is the generation, which each owner has another one of */
#define SHMSEG_LIVE	0x1u
#define SHMSEG_UP	0x2u		/* wants frames */
#define SHMSEG_GEN_SHIFT 2
struct shmseg_port {
	_Alignas(64) _Atomic uint32_t state;
	_Atomic uint32_t queues;
	struct shmring_ctl ctl[SHMSEG_QUEUES];
};

/* The whole file. */
struct shmseg_map {
	_Alignas(4096) struct shmseg_header header;
	_Alignas(4096) _Atomic uint64_t macs[SHMSEG_MACS];	/* MAC 48, port 8, generation 8 */
	_Alignas(4096) struct shmseg_port ports[SHMSEG_PORTS];
	_Alignas(4096) _Atomic uint64_t slots[SHMSEG_PORTS][SHMSEG_QUEUES][SHMRING_CHUNKS];
	_Alignas(4096) char data[SHMSEG_PORTS][SHMSEG_QUEUES][SHMRING_BYTES];
};

struct shmseg {
	struct shmseg_map *map;
	int fd;
	unsigned int port;		/* ours */
	struct shmring_owner me;
	atomic_uint broken;		/* the memory went away */
	char path[];
};

/* Joins the segment at path, made if it is not there; -errno with why. */
int shmseg_join(const char *path, unsigned int queues, struct shmseg **segp, char *why);
void shmseg_leave(struct shmseg *seg);
void shmseg_up(struct shmseg *seg, bool up);

/* Ring q (masked) of a port. */
struct shmring shmseg_ring(const struct shmseg_map *map, unsigned int port, unsigned int q);

/* Frames may be sent to port: its state, or 0. */
uint32_t shmseg_state(const struct shmseg_map *map, unsigned int port);
/* Whether the owner of a slot still lives; asks the host. */
bool shmseg_alive(const struct shmseg *seg, struct shmring_owner owner);
/* A port that does not take its frames: it is freed if its owner is dead. */
bool shmseg_reap(const struct shmseg *seg, unsigned int port);

/* The switch: which port a MAC address is behind (-1: not known), and that it is. */
int shmseg_lookup(const struct shmseg_map *map, uint64_t mac);
void shmseg_learn(struct shmseg_map *map, uint64_t mac, unsigned int port);
unsigned int shmseg_high(const struct shmseg_map *map);

/* ctl->armed of a ring: what its consumer wants when a frame comes. */
enum { SHMSEG_BUSY, SHMSEG_LOOKING, SHMSEG_ASLEEP };
/* A frame was put into r: rings the bell if its consumer sleeps. */
void shmseg_ring_bell(const struct shmring *r);
/* waiter (port * SHMSEG_QUEUES + queue) waits for room in r; and: there is room again. */
void shmseg_await_room(const struct shmring *r, unsigned int waiter);
void shmseg_wake_waiters(struct shmseg_map *map, const struct shmring *r);

#endif
