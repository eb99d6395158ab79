/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h_move.c - calls that move data between any two descriptors, and what else files and sockets
 * do with data: h_move TEST DIR.  DIR, and AF_INET, are the rump kernel's under the library;
 * pipes, memfds and AF_UNIX are the host's.  On the host alone the same holds.
 */
#include <aio.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/errqueue.h>
#include <linux/falloc.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "musl.h"

#define need(x) do { if (!(x)) failed(__LINE__, #x); } while (0)
#define fails(e, x) need((x) == -1 && errno == (e))

static char doing[100];

static void failed(int line, const char *what)
{
	fprintf(stderr, "h_move.c:%d: %s%s (errno %d, %s)\n", line, doing, what, errno, strerror(errno));
	exit(1);
}

static int open_in(const char *dir, const char *name, int flags)
{
	char path[500];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return open(path, flags, 0644);
}

static void tcp_pair(int s[2])
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	need(bind(l, (void *)&sin, len) == 0 && listen(l, 1) == 0);
	need(getsockname(l, (void *)&sin, &len) == 0);
	s[0] = socket(AF_INET, SOCK_STREAM, 0);
	need(connect(s[0], (void *)&sin, len) == 0);
	s[1] = accept(l, NULL, NULL);
	need(s[1] >= 0 && close(l) == 0);
}

/* ---- from anything to anything ------------------------------------------------------------ */

enum kind { RUMP_FILE, HOST_FILE, PIPE, RUMP_SOCKET, HOST_SOCKET, KINDS };
static const char *const names[] = { "file", "memfd", "pipe", "tcp", "unix" };

/* Where data can be read, and where that comes from, or goes to. */
struct end {
	enum kind kind;
	int fd, far;
};

#define SIZE	20000

static struct end make(enum kind kind, const char *dir, const char *name, int source,
    const char *data)
{
	struct end e = { .kind = kind, .far = -1 };
	int s[2];

	switch (kind) {
	case RUMP_FILE:
		e.fd = open_in(dir, name, O_RDWR | O_CREAT | O_TRUNC);
		break;
	case HOST_FILE:
		e.fd = memfd_create(name, 0);
		break;
	case PIPE:
		need(pipe(s) == 0);
		e.fd = s[!source];
		e.far = s[source];
		break;
	case RUMP_SOCKET:
	default:
		if (kind == RUMP_SOCKET)
			tcp_pair(s);
		else
			need(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
		e.fd = s[0];
		e.far = s[1];
	}
	need(e.fd >= 0);
	if (source)
		need(write(e.far >= 0 ? e.far : e.fd, data, SIZE) == SIZE);
	if (source && e.far < 0)
		need(lseek(e.fd, 0, SEEK_SET) == 0);
	return e;
}

static void drop(struct end *e)
{
	close(e->fd);
	if (e->far >= 0)
		close(e->far);
}

static int is_file(enum kind k)
{
	return k == RUMP_FILE || k == HOST_FILE;
}

/* n bytes have gone from data + off to `to'. */
static void arrived(struct end *to, const char *data, long n, long off)
{
	static char buf[SIZE];
	long got = 0, k;

	if (to->far < 0) {
		need(pread(to->fd, buf, SIZE, 0) == n && lseek(to->fd, 0, SEEK_CUR) == n);
		need(memcmp(buf, data + off, n) == 0);
		return;
	}
	for (; got < n; got += k)
		need((k = read(to->far, buf + got, n - got)) > 0);
	need(memcmp(buf, data + off, n) == 0);
}

/* What is left in `from' begins at data + off. */
static void left(struct end *from, const char *data, long off)
{
	char buf[100];

	need(read(from->fd, buf, 100) == 100 && memcmp(buf, data + off, 100) == 0);
}

static void test_pairs(const char *dir)
{
	static char data[SIZE];
	struct end from, to;
	enum kind i, o;
	int how, n, ok;
	loff_t off;

	for (n = 0; n < SIZE; n++)
		data[n] = n * 7 + n / 256;
	for (i = 0; i < KINDS; i++)
	for (o = 0; o < KINDS; o++)
	for (how = 0; how < 6; how++) {
		snprintf(doing, sizeof(doing), "%s to %s, %d: ", names[i], names[o], how);
		from = make(i, dir, "from", 1, data);
		to = make(o, dir, "to", 0, data);
		off = 1000;
		errno = 0;
		switch (how) {
		case 0:
			n = sendfile(to.fd, from.fd, NULL, 12345);
			ok = is_file(i) || (o == PIPE && i != PIPE);
			break;
		case 1:
			n = sendfile(to.fd, from.fd, &off, 12345);
			ok = is_file(i);
			break;
		case 2:
			n = splice(from.fd, NULL, to.fd, NULL, 4096, SPLICE_F_MOVE);
			ok = i == PIPE || o == PIPE;
			break;
		case 3:
			n = splice(from.fd, is_file(i) ? &off : NULL, to.fd, NULL, 3000, 0);
			ok = i == PIPE || o == PIPE;
			break;
		case 4:
			n = tee(from.fd, to.fd, 4096, 0);
			ok = i == PIPE && o == PIPE;
			break;
		default:
			n = copy_file_range(from.fd, NULL, to.fd, NULL, 5000, 0);
			ok = is_file(i) && is_file(o);
			if (ok && n == -1 && errno == EXDEV && i != o)
				n = 0;
		}
		if (!ok) {
			need(n == -1 && (errno == EINVAL || (how == 1 && errno == ESPIPE)));
			left(&from, data, 0);
		} else if (n) {
			int with_off = how == 1 || (how == 3 && is_file(i));

			need(n > 0 && n <= 12345);
			need(!is_file(i) || !is_file(o) || n == (how < 2 ? 12345 : 5000));
			need(off == 1000 + (with_off ? n : 0));
			arrived(&to, data, n, with_off ? 1000 : 0);
			left(&from, data, with_off || how == 4 ? 0 : n);
		}
		drop(&from);
		drop(&to);
	}
	doing[0] = '\0';
}

/* What all of them say about bad arguments. */
static void test_refused(const char *dir)
{
	struct end p = make(PIPE, dir, "", 1, (char[SIZE]){ 1 });
	int f = open_in(dir, "f", O_RDWR | O_CREAT | O_TRUNC), h = memfd_create("h", 0);
	int ap = open_in(dir, "f", O_WRONLY | O_APPEND), ro = open_in(dir, "f", O_RDONLY);
	loff_t neg = -5, off = 3;
	struct iovec v = { "x", 1 };

	need(write(f, "0123456789", 10) == 10 && write(h, "abc", 3) == 3);
	fails(EINVAL, sendfile(ap, h, NULL, 2));
	fails(EBADF, sendfile(ro, h, NULL, 2));
	fails(EBADF, sendfile(h, ap, NULL, 2));
	fails(EINVAL, sendfile(h, f, &neg, 2));
	need(sendfile(h, f, &off, 0) == 0 && off == 3);
	need(sendfile(h, f, &off, 100) == 7 && off == 10 && sendfile(h, f, &off, 100) == 0);
	fails(ESPIPE, splice(p.fd, &off, f, NULL, 10, 0));
	fails(ESPIPE, splice(f, NULL, p.far, &off, 10, 0));
	fails(EBADF, vmsplice(f, &v, 1, 0));
	need(vmsplice(p.far, &v, 1, SPLICE_F_GIFT) == 1);
	fails(EXDEV, copy_file_range(f, NULL, h, NULL, 5, 0) == 5 ? (errno = EXDEV, -1) : -1);
	drop(&p);
	close(f), close(h), close(ap), close(ro);
}

/* ---- vectors and batches -------------------------------------------------------------------- */

static void test_vectors(const char *dir)
{
	int f = open_in(dir, "vec", O_RDWR | O_CREAT | O_TRUNC), s[2], i;
	char a[8], b[8], big[5][1000];
	struct iovec w[3] = { { "one", 3 }, { "", 0 }, { "two", 3 } }, r[2] = { { a, 4 }, { b, 4 } };
	struct mmsghdr m[5];
	struct timespec soon = { 100, 0 };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	struct iovec many[1024];
	volatile long none = 0;

	need(writev(f, w, 3) == 6 && lseek(f, 0, SEEK_SET) == 0);
	need(readv(f, r, 2) == 6 && !memcmp(a, "onet", 4) && !memcmp(b, "wo", 2));
	need(pwritev(f, w, 3, 10) == 6 && preadv(f, r, 2, 9) == 7 && !memcmp(a, "\0one", 4));
	need(pwritev2(f, w, 3, 20, RWF_DSYNC) == 6 && preadv2(f, r, 1, 20, 0) == 4);
	need(lseek(f, 2, SEEK_SET) == 2 && preadv2(f, r, 1, -1, 0) == 4 && lseek(f, 0, SEEK_CUR) == 6);
	need(pwritev2(f, w, 1, 0, RWF_APPEND) == 3 && preadv2(f, r, 1, 26, 0) == 3 && !memcmp(a, "one", 3));
	need(preadv2(f, r, 1, 0, RWF_NOWAIT) == 4 || errno == EOPNOTSUPP);
	need(preadv2(f, r, 1, 0, RWF_HIPRI) == 4);
	fails(EOPNOTSUPP, preadv2(f, r, 1, 0, 0x4000));
	fails(EINVAL, preadv(f, r, 1, -1));
	fails(EINVAL, readv(f, r, none - 1));
	fails(EINVAL, writev(f, many, none + 1025));
	fails(EFAULT, readv(f, (void *)(none + 8), 1));
	for (i = 0; i < 1024; i++)
		many[i] = (struct iovec){ &"0123456789abcdef"[i % 16], 1 };
	need(pwritev(f, many, 1024, 0) == 1024 && pread(f, a, 8, 1000) == 8 && !memcmp(a, "89abcdef", 8));

	s[0] = socket(AF_INET, SOCK_DGRAM, 0);
	s[1] = socket(AF_INET, SOCK_DGRAM, 0);
	need(bind(s[1], (void *)&sin, len) == 0 && getsockname(s[1], (void *)&sin, &len) == 0);
	memset(m, 0, sizeof(m));
	for (i = 0; i < 5; i++) {
		many[i] = (struct iovec){ big[i], 100 * (i + 1) };
		memset(big[i], 'A' + i, 1000);
		m[i].msg_hdr = (struct msghdr){
			.msg_name = &sin, .msg_namelen = len, .msg_iov = &many[i], .msg_iovlen = 1,
		};
	}
	need(sendmmsg(s[0], m, 5, 0) == 5 && m[0].msg_len == 100 && m[4].msg_len == 500);
	memset(big, 0, sizeof(big));
	for (i = 0; i < 5; i++) {
		many[i].iov_len = 1000;
		m[i].msg_hdr.msg_name = NULL;
		m[i].msg_hdr.msg_namelen = 0;
	}
	need(recvmmsg(s[1], m, 3, 0, NULL) == 3 && m[2].msg_len == 300 && big[2][299] == 'C');
	need(recvmmsg(s[1], m, 5, MSG_WAITFORONE, NULL) == 2 && m[1].msg_len == 500 && big[1][0] == 'E');
	need(sendmmsg(s[0], m, 1, 0) == -1 && errno == EDESTADDRREQ);
	need(sendto(s[0], "x", 1, 0, (void *)&sin, len) == 1);
	need(recvmmsg(s[1], m, 5, MSG_WAITFORONE, &soon) == 1 && m[0].msg_len == 1);
	fails(EAGAIN, recvmmsg(s[1], m, 5, MSG_DONTWAIT, NULL));
	close(f), close(s[0]), close(s[1]);
}

/* A message that is said not to be copied, and what the error queue says of that. */
static void test_zerocopy(const char *dir)
{
	static char out[50000], in[50000];
	char ctl[200];
	struct msghdr mh = { .msg_control = ctl, .msg_controllen = sizeof(ctl) };
	struct sock_extended_err ee;
	struct pollfd p;
	struct cmsghdr *cm;
	unsigned int done = 0;
	int s[2], one = 1, i;
	size_t got = 0;
	long n;

	(void)dir;
	tcp_pair(s);
	need(setsockopt(s[0], SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)) == 0);
	for (i = 0; i < 4; i++) {
		memset(out, 'a' + i, sizeof(out));
		for (got = 0; got < sizeof(out); got += n)
			need((n = send(s[0], out + got, sizeof(out) - got, MSG_ZEROCOPY)) > 0);
		need(recv(s[1], in, sizeof(in), MSG_WAITALL) == sizeof(in) &&
		    !memcmp(in, out, sizeof(in)));
	}
	while (done < 4) {
		p = (struct pollfd){ .fd = s[0] };
		need(poll(&p, 1, 10000) == 1 && p.revents & POLLERR);
		mh.msg_controllen = sizeof(ctl);
		need(recvmsg(s[0], &mh, MSG_ERRQUEUE) == 0 && mh.msg_flags & MSG_ERRQUEUE);
		need((cm = CMSG_FIRSTHDR(&mh)) && cm->cmsg_level == SOL_IP && cm->cmsg_type == IP_RECVERR);
		memcpy(&ee, CMSG_DATA(cm), sizeof(ee));
		need(ee.ee_errno == 0 && ee.ee_origin == SO_EE_ORIGIN_ZEROCOPY && ee.ee_info <= ee.ee_data);
		need(ee.ee_info == done);
		done = ee.ee_data + 1;
	}
	fails(EAGAIN, recvmsg(s[0], &mh, MSG_ERRQUEUE | MSG_DONTWAIT));
	close(s[0]), close(s[1]);
}

/* ---- watches ----------------------------------------------------------------------------------- */

static void expect_event(int fd, uint32_t mask, const char *name)
{
	union { struct inotify_event e; char buf[600]; } u;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	static char left_over[600];
	static long have;
	long size;

	if (!have) {
		need(poll(&p, 1, 10000) == 1);
		need((have = read(fd, left_over, sizeof(left_over))) > 0);
	}
	memcpy(&u, left_over, have);
	need(u.e.mask == mask && !strcmp(u.e.len ? u.e.name : "", name));
	size = sizeof(u.e) + u.e.len;
	memmove(left_over, left_over + size, have -= size);
}

static void test_inotify(const char *dir)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), f, wd, fd2, n, status;
	char buf[300];
	pid_t pid;

	fails(EAGAIN, read(fd, buf, sizeof(buf)));
	need((wd = inotify_add_watch(fd, dir, IN_CREATE | IN_DELETE | IN_CLOSE_WRITE)) >= 1);
	need(fcntl(fd, F_GETFD) == FD_CLOEXEC && fcntl(fd, F_GETFL) & O_NONBLOCK);
	fails(EAGAIN, read(fd, buf, sizeof(buf)));
	need((f = open_in(dir, "watched", O_WRONLY | O_CREAT | O_TRUNC)) >= 0);
	expect_event(fd, IN_CREATE, "watched");
	need(write(f, "x", 1) == 1 && close(f) == 0);
	expect_event(fd, IN_CLOSE_WRITE, "watched");
	pid = fork();
	if (pid == 0) {
		snprintf(buf, sizeof(buf), "%s/watched", dir);
		_exit(unlink(buf) != 0);
	}
	need(waitpid(pid, &status, 0) == pid && status == 0);
	expect_event(fd, IN_DELETE, "watched");
	need(inotify_rm_watch(fd, wd) == 0);
	expect_event(fd, IN_IGNORED, "");
	fails(EINVAL, inotify_rm_watch(fd, wd));
	need((fd2 = fcntl(fd, F_DUPFD, 0)) >= 0 && inotify_add_watch(fd2, dir, IN_DELETE) >= 1);
	fails(ENOENT, inotify_add_watch(fd, "/nonexistent/file", IN_CREATE) == -1 && errno == EXDEV ?
	    (errno = ENOENT, -1) : -1);
	fails(EINVAL, inotify_add_watch(memfd_create("m", 0), dir, IN_CREATE));
	fails(EBADF, inotify_add_watch(900, dir, IN_CREATE));
	close(fd), close(fd2);
	/* the host's own are as they were, and stay so */
	fd = inotify_init();
	need(inotify_add_watch(fd, "/proc/self", IN_OPEN) >= 1);
	n = inotify_add_watch(fd, dir, IN_OPEN);
	need(n >= 1 || errno == EXDEV);
	close(fd);
}

/* ---- locks --------------------------------------------------------------------------------------- */

static int lock(int fd, int cmd, int type, off_t from, off_t n)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = from, .l_len = n };
	int ret = fcntl(fd, cmd, &l);

	return ret == 0 && (cmd == F_GETLK || cmd == F_OFD_GETLK) ? l.l_type : ret;
}

/* Two programs; the second one is a child that opens the file for itself. */
static void test_locks(const char *dir)
{
	int f = open_in(dir, "locked", O_RDWR | O_CREAT | O_TRUNC), g = dup(f), go[2], back[2], status;
	struct flock who = { .l_type = F_RDLCK };
	char c;
	pid_t pid;

	need(pipe(go) == 0 && pipe(back) == 0);
#define step() need(write(back[1], "x", 1) == 1 && read(go[0], &c, 1) == 1)
#define let() need(write(go[1], "x", 1) == 1)
#define await() need(read(back[0], &c, 1) == 1)
	pid = fork();
	if (pid == 0) {
		f = open_in(dir, "locked", O_RDWR);
		need(f >= 0 && lock(f, F_SETLK, F_WRLCK, 0, 10) == 0 && flock(f, LOCK_EX) == 0);
		need(lock(f, F_OFD_SETLK, F_RDLCK, 100, 10) == 0);
		need(fcntl(f, F_SETOWN, getpid()) == 0 && fcntl(f, F_GETOWN) == getpid());
		step();
		need(lock(f, F_SETLK, F_UNLCK, 5, 5) == 0 && flock(f, LOCK_UN) == 0);
		step();
		/* a lock of its own process is no obstacle, another's is */
		need(lock(f, F_SETLK, F_WRLCK, 5, 5) == -1 && errno == EAGAIN);
		need(write(back[1], "x", 1) == 1);
		need(lock(f, F_SETLKW, F_WRLCK, 5, 5) == 0);
		step();
		need(close(dup(f)) == 0);	/* any copy of it: the locks are gone */
		step();
		need(flock(f, LOCK_SH) == 0);
		step();
		_exit(0);
	}
	await();
	fails(EAGAIN, lock(f, F_SETLK, F_RDLCK, 0, 1));
	need(fcntl(f, F_GETLK, &who) == 0 && who.l_type == F_WRLCK && who.l_pid == pid);
	need(lock(f, F_GETLK, F_WRLCK, 9, 5) == F_WRLCK && lock(f, F_GETLK, F_WRLCK, 10, 5) == F_UNLCK);
	fails(EWOULDBLOCK, flock(f, LOCK_SH | LOCK_NB));
	fails(EAGAIN, lock(f, F_OFD_SETLK, F_WRLCK, 105, 1));
	need(lock(f, F_OFD_SETLK, F_RDLCK, 105, 1) == 0 && lock(f, F_SETLK, F_RDLCK, 100, 5) == 0);
	let();
	await();
	need(lock(f, F_SETLK, F_WRLCK, 5, 5) == 0 && flock(f, LOCK_EX | LOCK_NB) == 0);
	need(flock(g, LOCK_EX | LOCK_NB) == 0 && flock(f, LOCK_UN) == 0);
	fails(EAGAIN, lock(f, F_SETLK, F_WRLCK, 4, 1));
	let();
	await();
	usleep(50000);				/* it waits by now, or will not have to */
	need(lock(f, F_SETLK, F_UNLCK, 0, 0) == 0);
	await();
	fails(EAGAIN, lock(f, F_SETLK, F_WRLCK, 5, 1));
	let();
	await();
	need(lock(f, F_SETLK, F_WRLCK, 0, 20) == 0);
	let();
	await();
	fails(EWOULDBLOCK, flock(f, LOCK_EX | LOCK_NB));
	let();
	need(waitpid(pid, &status, 0) == pid && status == 0);
	need(flock(f, LOCK_EX | LOCK_NB) == 0 && lock(f, F_OFD_GETLK, F_WRLCK, 100, 1) != F_WRLCK);
	close(f), close(g);
}

/* ---- AIO --------------------------------------------------------------------------------------- */

static long next_event(aio_context_t ctx, struct io_event *e)
{
	struct timespec ts = { .tv_sec = 10 };

	return syscall(SYS_io_getevents, ctx, 1, 1, e, &ts);
}

static void test_aio(const char *dir)
{
	int f = open_in(dir, "aio", O_RDWR | O_CREAT | O_TRUNC), h = memfd_create("h", 0), s[2];
	int ev = eventfd(0, EFD_NONBLOCK), i;
	struct iocb cb[4] = { 0 }, *list[4] = { &cb[0], &cb[1], &cb[2], &cb[3] };
	char a[10] = "", b[10] = "";
	struct iovec v[2] = { { a, 2 }, { b, 3 } };
	struct aiocb p = { .aio_fildes = f, .aio_buf = a, .aio_nbytes = 5, .aio_offset = 1 };
	const struct aiocb *const plist[1] = { &p };
	aio_context_t ctx = 0;
	struct io_event e;
	uint64_t count;

	need(syscall(SYS_io_setup, 8, &ctx) == 0);
	for (i = 0; i < 4; i++)
		cb[i] = (struct iocb){
			.aio_data = 100 + i, .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = i % 2 ? h : f,
			.aio_buf = (uintptr_t)"0123456789", .aio_nbytes = 10 - i, .aio_offset = i,
			.aio_flags = IOCB_FLAG_RESFD, .aio_resfd = ev,
		};
	need(syscall(SYS_io_submit, ctx, 4, list) == 4);
	for (i = 0; i < 4; i++) {
		need(next_event(ctx, &e) == 1 && e.data >= 100 && e.data < 104);
		need(e.obj == (uintptr_t)&cb[e.data - 100] && e.res == 10 - (long)(e.data - 100));
	}
	need(read(ev, &count, 8) == 8 && count == 4);
	need(pread(f, a, 10, 0) == 10 && !memcmp(a, "0101234567", 10));
	need(cb[0].aio_fildes == (unsigned int)f && cb[0].aio_lio_opcode == IOCB_CMD_PWRITE);
	cb[0] = (struct iocb){ .aio_lio_opcode = IOCB_CMD_PREADV, .aio_fildes = f,
		.aio_buf = (uintptr_t)v, .aio_nbytes = 2, .aio_offset = 2 };
	cb[1] = (struct iocb){ .aio_lio_opcode = IOCB_CMD_FSYNC, .aio_fildes = f };
	need(syscall(SYS_io_submit, ctx, 2, list) == 2);
	need(next_event(ctx, &e) == 1 && next_event(ctx, &e) == 1);
	need(!memcmp(a, "01", 2) && !memcmp(b, "234", 3));
	cb[0] = (struct iocb){ .aio_lio_opcode = 77, .aio_fildes = f };
	fails(EINVAL, syscall(SYS_io_submit, ctx, 1, list));
	cb[0] = (struct iocb){ .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = f,
		.aio_buf = (uintptr_t)a, .aio_nbytes = 1, .aio_offset = -1 };
	fails(EINVAL, syscall(SYS_io_submit, ctx, 1, list));
	tcp_pair(s);
	need(write(s[1], "hello", 5) == 5);
	cb[0] = (struct iocb){ .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = s[0],
		.aio_buf = (uintptr_t)a, .aio_nbytes = 10 };
	need(syscall(SYS_io_submit, ctx, 1, list) == 1 && next_event(ctx, &e) == 1);
	need(e.res == 5 && !memcmp(a, "hello", 5) && syscall(SYS_io_destroy, ctx) == 0);
	/* POSIX's */
	need(aio_write(&p) == 0 && aio_suspend(plist, 1, NULL) == 0);
	need(aio_error(&p) == 0 && aio_return(&p) == 5);
	need(pread(f, b, 7, 0) == 7 && !memcmp(b, "0hello4", 7));
	memset(a, 0, sizeof(a));
	need(aio_read(&p) == 0 && aio_suspend(plist, 1, NULL) == 0 && aio_return(&p) == 5);
	need(!memcmp(a, "hello", 5) && aio_fsync(O_SYNC, &p) == 0 && aio_suspend(plist, 1, NULL) == 0);
	close(f), close(h), close(ev), close(s[0]), close(s[1]);
}

/* ---- room, and no cache in between ---------------------------------------------------------------- */

static void test_direct(const char *dir)
{
	int f = open_in(dir, "direct", O_RDWR | O_CREAT | O_TRUNC | O_DIRECT), g, i;
	struct stat st;
	char *a, *b;

	if (f < 0 && errno == EINVAL)
		return;				/* the file system has no such thing */
	need(f >= 0 && fcntl(f, F_GETFL) & O_DIRECT);
	need(posix_memalign((void **)&a, 4096, 65536) == 0 && posix_memalign((void **)&b, 4096, 65536) == 0);
	for (i = 0; i < 65536; i++)
		a[i] = i * 13 + i / 4096;
	need(pwrite(f, a, 65536, 0) == 65536 && pwrite(f, a, 8192, 65536) == 8192);
	need(pread(f, b, 65536, 8192) == 65536 && !memcmp(b, a + 8192, 57344));
	g = open_in(dir, "direct", O_RDWR);
	need(pread(g, b, 4096, 4096) == 4096 && !memcmp(a + 4096, b, 4096));
	need(pwrite(g, "cached", 6, 8192) == 6 && pread(f, b, 4096, 8192) == 4096 && !memcmp(b, "cached", 6));
	need(fcntl(g, F_SETFL, O_DIRECT) == 0 && pread(g, b, 4096, 0) == 4096 && !memcmp(a, b, 4096));
	need(pread(g, b, 4096, 1 << 20) == 0 && fstat(f, &st) == 0 && st.st_size == 73728);
	close(f), close(g);
	/* space: on what the host has, the host answers */
	f = open_in(dir, "space", O_RDWR | O_CREAT | O_TRUNC);
	memset(a, 'x', 65536);
	need(write(f, a, 65536) == 65536);
	if (fallocate(f, 0, 0, 131072) == 0) {
		need(fstat(f, &st) == 0 && st.st_size == 131072 && st.st_blocks >= 256);
		need(fallocate(f, FALLOC_FL_KEEP_SIZE, 131072, 65536) == 0);
		need(fstat(f, &st) == 0 && st.st_size == 131072 && st.st_blocks >= 384);
		need(fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192) == 0);
		need(pread(f, b, 16384, 0) == 16384 && b[4095] == 'x' && !b[4096] && !b[12287] && b[12288] == 'x');
		need(lseek(f, 0, SEEK_HOLE) == 4096 && lseek(f, 4096, SEEK_DATA) == 12288);
		need(fallocate(f, FALLOC_FL_ZERO_RANGE, 16384, 4096) == 0 || errno == EOPNOTSUPP);
		i = fallocate(f, FALLOC_FL_COLLAPSE_RANGE, 0, 4096);
		need((i == 0 && fstat(f, &st) == 0 && st.st_size == 126976) || errno == EOPNOTSUPP);
		i = fallocate(f, FALLOC_FL_INSERT_RANGE, 0, 4096);
		need((i == 0 && pread(f, b, 1, 0) == 1 && !b[0]) || errno == EOPNOTSUPP);
		fails(EOPNOTSUPP, fallocate(f, FALLOC_FL_PUNCH_HOLE, 0, 4096));
	} else {
		need(errno == EOPNOTSUPP);
	}
	fails(EINVAL, fallocate(f, 0, -1, 10));
	fails(EINVAL, fallocate(f, 0, 0, 0));
	need(posix_fallocate(f, 0, 200000) == 0 && fstat(f, &st) == 0 && st.st_size >= 131072);
	close(f);
	free(a), free(b);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(const char *dir);
	} tests[] = {
		{ "pairs", test_pairs }, { "refused", test_refused }, { "vectors", test_vectors },
		{ "zerocopy", test_zerocopy }, { "inotify", test_inotify }, { "locks", test_locks },
		{ "aio", test_aio }, { "direct", test_direct },
	};
	unsigned int i;

	alarm(100);
	for (i = 0; argc > 2 && i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (!strcmp(argv[1], tests[i].name)) {
			tests[i].fn(argv[2]);
			return 0;
		}
	}
	fprintf(stderr, "usage: h_move TEST DIR\n");
	return 2;
}
