/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rump_server.c - a rump kernel that serves the programs of this user.
 *
 * The kernel runs on its own helper threads; this one starts it, waits for a
 * reason to end (SIGTERM, `rump halt', or, with --hold-fd, that nobody needs it
 * any more), and ends it: clients first, then file systems, then who asked is
 * answered.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <rump/rump.h>
#include <rump/rumpuser.h>
#include <rump/rumpuser_sp.h>

#include "drivespec.h"
#include "remote.h"

#define NCPU_MAX	64
#define GRACE_MS	100	/* for a client that is about to exec */

static struct {
	const char *url;
	const char *remote;	/* the URL for clients on other hosts, served by a relay */
	int foreground;
	struct drivespec *drives;
	char **drive_args;
	int ndrives;
	char **modules;		/* FILE[,NAME=VALUE]... */
	int nmodules;
	char **mounts;
	int nmounts;
	char **netifs;
	int nnetifs;
	/* for `rump run', and rumpclient/own.c */
	int status_fd;		/* 'R' when ready, 'Q' when ending */
	int hold_fd;		/* of a pipe, or a pidfd: when it ends, end with the last client */
	const char *rmdir;	/* the socket's own directory */
	int embedded;		/* with RUMP_MOUNT and RUMP_IF (rumpclient/own.c) */
} opt = { .status_fd = -1, .hold_fd = -1 };

static void __attribute__((format(printf, 1, 2), noreturn)) die(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "rump_server: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static const char usage_text[] =
"usage: rump_server [-s] [-c NCPU] [-r MEMORY] [-m MODULE]... [-d DRIVESPEC]...\n"
"                   [-M MOUNTSPEC]... [-i IFSPEC]... URL [URL]\n"
"  -s, --stay           stay in the foreground\n"
"  -c, --ncpu NCPU      virtual CPUs of the kernel (1)\n"
"  -r, --memory MEMORY  its memory, in bytes or with a suffix k, m, g\n"
"  -d, --drive key=/dev/NAME,hostpath=FILE,size=host|N[,offset=N][,ro]\n"
"  -m, --module FILE.ko[,NAME=VALUE]...\n"
"  -M, --mount SOURCE:DIR[,type=T][,ro][,part=N][,isolate]\n"
"  -i, --interface NAME,link=KIND[:WHERE][,mac=..][,mtu=N][,queues=N][,WORD[=VALUE]]...\n"
"  -v, --verbose        the kernel's messages go to stderr\n"
"  --allow-uid USER     this user's programs may be clients, too; also a number\n"
"  --allow-gid GROUP    the same for the members of a group\n"
"  --trust-clients      clients can do to the kernel all that root can\n"
"URL: unix://PATH or unix://@NAME; tls://HOST:PORT or tcp://HOST:PORT for other hosts' clients\n";

static void __attribute__((noreturn)) usage(int status)
{
	fputs(usage_text, status ? stderr : stdout);
	exit(status);
}

enum { OPT_HOLD = 256, OPT_STATUS, OPT_RMDIR, OPT_UID, OPT_GID, OPT_TRUST, OPT_EMBEDDED };

/* c: what getopt_long() returned. */
static void __attribute__((noreturn)) bad_option(int c, char **argv)
{
	const char *word = argv[optind - 1];
	char letter[] = { '-', (char)optopt, '\0' };

	if (optopt > 0 && optopt < OPT_HOLD)
		word = letter;
	die("%s: %s; rump_server --help lists them all", word,
	    c == ':' ? "its value is missing" : "no such option");
}

static int number(const char *option, const char *s, long min, long max)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(s, &end, 10);
	if (errno || end == s || *end || n < min || n > max)
		die("%s %s: a number from %ld to %ld is wanted", option, s, min, max);
	return n;
}

static void set_param(const char *name, const char *value)
{
	if (rumpuser_setparam(name, value))
		die("out of memory");
}

static void add_drive(char *arg)
{
	char why[DRIVESPEC_WHY];
	struct drivespec drive;

	if (drivespec_parse(arg, &drive, why))
		die("-d %s: %s", arg, why);
	opt.drives = reallocarray(opt.drives, opt.ndrives + 1, sizeof(*opt.drives));
	opt.drive_args = reallocarray(opt.drive_args, opt.ndrives + 1, sizeof(char *));
	if (!opt.drives || !opt.drive_args)
		die("out of memory");
	opt.drives[opt.ndrives] = drive;
	opt.drive_args[opt.ndrives++] = arg;
}

static void append(char ***list, int *n, char *arg)
{
	*list = reallocarray(*list, *n + 1, sizeof(char *));
	if (!*list)
		die("out of memory");
	(*list)[(*n)++] = arg;
}

/* A user or group by its name or number; lookup gives the number of a name, or -1. */
static void allow(const char *option, const char *s, long (*lookup)(const char *),
    int (*admit)(uint32_t))
{
	char *end;
	long id;

	errno = 0;
	id = strtol(s, &end, 10);
	if (errno || end == s || *end)
		id = lookup(s);
	if (id < 0 || id >= UINT32_MAX)
		die("%s %s: there is none of that name, and it is no number", option, s);
	if (admit(id))
		die("%s %s: too many are named", option, s);
}

static long uid_of(const char *name)
{
	const struct passwd *pw = getpwnam(name);

	return pw ? (long)pw->pw_uid : -1;
}

static long gid_of(const char *name)
{
	const struct group *gr = getgrnam(name);

	return gr ? (long)gr->gr_gid : -1;
}

static void parse_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "stay", no_argument, NULL, 's' },
		{ "ncpu", required_argument, NULL, 'c' },
		{ "memory", required_argument, NULL, 'r' },
		{ "drive", required_argument, NULL, 'd' },
		{ "module", required_argument, NULL, 'm' },
		{ "mount", required_argument, NULL, 'M' },
		{ "interface", required_argument, NULL, 'i' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ "hold-fd", required_argument, NULL, OPT_HOLD },
		{ "status-fd", required_argument, NULL, OPT_STATUS },
		{ "rmdir", required_argument, NULL, OPT_RMDIR },
		{ "allow-uid", required_argument, NULL, OPT_UID },
		{ "allow-gid", required_argument, NULL, OPT_GID },
		{ "trust-clients", no_argument, NULL, OPT_TRUST },
		{ "embedded", no_argument, NULL, OPT_EMBEDDED },
		{ 0 }
	};
	uint64_t bytes;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":sc:r:m:d:M:i:vh", longs, NULL)) >= 0) {
		switch (c) {
		case 's':
			opt.foreground = 1;
			break;
		case 'c':
			number("-c", optarg, 1, NCPU_MAX);
			set_param("RUMP_NCPU", optarg);
			break;
		case 'r':
			if (drivespec_bytes(optarg, &bytes))
				die("-r %s: a number of bytes, or with a suffix k, m, g, is wanted",
				    optarg);
			set_param("RUMP_MEMLIMIT", optarg);
			break;
		case 'd':
			add_drive(optarg);
			break;
		case 'm':
			append(&opt.modules, &opt.nmodules, optarg);
			break;
		case 'M':
			append(&opt.mounts, &opt.nmounts, optarg);
			break;
		case 'i':
			append(&opt.netifs, &opt.nnetifs, optarg);
			break;
		case 'v':
			set_param("RUMP_VERBOSE", "1");
			break;
		case OPT_HOLD:
			opt.hold_fd = number("--hold-fd", optarg, 0, INT_MAX);
			break;
		case OPT_STATUS:
			opt.status_fd = number("--status-fd", optarg, 0, INT_MAX);
			break;
		case OPT_RMDIR:
			opt.rmdir = optarg;
			break;
		case OPT_UID:
			allow("--allow-uid", optarg, uid_of, rumpuser_sp_allow_uid);
			break;
		case OPT_GID:
			allow("--allow-gid", optarg, gid_of, rumpuser_sp_allow_gid);
			break;
		case OPT_TRUST:
			rumpuser_sp_trust();
			break;
		case OPT_EMBEDDED:
			opt.embedded = 1;
			break;
		case 'h':
			usage(0);
		default:
			bad_option(c, argv);
		}
	}
	for (; optind < argc; optind++) {
		const char **url = remote_url(argv[optind]) ? &opt.remote : &opt.url;

		if (*url)
			die("%s: one URL too many, after %s", argv[optind], *url);
		*url = argv[optind];
	}
	if (!opt.url && !opt.remote)
		die("a URL is missing, such as unix:///tmp/net; rump_server --help has it all");
}

/* A descriptor per client thread, and one per descriptor of theirs. */
static void raise_limit(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}

#define TASK_BYTES	(64 * 1024)	/* a task's stack, and what else it has */

/*
 * Tasks may fill half of the memory.  The kernel's own limit is an eighth, made for
 * programs that need much more beside a kernel stack.
 */
static void raise_threads_max(void)
{
	struct sysinfo si;
	char number[24];
	long fd;

	if (rump_syscall(SYS_sysinfo, (long)&si, 0, 0, 0, 0, 0))
		return;
	snprintf(number, sizeof(number), "%lu", si.totalram * si.mem_unit / 2 / TASK_BYTES);
	fd = rump_syscall(SYS_openat, AT_FDCWD, (long)"/proc/sys/kernel/threads-max",
	    O_WRONLY, 0, 0, 0);
	if (fd < 0)
		return;
	rump_syscall(SYS_write, fd, (long)number, strlen(number), 0, 0, 0);
	rump_syscall(SYS_close, fd, 0, 0, 0, 0, 0);
}

/* FILE[,NAME=VALUE]...; Linux wants blanks between parameters. */
static int load_module(char *spec)
{
	char *args = strchrnul(spec, ','), *at;
	int err;

	if (*args)
		*args++ = '\0';
	for (at = args; (at = strchr(at, ',')); )
		*at = ' ';
	err = rump_module_load(spec, args);
	if (err)
		fprintf(stderr, "rump_server: -m %s: %s\n", spec, strerror(-err));
	return err;
}

/*
 * This process is one of the rump kernel, too, where clients may signal each other: it is not
 * one of theirs.
 */
static void be_deaf(void)
{
	static const struct { void (*handler)(int); unsigned long rest[3]; } ignore = { SIG_IGN, { 0 } };
	int sig;

	for (sig = 1; sig < NSIG; sig++)
		rump_syscall(SYS_rt_sigaction, sig, (long)&ignore, 0, sizeof(uint64_t), 0, 0);
}

/* Everything until clients can come; after one line on stderr, nonzero. */
static int start(void)
{
	static char own[64];
	int i, err;

	/* Mounts and interfaces of an embedded kernel are none of a server's, unless it is instead of one. */
	if (!opt.embedded) {
		unsetenv("RUMP_MOUNT");
		unsetenv("RUMP_IF");
	}
	err = rump_init();
	if (err)
		return err;
	be_deaf();
	raise_threads_max();
	for (i = 0; i < opt.nmodules; i++) {
		err = load_module(opt.modules[i]);
		if (err)
			return err;
	}
	for (i = 0; i < opt.ndrives; i++) {
		const struct drivespec *d = &opt.drives[i];

		err = rump_pub_etfs_register_withsize(d->key, d->hostpath,
		    d->ro ? RUMP_ETFS_BLK_RO : RUMP_ETFS_BLK, d->offset, d->size);
		if (err) {
			fprintf(stderr, "rump_server: -d %s: %s\n", opt.drive_args[i],
			    err == -EINVAL ? "offset= and size= reach beyond the file's end" :
			    strerror(-err));
			return err;
		}
	}
	for (i = 0; i < opt.nmounts; i++) {
		err = rump_pub_mount(opt.mounts[i]);
		if (err)
			return err;
	}
	for (i = 0; i < opt.nnetifs; i++) {
		err = rump_pub_netif_create(opt.netifs[i]);
		if (err)
			return err;
	}
	if (!opt.url) {
		/* only the relay needs it */
		snprintf(own, sizeof(own), "unix://@rump_server.%d", getpid());
		opt.url = own;
	}
	err = rump_init_server(opt.url);
	if (!err && opt.remote)
		err = remote_start(opt.remote, opt.url);
	return err;
}

/* If the launcher is not there any more, what it had on stderr is no business of ours. */
static void leave_terminal(void)
{
	struct pollfd p = { .fd = opt.status_fd };
	int null;

	if (opt.status_fd < 0 || poll(&p, 1, 0) != 1 || !(p.revents & POLLERR))
		return;
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null >= 0)
		dup2(null, 2);
}

static void tell_launcher(char c)
{
	if (opt.status_fd >= 0)
		(void)!write(opt.status_fd, &c, 1);
}

/* Returns when the server is to end. */
static void wait_for_end(int sigfd)
{
	struct pollfd p[3] = {
		{ .fd = sigfd, .events = POLLIN },
		{ .fd = rumpuser_sp_eventfd(), .events = POLLIN },
		{ .fd = opt.hold_fd, .events = POLLIN },
	};
	struct signalfd_siginfo si;
	uint64_t changes;
	int n, held = opt.hold_fd >= 0, lonely = 0, grace = GRACE_MS;
	char c;

	for (;;) {
		/* Lonely: nobody holds us, no client is there; for a moment at least. */
		lonely = opt.hold_fd >= 0 && !held && rumpuser_sp_clients() == 0;
		n = poll(p, 3, lonely ? grace : -1);
		if (n == 0 && rumpuser_sp_clients() == 0)
			return;
		if (n < 0)
			continue;
		if (p[0].revents && read(sigfd, &si, sizeof(si)) == sizeof(si) &&
		    (si.ssi_signo != SIGHUP || opt.foreground))
			return;
		if (p[1].revents && read(p[1].fd, &changes, sizeof(changes)) > 0 &&
		    rumpuser_sp_halt_wanted())
			return;
		if (p[2].revents) {
			/* A letter: no process is left that could come. */
			if (read(p[2].fd, &c, 1) == 1)
				grace = 0;
			held = 0;
			p[2].fd = -1;
			leave_terminal();
		}
	}
}

#ifdef __SANITIZE_THREAD__
/* The kernel's stacks move between threads, and its locks are unknown: it would see nothing but races. */
__attribute__((visibility("default"))) const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "report_bugs=0";
}
#endif

int main(int argc, char **argv)
{
	sigset_t set;
	int sigfd, err;

	parse_options(argc, argv);
	raise_limit();
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (sigfd < 0)
		die("signalfd: %s", strerror(errno));
	if (!opt.foreground) {
		err = rump_daemonize_begin();
		if (err)
			die("%s", strerror(-err));
	}
	err = start();
	if (!err) {
		rumpuser_sp_allow_halt();
		tell_launcher('R');
	}
	if (!opt.foreground)
		rump_daemonize_done(err ? 1 : 0);
	if (err)
		return 1;
	wait_for_end(sigfd);
	tell_launcher('Q');
	err = rump_pub_shutdown();
	rumpuser_sp_halt_done(err);
	if (opt.rmdir)
		rmdir(opt.rmdir);
	/* The kernel's threads are still there: no destructors under them. */
	_exit(err ? 1 : 0);
}
