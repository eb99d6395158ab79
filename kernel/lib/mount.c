/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mount.c - mounting and unmounting in the rump kernel, by its system calls.
 *
 * SOURCE is taken for what it can be: for a file system without a device, any
 * word; else a block device of the rump kernel, if there is one of that name;
 * else a file of the host, which is made a device first (etfs.c).  Without type=,
 * the file systems that /proc/filesystems lists are tried, as mount(8) does.
 *
 * All calls are made as the process that the calling thread belongs to there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <rump/rump.h>
#include <rump/rumpuser.h>

#include "etfs.h"
#include "hostdir.h"
#include "mount.h"
#include "mountspec.h"

#define TABLE_LEN	(64 * 1024)	/* of /proc/self/mounts; the rest is read later */
#define DEVICE_LEN	256
#define TYPE_LEN	64
#define BUSY_TRIES	20
#define BUSY_NS		5000000

/* A system call of the rump kernel: integers or pointers, the rest 0. */
#define call(...)	call_pick(__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define call_pick(nr, a, b, c, d, e, ...)	\
	rump_syscall(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)

/* Tried before the others: they know their own, and are what people have. */
static const char *const usual[] = { "ext4", "xfs", "btrfs", "vfat" };

/* A small text file of the rump kernel, to be freed; at most TABLE_LEN - 1 bytes. */
static int read_file(const char *path, char **textp)
{
	char *text = malloc(TABLE_LEN);
	size_t n = 0;
	long fd, ret;

	if (!text)
		return -ENOMEM;
	ret = fd = call(SYS_open, path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		do {
			ret = call(SYS_read, fd, text + n, TABLE_LEN - 1 - n);
			n += ret > 0 ? ret : 0;
		} while (ret > 0 && n < TABLE_LEN - 1);
		call(SYS_close, fd);
	}
	if (ret < 0) {
		free(text);
		return ret;
	}
	text[n] = '\0';
	*textp = text;
	return 0;
}

static bool is_device(const char *path)
{
	struct stat st;

	return call(SYS_stat, path, &st) == 0 && S_ISBLK(st.st_mode);
}

/* Makes dir and what leads to it. */
static int make_dir(const char *dir)
{
	char *path = strdup(dir), *s;
	long ret = 0;

	if (!path)
		return -ENOMEM;
	for (s = path + 1; ret == 0; *s++ = '/') {
		s += strcspn(s, "/");
		if (!*s)
			break;
		*s = '\0';
		ret = call(SYS_mkdir, path, 0755);
		if (ret == -EEXIST)
			ret = 0;
	}
	if (ret == 0)
		ret = call(SYS_mkdir, path, 0755);
	free(path);
	return ret == -EEXIST ? 0 : ret;
}

/*
 * The next line of /proc/filesystems at *sp, which moves on: a type, and whether
 * it does without a device.  false: the end.
 */
static bool next_type(const char **sp, char type[TYPE_LEN], bool *nodev)
{
	const char *name;
	size_t len;

	if (!**sp)
		return false;
	*nodev = **sp != '\t';
	name = *sp + strcspn(*sp, "\t\n");
	name += *name == '\t';
	len = strcspn(name, "\n");
	snprintf(type, TYPE_LEN, "%.*s", (int)len, name);
	*sp = name + len + (name[len] == '\n');
	return true;
}

static bool is_nodev(const char *wanted, const char *filesystems)
{
	char type[TYPE_LEN];
	bool nodev;

	while (next_type(&filesystems, type, &nodev))
		if (nodev && !strcmp(type, wanted))
			return true;
	return false;
}

/* Not the right type: try another one. */
static bool is_refusal(long err)
{
	return err == -EINVAL || err == -ENODEV;
}

static long try_type(const struct mountspec *spec, const char *source, const char *type,
    unsigned long flags)
{
	long ret = call(SYS_mount, source, spec->dir, type, spec->flags | flags, spec->data);

	/* A file system that can only be read (iso9660) says so. */
	if (ret == -EACCES || ret == -EROFS)
		ret = call(SYS_mount, source, spec->dir, type, spec->flags | flags | MS_RDONLY,
		    spec->data);
	return ret;
}

static bool is_usual(const char *type)
{
	unsigned int i;

	for (i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		if (!strcmp(type, usual[i]))
			return true;
	return false;
}

/* Tries all types; the first answer that is no refusal counts. */
static long try_all(const struct mountspec *spec, const char *source, const char *filesystems)
{
	char type[TYPE_LEN];
	long ret = -EINVAL;
	unsigned int i;
	bool nodev;

	for (i = 0; i < sizeof(usual) / sizeof(usual[0]) && is_refusal(ret); i++)
		ret = try_type(spec, source, usual[i], MS_SILENT);
	while (is_refusal(ret) && next_type(&filesystems, type, &nodev))
		if (!nodev && !is_usual(type))
			ret = try_type(spec, source, type, MS_SILENT);
	return is_refusal(ret) ? -EINVAL : ret;
}

static int refuse_isolate(const struct mountspec *spec, const char **why)
{
	if (spec->isolate)
		*why = "isolate is for files and block devices of the host";
	return spec->isolate ? -EINVAL : 0;
}

/* Names the device of spec->source, or its partition; made as in etfs_image(). */
static int find_device(struct mountspec *spec, char device[DEVICE_LEN],
    char image[ETFS_NAME_LEN], bool *made, const char **why)
{
	bool rdonly = spec->flags & MS_RDONLY, wanted = rdonly;
	size_t len;
	int err;

	*made = false;
	if (is_device(spec->source)) {
		if (refuse_isolate(spec, why))
			return -EINVAL;
		if (strlen(spec->source) > DEVICE_LEN - 8)
			return -ENAMETOOLONG;
		strcpy(device, spec->source);
	} else {
		err = etfs_image(spec->source, spec->isolate, &rdonly, image, made);
		if (err == -ENOENT)
			*why = "SOURCE is neither a file of the host nor a device of the rump kernel";
		else if (err == -EBUSY)
			*why = "another process has SOURCE open as a device";
		else if (err == -EISDIR)
			*why = "SOURCE is a directory, which type=hostdir is for";
		if (err)
			return err;
		snprintf(device, DEVICE_LEN, "/dev/%s", image);
		if (rdonly && !wanted) {
			rumpuser_warn("%s can only be read on this host: mounted read-only",
			    spec->source);
			spec->flags |= MS_RDONLY;
		}
	}
	if (!spec->part)
		return 0;
	/* As Linux names them: sda1, but img0p1. */
	len = strlen(device);
	snprintf(device + len, DEVICE_LEN - len, "%s%u",
	    device[len - 1] >= '0' && device[len - 1] <= '9' ? "p" : "", spec->part);
	if (is_device(device))
		return 0;
	*why = "SOURCE has no such partition";
	return -ENOENT;
}

/* Where ext4 does not find its first block, and says ENOMEM; or of less than a sector, EIO. */
static bool is_tiny(const char *device)
{
	long fd = call(SYS_open, device, O_RDONLY | O_CLOEXEC), size;

	if (fd < 0)
		return false;
	size = call(SYS_lseek, fd, 0, SEEK_END);
	call(SYS_close, fd);
	return size >= 0 && size < 4096;
}

static int mount_device(struct mountspec *spec, const char *filesystems, const char **why)
{
	char device[DEVICE_LEN], image[ETFS_NAME_LEN];
	bool made;
	long ret;

	ret = find_device(spec, device, image, &made, why);
	if (!ret && spec->type) {
		ret = try_type(spec, device, spec->type, 0);
		if (ret == -ENODEV)
			*why = "this kernel has no file system of that type";
		else if (ret == -EINVAL)
			*why = "no such file system is there, or it does not know an option";
	} else if (!ret) {
		ret = try_all(spec, device, filesystems);
		if (ret && is_tiny(device))
			ret = -EINVAL;
		if (ret == -EINVAL)
			*why = "no file system of a known type is there";
	}
	if (ret && made)
		etfs_remove(image);
	return ret;
}

static int mount_hostdir(struct mountspec *spec, const char **why)
{
	char tag[HOSTDIR_TAG_LEN];
	int ret;

	if (refuse_isolate(spec, why))
		return -EINVAL;
	ret = hostdir_add(spec->source, spec->flags & MS_RDONLY, tag);
	if (ret) {
		*why = "SOURCE cannot be had as a directory of the host";
		return ret;
	}
	ret = try_type(spec, tag, HOSTDIR_TYPE, 0);
	if (ret)
		hostdir_remove(tag);
	return ret;
}

/* The directories that an overlay writes to are made, as DIR is: an image is new once. */
static int make_overlay_dirs(const struct mountspec *spec)
{
	static const char *const keys[] = { "upperdir=", "workdir=" };
	char *copy = strdup(spec->data), *option, *rest = copy;
	unsigned int i;
	int ret = copy ? 0 : -ENOMEM;

	while (!ret && (option = strsep(&rest, ",")))
		for (i = 0; i < sizeof(keys) / sizeof(keys[0]) && !ret; i++)
			if (!strncmp(option, keys[i], strlen(keys[i])))
				ret = make_dir(option + strlen(keys[i]));
	free(copy);
	return ret;
}

static int carry_out(struct mountspec *spec, const char **why)
{
	char *filesystems;
	int ret;

	ret = make_dir(spec->dir);
	if (ret) {
		*why = "DIR cannot be made";
		return ret;
	}
	if (spec->type && !strcmp(spec->type, HOSTDIR_TYPE))
		return mount_hostdir(spec, why);
	if (spec->type && !strcmp(spec->type, "overlay")) {
		ret = make_overlay_dirs(spec);
		if (ret) {
			*why = "upperdir or workdir cannot be made";
			return ret;
		}
	}
	ret = read_file("/proc/filesystems", &filesystems);
	if (ret) {
		*why = "/proc/filesystems of the rump kernel";
		return ret;
	}
	if (spec->type && is_nodev(spec->type, filesystems))
		ret = refuse_isolate(spec, why) ?: try_type(spec, spec->source, spec->type, 0);
	else
		ret = mount_device(spec, filesystems, why);
	free(filesystems);
	return ret;
}

/* name: what messages begin with. */
static int mount_named(const char *name, const char *text)
{
	struct mountspec spec;
	const char *why = NULL;
	char wrong[128];
	int err;

	err = mountspec_parse(&spec, text, wrong, sizeof(wrong));
	if (err == -EINVAL) {
		rumpuser_warn("%s: %s", name, wrong);
		return err;
	}
	if (!err) {
		err = carry_out(&spec, &why);
		mountspec_free(&spec);
	}
	if (err)
		rumpuser_warn("%s: %s%s%s", name, why ? why : "", why ? ": " : "", strerror(-err));
	return err;
}

/* who: where the specification comes from, for the message. */
static int mount_spec(const char *who, const char *text)
{
	char *name;
	int err;

	if (asprintf(&name, "%s \"%s\"", who, text) < 0)
		return -ENOMEM;
	err = mount_named(name, text);
	free(name);
	return err;
}

int rump_pub_mount(const char *text)
{
	int err = rump_init();

	return err ? err : mount_spec("mount", text);
}

int rump_pub_mount_named(const char *name, const char *text)
{
	int err = rump_init();

	return err ? err : mount_named(name, text);
}

/*
 * SOURCE may be a word for a file system without a device, or a device of the kernel to come; and a
 * relative one is another file for a program that was started elsewhere, and may never look at it.
 */
static bool is_hosts(const struct mountspec *spec)
{
	if (spec->source[0] != '/' || !strncmp(spec->source, "/dev/", 5))
		return false;
	return !spec->type || !strcmp(spec->type, HOSTDIR_TYPE);
}

static int check(const char *who, const char *text)
{
	struct mountspec spec;
	char wrong[128];
	int err;

	err = mountspec_parse(&spec, text, wrong, sizeof(wrong));
	if (!err) {
		if (is_hosts(&spec) && access(spec.source, F_OK)) {
			err = -errno;
			snprintf(wrong, sizeof(wrong), "SOURCE is no %s of the host: %s",
			    spec.type ? "directory" : "file", strerror(errno));
		}
		mountspec_free(&spec);
	}
	if (err)
		rumpuser_warn("%s \"%s\": %s", who, text, err == -ENOMEM ? strerror(ENOMEM) : wrong);
	return err;
}

int mount_check(const char *who, const char *list)
{
	return mountspec_each(list, check, who);
}

int mount_list(const char *who, const char *list)
{
	return mountspec_each(list, mount_spec, who);
}

/* ---- unmounting --------------------------------------------------------------- */

/* The mount point in a line of /proc/self/mounts, in place: \040 is a space. */
static char *mount_point(char *line)
{
	char *s = strchr(line, ' '), *out, *start;

	if (!s)
		return NULL;
	start = out = ++s;
	for (; *s && *s != ' '; s++) {
		if (*s == '\\' && s[1] && s[2] && s[3]) {
			*out++ = (s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0');
			s += 3;
		} else {
			*out++ = *s;
		}
	}
	*out = '\0';
	return start;
}

/* Waits for files that are being closed; what stays busy is made read-only. */
static void unmount(const char *dir)
{
	const struct timespec pause = { .tv_nsec = BUSY_NS };
	long ret;
	int i;

	ret = call(SYS_umount2, dir, 0);
	for (i = 0; ret == -EBUSY && i < BUSY_TRIES; i++) {
		call(SYS_nanosleep, &pause, NULL);
		ret = call(SYS_umount2, dir, 0);
	}
	if (ret != -EBUSY)
		return;
	ret = call(SYS_mount, NULL, dir, NULL, MS_REMOUNT | MS_RDONLY, NULL);
	if (ret)
		rumpuser_warn("%s is in use and could not be unmounted: %s", dir, strerror(-ret));
	call(SYS_umount2, dir, MNT_DETACH);
}

void mount_undo_all(void)
{
	char *mounts, *end, *line, *dir;

	if (read_file("/proc/self/mounts", &mounts))
		return;
	/* From the end, line by line. */
	for (end = mounts + strlen(mounts); end > mounts; end = line) {
		end[-1] = '\0';
		for (line = end - 1; line > mounts && line[-1] != '\n'; line--)
			;
		dir = mount_point(line);
		if (dir && strcmp(dir, "/"))
			unmount(dir);
	}
	free(mounts);
}
