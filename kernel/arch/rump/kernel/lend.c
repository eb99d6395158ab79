// SPDX-License-Identifier: GPL-2.0-only
/*
 * lend.c - pages of the kernel that a program has mapped: the rings of packet sockets.
 *
 * libpcap reads packets from a ring of the kernel's that it maps.  The ring's pages become
 * those of a memfd, as pages of a mapped file do (mapfile.c), and the program maps the memfd.
 * Both see the same memory, as they do on any Linux, and whatever the kernel does with its
 * rings (three versions of them, transmission, statistics, readiness) it does here.  The
 * rest of RAM stays out of the program's sight.
 *
 * The socket's own mmap() says which pages they are: it is given an area that collects them.
 * (The linker puts vm_insert_page() here in front of that of mm/nommu.c, which has no use
 * for it: --wrap.)  While pages change places all other vCPUs stand still: nobody writes to
 * them.
 *
 * Whether a ring is mapped still is asked of the host: before a call that would change or
 * close a socket, and when mapfile.c asks for its files.
 *
 * Limit: each stretch of pages that do not lie in a row is a mapping of the host.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/net.h>
#include <linux/slab.h>
#include <linux/stop_machine.h>
#include <rump/rumpuser.h>
#include "rump.h"

struct loan {
	struct list_head	list;
	struct vm_area_struct	area;		/* as the socket sees it */
	struct page		**pages;
	size_t			n, npages;
	int			map;		/* the host's handle */
};

static LIST_HEAD(loans);
static DEFINE_MUTEX(loans_lock);

/* ---- which pages --------------------------------------------------------------------- */

int __real_vm_insert_page(struct vm_area_struct *vma, unsigned long addr, struct page *page);
int __wrap_vm_insert_page(struct vm_area_struct *vma, unsigned long addr, struct page *page);

static const struct vm_operations_struct collecting;

int __wrap_vm_insert_page(struct vm_area_struct *vma, unsigned long addr, struct page *page)
{
	struct loan *loan = container_of(vma, struct loan, area);

	if (vma->vm_ops != &collecting)
		return __real_vm_insert_page(vma, addr, page);
	if (addr != loan->n * PAGE_SIZE || loan->n == loan->npages)
		return -EINVAL;
	get_page(page);
	loan->pages[loan->n++] = page;
	return 0;
}

static int collect(struct loan *loan, struct socket *sock)
{
	struct vm_area_struct *area = &loan->area;
	int err;

	if (!READ_ONCE(sock->ops)->mmap)
		return -ENODEV;
	loan->pages = kvmalloc_array(loan->npages, sizeof(*loan->pages), GFP_KERNEL);
	if (!loan->pages)
		return -ENOMEM;
	area->vm_file = sock->file;
	area->vm_end = loan->npages * PAGE_SIZE;
	area->vm_ops = &collecting;
	vm_flags_init(area, VM_READ | VM_WRITE | VM_SHARED | VM_MAYREAD | VM_MAYWRITE | VM_MAYSHARE);
	err = call_mmap(sock->file, area);
	return err ?: loan->n == loan->npages ? 0 : -ENODEV;
}

/* ---- their memory ---------------------------------------------------------------------- */

static int unbind(void *arg)
{
	struct loan *loan = arg;
	int err;

	for (; loan->npages; loan->npages--) {
		err = rumpuser_map_unbind(page_address(loan->pages[loan->npages - 1]));
		if (err)
			return err;
	}
	return 0;
}

static int bind(void *arg)
{
	struct loan *loan = arg;
	int err = 0;

	/* npages are those that unbind() has to do with. */
	for (loan->npages = 0; !err && loan->npages < loan->n; loan->npages++)
		err = rumpuser_map_bind(loan->map, loan->npages * PAGE_SIZE,
					page_address(loan->pages[loan->npages]), 1);
	if (!err)
		return 0;
	loan->npages--;
	return unbind(loan) ?: err;
}

/* ---- loans ------------------------------------------------------------------------------ */

/* Nobody has it mapped; all of its memory is RAM's. */
static void free_loan(struct loan *loan)
{
	size_t i;

	for (i = 0; i < loan->n; i++)
		put_page(loan->pages[i]);
	if (loan->area.vm_ops && loan->area.vm_ops->close)
		loan->area.vm_ops->close(&loan->area);
	if (loan->map >= 0)
		rumpuser_map_close(loan->map);
	kvfree(loan->pages);
	kfree(loan);
}

/* The rings of sock, which have len bytes. */
static struct loan *make_loan(struct socket *sock, u64 len)
{
	struct loan *loan = kzalloc(sizeof(*loan), GFP_KERNEL);
	int err;

	if (!loan)
		return ERR_PTR(-ENOMEM);
	loan->map = -1;
	loan->npages = len / PAGE_SIZE;
	err = collect(loan, sock);
	if (!err)
		err = loan->map = rumpuser_map_create(0);
	if (err >= 0)
		err = rumpuser_map_resize(loan->map, len);
	if (err >= 0)
		err = stop_machine(bind, loan, NULL);
	if (err < 0) {
		free_loan(loan);
		return ERR_PTR(err);
	}
	get_file(sock->file);
	list_add(&loan->list, &loans);
	rump_map_count(1);
	return loan;
}

/* A descriptor of the host for the program to map [off, off + len) of file, a socket's. */
long rump_lend(struct file *file, u64 off, u64 len)
{
	struct socket *sock = sock_from_file(file);
	struct loan *loan;
	long r;

	if (!sock)
		return -ENODEV;
	if (off || !len || len > totalram_pages() << PAGE_SHIFT)
		return -EINVAL;
	len = PAGE_ALIGN(len);
	mutex_lock(&loans_lock);
	list_for_each_entry(loan, &loans, list)
		if (loan->area.vm_file == file)
			break;
	if (list_entry_is_head(loan, &loans, list))
		loan = make_loan(sock, len);
	if (IS_ERR(loan))
		r = PTR_ERR(loan);
	else if (len != loan->n * PAGE_SIZE)
		r = -EINVAL;
	else
		r = rumpuser_map_open(loan->map, 1);
	mutex_unlock(&loans_lock);
	return r;
}

/* Ends those that nobody has mapped; all, if forced. */
void rump_lend_look(bool forced)
{
	struct loan *loan, *next;
	struct file *file;

	mutex_lock(&loans_lock);
	list_for_each_entry_safe(loan, next, &loans, list) {
		if (!forced && rumpuser_map_used(loan->map))
			continue;
		if (WARN_ON_ONCE(stop_machine(unbind, loan, NULL)))
			continue;	/* of no use for anything else, and so kept */
		list_del(&loan->list);
		rump_map_count(-1);
		file = loan->area.vm_file;
		free_loan(loan);
		fput(file);
	}
	mutex_unlock(&loans_lock);
}
