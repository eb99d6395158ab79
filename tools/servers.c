/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * servers.c - which rump kernels of this user serve clients: as /proc shows it, so that
 * nothing has to be registered, and nothing is left behind by one that was killed.
 *
 * A server is a process that has librump.so mapped and listens at a Unix socket:
 * rump_server, a keeper, or any program that called rump_init_server().
 *
 * Limits: processes that /proc does not let this user look into; a socket whose name has
 * a newline.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rump.h"

#define LISTENS		0x10000		/* __SO_ACCEPTCON, in /proc/net/unix */

struct listener {
	unsigned long inode;
	char *path;			/* "@NAME" for an abstract one */
};

/* The sockets that listen in one network namespace. */
static struct {
	ino_t netns;
	struct listener *l;
	size_t n;
} table;

static void forget_table(void)
{
	while (table.n)
		free(table.l[--table.n].path);
	free(table.l);
	table.l = NULL;
}

static void read_table(pid_t pid)
{
	unsigned long inode;
	unsigned int flags;
	char file[64], *line = NULL;
	size_t size = 0;
	struct stat st;
	int at;
	FILE *f;

	snprintf(file, sizeof(file), "/proc/%d/ns/net", pid);
	if (stat(file, &st) || st.st_ino == table.netns)
		return;
	forget_table();
	table.netns = st.st_ino;
	snprintf(file, sizeof(file), "/proc/%d/net/unix", pid);
	f = fopen(file, "re");
	/* Num: RefCount Protocol Flags Type St Inode Path */
	while (f && getline(&line, &size, f) > 0) {
		at = 0;
		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "%*s %*x %*x %x %*x %*x %lu %n", &flags, &inode, &at) < 2 || !at ||
		    !(flags & LISTENS) || !line[at])
			continue;
		table.l = reallocarray(table.l, table.n + 1, sizeof(*table.l));
		if (!table.l || !(table.l[table.n].path = strdup(line + at)))
			die(1, "out of memory");
		table.l[table.n++].inode = inode;
	}
	free(line);
	if (f)
		fclose(f);
}

static const char *listens_at(unsigned long inode)
{
	size_t i;

	for (i = 0; i < table.n; i++)
		if (table.l[i].inode == inode)
			return table.l[i].path;
	return NULL;
}

static int has_kernel(pid_t pid)
{
	char file[64], *line = NULL;
	size_t size = 0;
	int found = 0;
	FILE *f;

	snprintf(file, sizeof(file), "/proc/%d/maps", pid);
	f = fopen(file, "re");
	while (f && !found && getline(&line, &size, f) > 0)
		found = strstr(line, "/librump.so") != NULL;
	free(line);
	if (f)
		fclose(f);
	return found;
}

/*
 * The name was given to the socket before its last letter was taken away, so that who
 * sees it can connect (hypercall/sp_listen.c); it may be relative to a directory.
 */
static void make_url(struct rump_found *s, const char *name)
{
	char dir[PATH_MAX] = "", file[64];
	size_t n = strlen(name);
	struct stat st;

	if (name[0] != '@') {
		if (name[0] != '/') {
			snprintf(file, sizeof(file), "/proc/%d/cwd", s->pid);
			n = readlink(file, dir, sizeof(dir) - 2);
			if (n < sizeof(dir) - 1)
				strcpy(dir + n, "/");
			n = strlen(name);
		}
		snprintf(s->url, sizeof(s->url), "unix://%s%s", dir, name);
		if (name[n - 1] == '~' && stat(s->url + strlen("unix://"), &st))
			s->url[strlen(s->url) - 1] = '\0';
	} else {
		snprintf(s->url, sizeof(s->url), "unix://%s", name);
	}
}

static int look_at(pid_t pid, struct rump_found *s)
{
	char dir[64], file[64 + 32], target[64];
	const char *name = NULL;
	const struct dirent *e;
	unsigned long inode;
	ssize_t n;
	DIR *d;

	snprintf(dir, sizeof(dir), "/proc/%d/fd", pid);
	d = opendir(dir);
	if (!d)
		return 0;
	read_table(pid);
	while (!name && (e = readdir(d))) {
		snprintf(file, sizeof(file), "%s/%.20s", dir, e->d_name);
		n = readlink(file, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		if (sscanf(target, "socket:[%lu]", &inode) == 1)
			name = listens_at(inode);
	}
	closedir(d);
	if (!name || !has_kernel(pid))
		return 0;
	s->pid = pid;
	make_url(s, name);
	return 1;
}

void rump_find_servers(void (*fn)(const struct rump_found *server))
{
	struct rump_found s;
	struct dirent **all;
	struct stat st;
	char dir[64];
	int n, i;

	n = scandir("/proc", &all, NULL, versionsort);
	for (i = 0; i < n; i++) {
		snprintf(dir, sizeof(dir), "/proc/%.20s", all[i]->d_name);
		if (isdigit((unsigned char)all[i]->d_name[0]) && stat(dir, &st) == 0 &&
		    st.st_uid == geteuid() && look_at(atoi(all[i]->d_name), &s))
			fn(&s);
		free(all[i]);
	}
	if (n >= 0)
		free(all);
	forget_table();
	table.netns = 0;
}
