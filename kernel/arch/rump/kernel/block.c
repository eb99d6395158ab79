// SPDX-License-Identifier: GPL-2.0-only
/*
 * block.c - a block device on a host file: a blk-mq driver whose hardware is
 * rumpuser_blk_submit().  What the host does at once ends at once; the rest comes
 * back by rump_blk_done(), an upcall, through a list and an interrupt of the vCPU that has
 * submitted it.  Each vCPU has a hardware queue.
 *
 * Flush and FUA reach the host; discard and write-zeroes are the host file's.
 */
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/llist.h>
#include <linux/slab.h>
#include <rump/rumpuser.h>
#include "../../../lib/rumpk.h"
#include "rump.h"

#define MAX_SEGMENTS	64
#define DEPTH		64	/* of a queue, if there are few */
#define DEPTH_MIN	16
#define DEPTH_ALL	256	/* of all queues together, if DEPTH_MIN allows */

struct rump_disk {
	struct list_head	list;
	struct blk_mq_tag_set	tags;
	struct gendisk		*gd;
	void			*handle;
};

struct blk_cmd {
	struct llist_node	done;
	int			error;
	unsigned int		cpu;
	struct rumpuser_blk_req	req;
	struct rumpuser_iovec	iov[MAX_SEGMENTS];
};

static LIST_HEAD(disks);
static DEFINE_MUTEX(disks_lock);
static DEFINE_PER_CPU(struct llist_head, done_list);

/* Upcall: on a host thread of librumpuser's, or on one of ours. */
void rump_blk_done(void *cookie, int error)
{
	struct blk_cmd *cmd = cookie;

	cmd->error = error;
	if (llist_add(&cmd->done, per_cpu_ptr(&done_list, cmd->cpu)))
		rump_irq_post(cmd->cpu, RUMP_IRQ_BLK);
}

static void blk_interrupt(void)
{
	struct llist_node *list = llist_del_all(this_cpu_ptr(&done_list));
	struct blk_cmd *cmd, *next;

	rump_dir_interrupt();
	llist_for_each_entry_safe(cmd, next, llist_reverse_order(list), done)
		blk_mq_end_request(blk_mq_rq_from_pdu(cmd), errno_to_blk_status(cmd->error));
}

/* Fills in what the host is to do; false: it cannot. */
static bool translate(struct request *rq, struct blk_cmd *cmd)
{
	struct req_iterator iter;
	struct bio_vec bv;
	unsigned int op, n = 0;

	switch (req_op(rq)) {
	case REQ_OP_READ:		op = RUMPUSER_BLK_READ; break;
	case REQ_OP_WRITE:		op = RUMPUSER_BLK_WRITE; break;
	case REQ_OP_FLUSH:		op = RUMPUSER_BLK_FLUSH; break;
	case REQ_OP_DISCARD:		op = RUMPUSER_BLK_DISCARD; break;
	case REQ_OP_WRITE_ZEROES:	op = RUMPUSER_BLK_ZEROES; break;
	default:			return false;
	}
	if (op <= RUMPUSER_BLK_WRITE) {
		rq_for_each_bvec(bv, rq, iter) {
			if (WARN_ON_ONCE(n == MAX_SEGMENTS))
				return false;
			cmd->iov[n].base = bvec_virt(&bv);
			cmd->iov[n++].len = bv.bv_len;
		}
	}
	if (rq->cmd_flags & REQ_FUA)
		op |= RUMPUSER_BLK_FUA;
	cmd->req = (struct rumpuser_blk_req){
		.op = op, .niov = n, .iov = cmd->iov, .cookie = cmd,
		.offset = blk_rq_pos(rq) << SECTOR_SHIFT, .len = blk_rq_bytes(rq),
	};
	return true;
}

static blk_status_t queue_rq(struct blk_mq_hw_ctx *hctx, const struct blk_mq_queue_data *bd)
{
	struct request *rq = bd->rq;
	struct rump_disk *d = rq->q->queuedata;
	struct blk_cmd *cmd = blk_mq_rq_to_pdu(rq);
	int error;

	if (!translate(rq, cmd))
		return BLK_STS_NOTSUPP;
	cmd->cpu = raw_smp_processor_id();
	if (!bd->last)
		cmd->req.op |= RUMPUSER_BLK_MORE;
	blk_mq_start_request(rq);
	if (rumpuser_blk_submit(d->handle, hctx->queue_num, &cmd->req, &error)) {
		if (bd->last)
			rumpuser_blk_kick(d->handle, hctx->queue_num);
		blk_mq_end_request(rq, errno_to_blk_status(error));
	}
	return BLK_STS_OK;
}

/* The list that was announced by bd->last being false ends early. */
static void commit_rqs(struct blk_mq_hw_ctx *hctx)
{
	struct rump_disk *d = hctx->queue->queuedata;

	rumpuser_blk_kick(d->handle, hctx->queue_num);
}

static const struct blk_mq_ops mq_ops = { .queue_rq = queue_rq, .commit_rqs = commit_rqs };
static const struct block_device_operations fops = { .owner = THIS_MODULE };

struct add {
	const char *name;
	void *handle;
	const struct rumpuser_blk_info *info;
};

static struct rump_disk *find_disk(const char *name)
{
	struct rump_disk *d;

	list_for_each_entry(d, &disks, list)
		if (!strcmp(d->gd->disk_name, name))
			return d;
	return NULL;
}

static long add_disk_locked(const struct add *a)
{
	struct queue_limits lim = {
		.logical_block_size	= SECTOR_SIZE,
		.physical_block_size	= PAGE_SIZE,
		.max_segments		= MAX_SEGMENTS,
		.max_segment_size	= UINT_MAX,
		.max_hw_sectors		= SZ_4M >> SECTOR_SHIFT,
		.features		= BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA,
		.max_hw_discard_sectors	= UINT_MAX >> SECTOR_SHIFT,
		.discard_granularity	= PAGE_SIZE,
		.max_write_zeroes_sectors = UINT_MAX >> SECTOR_SHIFT,
	};
	struct rump_disk *d;
	int r;

	if (find_disk(a->name))
		return -EEXIST;
	if (strlen(a->name) >= DISK_NAME_LEN)
		return -ENAMETOOLONG;
	r = rumpuser_blk_start(a->handle, rump_nvcpu);
	if (r)
		return r;
	d = kzalloc(sizeof(*d), GFP_KERNEL);
	if (!d)
		return -ENOMEM;
	d->handle = a->handle;
	d->tags.ops = &mq_ops;
	d->tags.nr_hw_queues = rump_nvcpu;
	d->tags.queue_depth = clamp(DEPTH_ALL / rump_nvcpu, DEPTH_MIN, DEPTH);
	d->tags.numa_node = NUMA_NO_NODE;
	d->tags.cmd_size = sizeof(struct blk_cmd);
	d->tags.flags = BLK_MQ_F_SHOULD_MERGE;
	r = blk_mq_alloc_tag_set(&d->tags);
	if (r)
		goto free;
	if (a->info->flags & RUMPUSER_BLK_RDONLY)
		lim.max_hw_discard_sectors = lim.max_write_zeroes_sectors = 0;
	d->gd = blk_mq_alloc_disk(&d->tags, &lim, d);
	if (IS_ERR(d->gd)) {
		r = PTR_ERR(d->gd);
		goto free_tags;
	}
	d->gd->fops = &fops;
	strscpy(d->gd->disk_name, a->name, DISK_NAME_LEN);
	set_capacity(d->gd, a->info->size >> SECTOR_SHIFT);
	set_disk_ro(d->gd, a->info->flags & RUMPUSER_BLK_RDONLY);
	r = add_disk(d->gd);
	if (r)
		goto put;
	list_add_tail(&d->list, &disks);
	return 0;
put:
	put_disk(d->gd);
free_tags:
	blk_mq_free_tag_set(&d->tags);
free:
	kfree(d);
	return r;
}

static long do_add(void *arg)
{
	long r;

	mutex_lock(&disks_lock);
	r = add_disk_locked(arg);
	mutex_unlock(&disks_lock);
	return r;
}

static long do_del(void *name)
{
	struct rump_disk *d;
	long r = 0;

	mutex_lock(&disks_lock);
	d = find_disk(name);
	if (!d)
		r = -ENOENT;
	else if (disk_openers(d->gd))
		r = -EBUSY;
	else
		list_del(&d->list);
	mutex_unlock(&disks_lock);
	if (r)
		return r;
	del_gendisk(d->gd);
	put_disk(d->gd);
	blk_mq_free_tag_set(&d->tags);
	kfree(d);
	return 0;
}

int rumpk_blk_add(const char *name, void *handle, const struct rumpuser_blk_info *info)
{
	struct add a = { name, handle, info };

	return rump_call_function(do_add, &a);
}

int rumpk_blk_del(const char *name)
{
	return rump_call_function(do_del, (void *)name);
}

static int __init rump_blk_init(void)
{
	rump_irq_handler(RUMP_IRQ_BLK, blk_interrupt);
	return 0;
}
subsys_initcall(rump_blk_init);
