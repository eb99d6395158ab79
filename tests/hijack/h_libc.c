/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h_libc.c - h_libc DIR: functions of libc whose system calls nobody interposes, on
 * files of DIR, which may be in a rump kernel, and on Internet sockets.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <ftw.h>
#include <glob.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>
#include <wordexp.h>

#define need(cond)	do { if (!(cond)) fail(__LINE__, #cond); } while (0)

extern char **environ;
static char buf[PATH_MAX], want[PATH_MAX];

static void __attribute__((noreturn)) fail(int line, const char *what)
{
	fprintf(stderr, "h_libc.c:%d: %s (errno %d: %s)\n", line, what, errno, strerror(errno));
	_exit(1);
}

static const char *in(const char *dir, const char *name)
{
	static char path[4][PATH_MAX];
	static int n;

	n = (n + 1) % 4;
	snprintf(path[n], PATH_MAX, "%s/%s", dir, name);
	return path[n];
}

static int visited;

static int visit(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)path, (void)type, (void)f;
	visited += st->st_ino != 0;
	return 0;
}

static void files(const char *dir)
{
	struct dirent **list;
	struct statvfs vfs;
	glob_t g;
	FILE *f;
	DIR *d;
	int n, fd;

	f = fopen(in(dir, "text"), "w+");
	need(f && fprintf(f, "%d lines\n%s", 2, "second\n") > 0 && fflush(f) == 0);
	rewind(f);
	need(fgets(buf, sizeof(buf), f) && !strcmp(buf, "2 lines\n"));
	need(fseek(f, 0, SEEK_END) == 0 && ftell(f) == 15 && fclose(f) == 0);
	f = freopen(in(dir, "text"), "a", fopen(in(dir, "text"), "r"));
	need(f && fputs("third\n", f) >= 0 && fclose(f) == 0);
	need(truncate(in(dir, "text"), 8) == 0);
	n = 0;
	snprintf(want, sizeof(want), "%s/tmpXXXXXX", dir);
	fd = mkstemp(want);
	need(fd >= 0 && dprintf(fd, "by %s", "dprintf") == 10 && close(fd) == 0 && remove(want) == 0);
	snprintf(want, sizeof(want), "%s/dirXXXXXX", dir);
	need(mkdtemp(want) && rmdir(want) == 0);

	need(mkdir(in(dir, "sub"), 0700) == 0 && symlink("../text", in(dir, "sub/link")) == 0);
	need(realpath(in(dir, "sub/link"), buf) && !strcmp(buf, in(dir, "text")));
	n = scandir(dir, &list, NULL, alphasort);
	need(n == 4 && !strcmp(list[2]->d_name, "sub") && !strcmp(list[3]->d_name, "text"));
	need(nftw(dir, visit, 8, FTW_PHYS) == 0 && visited == 4);
	need(glob(in(dir, "s*/l*"), 0, NULL, &g) == 0 && g.gl_pathc == 1);
	need(!strcmp(g.gl_pathv[0], in(dir, "sub/link")));
	d = opendir(dir);
	need(d && openat(dirfd(d), "text", O_RDONLY | O_CLOEXEC) >= 0 && readdir(d));
	need(closedir(d) == 0);
	need(statvfs(dir, &vfs) == 0 && pathconf(dir, _PC_NAME_MAX) == 255);
	need(access(in(dir, "none"), F_OK) == -1 && errno == ENOENT);
}

static void programs(const char *dir)
{
	posix_spawn_file_actions_t fa;
	char *argv[] = { "sh", "-c", "cat; cat <&7; pwd", NULL };
	int status;
	pid_t pid;
	FILE *f;

	snprintf(buf, sizeof(buf), "cd %s && echo from system >text", dir);
	need(system(buf) == 0);
	snprintf(buf, sizeof(buf), "cat %s/text", dir);
	f = popen(buf, "r");
	need(f && fgets(buf, sizeof(buf), f) && !strcmp(buf, "from system\n") && pclose(f) == 0);

	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 0, in(dir, "text"), O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&fa, 9, in(dir, "text"), O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&fa, 9, 7);
	posix_spawn_file_actions_addclose(&fa, 9);
	posix_spawn_file_actions_addopen(&fa, 1, in(dir, "out"), O_WRONLY | O_CREAT, 0600);
	posix_spawn_file_actions_addchdir_np(&fa, dir);
	need(posix_spawnp(&pid, "sh", &fa, NULL, argv, environ) == 0);
	need(waitpid(pid, &status, 0) == pid && status == 0);
	f = fopen(in(dir, "out"), "r");
	snprintf(want, sizeof(want), "from system\nfrom system\n%s\n", dir);
	need(f && (buf[fread(buf, 1, sizeof(buf) - 1, f)] = '\0', !strcmp(buf, want)) && fclose(f) == 0);
	posix_spawn_file_actions_destroy(&fa);
}

/* Streams on sockets. */
static void streams(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST }, *ai;
	socklen_t len = sizeof(sin);
	int l = socket(AF_INET, SOCK_STREAM, 0), c, a;
	FILE *f, *g;

	need(bind(l, (void *)&sin, len) == 0 && listen(l, 1) == 0);
	need(getsockname(l, (void *)&sin, &len) == 0);
	snprintf(buf, sizeof(buf), "%d", ntohs(sin.sin_port));
	need(getaddrinfo("127.0.0.1", buf, &hints, &ai) == 0);
	c = socket(ai->ai_family, ai->ai_socktype, ai->ai_protocol);
	need(connect(c, ai->ai_addr, ai->ai_addrlen) == 0 && (a = accept(l, NULL, NULL)) >= 0);
	freeaddrinfo(ai);
	f = fdopen(c, "r+");
	g = fdopen(a, "r+");
	need(f && g && fprintf(f, "hello %d\n", 5) == 8 && fflush(f) == 0);
	need(fscanf(g, "hello %d", &l) == 1 && l == 5);
	need(fclose(f) == 0 && getc(g) == '\n' && getc(g) == EOF && feof(g) && fclose(g) == 0);
}

int main(int argc, char **argv)
{
	alarm(60);
	if (argc < 2 || mkdir(argv[1], 0700) != 0)
		fail(__LINE__, "a directory that can be made");
	files(argv[1]);
	programs(argv[1]);
	streams();
	snprintf(buf, sizeof(buf), "rm -r %s", argv[1]);
	need(system(buf) == 0);
	return 0;
}
