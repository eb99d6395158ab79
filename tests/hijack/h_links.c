/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h_links DIR RUMP [wrappers] - symbolic links between DIR, an empty directory of the host, and RUMP, one of
 * the rump kernel; and names by way of /proc/self.  wrappers: libc's own calls are not seen.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "h.h"

static const char *host, *rump;
static int patched;

/* RUMP/name, and DIR/name */
static char *in(const char *dir, const char *name)
{
	static char buf[8][PATH_MAX];
	static int i;

	i = (i + 1) % 8;
	snprintf(buf[i], sizeof(buf[i]), "%s%s%s", dir, *name ? "/" : "", name);
	return buf[i];
}

#define is(name, s)	need(!strcmp(file_text(name), s))

static mode_t type(const char *name, int nofollow)
{
	struct stat st;

	return (nofollow ? lstat(name, &st) : stat(name, &st)) == 0 ? st.st_mode & S_IFMT : 0;
}

/* A link of the host into the rump kernel: what follows it, and what is about itself. */
static void into(void)
{
	char buf[PATH_MAX];
	struct statfs sf;
	struct stat st;
	struct dirent *e;
	DIR *d;
	FILE *f;
	int fd, n = 0;

	need(symlink(rump, "d") == 0 && symlink("d", "dd") == 0 && symlink("../h/dd/sub", "rel") == 0);
	need(mkdir("d/sub", 0755) == 0 && type(in(rump, "sub"), 0) == S_IFDIR);
	put_file("rel/f", "one");
	is(in(rump, "sub/f"), "one");
	is("dd/sub/../sub//f", "one");
	is(in(host, "d/sub/f"), "one");
	need(truncate("d/sub/f", 2) == 0 && access("d/sub/f", R_OK) == 0 && chmod("d/sub/f", 0600) == 0);
	need(statfs("d/sub", &sf) == 0 && stat("d/sub/f", &st) == 0);
	need(st.st_size == 2 && (st.st_mode & 07777) == 0600);
	put_file("dd/sub/g", "two");
	if (patched) {
		need((f = fopen("dd/sub/g", "r+")) && fputs("t", f) >= 0 && fclose(f) == 0);
		need(d = opendir("d/sub"));
		while ((e = readdir(d)))
			n++;
		need(closedir(d) == 0 && n == 4);
		need(realpath("dd/sub/g", buf) && !strcmp(buf, in(rump, "sub/g")));
	}

	/* relative to a directory of either kernel */
	need((fd = open(".", O_RDONLY | O_DIRECTORY)) >= 0);
	need(fstatat(fd, "d/sub/g", &st, 0) == 0 && st.st_size == 3);
	need(renameat(fd, "d/sub/g", AT_FDCWD, in(rump, "sub/h")) == 0);
	need(linkat(fd, "rel/h", fd, "d/h2", 0) == 0 && unlinkat(fd, "dd/h2", 0) == 0);
	close(fd);
	need((fd = open("d", O_RDONLY | O_DIRECTORY)) >= 0);
	need(fstatat(fd, "sub/h", &st, 0) == 0 && st.st_size == 3);
	close(fd);

	/* the link itself */
	need(type("d", 1) == S_IFLNK && type("d/", 1) == S_IFDIR && readlink("d", buf, 9) > 0);
	fails(ELOOP, open("d", O_RDONLY | O_NOFOLLOW));
	fails(EEXIST, mkdir("d", 0755));
	fails(ENOTDIR, rmdir("d"));
	fails(EEXIST, open("d", O_CREAT | O_EXCL | O_WRONLY, 0644));
	need(rename("rel", "rel2") == 0 && type("rel2", 1) == S_IFLNK && unlink("rel2") == 0);
	need(link("dd", "d3") == 0 && type("d3", 1) == S_IFLNK && unlink("d3") == 0);
	fails(ENOENT, open("d/nothing", O_RDONLY));
	fails(ENOTDIR, open("d/sub/f/x", O_RDONLY));

	/* from one kernel to the other */
	put_file("here", "here");
	fails(EXDEV, rename("here", "d/there"));
	fails(EXDEV, rename("d/sub/h", "there"));
	fails(EXDEV, link("d/sub/h", "there"));
	is("here", "here");

	/* what is created is created there */
	need(symlink(in(rump, "made"), "m") == 0);
	put_file("m", "made");
	is(in(rump, "made"), "made");
	need(unlink("d/made") == 0);
	fails(ENOENT, open("m", O_WRONLY));
	need(close(creat("m", 0600)) == 0 && type(in(rump, "made"), 1) == S_IFREG);
	need(!patched || ((f = fopen("m", "a")) && fclose(f) == 0));
	need(unlink("m") == 0 && unlink("d/made") == 0);

	/* where one is */
	need(chdir("dd/sub") == 0);
	need(!patched || (getcwd(buf, sizeof(buf)) && !strcmp(buf, in(rump, "sub"))));
	is("h", "two");
	need(chdir("../..") == 0);
	need(!patched || (getcwd(buf, sizeof(buf)) && strlen(buf) < strlen(rump)));
	need(chdir(host) == 0 && chdir("d/..") == 0 && chdir(host) == 0);
}

#ifdef SYS_openat2
static long open2(const char *name, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	return syscall(SYS_openat2, AT_FDCWD, name, (uint64_t[3]){ flags, mode, resolve }, 24);
}

/* As openat2(2) says: IN_ROOT 16, BENEATH 8, NO_SYMLINKS 4, NO_MAGICLINKS 2, NO_XDEV 1. */
static void bounds(void)
{
	char name[32], before[32];
	int fd, i;

	need((fd = open2("d/sub/h", O_RDONLY, 0, 0)) >= 0 && close(fd) == 0);
	need((fd = open2("d/sub/h", O_RDONLY, 0, 2)) >= 0 && close(fd) == 0);
	need((fd = open2("d/sub/k", O_CREAT | O_WRONLY, 0644, 0)) >= 0 && close(fd) == 0);
	fails(ELOOP, open2("d/sub/h", O_RDONLY, 0, 4));
	fails(EXDEV, open2("d/sub/h", O_RDONLY, 0, 8));
	fails(ENOENT, open2("d/sub/h", O_RDONLY, 0, 16));
	need(open2("d/sub/h", O_RDONLY, 0, 1) == -1);

	for (i = 0; i < 42; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		snprintf(before, sizeof(before), i ? "n%d" : "d", i - 1);
		need(symlink(before, name) == 0);
	}
	need(type("n30/sub", 0) == S_IFDIR && type("n41", 1) == S_IFLNK);
	fails(ELOOP, open("n41/sub/h", O_RDONLY));
	for (i = 0; i < 42; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		need(unlink(name) == 0);
	}
	/* round and round between the two */
	need(symlink(in(host, "one"), in(rump, "two")) == 0 && symlink(in(rump, "two"), "one") == 0);
	need(open("one", O_RDONLY) == -1 && open(in(rump, "two/x"), O_RDONLY) == -1);
	need(unlink("one") == 0 && unlink(in(rump, "two")) == 0);
}
#else
static void bounds(void)
{
}
#endif

/* A link of the rump kernel: it is the program's if it is not its own. */
static void out(void)
{
	struct stat st;

	need(symlink(in(host, "here"), in(rump, "out")) == 0);
	is(in(rump, "out"), "here");
	is("d/out", "here");
	put_file(in(rump, "out"), "there");
	is("here", "there");
	need(type(in(rump, "out"), 1) == S_IFLNK && unlink("d/out") == 0 && stat("here", &st) == 0);
	need(symlink(in(host, "none"), in(rump, "none")) == 0);
	fails(ENOENT, open(in(rump, "none"), O_CREAT | O_WRONLY, 0644));
	fails(ENOENT, creat("d/none", 0644));
	fails(ENOENT, access("none", F_OK));
	need(symlink(host, in(rump, "home")) == 0);
	put_file(in(rump, "home/new"), "new");
	is("new", "new");
	is("d/home/d/home/new", "new");
	need(unlink(in(rump, "home/new")) == 0 && unlink(in(rump, "home")) == 0);
	need(symlink(in(rump, "sub/h"), in(rump, "abs")) == 0);
	is("d/abs", "two");
	need(unlink("d/abs") == 0 && unlink("d/none") == 0);
}

/* Names of descriptors. */
static void by_proc(void)
{
	char name[64], buf[PATH_MAX];
	struct stat a, b;
	int fd, dir, other;

	need((fd = open("d/sub/h", O_RDWR)) >= 0 && read(fd, buf, 1) == 1 && fstat(fd, &a) == 0);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	need(stat(name, &b) == 0 && a.st_ino == b.st_ino && S_ISREG(b.st_mode));
	need(type(name, 1) == S_IFLNK && chmod(name, 0640) == 0 && fstat(fd, &b) == 0);
	need((b.st_mode & 0777) == 0640 && truncate(name, 2) == 0);
	need((other = open(name, O_RDONLY)) >= 0);	/* with an offset of its own */
	need(read(other, buf, 9) == 2 && lseek(fd, 0, SEEK_CUR) == 1 && close(other) == 0);
	snprintf(name, sizeof(name), "/proc/%d/fd/%d", getpid(), fd);
	need(!patched || (realpath(name, buf) && !strcmp(buf, in(rump, "sub/h"))));
	need(close(fd) == 0);
	need((dir = open(rump, O_RDONLY | O_DIRECTORY)) >= 0);
	snprintf(name, sizeof(name), "/dev/fd/%d/sub/h", dir);
	need(stat(name, &b) == 0 && b.st_size == 2 && close(dir) == 0);
	need(chdir("d") == 0 && stat("/proc/self/cwd/sub/h", &b) == 0 && b.st_size == 2);
	need(readlink("/proc/self/cwd", buf, sizeof(buf)) == (int)strlen(rump) && chdir(host) == 0);
	need(readlink("/proc/self/cwd", buf, sizeof(buf)) == (int)strlen(host));
#ifdef O_TMPFILE
	fd = open("d/sub", O_TMPFILE | O_RDWR, 0644);
	if (fd >= 0) {
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		need(write(fd, "tmp", 3) == 3);
		need(linkat(AT_FDCWD, name, AT_FDCWD, "d/sub/tmp", AT_SYMLINK_FOLLOW) == 0);
		is(in(rump, "sub/tmp"), "tmp");
		need(unlink("d/sub/tmp") == 0 && close(fd) == 0);
	}
#endif
}

/* Local sockets, and watches. */
static void others(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "d/sock" }, got;
	socklen_t len = sizeof(got);
	char buf[1000];
	int l, c, w;

	l = socket(AF_UNIX, SOCK_STREAM, 0);
	need(bind(l, (void *)&un, sizeof(un)) == 0 && listen(l, 1) == 0);
	need(type(in(rump, "sock"), 1) == S_IFSOCK);
	need(getsockname(l, (void *)&got, &len) == 0 && !strcmp(got.sun_path, in(rump, "sock")));
	strcpy(un.sun_path, "dd/sock");
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	need(connect(c, (void *)&un, sizeof(un)) == 0);
	give(c);
	w = accept(l, NULL, NULL);
	eat(w);
	need(close(w) == 0 && close(c) == 0 && close(l) == 0 && unlink("d/sock") == 0);
	strcpy(un.sun_path, "dd/nobody");
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	fails(ENOENT, connect(c, (void *)&un, sizeof(un)));
	close(c);

	if (!patched)
		return;
	need((w = inotify_init1(IN_NONBLOCK)) >= 0 && inotify_add_watch(w, "d/sub", IN_CREATE) > 0);
	put_file("d/sub/watched", "");
	need(read(w, buf, sizeof(buf)) > 0 && close(w) == 0 && unlink("d/sub/watched") == 0);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	patched = argc == 3;
	alarm(60);
	host = argv[1];
	rump = argv[2];
	need(chdir(host) == 0);
	into();
	bounds();
	out();
	by_proc();
	others();
	unlink("d/sub/k");
	need(unlink("d/sub/f") == 0 && unlink("d/sub/h") == 0 && rmdir("d/sub") == 0);
	need(unlink("d") == 0 && unlink("dd") == 0 && unlink("here") == 0);
	return 0;
}
