/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proc.c - fork, and the end of a process.
 *
 * A fork is seen as the system call that it is, whichever function made it: the
 * child process in the rump kernel is made before it (prefork) and taken over
 * by the child.  What shares memory with its parent, a vfork or posix_spawn
 * child, is told by a page that a fork wipes: the process id in it is not the
 * caller's, and not wiped either.  Such a child must not change the fd map or
 * the parent's rump process; it has only descriptors of the host to arrange,
 * and becomes a process of the rump kernel by exec (exec.c).
 *
 * An embedded kernel goes to a keeper before any of this (rumpclient_handover()): at
 * the function fork(3), because inside it malloc(3) is locked, at vfork(2) (vfork.S), and
 * at the system call where that is enough.
 *
 * clone(3) is interposed (wrapcall.c), for a child with a stack of its own.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exec.h"
#include "hijack.h"

/* ---- who shares memory with whom ------------------------------------------------ */

static struct owner {
	pid_t pid;		/* whose memory this is; 0: just forked */
} *owner;

static pid_t my_pid(void)
{
	return host(SYS_getpid, 0);
}

int proc_is_vfork_child(void)
{
	pid_t pid;

	if (!owner)
		return 0;
	pid = my_pid();
	if (owner->pid == 0)
		owner->pid = pid;
	return owner->pid != pid;
}

/* ---- fork ------------------------------------------------------------------------ */

void proc_handover(void)
{
	int err;

	if (hijack_state <= 0 || hijack_depth || rumpclient_is_remote() != 0 ||
	    proc_is_vfork_child())
		return;
	hijack_enter();
	err = rumpclient_handover();
	hijack_leave();
	if (err)
		hijack_say("the rump kernel cannot be handed to a keeper: %s; children are "
		    "without it", strerror(-err));
}

/* For vfork.S: libc's function, after what must happen before it. */
void *proc_vfork(void) __attribute__((visibility("hidden")));
void *proc_vfork(void)
{
	static void *next;

	if (!next)
		next = dlsym(RTLD_NEXT, "vfork");
	proc_handover();
	return next;
}

/* libc's fork(3), in which malloc(3) is locked. */
static int in_libc_fork(long nr, const long a[6])
{
	return nr == SYS_clone && (a[0] & CLONE_CHILD_SETTID);
}

int proc_prefork(struct fork_state *st)
{
	st->err = -EOPNOTSUPP;
	if (rumpclient_is_remote() != 1 || proc_is_vfork_child())
		return 0;
	hijack_enter();
	st->err = rumpclient_prefork(&st->cookie);
	hijack_leave();
	/* A server that is gone has nothing to copy. */
	return st->err == 0 || st->err == -EOPNOTSUPP || st->err == -ENOTCONN ? 0 : -EAGAIN;
}

void proc_forked(const struct fork_state *st, long pid)
{
	int err;

	if (pid == 0 && owner)
		owner->pid = my_pid();
	if (pid >= 0)
		epoll_forked();
	if (st->err < 0 || pid > 0)
		return;
	hijack_enter();
	if (pid == 0) {
		err = rumpclient_fork_init(&st->cookie);
		if (err < 0)
			hijack_say("fork: the rump kernel has no process for the child (error %d): "
			    "its calls will fail", -err);
	} else {
		rumpclient_fork_cancel(&st->cookie);
	}
	hijack_leave();
}

long hijack_clone(long nr, const long a[6])
{
	struct fork_state st;
	long pid;
	int err;

	if (!in_libc_fork(nr, a))
		proc_handover();
	err = proc_prefork(&st);
	if (err < 0)
		return err;
	pid = host_pass(nr, a);
	proc_forked(&st, pid);
	return pid;
}

#define CLOSE_FEW	16		/* each takes as long as a call */

/* ---- exit: the last moment at which an embedded kernel's files can be written --- */

static void shut_down(void)
{
	if (hijack_state <= 0 || proc_is_vfork_child())
		return;
	hijack_enter();
	rumpclient_shutdown();
	hijack_leave();
}

int proc_filtered;

/*
 * A server hears of a client's end a moment after it.  Who waits for this process, to lock or
 * remove what it had, is not to find it there: what is open is closed before, unless another
 * thread could notice.
 */
static void close_few(void)
{
	struct stat task;
	int fd, n = 0;

	if (hijack_state <= 0 || rumpclient_is_remote() != 1 || fdmap_top() == 0 ||
	    proc_filtered || proc_is_vfork_child())
		return;
	/* two links, and one for each thread */
	if (host(SYS_stat, "/proc/self/task", &task) < 0 || task.st_nlink != 3)
		return;
	for (fd = 0; fd < fdmap_top() && n < CLOSE_FEW; fd++) {
		if (fdmap_peek(fd) != FD_RUMP || fdmap_num[fd] == FDMAP_DEAD)
			continue;
		hijack_close(SYS_close, (const long[6]){ fd });
		n++;
	}
}

long hijack_exit(long nr, const long a[6])
{
	close_few();
	shut_down();
	return host_pass(nr, a);
}

/* Where libc's own exit is not seen; stdio has not written yet everything then. */
static void __attribute__((destructor)) at_exit(void)
{
	if (!hijack_patched && !hijack_depth)
		shut_down();
}

/* ---- the directory of a vfork child ------------------------------------------------ */

/* Few vfork children change directory at the same time in one process. */
static struct child_cwd {
	pid_t pid;
	char name[PATH_BUF];	/* as the program sees it; "": the host's */
} child_cwd[4];

static struct child_cwd *child_cwd_of(pid_t pid)
{
	size_t i;

	for (i = 0; i < sizeof(child_cwd) / sizeof(child_cwd[0]); i++)
		if (child_cwd[i].pid == pid)
			return &child_cwd[i];
	return NULL;
}

const char *proc_child_cwd(void)
{
	const struct child_cwd *c = proc_is_vfork_child() ? child_cwd_of(my_pid()) : NULL;

	return c ? c->name : NULL;
}

long proc_child_chdir(long nr, const long a[6])
{
	pid_t pid = my_pid();
	struct child_cwd *c = child_cwd_of(pid);
	const char *path = (const char *)a[0];
	struct where w;
	struct stat st;
	size_t len;
	long ret;

	path_child_cwds = 1;
	if (!c) {
		c = &child_cwd[(unsigned int)pid % 4];
		c->name[0] = '\0';
	}
	if (nr == SYS_fchdir && fdmap_peek(a[0]) == FD_RUMP) {
		ret = rump(SYS_fstat, fdmap_num[a[0]], (long)&st);
		if (ret == 0)
			ret = S_ISDIR(st.st_mode) ? path_of_fd(fdmap_num[a[0]], c->name) : -ENOTDIR;
		if (ret < 0)
			return ret;
		c->pid = pid;
		return 0;
	} else if (nr == SYS_fchdir) {
		ret = host_pass(nr, a);
	} else {
		ret = path_where(AT_FDCWD, path, &w);
		if (ret == 0 && w.side == SIDE_RUMP) {
			ret = rump(SYS_stat, (long)w.path, (long)&st);
			if (ret < 0)
				return ret;
			if (!S_ISDIR(st.st_mode))
				return -ENOTDIR;
			len = 0;
			if (path[0] != '/') {
				ret = c->pid == pid && c->name[0] ? (long)strlen(c->name) + 1 :
				    path_getcwd(c->name, PATH_BUF);
				if (ret < 0)
					return ret;
				len = ret - 1;
				c->name[len++] = '/';
			}
			if (len + strlen(path) >= PATH_BUF)
				return -ENAMETOOLONG;
			strcpy(c->name + len, path);
			c->pid = pid;
			return 0;
		}
		if (ret == 0)
			ret = host(nr, w.path);
	}
	if (ret == 0) {
		c->name[0] = '\0';
		c->pid = pid;
	}
	return ret;
}

/* ---- start ---------------------------------------------------------------------------- */

void proc_init(void)
{
	long mem;

	mem = host(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!host_failed(mem)) {
		owner = (struct owner *)mem;
		owner->pid = my_pid();
		if (host(SYS_madvise, mem, 4096, MADV_WIPEONFORK) < 0)
			owner = NULL;
	}
	exec_init();
	execenv_init();
}
