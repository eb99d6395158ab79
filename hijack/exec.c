/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exec.c - programs are executed, of either kernel.
 *
 * A program on a rump file system is copied into a memfd.  "#!" of a script is followed here
 * where the script or its interpreter is the rump kernel's.  A program that cannot load this
 * library is refused, or run in the scope's other ways (outsider.c).
 */
#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exec.h"
#include "links.h"
#include "../rumpclient/beside.h"

static char trap_path[PATH_BUF];	/* rump_trap, if it may be needed */

void exec_init(void)
{
	if (scope.outsiders == STATIC_TRAP && beside(&scope, "rump_trap", trap_path, sizeof(trap_path)))
		trap_path[0] = '\0';
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
		return exec_enter(im, argv, envp);
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
		return exec_enter(&trap, (char *const *)new, envp);
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
	why = exec_not_for_us(&im);
	ret = why ? exec_outsider(&im, name, why, argv, envp) : exec_enter(&im, argv, envp);
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
	const char *why = exec_not_for_us(im);
	long ret = why ? exec_outsider(im, name, why, argv, envp) : exec_enter(im, argv, envp);
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
