/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stock.c - placeholders made ahead (rumpclient_placeholder()).
 *
 * A descriptor beside a message takes the socket, where the server looks rarely while it
 * serves rings, and costs more than the call that it belongs to.  So a thread that makes
 * descriptor after descriptor makes STOCK pairs of sockets at once, and sends their far ends
 * with one message.  The near ends wait among our own descriptors; what the program gets is a
 * copy, at the number that the host picks.  Then a call names the far end by its index.
 *
 * Who forks gives its stock back before: copies of near ends in the child would keep open what
 * this process closes.  Stocks of other threads are there, until the child has begun.
 *
 * The program's numbers are scarce while far ends are on their way: near the limit there is no
 * stock.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "remote.h"

#define STOCK		8
#define WORTH		8		/* descriptors made one by one, before */
#define ROOM		64		/* numbers that are left to the program meanwhile */

void stock_forget(struct chan *c)
{
	unsigned int i;

	for (i = 0; i < RUMP_SP_STOCK_MAX; i++)
		atomic_store_explicit(&c->near[i], 0, memory_order_relaxed);
	c->taken = c->made = 0;
}

void stock_drop(struct chan *c)
{
	unsigned int i;
	int fd;

	for (i = 0; i < RUMP_SP_STOCK_MAX; i++) {
		/* Mostly there is none; and a thread's end may come after its sanitizer's. */
		if (!atomic_load_explicit(&c->near[i], memory_order_relaxed))
			continue;
		fd = atomic_exchange(&c->near[i], 0);
		if (fd)
			ownfd_close(fd);
	}
	c->taken = c->made = 0;
}

int stock_move(struct chan *c, int fd)
{
	unsigned int i;
	int new;

	for (i = 0; i < RUMP_SP_STOCK_MAX; i++) {
		if (!fd || atomic_load(&c->near[i]) != fd)
			continue;
		new = ownfd_dup(fd);
		if (new < 0)
			return new;
		atomic_store(&c->near[i], new);
		host(SYS_close, fd);
		return 0;
	}
	return 1;
}

/* A pair whose near end is among ours; its far end, or -errno. */
static long make_pair(int *near)
{
	int pair[2];
	long err;

	err = host(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
	if (err)
		return err;
	*near = ownfd_take(pair[0]);
	if (*near >= 0)
		return pair[1];
	host(SYS_close, pair[1]);
	return *near;
}

static int has_room(int fd)
{
	struct rlimit rl;

	return host(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &rl) == 0 &&
	    fd + ROOM < (long)rl.rlim_cur;
}

static void fill(struct chan *c)
{
	struct rump_sp_hdr q = { .len = sizeof(q), .type = RUMP_SP_STOCK };
	int far[STOCK], near[STOCK];
	struct rump_sp_reply r;
	unsigned int n, i;
	long err;

	stock_drop(c);
	for (n = 0; n < STOCK; n++) {
		far[n] = make_pair(&near[n]);
		if (far[n] < 0)
			break;
		if (n == 0 && !has_room(far[0])) {
			host(SYS_close, far[0]);
			ownfd_close(near[0]);
			break;
		}
	}
	err = n ? ask(c, &q, far, n, RUMP_SP_REPLY, &r, sizeof(r)) : -EMFILE;
	for (i = 0; i < n; i++)
		host(SYS_close, far[i]);
	if (!err)
		err = r.ret;
	for (i = 0; i < n; i++) {
		if (err)
			ownfd_close(near[i]);
		else
			atomic_store(&c->near[i], near[i]);
	}
}

/* The index of one that is free, or -1. */
static int find_free(const struct chan *c)
{
	int i;

	for (i = 0; i < STOCK; i++)
		if (atomic_load(&c->near[i]) && !(c->taken & 1U << i))
			return i;
	return -1;
}

int remote_placeholder(int lowest, int cloexec, int *far)
{
	struct chan *c = chan_next();
	int i;
	long fd;

	if (!c || !c->ring)
		return -EAGAIN;
	i = find_free(c);
	if (i < 0) {
		if (c->made < WORTH)
			return -EAGAIN;
		if (chan_get_now(&c))
			return -EAGAIN;
		fill(c);
		/* From now on again as soon as it is empty. */
		i = find_free(c);
		c->made = i < 0 ? 0 : WORTH;
		chan_put(c);
		if (i < 0)
			return -EAGAIN;
	}
	fd = host(SYS_fcntl, c->near[i], cloexec ? F_DUPFD_CLOEXEC : F_DUPFD, lowest);
	if (fd < 0)
		return fd;
	c->taken |= 1U << i;
	*far = STOCK_TOKEN(i);
	return fd;
}

int stock_begin(struct chan *c, int far)
{
	unsigned int i = STOCK_INDEX(far);

	return (c->taken & 1U << i) && atomic_load(&c->near[i]);
}

void stock_end(struct chan *c, int far, int used)
{
	unsigned int i = STOCK_INDEX(far);
	int fd;

	c->taken &= ~(1U << i);
	fd = used ? atomic_exchange(&c->near[i], 0) : 0;
	if (fd)
		ownfd_close(fd);
}
