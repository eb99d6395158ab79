/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blkdo.c - a block request carried out by blocking calls.  It needs a descriptor and a
 * request, and nothing else of the library: the process of an isolated device has it, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/uio.h>

#include "blk.h"
#include "hostcall.h"

#define IOV_BATCH	64

_Static_assert(sizeof(struct rumpuser_iovec) == sizeof(struct iovec), "same layout");

int blkdo_move(const struct blk *b, struct blk_request *r, int rwf)
{
	bool write = r->op == RUMPUSER_BLK_WRITE;
	struct iovec iov[IOV_BATCH];
	uint64_t skip;
	unsigned int i, n;
	long ret;

	while (r->done < r->len) {
		skip = r->done;
		for (i = 0; i < r->niov && skip >= r->iov[i].len; i++)
			skip -= r->iov[i].len;
		for (n = 0; i < r->niov && n < IOV_BATCH; i++, n++) {
			iov[n].iov_base = (char *)r->iov[i].base + skip;
			iov[n].iov_len = r->iov[i].len - skip;
			skip = 0;
		}
		ret = host(write ? SYS_pwritev2 : SYS_preadv2, b->fd, iov, n,
		    r->offset + r->done, 0, rwf);
		if (ret > 0)
			r->done += ret;
		else if (ret == 0)
			return -EIO;		/* the file has shrunk */
		else if (ret != -EINTR)
			return ret;
	}
	return 0;
}

static int zero(const struct blk *b, struct blk_request *r)
{
	static const char zeroes[64 * 1024];
	struct rumpuser_iovec iov[1] = { { (char *)zeroes, sizeof(zeroes) } };
	struct blk_request w = { .op = RUMPUSER_BLK_WRITE, .iov = iov, .niov = 1 };
	long ret;

	ret = host(SYS_fallocate, b->fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
	    r->offset, r->len);
	if (ret == -EOPNOTSUPP)
		ret = host(SYS_fallocate, b->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		    r->offset, r->len);
	if (ret != -EOPNOTSUPP)
		return ret;
	for (; r->done < r->len; r->done += w.len) {
		w.offset = r->offset + r->done;
		w.len = r->len - r->done < sizeof(zeroes) ? r->len - r->done : sizeof(zeroes);
		w.done = 0;
		iov[0].len = w.len;
		ret = blkdo_move(b, &w, 0);
		if (ret)
			return ret;
	}
	return 0;
}

int blkdo(const struct blk *b, struct blk_request *r)
{
	bool fua = r->op & RUMPUSER_BLK_FUA;
	struct blk_request now = *r;
	int err;

	now.op &= ~RUMPUSER_BLK_FUA;
	switch (now.op) {
	case RUMPUSER_BLK_READ:
		return blkdo_move(b, &now, 0);
	case RUMPUSER_BLK_WRITE:
		return blkdo_move(b, &now, fua ? RWF_DSYNC : 0);
	case RUMPUSER_BLK_FLUSH:
		return host(SYS_fdatasync, b->fd);
	case RUMPUSER_BLK_DISCARD:
		return host(SYS_fallocate, b->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		    r->offset, r->len);
	case RUMPUSER_BLK_ZEROES:
		err = zero(b, &now);
		return err || !fua ? err : host(SYS_fdatasync, b->fd);
	}
	return -EOPNOTSUPP;
}
