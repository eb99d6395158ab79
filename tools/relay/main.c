/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - rump_relay: a server for clients on other hosts (peer.c has how).
 *
 *	rump relay tls://HOST:PORT unix://PATH	beside the server: listens for relays
 *	rump relay unix://PATH tls://HOST:PORT	beside the clients: listens for them
 *
 * One thread, one loop, nothing that waits but for the connection at the start, and
 * for a new one when the other relay was gone and a client comes.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../../hypercall/sp_listen.h"
#include "../../hypercall/sp_url.h"
#include "../../hypercall/sp_who.h"
#include "relay.h"

#define EVENTS		64
#define GRACE_MS	100	/* for a client that is about to exec */
#define TICK_MS		1000

int main_set;
static struct source *dead;
static int ending, held;

static struct {
	const char *unix_url;
	struct address address;
	int near;
	const char *psk, *cert, *key, *ca;
	int hold_fd, status_fd;
	const char *rmdir;
} opt = { .hold_fd = -1, .status_fd = -1 };

void say(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "rump_relay: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

/* ---- the loop ------------------------------------------------------------------------ */

int watch(int set, struct source *s, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };

	return epoll_ctl(set, EPOLL_CTL_ADD, s->fd, &ev) ? -errno : 0;
}

void rewatch(int set, struct source *s, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };

	epoll_ctl(set, EPOLL_CTL_MOD, s->fd, &ev);
}

static void ignore(struct source *s, uint32_t events)
{
	(void)s, (void)events;
}

void retire(struct source *s)
{
	close(s->fd);
	s->fd = -1;
	s->ready = ignore;
	s->dead = dead;
	dead = s;
}

/* Serves what there is, for which it waits; within itself, when a new wire is made. */
static void turn(int ms)
{
	static int depth;
	struct epoll_event ev[EVENTS];
	struct source *s;
	int i, n = epoll_wait(main_set, ev, EVENTS, ms);

	depth++;
	for (i = 0; i < n; i++) {
		s = ev[i].data.ptr;
		s->ready(s, ev[i].events);
	}
	depth--;
	while (!depth && (s = dead)) {
		dead = s->dead;
		free(s);
	}
}

/* ---- connections ------------------------------------------------------------------------ */

/* The near relay's wire, up to the other's banner; 0, or -1 after a message. */
static int connect_peer(void)
{
	int64_t start = now_ms();
	int fd = address_connect(&opt.address);

	if (fd < 0)
		return -1;
	the_peer = peer_new(fd, 1, opt.address.host, opt.address.tls, opt.address.url);
	while (the_peer && !ending && !peer_is_ready(the_peer) && now_ms() - start < 10 * TICK_MS)
		turn(TICK_MS);
	if (the_peer && !peer_is_ready(the_peer)) {
		say("%s: no relay answers there", opt.address.url);
		the_peer = NULL;
	}
	return the_peer ? 0 : -1;
}

static void listener_ready(struct source *s, uint32_t events)
{
	struct ucred cred;
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);

	(void)events;
	if (fd < 0)
		return;
	if (!opt.near) {
		peer_new(fd, 0, NULL, opt.address.tls, opt.unix_url);
		peer_expire(now_ms());
	} else if (sp_peer(fd, &cred) || (!the_peer && connect_peer())) {
		close(fd);
	} else {
		peer_accept(the_peer, fd);
	}
}

/* ---- start ---------------------------------------------------------------------------------- */

static const char usage_text[] =
"usage: rump relay [OPTION]... LISTEN CONNECT\n"
"One of the two is unix://PATH or unix://@NAME, the other tls://HOST:PORT or tcp://HOST:PORT.\n"
"  --psk FILE   one line, IDENTITY:KEY, KEY in hexadecimal digits   (RUMP_TLS_PSK)\n"
"  --cert FILE  our certificate, PEM                                (RUMP_TLS_CERT)\n"
"  --key FILE   its key                                             (RUMP_TLS_KEY)\n"
"  --ca FILE    who signs certificates of the other side            (RUMP_TLS_CA)\n";

/* One line for what is wrong, and status 2. */
static void __attribute__((noreturn)) wrong(const char *what, const char *why)
{
	say("%s: %s; see rump relay --help", what, why);
	exit(2);
}

enum { OPT_PSK = 256, OPT_CERT, OPT_KEY, OPT_CA, OPT_HOLD, OPT_STATUS, OPT_RMDIR, OPT_PARENT };

static int is_unix(const char *url)
{
	return strncmp(url, "unix:", 5) == 0;
}

static void parse_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "psk", required_argument, NULL, OPT_PSK },
		{ "cert", required_argument, NULL, OPT_CERT },
		{ "key", required_argument, NULL, OPT_KEY },
		{ "ca", required_argument, NULL, OPT_CA },
		/* for rump run and rump_server */
		{ "hold-fd", required_argument, NULL, OPT_HOLD },
		{ "status-fd", required_argument, NULL, OPT_STATUS },
		{ "rmdir", required_argument, NULL, OPT_RMDIR },
		{ "with-parent", no_argument, NULL, OPT_PARENT },
		{ "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	struct sockaddr_un sun;
	const char *other, *why;
	socklen_t len;
	int c;

	opt.psk = getenv("RUMP_TLS_PSK");
	opt.cert = getenv("RUMP_TLS_CERT");
	opt.key = getenv("RUMP_TLS_KEY");
	opt.ca = getenv("RUMP_TLS_CA");
	opterr = 0;
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) >= 0) {
		switch (c) {
		case OPT_PSK: opt.psk = optarg; break;
		case OPT_CERT: opt.cert = optarg; break;
		case OPT_KEY: opt.key = optarg; break;
		case OPT_CA: opt.ca = optarg; break;
		case OPT_HOLD: opt.hold_fd = atoi(optarg); break;
		case OPT_STATUS: opt.status_fd = atoi(optarg); break;
		case OPT_RMDIR: opt.rmdir = optarg; break;
		case OPT_PARENT: prctl(PR_SET_PDEATHSIG, SIGTERM); break;
		case 'h': fputs(usage_text, stdout); exit(0);
		default: wrong(argv[optind - 1], "not an option, or without its value");
		}
	}
	if (optind != argc - 2)
		wrong(optind < argc ? argv[argc - 1] : "nothing", "LISTEN and CONNECT, two URLs, are wanted");
	if (is_unix(argv[optind]) == is_unix(argv[optind + 1]))
		wrong(argv[optind + 1], "one of the two is unix://PATH, the other tls://HOST:PORT");
	opt.near = is_unix(argv[optind]);
	opt.unix_url = argv[optind + !opt.near];
	other = argv[optind + opt.near];
	why = sp_url_parse(opt.unix_url, &sun, &len);
	if (why) {
		say("%s: %s", opt.unix_url, why);
		exit(1);
	}
	why = address_parse(other, &opt.address);
	if (why) {
		say("%s: %s", other, why);
		exit(1);
	}
}

static void raise_limit(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}

static struct source listener = { .ready = listener_ready };

static void signal_ready(struct source *s, uint32_t events)
{
	(void)s, (void)events;
	ending = 1;
}

/* The program has ended, whose stderr we have had. */
static void leave_terminal(void)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (null >= 0)
		dup2(null, 2);
}

static void hold_ready(struct source *s, uint32_t events)
{
	(void)events;
	held = 0;
	epoll_ctl(main_set, EPOLL_CTL_DEL, s->fd, NULL);
	leave_terminal();
}

static void tell(char c)
{
	if (opt.status_fd >= 0)
		(void)!write(opt.status_fd, &c, 1);
}

/* Nobody holds us, no client is there; for a moment at least. */
static int lonely(void)
{
	if (opt.hold_fd < 0 || held || peer_clients())
		return 0;
	turn(GRACE_MS);
	return !peer_clients();
}

int main(int argc, char **argv)
{
	struct source sigs = { .ready = signal_ready }, hold = { .ready = hold_ready };
	sigset_t set;

	parse_options(argc, argv);
	raise_limit();
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	main_set = epoll_create1(EPOLL_CLOEXEC);
	sigs.fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (main_set < 0 || sigs.fd < 0 || watch(main_set, &sigs, EPOLLIN))
		return 1;
	if (opt.address.tls && tls_init(!opt.near, opt.psk, opt.cert, opt.key, opt.ca))
		return 1;
	if (opt.near && connect_peer())
		return 1;
	listener.fd = opt.near ? sp_listen(opt.unix_url) : address_listen(&opt.address);
	if (listener.fd < 0 || watch(main_set, &listener, EPOLLIN))
		return 1;
	if (opt.hold_fd >= 0) {
		hold.fd = opt.hold_fd;
		held = watch(main_set, &hold, EPOLLIN) == 0;
	}
	tell('R');
	while (!ending && !lonely()) {
		turn(peer_pending() ? TICK_MS : opt.hold_fd >= 0 && !held ? GRACE_MS : -1);
		peer_expire(now_ms());
	}
	tell('Q');
	if (opt.near)
		sp_unlisten();
	if (opt.rmdir)
		rmdir(opt.rmdir);
	return 0;
}
