/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor.c - rump doctor: what this host offers; what will not work here, and why, and what
 * to install or to allow.  Adding a check is adding a row.
 *
 * Nothing is changed on the host, and no interface made; the last check runs a program on
 * a kernel of its own.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rump.h"

/* FINE: it works.  LESS: something is missing that some need.  BAD: nothing works. */
enum verdict { FINE, LESS, BAD };

static char said[512];

/* What is said of a check, in the way of its verdict. */
static enum verdict say(enum verdict v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static enum verdict say(enum verdict v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(said, sizeof(said), fmt, ap);
	va_end(ap);
	return v;
}

/* The first line of a file; "" if it cannot be read. */
static const char *first_line(const char *path)
{
	static char line[256];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

	if (fd >= 0)
		close(fd);
	line[n > 0 ? n : 0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return line;
}

/* ---- the host's kernel -------------------------------------------------------------------- */

static enum verdict check_linux(void)
{
	struct utsname u;
	int major = 0, minor = 0;

	uname(&u);
	sscanf(u.release, "%d.%d", &major, &minor);
	if (strcmp(u.machine, "x86_64"))
		return say(BAD, "%s: only x86_64 is supported", u.machine);
	if (major < 5 || (major == 5 && minor < 6))
		return say(BAD, "%s: 5.6 or later is wanted", u.release);
	if (major < 6 || (major == 6 && minor < 5))
		return say(LESS, "%s: before 6.5, signals reach a client at its next call only", u.release);
	return say(FINE, "%s", u.release);
}

static enum verdict check_memfd(void)
{
	int fd = memfd_create("rump-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return say(BAD, "memfd_create: %s: the memory of a rump kernel is one", strerror(errno));
	close(fd);
	return say(FINE, "the memory of a rump kernel, and of its clients' messages");
}

static enum verdict check_memory(void)
{
	const size_t want = 256 << 20;
	struct rlimit as;
	void *p;

	if (getrlimit(RLIMIT_AS, &as) == 0 && as.rlim_cur < 1ul << 30)
		return say(LESS, "`ulimit -v' is %lu MB: a kernel of 64 MB (--mem 64m) may find room, larger "
		    "ones do not", (unsigned long)as.rlim_cur >> 20);
	p = mmap(NULL, want, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return say(BAD, "256 MB cannot be mapped: %s", strerror(errno));
	munmap(p, want);
	if (first_line("/proc/sys/vm/overcommit_memory")[0] == '2')
		return say(LESS, "vm.overcommit_memory is 2: each kernel counts with all of its memory (--mem)");
	return say(FINE, "pages are taken from the host when they are used");
}

static enum verdict check_descriptors(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl))
		return say(LESS, "RLIMIT_NOFILE: %s", strerror(errno));
	if (rl.rlim_max < 4096)
		return say(LESS, "at most %lu: a server needs one for each thread and descriptor of its "
		    "clients; raise `ulimit -Hn'", (unsigned long)rl.rlim_max);
	return say(FINE, "up to %lu in a server", (unsigned long)rl.rlim_max);
}

static enum verdict check_processes(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NPROC, &rl))
		return say(LESS, "RLIMIT_NPROC: %s", strerror(errno));
	if (rl.rlim_cur != RLIM_INFINITY && rl.rlim_cur < 256)
		return say(LESS, "`ulimit -u' is %lu: a kernel has up to three threads for each virtual CPU",
		    (unsigned long)rl.rlim_cur);
	return say(FINE, "no narrow limit");
}

static enum verdict check_io_uring(void)
{
	struct io_uring_params p = { 0 };
	long fd = syscall(SYS_io_uring_setup, 4, &p);

	if (fd < 0)
		return say(LESS, "%s: images are read and written by threads, which is slower%s", strerror(errno),
		    first_line("/proc/sys/kernel/io_uring_disabled")[0] > '0' ?
		    " (kernel.io_uring_disabled is set)" : "");
	close((int)fd);
	return say(FINE, "images are read and written by it");
}

static enum verdict check_seccomp(void)
{
	uint32_t action = SECCOMP_RET_USER_NOTIF;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action))
		return say(LESS, "user notification: %s: static and Go programs cannot be trapped", strerror(errno));
	return say(FINE, "user notification is there");
}

static enum verdict check_ptrace(void)
{
	int scope = atoi(first_line("/proc/sys/kernel/yama/ptrace_scope"));

	if (scope >= 2 && geteuid())
		return say(LESS, "kernel.yama.ptrace_scope is %d: debuggers cannot look into kernels, and static "
		    "programs not be trapped", scope);
	if (scope == 1 && geteuid())
		return say(FINE, "of children only (yama): gdb -p needs root");
	return say(FINE, "nothing is in the way of a debugger");
}

/* ---- links ---------------------------------------------------------------------------------- */

/* Is this one of the effective capabilities? */
static int has_capability(int number)
{
	unsigned long long set = 0;
	char *line = NULL;
	size_t size = 0;
	FILE *f = fopen("/proc/self/status", "re");

	while (f && getline(&line, &size, f) > 0)
		if (sscanf(line, "CapEff: %llx", &set) == 1)
			break;
	free(line);
	if (f)
		fclose(f);
	return set >> number & 1;
}

static enum verdict check_tap(void)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return say(LESS, "/dev/net/tun: %s: link=tap is not possible; slirp and passt need no rights",
		    strerror(errno));
	close(fd);
	if (!has_capability(12 /* CAP_NET_ADMIN */))
		return say(LESS, "link=tap needs CAP_NET_ADMIN, or a tap that root has made for you: ip tuntap "
		    "add NAME mode tap user %u", geteuid());
	return say(FINE, "taps can be made");
}

static enum verdict check_raw(void)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return say(LESS, "%s: link=raw needs CAP_NET_RAW", strerror(errno));
	close(fd);
	return say(FINE, "link=raw is possible");
}

static enum verdict check_library(const char *name, const char *package, const char *what)
{
	void *lib = dlopen(name, RTLD_LAZY | RTLD_LOCAL);

	if (!lib)
		return say(LESS, "%s is not there: no %s; apt install %s", name, what, package);
	dlclose(lib);
	return say(FINE, "%s", what);
}

static enum verdict check_slirp(void)
{
	return check_library("libslirp.so.0", "libslirp0", "link=slirp and rump run --net");
}

static enum verdict check_vde(void)
{
	return check_library("libvdeplug.so.2", "libvdeplug2", "link=vde");
}

static enum verdict check_tls(void)
{
	return check_library("libssl.so.3", "libssl3", "rump relay, tls:// and tcp:// servers");
}

static enum verdict check_passt(void)
{
	const char *dirs = getenv("PATH"), *end;
	char path[PATH_MAX];

	for (; dirs; dirs = *end ? end + 1 : NULL) {
		end = strchrnul(dirs, ':');
		if (snprintf(path, sizeof(path), "%.*s/passt", (int)(end - dirs), dirs) < (int)sizeof(path) &&
		    access(path, X_OK) == 0)
			return say(FINE, "link=passt");
	}
	return say(LESS, "passt is not in PATH: no link=passt; apt install passt");
}

/* ---- not needed ------------------------------------------------------------------------------- */

static enum verdict check_kvm(void)
{
	return say(FINE, "not needed%s: there is no virtual machine", access("/dev/kvm", F_OK) ? ", not there" : "");
}

static enum verdict check_huge(void)
{
	const char *line = first_line("/sys/kernel/mm/transparent_hugepage/shmem_enabled");
	const char *in = strchr(line, '[');

	if (!in)
		return say(FINE, "not needed, not there");
	return say(FINE, "not needed; for shared memory: %.*s", (int)strcspn(in + 1, "]"), in + 1);
}

/* ---- ourselves -------------------------------------------------------------------------------------- */

static enum verdict check_directory(void)
{
	char dir[PATH_MAX], url[RUMP_URL_MAX];

	rump_socket_directory(dir, url);	/* or the program ends */
	rmdir(dir);
	*strrchr(dir, '/') = '\0';
	return say(FINE, "in %s", dir);
}

/*
 * Runs argv with the library before its libc, and reads the last line that it says on
 * descriptor fd; the exit status, 128 + n after a signal.
 */
static int run_under(const char *server, int fd, char *const argv[], char line[256])
{
	int out[2], st, have = 0;
	ssize_t n;
	pid_t pid;

	line[0] = '\0';
	if (pipe2(out, O_CLOEXEC))
		return EXIT_LAUNCH;
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC), i;

		for (i = 0; i <= 2; i++)
			dup2(i == fd ? out[1] : null, i);
		if (server)
			rump_environment(*server ? server : NULL);
		execvp(argv[0], argv);
		_exit(EXIT_LAUNCH);
	}
	close(out[1]);
	while ((n = read(out[0], line + have, 255 - have)) > 0)
		have += n;
	close(out[0]);
	line[have] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (pid < 0 || waitpid(pid, &st, 0) < 0)
		return EXIT_LAUNCH;
	return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}

static enum verdict check_hijack(void)
{
	char line[256], *const argv[] = { "/bin/true", NULL };
	int sites, patched, st;
	const char *at;

	setenv("RUMPHIJACK_VERBOSE", "1", 1);
	st = run_under("", 2, argv, line);
	unsetenv("RUMPHIJACK_VERBOSE");
	at = strstr(line, "libc: ");
	if (!at || st)
		return say(BAD, "/bin/true with librumphijack.so: %s", *line ? line : "nothing is said");
	if (sscanf(at, "libc: %d system call sites, %d patched", &sites, &patched) != 2)
		return say(LESS, "%s: what libc does by itself goes to the host", at);
	return say(FINE, "glibc %s, %d of %d system calls are redirected", gnu_get_libc_version(), patched, sites);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

static enum verdict check_kernel(void)
{
	char line[256], *const argv[] = {
		"/proc/self/exe", "run", "--", "cat", "/rump/proc/sys/kernel/osrelease", NULL
	};
	double start = now();
	int st = run_under(NULL, 1, argv, line);

	if (st || !*line)
		return say(BAD, "`rump run -- cat /rump/proc/sys/kernel/osrelease' fails with status %d; try it", st);
	return say(FINE, "Linux %s, from start to exit in %.0f ms", line, now() - start);
}

static const struct check {
	const char *name;
	enum verdict (*fn)(void);
} checks[] = {
	{ "host",		check_linux },
	{ "memfd",		check_memfd },
	{ "memory",		check_memory },
	{ "descriptors",	check_descriptors },
	{ "processes",		check_processes },
	{ "io_uring",		check_io_uring },
	{ "seccomp",		check_seccomp },
	{ "ptrace",		check_ptrace },
	{ "tap",		check_tap },
	{ "packet sockets",	check_raw },
	{ "slirp",		check_slirp },
	{ "passt",		check_passt },
	{ "VDE",		check_vde },
	{ "OpenSSL",		check_tls },
	{ "KVM",		check_kvm },
	{ "huge pages",		check_huge },
	{ "sockets",		check_directory },
	{ "libc",		check_hijack },
	{ "a rump kernel",	check_kernel },
};

int cmd_doctor(int argc, char **argv)
{
	static const struct { const char *mark; enum rump_colour colour; } marks[] = {
		[FINE] = { "ok", GREEN }, [LESS] = { "less", YELLOW }, [BAD] = { "BAD", RED },
	};
	unsigned int i, count[3] = { 0 };
	enum verdict v;

	while (rump_next_option(argc, argv) >= 0)
		;
	rump_operands(argc, argv, 0, 0);
	for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		fflush(stdout);
		v = checks[i].fn();
		count[v]++;
		printf("%s%-4s%s  %-15s %s\n", rump_colour(marks[v].colour), marks[v].mark,
		    rump_colour(PLAIN), checks[i].name, said);
	}
	if (count[BAD])
		printf("rump kernels do not run here: %u of these must be put right first\n", count[BAD]);
	else if (count[LESS])
		printf("rump kernels run here, with %u limitation%s\n", count[LESS], count[LESS] > 1 ? "s" : "");
	else
		printf("all is well\n");
	return count[BAD] ? 1 : 0;
}
