/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * random.c - random bytes.  getrandom(2) may return fewer bytes than asked for
 * (a signal, or more than 256 at a time), so it is called until all are there.
 */
#include <errno.h>

#include "hostcall.h"
#include "internal.h"

void rumpuser_getrandom(void *buf, size_t len)
{
	char *p = buf;
	long ret;

	while (len > 0) {
		ret = host(SYS_getrandom, p, len, 0);
		if (ret > 0) {
			p += ret;
			len -= ret;
		} else if (ret != -EINTR) {
			rumpuser_warn("getrandom: error %ld", -ret);
			rumpuser_exit(RUMPUSER_PANIC);
		}
	}
}
