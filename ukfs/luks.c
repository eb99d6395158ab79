/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * luks.c - LUKS volumes: libcryptsetup reads the header and finds the key, dm-crypt of
 * the rump kernel does the rest.
 *
 * The volume is a device of the rump kernel, which libcryptsetup cannot open: it gets
 * a copy of the header, in memory, as long as the volume (a hole, mostly).  The
 * library is loaded when the first such volume is met.
 *
 * Limits: LUKS 1 and 2 with one crypt segment; no authenticated encryption, no
 * tokens, no detached headers.
 */
#include <dlfcn.h>
#include <errno.h>
#include <libcryptsetup.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dev.h"
#include "ukfs.h"

#define HEADER_LEN	(16 << 20)	/* read at first; more if the data begin later */
#define HEADER_MAX	(512 << 20)
#define KEYFILE_MAX	(8 << 20)	/* as cryptsetup */
#define KEY_MAX		256

static const char magic[] = { 'L', 'U', 'K', 'S', '\xba', '\xbe' };

bool luks_probe(const char *dev)
{
	char head[sizeof(magic)];

	return !dev_read(dev, 0, head, sizeof(head)) && !memcmp(head, magic, sizeof(magic));
}

/* ---- the library -------------------------------------------------------------------- */

#define FUNCTIONS(F)	F(crypt_init) F(crypt_load) F(crypt_free) F(crypt_volume_key_get) \
	F(crypt_get_cipher) F(crypt_get_cipher_mode) F(crypt_get_data_offset) \
	F(crypt_get_iv_offset) F(crypt_get_sector_size) F(crypt_get_volume_key_size) \
	F(crypt_metadata_locking) F(crypt_set_log_callback)

static struct {
#define MEMBER(f)	__typeof__(f) *f;
	FUNCTIONS(MEMBER)
} lib;

static int load_library(const char *image)
{
	static const char *const names[] = {
#define NAME(f)	#f,
		FUNCTIONS(NAME)
	};
	void **to = (void **)&lib, *so = dlopen("libcryptsetup.so.12", RTLD_NOW);
	size_t i;

	for (i = 0; so && i < sizeof(names) / sizeof(names[0]); i++) {
		to[i] = dlsym(so, names[i]);
		if (!to[i])
			break;
	}
	if (!so || i < sizeof(names) / sizeof(names[0]))
		return ukfs_say(-ENOPKG, "%s: is a LUKS volume, and libcryptsetup is not to be had: %s",
		    image, dlerror());
	return 0;
}

/* What it has to say is ours to say. */
static void silence(int level, const char *msg, void *arg)
{
	(void)level, (void)msg, (void)arg;
}

/* ---- the key -------------------------------------------------------------------------- */

/* The whole file, to be freed. */
static int read_keyfile(const char *file, char **keyp, size_t *len)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC), r = 0;
	char *key = malloc(KEYFILE_MAX);
	ssize_t n = 1;

	*len = 0;
	if (fd < 0 || !key)
		r = -errno;
	while (!r && n > 0 && *len < KEYFILE_MAX) {
		n = read(fd, key + *len, KEYFILE_MAX - *len);
		if (n < 0)
			r = -errno;
		else
			*len += n;
	}
	if (fd >= 0)
		close(fd);
	if (!r && !*len)
		r = -ENODATA;
	if (r) {
		free(key);
		ukfs_say(r, "crypt=%s: %s", file, r == -ENODATA ? "is empty" : strerror(-r));
	} else {
		*keyp = key;
	}
	return r;
}

/* Bytes [from, to) of the volume into the file. */
static int copy_header(const char *dev, int fd, uint64_t from, uint64_t to)
{
	const size_t chunk = 1 << 20;
	char *buf = malloc(chunk);
	int r = buf ? 0 : -ENOMEM;
	size_t n;

	for (; !r && from < to; from += n) {
		n = to - from < chunk ? to - from : chunk;
		r = dev_read(dev, from, buf, n);
		if (!r && pwrite(fd, buf, n, from) != (ssize_t)n)
			r = -errno;
	}
	free(buf);
	return r;
}

/* A handle of libcryptsetup on a copy of the header; *sectors: where the data begin. */
static int load_header(const char *dev, int fd, struct crypt_device **cdp, uint64_t *sectors)
{
	uint64_t size = dev_size(dev), len = size < HEADER_LEN ? size : HEADER_LEN, data;
	char file[64];
	int r;

	if (ftruncate(fd, size))
		return -errno;
	r = copy_header(dev, fd, 0, len);
	if (r)
		return r;
	snprintf(file, sizeof(file), "/proc/self/fd/%d", fd);
	r = lib.crypt_init(cdp, file);
	if (r)
		return r;
	lib.crypt_set_log_callback(*cdp, silence, NULL);
	lib.crypt_metadata_locking(*cdp, 0);
	r = lib.crypt_load(*cdp, CRYPT_LUKS, NULL);
	if (!r) {
		*sectors = lib.crypt_get_data_offset(*cdp);
		data = *sectors * 512;
		if (!data || data >= size || data > HEADER_MAX)
			r = -EINVAL;
		else if (data > len)
			r = copy_header(dev, fd, len, data);
	}
	return r;
}

/* The line of dm-crypt's table: CIPHER KEY IV_OFFSET DEVICE OFFSET [1 sector_size:N] */
static int make_params(struct crypt_device *cd, const char *dev, const char *key, size_t len,
    uint64_t sectors, char *params, size_t size)
{
	char hex[2 * KEY_MAX + 1], sector[48] = "";
	int sector_size = lib.crypt_get_sector_size(cd), n;
	size_t i;

	for (i = 0; i < len; i++)
		sprintf(hex + 2 * i, "%02x", (unsigned char)key[i]);
	if (sector_size != 512)
		snprintf(sector, sizeof(sector), " 1 sector_size:%d", sector_size);
	n = snprintf(params, size, "%s-%s %s %llu %s %llu%s", lib.crypt_get_cipher(cd),
	    lib.crypt_get_cipher_mode(cd), hex, (unsigned long long)lib.crypt_get_iv_offset(cd),
	    dev, (unsigned long long)sectors, sector);
	explicit_bzero(hex, sizeof(hex));
	return n < (int)size ? 0 : -E2BIG;
}

static int unlock(struct dev_stack *ds, struct crypt_device *cd, const char *keyfile,
    uint64_t sectors, char dev[DEV_NAME_LEN])
{
	char key[KEY_MAX], params[4 * KEY_MAX], *pass = NULL;
	struct dm_line line = { .type = "crypt", .params = params };
	size_t len = sizeof(key), passlen;
	int r;

	r = read_keyfile(keyfile, &pass, &passlen);
	if (r)
		return r;
	r = lib.crypt_volume_key_get(cd, CRYPT_ANY_SLOT, key, &len, pass, passlen);
	if (r < 0)
		ukfs_say(r, "%s: crypt=%s: no slot of the LUKS volume opens with this key%s",
		    ds->image, keyfile, pass[passlen - 1] == '\n' ?
		    " (the newline at its end is a part of it)" : "");
	explicit_bzero(pass, passlen);
	free(pass);
	if (r < 0)
		return r;
	line.sectors = dev_size(dev) / 512 - sectors;
	r = make_params(cd, dev, key, len, sectors, params, sizeof(params));
	if (!r)
		r = dm_make(ds, "a LUKS volume", &line, 1, dev);
	explicit_bzero(key, sizeof(key));
	explicit_bzero(params, sizeof(params));
	return r;
}

int luks_open(struct dev_stack *ds, const char *keyfile, char dev[DEV_NAME_LEN])
{
	struct crypt_device *cd = NULL;
	uint64_t sectors = 0;
	int r, fd;

	if (!keyfile)
		return ukfs_say(-ENOKEY, "%s: is a LUKS volume: crypt=KEYFILE is wanted", ds->image);
	r = load_library(ds->image);
	if (r)
		return r;
	fd = memfd_create("luks", MFD_CLOEXEC);
	if (fd < 0)
		return ukfs_say(-errno, "memfd: %s", strerror(errno));
	r = load_header(dev, fd, &cd, &sectors);
	if (r)
		ukfs_say(r, "%s: the header of the LUKS volume cannot be read: %s", ds->image,
		    strerror(-r));
	else
		r = unlock(ds, cd, keyfile, sectors, dev);
	if (cd)
		lib.crypt_free(cd);
	close(fd);
	return r;
}
