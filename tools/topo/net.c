/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net.c - a topology that runs.
 *
 * Each kernel is a rump_server of its own, in a session of its own, so that Ctrl-C is
 * ours.  A link is a shared-memory segment in dir.  Set-up is done by the host's own ip
 * and tc under librumphijack, in batches: two processes a kernel, whatever its size.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../rump.h"
#include "net.h"

#define MEM_DEFAULT	"64m"
#define ARGS_MAX	(16 + 2 * 1100)
#define END_MS		10000	/* for a server to unmount and end */
#define JOBS		8	/* kernels that are configured at the same time */

volatile int net_stop;

const char *net_url(const struct net *n, unsigned int kernel)
{
	static char url[PATH_MAX + 64];

	snprintf(url, sizeof(url), "unix://%s/%s.sock", n->dir, n->topo->kernels[kernel].name);
	return url;
}

static int complain(const char *what, const char *name)
{
	fprintf(stderr, "rump: topo: %s: %s: %s\n", name, what, strerror(errno));
	return -1;
}

/* ---- text that grows ------------------------------------------------------------------ */

struct text {
	char *s;
	size_t len;
	FILE *f;
};

static FILE *text_open(struct text *t)
{
	t->s = NULL;
	t->f = open_memstream(&t->s, &t->len);
	if (!t->f)
		die(1, "topo: out of memory");
	return t->f;
}

static char *text_close(struct text *t)
{
	if (fclose(t->f))
		die(1, "topo: out of memory");
	return t->s;
}

/* ---- commands ---------------------------------------------------------------------------- */

/* A file that is gone already, with input in it. */
static int input_fd(const char *input)
{
	int fd;

	if (!input)
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	fd = memfd_create("input", MFD_CLOEXEC);
	if (fd < 0 || write(fd, input, strlen(input)) != (ssize_t)strlen(input) ||
	    lseek(fd, 0, SEEK_SET) != 0)
		return -1;
	return fd;
}

static void __attribute__((noreturn)) child(struct net *n, int kernel, const char *command,
    int in, int log)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(in, 0);
	if (log >= 0) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		dup2(log, 1);
		dup2(log, 2);
	}
	if (chdir(n->cwd))
		die(127, "%s: %s", n->cwd, strerror(errno));
	setenv("TOPO_NAME", n->name, 1);
	setenv("TOPO_OUT", n->out, 1);
	if (kernel != TOPO_HOST)
		rump_environment(net_url(n, (unsigned int)kernel));
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	die(127, "/bin/sh: %s", strerror(errno));
}

pid_t net_spawn(struct net *n, int kernel, const char *command, const char *input,
    const char *log)
{
	char path[PATH_MAX + 64];
	int in = input_fd(input), out = -1;
	pid_t pid = -1;

	if (in < 0)
		return complain("its input", command);
	if (log) {
		snprintf(path, sizeof(path), "%s/%s.log", n->out, log);
		out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
		if (out < 0)
			complain("cannot be written", path);
	}
	if (!log || out >= 0) {
		fflush(NULL);
		pid = fork();
		if (pid < 0)
			complain("fork", command);
		if (pid == 0)
			child(n, kernel, command, in, out);
		if (log)
			setpgid(pid, pid);	/* whoever is first */
	}
	close(in);
	if (out >= 0)
		close(out);
	return pid;
}

int net_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -1;
		if (net_stop)
			kill(pid, SIGTERM);
	}
	return net_stop ? -1 : status;
}

/* ---- servers -------------------------------------------------------------------------------- */

/* The interface as rump_server -i wants it. */
static char *interface(struct net *n, const struct topo_if *f)
{
	const struct topo_link *l = &n->topo->links[f->link];
	struct text t;
	FILE *o = text_open(&t);

	fprintf(o, "%s,link=", f->name);
	if (l->spec)
		fprintf(o, "%s", l->spec);
	else
		fprintf(o, "shm:%s/%s.shm", n->dir, l->name);
	if (l->mtu)
		fprintf(o, ",mtu=%s", l->mtu);
	if (l->pcap)
		fprintf(o, ",pcap=%s/%s.%s.%s.pcapng", n->out, l->name,
			n->topo->kernels[f->kernel].name, f->name);
	return text_close(&t);
}

static void __attribute__((noreturn)) exec_server(struct net *n, unsigned int k, int status)
{
	const struct topo_kernel *kern = &n->topo->kernels[k];
	char path[PATH_MAX], log[PATH_MAX + 64], fd[16];
	const char *args[ARGS_MAX];
	unsigned int i, na = 0;

	setsid();
	if (n->bound)
		prctl(PR_SET_PDEATHSIG, SIGTERM);
	snprintf(log, sizeof(log), "%s/%s.log", n->out, kern->name);
	fcntl(status, F_SETFD, 0);
	snprintf(fd, sizeof(fd), "%d", status);
	rump_server_path(path);
	unsetenv("LD_PRELOAD");
	args[na++] = "rump_server";
	args[na++] = "-s";
	args[na++] = "-v";
	args[na++] = "-r";
	args[na++] = kern->mem ? kern->mem : MEM_DEFAULT;
	if (kern->ncpu) {
		args[na++] = "-c";
		args[na++] = kern->ncpu;
	}
	for (i = 0; i < n->topo->nifs; i++) {
		if (n->topo->ifs[i].kernel != k)
			continue;
		if (na > ARGS_MAX - 8)
			die(1, "topo: %s: too many interfaces", kern->name);
		args[na++] = "-i";
		args[na++] = interface(n, &n->topo->ifs[i]);
	}
	args[na++] = "--status-fd";
	args[na++] = fd;
	args[na++] = net_url(n, k);
	args[na] = NULL;
	/* What goes wrong is for the log; and for us, which show the log's end then. */
	if (!freopen(log, "w", stdout) || dup2(1, 2) < 0)
		die(1, "%s: %s", log, strerror(errno));
	execv(path, (char **)args);
	die(127, "%s: %s", path, strerror(errno));
}

/* The last line that a server has logged is why it ended. */
static void show_log(const struct net *n, const struct topo_kernel *kernel)
{
	char path[PATH_MAX + 64], line[1024], last[1024] = "it said nothing\n";
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.log", n->out, kernel->name);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (*line != '\n')
			strcpy(last, line);
	if (f)
		fclose(f);
	last[strcspn(last, "\n")] = '\0';
	fprintf(stderr, "rump: topo: %s:%u: kernel %s has not started: %s (log: %s)\n", n->path,
		kernel->line, kernel->name, last, path);
}

int net_start(struct net *n)
{
	int (*status)[2] = calloc(n->topo->nkernels, sizeof(*status)), err = 0;
	unsigned int i, started;
	char c;

	if (!status)
		die(1, "topo: out of memory");
	for (started = 0; started < n->topo->nkernels && !err; started++) {
		if (pipe2(status[started], O_CLOEXEC)) {
			err = complain("pipe", n->topo->kernels[started].name);
			break;
		}
		fflush(NULL);
		n->servers[started] = fork();
		if (n->servers[started] == 0)
			exec_server(n, started, status[started][1]);
		close(status[started][1]);
		if (n->servers[started] < 0) {
			n->servers[started] = 0;
			err = complain("fork", n->topo->kernels[started].name);
		}
	}
	for (i = 0; i < started; i++) {
		if (!err && (read(status[i][0], &c, 1) != 1 || c != 'R')) {
			if (!net_stop)
				show_log(n, &n->topo->kernels[i]);
			err = -1;
		}
		close(status[i][0]);
	}
	free(status);
	return err;
}

void net_end(struct net *n)
{
	struct timespec ms10 = { 0, 10000000 };
	unsigned int i, left, ms;

	for (i = 0; i < n->topo->nkernels; i++)
		if (n->servers[i] > 0)
			kill(n->servers[i], SIGTERM);
	for (ms = 0; ; ms += 10) {
		for (i = left = 0; i < n->topo->nkernels; i++) {
			if (n->servers[i] <= 0)
				continue;
			if (waitpid(n->servers[i], NULL, WNOHANG) != 0) {
				n->servers[i] = 0;
				continue;
			}
			left++;
			if (ms == END_MS)
				kill(n->servers[i], SIGKILL);
		}
		if (!left)
			return;
		nanosleep(&ms10, NULL);
	}
}

/* ---- set-up ------------------------------------------------------------------------------------ */

static const struct topo_netem none;

/* One line for tc -batch; netem NULL: a cut. */
static void netem_line(FILE *o, const char *ifname, const struct topo_netem *e)
{
	if (!e) {
		fprintf(o, "qdisc replace dev %s root netem loss 100%%\n", ifname);
		return;
	}
	if (!memcmp(e, &none, sizeof(none))) {
		/* not "del", which fails where there is none */
		fprintf(o, "qdisc replace dev %s root pfifo_fast\n", ifname);
		return;
	}
	fprintf(o, "qdisc replace dev %s root netem", ifname);
	if (e->limit)
		fprintf(o, " limit %s", e->limit);
	if (e->delay)
		fprintf(o, " delay %s", e->delay);
	if (e->jitter)
		fprintf(o, " %s", e->jitter);
	if (e->loss)
		fprintf(o, " loss %s", e->loss);
	if (e->corrupt)
		fprintf(o, " corrupt %s", e->corrupt);
	if (e->duplicate)
		fprintf(o, " duplicate %s", e->duplicate);
	if (e->reorder)
		fprintf(o, " reorder %s", e->reorder);
	if (e->rate)
		fprintf(o, " rate %s", e->rate);
	fputc('\n', o);
}

#define PATH_SBIN	"PATH=$PATH:/usr/sbin:/sbin "
#define LINE		" # line %u\n"	/* a comment, for whoever reads it when it has failed */

/* Runs a program in kernel k with what is in t as its input, unless that is empty. */
static int feed(struct net *n, unsigned int k, const char *command, struct text *t)
{
	char *input = text_close(t);
	int status = 0;
	pid_t pid;

	if (*input) {
		pid = net_spawn(n, (int)k, command, input, NULL);
		status = pid < 0 ? -1 : net_wait(pid);
		if (status && !net_stop)
			fprintf(stderr, "rump: topo: %s: kernel %s: set-up failed, in one of these "
				"lines:\n%s", n->path, n->topo->kernels[k].name, input);
	}
	free(input);
	return status ? -1 : 0;
}

static int set_sysctls(struct net *n, unsigned int k)
{
	const struct topo_step *s;
	unsigned int i;
	struct text t;
	FILE *o = text_open(&t);
	char *c;

	for (i = 0; i < n->topo->nsteps; i++) {
		s = &n->topo->steps[i];
		if (s->what != TOPO_SYSCTL || s->kernel != (int)k)
			continue;
		/* the file's name, and what is to be written */
		for (c = s->text; *c != '='; c++)
			fputc(*c == '.' ? '/' : *c, o);
		fprintf(o, " %s" LINE, c + 1, s->line);
	}
	return feed(n, k, "set -e; while read -r f v; do echo \"${v% #*}\" >\"/rump/proc/sys/$f\"; done",
		    &t);
}

static int configure(struct net *n, unsigned int k)
{
	const struct topo_step *s;
	const struct topo_link *l;
	unsigned int i;
	struct text t;
	FILE *o;

	if (set_sysctls(n, k))
		return -1;
	o = text_open(&t);
	for (i = 0; i < n->topo->nifs; i++)
		if (n->topo->ifs[i].kernel == k)
			fprintf(o, "link set dev %s up\n", n->topo->ifs[i].name);
	for (i = 0; i < n->topo->nsteps; i++) {
		s = &n->topo->steps[i];
		if (s->kernel != (int)k)
			continue;
		/* Addresses are to be of use at once. */
		if (s->what == TOPO_ADDR)
			fprintf(o, "addr add %s dev %s%s" LINE, s->text, s->ifname,
				strchr(s->text, ':') ? " nodad" : "", s->line);
		if (s->what == TOPO_ROUTE)
			fprintf(o, "route add %s" LINE, s->text, s->line);
	}
	if (feed(n, k, PATH_SBIN "ip -batch -", &t))
		return -1;
	o = text_open(&t);
	for (i = 0; i < n->topo->nifs; i++) {
		l = &n->topo->links[n->topo->ifs[i].link];
		if (n->topo->ifs[i].kernel == k && memcmp(&l->netem, &none, sizeof(none)))
			netem_line(o, n->topo->ifs[i].name, &l->netem);
	}
	return feed(n, k, PATH_SBIN "tc -batch -", &t);
}

int net_configure(struct net *n)
{
	unsigned int k = 0, jobs = 0;
	int status, err = 0;
	pid_t pid;

	fflush(NULL);
	while (jobs || (k < n->topo->nkernels && !err)) {
		if (k < n->topo->nkernels && jobs < JOBS && !err) {
			pid = fork();
			if (pid < 0)
				err = complain("fork", n->topo->kernels[k].name);
			if (pid == 0)
				_exit(configure(n, k) ? 1 : 0);
			jobs += pid > 0;
			k++;
			continue;
		}
		/* of our process group, in which only these children are */
		if (waitpid(0, &status, 0) < 0) {
			if (errno != EINTR)
				break;
			continue;
		}
		jobs--;
		if (status)
			err = -1;
	}
	return net_stop ? -1 : err;
}

int net_netem(struct net *n, unsigned int link, const struct topo_netem *netem)
{
	const struct topo_if *f;
	unsigned int i;
	struct text t;

	for (i = 0; i < n->topo->nifs; i++) {
		f = &n->topo->ifs[i];
		if (f->link != link)
			continue;
		netem_line(text_open(&t), f->name, netem);
		if (feed(n, f->kernel, PATH_SBIN "tc -batch -", &t))
			return -1;
	}
	return 0;
}
