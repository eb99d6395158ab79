/* SPDX-License-Identifier: BSD-2-Clause */
/* Booting and ending: the environment that rump_init() reads, good values and bad ones. */
#include "sys.h"

#include <dlfcn.h>
#include <signal.h>
#include <sys/wait.h>

/* Runs fn in a child with the given environment; its exit status, and stderr in *err. */
static int
child(const char *name, const char *value, void (*fn)(void), char err[4096])
{
	int p[2], status;
	ssize_t n, len = 0;
	pid_t pid;

	ATF_REQUIRE_EQ(pipe(p), 0);
	fflush(NULL);
	if ((pid = fork()) == 0) {
		dup2(p[1], 2);
		close(p[0]);
		close(p[1]);
		if (name)
			setenv(name, value, 1);
		fn();
		_exit(0);
	}
	close(p[1]);
	while (len < 4095 && (n = read(p[0], err + len, 4095 - len)) > 0)
		len += n;
	err[len] = '\0';
	close(p[0]);
	ATF_REQUIRE_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

static void
boot(void)
{
	void *lib = dlopen("librump.so", RTLD_NOW);
	int (*init)(void) = lib ? (int (*)(void))dlsym(lib, "rump_init") : NULL;
	long (*call)(long, ...) = lib ? (long (*)(long, ...))dlsym(lib, "rump_syscall") : NULL;

	if (init == NULL || call == NULL)
		_exit(99);
	if (init() != 0)
		_exit(1);
	if (call(SYS_getppid, 0L, 0L, 0L, 0L, 0L, 0L) < 0)
		_exit(2);
}

/* Each number of vCPUs up to eight boots. */
ATF_TC_WITHOUT_HEAD(ncpu);
ATF_TC_BODY(ncpu, tc)
{
	char err[4096], n[8];

	for (int i = 1; i <= 8; i++) {
		snprintf(n, sizeof(n), "%d", i);
		ATF_CHECK_MSG(child("RUMP_NCPU", n, boot, err) == 0, "RUMP_NCPU=%d: %s", i, err);
	}
}

static void
bad_value(const char *name, const char *value)
{
	char err[4096];
	int status = child(name, value, boot, err);
	const char *nl = strchr(err, '\n');

	ATF_CHECK_MSG(WIFEXITED(status) && WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 99,
	    "%s=%s: status %#x", name, value, status);
	ATF_CHECK_MSG(nl != NULL && nl[1] == '\0', "%s=%s: not one line: '%s'", name, value, err);
	ATF_CHECK_MSG(strstr(err, name) != NULL && strstr(err, value) != NULL,
	    "%s=%s: the message does not quote it: '%s'", name, value, err);
}

/* Lesson 39: more CPUs than there can be. */
ATF_TC_WITHOUT_HEAD(bad_values);
ATF_TC_BODY(bad_values, tc)
{
	bad_value("RUMP_NCPU", "10000");
	bad_value("RUMP_NCPU", "0");
	bad_value("RUMP_NCPU", "-1");
	bad_value("RUMP_NCPU", "two");
	bad_value("RUMP_NCPU", "2x");
	bad_value("RUMP_MEMLIMIT", "64q");
	bad_value("RUMP_MEMLIMIT", "lots");
	bad_value("RUMP_MEMLIMIT", "1");
	bad_value("RUMP_MEMLIMIT", "99999999999g");
	bad_value("RUMP_MOUNT", "nowhere");
	bad_value("RUMP_MOUNT", "/no/such/image:/mnt");
}

ATF_TC_WITHOUT_HEAD(memlimit);
ATF_TC_BODY(memlimit, tc)
{
	static const char *const sizes[] = { "1g", "64M", "65536k", "67108864", "32m" };
	char err[4096];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes) - sys_kdebug(); i++)
		ATF_CHECK_MSG(child("RUMP_MEMLIMIT", sizes[i], boot, err) == 0, "RUMP_MEMLIMIT=%s: %s", sizes[i],
		    err);
}

static void
boot_many(void)
{
	for (int i = 0; i < 3; i++)
		boot();
}

/* rump_init() again does nothing. */
ATF_TC_WITHOUT_HEAD(twice);
ATF_TC_BODY(twice, tc)
{
	char err[4096];

	ATF_CHECK_MSG(child(NULL, NULL, boot_many, err) == 0, "%s", err);
	ATF_CHECK_STREQ(err, "");
}

/* Lesson 8: unloading it while nothing of it runs, and loading it again. */
static void
reload(void)
{
	for (int i = 0; i < 5; i++) {
		void *lib = dlopen("librump.so", RTLD_NOW);

		if (lib == NULL)
			_exit(99);
		dlclose(lib);
	}
	boot();
}

ATF_TC_WITHOUT_HEAD(load_unload_load);
ATF_TC_BODY(load_unload_load, tc)
{
	char err[4096];

	ATF_CHECK_MSG(child(NULL, NULL, reload, err) == 0, "%s", err);
}

/* A panic: the kernel's message, a backtrace with names, and the end of the process.  ext4 panics
 * on demand. */
static void
panic_now(void)
{
	void *lib = dlopen("librump.so", RTLD_NOW);
	long (*call)(long, ...) = lib ? (long (*)(long, ...))dlsym(lib, "rump_syscall") : NULL;
	int (*etfs)(const char *, const char *, int) = lib ? dlsym(lib, "rump_pub_etfs_register") : NULL;
	long fd;

	boot();
	if (etfs == NULL || etfs("/dev/img", "img", 0) != 0)
		_exit(96);
	call(SYS_mkdir, "/mnt", 0755L, 0L, 0L, 0L, 0L);
	if (call(SYS_mount, "/dev/img", "/mnt", "ext4", 0L, "errors=panic", 0L) != 0)
		_exit(97);
	fd = call(SYS_openat, (long)AT_FDCWD, "/sys/fs/ext4/img/trigger_fs_error", (long)O_WRONLY, 0L, 0L, 0L);
	call(SYS_write, fd, "x", 1L, 0L, 0L, 0L);
}

ATF_TC_WITHOUT_HEAD(panic);
ATF_TC_BODY(panic, tc)
{
	char err[4096];
	int status;

	sys_sh("truncate -s 8M img && mkfs.ext4 -q -F img");
	status = child(NULL, NULL, panic_now, err);
	ATF_CHECK_MSG(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %#x, want SIGABRT", status);
	ATF_CHECK_MSG(strstr(err, "Kernel panic") != NULL, "no message: '%s'", err);
	ATF_CHECK_MSG(strstr(err, "ext4_handle_error") != NULL, "no names in the backtrace: '%s'", err);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, ncpu);
	ATF_TP_ADD_TC(tp, bad_values);
	ATF_TP_ADD_TC(tp, memlimit);
	ATF_TP_ADD_TC(tp, twice);
	ATF_TP_ADD_TC(tp, load_unload_load);
	ATF_TP_ADD_TC(tp, panic);
	return atf_no_error();
}
