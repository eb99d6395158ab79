/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files on an ext4 image: by an embedded kernel, by the host's loop mount of an image
 * that was made in the same way, by fuse2fs.
 *
 * The image lies in DIR/bench, on whatever disk that is, and has lost its name before the
 * measurement begins.  The host's mounts are made in a mount namespace of the measuring
 * process: they go away with it.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK	65536

struct place {
	bench_call c;
	char dir[256];
};

/* Runs a command of the shell; it must succeed. */
static void __attribute__((format(printf, 1, 2)))
sh(const char *fmt, ...)
{
	char cmd[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	if (system(cmd) != 0)
		bench_fail("%s: failed", cmd);
}

/* A new image of ext4; its path. */
static const char *
make_image(int megabytes)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/bench/image.%d", bench_dir, getpid());
	sh("rm -f %s && truncate -s %dM %s && mkfs.ext4 -q -F -E lazy_itable_init=0,"
	    "lazy_journal_init=0 %s", path, megabytes, path, path);
	return path;
}

static struct place
on_rump(int megabytes)
{
	const char *image = make_image(megabytes);
	struct place p = { .dir = "/mnt" };
	char spec[512];

	snprintf(spec, sizeof(spec), "%s:/mnt", image);
	setenv("RUMP_MOUNT", spec, 1);
	p.c = bench_boot(1);
	unlink(image);
	return p;
}

/* A directory that mounts of this process alone can be put on. */
static void
private_dir(char dir[256])
{
	if (unshare(CLONE_NEWNS) != 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		bench_fail("a mount namespace: %s", strerror(errno));
	snprintf(dir, 256, "%s/bench/mnt", bench_dir);
	if (mkdir(dir, 0755) != 0 && errno != EEXIST)
		bench_fail("%s: %s", dir, strerror(errno));
}

static void
loop_mount(const char *image, const char *dir)
{
	struct loop_config cfg = { .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), n, loop;
	char dev[32];

	n = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
	snprintf(dev, sizeof(dev), "/dev/loop%d", n);
	loop = n < 0 ? -1 : open(dev, O_RDWR | O_CLOEXEC);
	cfg.fd = open(image, O_RDWR | O_CLOEXEC);
	if (loop < 0 || ioctl(loop, LOOP_CONFIGURE, &cfg) != 0)
		bench_fail("%s as a loop device: %s", image, strerror(errno));
	if (mount(dev, dir, "ext4", 0, "") != 0)
		bench_fail("%s on %s: %s", dev, dir, strerror(errno));
	close(control);
	close(loop);
	close(cfg.fd);
}

static struct place
on_loop(int megabytes)
{
	const char *image = make_image(megabytes);
	struct place p = { .c = bench_host };

	private_dir(p.dir);
	loop_mount(image, p.dir);
	unlink(image);
	return p;
}

static struct place
on_fuse2fs(int megabytes)
{
	const char *image = make_image(megabytes);
	struct place p = { .c = bench_host };
	struct stat before, now;
	pid_t pid;

	private_dir(p.dir);
	bench_check(stat(p.dir, &before) ? -errno : 0, p.dir);
	if ((pid = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execlp("fuse2fs", "fuse2fs", "-f", "-o", "fakeroot", image, p.dir, (char *)NULL);
		bench_fail("fuse2fs: %s", strerror(errno));
	}
	do {
		usleep(10000);
		if (waitpid(pid, NULL, WNOHANG) != 0)
			bench_fail("fuse2fs has ended");
	} while (stat(p.dir, &now) != 0 || now.st_dev == before.st_dev);
	unlink(image);
	return p;
}

static int
open_in(const struct place *p, const char *name, int flags)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	return CHECK(p->c, openat, AT_FDCWD, path, flags, 0644);
}

static void
write_file(const struct place *p, int fd, int megabytes)
{
	static char buf[CHUNK];

	memset(buf, 'x', sizeof(buf));
	for (int i = 0; i < megabytes * (1 << 20) / CHUNK; i++)
		CHECK(p->c, write, fd, buf, sizeof(buf));
}

/* GB/s, a file of 32 MB read again and again. */
static double
read_cached(struct place p)
{
	static char buf[CHUNK];
	int fd = open_in(&p, "f", O_RDWR | O_CREAT);
	int64_t t0, t, bytes = 0;

	write_file(&p, fd, 32);
	CHECK(p.c, fsync, fd);
	t0 = bench_now();
	do {
		CHECK(p.c, lseek, fd, 0, SEEK_SET);
		for (int i = 0; i < 32 * (1 << 20) / CHUNK; i++)
			bytes += CHECK(p.c, read, fd, buf, sizeof(buf));
	} while ((t = bench_now()) - t0 < bench_duration);
	return (double)bytes / (t - t0);
}

double files_read_rump(void) { return read_cached(on_rump(128)); }
double files_read_loop(void) { return read_cached(on_loop(128)); }

/* MB/s; the second of two files, since whose memory is new differs between the kernels. */
static double
write_and_sync(struct place p)
{
	int fd = open_in(&p, "first", O_RDWR | O_CREAT);
	int64_t t0;

	write_file(&p, fd, 256);
	CHECK(p.c, ftruncate, fd, 0);
	CHECK(p.c, fsync, fd);
	fd = open_in(&p, "second", O_RDWR | O_CREAT);
	t0 = bench_now();
	write_file(&p, fd, 256);
	CHECK(p.c, fsync, fd);
	return 256e9 / (bench_now() - t0) * 1.048576;
}

double files_write_rump(void) { return write_and_sync(on_rump(512)); }
double files_write_loop(void) { return write_and_sync(on_loop(512)); }

/* us a file */
static double
create_small(struct place p)
{
	int64_t t0 = bench_now(), t;
	char name[32], data[1024];
	long n = 0;
	int fd;

	memset(data, 'x', sizeof(data));
	do {
		snprintf(name, sizeof(name), "file%ld", n++);
		fd = open_in(&p, name, O_WRONLY | O_CREAT | O_EXCL);
		CHECK(p.c, write, fd, data, sizeof(data));
		CHECK(p.c, close, fd);
	} while ((t = bench_now()) - t0 < bench_duration);
	return (t - t0) / 1e3 / n;
}

double files_create_rump(void) { return create_small(on_rump(1024)); }
double files_create_loop(void) { return create_small(on_loop(1024)); }
double files_create_fuse2fs(void) { return create_small(on_fuse2fs(1024)); }

/* ---- tar ------------------------------------------------------------------------------ */

#define TREE_MB	4096

/* The rump kernel's own source tree, as an uncompressed archive that is in the cache. */
static const char *
archive(void)
{
	static char tar[256];

	snprintf(tar, sizeof(tar), "%s/bench/linux.tar", bench_dir);
	sh("cd %s && { [ -f bench/linux.tar ] || { tar cf bench/linux.tar.new linux-source-6.12 && "
	    "mv bench/linux.tar.new bench/linux.tar; }; } && cat bench/linux.tar >/dev/null", bench_dir);
	return tar;
}

/* Seconds, with the unmounting at the end: everything is on the image then. */
double
files_untar_rump(void)
{
	const char *tar = archive(), *image = make_image(TREE_MB);
	int64_t t0 = bench_now();

	sh("RUMP_MEMLIMIT=1g RUMP_MOUNT=%s:/mnt LD_PRELOAD=%s/lib/librumphijack.so "
	    "tar xf %s -C /rump/mnt", image, bench_dir, tar);
	t0 = bench_now() - t0;
	unlink(image);
	return t0 / 1e9;
}

double
files_untar_remote(void)
{
	const char *tar = archive(), *image = make_image(TREE_MB);
	int64_t t0 = bench_now();

	sh("RUMPHIJACK=path=/rump %s/bin/rump run --mem 1g --mount %s:/mnt -- tar xf %s -C /rump/mnt",
	    bench_dir, image, tar);
	t0 = bench_now() - t0;
	unlink(image);
	return t0 / 1e9;
}

double
files_untar_loop(void)
{
	const char *tar = archive(), *image = make_image(TREE_MB);
	int64_t t0 = bench_now();
	char dir[256];

	private_dir(dir);
	loop_mount(image, dir);
	sh("tar xf %s -C %s", tar, dir);
	if (umount(dir) != 0)
		bench_fail("umount %s: %s", dir, strerror(errno));
	t0 = bench_now() - t0;
	unlink(image);
	return t0 / 1e9;
}
