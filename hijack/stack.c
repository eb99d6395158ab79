/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stack.c - room for our frames on the stacks of musl's own threads.
 *
 * Those of its POSIX AIO have the few KB that a signal frame takes, by AT_MINSIGSTKSZ of the auxiliary
 * vector, and make the calls of the program there.  So that says more, before the first of them:
 * what a handler needs that makes a call on a rump descriptor, which is what the word means.
 * pthread_create(3) is seen (wrapcall.c), and glibc's threads have 16 KB at least.
 *
 * Limit: kernels before 5.14 do not say it, and such threads have 4 KB.
 */
#include <features.h>

#ifndef __GLIBC__
#include <elf.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "hijack.h"

#define ROOM		(16 * 1024)
#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ	51
#endif

/* The vector is behind the environment that the program was started with. */
static void __attribute__((constructor)) make_room(void)
{
	Elf64_auxv_t *v;
	char **e = environ;

	if (hijack_state <= 0 || !e || !getauxval(AT_MINSIGSTKSZ))
		return;
	while (*e)
		e++;
	for (v = (void *)(e + 1); v->a_type != AT_NULL && v->a_type <= 64; v++)
		if (v->a_type == AT_MINSIGSTKSZ && v->a_un.a_val == getauxval(AT_MINSIGSTKSZ)) {
			v->a_un.a_val += ROOM;
			return;
		}
}
#endif
