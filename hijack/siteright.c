/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * siteright.c - are sites that somebody else has found really there?  What was kept, and what
 * rump_sites says, is believed as far as this goes: no byte of the text is replaced that does
 * not belong to a system call of the form that it is said to have.
 */
#include "hijack.h"
#include "site.h"

static int is_right(const struct text *t, const struct site *s)
{
	return s->offset >= SITE_FRONT && s->offset + SITE_BACK < t->end - t->start &&
	    t->start[s->offset] == 0x0f && t->start[s->offset + 1] == 0x05 &&
	    s->form <= SITE_OVER && s->nr < RUMP_NSYSROWS && s->nlead <= SITE_FRONT &&
	    s->ntail <= SITE_BACK - 2 && site_bytes(t, s->offset) == s->bytes;
}

int sites_right(const struct text *t, const struct site *sites, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (!is_right(t, &sites[i]) || (i && sites[i].offset <= sites[i - 1].offset))
			return 0;
	return 1;
}
