// SPDX-License-Identifier: GPL-2.0-only
/*
 * placeholder.c - what stands behind a rump descriptor's number on the host.
 *
 * A program holds one end of a socketpair of the host at the number of each of
 * its rump descriptors, the near end; the far end is here, with a reference to
 * the open file.  So the file lives as long as any copy of the near end, in
 * whatever process; whoever shows a near end gets the file (adopt); and a byte
 * written to the far end wakes those who wait for the descriptor on the host.
 *
 * A byte is written when an event comes up that somebody asked for since the last
 * byte (arm).  Where several processes share the file, one of them may take the
 * byte that another waits for: then every event makes one, and one process only is
 * let wait for a file's own bytes (RUMP_POLL_OWN); others take a placeholder of theirs.
 *
 * Limits: adopt looks through all placeholders; WAITS wait queues a file.
 */
#include <linux/fs.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/hashtable.h>
#include <linux/llist.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <rump/rump_calls.h>
#include <rump/rumpuser.h>
#include "rump.h"

#define WAITS	3

struct rump_ph;

struct ph_wait {
	struct wait_queue_entry	entry;
	struct wait_queue_head	*head;		/* NULL: unused, or freed under us */
	struct rump_ph		*ph;
};

struct rump_ph {
	struct hlist_node	by_file;
	struct llist_node	gone;
	struct file		*file;
	int			far;
	u32			armed;
	const void		*owner;		/* files of who may wait for bytes; not followed */
	__poll_t		events;
	poll_table		pt;
	bool			registered;
	bool			hung_up;
	struct ph_wait		waits[WAITS];
};

static DEFINE_HASHTABLE(phs, 10);
static DEFINE_MUTEX(phs_lock);		/* phs, and who is in it */
static bool used;			/* there has been one */
static LLIST_HEAD(gone_list);

/* References beside ours, one process's, and held that the caller has himself. */
static bool shared(const struct rump_ph *ph, unsigned int held)
{
	return file_count(ph->file) > 2 + held;
}

static int ph_wake(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key)
{
	struct ph_wait *w = container_of(entry, struct ph_wait, entry);
	struct rump_ph *ph = w->ph;
	__poll_t mask = key_to_poll(key);

	if (mask & POLLFREE) {
		list_del_init(&entry->entry);
		smp_store_release(&w->head, NULL);
	}
	if (mask && !(mask & (READ_ONCE(ph->events) | EPOLLERR | EPOLLHUP)))
		return 0;
	if (arch_xchg(&ph->armed, 0) || shared(ph, 0))
		rumpuser_ph_ring(ph->far);
	return 1;
}

static void ph_queue(struct file *file, struct wait_queue_head *head, poll_table *pt)
{
	struct rump_ph *ph = container_of(pt, struct rump_ph, pt);
	unsigned int i;

	for (i = 0; i < WAITS; i++) {
		struct ph_wait *w = &ph->waits[i];

		if (w->head)
			continue;
		w->ph = ph;
		w->head = head;
		init_waitqueue_func_entry(&w->entry, ph_wake);
		add_wait_queue(head, &w->entry);
		return;
	}
	pr_warn_once("rump: a file with more than %d wait queues\n", WAITS);
}

static struct rump_ph *find(struct file *file)
{
	struct rump_ph *ph;

	hash_for_each_possible(phs, ph, by_file, (unsigned long)file)
		if (ph->file == file)
			return ph;
	return NULL;
}

bool rump_ph_of(struct file *file)
{
	bool found;

	mutex_lock(&phs_lock);
	found = find(file) != NULL;
	mutex_unlock(&phs_lock);
	return found;
}

/*
 * With phs_lock: nobody finds ph any more, no event reaches it, and the reference to
 * the file is the caller's.
 */
static struct file *ph_remove(struct rump_ph *ph)
{
	struct file *file = ph->file;
	unsigned int i;

	for (i = 0; i < WAITS; i++) {
		struct wait_queue_head *head;

		rcu_read_lock();
		head = smp_load_acquire(&ph->waits[i].head);
		if (head)
			remove_wait_queue(head, &ph->waits[i].entry);
		rcu_read_unlock();
	}
	hash_del(&ph->by_file);
	ph->file = NULL;
	return file;
}

static void ph_free(struct rump_ph *ph)
{
	rumpuser_ph_close(ph->far);
	kfree(ph);
}

/* A client need not wait for it. */
static void ph_free_later(struct rump_ph *ph)
{
	struct llist_head *list = rump_sp_later();

	if (list)
		__llist_add(&ph->gone, list);
	else
		ph_free(ph);
}

void rump_ph_free_now(struct llist_head *list)
{
	struct rump_ph *ph, *next;

	llist_for_each_entry_safe(ph, next, __llist_del_all(list), gone)
		ph_free(ph);
}

/* ---- the last near end is closed ------------------------------------------------- */

static void reap(struct work_struct *unused)
{
	struct llist_node *list = llist_del_all(&gone_list);
	struct rump_ph *ph, *next;

	llist_for_each_entry_safe(ph, next, list, gone) {
		mutex_lock(&phs_lock);
		if (ph->file)
			fput(ph_remove(ph));	/* not here: on the list that close flushes */
		mutex_unlock(&phs_lock);
		ph_free(ph);
	}
}
static DECLARE_WORK(reap_work, reap);

static void ph_interrupt(void)
{
	schedule_work(&reap_work);
}

/* Upcall; once for each placeholder. */
void rump_ph_gone(void *cookie)
{
	struct rump_ph *ph = cookie;

	if (arch_xchg(&ph->hung_up, true))
		return;
	if (llist_add(&ph->gone, &gone_list))
		rump_irq_post(0, RUMP_IRQ_PH);
}

/*
 * close(fd).  The caller has closed its near end before; if that was the last, the
 * file is closed when this returns, not when the hang-up is noticed: whoever has
 * noticed it already, and will free ph, finds it without a file.
 */
long rump_ph_close(unsigned int fd)
{
	struct file *file, *last = NULL;
	struct rump_ph *ph, *dead = NULL;
	bool late;
	long r;

	if (!READ_ONCE(used))
		return close_fd(fd);
	file = fget_raw(fd);
	r = close_fd(fd);
	if (!file)
		return r;
	mutex_lock(&phs_lock);
	ph = find(file);
	late = !ph && file_count(file) > 1;
	if (ph && rumpuser_ph_hungup(ph->far)) {
		last = ph_remove(ph);
		if (!arch_xchg(&ph->hung_up, true))
			dead = ph;
	}
	mutex_unlock(&phs_lock);
	if (dead)
		ph_free_later(dead);
	if (last)
		fput(last);
	fput(file);
	if (late)
		flush_delayed_fput();
	return r;
}

/* The process is a server from now on, which watches. */
void rump_ph_watch_all(void)
{
	struct rump_ph *ph;
	unsigned int i;

	mutex_lock(&phs_lock);
	hash_for_each(phs, i, ph, by_file)
		rumpuser_ph_watch(ph->far, ph);
	mutex_unlock(&phs_lock);
}

/* The end: no file is open because of a placeholder any more. */
void rump_ph_drop_all(void)
{
	struct hlist_node *next;
	struct rump_ph *ph;
	struct file *file;
	unsigned int i;

	mutex_lock(&phs_lock);
	hash_for_each_safe(phs, i, next, ph, by_file) {
		file = ph_remove(ph);
		if (!arch_xchg(&ph->hung_up, true))
			ph_free(ph);	/* else reap() will */
		fput(file);
	}
	mutex_unlock(&phs_lock);
}

/* Without a lock: for who asks from time to time. */
bool rump_ph_any(void)
{
	return READ_ONCE(used) && !hash_empty(phs);
}

/* ---- the private calls ------------------------------------------------------------------ */

long rump_ph_attach(int fd, int far)
{
	struct rump_ph *ph;
	struct file *file;
	int err;

	file = fget_raw(fd);
	ph = kzalloc(sizeof(*ph), GFP_KERNEL);
	if (!file || !ph || rump_is_hostfile(file)) {
		err = !file ? -EBADF : !ph ? -ENOMEM : -EREMOTE;
		kfree(ph);
		if (file)
			fput(file);
		return err;
	}
	ph->file = file;
	ph->far = far;
	mutex_lock(&phs_lock);
	hash_add(phs, &ph->by_file, (unsigned long)file);
	WRITE_ONCE(used, true);
	mutex_unlock(&phs_lock);
	rumpuser_ph_watch(far, ph);	/* an embedded kernel has no one to watch */
	return 0;
}

static long fd_attach(int fd, int far)
{
	int own = rumpuser_ph_take(far);
	long err;

	if (own < 0)
		return own;
	err = rump_ph_attach(fd, own);
	if (err)
		rumpuser_ph_close(own);
	return err;
}

static int same_file(const void *file, struct file *f, unsigned int fd)
{
	return f == file ? fd + 1 : 0;
}

static long fd_adopt(int near)
{
	struct file *file = NULL;
	struct rump_ph *ph;
	unsigned int i;
	int fd;

	mutex_lock(&phs_lock);
	hash_for_each(phs, i, ph, by_file)
		if (rumpuser_ph_is_pair(near, ph->far)) {
			file = get_file(ph->file);
			break;
		}
	mutex_unlock(&phs_lock);
	if (!file)
		return -ENXIO;
	fd = iterate_fd(current->files, 0, same_file, file) - 1;
	if (fd >= 0) {
		fput(file);
		return fd;
	}
	fd = get_unused_fd_flags(0);
	if (fd < 0)
		fput(file);
	else
		fd_install(fd, file);
	return fd;
}

/* Another process may be waiting for a byte: then it is not for this one to take it. */
static bool is_taken(const struct rump_ph *ph)
{
	return ph->owner && ph->owner != current->files && shared(ph, 1);
}

static __poll_t poll_one(struct pollfd *p, int arm, bool *taken)
{
	__poll_t want = demangle_poll(p->events) | EPOLLERR | EPOLLHUP, mask;
	struct rump_ph *ph = NULL;
	struct file *file = fget(p->fd);
	poll_table *pt = NULL;

	if (!file) {
		p->revents = POLLNVAL;
		return EPOLLNVAL;
	}
	if (arm) {
		mutex_lock(&phs_lock);
		ph = find(file);
		if (ph && arm == RUMP_POLL_OWN && is_taken(ph)) {
			*taken = true;
			ph = NULL;
		}
		if (ph) {
			if (arm == RUMP_POLL_OWN)
				ph->owner = current->files;
			WRITE_ONCE(ph->events, shared(ph, 1) ? ph->events | want : want);
			smp_store_release(&ph->armed, 1);
			if (!ph->registered) {
				ph->registered = true;
				init_poll_funcptr(&ph->pt, ph_queue);
				ph->pt._key = ~(__poll_t)0;
				pt = &ph->pt;
			}
		}
	}
	mask = vfs_poll(file, pt) & want;
	if (ph && mask && arm == RUMP_POLL_RING && arch_xchg(&ph->armed, 0))
		rumpuser_ph_ring(ph->far);
	p->revents = mangle_poll(mask);
	if (ph && arm != RUMP_POLL_OWN && shared(ph, 1))
		p->revents |= RUMP_POLL_SHARED;
	if (arm)
		mutex_unlock(&phs_lock);
	fput(file);
	return mask;
}

static int poll_all(struct pollfd *fds, unsigned int n, int arm)
{
	bool taken = false;
	unsigned int i;
	int ready = 0;

	for (i = 0; i < n; i++) {
		fds[i].revents = 0;
		ready += fds[i].fd >= 0 && poll_one(&fds[i], arm, &taken);
	}
	return taken && !ready ? -EBUSY : ready;
}

static long poll_arm(struct pollfd __user *ufds, unsigned int n, int arm)
{
	struct pollfd few[8], *fds = few;
	int ready = 0;

	if (n > rlimit(RLIMIT_NOFILE))
		return -EINVAL;
	if (n > ARRAY_SIZE(few))
		fds = kvmalloc_array(n, sizeof(*fds), GFP_KERNEL);
	if (!fds)
		return -ENOMEM;
	if (copy_from_user(fds, ufds, n * sizeof(*fds))) {
		ready = -EFAULT;
		goto out;
	}
	if (arm != RUMP_POLL_RING)
		ready = poll_all(fds, n, RUMP_POLL_LOOK);
	if (!ready && arm)
		ready = poll_all(fds, n, arm);
	if (copy_to_user(ufds, fds, n * sizeof(*fds)))
		ready = -EFAULT;
out:
	if (fds != few)
		kvfree(fds);
	return ready;
}

long rump_private_call(long nr, const long args[6])
{
	switch (nr) {
	case RUMP_CALL_FD_ATTACH:
		return fd_attach(args[0], args[1]);
	case RUMP_CALL_FD_ADOPT:
		return fd_adopt(args[0]);
	case RUMP_CALL_POLL_ARM:
		return poll_arm((struct pollfd __user *)args[0], args[1], args[2]);
	case RUMP_CALL_NETIF:
		return rump_netif_call(args[0], (const char __user *)args[1],
				       (char __user *)args[2], args[3]);
	case RUMP_CALL_MAP:
	case RUMP_CALL_MAPPED:
		return rump_map_call(nr, args);
	case RUMP_CALL_TRACE:
		return rump_trace_call(args[0]);
	case RUMP_CALL_HOST_PUT:
		return rump_hostfile_put(args[0]);
	case RUMP_CALL_HOST_GET:
		return rump_hostfile_get(args[0]);
	}
	return -ENOSYS;
}

static int __init rump_ph_init(void)
{
	rump_irq_handler(RUMP_IRQ_PH, ph_interrupt);
	return 0;
}
core_initcall(rump_ph_init);
