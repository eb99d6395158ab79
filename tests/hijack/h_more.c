/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h_more.c - as h_calls.c, a program that knows nothing of rump kernels, for what
 * several threads, processes and copies of a descriptor make of it: h_more CASE
 * [DIR].  The same cases pass on the host alone.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <signal.h>

#include "h.h"

#define MS		1000

static pthread_t thread(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	need(pthread_create(&t, NULL, fn, arg) == 0);
	return t;
}

/* ---- descriptors in messages --------------------------------------------------------- */

/* A TCP socket and a pipe to a child and back, and within the process. */
static void c_rights(void)
{
	int u[2], s[2], pi[2], got[2];
	pid_t pid;

	tcp_pair(s);
	need(pipe(pi) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, u) == 0);
	pid = fork();
	need(pid >= 0);
	if (pid == 0) {
		close(u[0]), close(s[0]), close(s[1]), close(pi[0]), close(pi[1]);
		take_fds(u[1], got, 2, MSG_CMSG_CLOEXEC);
		need(fcntl(got[0], F_GETFD) == FD_CLOEXEC && fcntl(got[1], F_GETFD) == FD_CLOEXEC);
		give(got[0]);
		give(got[1]);
		send_fds(u[1], &got[0], 1);
		close(got[0]);
		eat(u[1]);			/* the parent has taken it */
		_exit(0);
	}
	send_fds(u[0], (int[]){ s[1], pi[1] }, 2);
	close(s[1]);				/* while it is on its way */
	eat(s[0]);
	eat(pi[0]);
	take_fds(u[0], got, 1, 0);
	need(fcntl(got[0], F_GETFD) == 0);
	give(got[0]);
	eat(s[0]);
	close(got[0]);
	give(u[0]);
	child_ends_well(pid);
	need(read(s[0], &pid, 1) == 0);		/* the last copy is gone */
	close(s[0]), close(u[0]), close(u[1]), close(pi[0]), close(pi[1]);
}

/* ---- names of local sockets ----------------------------------------------------------- */

static struct sockaddr_un un_name(const char *dir, const char *name)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	need(snprintf(un.sun_path, sizeof(un.sun_path), "%s%s%s", dir, *dir ? "/" : "", name) <
	    (int)sizeof(un.sun_path));
	return un;
}

static void c_unixname(const char *dir)
{
	struct sockaddr_un un = un_name(dir, "sock"), dg = un_name(dir, "dgram"), got;
	int l = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), c, a, d, e, low;
	socklen_t len;
	char buf[16];
	int s[2];

	need(connect(l, (void *)&un, sizeof(un)) == -1 && errno == ENOENT);
	close(l);
	l = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	low = l;
	need(bind(l, (void *)&un, sizeof(un)) == 0 && listen(l, 5) == 0);
	need(fcntl(l, F_GETFD) == FD_CLOEXEC && access(un.sun_path, F_OK) == 0);
	len = sizeof(got);
	need(getsockname(l, (void *)&got, &len) == 0 && !strcmp(got.sun_path, un.sun_path));
	need(len == offsetof(struct sockaddr_un, sun_path) + strlen(un.sun_path) + 1);
	c = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	need(c == low + 1 && connect(c, (void *)&un, sizeof(un)) == 0);
	need(fcntl(c, F_GETFL) & O_NONBLOCK);
	need(read(c, buf, 1) == -1 && errno == EAGAIN);
	len = sizeof(got);
	need(getpeername(c, (void *)&got, &len) == 0 && !strcmp(got.sun_path, un.sun_path));
	a = accept(l, (void *)&got, &len);
	need(a == low + 2);
	give(a);
	eat(c);
	tcp_pair(s);				/* descriptors over it */
	send_fds(a, &s[1], 1);
	take_fds(c, &d, 1, 0);
	give(d);
	eat(s[0]);
	close(d), close(s[0]), close(s[1]), close(a), close(c), close(l);

	d = socket(AF_UNIX, SOCK_DGRAM, 0);
	need(bind(d, (void *)&dg, sizeof(dg)) == 0);
	e = socket(AF_UNIX, SOCK_DGRAM, 0);
	need(chdir(dir) == 0);
	got = un_name("", "dgram");		/* relative */
	need(connect(e, (void *)&got, sizeof(got)) == 0 && write(e, "abc", 3) == 3);
	need(recv(d, buf, sizeof(buf), 0) == 3);
	got = un_name("", "other");
	close(e);
	e = socket(AF_UNIX, SOCK_DGRAM, 0);
	need(bind(e, (void *)&got, sizeof(got)) == 0);
	need(sendto(e, "de", 2, 0, (void *)&dg, sizeof(dg)) == 2);
	len = sizeof(got);
	need(recvfrom(d, buf, sizeof(buf), 0, (void *)&got, &len) == 2 && !strcmp(got.sun_path, "other"));
	close(d), close(e);
	need(unlink(un.sun_path) == 0 && unlink(dg.sun_path) == 0 && unlink("other") == 0);
	need(chdir("/") == 0);
}

/* ---- copies in an epoll ------------------------------------------------------------------ */

static void c_copies(void)
{
	struct epoll_event ev = { .events = EPOLLIN }, out[8];
	int s[2], c, d, ep = epoll_create1(0), n;

	tcp_pair(s);
	c = dup(s[1]);
	ev.data.fd = s[1];
	need(epoll_ctl(ep, EPOLL_CTL_ADD, s[1], &ev) == 0);
	ev.data.fd = c;
	need(epoll_ctl(ep, EPOLL_CTL_MOD, c, &ev) == -1 && errno == ENOENT);
	need(epoll_ctl(ep, EPOLL_CTL_ADD, c, &ev) == 0);
	need(epoll_ctl(ep, EPOLL_CTL_ADD, c, &ev) == -1 && errno == EEXIST);
	give(s[0]);
	n = epoll_wait(ep, out, 8, 5000);
	need(n == 2 && out[0].data.fd + out[1].data.fd == s[1] + c);
	ev.events = 0;
	need(epoll_ctl(ep, EPOLL_CTL_MOD, s[1], &ev) == 0);
	need(epoll_wait(ep, out, 8, 5000) == 1 && out[0].data.fd == c);
	need(epoll_ctl(ep, EPOLL_CTL_DEL, c, NULL) == 0 && epoll_wait(ep, out, 8, 20) == 0);
	need(epoll_ctl(ep, EPOLL_CTL_DEL, c, NULL) == -1 && errno == ENOENT);
	ev.events = EPOLLIN;
	ev.data.fd = 77;
	need(epoll_ctl(ep, EPOLL_CTL_ADD, c, &ev) == 0);
	d = dup(c);
	close(c);				/* a member as long as a copy is open */
	need(epoll_wait(ep, out, 8, 5000) == 1 && out[0].data.fd == 77);
	close(s[1]);
	need(epoll_wait(ep, out, 8, 5000) == 1);
	close(d);
	need(epoll_wait(ep, out, 8, 20) == 0);
	close(s[0]), close(ep);
}

/* ---- several who wait ---------------------------------------------------------------------- */

struct waiter { int fd, other, events, got; };

/* In a set with a descriptor of the host. */
static void *poll_one(void *arg)
{
	struct waiter *w = arg;
	struct pollfd p[2] = { { .fd = w->fd, .events = w->events }, { .fd = w->other, .events = POLLIN } };

	need(poll(p, 2, 10000) == 1 && p[1].revents == 0);
	w->got = p[0].revents;
	return NULL;
}

/* Two threads, and two processes, wait for different things of one socket. */
static void c_waiters(void)
{
	static char junk[1 << 16];
	int s[2], pi[2], i, k, room = 1;
	struct waiter in, out;
	pthread_t t[2];
	pid_t pid;

	tcp_pair(s);
	need(pipe(pi) == 0);
	setsockopt(s[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	fcntl(s[1], F_SETFL, O_NONBLOCK);
	fcntl(s[0], F_SETFL, O_NONBLOCK);
	for (i = 0; i < 20; i++) {
		while (write(s[1], junk, sizeof(junk)) > 0)
			;
		in = (struct waiter){ s[1], pi[0], POLLIN, 0 };
		out = (struct waiter){ s[1], pi[0], POLLOUT, 0 };
		t[0] = thread(poll_one, i % 2 ? &in : &out);
		t[1] = thread(poll_one, i % 2 ? &out : &in);
		usleep(5 * MS);
		if (i % 4 < 2)
			give(s[0]);
		do {				/* room on the way out */
			usleep(MS);
			while (read(s[0], junk, sizeof(junk)) > 0)
				;
		} while (poll(&(struct pollfd){ .fd = s[1], .events = POLLOUT }, 1, 0) == 0);
		if (i % 4 >= 2)
			give(s[0]);
		pthread_join(t[0], NULL);
		pthread_join(t[1], NULL);
		need(in.got == POLLIN && out.got == POLLOUT);
		eat(s[1]);
	}
	for (i = 0; i < 10; i++) {
		pid = fork();
		need(pid >= 0);
		in = (struct waiter){ s[1], pi[0], POLLIN, 0 };
		if (pid == 0) {
			poll_one(&in);
			_exit(0);
		}
		t[0] = thread(poll_one, &in);
		usleep(5 * MS);
		give(s[0]);
		pthread_join(t[0], NULL);
		child_ends_well(pid);
		eat(s[1]);
	}
	for (k = 0; k < 2; k++)
		close(s[k]), close(pi[k]);
}

/* ---- one epoll, several threads and processes -------------------------------------------------- */

static int the_epoll, the_pipe[2];
static atomic_int served;

/* Serves bytes of its sockets until the pipe says stop. */
static void *serve(void *arg)
{
	struct epoll_event ev;
	char c;

	for (;;) {
		need(epoll_wait(the_epoll, &ev, 1, 10000) == 1);
		if (ev.data.fd == the_pipe[0])
			return arg;
		if (recv(ev.data.fd, &c, 1, MSG_DONTWAIT) == 1) {
			need(send(ev.data.fd, &c, 1, 0) == 1);
			served++;
		}
	}
}

#define SOCKETS	8
#define ROUNDS	50

static void in_and_out(int s[SOCKETS][2])
{
	int i, k;

	for (i = 0; i < ROUNDS; i++) {
		for (k = 0; k < SOCKETS; k++)
			give(s[k][0]);
		for (k = 0; k < SOCKETS; k++)
			eat(s[k][0]);
	}
}

/* The same epoll in two processes. */
static void c_forks(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int s[SOCKETS][2], i;
	pthread_t t;
	pid_t pid;

	the_epoll = epoll_create1(0);
	need(pipe(the_pipe) == 0);
	for (i = 0; i < SOCKETS; i++) {
		tcp_pair(s[i]);
		ev.data.fd = s[i][1];
		need(epoll_ctl(the_epoll, EPOLL_CTL_ADD, s[i][1], &ev) == 0);
	}
	ev.data.fd = the_pipe[0];
	need(epoll_ctl(the_epoll, EPOLL_CTL_ADD, the_pipe[0], &ev) == 0);
	pid = fork();
	need(pid >= 0);
	if (pid == 0) {
		serve(NULL);
		_exit(0);
	}
	t = thread(serve, NULL);
	in_and_out(s);
	give(the_pipe[1]);
	pthread_join(t, NULL);
	child_ends_well(pid);
}

static void c_servers(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int s[SOCKETS][2], i, fd = -1;
	pthread_t t[4];

	the_epoll = epoll_create1(0);
	need(pipe(the_pipe) == 0);
	for (i = 0; i < SOCKETS; i++) {
		tcp_pair(s[i]);
		ev.events = EPOLLIN | (i % 2 ? EPOLLET : 0);
		ev.data.fd = s[i][1];
		need(epoll_ctl(the_epoll, EPOLL_CTL_ADD, s[i][1], &ev) == 0);
	}
	for (i = 0; i < 4; i++)			/* they wait before the first host member is there */
		t[i] = thread(serve, NULL);
	in_and_out(s);
	ev.events = EPOLLIN;
	ev.data.fd = the_pipe[0];
	need(epoll_ctl(the_epoll, EPOLL_CTL_ADD, the_pipe[0], &ev) == 0);
	in_and_out(s);
	give(the_pipe[1]);
	for (i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	need(served == 2 * ROUNDS * SOCKETS);
	eat(the_pipe[0]);

	fd = epoll_create1(0);			/* an outer one, made before there is a rump side */
	close(the_epoll);
	the_epoll = epoll_create1(0);
	need(epoll_ctl(fd, EPOLL_CTL_ADD, the_epoll, &ev) == 0);
	ev.data.fd = s[0][1];
	need(epoll_ctl(the_epoll, EPOLL_CTL_ADD, s[0][1], &ev) == 0);
	for (i = 0; i < 3; i++) {
		give(s[0][0]);
		need(epoll_wait(fd, &ev, 1, 5000) == 1);
		need(epoll_wait(the_epoll, &ev, 1, 0) == 1 && ev.data.fd == s[0][1]);
		need(epoll_wait(fd, &ev, 1, 5000) == 1);	/* level */
		eat(s[0][1]);
		need(epoll_wait(the_epoll, &ev, 1, 0) == 0);
		need(epoll_wait(fd, &ev, 1, 20) == 0);
	}
	close(fd), close(the_epoll), close(the_pipe[0]), close(the_pipe[1]);
	for (i = 0; i < SOCKETS; i++)
		close(s[i][0]), close(s[i][1]);
}

/* ---- a set of everything ------------------------------------------------------------------------ */

static void c_kinds(void)
{
	struct itimerspec it = { .it_value.tv_nsec = 10 * 1000 * MS };
	int s[2], pi[2], fds[5], ep = epoll_create1(0), i, k;
	struct epoll_event ev = { .events = EPOLLIN };
	struct pollfd p[5];
	struct signalfd_siginfo si;
	uint64_t v;
	sigset_t set;
	fd_set in;

	tcp_pair(s);
	need(pipe(pi) == 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	need(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
	fds[0] = s[1];
	fds[1] = pi[0];
	fds[2] = eventfd(0, 0);
	fds[3] = timerfd_create(CLOCK_MONOTONIC, 0);
	fds[4] = signalfd(-1, &set, 0);
	for (i = 0; i < 5; i++) {
		ev.data.u32 = i;
		need(fds[i] >= 0 && epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], &ev) == 0);
		p[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	}
	for (i = 0; i < 15; i++) {
		v = 1;
		switch (i % 5) {
		case 0:
			give(s[0]);
			break;
		case 1:
			give(pi[1]);
			break;
		case 2:
			need(write(fds[2], &v, sizeof(v)) == sizeof(v));
			break;
		case 3:
			need(timerfd_settime(fds[3], 0, &it, NULL) == 0);
			break;
		case 4:
			need(kill(getpid(), SIGUSR1) == 0);
		}
		if (i < 5) {
			need(epoll_wait(ep, &ev, 1, 5000) == 1 && (int)ev.data.u32 == i % 5);
		} else if (i < 10) {
			need(poll(p, 5, 5000) == 1 && p[i % 5].revents == POLLIN);
		} else {
			FD_ZERO(&in);
			for (k = 0; k < 5; k++)
				FD_SET(fds[k], &in);
			need(select(fds[4] + 20, &in, NULL, NULL, NULL) == 1 && FD_ISSET(fds[i % 5], &in));
		}
		if (i % 5 < 2)
			eat(fds[i % 5]);
		else if (i % 5 == 4)
			need(read(fds[4], &si, sizeof(si)) == sizeof(si) && si.ssi_signo == SIGUSR1);
		else
			need(read(fds[i % 5], &v, sizeof(v)) == sizeof(v) && v == 1);
	}
	for (i = 0; i < 5; i++)
		close(fds[i]);
	close(s[0]), close(pi[1]), close(ep);
}

/* ---- events of both kernels, while somebody waits -------------------------------------------------- */

#define EVENTS	300

static int both_socket, both_pipe;

static void nothing(int sig)
{
	(void)sig;
}

/* Each in turn, one for long, then the other, then as it comes; signals in between. */
static void *give_both(void *arg)
{
	pthread_t *waiter = arg;
	int i;

	for (i = 0; i < EVENTS; i++) {
		give((i < 100 ? i & 1 : i < 200 ? i < 150 : i * 7 % 5 < 2) ? both_socket : both_pipe);
		if (i % 10 == 0)
			usleep(MS / 2);
		if (i % 50 == 25)
			pthread_kill(*waiter, SIGUSR1);
	}
	return NULL;
}

/* No event is missed, by whatever kind of wait, and both have their turn. */
static void c_both(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct sigaction sa = { .sa_handler = nothing, .sa_flags = SA_RESTART };
	pthread_t me = pthread_self(), t;
	int s[2], pi[2], ep = epoll_create1(0), way, n, got, fds[2];

	tcp_pair(s);
	need(pipe(pi) == 0 && sigaction(SIGUSR1, &sa, NULL) == 0);
	both_socket = s[0], both_pipe = pi[1];
	fds[0] = s[1], fds[1] = pi[0];
	for (n = 0; n < 2; n++) {
		ev.data.fd = fds[n];
		need(epoll_ctl(ep, EPOLL_CTL_ADD, fds[n], &ev) == 0);
	}
	for (way = 0; way < 3; way++) {
		struct pollfd p[2] = { { s[1], POLLIN, 0 }, { pi[0], POLLIN, 0 } };
		fd_set in;

		t = thread(give_both, &me);
		for (got = 0; got < EVENTS;) {
			int ready[2] = { 0 }, i;

			if (way == 0) {
				n = epoll_wait(ep, &ev, 1, 10000);
				ready[0] = n > 0 && ev.data.fd == s[1];
				ready[1] = n > 0 && ev.data.fd == pi[0];
			} else if (way == 1) {
				n = poll(p, 2, 10000);
				for (i = 0; i < 2; i++)
					ready[i] = n > 0 && p[i].revents;
			} else {
				FD_ZERO(&in);
				FD_SET(s[1], &in), FD_SET(pi[0], &in);
				n = select(s[1] + pi[0] + 1, &in, NULL, NULL, NULL);
				for (i = 0; i < 2; i++)
					ready[i] = n > 0 && FD_ISSET(fds[i], &in);
			}
			need(n > 0 || (n == -1 && errno == EINTR));
			need(n < 0 || ready[0] + ready[1] == n);
			for (i = 0; i < 2; i++)
				if (ready[i])
					eat(fds[i]), got++;
		}
		pthread_join(t, NULL);
		need(epoll_wait(ep, &ev, 1, 5) == 0 && poll(p, 2, 5) == 0);
	}
	/* Neither keeps the other out, though both always have something. */
	give(s[0]), give(pi[1]);
	for (n = got = 0; n < 20; n++) {
		need(epoll_wait(ep, &ev, 1, 10000) == 1);
		got |= ev.data.fd == s[1] ? 1 : 2;
	}
	need(got == 3);
	close(s[0]), close(s[1]), close(pi[0]), close(pi[1]), close(ep);
}

/* ---- moving data ---------------------------------------------------------------------------------- */

/* From a socket through a pipe into a socket, and into a file in dir, and back. */
static void c_movers(const char *dir)
{
	static char in[200000], out[sizeof(in)];
	char name[200];
	int s[2], t[2], pi[2], f, h, i, n;
	size_t got, sent;
	loff_t off = 0;

	for (i = 0; i < (int)sizeof(in); i++)
		in[i] = i * 7 + i / 256;
	tcp_pair(s);
	tcp_pair(t);
	need(pipe(pi) == 0);
	fcntl(s[0], F_SETFL, O_NONBLOCK);
	fcntl(t[1], F_SETFL, O_NONBLOCK);
	for (got = sent = 0; got < sizeof(in);) {
		n = sent < sizeof(in) ? write(s[0], in + sent, sizeof(in) - sent) : 0;
		sent += n > 0 ? n : 0;
		n = splice(s[1], NULL, pi[1], NULL, sizeof(in), 0);
		need(n > 0);
		for (; n > 0; n -= i) {
			i = splice(pi[0], NULL, t[0], NULL, n, SPLICE_F_MOVE);
			need(i > 0);
		}
		while ((n = read(t[1], out + got, sizeof(out) - got)) > 0)
			got += n;
	}
	need(memcmp(in, out, sizeof(in)) == 0);
	fcntl(s[1], F_SETFL, O_NONBLOCK);
	need(splice(s[1], NULL, pi[1], NULL, 100, 0) == -1 && errno == EAGAIN);
	need(splice(pi[0], NULL, t[0], NULL, 100, SPLICE_F_NONBLOCK) == -1 && errno == EAGAIN);
	need(splice(s[1], NULL, t[0], NULL, 100, 0) == -1 && errno == EINVAL);
	fcntl(pi[1], F_SETFL, O_NONBLOCK);
	while (write(pi[1], in, 4096) > 0)		/* full: nothing is taken */
		;
	give(s[0]);
	usleep(10 * MS);
	need(splice(s[1], NULL, pi[1], NULL, 100, 0) == -1 && errno == EAGAIN);
	eat(s[1]);
	close(pi[0]), close(pi[1]);

	need(pipe(pi) == 0);
	snprintf(name, sizeof(name), "%s/moved", dir);
	f = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	need(f >= 0 && write(pi[1], in, 5000) == 5000);
	off = 100;
	need(splice(pi[0], NULL, f, &off, 5000, 0) == 5000 && off == 5100);
	need(splice(pi[0], &off, f, NULL, 10, 0) == -1 && errno == ESPIPE);
	off = 200;
	need(splice(f, &off, pi[1], NULL, 1000, 0) == 1000 && off == 1200);
	need(read(pi[0], out, sizeof(out)) == 1000 && memcmp(out, in + 100, 1000) == 0);
	h = memfd_create("h", 0);
	off = 0;
	n = copy_file_range(f, &off, h, NULL, 5100, 0);
	need(n == 5100 || (n == -1 && errno == EXDEV));
	need(lseek(f, 0, SEEK_SET) == 0 && sendfile(h, f, NULL, 5100) == 5100);
	need(lseek(f, 0, SEEK_SET) == 0 && sendfile(t[0], f, NULL, 5100) == 5100);
	close(pi[1]);
	need(splice(pi[0], NULL, f, NULL, 10, 0) == 0);	/* the end of a pipe */
	need(unlink(name) == 0);
	close(f), close(h), close(pi[0]), close(s[0]), close(s[1]), close(t[0]), close(t[1]);
}

int main(int argc, char **argv)
{
	static const struct { const char *name; void (*fn)(void); void (*in)(const char *); } cases[] = {
		{ "rights", c_rights, NULL }, { "copies", c_copies, NULL }, { "waiters", c_waiters, NULL },
		{ "servers", c_servers, NULL }, { "forks", c_forks, NULL },
		{ "both", c_both, NULL }, { "kinds", c_kinds, NULL }, { "unixname", NULL, c_unixname },
		{ "movers", NULL, c_movers },
	};
	size_t i;

	alarm(60);
	for (i = 0; argc > 1 && i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(argv[1], cases[i].name) != 0)
			continue;
		if (cases[i].fn)
			cases[i].fn();
		else if (argc > 2)
			cases[i].in(argv[2]);
		return 0;
	}
	fprintf(stderr, "usage: h_more CASE [DIR]\n");
	return 2;
}
