/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h_funcs.c - h_funcs CASE DIR: functions of libc that few programs call, and whose system calls
 * nobody interposes, in the directory DIR, which may be in a rump kernel.
 */
#include <aio.h>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <ifaddrs.h>
#include <mntent.h>
#include <net/if.h>
#include <netdb.h>
#include <pwd.h>
#include <resolv.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <termios.h>
#include <utime.h>
#include <wordexp.h>
#ifdef __GLIBC__
#include <fts.h>
#include <utmp.h>
#endif

#include "h.h"

extern char **environ;
static const char *dir;
static char buf[8192];
static int visited;

static char *in(const char *name)
{
	static char path[8][512];
	static int next;
	char *p = path[next++ % 8];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

/* What is printed by a shell command is in DIR/name. */
static void make(const char *name, const char *command)
{
	snprintf(buf, sizeof(buf), "%s >%s", command, in(name));
	need(system(buf) == 0);
}

static int starts_with(FILE *f, const char *text)
{
	char line[600];

	return f && fgets(line, sizeof(line), f) && !strncmp(line, text, strlen(text)) && fclose(f) == 0;
}

static void c_streams(void)
{
	struct passwd pw = { .pw_name = "me", .pw_passwd = "x", .pw_uid = 4711, .pw_gecos = "",
	    .pw_dir = "/", .pw_shell = "/bin/sh" }, *found;
	struct mntent m = { "what", "where", "kind", "how", 0, 0 }, *read_back;
	FILE *f;

	f = fopen(in("words"), "w+");
	need(f && putw(0x1234, f) == 0 && fflush(f) == 0);
	rewind(f);
	need(getw(f) == 0x1234 && getw(f) == EOF && fclose(f) == 0);
	f = fopen(in("passwd"), "w+");
	need(f && putpwent(&pw, f) == 0 && fflush(f) == 0);
	rewind(f);
	need((found = fgetpwent(f)) && found->pw_uid == 4711 && fclose(f) == 0);
	f = setmntent(in("mtab"), "w+");
	need(f && addmntent(f, &m) == 0);
	rewind(f);
	need((read_back = getmntent(f)) && !strcmp(read_back->mnt_dir, "where") && endmntent(f) == 1);
	/* by memory, and by the name of the descriptor */
	need(starts_with(fopen(in("mtab"), "rm"), "what"));
	f = fopen(in("mtab"), "r");
	need(f && (f = freopen(NULL, "r", f)) && starts_with(f, "what"));
	f = fopen(in("words"), "r+");
	need(f && (f = freopen(NULL, "r+", f)) && fputs("hi", f) >= 0 && fclose(f) == 0);
	need(starts_with(fopen(in("words"), "r"), "hi"));
	snprintf(buf, sizeof(buf), "cat >%s", in("popened"));
	f = popen(buf, "w");
	need(f && fputs("piped", f) >= 0 && pclose(f) == 0 && starts_with(fopen(in("popened"), "r"), "piped"));
#ifdef __GLIBC__
	struct utmp ut = { .ut_type = USER_PROCESS, .ut_id = "1", .ut_user = "me", .ut_line = "l" }, *u;

	need(close(open(in("utmp"), O_CREAT | O_RDWR, 0600)) == 0 && utmpname(in("utmp")) == 0);
	setutent();
	need(pututline(&ut));
	setutent();
	need((u = getutent()) && !strcmp(u->ut_user, "me"));
	endutent();
#endif
}

static void c_files(void)
{
	struct timeval tv[2] = { { 1, 0 }, { 2, 0 } };
	struct timespec ts[2] = { { 3, 0 }, { 4, 0 } };
	struct {
		struct file_handle h;
		char room[MAX_HANDLE_SZ];
	} fh = { .h.handle_bytes = MAX_HANDLE_SZ };
	struct termios tio;
	struct statvfs vfs;
	struct stat st;
	int fd, d, h, mount, n;

	fd = open(in("x"), O_RDWR | O_CREAT, 0600);
	d = open(dir, O_RDONLY | O_DIRECTORY);
	need(fd >= 0 && d >= 0);
	n = posix_fallocate(fd, 0, 10000);
	need(n == 0 || (n == EOPNOTSUPP && ftruncate(fd, 10000) == 0));		/* musl writes no zeros */
	need(fstat(fd, &st) == 0 && st.st_size == 10000);
	need(lockf(fd, F_LOCK, 0) == 0 && lockf(fd, F_ULOCK, 0) == 0 && flock(fd, LOCK_EX) == 0);
	need(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0 && fstatvfs(fd, &vfs) == 0);
	need(fsetxattr(fd, "user.a", "b", 1, 0) == 0 || errno == EOPNOTSUPP);
	need(fgetxattr(fd, "user.a", buf, 9) == 1 || errno == EOPNOTSUPP || errno == ENODATA);
	need(futimes(fd, tv) == 0 && fstat(fd, &st) == 0 && st.st_mtime == 2);
	need(futimens(fd, ts) == 0 && stat(in("x"), &st) == 0 && st.st_mtime == 4);
	need(lutimes(in("x"), tv) == 0 && utimes(in("x"), tv) == 0 && futimesat(d, "x", tv) == 0);
	need(utime(in("x"), &(struct utimbuf){ 5, 6 }) == 0 && stat(in("x"), &st) == 0 && st.st_mtime == 6);
	need(fchownat(d, "x", -1, getgid(), AT_SYMLINK_NOFOLLOW) == 0 && lchown(in("x"), -1, -1) == 0);
	need(fchownat(fd, "", -1, getgid(), AT_EMPTY_PATH) == 0 && fchown(fd, -1, getgid()) == 0);
	need(fchmodat(d, "x", 0640, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &st) == 0);
	need((st.st_mode & 07777) == 0640 && ftok(in("x"), 3) != -1);
	need(faccessat(d, "x", R_OK, AT_EACCESS) == 0 && euidaccess(in("x"), R_OK) == 0);
	fails(ENOENT, eaccess(in("none"), R_OK));
	need(fstatat(fd, "", &st, AT_EMPTY_PATH) == 0 && st.st_size == 10000);
	need(pathconf(dir, _PC_NAME_MAX) == 255 && fpathconf(fd, _PC_LINK_MAX) > 0);
	need(!ttyname(fd) && errno == ENOTTY && !isatty(fd));
	fails(ENOTTY, tcgetattr(fd, &tio));
	need(ioctl(fd, FIOCLEX) == 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC && ioctl(fd, FIONREAD, &n) == 0);
	need(n == 10000 && mkfifo(in("fifo"), 0600) == 0 && mknod(in("nod"), S_IFREG | 0600, 0) == 0);
	need((h = open(in("fifo"), O_RDONLY | O_NONBLOCK)) >= 0 && (n = open(in("fifo"), O_WRONLY)) >= 0);
	need(write(n, "x", 1) == 1 && read(h, buf, 9) == 1 && close(h) == 0 && close(n) == 0);
	if (name_to_handle_at(d, "x", &fh.h, &mount, 0) == 0 &&
	    (h = open_by_handle_at(d, &fh.h, O_RDONLY)) >= 0)
		need(fstat(h, &st) == 0 && st.st_size == 10000 && close(h) == 0);
	h = open(dir, O_TMPFILE | O_RDWR, 0600);
	need(h >= 0 || errno == EOPNOTSUPP || errno == EISDIR);
	if (h >= 0) {
		/* Names of descriptors are those of the kernel that has them. */
		snprintf(buf, sizeof(buf), "/proc/self/fd/%d", h);
		need(linkat(AT_FDCWD, buf, d, "linked", AT_SYMLINK_FOLLOW) == 0 && unlink(in("linked")) == 0);
		need(close(h) == 0);
	}
	snprintf(buf, sizeof(buf), "/dev/fd/%d", fd);
	need(stat(buf, &st) == 0 && st.st_size == 10000 && chmod(buf, 0600) == 0 && truncate(buf, 5) == 0);
	need(lseek(fd, 3, SEEK_SET) == 3 && (h = open(buf, O_RDONLY)) >= 0 && lseek(h, 0, SEEK_CUR) == 0);
	fails(EBADF, write(h, "x", 1));			/* it was opened again */
	need(close(h) == 0 && close(fd) == 0 && close(d) == 0);
}

/* What another process has, or this one by another way. */
static void c_taken(void)
{
	int fd = open(in("taken"), O_RDWR | O_CREAT, 0600), p = syscall(SYS_pidfd_open, getpid(), 0), t;

	need(fd >= 0 && write(fd, "text", 4) == 4);
	if (p < 0)
		return;
	t = syscall(SYS_pidfd_getfd, p, fd, 0);
	need(t >= 0 && pread(t, buf, 9, 0) == 4 && close(t) == 0 && close(p) == 0 && close(fd) == 0);
}

static void c_aio(void)
{
	struct aiocb r = { .aio_buf = buf, .aio_nbytes = 100 },
	    w = { .aio_buf = "hello", .aio_nbytes = 5, .aio_lio_opcode = LIO_WRITE }, *list[] = { &w };
	int fd = open(in("aio"), O_RDWR | O_CREAT, 0600);

	r.aio_fildes = w.aio_fildes = fd;
	need(fd >= 0 && lio_listio(LIO_WAIT, list, 1, NULL) == 0 && aio_return(&w) == 5);
	need(aio_read(&r) == 0);
	while (aio_error(&r) == EINPROGRESS)
		aio_suspend((const struct aiocb *[]){ &r }, 1, NULL);
	need(aio_return(&r) == 5 && !memcmp(buf, "hello", 5) && close(fd) == 0);
}

static int visit(const char *path, const struct stat *st, int type)
{
	(void)path, (void)st, (void)type;
	visited++;
	return 0;
}

static int visit_there(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)path, (void)st, (void)type, (void)f;
	visited++;
#ifdef __GLIBC__	/* FTW_CHDIR */
	return !getcwd(buf, sizeof(buf)) || strncmp(buf, dir, strlen(dir));
#else
	return 0;
#endif
}

#ifdef __GLIBC__
static void *open_it(const char *name)
{
	return opendir(name);
}

static struct dirent *read_it(void *d)
{
	return readdir(d);
}

static void close_it(void *d)
{
	closedir(d);
}
#endif

static void c_directories(void)
{
	struct dirent entry, *e;
	wordexp_t w;
	glob_t g;
	long pos;
	DIR *d;
	int n = 0, fd;

	make("a", "echo one two");
	make("b", "echo three");
	need(mkdir(in("sub"), 0700) == 0 && (fd = open(dir, O_RDONLY | O_DIRECTORY)) >= 0);
	need(syscall(SYS_getdents64, fd, buf, sizeof(buf)) > 0 && lseek(fd, 0, SEEK_SET) == 0);
	need((d = fdopendir(fd)));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"	/* it is there, and tested for that */
	need(readdir_r(d, &entry, &e) == 0 && e);
#pragma GCC diagnostic pop
	pos = telldir(d);
	while (readdir(d))
		n++;
	seekdir(d, pos);
	for (rewinddir(d); readdir(d); )
		n--;
	need(n == -1 && closedir(d) == 0);
	need(ftw(dir, visit, 5) == 0 && visited == 4);
	need(nftw(dir, visit_there, 5, FTW_CHDIR | FTW_DEPTH | FTW_PHYS) == 0 && visited == 8);
	need(setenv("HOME", dir, 1) == 0 && glob("~/[ab]", GLOB_TILDE, NULL, &g) == 0 && g.gl_pathc == 2);
	snprintf(buf, sizeof(buf), "%s $(cat %s)", in("?"), in("a"));
	need(wordexp(buf, &w, 0) == 0 && w.we_wordc == 4 && !strcmp(w.we_wordv[3], "two"));
	strcpy(buf, in("XXXXXX.c"));
	need((fd = mkostemps(buf, 2, O_CLOEXEC)) >= 0 && close(fd) == 0 && unlink(buf) == 0);
	need(chdir(dir) == 0 && access("a", R_OK) == 0 && realpath("a", buf) && !strcmp(buf, in("a")));
	need(chdir("/") == 0);
#ifdef __GLIBC__
	char *const roots[] = { (char *)dir, NULL };
	struct dirent **list;
	FTS *t;

	g = (glob_t){ .gl_opendir = open_it, .gl_readdir = read_it, .gl_closedir = close_it,
	    .gl_stat = stat, .gl_lstat = lstat };
	need(glob(in("*"), GLOB_ALTDIRFUNC, NULL, &g) == 0 && g.gl_pathc == 3);
	need(scandirat(AT_FDCWD, dir, &list, NULL, alphasort) == 5);
	for (n = 0, t = fts_open(roots, FTS_PHYSICAL, NULL); t && fts_read(t); )
		n++;
	need(n == 6 && fts_close(t) == 0);	/* sub and DIR twice */
#endif
}

/* Waits for what became one of DIR's programs. */
static void ended(pid_t pid, const char *text)
{
	child_ends_well(pid);
	need(starts_with(fopen(in("out"), "r"), text));
}

static void c_programs(void)
{
	char *argv[] = { "prog", "-c", "pwd", NULL };
	posix_spawn_file_actions_t fa;
	int d, fd, i;
	void *lib;
	pid_t pid;

	make("prog", "cat /bin/sh");
	make("script", "printf '#!/bin/sh\\npwd'");
	need(chmod(in("prog"), 0755) == 0 && chmod(in("script"), 0755) == 0);
	d = open(dir, O_RDONLY | O_DIRECTORY);
	for (i = 0; i < 5; i++) {
		pid = fork();
		if (pid == 0) {
			need(chdir(dir) == 0 && dup2(open("out", O_WRONLY | O_CREAT | O_TRUNC, 0600), 1) == 1);
			fd = open(i == 3 ? "script" : "prog", O_RDONLY | (i == 3 ? 0 : O_CLOEXEC));
			need(setenv("PATH", dir, 1) == 0);
			if (i == 0 || i == 3)
				fexecve(fd, argv, environ);
			else if (i == 1)
				syscall(SYS_execveat, d, "prog", argv, environ, 0);
			else if (i == 2)
				execlp("prog", "prog", "-c", "pwd", (char *)NULL);
			else
				execvp("script", argv);
			need(!"executed");
		}
		ended(pid, dir);
	}
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addfchdir_np(&fa, d);
	posix_spawn_file_actions_addopen(&fa, 1, "out", O_CREAT | O_WRONLY | O_TRUNC, 0600);
	need(posix_spawn(&pid, "/bin/sh", &fa, NULL, argv, environ) == 0);
	ended(pid, dir);
	posix_spawn_file_actions_destroy(&fa);
#ifdef __GLIBC__
	posix_spawn_file_actions_init(&fa);
	need((fd = open(in("out"), O_RDONLY)) >= 0 && posix_spawn_file_actions_addtcsetpgrp_np(&fa, fd) == 0);
	need(posix_spawn(&pid, "/bin/sh", &fa, NULL, argv, environ) == ENOTTY);
	make("libm.so", "cat $(ldd /bin/sh | sed -n 's,.* => \\(/[^ ]*/\\)libc\\.so\\.6 .*,\\1,p')libm.so.6");
	need((lib = dlopen(in("libm.so"), RTLD_NOW)) && dlsym(lib, "cos") && dlclose(lib) == 0);
	need((lib = dlmopen(LM_ID_NEWLM, in("libm.so"), RTLD_NOW)) && dlsym(lib, "cos") && dlclose(lib) == 0);
#else
	(void)lib;
#endif
}

/* By the files and the name server of the test. */
static void c_names(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a070707),
	    .sin_port = htons(4713) };
	char host[99], service[99];
	struct passwd *pw;
	struct servent *s;
	struct ifaddrs *ifs;
	struct group *g;
	gid_t groups[9];
	int n = 9;

	need((pw = getpwnam("inpasswd")) && pw->pw_uid == 4711 && (g = getgrgid(4712)));
	need(!strcmp(g->gr_name, "ingroup") && getgrouplist("inpasswd", 1, groups, &n) == 2);
	need((s = getservbyname("inservices", "tcp")) && ntohs(s->s_port) == 4713);
	need(getnameinfo((void *)&sin, sizeof(sin), host, sizeof(host), service, sizeof(service), 0) == 0);
	need(!strcmp(host, "inhosts") && !strcmp(service, "inservices"));
	need(res_query("name.example", 1, 1, (unsigned char *)buf, sizeof(buf)) > 12);
	need(getifaddrs(&ifs) == 0 && ifs && if_nametoindex("lo") > 0);
	need(if_nametoindex("eth0") == 0 && errno == ENODEV);	/* which the rump kernel has not */
	freeifaddrs(ifs);
#ifdef __GLIBC__
	struct gaicb q = { .ar_name = "name.example" };

	need(getaddrinfo_a(GAI_WAIT, (struct gaicb *[]){ &q }, 1, NULL) == 0 && gai_error(&q) == 0);
	need(((struct sockaddr_in *)q.ar_result->ai_addr)->sin_addr.s_addr == htonl(0x0a010203));
#endif
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} cases[] = {
		{ "streams", c_streams }, { "files", c_files }, { "taken", c_taken }, { "aio", c_aio },
		{ "directories", c_directories }, { "programs", c_programs }, { "names", c_names },
	};
	size_t i;

	alarm(60);
	dir = argc > 2 ? argv[2] : "/";
	for (i = 0; argc > 1 && i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(argv[1], cases[i].name) != 0)
			continue;
		need(argc < 3 || mkdir(dir, 0700) == 0);
		cases[i].fn();
		return 0;
	}
	return 2;
}
