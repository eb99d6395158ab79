/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * init.c - the first hypercall, and parameters.
 *
 * A parameter is an environment variable unless rumpuser_setparam() has set it:
 * a server's command line wins over its environment that way.  The values set
 * are few and never removed, so they are kept in a small list under a lock.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

struct param {
	struct param *next;
	char *value;
	char name[];
};

const struct rumpuser_upcalls *rumpuser_up;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct param *params;

int rumpuser_init(int version, const struct rumpuser_upcalls *up)
{
	static atomic_flag called = ATOMIC_FLAG_INIT;
	int err;

	if (version != RUMPUSER_VERSION) {
		rumpuser_warn("the kernel speaks version %d of the hypercalls, librumpuser.so %d",
		    version, RUMPUSER_VERSION);
		return -EINVAL;
	}
	if (atomic_flag_test_and_set(&called)) {
		rumpuser_warn("a second rump kernel in one process: librumpuser.so serves one");
		return -EBUSY;
	}
	err = thread_init();
	if (err)
		return err;
	console_init();
	barrier_init();
	hostfd_init();
	rumpuser_up = up;
	return 0;
}

static struct param *find(const char *name)
{
	struct param *p;

	for (p = params; p && strcmp(p->name, name); p = p->next)
		;
	return p;
}

int rumpuser_getparam(const char *name, char *buf, size_t len)
{
	const struct param *p;
	const char *value;
	size_t need;
	int err = 0;

	pthread_mutex_lock(&lock);
	p = find(name);
	value = p ? p->value : getenv(name);
	need = value ? strlen(value) + 1 : 0;
	if (!value)
		err = -ENOENT;
	else if (need > len)
		err = -E2BIG;
	else
		memcpy(buf, value, need);
	pthread_mutex_unlock(&lock);
	return err;
}

int rumpuser_setparam(const char *name, const char *value)
{
	char *copy = strdup(value);
	struct param *p;
	int err = -ENOMEM;

	if (!copy)
		return -ENOMEM;
	pthread_mutex_lock(&lock);
	p = find(name);
	if (!p && (p = malloc(sizeof(*p) + strlen(name) + 1))) {
		strcpy(p->name, name);
		p->value = NULL;
		p->next = params;
		params = p;
	}
	if (p) {
		free(p->value);
		p->value = copy;
		copy = NULL;
		err = 0;
	}
	pthread_mutex_unlock(&lock);
	free(copy);
	return err;
}
