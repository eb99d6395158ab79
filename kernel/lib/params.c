/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * params.c - RUMP_NCPU (1 to 64, default 1), RUMP_MEMLIMIT (bytes, or a number
 * with k, m or g; default 256m, at least 12m, rounded down to 4 MB) and
 * RUMP_VERBOSE (0 or 1).  Nothing that is out of range is bent into it.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <rump/rumpuser.h>

#include "params.h"

#define VALUE_LEN	64
#define MEM_DEFAULT	(256ULL << 20)
#define MEM_UNIT	(4ULL << 20)

/* 1: set, in value; 0: not set; or -errno. */
static int get(const char *name, char value[VALUE_LEN])
{
	int err = rumpuser_getparam(name, value, VALUE_LEN);

	if (err == -ENOENT)
		return 0;
	if (err == -E2BIG)
		rumpuser_warn("%s: its value is longer than %d bytes", name, VALUE_LEN - 1);
	return err ? err : 1;
}

/* Reads digits at s; NULL: there are none, or too many for 64 bits. */
static const char *number(const char *s, uint64_t *n)
{
	const char *start = s;

	for (*n = 0; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(*n, 10, n) || __builtin_add_overflow(*n, *s - '0', n))
			return NULL;
	return s > start ? s : NULL;
}

static int read_ncpu(unsigned int *ncpu)
{
	char value[VALUE_LEN];
	const char *end;
	uint64_t n;
	int ret;

	ret = get("RUMP_NCPU", value);
	if (ret <= 0)
		return ret;
	end = number(value, &n);
	if (!end || *end || n < 1 || n > RUMPK_NCPU_MAX) {
		rumpuser_warn("RUMP_NCPU=%s: a number of virtual CPUs from 1 to %d is wanted",
		    value, RUMPK_NCPU_MAX);
		return -EINVAL;
	}
	*ncpu = n;
	return 0;
}

static int read_mem(uint64_t *mem)
{
	static const char units[] = "kKmMgG";
	char value[VALUE_LEN];
	const char *end, *unit = NULL;
	uint64_t n;
	int ret;

	ret = get("RUMP_MEMLIMIT", value);
	if (ret <= 0)
		return ret;
	end = number(value, &n);
	if (end && *end && (unit = strchr(units, *end)))
		end++;
	if (!end || *end ||
	    (unit && __builtin_mul_overflow(n, 1ULL << 10 * ((unit - units) / 2 + 1), &n))) {
		rumpuser_warn("RUMP_MEMLIMIT=%s: bytes, or a number with k, m or g are wanted",
		    value);
		return -EINVAL;
	}
	if (n < RUMPK_MEM_MIN) {
		rumpuser_warn("RUMP_MEMLIMIT=%s: at least %llum are needed", value,
		    RUMPK_MEM_MIN >> 20);
		return -EINVAL;
	}
	*mem = n - n % MEM_UNIT;
	return 0;
}

static int read_verbose(int *verbose)
{
	char value[VALUE_LEN];
	int ret;

	ret = get("RUMP_VERBOSE", value);
	if (ret <= 0)
		return ret;
	if (strcmp(value, "0") && strcmp(value, "1")) {
		rumpuser_warn("RUMP_VERBOSE=%s: 0 or 1 is wanted", value);
		return -EINVAL;
	}
	*verbose = value[0] - '0';
	return 0;
}

int params_read(struct rumpk_params *params)
{
	int err;

	*params = (struct rumpk_params){ .ncpu = 1, .mem = MEM_DEFAULT };
	err = read_ncpu(&params->ncpu);
	if (!err)
		err = read_mem(&params->mem);
	if (!err)
		err = read_verbose(&params->verbose);
	return err;
}
