/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proc.c - fork and exec.
 *
 * A fork is seen as the system call that it is, whichever function made it: the
 * child process in the rump kernel is made before it (prefork) and taken over
 * by the child.  What shares memory with its parent, a vfork or posix_spawn
 * child, is told by a page that a fork wipes: the process id in it is not the
 * caller's, and not wiped either.  Such a child must not change the fd map or
 * the parent's rump process; it has only descriptors of the host to arrange,
 * and becomes a process of the rump kernel by exec.
 *
 * An embedded kernel goes to a keeper before any of this (rumpclient_handover()): at
 * the function fork(3), because inside it malloc(3) is locked, at vfork(2) (vfork.S), and
 * at the system call where that is enough.
 *
 * Exec hands the session on, so that the new image is the same process of the rump kernel
 * (rumpclient_preexec()), and the environment, also if the program has cleaned it:
 * LD_PRELOAD, RUMP* as they were at start, and RUMPHIJACK_CWD, the directory if it is the
 * rump kernel's.  A program on a rump file system is copied into
 * a memfd.  One that cannot load this library is refused (outsider.c); one for the other C
 * library gets the library that is for that, in place of all of LD_PRELOAD, where the two are in
 * PREFIX/lib and PREFIX/musl/lib.
 *
 * clone(3) is interposed (wrapcall.c), for a child with a stack of its own.
 */
#include <alloca.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "links.h"
#include "outsider.h"
#include "../rumpclient/beside.h"

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

/* ---- the environment ----------------------------------------------------------------- */

#define MAX_KEPT	32
static char *kept[MAX_KEPT];	/* "NAME=value" as at start */
static int nkept;
static const char preload[] = "LD_PRELOAD=", cwd_name[] = "RUMPHIJACK_CWD=",
	root_name[] = "RUMPHIJACK_ROOT=", self[] = "librumphijack";

static int starts(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/* What is said from one program to the next only. */
static int is_of_exec(const char *var)
{
	return starts(var, cwd_name) || starts(var, root_name) || starts(var, epoll_variable);
}

static int is_session(const char *var)
{
	return (starts(var, "RUMP") && !starts(var, "RUMPCLIENT_") && !is_of_exec(var)) ||
	    (starts(var, preload) && strstr(var, self));
}

static char trap_path[PATH_BUF];	/* rump_trap, if it may be needed */
/* The directory of the library for the other C library, as seen from ours; "": not known. */
static char other_dir[PATH_BUF];

static void find_other_dir(void)
{
#ifdef __GLIBC__
	static const char place[] = "../musl/lib";
#else
	static const char place[] = "../../lib";
#endif
	const char *slash;
	Dl_info us;
	size_t n;

	if (!dladdr(&scope, &us) || !(slash = strrchr(us.dli_fname, '/')))
		return;
	n = slash + 1 - us.dli_fname;
	if (n + sizeof(place) <= sizeof(other_dir)) {
		memcpy(other_dir, us.dli_fname, n);
		strcpy(other_dir + n, place);
	}
}

void proc_init(void)
{
	size_t size = 0;
	char **e, *store;
	long mem;

	mem = host(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!host_failed(mem)) {
		owner = (struct owner *)mem;
		owner->pid = my_pid();
		if (host(SYS_madvise, mem, 4096, MADV_WIPEONFORK) < 0)
			owner = NULL;
	}
	if (scope.outsiders == STATIC_TRAP && beside(&scope, "rump_trap", trap_path, sizeof(trap_path)))
		trap_path[0] = '\0';
	find_other_dir();
	for (e = environ; e && *e; e++)
		if (is_session(*e))
			size += strlen(*e) + 1;
	if (!size)
		return;
	/* A copy: programs overwrite the original to show a title. */
	mem = host(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (host_failed(mem))
		hijack_die("no memory for %zu bytes of environment", size);
	store = (char *)mem;
	for (e = environ; *e && nkept < MAX_KEPT; e++) {
		if (!is_session(*e))
			continue;
		kept[nkept++] = strcpy(store, *e);
		store += strlen(store) + 1;
	}
}

static int same_name(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return strncmp(a, b, n) == 0 && b[n] == '=';
}

/* The word of LD_PRELOAD that names this library, and its length. */
static const char *own_name(size_t *len)
{
	const char *s, *e;
	int i;

	for (i = 0; i < nkept; i++) {
		if (!starts(kept[i], preload))
			continue;
		for (s = kept[i] + sizeof(preload) - 1; *s; s = e + (*e != '\0')) {
			e = s + strcspn(s, ": ");
			if (memmem(s, e - s, self, sizeof(self) - 1)) {
				*len = e - s;
				return s;
			}
		}
	}
	return NULL;
}

/* ---- exec ------------------------------------------------------------------------------ */

struct image {
	int dirfd;
	const char *path;	/* "" with flags AT_EMPTY_PATH: dirfd itself */
	int flags;
	int bare;		/* it is not to load this library, ... */
	const char *instead;	/* ... but this variable says what; or NULL */
};

/*
 * LD_PRELOAD for programs of the other C library, or NULL.  Its name is made short, or it would
 * grow from one program to the next.
 */
static const char *other_preload(void)
{
	static const char name[] = "/librumphijack.so";
	static char var[sizeof(preload) + PATH_BUF];
	char link[32], *path = var + sizeof(preload) - 1;
	long fd, n;

	fd = other_dir[0] ? host(SYS_open, other_dir, O_PATH | O_DIRECTORY | O_CLOEXEC, 0) : -ENOENT;
	if (fd < 0)
		return NULL;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", (int)fd);
	n = host(SYS_readlink, link, path, PATH_BUF - sizeof(name));
	host(SYS_close, fd);
	if (n <= 0)
		return NULL;
	memcpy(var, preload, sizeof(preload) - 1);
	memcpy(path + n, name, sizeof(name));
	return host(SYS_access, path, R_OK) == 0 ? var : NULL;
}

/* Why im will not load a library of ours, or NULL. */
static const char *not_for_us(struct image *im)
{
	const char *why = outsider(im->dirfd, im->path);

	if (why != outsider_libc || !(im->instead = other_preload()))
		return why;
	im->bare = 1;
	return NULL;
}

static long enter(const struct image *im, char *const *argv, char *const *envp)
{
	if (im->dirfd == AT_FDCWD && !im->flags)
		return host(SYS_execve, im->path, argv, envp);
	return host(SYS_execveat, im->dirfd, im->path, argv, envp, im->flags);
}

/*
 * What the program's numbers say, the rump kernel's descriptors are to say, too: those
 * of which no copy survives the exec are closed there by it.
 */
static void tell_cloexec(void)
{
	int fd, i, rfd, top = fdmap_top();
	long flags;

	/* All are to go, but for the ones of which a number is to stay. */
	for (i = 0; i < 2; i++) {
		for (fd = 0; fd < top; fd++) {
			if (fdmap_peek(fd) != FD_RUMP)
				continue;
			rfd = fdmap_num[fd];
			flags = host(SYS_fcntl, fd, F_GETFD);
			if (flags >= 0 && (flags & FD_CLOEXEC ? 0 : 1) == i)
				rump(SYS_fcntl, rfd, F_SETFD, i ? 0 : FD_CLOEXEC);
		}
	}
}

/* The same, with the session handed on. */
static long enter_session(const struct image *im, char *const *argv, const char **envp, size_t n)
{
	struct rumpclient_exec x;
	char sets[4096], *epoll = NULL;
	size_t i;
	int k;
	long ret;

	proc_handover();
	if (!proc_is_vfork_child() && rumpclient_is_remote() == 1) {
		tell_cloexec();
		epoll = epoll_exec(sets, sizeof(sets));
	}
	if (epoll)
		envp[n++] = epoll;
	hijack_enter();
	rumpclient_preexec(&x);
	hijack_leave();
	for (k = 0; x.env[k]; k++) {
		for (i = 0; i < n && !same_name(x.env[k], envp[i]); i++)
			;
		envp[i] = x.env[k];
		n += i == n;
	}
	envp[n] = NULL;
	ret = enter(im, argv, (char *const *)envp);
	hijack_enter();
	rumpclient_exec_cancel(&x);
	hijack_leave();
	if (epoll)
		epoll_exec_cancel();
	return ret;
}

/* Runs im with the session's environment. */
static long enter_env(const struct image *im, char *const *argv, char *const *envp)
{
	static char *none[] = { NULL };
	char cwd[sizeof(cwd_name) + PATH_BUF], *lead, **new;
	struct child_cwd *c;
	size_t n = 0, out = 0, i, own_len = 0, len;
	const char *own;
	int k, in_rump;

	if (!envp)
		envp = none;
	while (envp[n])
		n++;
	len = (n + MAX_KEPT + 7) * sizeof(*new);
	if (len <= 8192) {
		/* The stack: malloc(3) is not ours to call, and a vfork child would leak it. */
		new = alloca(len); /* cppcheck-suppress allocaCalled */
	} else {
		long mem = host(SYS_mmap, NULL, len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (host_failed(mem))
			return mem;
		new = (char **)mem;
	}

	own = own_name(&own_len);
	for (i = 0; i < n; i++) {
		if (is_of_exec(envp[i]) || (im->bare && starts(envp[i], preload)))
			continue;
		new[out++] = envp[i];
		if (own && starts(envp[i], preload) && !strstr(envp[i], self)) {
			size_t plen = sizeof(preload) - 1, theirs = strlen(envp[i] + plen);

			if (theirs > 4096)
				return -E2BIG;
			lead = alloca(plen + own_len + theirs + 2); /* cppcheck-suppress allocaCalled */
			memcpy(lead, preload, plen);
			memcpy(lead + plen, own, own_len);
			lead[plen + own_len] = ':';
			memcpy(lead + plen + own_len + 1, envp[i] + plen, theirs + 1);
			new[out - 1] = lead;
		}
	}
	for (k = 0; k < nkept; k++) {
		for (i = 0; i < n && !same_name(kept[k], envp[i]); i++)
			;
		if (i == n && !(im->bare && starts(kept[k], preload)))
			new[out++] = kept[k];
	}

	if (im->instead)
		new[out++] = (char *)im->instead;
	c = proc_is_vfork_child() ? child_cwd_of(my_pid()) : NULL;
	in_rump = c ? c->name[0] != '\0' : path_cwd_is_rump();
	if (in_rump) {
		memcpy(cwd, cwd_name, sizeof(cwd_name) - 1);
		if (c)
			strcpy(cwd + sizeof(cwd_name) - 1, c->name);
		else if (path_getcwd(cwd + sizeof(cwd_name) - 1, PATH_BUF) <= 0)
			cwd[sizeof(cwd_name) - 1] = '\0';	/* it is gone; so is its name */
		new[out++] = cwd;
	}
	if (path_root_is_rump())
		new[out++] = (char *)root_name;
	return enter_session(im, argv, (const char **)new, out);
}

/* ---- a program on a rump file system ------------------------------------------------------ */

/* A copy of rump file rfd, size bytes, as a memfd of the host, or -errno. */
static long copy_in(int rfd, size_t size)
{
	long fd, mem, n = 1;
	size_t done = 0;

	fd = host(SYS_memfd_create, "rump", MFD_CLOEXEC);
	if (fd < 0)
		return fd;
	n = host(SYS_ftruncate, fd, size);
	mem = n < 0 ? n : host(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (host_failed(mem)) {
		host(SYS_close, fd);
		return mem;
	}
	while (done < size && n >= 0) {
		n = rump(SYS_pread64, rfd, mem + (long)done, size - done, (long)done);
		if (n == 0)
			n = -EIO;
		done += n > 0 ? n : 0;
	}
	host(SYS_munmap, mem, size);
	if (n < 0) {
		host(SYS_close, fd);
		return n;
	}
	return fd;
}

static long exec_name(int dirfd, const char *name, int flags, char *const *argv, char *const *envp,
    int depth);

#define SCRIPTS_MAX	5	/* Linux's own limit of interpreters that are scripts */

/* "#!" at the start of a script that the host cannot run: runs the interpreter. */
static long exec_script(char *line, const char *name, char *const *argv, char *const *envp, int depth)
{
	char *interp, *arg, *end, **new;
	size_t n = 0, out = 0;

	line[strcspn(line, "\n")] = '\0';
	interp = line + 2 + strspn(line + 2, " \t");
	end = interp + strcspn(interp, " \t");
	arg = end + strspn(end, " \t");
	*end = '\0';
	for (end = arg + strlen(arg); end > arg && (end[-1] == ' ' || end[-1] == '\t'); )
		*--end = '\0';
	if (!*interp)
		return -ENOEXEC;
	if (depth == SCRIPTS_MAX)
		return -ELOOP;
	while (argv && argv[n])
		n++;
	if (n > 4096)
		return -E2BIG;
	new = alloca((n + 4) * sizeof(*new)); /* cppcheck-suppress allocaCalled */
	new[out++] = interp;
	if (*arg)
		new[out++] = arg;
	new[out++] = (char *)name;
	for (size_t i = 1; i < n; i++)
		new[out++] = argv[i];
	new[out] = NULL;
	return exec_name(AT_FDCWD, interp, 0, new, envp, depth + 1);
}

/* What cannot load this library is refused, or run in the scope's other ways. */
static long exec_outsider(const struct image *im, const char *name, const char *why, char *const *argv,
    char *const *envp)
{
	struct image trap = { .dirfd = AT_FDCWD, .path = trap_path, .bare = 1 };
	const char *file = im->path, **new;
	char fd_path[32];
	size_t n = 0;

	if (scope.outsiders == STATIC_HOST)
		return enter_env(im, argv, envp);
	while (argv && argv[n])
		n++;
	if (im->flags & AT_EMPTY_PATH) {
		/* A copy in memory, whose only name this is: it stays open in the program. */
		snprintf(fd_path, sizeof(fd_path), "/proc/self/fd/%d", im->dirfd);
		file = fd_path;
	}
	if (scope.outsiders == STATIC_TRAP && trap_path[0] && (file == fd_path || im->dirfd == AT_FDCWD) &&
	    n) {
		if (n > 100000)
			return -E2BIG;
		if (file == fd_path)
			host(SYS_fcntl, im->dirfd, F_SETFD, 0);
		new = alloca((n + 3) * sizeof(*new)); /* cppcheck-suppress allocaCalled */
		new[0] = trap_path;
		new[1] = file;
		memcpy(new + 2, argv, (n + 1) * sizeof(*new));
		return enter_env(&trap, (char *const *)new, envp);
	}
	hijack_say("\"%s\" %s: it cannot load this library, and is refused (RUMPHIJACK=..."
	    ",static=trap takes its system calls one by one, static=host runs it on the host)", name,
	    why);
	return -EACCES;
}

static long exec_rump(const struct where *w, const char *name, int flags, char *const *argv,
    char *const *envp, int depth)
{
	struct image im = { .path = "", .flags = AT_EMPTY_PATH };
	char head[256], self_name[PATH_PROC];
	const char *path = w->path, *why;
	struct stat st;
	long rfd, ret, n;

	if (!*path && (flags & AT_EMPTY_PATH)) {
		path_proc(w->dirfd, self_name);
		path = self_name;
	}
	rfd = rump(SYS_openat, w->dirfd, (long)path, O_RDONLY | O_CLOEXEC |
	    (flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0));
	if (rfd < 0)
		return rfd;
	ret = rump(SYS_fstat, rfd, (long)&st);
	if (ret == 0 && (!S_ISREG(st.st_mode) || !(st.st_mode & 0111)))
		ret = -EACCES;
	n = ret < 0 ? ret : rump(SYS_pread64, rfd, (long)head, sizeof(head) - 1, 0);
	im.dirfd = -1;
	if (n > 2 && head[0] == '#' && head[1] == '!') {
		rump(SYS_close, rfd);
		head[n] = '\0';
		return exec_script(head, name, argv, envp, depth);
	}
	if (n >= 0)
		n = im.dirfd = copy_in(rfd, st.st_size);
	rump(SYS_close, rfd);
	if (n < 0)
		return n;
	why = not_for_us(&im);
	ret = why ? exec_outsider(&im, name, why, argv, envp) : enter_env(&im, argv, envp);
	host(SYS_close, n);
	return ret;
}

/*
 * Has the host not found the interpreter of this script, its own, because that is the rump
 * kernel's?  Then line has the script's beginning.
 */
static int __attribute__((noinline)) has_rump_interpreter(const struct image *im, char line[256])
{
	char interp[256], led[PATH_BUF];
	long fd = *im->path ? host(SYS_openat, im->dirfd, im->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0) :
	    -1;

	memset(line, 0, 256);
	if (fd < 0)
		return 0;
	host(SYS_pread64, fd, line, 255, 0);
	host(SYS_close, fd);
	if (line[0] != '#' || line[1] != '!')
		return 0;
	strcpy(interp, line + 2 + strspn(line + 2, " \t"));
	interp[strcspn(interp, " \t\n")] = '\0';
	return path_maybe(AT_FDCWD, interp) || links_lead(AT_FDCWD, interp, RUMP_P_FOLLOW, 0, led);
}

static long exec_host(struct image *im, const char *name, char *const *argv, char *const *envp, int depth)
{
	const char *why = not_for_us(im);
	long ret = why ? exec_outsider(im, name, why, argv, envp) : enter_env(im, argv, envp);
	char line[256];

	if ((ret == -ENOENT || ret == -EACCES) && has_rump_interpreter(im, line))
		ret = exec_script(line, name, argv, envp, depth);
	return ret;
}

/* name is what the program called im's path.  (A posix_spawn child's stack is small.) */
static long __attribute__((noinline)) exec_image(struct image *im, const char *name,
    char *const *argv, char *const *envp, int depth)
{
	struct where w;
	char of_fd[32];
	long ret = path_where(im->dirfd, im->path, &w);

	if (ret < 0)
		return ret;
	if (!*name) {
		/* fexecve(3): what a script is told, as by the host */
		snprintf(of_fd, sizeof(of_fd), "/dev/fd/%d", im->dirfd);
		name = of_fd;
	}
	if (w.side == SIDE_RUMP)
		return exec_rump(&w, name, im->flags, argv, envp, depth);
	im->dirfd = w.dirfd;
	im->path = w.path;
	return exec_host(im, name, argv, envp, depth);
}

/* The same if links lead the name into the other kernel; else err. */
static long __attribute__((noinline)) exec_led(int dirfd, const char *name, int flags,
    char *const *argv, char *const *envp, int depth, long err)
{
	char led[PATH_BUF];
	struct image im = { .dirfd = AT_FDCWD, .path = led, .flags = flags };

	return links_lead(dirfd, name, flags & AT_SYMLINK_NOFOLLOW ? RUMP_P_LINK : RUMP_P_FOLLOW, err == 0,
	    led) ? exec_image(&im, name, argv, envp, depth) : err;
}

static long exec_name(int dirfd, const char *name, int flags, char *const *argv, char *const *envp,
    int depth)
{
	struct image im = { .dirfd = dirfd, .path = name, .flags = flags };
	long ret = scope.shadow ? exec_led(dirfd, name, flags, argv, envp, depth, 0) : 0;

	if (ret == 0)
		ret = exec_image(&im, name, argv, envp, depth);
	return links_error(ret) ? exec_led(dirfd, name, flags, argv, envp, depth, ret) : ret;
}

long hijack_exec(long nr, const long a[6])
{
	int at = nr == SYS_execveat;
	const char *name = (const char *)a[at];

	if ((unsigned long)name < 4096)
		return host_pass(nr, a);	/* EFAULT */
	return exec_name(at ? (int)a[0] : AT_FDCWD, name, at ? (int)a[4] : 0, (char *const *)a[at + 1],
	    (char *const *)a[at + 2], 0);
}
