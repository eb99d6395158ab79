/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h_fuse.c - a file server that behaves as badly as it is told to, without libfuse:
 *
 *	h_fuse DIR [stall] [self] [exit]
 *
 * Serves a directory with one "file".  stall: a read of it is never answered, but
 * said ("reading" on stdout); self: it has this file of its own open itself; exit:
 * it then ends by exit(3), with the file open.  Else it says "mounted", and stays.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static const char text[] = "hello\n";
static int dev, stall;

static void reply(uint64_t unique, int error, const void *data, size_t len)
{
	struct fuse_out_header h = { .len = sizeof(h) + len, .error = error, .unique = unique };
	struct iovec iov[] = { { &h, sizeof(h) }, { (void *)data, len } };

	/* Whoever asked may be gone. */
	if (writev(dev, iov, 2) < 0 && errno != ENOENT)
		err(1, "/dev/fuse: write");
}

static struct fuse_attr attr_of(uint64_t node)
{
	return (struct fuse_attr){
		.ino = node, .nlink = 1, .size = node == 1 ? 0 : sizeof(text) - 1,
		.mode = node == 1 ? S_IFDIR | 0755 : S_IFREG | 0644, .blksize = 4096,
	};
}

static void serve(const struct fuse_in_header *h)
{
	const void *arg = h + 1;
	struct fuse_init_out init = { .major = 7, .minor = 31, .max_write = 65536 };
	struct fuse_entry_out entry = { .nodeid = 2, .attr = attr_of(2) };
	struct fuse_attr_out attr = { .attr = attr_of(h->nodeid) };
	struct fuse_open_out open = { .fh = 1 };
	struct fuse_statfs_out statfs = { .st.bsize = 4096 };

	switch (h->opcode) {
	case FUSE_INIT:
		reply(h->unique, 0, &init, sizeof(init));
		break;
	case FUSE_GETATTR:
		reply(h->unique, 0, &attr, sizeof(attr));
		break;
	case FUSE_LOOKUP:
		if (strcmp(arg, "file"))
			reply(h->unique, -ENOENT, NULL, 0);
		else
			reply(h->unique, 0, &entry, sizeof(entry));
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		reply(h->unique, 0, &open, sizeof(open));
		break;
	case FUSE_READ:
		if (stall)
			puts("reading");
		else
			reply(h->unique, 0, text, sizeof(text) - 1);
		break;
	case FUSE_STATFS:
		reply(h->unique, 0, &statfs, sizeof(statfs));
		break;
	case FUSE_READDIR:
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		reply(h->unique, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
	case FUSE_DESTROY:
		break;
	default:
		reply(h->unique, -ENOSYS, NULL, 0);
	}
}

static void *serve_all(void *unused)
{
	static char buf[128 << 10] __attribute__((aligned(8)));
	ssize_t n;

	(void)unused;
	while ((n = read(dev, buf, sizeof(buf))) > 0 || errno == EINTR || errno == ENOENT)
		if (n > 0)
			serve((const void *)buf);
	if (errno != ENODEV)
		err(1, "/dev/fuse: read");
	return NULL;		/* unmounted */
}

int main(int argc, char **argv)
{
	int self = 0, end = 0, i;
	char options[128], file[4096];
	pthread_t thread;

	for (i = 2; i < argc; i++) {
		stall |= !strcmp(argv[i], "stall");
		self |= !strcmp(argv[i], "self");
		end |= !strcmp(argv[i], "exit");
	}
	setlinebuf(stdout);
	dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (argc < 2 || dev < 0)
		err(1, "/dev/fuse");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%d,group_id=%d", dev, getuid(),
	    getgid());
	if (mount("h_fuse", argv[1], "fuse.test", 0, options))
		err(1, "mount %s", argv[1]);
	pthread_create(&thread, NULL, serve_all, NULL);
	if (self) {
		snprintf(file, sizeof(file), "%s/file", argv[1]);
		if (open(file, O_RDONLY | O_CLOEXEC) < 0)
			err(1, "%s", file);
	}
	puts("mounted");
	if (end)
		exit(0);
	pthread_join(thread, NULL);
	return 0;
}
