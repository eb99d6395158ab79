/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * target.c - the memory and the descriptors of the process whose call it is.
 *
 * A thread is known by its number, which is another's when it has died: after each look
 * the host is asked whether the call is still waiting, so that nothing is believed, or
 * done, that was some other process's.  (What is written into its memory is checked
 * before: at worst the call ends in between, and its memory with it.)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "trap.h"

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd	438
#endif
#define PIDFD_THREAD_	O_EXCL		/* Linux 6.9 */

int target_valid(const struct call *c)
{
	return ioctl(c->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &c->id) == 0;
}

/* n bytes at addr are, in part, what stands for the call's own. */
static size_t own_part(const struct call *c, uint64_t addr, size_t n)
{
	if (addr < OWN_AT || addr >= OWN_AT + c->used)
		return 0;
	return n < OWN_AT + c->used - addr ? n : OWN_AT + c->used - addr;
}

size_t target_read(void *call, void *dst, uint64_t src, size_t n)
{
	const struct call *c = call;
	struct iovec local = { dst, n }, remote = { (void *)src, n };
	size_t k = own_part(c, src, n);
	ssize_t got;

	if (k) {
		memcpy(dst, c->own + (src - OWN_AT), k);
		return k;
	}
	got = process_vm_readv(c->tid, &local, 1, &remote, 1, 0);
	return got > 0 && target_valid(c) ? got : 0;
}

size_t target_write(void *call, uint64_t dst, const void *src, size_t n)
{
	struct call *c = call;
	struct iovec local = { (void *)src, n }, remote = { (void *)dst, n };
	size_t k = own_part(c, dst, n);
	ssize_t put;

	if (k) {
		memcpy(c->own + (dst - OWN_AT), src, k);
		return k;
	}
	if (!target_valid(c))
		return 0;
	put = process_vm_writev(c->tid, &local, 1, &remote, 1, 0);
	return put > 0 ? put : 0;
}

long target_string(struct call *c, uint64_t addr, char *to, size_t size)
{
	size_t n = 0, k, got;
	char *nul;

	while (n < size) {
		k = 4096 - (addr + n) % 4096;
		if (k > size - n)
			k = size - n;
		got = target_read(c, to + n, addr + n, k);
		nul = memchr(to + n, '\0', got);
		if (nul)
			return nul - to;
		n += got;
		if (got < k)
			return -EFAULT;
	}
	return -ENAMETOOLONG;
}

int target_status(pid_t tid, const char *name, char *line, size_t size)
{
	char path[64];
	size_t n = strlen(name);
	FILE *f;
	int found = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (!found && fgets(line, size, f))
		found = strncmp(line, name, n) == 0 && line[n] == ':';
	fclose(f);
	if (found)
		memmove(line, line + n + 1, strlen(line + n + 1) + 1);
	return found;
}

int target_fd(pid_t tid, int fd)
{
	char line[128];
	int pid, copy;
	long p;

	p = syscall(SYS_pidfd_open, tid, PIDFD_THREAD_);
	if (p < 0)
		p = syscall(SYS_pidfd_open, tid, 0);
	if (p < 0 && target_status(tid, "Tgid", line, sizeof(line)) && sscanf(line, "%d", &pid) == 1)
		p = syscall(SYS_pidfd_open, pid, 0);
	if (p < 0)
		return -errno;
	copy = syscall(SYS_pidfd_getfd, p, fd, 0);
	if (copy < 0)
		copy = -errno;
	close(p);
	return copy;
}

static void name_fd(char path[64], pid_t tid, int fd)
{
	snprintf(path, 64, "/proc/%d/fd/%d", tid, fd);
}

ino_t target_socket(pid_t tid, int fd)
{
	char path[64];
	struct stat st;

	name_fd(path, tid, fd);
	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode) ? st.st_ino : 0;
}

int target_has(pid_t tid, int fd)
{
	char path[64];
	struct stat st;

	name_fd(path, tid, fd);
	return lstat(path, &st) == 0;
}

static uint64_t signals(pid_t tid, const char *name)
{
	unsigned long set = 0;
	char line[128];

	if (target_status(tid, name, line, sizeof(line)))
		sscanf(line, "%lx", &set);
	return set;
}

int target_signalled(pid_t tid)
{
	uint64_t pending = signals(tid, "SigPnd") | signals(tid, "ShdPnd");

	return pending && (pending & signals(tid, "SigCgt") & ~signals(tid, "SigBlk"));
}

void target_say(pid_t tid, const char *fmt, ...)
{
	int fd = target_fd(tid, 2);
	va_list ap;

	if (fd < 0)
		return;
	va_start(ap, fmt);
	dprintf(fd, "rump: ");
	vdprintf(fd, fmt, ap);
	dprintf(fd, "\n");
	va_end(ap);
	close(fd);
}
