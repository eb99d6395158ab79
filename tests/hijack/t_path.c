/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose is a name, and what is it called there (hijack/path.c)? */
#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../hijack/hijack.h"

/* What path.c needs of the rest: descriptor 7 is rump descriptor 3, and the
 * rump kernel's process is in rump_cwd. */
__thread volatile int hijack_depth __attribute__((tls_model("initial-exec")));
__thread volatile uint64_t door_waiting __attribute__((tls_model("initial-exec")));
int hijack_verbose;

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

long rumpclient_syscall(long nr, const long a[6])
{
	if (nr == SYS_readlink && !strcmp((char *)a[0], "/proc/self/fd/3")) {
		memcpy((char *)a[1], "/mnt", 4);
		return 4;
	}
	if (nr != SYS_getcwd)
		return -ENOSYS;
	strcpy((char *)a[0], rump_cwd);
	return strlen(rump_cwd) + 1;
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
	ATF_CHECK_STREQ(where(7, "../../rump/mnt/.."), "R:/");
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

ATF_TC_WITHOUT_HEAD(descriptors);
ATF_TC_BODY(descriptors, tc)
{
	ATF_CHECK_EQ(path_fd("/dev/stdin"), 0);
	ATF_CHECK_EQ(path_fd("/dev/stderr"), 2);
	ATF_CHECK_EQ(path_fd("/dev/stdinx"), -1);
	ATF_CHECK_EQ(path_fd("/dev/fd/12"), 12);
	ATF_CHECK_EQ(path_fd("/dev/fd/"), -1);
	ATF_CHECK_EQ(path_fd("/proc/self/fd/3"), 3);
	ATF_CHECK_EQ(path_fd("/proc/self/fd/3/x"), -1);
	ATF_CHECK_EQ(path_fd("/dev/fd/99999999999999999999"), -1);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, absolute);
	ATF_TP_ADD_TC(tp, relative);
	ATF_TP_ADD_TC(tp, inside);
	ATF_TP_ADD_TC(tp, long_names);
	ATF_TP_ADD_TC(tp, descriptors);
	return atf_no_error();
}
