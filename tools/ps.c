/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ps.c - rump ps: the servers of this user, as the host's /proc has them; or rump ps URL:
 * the processes of a server's kernel, as its own /proc has them, for which this is a
 * client like any other.
 *
 * A client's processor time is what the kernel has worked for it; its memory is that of
 * its program, which is the host's: shown where the process of that id and name is there.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <rump/rumpclient.h>

#include "../hypercall/sp_url.h"
#include "rump.h"

enum { ALL };

const struct rump_option ps_options[] = {
	[ALL] = { 'a', "all", NULL, "list servers, also if RUMP_SERVER names one" },
	{ 0 }
};

#define STATUS_LEN	4096

/* The number that follows name in a status file, or -1. */
static long field(const char *status, const char *name)
{
	const char *at = strstr(status, name);

	return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

/* The n'th field of a stat file, from 3 on, whose second one can have blanks. */
static long long stat_field(const char *stat, int n)
{
	const char *at = strrchr(stat, ')');

	for (; at && n > 2; n--)
		at = strchr(at + 1, ' ');
	return at ? strtoll(at, NULL, 10) : 0;
}

/* Of a file of the host; what is there, and a NUL. */
static int read_host(pid_t pid, const char *what, char buf[STATUS_LEN])
{
	char path[64];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, buf, STATUS_LEN - 1);
		close(fd);
	}
	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static void show_memory(long kb)
{
	if (kb < 0)
		printf(" %9s", "-");
	else
		printf(" %6.1f MB", kb / 1024.);
}

/* Hundredths of a second. */
static void show_time(long long t)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld:%02lld.%02lld", t / 6000, t / 100 % 60, t % 100);
	printf(" %10s", text);
}

static int name_length(const char *status)
{
	return (int)strcspn(status + strlen("Name:\t"), "\n");
}

/* ---- servers -------------------------------------------------------------------------- */

static unsigned int nservers;

static void show_server(const struct rump_found *s)
{
	char status[STATUS_LEN], stat[STATUS_LEN];
	long ticks = sysconf(_SC_CLK_TCK);

	if (!read_host(s->pid, "status", status) || !read_host(s->pid, "stat", stat))
		return;			/* it has just ended */
	if (nservers++ == 0)
		printf("%s%7s %9s %10s  %-16s %s%s\n", rump_colour(BOLD), "PID", "MEMORY", "TIME",
		    "COMMAND", "URL", rump_colour(PLAIN));
	printf("%7d", s->pid);
	show_memory(field(status, "\nVmRSS:"));
	show_time((stat_field(stat, 14) + stat_field(stat, 15)) * 100 / ticks);
	printf("  %-16.*s %s\n", name_length(status), status + strlen("Name:\t"), s->url);
}

/* ---- clients ---------------------------------------------------------------------------- */

struct entry {
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

/* Calls fn for each entry of a directory of the server; 0 or -errno. */
static long entries(const char *dir, void (*fn)(void *arg, const char *name), void *arg)
{
	_Alignas(8) char buf[4096];
	const struct entry *e;
	long fd, n, at;

	fd = RUMP_CALL(SYS_open, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	while ((n = RUMP_CALL(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
		for (at = 0; at < n; at += e->len) {
			e = (const void *)(buf + at);
			if (e->name[0] != '.')
				fn(arg, e->name);
		}
	RUMP_CALL(SYS_close, fd, 0, 0);
	return n;
}

struct fds {
	const char *dir;
	unsigned int all, sockets;
};

static void count_fd(void *arg, const char *name)
{
	struct fds *fds = arg;
	char path[64], target[16];
	long n;

	fds->all++;
	snprintf(path, sizeof(path), "%s/%.10s", fds->dir, name);
	n = RUMP_CALL(SYS_readlink, path, target, sizeof(target));
	fds->sockets += n >= 7 && memcmp(target, "socket:", 7) == 0;
}

/* Resident memory of the program, in KB; -1: the host has no such process. */
static long program_memory(pid_t pid, const char *status)
{
	char theirs[STATUS_LEN];
	int n = name_length(status) + (int)strlen("Name:\t") + 1;

	if (!read_host(pid, "status", theirs) || strncmp(theirs, status, n) != 0)
		return -1;
	return field(theirs, "\nVmRSS:");
}

static long me, server;		/* not shown: this client, and the server's own process */

/* One line of a process that a client is; the kernel's own threads are not shown. */
static void show_client(void *unused, const char *pid)
{
	char dir[64], path[80], status[STATUS_LEN], stat[STATUS_LEN];
	struct fds fds = { .dir = dir };

	(void)unused;
	if (strspn(pid, "0123456789") != strlen(pid) || atol(pid) == me ||
	    atol(pid) == server || atol(pid) == 1)
		return;
	snprintf(path, sizeof(path), "/proc/%.10s/status", pid);
	if (rump_read_file(path, status, sizeof(status)) <= 0 || field(status, "\nKthread:") == 1)
		return;
	snprintf(path, sizeof(path), "/proc/%.10s/stat", pid);
	if (rump_read_file(path, stat, sizeof(stat)) <= 0)
		return;			/* it has just ended */
	snprintf(dir, sizeof(dir), "/proc/%.10s/fd", pid);
	entries(dir, count_fd, &fds);
	/* One of its tasks is the kernel's, which makes the others. */
	printf("%7s %7ld %7u %7u", pid, field(status, "\nThreads:") - 1, fds.all, fds.sockets);
	show_memory(program_memory(atoi(pid), status));
	show_time(stat_field(stat, 14) + stat_field(stat, 15));
	printf("  %.*s\n", name_length(status), status + strlen("Name:\t"));
}

static void show_kernel(void)
{
	struct utsname u;
	struct sysinfo si;
	double mb;

	if (RUMP_CALL(SYS_uname, &u, 0, 0) || RUMP_CALL(SYS_sysinfo, &si, 0, 0))
		return;
	mb = si.mem_unit / (1024. * 1024.);
	printf("%s %s, up %ld:%02ld:%02ld, %.0f of %.0f MB in use\n", u.sysname, u.release,
	    si.uptime / 3600, si.uptime / 60 % 60, si.uptime % 60,
	    (si.totalram - si.freeram) * mb, si.totalram * mb);
}

/* The host's process behind a URL; 0: it cannot be known. */
static pid_t server_process(const char *url)
{
	struct ucred cred = { 0 };
	socklen_t len, size = sizeof(cred);
	struct sockaddr_un sun;
	int fd = -1;

	if (!sp_url_parse(url, &sun, &len))
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sun, len) == 0)
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size);
	if (fd >= 0)
		close(fd);
	return cred.pid;
}

static int show_clients(const char *url)
{
	long err;

	rump_connect(url);
	me = RUMP_CALL(SYS_getpid, 0, 0, 0);
	server = server_process(url);
	show_kernel();
	printf("%s%7s %7s %7s %7s %9s %10s  %s%s\n", rump_colour(BOLD), "PID", "THREADS", "FDS",
	    "SOCKETS", "MEMORY", "TIME", "COMMAND", rump_colour(PLAIN));
	err = entries("/proc", show_client, NULL);
	if (err < 0)
		die(1, "%s: /proc: %s", url, strerror(-err));
	return 0;
}

int cmd_ps(int argc, char **argv)
{
	const char *url;
	int all = 0;

	while (rump_next_option(argc, argv) == ALL)
		all = 1;
	rump_operands(argc, argv, 0, all ? 0 : 1);
	url = optind < argc ? argv[optind] : getenv("RUMP_SERVER");
	if (url && *url && !all)
		return show_clients(url);
	rump_find_servers(show_server);
	return 0;
}
