/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory.c - access to this process's memory at addresses that may be bad: the
 * host copies, and says how far it got.  Where a sandbox forbids that call, the
 * address is trusted, as a library without a rump kernel would.
 *
 * Or to another process's, in a way that the caller has given.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "client.h"

__thread const struct rumpclient_memory *memory_of __attribute__((tls_model("initial-exec")));

void rumpclient_use_memory(const struct rumpclient_memory *m)
{
	memory_of = m;
}

static long copy(long nr, void *here, uint64_t there, size_t n)
{
	struct iovec local = { here, n }, remote = { (void *)there, n };

	return host(nr, host(SYS_getpid, 0), &local, 1, &remote, 1, 0);
}

size_t safe_read(void *dst, uint64_t src, size_t n)
{
	long r;

	if (memory_of)
		return n ? memory_of->read(memory_of->arg, dst, src, n) : 0;
	r = n ? copy(SYS_process_vm_readv, dst, src, n) : 0;
	if (r == -EPERM || r == -ENOSYS) {
		memcpy(dst, (const void *)src, n);
		return n;
	}
	return r < 0 ? 0 : r;
}

size_t safe_write(uint64_t dst, const void *src, size_t n)
{
	long r;

	if (memory_of)
		return n ? memory_of->write(memory_of->arg, dst, src, n) : 0;
	r = n ? copy(SYS_process_vm_writev, (void *)src, dst, n) : 0;
	if (r == -EPERM || r == -ENOSYS) {
		memcpy((void *)dst, src, n);
		return n;
	}
	return r < 0 ? 0 : r;
}
