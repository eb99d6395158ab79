/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * file.c - reads rump_topo(5).
 *
 * A line is a statement: a keyword, which one row of a table says how to read, and words.
 * What follows ": " is a command for the shell, and is kept as it is.  Whatever the shell
 * or ip(8) will check anyway is not checked here; what this program itself uses is.
 *
 * The parser is pure: it touches nothing but its memory.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

#define KERNELS_MAX	1024

int topo_wrong(struct parser *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->why, TOPO_WHY, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* Room for one more at the end of an array of n; it is all zeroes. */
static void *grow(void *arrayp, unsigned int *n, size_t size)
{
	char *a, **ap = arrayp;

	if ((*n & (*n - 1)) == 0) {
		a = reallocarray(*ap, *n ? 2 * (size_t)*n : 1, size);
		if (!a)
			return NULL;
		*ap = a;
	}
	return memset(*ap + (*n)++ * size, 0, size);
}

/* ---- pieces ------------------------------------------------------------------------- */

static int name_ok(struct parser *p, const char *what, const char *s, size_t size)
{
	const char *c;

	for (c = s; isalnum((unsigned char)*c) || (c > s && (*c == '-' || *c == '_' || *c == '.')); c++)
		;
	if (*c || c == s || (size_t)(c - s) >= size)
		return topo_wrong(p, "%.60s: the name of %s is up to %zu letters, digits, '-', '_' "
			     "and '.', and begins with one of the first two", s, what, size - 1);
	return 0;
}

int topo_find_kernel(const struct topo *t, const char *name)
{
	unsigned int i;

	for (i = 0; i < t->nkernels; i++)
		if (!strcmp(t->kernels[i].name, name))
			return (int)i;
	return -1;
}

int topo_find_link(const struct topo *t, const char *name)
{
	unsigned int i;

	for (i = 0; i < t->nlinks; i++)
		if (!strcmp(t->links[i].name, name))
			return (int)i;
	return -1;
}

static int kernel_named(struct parser *p, const char *name, int *k)
{
	*k = topo_find_kernel(p->t, name);
	return *k < 0 ? topo_wrong(p, "%.60s: no kernel of that name is above", name) : 0;
}

static int link_named(struct parser *p, const char *name, unsigned int *l)
{
	int i = topo_find_link(p->t, name);

	*l = (unsigned int)i;
	return i < 0 ? topo_wrong(p, "%.60s: no link of that name is above", name) : 0;
}

/* ---- statements ----------------------------------------------------------------------- */

static int new_step(struct parser *p, enum topo_what what, struct topo_step **sp)
{
	struct topo_step *s = grow(&p->t->steps, &p->t->nsteps, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->what = what;
	s->line = p->line;
	s->kernel = TOPO_HOST;
	*sp = s;
	return 0;
}

static int read_kernel(struct parser *p, enum topo_what unused)
{
	unsigned int i, j, first = p->t->nkernels;
	struct topo_kernel *k;
	int r;

	(void)unused;
	for (i = 0; i < p->nwords && !strchr(p->word[i], '='); i++) {
		r = name_ok(p, "a kernel", p->word[i], TOPO_NAME);
		if (r)
			return r;
		if (topo_find_kernel(p->t, p->word[i]) >= 0 || !strcmp(p->word[i], "host"))
			return topo_wrong(p, "%s: that name is taken", p->word[i]);
		if (p->t->nkernels == KERNELS_MAX)
			return topo_wrong(p, "%s: more than %d kernels", p->word[i], KERNELS_MAX);
		k = grow(&p->t->kernels, &p->t->nkernels, sizeof(*k));
		if (!k)
			return -ENOMEM;
		strcpy(k->name, p->word[i]);
		k->line = p->line;
	}
	if (i == 0)
		return topo_wrong(p, "kernel NAME... [ncpu=N] [mem=SIZE] is wanted");
	for (; i < p->nwords; i++)
		for (j = first; j < p->t->nkernels; j++) {
			r = topo_key_value(p, topo_kernel_keys, p->word[i], &p->t->kernels[j]);
			if (r <= 0)
				return r ? r : topo_wrong(p, "%.60s: the names come first", p->word[i]);
		}
	return 0;
}

/* KERNEL:INTERFACE, which is of the kind that exists already, or is not yet. */
static int split_if(struct parser *p, const char *word, int *k, char ifname[TOPO_IF], int *found)
{
	char kernel[TOPO_NAME];
	const char *colon = strchr(word, ':');
	unsigned int i;
	int r;

	if (!colon || (size_t)(colon - word) >= sizeof(kernel))
		return topo_wrong(p, "%.60s: KERNEL:INTERFACE is wanted", word);
	memcpy(kernel, word, colon - word);
	kernel[colon - word] = '\0';
	r = kernel_named(p, kernel, k);
	if (!r)
		r = name_ok(p, "an interface", colon + 1, TOPO_IF);
	if (r)
		return r;
	strcpy(ifname, colon + 1);
	*found = -1;
	for (i = 0; i < p->t->nifs; i++)
		if ((int)p->t->ifs[i].kernel == *k && !strcmp(p->t->ifs[i].name, ifname))
			*found = (int)i;
	return 0;
}

static int read_link(struct parser *p, enum topo_what unused)
{
	unsigned int i, l = p->t->nlinks, n = 0;
	char ifname[TOPO_IF];
	struct topo_if *f;
	int r, k, found;

	(void)unused;
	if (p->nwords < 2)
		return topo_wrong(p, "link NAME KERNEL:INTERFACE... [KEY=VALUE]... is wanted");
	r = name_ok(p, "a link", p->word[0], TOPO_NAME);
	if (r)
		return r;
	if (topo_find_link(p->t, p->word[0]) >= 0)
		return topo_wrong(p, "%s: that name is taken", p->word[0]);
	if (!grow(&p->t->links, &p->t->nlinks, sizeof(*p->t->links)))
		return -ENOMEM;
	strcpy(p->t->links[l].name, p->word[0]);
	for (i = 1; i < p->nwords; i++) {
		r = topo_key_value(p, topo_link_keys, p->word[i], &p->t->links[l]);
		if (r < 0)
			return r;
		if (r)
			continue;
		r = split_if(p, p->word[i], &k, ifname, &found);
		if (r)
			return r;
		if (found >= 0 || !strcmp(ifname, "lo"))
			return topo_wrong(p, "%s: that interface is plugged in already", p->word[i]);
		f = grow(&p->t->ifs, &p->t->nifs, sizeof(*f));
		if (!f)
			return -ENOMEM;
		f->kernel = (unsigned int)k;
		f->link = l;
		strcpy(f->name, ifname);
		n++;
	}
	if (n < 1)
		return topo_wrong(p, "link %s: it has no interface", p->word[0]);
	if (p->t->links[l].spec && n > 1)
		return topo_wrong(p, "link %s: one with on= has one interface", p->word[0]);
	return topo_netem_ok(p, &p->t->links[l].netem);
}

static int read_addr(struct parser *p, enum topo_what what)
{
	struct topo_step *s;
	char ifname[TOPO_IF];
	int r, k, found;
	unsigned int i;

	if (p->nwords < 2)
		return topo_wrong(p, "addr KERNEL:INTERFACE ADDRESS/LENGTH... is wanted");
	r = split_if(p, p->word[0], &k, ifname, &found);
	if (r)
		return r;
	if (found < 0 && strcmp(ifname, "lo"))
		return topo_wrong(p, "%s: no link above has that interface", p->word[0]);
	for (i = 1; i < p->nwords; i++) {
		r = topo_address_ok(p, p->word[i]);
		if (!r)
			r = new_step(p, what, &s);
		if (r)
			return r;
		s->kernel = k;
		strcpy(s->ifname, ifname);
		if (topo_keep(&s->text, p->word[i]))
			return -ENOMEM;
	}
	return 0;
}

/* The words from the n-th on, with one blank between two. */
static int join(struct parser *p, unsigned int n, char **text)
{
	size_t len = 1;
	unsigned int i;
	char *s;

	for (i = n; i < p->nwords; i++)
		len += strlen(p->word[i]) + 1;
	*text = s = malloc(len);
	if (!s)
		return -ENOMEM;
	*s = '\0';
	for (i = n; i < p->nwords; i++)
		s += sprintf(s, "%s%s", i > n ? " " : "", p->word[i]);
	return 0;
}

/* route KERNEL ARG..., sysctl KERNEL KEY=VALUE */
static int read_words(struct parser *p, enum topo_what what)
{
	struct topo_step *s;
	int r, k;

	if (p->nwords < 2 || (what == TOPO_SYSCTL && !strchr(p->word[1], '=')))
		return topo_wrong(p, what == TOPO_ROUTE ? "route KERNEL DESTINATION via ADDRESS is wanted" :
			     "sysctl KERNEL KEY=VALUE is wanted");
	if (what == TOPO_SYSCTL && (strstr(p->word[1], "..") || p->word[1][0] == '/'))
		return topo_wrong(p, "%.60s: a key like net.ipv4.ip_forward is wanted", p->word[1]);
	r = kernel_named(p, p->word[0], &k);
	if (!r)
		r = new_step(p, what, &s);
	if (r)
		return r;
	s->kernel = k;
	return join(p, 1, &s->text);
}

/*
 * [until TIME | start NAME |] KERNEL...: COMMAND.  A step for each kernel; "host" is
 * the host itself.
 */
static int read_command(struct parser *p, enum topo_what what)
{
	unsigned int i = 0, first = what == TOPO_UNTIL || what == TOPO_START;
	char name[TOPO_NAME] = "";
	struct topo_step *s;
	long ms = 0;
	int r, k;

	if (!p->command || p->nwords <= first)
		return topo_wrong(p, "%sKERNEL...: COMMAND is wanted", what == TOPO_UNTIL ? "until TIME " :
			     what == TOPO_START ? "start NAME " : "");
	if (what == TOPO_UNTIL) {
		r = topo_duration(p, p->word[0], &ms);
	} else if (what == TOPO_START) {
		r = name_ok(p, "a program in the background", p->word[0], TOPO_NAME);
		for (i = 0; !r && i < p->t->nsteps; i++)
			if (p->t->steps[i].what == TOPO_START &&
			    !strcmp(p->t->steps[i].name, p->word[0]))
				r = topo_wrong(p, "%s: that name is taken", p->word[0]);
		if (!r && p->nwords > 2)
			r = topo_wrong(p, "start %s: it is for one kernel", p->word[0]);
		if (!r)
			strcpy(name, p->word[0]);
	} else {
		r = 0;
	}
	for (i = first; !r && i < p->nwords; i++) {
		k = TOPO_HOST;
		if (strcmp(p->word[i], "host"))
			r = kernel_named(p, p->word[i], &k);
		if (!r)
			r = new_step(p, what, &s);
		if (r)
			break;
		s->kernel = k;
		s->ms = ms;
		strcpy(s->name, name);
		r = topo_keep(&s->text, p->command);
	}
	return r;
}

/* wait NAME, stop NAME: of a program that was started above */
static int read_started(struct parser *p, enum topo_what what)
{
	struct topo_step *s;
	unsigned int i;
	int r;

	if (p->nwords != 1)
		return topo_wrong(p, "the name of one program is wanted that was started above");
	for (i = 0; i < p->t->nsteps; i++)
		if (p->t->steps[i].what == TOPO_START && !strcmp(p->t->steps[i].name, p->word[0]))
			break;
	if (i == p->t->nsteps)
		return topo_wrong(p, "%.60s: no program of that name was started above", p->word[0]);
	r = new_step(p, what, &s);
	if (!r)
		strcpy(s->name, p->word[0]);
	return r;
}

static int read_link_step(struct parser *p, enum topo_what what)
{
	struct topo_step *s;
	unsigned int l, i;
	int r;

	if (p->nwords < 1 || (what == TOPO_CHANGE ? p->nwords < 2 : p->nwords > 1))
		return topo_wrong(p, what == TOPO_CHANGE ? "change LINK KEY=VALUE... is wanted" :
			     "the name of one link is wanted");
	r = link_named(p, p->word[0], &l);
	if (!r)
		r = new_step(p, what, &s);
	if (r)
		return r;
	s->link = l;
	for (i = 1; i < p->nwords; i++) {
		r = topo_key_value(p, topo_change_keys, p->word[i], s);
		if (r <= 0)
			return r ? r : topo_wrong(p, "%.60s: KEY=VALUE is wanted", p->word[i]);
	}
	return topo_netem_ok(p, &s->netem);
}

static int read_sleep(struct parser *p, enum topo_what what)
{
	struct topo_step *s;
	long ms;
	int r;

	if (p->nwords != 1)
		return topo_wrong(p, "sleep TIME is wanted");
	r = topo_duration(p, p->word[0], &ms);
	if (!r)
		r = new_step(p, what, &s);
	if (!r)
		s->ms = ms;
	return r;
}

static const struct statement {
	const char *keyword;
	int (*read)(struct parser *p, enum topo_what what);
	enum topo_what what;
	bool command;		/* has one, behind a colon */
} statements[] = {
	{ "kernel",	read_kernel,	0,		false },
	{ "link",	read_link,	0,		false },
	{ "addr",	read_addr,	TOPO_ADDR,	false },
	{ "route",	read_words,	TOPO_ROUTE,	false },
	{ "sysctl",	read_words,	TOPO_SYSCTL,	false },
	{ "setup",	read_command,	TOPO_SETUP,	true },
	{ "run",	read_command,	TOPO_RUN,	true },
	{ "fail",	read_command,	TOPO_FAIL,	true },
	{ "until",	read_command,	TOPO_UNTIL,	true },
	{ "start",	read_command,	TOPO_START,	true },
	{ "wait",	read_started,	TOPO_WAIT,	false },
	{ "stop",	read_started,	TOPO_STOP,	false },
	{ "change",	read_link_step,	TOPO_CHANGE,	false },
	{ "cut",	read_link_step,	TOPO_CUT,	false },
	{ "heal",	read_link_step,	TOPO_HEAL,	false },
	{ "sleep",	read_sleep,	TOPO_SLEEP,	false },
};

/* ---- lines ------------------------------------------------------------------------------ */

/* One line, without its end; it is cut up. */
static int read_line(struct parser *p, char *line)
{
	const struct statement *st = NULL;
	char *s = line + strspn(line, " \t"), *colon, *save;
	size_t i, len = strcspn(s, " \t");

	if (!*s || *s == '#')
		return 0;
	for (i = 0; i < sizeof(statements) / sizeof(*statements) && !st; i++)
		if (strlen(statements[i].keyword) == len && !strncmp(s, statements[i].keyword, len))
			st = &statements[i];
	if (!st)
		return topo_wrong(p, "%.*s: no such statement is known", (int)(len < 60 ? len : 60), s);
	s += len;
	p->command = NULL;
	if (st->command) {
		colon = strchr(s, ':');
		if (colon) {
			*colon = '\0';
			p->command = colon + 1 + strspn(colon + 1, " \t");
			if (!*p->command)
				p->command = NULL;
		}
	} else {
		s[strcspn(s, "#")] = '\0';
	}
	p->nwords = 0;
	for (s = strtok_r(s, " \t", &save); s; s = strtok_r(NULL, " \t", &save)) {
		if (p->nwords == WORDS_MAX)
			return topo_wrong(p, "more than %d words in a line", WORDS_MAX);
		p->word[p->nwords++] = s;
	}
	return st->read(p, st->what);
}

int topo_parse(struct topo *t, const char *text, unsigned int *line, char why[TOPO_WHY])
{
	struct parser *p = calloc(1, sizeof(*p));
	char *copy = strdup(text), *s, *end, *joint;
	int r = p && copy ? 0 : -ENOMEM;

	memset(t, 0, sizeof(*t));
	*why = '\0';
	*line = 0;
	if (!r) {
		p->t = t;
		p->why = why;
	}
	/* A backslash at the end of a line joins the next one to it. */
	for (s = copy; !r && *s; s = end) {
		p->line = ++*line;
		end = s + strcspn(s, "\n");
		while (*end && end > s && end[-1] == '\\') {
			joint = end;
			end = joint + 1 + strcspn(joint + 1, "\n");
			joint[-1] = joint[0] = ' ';
			++*line;
		}
		if (*end)
			*end++ = '\0';
		r = read_line(p, s);
	}
	if (r && p)
		*line = p->line;
	if (!r && t->nkernels == 0)
		r = topo_wrong(p, "there is no kernel in it");
	free(copy);
	free(p);
	return r;
}

static void free_netem(struct topo_netem *n)
{
	free(n->delay);
	free(n->jitter);
	free(n->loss);
	free(n->reorder);
	free(n->duplicate);
	free(n->corrupt);
	free(n->rate);
	free(n->limit);
}

void topo_free(struct topo *t)
{
	unsigned int i;

	for (i = 0; i < t->nkernels; i++) {
		free(t->kernels[i].ncpu);
		free(t->kernels[i].mem);
	}
	for (i = 0; i < t->nlinks; i++) {
		free(t->links[i].spec);
		free(t->links[i].mtu);
		free_netem(&t->links[i].netem);
	}
	for (i = 0; i < t->nsteps; i++) {
		free(t->steps[i].text);
		free_netem(&t->steps[i].netem);
	}
	free(t->kernels);
	free(t->links);
	free(t->ifs);
	free(t->steps);
	memset(t, 0, sizeof(*t));
}
