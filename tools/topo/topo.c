/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * topo.c - rump topo: networks of rump kernels from a file, rump_topo(5).
 *
 * A topology that runs has a directory of this user, by its name: the servers' sockets,
 * the links' segments, a copy of the file for `exec', and a lock.  `run' holds the lock and
 * its servers end with it, whatever becomes of it; those of `up' stay until `down'.
 * What is found there without a live owner was left by a crash, and is removed.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../hypercall/sp_url.h"
#include "../rump.h"
#include "net.h"
#include "steps.h"

#define FILE_MAX	(4 << 20)
#define COPY		"topology"	/* in the directory: the file */

static struct topo topo;
static struct net net = { .topo = &topo };
static char name[TOPO_NAME];
static char *text;			/* of the file */

/* ---- files -------------------------------------------------------------------------- */

static char *read_file(const char *path)
{
	FILE *f = strcmp(path, "-") ? fopen(path, "re") : stdin;
	size_t n;
	char *s;

	if (!f)
		die(1, "topo: %s: %s", path, strerror(errno));
	s = malloc(FILE_MAX + 1);
	if (!s)
		die(1, "topo: out of memory");
	n = fread(s, 1, FILE_MAX + 1, f);
	if (ferror(f))
		die(1, "topo: %s: %s", path, strerror(errno));
	if (n > FILE_MAX)
		die(1, "topo: %s: larger than %d bytes", path, FILE_MAX);
	if (memchr(s, '\0', n))
		die(1, "topo: %s: not a text", path);
	if (f != stdin)
		fclose(f);
	s[n] = '\0';
	return s;
}

static void load(const char *path)
{
	char why[TOPO_WHY];
	unsigned int line;
	int r;

	text = read_file(path);
	r = topo_parse(&topo, text, &line, why);
	if (r == -ENOMEM)
		die(1, "topo: out of memory");
	if (r)
		die(1, "topo: %s:%u: %s", path, line, why);
	net.path = path;
	net.servers = calloc(topo.nkernels, sizeof(*net.servers));
	if (!net.servers)
		die(1, "topo: out of memory");
}

/* "nets/two hosts.topo" is called "two_hosts", and its commands run in "nets". */
static void take_name(const char *path)
{
	char *copy = strdup(strcmp(path, "-") ? path : "stdin"), *s;

	if (!copy)
		die(1, "topo: out of memory");
	if (!realpath(strcmp(path, "-") ? dirname(copy) : ".", net.cwd))
		die(1, "topo: %s: %s", path, strerror(errno));
	strcpy(copy, strcmp(path, "-") ? path : "stdin");
	s = basename(copy);
	if (strrchr(s, '.') > s)
		*strrchr(s, '.') = '\0';
	snprintf(name, sizeof(name), "%.*s", (int)sizeof(name) - 1, s);
	for (s = name; *s; s++)
		if (!strchr("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_", *s))
			*s = '_';
	net.name = name;
	free(copy);
}

/* ---- the directory ---------------------------------------------------------------------- */

/* The directory of all topologies of this user, which nobody else may write to. */
static void find_directory(void)
{
	const char *base = getenv("XDG_RUNTIME_DIR");
	struct sockaddr_un sun;
	struct stat st;
	int n;

	if (!base || access(base, W_OK))
		base = "/tmp";
	n = snprintf(net.dir, sizeof(net.dir), "%s/rump-topo.%u", base, (unsigned int)getuid());
	if (mkdir(net.dir, 0700) && errno != EEXIST)
		die(1, "topo: %s: %s", net.dir, strerror(errno));
	if (lstat(net.dir, &st) || !S_ISDIR(st.st_mode) || st.st_uid != getuid() ||
	    st.st_mode & 022)
		die(1, "topo: %s: not a directory of yours that only you can write to", net.dir);
	snprintf(net.dir + n, sizeof(net.dir) - n, "/%s", name);
	if (strlen(net.dir) + TOPO_NAME + sizeof("/.sock") > sizeof(sun.sun_path))
		die(1, "topo: %s: too long for the name of a socket", net.dir);
}

static int unlink_it(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	remove(path);
	return 0;
}

static void remove_directory(void)
{
	nftw(net.dir, unlink_it, 8, FTW_DEPTH | FTW_PHYS);
}

/* Is the server of kernel k there? */
static bool is_live(unsigned int k)
{
	struct sockaddr_un sun;
	socklen_t len;
	bool live;
	int fd;

	if (sp_url_parse(net_url(&net, k), &sun, &len))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	live = connect(fd, (struct sockaddr *)&sun, len) == 0;
	close(fd);
	return live;
}

static bool any_live(void)
{
	unsigned int k;

	for (k = 0; k < topo.nkernels; k++)
		if (is_live(k))
			return true;
	return false;
}

/* Makes the directory ours; the lock's descriptor, which holds it. */
static int claim_directory(void)
{
	char path[PATH_MAX + 16];
	int lock, copy;

	if (mkdir(net.dir, 0700) && errno != EEXIST)
		die(1, "topo: %s: %s", net.dir, strerror(errno));
	snprintf(path, sizeof(path), "%s/lock", net.dir);
	lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock < 0)
		die(1, "topo: %s: %s", path, strerror(errno));
	if (flock(lock, LOCK_EX | LOCK_NB) || any_live())
		die(1, "topo: %s is up already; rump topo down ends it", name);
	/* left by a crash, perhaps: the lock stays, the rest goes */
	remove_directory();
	if (mkdir(net.dir, 0700) || (lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0 ||
	    flock(lock, LOCK_EX | LOCK_NB))
		die(1, "topo: %s: %s", net.dir, strerror(errno));
	snprintf(path, sizeof(path), "%s/" COPY, net.dir);
	copy = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (copy < 0 || write(copy, text, strlen(text)) != (ssize_t)strlen(text))
		die(1, "topo: %s: %s", path, strerror(errno));
	close(copy);
	return lock;
}

/* Logs and captures: as said, or NAME.out here. */
static void make_out(const char *out)
{
	char path[PATH_MAX];

	if (out)
		snprintf(path, sizeof(path), "%s", out);
	else
		snprintf(path, sizeof(path), "%s.out", name);
	if ((mkdir(path, 0777) && errno != EEXIST) || !realpath(path, net.out))
		die(1, "topo: %s: %s", path, strerror(errno));
}

/* ---- sub-commands ------------------------------------------------------------------------- */

static void on_signal(int sig)
{
	net_stop = sig;
}

static void catch_signals(void)
{
	static const int sigs[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = on_signal };	/* no SA_RESTART: waits end */
	unsigned int i;

	for (i = 0; i < sizeof(sigs) / sizeof(*sigs); i++)
		sigaction(sigs[i], &sa, NULL);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static int bring_up(void)
{
	double start = now();

	if (net_start(&net) || net_configure(&net) || steps_setup(&net))
		return -1;
	printf("topo %s: %u kernels, %u links, up in %.1f s\n", name, topo.nkernels, topo.nlinks,
	       now() - start);
	return 0;
}

static int do_up(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	claim_directory();
	catch_signals();
	if (bring_up()) {
		net_end(&net);
		remove_directory();
		return 1;
	}
	return 0;
}

static int do_run(int argc, char **argv)
{
	int err;

	(void)argc;
	(void)argv;
	net.bound = true;
	claim_directory();
	catch_signals();
	err = bring_up();
	if (!err)
		err = steps_run(&net);
	steps_end(&net);
	net_end(&net);
	remove_directory();
	if (net_stop)
		fprintf(stderr, "rump: topo: %s: %s\n", name, strsignal(net_stop));
	printf("topo %s: %s; logs are in %s\n", name, err ? "FAILED" : "done", net.out);
	return net_stop ? 128 + net_stop : err ? 1 : 0;
}

static int do_exec(int argc, char **argv)
{
	int k;

	if (argc < 2)
		die(1, "topo: exec %s KERNEL COMMAND... is wanted", argv[-1]);
	k = topo_find_kernel(&topo, argv[0]);
	if (k < 0)
		die(1, "topo: %s: %s has no kernel of that name", argv[0], name);
	if (!is_live((unsigned int)k))
		die(1, "topo: %s is not up", name);
	rump_environment(net_url(&net, (unsigned int)k));
	execvp(argv[1], argv + 1);
	die(errno == ENOENT ? 127 : 126, "%s: %s", argv[1], strerror(errno));
}

/* Its servers unmount and end, all at once. */
static int do_down(int argc, char **argv)
{
	unsigned int k;
	int status, err = 0;

	(void)argc;
	(void)argv;
	if (access(net.dir, F_OK))
		die(1, "topo: %s is not up", name);
	for (k = 0; k < topo.nkernels; k++) {
		if (!is_live(k))
			continue;
		fflush(NULL);
		if (fork() == 0)
			_exit(rump_halt(net_url(&net, k)));
	}
	while (wait(&status) > 0)
		err |= status;
	remove_directory();
	return err ? 1 : 0;
}

static const struct {
	const char *name;
	int (*fn)(int argc, char **argv);
	bool needs_out, from_copy;
} subs[] = {
	{ "up",		do_up,		true,	false },
	{ "run",	do_run,		true,	false },
	{ "exec",	do_exec,	false,	true },
	{ "down",	do_down,	false,	true },
};

int cmd_topo(int argc, char **argv)
{
	const char *out = NULL, *file;
	char path[PATH_MAX + 16];
	size_t i;

	while (rump_next_option(argc, argv) >= 0)
		out = optarg;
	rump_operands(argc, argv, 1, -1);
	for (i = 0; i < sizeof(subs) / sizeof(*subs); i++)
		if (!strcmp(argv[optind], subs[i].name))
			break;
	if (i == sizeof(subs) / sizeof(*subs))
		die(EXIT_USAGE, "topo: %s: up, exec, down or run is wanted", argv[optind]);
	optind++;
	while (rump_next_option(argc, argv) >= 0)
		out = optarg;
	if (out && !subs[i].needs_out)
		die(EXIT_USAGE, "topo %s: -o %s: is for run and up", subs[i].name, out);
	if (optind == argc)
		die(EXIT_USAGE, "topo %s: the file is missing", subs[i].name);
	file = argv[optind];
	take_name(file);
	find_directory();
	if (subs[i].from_copy) {
		snprintf(path, sizeof(path), "%s/" COPY, net.dir);
		if (access(path, R_OK))
			die(1, "topo: %s is not up", name);
		file = path;
	}
	load(file);
	if (subs[i].needs_out)
		make_out(out);
	return subs[i].fn(argc - optind - 1, argv + optind + 1);
}
