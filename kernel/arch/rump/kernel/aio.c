// SPDX-License-Identifier: GPL-2.0-only
/*
 * aio.c - Linux's AIO where there is no MMU.
 *
 * io_setup() maps the ring of a context into the process, which a kernel without an MMU
 * refuses; the address is the context's identity, and the place where io_submit() and the
 * others look the context up.  The ring's first page is in memory that the process shares
 * anyway: its address will do.  (The linker puts these two in front of the functions of
 * mm/nommu.c: --wrap.)
 *
 * Limits: only the first page lies there, which has the header; whoever reads events without
 * a system call finds them in the first page or asks.  A client of a server does not share
 * the page and gets EINVAL from io_submit().
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>

#define AIO_SUPER_MAGIC	0xa10a10a1	/* aio.c keeps it to itself */

unsigned long __real_do_mmap(struct file *file, unsigned long addr, unsigned long len,
			     unsigned long prot, unsigned long flags, vm_flags_t vm_flags,
			     unsigned long pgoff, unsigned long *populate, struct list_head *uf);
unsigned long __wrap_do_mmap(struct file *file, unsigned long addr, unsigned long len,
			     unsigned long prot, unsigned long flags, vm_flags_t vm_flags,
			     unsigned long pgoff, unsigned long *populate, struct list_head *uf);
int __real_vm_munmap(unsigned long start, size_t len);
int __wrap_vm_munmap(unsigned long start, size_t len);

static bool is_ring(const struct inode *inode)
{
	return inode->i_sb->s_magic == AIO_SUPER_MAGIC;
}

unsigned long __wrap_do_mmap(struct file *file, unsigned long addr, unsigned long len,
			     unsigned long prot, unsigned long flags, vm_flags_t vm_flags,
			     unsigned long pgoff, unsigned long *populate, struct list_head *uf)
{
	struct folio *ring;

	if (!file || !is_ring(file_inode(file)))
		return __real_do_mmap(file, addr, len, prot, flags, vm_flags, pgoff, populate, uf);
	ring = filemap_get_folio(file->f_mapping, 0);
	if (IS_ERR(ring))
		return PTR_ERR(ring);
	folio_put(ring);	/* the context holds it */
	*populate = 0;
	return (unsigned long)folio_address(ring);
}

int __wrap_vm_munmap(unsigned long start, size_t len)
{
	struct address_space *mapping;

	if (start && virt_addr_valid((void *)start)) {
		mapping = folio_mapping(virt_to_folio((void *)start));
		if (mapping && mapping->host && is_ring(mapping->host))
			return 0;
	}
	return __real_vm_munmap(start, len);
}
