// SPDX-License-Identifier: GPL-2.0-only
/*
 * netif.c - network interfaces come and go: at boot, by the program's wish, and by a
 * client's (RUMP_CALL_NETIF).
 *
 * Opening and closing a link can take long, and much stack: a host thread does it, while
 * the task that wants it sleeps.  The device is registered when its link is there, and
 * the link closed when the device is gone.
 *
 * A link that knows how its network is set up (slirp, passt) comes up configured:
 * address, default route, and /etc/resolv.conf.
 */
#include <linux/completion.h>
#include <linux/etherdevice.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/inetdevice.h>
#include <linux/llist.h>
#include <linux/nsproxy.h>
#include <linux/route.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/sockios.h>
#include <linux/uaccess.h>
#include <net/net_namespace.h>
#include <net/route.h>
#include <rump/rump_calls.h>
#include <rump/rumpuser_net.h>
#include "../../../lib/rumpk.h"
#include "rump.h"
#include "virtif.h"

#define SPEC_LEN	4096

struct netif {
	struct list_head	list;
	struct net_device	*dev;
	char			spec[];
};

struct request {
	struct rumpuser_net_request r;	/* first */
	struct llist_node	node;
	struct completion	done;
};

static LIST_HEAD(netifs);
static DEFINE_MUTEX(netifs_lock);
static LLIST_HEAD(done_list);

/* ---- requests to the host ------------------------------------------------------- */

/* Upcall. */
void rump_net_done(struct rumpuser_net_request *r)
{
	struct request *req = container_of(r, struct request, r);

	if (llist_add(&req->node, &done_list))
		rump_irq_post(0, RUMP_IRQ_NETIF);
}

static void done_interrupt(void)
{
	struct request *req, *next;

	llist_for_each_entry_safe(req, next, llist_del_all(&done_list), node)
		complete(&req->done);
}

static int carry_out(struct request *req)
{
	int r;

	init_completion(&req->done);
	r = rumpuser_net_submit(&req->r);
	if (r)
		return r;
	wait_for_completion(&req->done);
	return req->r.error;
}

static void close_link(void *handle)
{
	struct request *req = kzalloc(sizeof(*req), GFP_KERNEL | __GFP_NOFAIL);

	req->r.handle = handle;
	carry_out(req);
	kfree(req);
}

/* ---- configuration ------------------------------------------------------------------ */

static void sin_set(struct sockaddr *sa, __be32 addr)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)sa;

	*sin = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = addr };
}

static int set_address(struct net *net, const char *name, unsigned int cmd, __be32 addr)
{
	struct ifreq ifr = { };

	strscpy(ifr.ifr_name, name, IFNAMSIZ);
	sin_set(&ifr.ifr_addr, addr);
	return devinet_ioctl(net, cmd, &ifr);
}

static int set_route(struct net *net, __be32 gateway)
{
	struct rtentry rt = { .rt_flags = RTF_UP | RTF_GATEWAY };
	int r;

	sin_set(&rt.rt_dst, 0);
	sin_set(&rt.rt_genmask, 0);
	sin_set(&rt.rt_gateway, gateway);
	r = ip_rt_ioctl(net, SIOCADDRT, &rt);
	return r == -EEXIST ? 0 : r;
}

static int set_resolver(__be32 nameserver)
{
	struct file *f = filp_open("/etc/resolv.conf", O_CREAT | O_TRUNC | O_WRONLY, 0644);
	char line[48];
	loff_t pos = 0;
	ssize_t n;

	if (IS_ERR(f))
		return PTR_ERR(f);
	snprintf(line, sizeof(line), "nameserver %pI4\n", &nameserver);
	n = kernel_write(f, line, strlen(line), &pos);
	filp_close(f, NULL);
	return n < 0 ? n : 0;
}

static int configure(struct net_device *dev, const struct rumpuser_net_info *info)
{
	struct net *net = dev_net(dev);
	int r;

	if (!info->addr)
		return 0;
	rtnl_lock();
	r = dev_change_flags(dev, dev->flags | IFF_UP, NULL);
	rtnl_unlock();
	if (!r)
		r = set_address(net, dev->name, SIOCSIFADDR, info->addr);
	if (!r)
		r = set_address(net, dev->name, SIOCSIFNETMASK, inet_make_mask(info->prefix));
	if (!r && info->gateway)
		r = set_route(net, info->gateway);
	if (!r && info->nameserver)
		r = set_resolver(info->nameserver);
	return r;
}

/* ---- adding and removing --------------------------------------------------------------- */

static void remove(struct netif *ni)
{
	void *handle = virtif_handle(ni->dev);

	unregister_netdev(ni->dev);
	close_link(handle);
	virtif_free(ni->dev);
	kfree(ni);
}

static int register_on(struct netif *ni, struct request *req)
{
	ni->dev = virtif_alloc(&req->r);
	if (!ni->dev)
		return -ENOMEM;
	dev_net_set(ni->dev, current->nsproxy->net_ns);
	if (register_netdev(ni->dev)) {
		snprintf(req->r.why, sizeof(req->r.why), "there is an interface %s already",
			 ni->dev->name);
		virtif_free(ni->dev);
		return -EEXIST;
	}
	return 0;
}

/* why: RUMPUSER_NET_WHY bytes. */
static int add(const char *spec, bool remote, char *why)
{
	struct request *req = kzalloc(sizeof(*req), GFP_KERNEL);
	struct netif *ni = kzalloc(struct_size(ni, spec, strlen(spec) + 1), GFP_KERNEL);
	int r = -ENOMEM;

	why[0] = '\0';
	if (!req || !ni)
		goto out;
	strcpy(ni->spec, spec);
	req->r.spec = spec;
	req->r.remote = remote;
	r = carry_out(req);
	if (r)
		goto out;
	r = register_on(ni, req);
	if (r) {
		close_link(req->r.handle);
		goto out;
	}
	virtif_start(ni->dev);
	mutex_lock(&netifs_lock);
	list_add_tail(&ni->list, &netifs);
	mutex_unlock(&netifs_lock);
	r = configure(ni->dev, &req->r.info);
	if (r)
		snprintf(req->r.why, sizeof(req->r.why), "%s is there, but was not configured",
			 ni->dev->name);
	ni = NULL;
out:
	if (req)
		strscpy(why, req->r.why, RUMPUSER_NET_WHY);
	kfree(ni);
	kfree(req);
	return r;
}

static int del(const char *name)
{
	struct netif *ni, *found = NULL;

	mutex_lock(&netifs_lock);
	list_for_each_entry(ni, &netifs, list)
		if (!strcmp(ni->dev->name, name))
			found = ni;
	if (found)
		list_del(&found->list);
	mutex_unlock(&netifs_lock);
	if (!found)
		return -ENODEV;
	remove(found);
	return 0;
}

/* NAME, a tab, the specification, a newline for each; the bytes of all. */
static size_t list(char *buf, size_t len)
{
	struct netif *ni;
	size_t n = 0;

	mutex_lock(&netifs_lock);
	list_for_each_entry(ni, &netifs, list)
		n += snprintf(buf + min(n, len), len - min(n, len), "%s\t%s\n", ni->dev->name,
			      ni->spec);
	mutex_unlock(&netifs_lock);
	return n;
}

/* ---- for kernel/lib, and for clients ------------------------------------------------------- */

struct args {
	const char *text;
	char *why;
};

static long do_add(void *arg)
{
	struct args *a = arg;

	return add(a->text, false, a->why);
}

static long do_del(void *name)
{
	return del(name);
}

static long do_del_all(void *unused)
{
	struct netif *ni;

	for (;;) {
		mutex_lock(&netifs_lock);
		ni = list_first_entry_or_null(&netifs, struct netif, list);
		if (ni)
			list_del(&ni->list);
		mutex_unlock(&netifs_lock);
		if (!ni)
			return 0;
		remove(ni);
	}
}

int rumpk_net_add(const char *spec, char *why)
{
	struct args a = { spec, why };

	return rump_call_function(do_add, &a);
}

int rumpk_net_del(const char *name)
{
	return rump_call_function(do_del, (void *)name);
}

void rumpk_net_del_all(void)
{
	rump_call_function(do_del_all, NULL);
}

long rump_netif_call(int op, const char __user *utext, char __user *ubuf, size_t ulen)
{
	size_t len = min_t(size_t, ulen, 16 * SPEC_LEN), n = 0;
	char *text = kmalloc(SPEC_LEN, GFP_KERNEL);
	char *buf = kvzalloc(max_t(size_t, len, RUMPUSER_NET_WHY), GFP_KERNEL);
	long r = -ENOMEM;

	if (!text || !buf)
		goto out;
	if (!ns_capable(current->nsproxy->net_ns->user_ns, CAP_NET_ADMIN)) {
		r = -EPERM;
		goto out;
	}
	if (op != RUMP_NETIF_LIST && rump_is_stranger()) {
		r = -EPERM;
		n = snprintf(buf, RUMPUSER_NET_WHY, "links reach the host of the server, and are "
			     "for its own user") + 1;
		goto tell;
	}
	if (op != RUMP_NETIF_LIST) {
		r = strncpy_from_user(text, utext, SPEC_LEN);
		if (r == SPEC_LEN)
			r = -E2BIG;
		if (r < 0)
			goto out;
	}
	switch (op) {
	case RUMP_NETIF_ADD:
		r = add(text, current->thread.remote, buf);
		n = strlen(buf) + 1;
		break;
	case RUMP_NETIF_DEL:
		r = del(text);
		break;
	case RUMP_NETIF_LIST:
		r = list(buf, len);
		n = r;
		break;
	default:
		r = -EINVAL;
	}
tell:
	if (n && copy_to_user(ubuf, buf, min(n, len)))
		r = -EFAULT;
out:
	kfree(text);
	kvfree(buf);
	return r;
}

static int __init netif_init(void)
{
	rump_irq_handler(RUMP_IRQ_NETIF, done_interrupt);
	return 0;
}
subsys_initcall(netif_init);
