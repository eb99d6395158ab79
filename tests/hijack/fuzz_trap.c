/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_trap.c - any bytes as a system call that rump_trap is handed: its number, its arguments,
 * and the memory that they point at.  What the rump kernel gets of it must be translated: no
 * number of the target's as a descriptor, no name without an end.  t_trapcalls runs it on random
 * bytes; with libFuzzer:
 *
 *	clang -g -D_GNU_SOURCE -Iinclude -fsanitize=fuzzer,address,undefined -DLIBFUZZER \
 *	    tests/hijack/fuzz_trap.c tools/trap/{address,calls,filter,memory,names,newfd,rights,target,translate}.c \
 *	    hijack/{config,pathtext}.c
 */
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../tools/trap/trap.h"
#include "../fuzz.h"

#define MEMORY		(1 << 16)
#define RFD		1000		/* rump descriptors are from here on */
#define NRFD		4

static unsigned char *memory;		/* the target's: ours */
static const struct rumpclient_memory *via;
static unsigned int turn;		/* what the mock's results depend on */

/* ---- the rest of rump_trap, and the host ---------------------------------------------------- */

struct object {
	int rfd;
} objects[NRFD] = { { RFD }, { RFD + 1 }, { RFD + 2 }, { RFD + 3 } };

pid_t inject_child;

struct object *object_get(pid_t tid, int fd)
{
	return tid == getpid() && fd % 3 == 0 ? &objects[(unsigned int)fd % NRFD] : NULL;
}

void object_put(struct object *o)
{
	check(o >= objects && o < objects + NRFD);
}

void object_drop(struct object *o)
{
	object_put(o);
}

int object_rfd(const struct object *o)
{
	return o->rfd;
}

int object_pollable(const struct object *o)
{
	return o->rfd % 2;
}

void object_sync(struct object *o, pid_t tid, int fd)
{
	check(o && tid && (fd == AT_FDCWD || fd % 3 == 0));
}

int object_number(struct object *o, pid_t tid, unsigned long from)
{
	return o && tid && from < 1000000 ? (int)from : -EMFILE;
}

struct object *object_new(int rfd, int *near)
{
	check(rfd >= 0);
	*near = open("/dev/null", O_RDWR);
	return &objects[turn % NRFD];
}

long inject(struct call *c, struct injection *in)
{
	int i;

	check(c && in->n >= 1 && in->n <= 2);
	for (i = 0; i < 6; i++)
		check(!in->text[i] || strlen(in->text[i]) < PATH_BUF);
	return -EPERM;
}

void serve_lasts(void)
{
}

int ioctl(int fd, unsigned long req, ...)
{
	(void)fd;
	return req == SECCOMP_IOCTL_NOTIF_ADDFD ? (int)(turn % 100) : 0;
}

/* ---- the rump kernel -------------------------------------------------------------------------- */

void rumpclient_use_memory(const struct rumpclient_memory *m)
{
	via = m;
}

/* A name that the rump kernel would read. */
static void read_name(uint64_t at)
{
	char buf[64];
	size_t n, got = 0;

	/* Ours has an end; where there is none, the target's is at fault. */
	for (n = 0; at >= OWN_AT && at < OWN_AT + OWN_SIZE && n < OWN_SIZE; n += got) {
		got = via->read(via->arg, buf, at + n, sizeof(buf));
		if (memchr(buf, '\0', got))
			return;
		if (!got)
			break;
	}
	check(at < OWN_AT || at >= OWN_AT + OWN_SIZE || n < OWN_SIZE);
}

static int is_there(long fd)
{
	return fd == AT_FDCWD || (fd >= RFD && fd < RFD + NRFD);
}

static void check_rights(const struct msghdr *m, char *control)
{
	struct msghdr h = { .msg_control = control, .msg_controllen = m->msg_controllen };
	struct cmsghdr *cm;
	size_t i, n;
	int fd;

	for (cm = CMSG_FIRSTHDR(&h); cm; cm = CMSG_NXTHDR(&h, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS ||
		    cm->cmsg_len < CMSG_LEN(0) ||
		    cm->cmsg_len > (size_t)(control + m->msg_controllen - (char *)cm))
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(cm) + i * sizeof(int), sizeof(int));
			check(is_there(fd));
		}
	}
}

/* Control data of a message: to be looked at, or (fill) to be made. */
static void do_control(uint64_t at, int fill)
{
	struct msghdr m;
	char control[8192];
	size_t n;

	if (via->read(via->arg, &m, at, sizeof(m)) != sizeof(m) || !m.msg_control ||
	    m.msg_controllen > 4096)
		return;
	n = via->read(via->arg, control, (uint64_t)m.msg_control, m.msg_controllen);
	if (!fill && n == m.msg_controllen)
		check_rights(&m, control);
	if (!fill || n < CMSG_SPACE(2 * sizeof(int)))
		return;
	memset(control, 0, n);
	*(struct cmsghdr *)(void *)control = (struct cmsghdr){
		.cmsg_len = CMSG_LEN((1 + turn % 2) * sizeof(int)),
		.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
	};
	m.msg_controllen = CMSG_SPACE(2 * sizeof(int));
	via->write(via->arg, (uint64_t)m.msg_control, control, n);
	via->write(via->arg, at, &m, sizeof(m));
}

static long of_target(long nr, const long a[6])
{
	const struct rump_sysrow *row = &trap_rows[nr];
	int i;

	for (i = 0; i < 6; i++) {
		if (row->a[i].kind == RUMP_A_FD && nr != SYS_mount)
			check(is_there(a[i]));
		else if (row->a[i].kind == RUMP_A_PATH)
			read_name(a[i]);
		else if (row->a[i].kind == RUMP_A_DIR)
			check(is_there(a[i]));
	}
	if (nr == SYS_sendmsg || nr == SYS_recvmsg)
		do_control(a[1], nr == SYS_recvmsg);
	return turn % 3 ? (long)(turn % 50) : -(long)(turn % 100) - 1;
}

long rumpclient_syscall(long nr, const long a[6])
{
	struct stat st = { .st_mode = (turn % 2 ? S_IFREG : S_IFSOCK) | 0755, .st_size = turn % 70000,
	    .st_nlink = turn % 5 };

	turn = turn * 1103515245 + 12345;
	if (via)
		return of_target(nr, a);
	switch (nr) {
	case SYS_fstat:
		memcpy((void *)a[1], &st, sizeof(st));
		return 0;
	case SYS_readlink:
		memcpy((void *)a[1], "/mnt/dir", 8);
		return 8;
	case SYS_pread64:
		memset((void *)a[1], '#', a[2] < 1000 ? a[2] : 1000);
		return a[2] < 1000 ? a[2] : 1000;
	case SYS_openat:
	case RUMP_CALL_HOST_PUT:
		return RFD + turn % NRFD;
	case RUMP_CALL_MAP:
	case RUMP_CALL_HOST_GET:
		return turn % 2 ? open("/dev/null", O_RDWR) : -EINVAL;
	}
	return 0;
}

/* Where the memory is that arguments may point at. */
unsigned char *fuzz_memory(void);
unsigned char *fuzz_memory(void)
{
	return memory;
}

/* ---- a call -------------------------------------------------------------------------------------- */

int fuzz(const unsigned char *bytes, size_t len)
{
	static char store[PATH_BUF], err[512];
	struct call c = { .listener = -1, .tid = getpid() };
	size_t at = 0;
	int i;

	if (!memory) {
		memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		check(scope_parse(SCOPE_DEFAULT, &scope, store, sizeof(store), err, sizeof(err)) == 0);
		trap_base = TRAP_STDIO;
	}
	if (len < 3 + 6 * 3)
		return 0;
	turn = bytes[0];
	c.nr = (bytes[1] | bytes[2] << 8) % RUMP_NSYSROWS;
	for (i = 0, at = 3; i < 6; i++, at += 3) {
		c.a[i] = bytes[at + 1] | bytes[at + 2] << 8;
		switch (bytes[at] % 8) {
		case 0:
			c.a[i] = AT_FDCWD;
			break;
		case 1:
			c.a[i] += OWN_AT;
			break;
		case 2:
			c.a[i] = ~c.a[i];
			break;
		case 3:
			c.a[i] <<= bytes[at] >> 3;
			break;
		case 4:
		case 5:
		case 6:
			c.a[i] += (long)memory;
			break;
		}
	}
	memset(memory, 0, 4096);
	memcpy(memory, bytes + at, len - at < MEMORY ? len - at : MEMORY);
	call_do(&c);
	check(!via && c.used <= OWN_SIZE);
	return 1;
}
