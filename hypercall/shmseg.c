/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "fault.h"
#include "hostcall.h"
#include "internal.h"
#include "shmseg.h"

#define WAYS		4		/* places for a MAC address in the table */
#define LOCK_HEADER	SHMSEG_PORTS	/* the byte that stands for the header */
#define DRAIN_TRIES	(2 * SHMRING_CHUNKS)

#ifndef F_OFD_SETLK
#define F_OFD_GETLK	36
#define F_OFD_SETLK	37
#define F_OFD_SETLKW	38
#endif

/* ---- locks ------------------------------------------------------------------------ */

static int lock_byte(int fd, int cmd, short type, unsigned int byte)
{
	struct flock fl = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
	long ret;

	do
		ret = host(SYS_fcntl, fd, cmd, &fl);
	while (ret == -EINTR);
	if (cmd == F_OFD_GETLK && ret == 0)
		return fl.l_type != F_UNLCK;
	return ret;
}

/* Somebody else has port's byte. */
static bool is_locked(const struct shmseg *seg, unsigned int port)
{
	return lock_byte(seg->fd, F_OFD_GETLK, F_WRLCK, port) == 1;
}

/* ---- the file ------------------------------------------------------------------------ */

static const struct shmseg_header fresh = {
	.magic = SHMSEG_MAGIC, .version = SHMSEG_VERSION, .ports = SHMSEG_PORTS,
	.queues = SHMSEG_QUEUES, .macs = SHMSEG_MACS, .chunk = SHMRING_CHUNK,
	.chunks = SHMRING_CHUNKS,
};

static int check_header(const struct shmseg_header *h, const char *path, char *why)
{
	if (h->magic != SHMSEG_MAGIC)
		return netspec_wrong(why, "%.150s is there, and is no network segment", path);
	if (h->version != SHMSEG_VERSION)
		return netspec_wrong(why, "%.100s is a segment of version %u, this library has "
		    "version %u; end its members, and remove it", path, h->version,
		    SHMSEG_VERSION);
	if (memcmp(h, &fresh, offsetof(struct shmseg_header, high)))
		return netspec_wrong(why, "%.150s: the segment's header is damaged; end its "
		    "members, and remove it", path);
	return 0;
}

/* With the header locked: makes it a segment if it is new, else checks that it is one. */
static int prepare(int fd, const char *path, char *why)
{
	struct shmseg_header h = { 0 };
	struct stat st;
	long ret;

	ret = host(SYS_fstat, fd, &st);
	if (ret)
		return ret;
	if (!S_ISREG(st.st_mode))
		return netspec_wrong(why, "%.150s is not a file", path);
	if (st.st_size == 0) {
		ret = host(SYS_ftruncate, fd, sizeof(struct shmseg_map));
		if (!ret)
			ret = host(SYS_pwrite64, fd, &fresh, sizeof(fresh), 0);
		return ret < 0 ? ret : 0;
	}
	ret = host(SYS_pread64, fd, &h, sizeof(h), 0);
	if (ret < 0)
		return ret;
	/* Who made it was killed before it was through. */
	if (st.st_size == sizeof(struct shmseg_map) && h.magic == 0 && h.version == 0) {
		ret = host(SYS_pwrite64, fd, &fresh, sizeof(fresh), 0);
		return ret < 0 ? ret : 0;
	}
	ret = check_header(&h, path, why);
	if (!ret && st.st_size != sizeof(struct shmseg_map))
		ret = netspec_wrong(why, "%.150s: the segment has %lld bytes, %zu are right; end its "
		    "members, and remove it", path, (long long)st.st_size,
		    sizeof(struct shmseg_map));
	return ret;
}

/* Opens path with its header locked; whoever left last may have just removed it. */
static int open_locked(const char *path)
{
	struct stat a, b;
	long fd, ret;

	for (;;) {
		fd = host(SYS_open, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
		if (fd < 0)
			return fd;
		fd = hostfd_take(fd);
		if (fd < 0)
			return fd;
		ret = lock_byte(fd, F_OFD_SETLKW, F_WRLCK, LOCK_HEADER);
		if (ret == 0 && host(SYS_fstat, fd, &a) == 0 && host(SYS_stat, path, &b) == 0 &&
		    a.st_ino == b.st_ino && a.st_dev == b.st_dev)
			return fd;
		hostfd_release(fd);
		if (ret)
			return ret;
	}
}

/* ---- ports --------------------------------------------------------------------------- */

/* What the last owner of our port has not read. */
static void drain(struct shmseg *seg, unsigned int q)
{
	struct shmring r = shmseg_ring(seg->map, seg->port, q);
	struct rumpuser_net_frame nowhere = { .len = 0 };
	struct shmring_owner owner;
	unsigned int i, spins = 0;
	int ret;

	for (i = 0; i < DRAIN_TRIES; i++) {
		ret = shmring_get(&r, &nowhere, &owner);
		if (ret == 0)
			break;
		if (ret != -EBUSY)
			continue;
		if (!shmseg_alive(seg, owner))
			shmring_skip(&r);
		rumpuser_relax(&spins);
	}
	atomic_store(&r.ctl->armed, SHMSEG_BUSY);
	atomic_store(&r.ctl->kick, 0);
}

static int take_port(struct shmseg *seg, unsigned int queues)
{
	struct shmseg_port *p;
	unsigned int q, port;
	uint32_t state;

	for (port = 0; port < SHMSEG_PORTS; port++)
		if (lock_byte(seg->fd, F_OFD_SETLK, F_WRLCK, port) == 0)
			break;
	if (port == SHMSEG_PORTS)
		return -EUSERS;
	p = &seg->map->ports[port];
	state = atomic_load(&p->state);
	state = ((state >> SHMSEG_GEN_SHIFT) + 1) << SHMSEG_GEN_SHIFT;
	atomic_store(&p->state, state);
	atomic_store(&p->queues, queues);
	seg->port = port;
	seg->me = (struct shmring_owner){ port, state >> SHMSEG_GEN_SHIFT };
	seg->me.generation %= SHMRING_GENERATIONS;
	for (q = 0; q < SHMSEG_QUEUES; q++)
		drain(seg, q);
	if (atomic_load(&seg->map->header.high) <= port)
		atomic_store(&seg->map->header.high, port + 1);
	atomic_fetch_or(&p->state, SHMSEG_LIVE);
	return 0;
}

int shmseg_join(const char *path, unsigned int queues, struct shmseg **segp, char *why)
{
	struct shmseg *seg = calloc(1, sizeof(*seg) + strlen(path) + 1);
	long map, err;

	if (!seg)
		return -ENOMEM;
	strcpy(seg->path, path);
	err = seg->fd = open_locked(path);
	if (err < 0) {
		netspec_wrong(why, "%.150s: %s", path, strerror(-err));
		free(seg);
		return err;
	}
	err = prepare(seg->fd, path, why);
	if (err)
		goto close;
	map = host(SYS_mmap, NULL, sizeof(*seg->map), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_NORESERVE, seg->fd, 0);
	if (host_failed(map)) {
		err = map;
		goto close;
	}
	seg->map = (struct shmseg_map *)map;
	host(SYS_madvise, map, sizeof(*seg->map), MADV_DONTFORK);
	err = fault_replace(seg->map, sizeof(*seg->map), &seg->broken);
	if (err)
		goto unmap;
	err = take_port(seg, queues);
	if (err == -EUSERS)
		netspec_wrong(why, "%.150s: all %d ports of the segment are taken", path,
		    SHMSEG_PORTS);
	if (err)
		goto forget;
	lock_byte(seg->fd, F_OFD_SETLK, F_UNLCK, LOCK_HEADER);
	*segp = seg;
	return 0;
forget:
	fault_replace_end(seg->map);
unmap:
	host(SYS_munmap, seg->map, sizeof(*seg->map));
close:
	hostfd_release(seg->fd);
	if (!why[0])
		netspec_wrong(why, "%.150s: %s", path, strerror(-err));
	free(seg);
	return err;
}

/* With the header locked: nobody else has a port. */
static bool is_last(const struct shmseg *seg)
{
	struct flock fl = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = SHMSEG_PORTS,
	};

	return host(SYS_fcntl, seg->fd, F_OFD_GETLK, &fl) == 0 && fl.l_type == F_UNLCK;
}

void shmseg_leave(struct shmseg *seg)
{
	struct stat a, b;

	atomic_fetch_and(&seg->map->ports[seg->port].state, ~(SHMSEG_LIVE | SHMSEG_UP));
	if (lock_byte(seg->fd, F_OFD_SETLKW, F_WRLCK, LOCK_HEADER) == 0 && is_last(seg) &&
	    host(SYS_fstat, seg->fd, &a) == 0 && host(SYS_stat, seg->path, &b) == 0 &&
	    a.st_ino == b.st_ino && a.st_dev == b.st_dev)
		host(SYS_unlink, seg->path);
	fault_replace_end(seg->map);
	host(SYS_munmap, seg->map, sizeof(*seg->map));
	hostfd_release(seg->fd);
	free(seg);
}

void shmseg_up(struct shmseg *seg, bool up)
{
	unsigned int q;

	for (q = 0; up && q < SHMSEG_QUEUES; q++)
		drain(seg, q);
	if (up)
		atomic_fetch_or(&seg->map->ports[seg->port].state, SHMSEG_UP);
	else
		atomic_fetch_and(&seg->map->ports[seg->port].state, ~SHMSEG_UP);
}

struct shmring shmseg_ring(const struct shmseg_map *map, unsigned int port, unsigned int q)
{
	struct shmseg_map *m = (struct shmseg_map *)map;

	port %= SHMSEG_PORTS;
	q %= SHMSEG_QUEUES;
	return (struct shmring){ &m->ports[port].ctl[q], m->slots[port][q], m->data[port][q] };
}

uint32_t shmseg_state(const struct shmseg_map *map, unsigned int port)
{
	uint32_t state = atomic_load_explicit(&map->ports[port].state, memory_order_relaxed);

	return (state & (SHMSEG_LIVE | SHMSEG_UP)) == (SHMSEG_LIVE | SHMSEG_UP) ? state : 0;
}

unsigned int shmseg_high(const struct shmseg_map *map)
{
	uint32_t high = atomic_load_explicit(&map->header.high, memory_order_relaxed);

	return high < SHMSEG_PORTS ? high : SHMSEG_PORTS;
}

bool shmseg_alive(const struct shmseg *seg, struct shmring_owner owner)
{
	uint32_t state = atomic_load(&seg->map->ports[owner.port].state);

	if (owner.generation != (state >> SHMSEG_GEN_SHIFT) % SHMRING_GENERATIONS)
		return false;
	return owner.port == seg->port || is_locked(seg, owner.port);
}

bool shmseg_reap(const struct shmseg *seg, unsigned int port)
{
	uint32_t state = atomic_load(&seg->map->ports[port].state);

	if (port == seg->port || is_locked(seg, port))
		return false;
	/* Unless somebody has taken it over meanwhile. */
	atomic_compare_exchange_strong(&seg->map->ports[port].state, &state,
	    state & ~(SHMSEG_LIVE | SHMSEG_UP));
	return true;
}

/* ---- the switch -------------------------------------------------------------------------- */

static unsigned int bucket(uint64_t mac)
{
	return (mac * 0x9e3779b97f4a7c15ULL >> 40) % (SHMSEG_MACS / WAYS) * WAYS;
}

static uint64_t entry(uint64_t mac, unsigned int port, uint32_t state)
{
	return mac << 16 | port << 8 | (state >> SHMSEG_GEN_SHIFT & 0xff);
}

int shmseg_lookup(const struct shmseg_map *map, uint64_t mac)
{
	const _Atomic uint64_t *e = &map->macs[bucket(mac)];
	unsigned int i, port;
	uint32_t state;
	uint64_t v;

	for (i = 0; i < WAYS; i++) {
		v = atomic_load_explicit(&e[i], memory_order_relaxed);
		if (v >> 16 != mac)
			continue;
		port = v >> 8 & 0xff;
		state = shmseg_state(map, port);
		return state && entry(mac, port, state) == v ? (int)port : -1;
	}
	return -1;
}

void shmseg_learn(struct shmseg_map *map, uint64_t mac, unsigned int port)
{
	_Atomic uint64_t *e = &map->macs[bucket(mac)];
	uint32_t state = atomic_load_explicit(&map->ports[port].state, memory_order_relaxed);
	uint64_t v = entry(mac, port, state);
	unsigned int i, at = WAYS;
	uint64_t old;

	for (i = 0; i < WAYS; i++) {
		old = atomic_load_explicit(&e[i], memory_order_relaxed);
		if (old == v)
			return;
		if (old >> 16 == mac) {
			at = i;
			break;
		}
		if (at == WAYS && (old == 0 || !shmseg_state(map, old >> 8 & 0xff)))
			at = i;
	}
	atomic_store_explicit(&e[at < WAYS ? at : mac % WAYS], v, memory_order_relaxed);
}

/* ---- bells -------------------------------------------------------------------------------- */

static void wake(_Atomic uint32_t *word)
{
	atomic_fetch_add(word, 1);
	host(SYS_futex, word, FUTEX_WAKE, INT_MAX);
}

void shmseg_ring_bell(const struct shmring *r)
{
	uint32_t asleep = SHMSEG_ASLEEP;

	if (atomic_load(&r->ctl->armed) == SHMSEG_ASLEEP &&
	    atomic_compare_exchange_strong(&r->ctl->armed, &asleep, SHMSEG_BUSY))
		wake(&r->ctl->bell);
}

void shmseg_await_room(const struct shmring *r, unsigned int waiter)
{
	waiter %= SHMRING_WAITERS;
	atomic_fetch_or(&r->ctl->waits[waiter / 64], 1ULL << waiter % 64);
	atomic_store(&r->ctl->any_waits, 1);
}

void shmseg_wake_waiters(struct shmseg_map *map, const struct shmring *r)
{
	struct shmring other;
	uint64_t bits;
	unsigned int i, waiter;

	if (!atomic_load(&r->ctl->any_waits) || !shmring_has_room(r, SHMRING_BYTES / 2))
		return;
	atomic_store(&r->ctl->any_waits, 0);
	for (i = 0; i < SHMRING_WAITERS / 64; i++) {
		if (!atomic_load(&r->ctl->waits[i]))
			continue;
		for (bits = atomic_exchange(&r->ctl->waits[i], 0); bits; bits &= bits - 1) {
			waiter = i * 64 + __builtin_ctzll(bits);
			other = shmseg_ring(map, waiter / SHMSEG_QUEUES, waiter);
			atomic_store(&other.ctl->kick, 1);
			shmseg_ring_bell(&other);
		}
	}
}
