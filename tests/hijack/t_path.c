/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose is a name, and what is it called there (hijack/path.c)? */
#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../hijack/links.h"

/* What path.c needs of the rest: descriptor 7 is rump descriptor 3, and the
 * rump kernel's process is in rump_cwd. */
const struct rump_sysrow hijack_rows[RUMP_NSYSROWS] = {
#define S(name, ret, how, ...)	[SYS_##name] = RUMP_SYSROW(ret, __VA_ARGS__),
#include <rump/syscalls.def>
};
const uint8_t hijack_how[RUMP_NSYSROWS] = {
#define S(name, ret, how, ...)	[SYS_##name] = HOW_##how,
#include <rump/syscalls.def>
};
__thread volatile int hijack_depth __attribute__((tls_model("initial-exec")));
__thread volatile uint64_t door_waiting __attribute__((tls_model("initial-exec")));
int hijack_verbose;
int proc_filtered;

int rumpclient_is_up(void)
{
	return 1;
}

bool door_open(long nr)
{
	return nr < 0;
}

long door_again(long nr, const long a[6], long ret)
{
	(void)nr, (void)a;
	return ret;
}

uint8_t fdmap_kind[FDMAP_MAX];
int32_t fdmap_num[FDMAP_MAX] = { [7] = 3 };
static const char *rump_cwd = "/";

int fdmap_get(long fd)
{
	return fd == 7 ? FD_RUMP : FD_HOST;
}

/* The files of the rump kernel: NULL is a directory, "" a file. */
static const struct {
	const char *name, *link;
} files[] = {
	{ "/", NULL }, { "/a", NULL }, { "/mnt", NULL }, { "/mnt/d", NULL }, { "/mnt/d/e", NULL }, { "/mnt/f", "" },
	{ "/proc/self/fd/3", "/mnt" }, { "/mnt/up", "../.." }, { "/mnt/deep", "d/e" },
	{ "/mnt/host", "/nowhere/x" }, { "/mnt/own", "/mnt/d" }, { "/mnt/seen", "/rump/mnt/d" },
	{ "/mnt/loop", "/rump/mnt/loop" }, { "/data", NULL }, { "/data/l", "/mnt/d" },
};

static long fake_readlink(const char *name, char *buf, size_t size)
{
	size_t i, n = strlen(name), len;

	while (n > 1 && name[n - 1] == '/')
		n--;
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (strlen(files[i].name) != n || memcmp(files[i].name, name, n) != 0)
			continue;
		if (!files[i].link || !*files[i].link)
			return files[i].link && name[n] ? -ENOTDIR : -EINVAL;
		len = strlen(files[i].link);
		memcpy(buf, files[i].link, len < size ? len : size);
		return len < size ? len : size;
	}
	return -ENOENT;
}

long rumpclient_syscall(long nr, const long a[6])
{
	switch (nr) {
	case SYS_readlink:
		return fake_readlink((char *)a[0], (char *)a[1], a[2]);
	case SYS_openat2:
		return -ELOOP;		/* there may be a link */
	case SYS_getcwd:
		strcpy((char *)a[0], rump_cwd);
		return strlen(rump_cwd) + 1;
	}
	return -ENOSYS;
}

const char *proc_child_cwd(void)
{
	return NULL;
}

void hijack_trace(long nr, const long a[6], long ret)
{
	(void)nr, (void)a, (void)ret;
}

static void setup(const char *words)
{
	static char store[PATH_BUF], err[512];

	if (scope_parse(words, &scope, store, sizeof(store), err, sizeof(err)) < 0)
		atf_tc_fail("%s", err);
	memset(fdmap_kind, FD_HOST, 4096);
	fdmap_kind[7] = FD_RUMP;
	path_cwd_host();
}

/* "H:name" or "R:name"; what path_maybe() lets through must be the host's as it is. */
static const char *where(int dirfd, const char *path)
{
	static char out[PATH_BUF + 16];
	static struct where w;
	int maybe = path_maybe(dirfd, path), err = path_where(dirfd, path, &w);

	if (err < 0) {
		snprintf(out, sizeof(out), "error %d", err);
		return out;
	}
	if (!maybe && (w.side != SIDE_HOST || w.path != path || w.dirfd != dirfd))
		return "path_maybe() is wrong";
	snprintf(out, sizeof(out), "%c:%s", w.side == SIDE_RUMP ? 'R' : 'H', w.path);
	return out;
}
#define at(path)	where(AT_FDCWD, path)

ATF_TC_WITHOUT_HEAD(absolute);
ATF_TC_BODY(absolute, tc)
{
	setup("path=/rump,blanket=/etc/hosts:/data/x");
	ATF_CHECK_STREQ(at("/rump"), "R:/");
	ATF_CHECK_STREQ(at("/rump/"), "R:/");
	ATF_CHECK_STREQ(at("/rump/mnt/a"), "R:/mnt/a");
	ATF_CHECK_STREQ(at("/rumpx"), "H:/rumpx");
	ATF_CHECK_STREQ(at("/rum"), "H:/rum");
	ATF_CHECK_STREQ(at("/"), "H:/");
	ATF_CHECK_STREQ(at(""), "H:");
	ATF_CHECK_STREQ(at("/etc/hosts"), "R:/etc/hosts");
	ATF_CHECK_STREQ(at("/etc/hosts.allow"), "H:/etc/hosts.allow");
	ATF_CHECK_STREQ(at("/data/x/y"), "R:/data/x/y");
	ATF_CHECK_STREQ(at("//rump/a"), "R:/a");
	ATF_CHECK_STREQ(at("/./rump/a/"), "R:/a/");
	ATF_CHECK_STREQ(at("/tmp/../rump/a"), "R:/a");
	ATF_CHECK_STREQ(at("/rump/../etc/passwd"), "H:/etc/passwd");
	ATF_CHECK_STREQ(at("/rump/.."), "H:/");
	ATF_CHECK_STREQ(at("/rump/a/../b"), "R:/a/../b");
	ATF_CHECK_STREQ(at("/rump/a/../../rump/b"), "R:/b");
	ATF_CHECK_STREQ(at("/rump/..a"), "R:/..a");
	ATF_CHECK_STREQ(at("/tmp/.x"), "H:/tmp/.x");
}

ATF_TC_WITHOUT_HEAD(relative);
ATF_TC_BODY(relative, tc)
{
	int fd;

	setup("path=/rump");
	ATF_REQUIRE_EQ(chdir("/tmp"), 0);
	ATF_CHECK_STREQ(at("a"), "H:a");
	ATF_CHECK_STREQ(at("../rump/a"), "R:/a");
	ATF_CHECK_STREQ(at("../etc"), "H:../etc");
	ATF_CHECK_STREQ(where(7, "../x"), "R:../x");
	ATF_CHECK_STREQ(where(7, "../.."), "H:/");
	ATF_CHECK_STREQ(where(7, "../../rump/mnt/.."), "R:/.");
	fd = open("/", O_RDONLY | O_DIRECTORY);
	ATF_CHECK_STREQ(where(fd, "rump/a"), "R:/a");
	ATF_CHECK_STREQ(where(fd, "etc"), "H:etc");
	fd = open("/tmp", O_RDONLY | O_DIRECTORY);
	ATF_CHECK_STREQ(where(fd, "../rump"), "R:/");
	ATF_CHECK_STREQ(where(fd, "rump"), "H:rump");
	ATF_CHECK_STREQ(where(7, "x/y"), "R:x/y");
	ATF_CHECK_STREQ(where(7, ""), "R:");
	ATF_REQUIRE_EQ(chdir("/"), 0);
	path_cwd_host();
	ATF_CHECK_STREQ(at("rump"), "R:/");
	ATF_CHECK_STREQ(at("rump/a"), "R:/a");
	ATF_CHECK_STREQ(at("./rump/a"), "R:/a");
	ATF_CHECK_STREQ(at("etc"), "H:etc");
}

ATF_TC_WITHOUT_HEAD(inside);
ATF_TC_BODY(inside, tc)
{
	char buf[PATH_BUF];

	setup("path=/rump");
	path_cwd_rump();
	rump_cwd = "/mnt/d";
	ATF_CHECK_STREQ(at("a"), "R:a");
	ATF_CHECK_STREQ(at("../a"), "R:../a");
	ATF_CHECK_STREQ(at("../.."), "R:../..");
	ATF_CHECK_STREQ(at("../../.."), "H:/");
	ATF_CHECK_STREQ(at("../../../etc/x"), "H:/etc/x");
	ATF_CHECK_STREQ(at("../../../rump/x"), "R:/x");
	ATF_CHECK_STREQ(at("/etc/x"), "H:/etc/x");
	ATF_CHECK_EQ(path_getcwd(buf, sizeof(buf)), 12);
	ATF_CHECK_STREQ(buf, "/rump/mnt/d");
	rump_cwd = "/";
	ATF_CHECK_EQ(path_getcwd(buf, sizeof(buf)), 6);
	ATF_CHECK_STREQ(buf, "/rump");
	ATF_CHECK_STREQ(at(".."), "H:/");
	ATF_CHECK_EQ(path_getcwd(buf, 5), -ERANGE);
}

ATF_TC_WITHOUT_HEAD(long_names);
ATF_TC_BODY(long_names, tc)
{
	static char name[3 * PATH_BUF];
	size_t n;

	setup("path=/rump");
	for (n = 0; n < 2 * PATH_BUF; n += 2)
		memcpy(name + n, "/a", 2);
	ATF_CHECK_EQ(strncmp(at(name), "H:/a/a", 6), 0);
	strcpy(name + n, "/./x");
	ATF_CHECK_STREQ(at(name), "error -36");
}

static int self_fd(const char *path)
{
	const char *rest;
	int fd = path_own(path, &rest);

	return fd >= 0 && *rest ? -1 : fd;
}

ATF_TC_WITHOUT_HEAD(descriptors);
ATF_TC_BODY(descriptors, tc)
{
	char own[64];
	const char *rest;

	setup("path=/rump");
	ATF_CHECK_EQ(self_fd("/dev/stdin"), 0);
	ATF_CHECK_EQ(self_fd("/dev/stderr"), 2);
	ATF_CHECK_EQ(self_fd("/dev/stdinx"), -1);
	ATF_CHECK_EQ(self_fd("/dev/fd/12"), 12);
	ATF_CHECK_EQ(self_fd("/dev/fd/"), -1);
	ATF_CHECK_EQ(self_fd("/proc/self/fd/3"), 3);
	ATF_CHECK_EQ(path_own("/proc/self/fd/3/x", &rest), 3);
	ATF_CHECK_STREQ(rest, "/x");
	snprintf(own, sizeof(own), "/proc/%d/fd/12", getpid());
	ATF_CHECK_EQ(self_fd(own), 12);
	ATF_CHECK_EQ(self_fd("/proc/1/fd/12"), getpid() == 1 ? 12 : -1);
	ATF_CHECK_EQ(self_fd("/proc/thread-self/fd/0"), 0);
	ATF_CHECK_EQ(path_own("/proc/self/cwd/a", &rest), AT_FDCWD);
	ATF_CHECK_STREQ(rest, "/a");
	ATF_CHECK_EQ(self_fd("/proc/self/cwdx"), -1);
	ATF_CHECK_EQ(self_fd("/dev/cwd"), -1);
	ATF_CHECK_EQ(self_fd("/dev/fd/-1"), -1);
	ATF_CHECK_STREQ(at("/dev/fd/7/x/y"), "R:/proc/self/fd/3/x/y");
	ATF_CHECK_STREQ(at("/dev/fd/8/x/y"), "H:/dev/fd/8/x/y");
	ATF_CHECK_EQ(self_fd("/dev/fd/99999999999999999999"), -1);
}

/* What links lead to: "+name", "!name" (where nothing is to be made), or "" if they do not cross. */
static const char *led(int dirfd, const char *path, int last)
{
	static char out[PATH_BUF + 1];

	switch (links_lead(dirfd, path, last, 0, out + 1)) {
	case LEADS:
		out[0] = '+';
		return out;
	case LEADS_OUT:
		out[0] = '!';
		return out;
	}
	return "";
}
#define follow(path)	led(AT_FDCWD, path, RUMP_P_FOLLOW)
#define keep(path)	led(AT_FDCWD, path, RUMP_P_LINK)
#define name(path)	led(AT_FDCWD, path, RUMP_P_NAME)

static void set(const char *to, const char *link)
{
	unlink(link);
	ATF_REQUIRE_EQ(symlink(to, link), 0);
}

ATF_TC_WITHOUT_HEAD(links);
ATF_TC_BODY(links, tc)
{
	char here[PATH_BUF], in[2 * PATH_BUF];
	int fd, i;

	ATF_REQUIRE(getcwd(here, sizeof(here)));
	setup("path=/rump,blanket=/data");
	links_init();
	ATF_CHECK_EQ(scope.links, 1);
	ATF_CHECK_EQ(mkdir("dir", 0755), 0);
	set("/rump/mnt", "d");
	set("d", "dd");
	set("../d/f", "dir/f");
	set("/rump", "root");
	set("/data", "blanket");
	set("/usr", "plain");
	set("d/../../rump/mnt/./d", "odd");
	ATF_CHECK_STREQ(follow("d"), "+/rump/mnt");
	ATF_CHECK_STREQ(follow("d/"), "+/rump/mnt/");
	ATF_CHECK_STREQ(follow("d/."), "+/rump/mnt/.");
	ATF_CHECK_STREQ(follow("d/x/y"), "+/rump/mnt/x/y");
	ATF_CHECK_STREQ(follow("dd//x"), "+/rump/mnt/x");
	ATF_CHECK_STREQ(follow("dd/d/../new/"), "+/rump/mnt/new/");
	ATF_CHECK_STREQ(follow("dir/f"), "+/rump/mnt/f");
	ATF_CHECK_STREQ(follow("root"), "+/rump");
	ATF_CHECK_STREQ(follow("root/"), "+/rump/");
	ATF_CHECK_STREQ(follow("blanket/x"), "+/data/x");
	ATF_CHECK_STREQ(follow("odd/e"), "+/rump/mnt/d/e");
	ATF_CHECK_STREQ(follow("plain/bin"), "");
	ATF_CHECK_STREQ(follow("nothing/x"), "");
	ATF_CHECK_STREQ(follow("dir/../nothing"), "");
	/* the link itself, but for a slash behind it */
	ATF_CHECK_STREQ(keep("d"), "");
	ATF_CHECK_STREQ(keep("d/"), "+/rump/mnt/");
	ATF_CHECK_STREQ(keep("d/own"), "+/rump/mnt/own");
	ATF_CHECK_STREQ(name("d/"), "");
	ATF_CHECK_STREQ(name("d/own/"), "+/rump/mnt/own/");
	/* ".." is of what the link leads to */
	ATF_CHECK_STREQ(follow("d/.."), "+/rump/.");
	ATF_CHECK_STREQ(follow("d/../x"), "+/rump/x");
	ATF_CHECK_STREQ(follow("d/../../etc"), "+/etc");
	ATF_CHECK_STREQ(follow("d/f/../x"), "");		/* ENOTDIR */
	snprintf(in, sizeof(in), "%s/dd/x", here);
	ATF_CHECK_STREQ(follow(in), "+/rump/mnt/x");
	ATF_REQUIRE((fd = open("dir", O_RDONLY | O_DIRECTORY)) >= 0);
	ATF_CHECK_STREQ(led(fd, "f", RUMP_P_FOLLOW), "+/rump/mnt/f");
	ATF_CHECK_STREQ(led(fd, "../d/x", RUMP_P_FOLLOW), "+/rump/mnt/x");
	/* the other way: a link of the rump kernel is its own first */
	ATF_CHECK_STREQ(follow("/rump/mnt/own/e"), "");
	ATF_CHECK_STREQ(follow("/rump/mnt/seen/e"), "+/rump/mnt/d/e");
	ATF_CHECK_STREQ(follow("/rump/mnt/host"), "!/nowhere/x");
	ATF_CHECK_STREQ(follow("/rump/mnt/host/y"), "+/nowhere/x/y");
	ATF_CHECK_STREQ(keep("/rump/mnt/host"), "");
	ATF_CHECK_STREQ(follow("d/host"), "!/nowhere/x");
	ATF_CHECK_STREQ(follow("/rump/mnt/up/etc"), "+/etc");
	ATF_CHECK_STREQ(led(7, "host", RUMP_P_FOLLOW), "!/nowhere/x");
	ATF_CHECK_STREQ(follow("/data/l/e"), "");
	/* no end */
	ATF_CHECK_STREQ(follow("/rump/mnt/loop"), "");
	set("two", "one");
	set("one", "two");
	ATF_CHECK_STREQ(follow("one"), "");
	for (i = 0; i < 41; i++) {
		snprintf(in, sizeof(in), "n%d", i);
		snprintf(here, sizeof(here), i ? "n%d" : "d", i - 1);
		set(here, in);
	}
	ATF_CHECK_STREQ(follow("n38/x"), "+/rump/mnt/x");
	ATF_CHECK_STREQ(follow("n40/x"), "");
	/* a ".." in a name, where links count */
	ATF_CHECK_STREQ(at("plain/../rump/mnt"), "H:plain/../rump/mnt");
	ATF_CHECK_STREQ(at("/rump/mnt/deep/../../x"), "R:/mnt/deep/../../x");
	ATF_CHECK_STREQ(at("/rump/mnt/deep/../../../x"), "R:/x");
	ATF_CHECK_STREQ(at("/rump/mnt/d/../../../x"), "H:/x");
}

/* A prefix that the host has, too, and one whose directory has another name. */
ATF_TC_WITHOUT_HEAD(prefixes);
ATF_TC_BODY(prefixes, tc)
{
	char here[1000], words[2 * PATH_BUF], in[PATH_BUF];

	setup("socket=all");
	links_init();
	ATF_CHECK_EQ(scope.links + scope.shadow + scope.creatable, 0);
	ATF_CHECK_EQ(scope.names, WANT_HOST);
	setup("blanket=/etc/passwd");
	links_init();
	ATF_CHECK_EQ(scope.shadow, 1);
	ATF_CHECK_EQ(scope.names, WANT_CALL);
	setup("path=/nonexistent/dir/x");
	links_init();
	ATF_CHECK_EQ(scope.shadow + scope.creatable, 0);
	ATF_CHECK_EQ(scope.names, WANT_LOOK);

	ATF_REQUIRE(getcwd(here, sizeof(here)));
	ATF_REQUIRE_EQ(mkdir("real", 0755), 0);
	set("real", "link");
	snprintf(words, sizeof(words), "path=%s/link/p,blanket=%s/link/b", here, here);
	setup(words);
	links_init();
	ATF_CHECK_EQ(scope.shadow, 0);
	ATF_CHECK_EQ(scope.creatable, 1);
	ATF_CHECK_STREQ(at("link/p/x"), "R:/x");
	set("real", "other");
	ATF_CHECK_STREQ(at("other/p/x"), "H:other/p/x");
	snprintf(in, sizeof(in), "+%s/real/p/x", here);
	ATF_CHECK_STREQ(follow("other/p/x"), in);
	ATF_CHECK_STREQ(at(in + 1), "R:/x");
	snprintf(in, sizeof(in), "%s/real/b/x", here);
	snprintf(words, sizeof(words), "R:%s/link/b/x", here);
	ATF_CHECK_STREQ(at(in), words);
	ATF_REQUIRE_EQ(chdir("real"), 0);
	ATF_CHECK_STREQ(at("p/x"), "R:/x");
	ATF_CHECK_STREQ(at("b/x"), words);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, absolute);
	ATF_TP_ADD_TC(tp, relative);
	ATF_TP_ADD_TC(tp, inside);
	ATF_TP_ADD_TC(tp, long_names);
	ATF_TP_ADD_TC(tp, descriptors);
	ATF_TP_ADD_TC(tp, links);
	ATF_TP_ADD_TC(tp, prefixes);
	return atf_no_error();
}
