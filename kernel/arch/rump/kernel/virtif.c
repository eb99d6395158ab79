// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtif.c - the network device whose hardware is a link of the host
 * (rumpuser_net.h): the way of the frames.
 *
 * Out: a frame is handed to the link as a list of its pieces, in batches while more is
 * to come; the link copies it, so that the skb is free at once.  What a full link does not
 * take stays in front, and the queue is stopped, until NAPI finds room.
 *
 * In: NAPI polls the link, which fills pages of ours.  The first bytes of a frame are
 * copied to the skb's head, for the headers; pages that hold the rest go along.  Small
 * frames are copied as a whole.
 *
 * What link and stack leave undone of checksums and segmentation is in the virtio header
 * of each frame.  Where the link has no such thing, checksums are made here, so that the
 * stack can still build its frames from pages.
 *
 * An upcall runs on any host thread: it posts an interrupt to the vCPU that this thread
 * waits for, if it does, and so runs next; else to the queue's own, or to another one if that
 * lies idle and a helper would have to be woken (rump_vcpu_attended()).
 */
#include <linux/ethtool.h>
#include <linux/etherdevice.h>
#include <linux/llist.h>
#include <linux/skbuff.h>
#include <linux/timer.h>
#include <linux/virtio_net.h>
#include <rump/rumpuser.h>
#include "rump.h"
#include "virtif.h"

#define TX_BATCH	16
#define TX_IOV		(MAX_SKB_FRAGS + 2)	/* header, head, pages */
#define RX_BATCH	16
#define RX_PAGES	17
#define RX_COPY		256			/* a frame up to this is copied as a whole */
#define RX_HEAD		128			/* and this much of a larger one */

_Static_assert(sizeof(struct virtio_net_hdr) == RUMPUSER_NET_HDR, "one header");
_Static_assert(RX_PAGES * PAGE_SIZE >= RUMPUSER_NET_FRAME_MAX, "the largest frame fits");

struct virtif_queue {
	struct napi_struct	napi;
	struct net_device	*dev;
	void			*handle;
	unsigned int		index;
	struct llist_node	ready;		/* in a vCPU's list, while queued */
	u32			queued;
	struct timer_list	later;

	unsigned int		npending;	/* under the queue's tx lock */
	struct sk_buff		*pending[TX_BATCH];
	struct virtio_net_hdr	hdr[TX_BATCH];
	struct rumpuser_iovec	tx_iov[TX_BATCH][TX_IOV];
	struct rumpuser_net_frame tx[TX_BATCH];

	struct page		*pages[RX_BATCH][RX_PAGES];
	struct rumpuser_iovec	rx_iov[RX_BATCH][RX_PAGES];
	struct rumpuser_net_frame rx[RX_BATCH];
};

struct virtif {
	void			*handle;
	u32			features;
	unsigned int		nqueues;
	struct virtif_queue	queues[] __counted_by(nqueues);
};

static struct llist_head ready_lists[NR_CPUS];

/* ---- upcalls --------------------------------------------------------------------- */

void rump_net_ready(void *cookie)
{
	struct virtif_queue *q = cookie;
	struct rump_host *h = this_host();
	unsigned int cpu = q->index % rump_nvcpu;

	if (arch_xchg(&q->queued, 1))
		return;
	if (h && h->lwp && READ_ONCE(h->word) & HOST_WAITING)
		cpu = task_cpu(h->lwp->task);
	else
		cpu = rump_vcpu_attended(cpu);
	llist_add(&q->ready, &ready_lists[cpu]);
	rump_irq_post(cpu, RUMP_IRQ_NET);
}

static void net_interrupt(void)
{
	struct llist_node *list = llist_del_all(&ready_lists[smp_processor_id()]);
	struct virtif_queue *q, *next;

	llist_for_each_entry_safe(q, next, list, ready) {
		smp_store_release(&q->queued, 0);
		napi_schedule(&q->napi);
	}
}

static void later(struct timer_list *t)
{
	struct virtif_queue *q = from_timer(q, t, later);

	napi_schedule(&q->napi);
}

/* ---- out --------------------------------------------------------------------------- */

static void sent(struct virtif_queue *q, struct sk_buff *skb, int error)
{
	if (error)
		DEV_STATS_INC(q->dev, tx_dropped);
	else
		dev_sw_netstats_tx_add(q->dev, 1, skb->len);
	dev_consume_skb_any(skb);
}

/* Hands the link what is pending; true: all of it is gone. */
static bool flush(struct virtif_queue *q)
{
	unsigned int i, n;

	if (!q->npending)
		return true;
	n = rumpuser_net_tx(q->handle, q->index, q->tx, q->npending);
	for (i = 0; i < n; i++)
		sent(q, q->pending[i], q->tx[i].error);
	q->npending -= n;
	if (!q->npending)
		return true;
	if (n) {
		/* the iovs stay with their frames, and point to the headers */
		for (i = 0; i < q->npending; i++) {
			q->pending[i] = q->pending[n + i];
			q->hdr[i] = q->hdr[n + i];
			memcpy(q->tx_iov[i], q->tx_iov[n + i], sizeof(q->tx_iov[i]));
			q->tx_iov[i][0].base = &q->hdr[i];
			q->tx[i].niov = q->tx[n + i].niov;
			q->tx[i].len = q->tx[n + i].len;
		}
	}
	return false;
}

static int describe(struct virtif *vi, struct virtif_queue *q, struct sk_buff *skb)
{
	unsigned int at = q->npending, n = 0, i;
	struct rumpuser_iovec *iov = q->tx_iov[at];
	struct virtio_net_hdr *hdr = &q->hdr[at];

	if (!(vi->features & RUMPUSER_NET_CSUM)) {
		if (skb->ip_summed == CHECKSUM_PARTIAL && skb_checksum_help(skb))
			return -ENOMEM;
		memset(hdr, 0, sizeof(*hdr));
	} else if (virtio_net_hdr_from_skb(skb, hdr, true, false, 0)) {
		return -EINVAL;
	}
	iov[n++] = (struct rumpuser_iovec){ hdr, sizeof(*hdr) };
	iov[n++] = (struct rumpuser_iovec){ skb->data, skb_headlen(skb) };
	for (i = 0; i < skb_shinfo(skb)->nr_frags; i++) {
		const skb_frag_t *f = &skb_shinfo(skb)->frags[i];

		iov[n++] = (struct rumpuser_iovec){ skb_frag_address(f), skb_frag_size(f) };
	}
	q->tx[at] = (struct rumpuser_net_frame){
		.iov = iov, .niov = n, .len = sizeof(*hdr) + skb->len,
	};
	q->pending[at] = skb;
	q->npending++;
	return 0;
}

static netdev_tx_t virtif_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct virtif *vi = netdev_priv(dev);
	struct virtif_queue *q = &vi->queues[skb_get_queue_mapping(skb)];
	struct netdev_queue *txq = netdev_get_tx_queue(dev, q->index);
	bool more = netdev_xmit_more();

	if (q->npending == TX_BATCH) {
		netif_tx_stop_queue(txq);
		return NETDEV_TX_BUSY;
	}
	skb_tx_timestamp(skb);
	if (describe(vi, q, skb)) {
		DEV_STATS_INC(dev, tx_errors);
		dev_kfree_skb_any(skb);
	}
	if (more && q->npending < TX_BATCH)
		return NETDEV_TX_OK;
	if (!flush(q)) {
		netif_tx_stop_queue(txq);
		napi_schedule(&q->napi);
	}
	return NETDEV_TX_OK;
}

/* From NAPI; true: nothing waits for room. */
static bool flush_stopped(struct virtif_queue *q)
{
	struct netdev_queue *txq = netdev_get_tx_queue(q->dev, q->index);
	bool done;

	if (!READ_ONCE(q->npending) && !netif_tx_queue_stopped(txq))
		return true;
	__netif_tx_lock(txq, smp_processor_id());
	done = flush(q);
	if (done)
		netif_tx_wake_queue(txq);
	__netif_tx_unlock(txq);
	return done;
}

/* ---- in ------------------------------------------------------------------------------ */

/* Pages for the frames to come; the number of frames that have all of theirs. */
static unsigned int feed(struct virtif_queue *q, unsigned int npages, unsigned int budget)
{
	unsigned int i, p;

	for (i = 0; i < RX_BATCH && i < budget && i * npages < 4 * RX_PAGES; i++) {
		for (p = 0; p < npages; p++) {
			if (q->pages[i][p])
				continue;
			q->pages[i][p] = dev_alloc_page();
			if (!q->pages[i][p])
				return i;
			q->rx_iov[i][p] = (struct rumpuser_iovec){
				page_address(q->pages[i][p]), PAGE_SIZE,
			};
		}
		q->rx[i] = (struct rumpuser_net_frame){
			.iov = q->rx_iov[i], .niov = npages, .len = npages * PAGE_SIZE,
		};
	}
	return i;
}

static struct sk_buff *make_skb(struct virtif_queue *q, unsigned int i)
{
	unsigned int len = q->rx[i].len - RUMPUSER_NET_HDR, head, at, n, p;
	const char *start = q->rx_iov[i][0].base;
	struct sk_buff *skb;

	head = len <= RX_COPY ? len : RX_HEAD;
	skb = napi_alloc_skb(&q->napi, RX_COPY);
	if (!skb)
		return NULL;
	skb_put_data(skb, start + RUMPUSER_NET_HDR, head);
	at = RUMPUSER_NET_HDR + head;
	for (p = 0, len -= head; len; p++, at = 0, len -= n) {
		n = min_t(unsigned int, len, PAGE_SIZE - at);
		skb_add_rx_frag(skb, p, q->pages[i][p], at, n, PAGE_SIZE);
		q->pages[i][p] = NULL;
	}
	return skb;
}

static void receive(struct virtif_queue *q, unsigned int i)
{
	const struct virtio_net_hdr *hdr = q->rx_iov[i][0].base;
	struct virtio_net_hdr h = *hdr;
	struct net_device *dev = q->dev;
	struct sk_buff *skb = make_skb(q, i);

	if (!skb) {
		DEV_STATS_INC(dev, rx_dropped);
		return;
	}
	dev_sw_netstats_rx_add(dev, skb->len);
	if (h.flags & VIRTIO_NET_HDR_F_DATA_VALID && dev->features & NETIF_F_RXCSUM)
		skb->ip_summed = CHECKSUM_UNNECESSARY;
	if (virtio_net_hdr_to_skb(skb, &h, true)) {
		DEV_STATS_INC(dev, rx_frame_errors);
		dev_kfree_skb_any(skb);
		return;
	}
	skb_record_rx_queue(skb, q->index);
	skb->protocol = eth_type_trans(skb, dev);
	napi_gro_receive(&q->napi, skb);
}

static void see_carrier(struct virtif_queue *q)
{
	bool up = rumpuser_net_carrier(q->handle);

	if (up == netif_carrier_ok(q->dev))
		return;
	if (up)
		netif_carrier_on(q->dev);
	else
		netif_carrier_off(q->dev);
}

static int virtif_poll(struct napi_struct *napi, int budget)
{
	struct virtif_queue *q = container_of(napi, struct virtif_queue, napi);
	struct virtif *vi = netdev_priv(q->dev);
	unsigned int npages, i, n, room;
	bool sent_all;
	int done = 0;

	if (q->index == 0)
		see_carrier(q);
	sent_all = flush_stopped(q);
	npages = vi->features & RUMPUSER_NET_TSO ? RX_PAGES :
		DIV_ROUND_UP(RUMPUSER_NET_HDR + READ_ONCE(q->dev->mtu) + VLAN_ETH_HLEN, PAGE_SIZE);
	while (done < budget) {
		room = feed(q, npages, budget - done);
		n = room ? rumpuser_net_rx(q->handle, q->index, q->rx, room) : 0;
		for (i = 0; i < n; i++)
			receive(q, i);
		done += n;
		if (n < room || !room)
			break;
	}
	if (done == budget || !napi_complete_done(napi, done))
		return done;
	switch (rumpuser_net_arm(q->handle, q->index,
				 RUMPUSER_NET_RX | (sent_all ? 0 : RUMPUSER_NET_TX))) {
	case RUMPUSER_NET_AGAIN:
		napi_schedule(napi);
		break;
	case RUMPUSER_NET_LATER:
		mod_timer(&q->later, jiffies + msecs_to_jiffies(RUMPUSER_NET_LATER_MS));
		break;
	}
	return done;
}

/* ---- the device ------------------------------------------------------------------------- */

static int virtif_open(struct net_device *dev)
{
	struct virtif *vi = netdev_priv(dev);
	unsigned int i;

	rumpuser_net_up(vi->handle, 1);
	netif_tx_start_all_queues(dev);
	for (i = 0; i < vi->nqueues; i++) {
		napi_enable(&vi->queues[i].napi);
		local_bh_disable();
		napi_schedule(&vi->queues[i].napi);
		local_bh_enable();
	}
	return 0;
}

static int virtif_stop(struct net_device *dev)
{
	struct virtif *vi = netdev_priv(dev);
	unsigned int i, k;

	netif_tx_disable(dev);
	rumpuser_net_up(vi->handle, 0);
	for (i = 0; i < vi->nqueues; i++) {
		struct virtif_queue *q = &vi->queues[i];

		napi_disable(&q->napi);
		timer_delete_sync(&q->later);
		for (k = 0; k < q->npending; k++)
			sent(q, q->pending[k], -ENETDOWN);
		q->npending = 0;
	}
	return 0;
}

static void virtif_stats(struct net_device *dev, struct rtnl_link_stats64 *s)
{
	struct virtif *vi = netdev_priv(dev);

	dev_get_tstats64(dev, s);
	s->rx_errors += rumpuser_net_dropped(vi->handle);
}

static const struct net_device_ops virtif_ops = {
	.ndo_open		= virtif_open,
	.ndo_stop		= virtif_stop,
	.ndo_start_xmit		= virtif_xmit,
	.ndo_get_stats64	= virtif_stats,
	.ndo_validate_addr	= eth_validate_addr,
	.ndo_set_mac_address	= eth_mac_addr,
};

static void get_drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	strscpy(info->driver, "virtif", sizeof(info->driver));
}

static void get_channels(struct net_device *dev, struct ethtool_channels *ch)
{
	struct virtif *vi = netdev_priv(dev);

	ch->max_combined = ch->combined_count = vi->nqueues;
}

static int get_link_ksettings(struct net_device *dev, struct ethtool_link_ksettings *k)
{
	k->base.speed = SPEED_10000;
	k->base.duplex = DUPLEX_FULL;
	k->base.port = PORT_OTHER;
	return 0;
}

static const struct ethtool_ops virtif_ethtool = {
	.get_drvinfo		= get_drvinfo,
	.get_link		= ethtool_op_get_link,
	.get_channels		= get_channels,
	.get_link_ksettings	= get_link_ksettings,
	.get_ts_info		= ethtool_op_get_ts_info,
};

static const struct { u32 link; netdev_features_t dev; } feature_map[] = {
	{ RUMPUSER_NET_TSO, NETIF_F_TSO | NETIF_F_TSO6 | NETIF_F_TSO_ECN },
	{ RUMPUSER_NET_USO, NETIF_F_GSO_UDP_L4 },
};

struct net_device *virtif_alloc(const struct rumpuser_net_request *req)
{
	const struct rumpuser_net_info *info = &req->info;
	struct net_device *dev;
	struct virtif *vi;
	unsigned int i;

	dev = alloc_etherdev_mqs(struct_size(vi, queues, info->queues), info->queues, info->queues);
	if (!dev)
		return NULL;
	strscpy(dev->name, info->name, IFNAMSIZ);
	dev->netdev_ops = &virtif_ops;
	dev->ethtool_ops = &virtif_ethtool;
	dev->pcpu_stat_type = NETDEV_PCPU_STAT_TSTATS;
	dev->min_mtu = ETH_MIN_MTU;
	dev->max_mtu = RUMPUSER_NET_MTU_MAX;
	dev->mtu = info->mtu;
	eth_hw_addr_set(dev, info->mac);
	dev->hw_features = NETIF_F_SG | NETIF_F_HW_CSUM | NETIF_F_RXCSUM;
	for (i = 0; i < ARRAY_SIZE(feature_map); i++)
		if (info->features & feature_map[i].link)
			dev->hw_features |= feature_map[i].dev;
	dev->features = dev->hw_features | NETIF_F_HIGHDMA;
	dev->vlan_features = dev->hw_features;

	vi = netdev_priv(dev);
	vi->handle = req->handle;
	vi->features = info->features;
	vi->nqueues = info->queues;
	for (i = 0; i < vi->nqueues; i++) {
		struct virtif_queue *q = &vi->queues[i];

		q->dev = dev;
		q->handle = vi->handle;
		q->index = i;
		timer_setup(&q->later, later, 0);
		netif_napi_add(dev, &q->napi, virtif_poll);
	}
	return dev;
}

void virtif_free(struct net_device *dev)
{
	struct virtif *vi = netdev_priv(dev);
	unsigned int i, k, p;

	for (i = 0; i < vi->nqueues; i++) {
		struct virtif_queue *q = &vi->queues[i];

		/* an interrupt may still be on its way, for nothing */
		while (smp_load_acquire(&q->queued))
			schedule_timeout_uninterruptible(1);
		for (k = 0; k < RX_BATCH; k++)
			for (p = 0; p < RX_PAGES; p++)
				if (q->pages[k][p])
					put_page(q->pages[k][p]);
	}
	free_netdev(dev);
}

void *virtif_handle(struct net_device *dev)
{
	return ((struct virtif *)netdev_priv(dev))->handle;
}

void virtif_start(struct net_device *dev)
{
	struct virtif *vi = netdev_priv(dev);
	void *cookies[RUMPUSER_NET_QUEUES];
	unsigned int i;

	for (i = 0; i < vi->nqueues; i++)
		cookies[i] = &vi->queues[i];
	rumpuser_net_start(vi->handle, cookies);
}

static int __init virtif_init(void)
{
	rump_irq_handler(RUMP_IRQ_NET, net_interrupt);
	return 0;
}
subsys_initcall(virtif_init);
